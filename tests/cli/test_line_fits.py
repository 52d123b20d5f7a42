"""`xdgmm lines fit`: from files of spectra and a list of lines to intrinsic widths."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from scipy.special import erf

from xdgmm import lines

LIGHT = 299792.458
X = 6650.0 + 1.25 * np.arange(80)
LIST = """
z: 0.01
medium: vacuum
lsf: {sigma: 1.1, includes_pixel: false, error: 0.03}
groups:
  - name: ionised
    lines:
      - 6564.61
      - [6585.27, NII]
      - {rest: 6549.86, label: NII, ratio: 1/3.05}
"""


def flux(seed, z=0.01):
    edges = np.append(X, X[-1] + 1.25) - 0.625 - 50.0
    result = 5.0 + 0.4 * np.random.default_rng(seed).normal(size=X.size)
    for rest, amount in ((6564.61, 100.0), (6585.27, 60.0), (6549.86, 60.0 / 3.05)):
        mean, width = rest * (1 + z), np.hypot(rest * (1 + z) * 80.0 / LIGHT, 1.1)
        result += amount * np.diff(0.5 * erf((edges - mean) / (width * np.sqrt(2)))) / 1.25
    return result


def write_spectrum(path, seed, **columns):
    given = {"wave": (X - 50.0) * u.AA, "flux": flux(seed) * u.Jy, "err": np.full(X.size, 0.4) * u.Jy, **columns}
    QTable({name: column for name, column in given.items() if column is not None}).write(path, overwrite=True)


@pytest.fixture
def spectra(tmp_path):
    for seed in range(3):
        write_spectrum(tmp_path / f"s{seed}.ecsv", seed)
    (tmp_path / "halpha.yaml").write_text(LIST, encoding="utf-8")
    return tmp_path


def expected(seed, **options):
    group = lines.Group("ionised", [6564.61, (6585.27, "NII"), (6549.86, "NII", 1 / 3.05)], z=0.01)
    settings = {"lsf": lines.LSF(sigma=1.1 * u.AA, includes_pixel=False, error=0.03), "medium": "vacuum", **options}
    return lines.fit_lines((X - 50.0) * u.AA, flux(seed) * u.Jy, np.full(X.size, 0.4) * u.Jy, groups=group, **settings)


def test_a_spectrum_and_a_list_of_lines_give_a_report_tables_and_a_picture(xdgmm, spectra):
    done = xdgmm(
        "lines", "fit", "s0.ecsv", "--lines", "halpha.yaml", "--output", "w.ecsv", "--plot", "fit.png", cwd=spectra
    )
    assert done.returncode == 0, done.stderr
    for part in ("ionised", "NII", "error 3%", "in vacuum", "wrote w.ecsv", "wrote w_lines.ecsv", "wrote fit.png"):
        assert part in done.stdout
    table, fit = QTable.read(spectra / "w.ecsv"), expected(0)
    for name in ("velocity", "variance", "variance_error", "sigma_limit"):
        assert table[name][0].value == pytest.approx(fit.table[name][0].value, rel=1e-6)
        assert table[name].unit == fit.table[name].unit
    assert len(QTable.read(spectra / "w_lines.ecsv")) == 3
    assert (spectra / "fit.png").stat().st_size > 10_000


def test_several_spectra_have_a_row_each(xdgmm, spectra):
    write_spectrum(spectra / "s1.ecsv", 1, wave=(X + 5000.0) * u.AA)
    command = ("lines", "fit", "s0.ecsv", "s1.ecsv", "s2.ecsv", "--lines", "halpha.yaml")
    done = xdgmm(*command, "--output", "w.fits", "--plot", "grid.png", "--z", "0.01,0.01,0.01", cwd=spectra)
    assert done.returncode == 1, done.stderr
    assert "3 spectra: 2 fitted, 1 failed" in done.stdout
    assert "outside the windows" in done.stdout
    table = QTable.read(spectra / "w.fits")
    assert table["name"].tolist() == ["s0", "s1", "s2"]
    assert table["status"].tolist() == ["fitted", "failed", "fitted"]
    assert table["sigma"].unmasked[2].value == pytest.approx(expected(2).table["sigma"][0].value, rel=1e-6)
    assert (spectra / "grid.png").exists()


def test_results_are_one_json_object(xdgmm, spectra):
    command = ("lines", "fit", "--lines", "halpha.yaml", "--json")
    one = json.loads(xdgmm(*command, "s0.ecsv", cwd=spectra).stdout)
    assert one["groups"]["rows"][0]["group"] == "ionised"
    assert one["converged"] is True
    assert one["written"] == []
    two = json.loads(xdgmm(*command, "s0.ecsv", "s1.ecsv", cwd=spectra).stdout)
    assert (two["n_fitted"], two["n_failed"], len(two["lines"]["rows"])) == (2, 0, 6)
    quiet = xdgmm(*command[:-1], "--quiet", "s0.ecsv", cwd=spectra)
    assert (quiet.stdout, quiet.stderr) == ("", "")


def test_options_take_the_place_of_what_the_file_says(xdgmm, spectra):
    options = ["--lsf-fwhm", "120 km/s", "--lsf-error", "0.1", "--includes-pixel", "--window", "6610:6670"]
    options += ["--continuum", "0", "--z", "0.0101"]
    done = xdgmm("lines", "fit", "s0.ecsv", "--lines", "halpha.yaml", "--json", *options, cwd=spectra)
    assert done.returncode == 0, done.stderr
    group = lines.Group("ionised", [6564.61, (6585.27, "NII"), (6549.86, "NII", 1 / 3.05)], z=0.0101)
    fit = lines.fit_lines(
        (X - 50.0) * u.AA,
        flux(0),
        np.full(X.size, 0.4),
        groups=group,
        windows=[(6610, 6670)],
        continuum=0,
        lsf=lines.LSF(fwhm=120 * u.km / u.s, includes_pixel=True, error=0.1),
        medium="vacuum",
    )
    row = json.loads(done.stdout)["groups"]["rows"][0]
    assert row["variance"] == pytest.approx(fit.intrinsic_variance[0].value, rel=1e-6)
    assert row["velocity"] == pytest.approx(fit.velocity[0].value, rel=1e-6)
    by_rest = ["--rest-window", "654.5 nm:660.4 nm", "--resolving-power", "2500", "--continuum", "exponential"]
    done = xdgmm("lines", "fit", "s0.ecsv", "--lines", "halpha.yaml", "--json", *by_rest, cwd=spectra)
    assert json.loads(done.stdout)["instrument"].startswith("R = 2500")


def test_an_error_alone_belongs_to_the_instrument_of_the_spectrum(xdgmm, spectra):
    """As for files of SDSS, which say how wide their instrument is."""
    from astropy.io import fits

    wave = 10 ** (3.82 + 1e-4 * np.arange(100))
    columns = {"loglam": np.log10(wave), "flux": np.ones(100), "ivar": np.full(100, 100.0), "wdisp": np.full(100, 1.1)}
    columns["flux"] = 1.0 + 5.0 * np.exp(-0.5 * ((wave - wave[50]) / 3.0) ** 2)
    table = fits.BinTableHDU(QTable({**columns, "and_mask": np.zeros(100, int)}), name="COADD")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(spectra / "spec-1.fits")
    (spectra / "one.yaml").write_text(f"groups: [{{name: a, lines: {wave[50]:.3f}}}]\n", encoding="utf-8")
    command = ("lines", "fit", "spec-1.fits", "--lines", "one.yaml", "--json")
    done = xdgmm(*command, "--lsf-error", "0.07", cwd=spectra)
    assert "error 7%" in json.loads(done.stdout)["instrument"], done.stderr
    assert "error" not in json.loads(xdgmm(*command, cwd=spectra).stdout)["instrument"]
    done = xdgmm(*command, "--includes-pixel", cwd=spectra)
    assert "leave `includes_pixel` (--includes-pixel) out" in " ".join(done.stderr.split())


def test_the_list_of_the_documentation_is_one(spectra):
    from xdgmm.cli.line_files import read_line_file

    page = (Path(__file__).parents[2] / "docs" / "line_fits.md").read_text(encoding="utf-8")
    (spectra / "page.yaml").write_text(re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1], encoding="utf-8")
    found = read_line_file(spectra / "page.yaml")
    ionised, sulphur = found.groups
    assert (ionised.z, sulphur.z, sulphur.velocity) == (0.0231, 0.0230, (-300.0, 300.0))
    assert [line.ratio for line in ionised.lines] == [None, None, 1 / 3.05]
    assert sulphur.lines[1].ratio == (0.44, 1.45)
    assert sulphur.lines[0].rest == 671.829 * u.nm
    assert found.settings == {"medium": "vacuum", "windows": [(6640.0, 6790.0)], "continuum": 1}
    assert found.lsf == {"R": 2000.0, "includes_pixel": True, "error": 0.05}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("groups:", "group:"), "line 5: the file has no key 'group'; did you mean 'groups'?"),
        (("    lines:", "    line:"), "line 7: a group has no key 'line'; did you mean 'lines'?"),
        (
            ("includes_pixel", "include_pixel"),
            "line 4: 'lsf' has no key 'include_pixel'; did you mean 'includes_pixel'?",
        ),
        (("ratio: 1/3.05", "ration: 0.3"), "line 10: a line has no key 'ration'; did you mean 'ratio'?"),
        (("z: 0.01", "redshift: 0.01"), "line 2: the file has no key 'redshift'; there are groups, z,"),
        (("z: 0.01", "z: high"), "line 2: 'z' is 'high', but it must be a number"),
        (("z: 0.01", "z: -3"), "line 6: `z` (--z) of group 'ionised' is -3.0"),
        (("z: 0.01", "windows: 6500"), "line 2: 'windows' is 6500, but it must be a list of pairs [low, high]"),
        (
            ("z: 0.01", "windows: [[6500, wide]]"),
            "'windows' is [[6500, 'wide']], but it must be a number with or without",
        ),
        (("z: 0.01", "windows: [6500]"), "'windows' is [6500], but it must be a pair [low, high]"),
        (("z: 0.01", "continuum: cubic"), "'continuum' is 'cubic', but it must be the degree"),
        (("z: 0.01", "thermal: 10000"), "'thermal' is 10000, but it must be a number with a unit"),
        (("z: 0.01", "thermal: hot"), "'thermal' is 'hot', but it must be a number with a unit"),
        (("medium: vacuum", "medium: water"), "line 3: 'medium' is 'water', but it must be one of air, vacuum"),
        (("medium: vacuum", "z: 0.02"), "line 3: 'z' is there twice"),
        (("medium: vacuum", "1: 2"), "line 3: the key 1 is no text"),
        (("medium: vacuum", "medium: [air"), "this is no YAML"),
        (("medium: vacuum", "lsf: 3"), "'lsf' is there twice"),
        (("includes_pixel: false", "includes_pixel: 0"), "'includes_pixel' is 0, but it must be true or false"),
        (("sigma: 1.1, ", ""), "does not say how wide its instrument is: give --lsf"),
        (("  - name: ionised\n    lines", "  - lines"), "line 6: a group has no 'name'"),
        (("name: ionised", "name: 6"), "line 6: 'name' is 6, but it must be a text"),
        (("name: ionised", "name: NO"), "'name' is False, but it must be a text; put it in quotes"),
        (("- 6564.61", "- red"), "line 7: 'red' in 'lines' is no line"),
        (("- 6564.61", "- -1"), "has a line at -1; a rest wavelength is positive"),
        (("rest: 6549.86, ", ""), "line 10: a line has no 'rest'"),
        (("groups:", "groups: []\nunknown:"), "'unknown'"),
    ],
    ids=range(27),
)
def test_what_is_wrong_in_the_list_is_named_with_its_place(xdgmm, refused, spectra, change, message):
    assert change[0] in LIST
    (spectra / "halpha.yaml").write_text(LIST.replace(*change), encoding="utf-8")
    sentence = refused(xdgmm("lines", "fit", "s0.ecsv", "--lines", "halpha.yaml", cwd=spectra), message)
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no settings"),
        ("- 1", "holds no settings"),
        ("z: 0.1", "has no 'groups'"),
        ("groups: [3]", "3 in 'groups' is no group"),
        ("groups: [{name: a}]", "line 1: a group has no 'lines'"),
        ("groups: &a [*a]", "this is no YAML"),
        ("groups: !!python/object:os.system {}", "this is no YAML"),
        ("\tz: 1", "this is no YAML"),
        (b"\xff\xfe\x00", "this is no YAML"),
        ("#" * 1_000_002, "is longer than"),
    ],
)
def test_files_that_are_no_lists_are_refused(xdgmm, refused, spectra, text, message):
    (spectra / "halpha.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(xdgmm("lines", "fit", "s0.ecsv", "--lines", "halpha.yaml", cwd=spectra), message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--lsf", "1.1", "--resolving-power", "2000"), "given twice: --lsf and --resolving-power"),
        (("--window", "6600"), "--window is '6600', but it must be LOW:HIGH"),
        (("--window", "a:b"), "--window is 'a'"),
        (("--continuum", "cubic"), "--continuum is 'cubic'"),
        (("--z", "red"), "--z is 'red'"),
        (("--z", "0.1,0.2"), "--z has 2 redshifts, but there are 1 spectra"),
        (("--medium", "water"), "`medium` (--medium) is 'water'"),
        (("--noise", "estimate"), "`noise='estimate'` (--noise estimate)"),
        (("--lines", "other.yaml"), "other.yaml"),
        (("--output", "w.txt"), "w.txt"),
        (("--output", "s0.ecsv", "--overwrite"), "'s0.ecsv' is a spectrum that is read"),
        (("--format", "eso"), "`format` (--format) is 'eso'"),
        (
            ("--window", "6600:6700", "--rest-window", "6500:6600"),
            "`windows` (--window) and `rest_windows` (--rest-window)",
        ),
    ],
)
def test_bad_options_are_one_sentence(xdgmm, refused, spectra, options, message):
    refused(xdgmm("lines", "fit", "s0.ecsv", "--lines", "halpha.yaml", *options, cwd=spectra), message)


def test_a_picture_has_at_most_a_hundred_spectra(xdgmm, refused, spectra):
    command = ("lines", "fit", *["s0.ecsv"] * 101, "--lines", "halpha.yaml", "--plot", "grid.png")
    refused(xdgmm(*command, cwd=spectra), "a picture shows at most 100 spectra")


def test_no_width_of_the_instrument_is_said(xdgmm, refused, spectra):
    (spectra / "halpha.yaml").write_text("medium: air\ngroups: [{name: a, lines: [6564.61 AA], z: 0.01}]\n", "utf-8")
    command = ("lines", "fit", "s0.ecsv", "--lines", "halpha.yaml")
    refused(xdgmm(*command, cwd=spectra), "'s0' does not say how wide its instrument is")
    refused(xdgmm(*command, "--lsf", "1.1", cwd=spectra), "`includes_pixel` (--includes-pixel) is missing")
    refused(xdgmm(*command[:3], "--lines", "none.yaml", cwd=spectra), "there is no file 'none.yaml'")
    refused(xdgmm(*command[:3], "--lines", ".", cwd=spectra), "cannot read '.'")
    assert xdgmm(*command, "--lsf", "1.1 AA", "--no-includes-pixel", cwd=spectra).returncode == 0
