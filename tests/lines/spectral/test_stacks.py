"""Many spectra: stacks, cubes and lists, of which each is fitted by itself."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from joblib import parallel_config
from scipy.special import erf

from xdgmm import lines
from xdgmm.errors import InputError, OutputError, XdgmmWarning

LIGHT = 299792.458
IONISED = lines.Group("ionised", [6564.61, (6585.27, "NII"), (6549.86, "NII", 1 / 3.05)])
SULPHUR = lines.Group("sulphur", [(6718.29, "SII"), (6732.67, "SII")])
LSF = lines.LSF(sigma=1.1, includes_pixel=False, error=0.03)
CENTRE = 6650.0


def pixels(z=0.01, n=200, step=1.25):
    return CENTRE * (1 + z) + step * (np.arange(n) - n / 2)


def flux(seed, x, z=0.01, sigma=80.0, velocity=30.0, error=0.4):
    """Five lines of two groups over a slope, integrated over pixels, with noise."""
    edges = np.append(x, 2 * x[-1] - x[-2]) - 0.5 * (x[1] - x[0])
    result = 5.0 + 0.01 * (x - x.mean())
    for rest, amount, s, v in (
        (6564.61, 100.0, sigma, velocity),
        (6585.27, 60.0, sigma, velocity),
        (6549.86, 60.0 / 3.05, sigma, velocity),
        (6718.29, 40.0, 50.0, -20.0),
        (6732.67, 35.0, 50.0, -20.0),
    ):
        mean, width = rest * (1 + z) * (1 + v / LIGHT), np.hypot(rest * (1 + z) * s / LIGHT, 1.1)
        result = result + amount * np.diff(0.5 * erf((edges - mean) / (width * np.sqrt(2)))) / np.diff(edges)
    return result + error * np.random.default_rng(seed).normal(size=x.size)


X = pixels()
STACK = np.array([flux(seed, X) for seed in range(6)])
SETTINGS = {"groups": [IONISED, SULPHUR], "lsf": LSF, "medium": "vacuum", "z": 0.01}


@pytest.fixture(scope="module")
def fits():
    broken = STACK.copy()
    broken[2] = np.nan
    broken[4, :30] = np.nan
    return lines.fit_lines(X, broken, 0.4, **SETTINGS)


def test_each_spectrum_has_the_rows_of_its_own_fit(fits):
    table, of_lines = fits.table, fits.lines
    assert len(table) == 6 * 2
    assert len(of_lines) == 6 * 5
    for number in (0, 1, 5):
        alone = lines.fit_lines(X, STACK[number], np.full(X.size, 0.4), **SETTINGS)
        for ours, theirs in ((table, alone.table), (of_lines, alone.lines)):
            mine = ours[ours["index"] == number]
            for name in theirs.colnames:
                if theirs[name].dtype.kind in "fb":
                    np.testing.assert_allclose(mine[name], theirs[name], rtol=1e-6, atol=1e-9)
                else:
                    assert list(mine[name]) == list(theirs[name])
        assert table["probability"][2 * number] == pytest.approx(alone.goodness.probability)


def test_what_fails_is_marked_with_its_reason_and_the_others_go_on(fits):
    assert list(fits.status) == ["fitted", "fitted", "failed", "fitted", "fitted", "fitted"]
    assert (fits.n_fitted, fits.n_failed) == (5, 1)
    assert fits.failures == {"no pixel is left: all are masked": 1}
    lost = fits.table[fits.table["index"] == 2]
    assert set(lost["reason"]) == {"no pixel is left: all are masked"}
    assert lost["sigma"].mask.all()
    assert lost["is_limit"].mask.all()
    assert lost["group"].tolist() == ["ionised", "sulphur"]
    with pytest.raises(InputError, match="all are masked"):
        fits[2]
    assert [fit is None for fit in fits] == [False, False, True, False, False, False]


def test_a_summary_counts_fits_failures_and_resolved_groups(fits):
    shown = repr(fits)
    for words in ("6 spectra: 5 fitted, 1 failed", "1  no pixel is left", "5 of 5", "error 3%", "in vacuum"):
        assert words in shown


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_results_do_not_depend_on_the_number_of_processes(fits, backend):
    with parallel_config(backend):
        again = lines.fit_lines(X, np.vstack([STACK[:2], np.full((1, X.size), np.nan)]), 0.4, **SETTINGS, n_jobs=2)
    for one, other in zip(fits.rows[:3], again.rows, strict=True):
        assert one.status == other.status
        np.testing.assert_array_equal(one.of_groups, other.of_groups)
        np.testing.assert_array_equal(one.of_lines, other.of_lines)


def test_a_fit_is_made_again_when_it_is_asked_for(fits):
    fit = fits[-1]
    assert isinstance(fit, lines.LineFit)
    np.testing.assert_array_equal(fit.intrinsic_variance, fits.table["variance"][-2:])
    assert len(pickle.dumps(fits.rows)) / len(fits) < 4096


def test_one_spectrum_with_two_axes_is_a_stack_of_one(fits):
    one = lines.fit_lines(X, STACK[:1], 0.4, **SETTINGS)
    assert repr(one).startswith("1 spectrum: 1 fitted, 0 failed")
    np.testing.assert_array_equal(one.rows[0].of_groups, fits.rows[0].of_groups)


def test_names_with_square_brackets_are_printed_as_they_are():
    named = lines.Group("[nii]", [(6585.27, "[/b]"), (6549.86, "[/b]", 1 / 3.05)])
    settings = {**SETTINGS, "groups": [lines.Group("[red]", [(6564.61, "[o iii]")]), named]}
    many = repr(lines.fit_lines(X, STACK[:1], 0.4, **settings))
    one = repr(lines.fit_lines(X, STACK[0], np.full(X.size, 0.4), **settings))
    assert all(name in many and name in one for name in ("[red]", "[nii]"))
    assert "[o iii]" in one
    assert "[/b]" in one


def test_cubes_have_maps():
    cube = STACK.reshape(2, 3, -1)
    mask = np.zeros(cube.shape, bool)
    mask[1, 0] = True
    fits = lines.fit_lines(X * u.AA, cube * u.Jy, 0.4 * u.Jy, mask=mask, **in_angstrom())
    assert fits.shape == (2, 3)
    sigma = fits.map("sigma", "sulphur")
    assert sigma.shape == (2, 3)
    assert sigma.unit == u.km / u.s
    assert sigma.mask.tolist() == [[False] * 3, [True, False, False]]
    row = fits.table[(fits.table["y"] == 1) & (fits.table["x"] == 2) & (fits.table["group"] == "sulphur")]
    assert row["sigma"][0].value == sigma[1, 2].value
    assert fits[1, 2].intrinsic_sigma[1].value == pytest.approx(sigma[1, 2].value)
    assert fits.map("flux", 0, line="NII").unit == u.Jy * u.AA
    np.testing.assert_array_equal(fits.map("flux", 0, line=1).unmasked, fits.map("flux", "ionised", "NII").unmasked)
    assert not fits.map("is_limit").any()
    assert fits.map("probability").shape == (2, 3)


def in_angstrom():
    groups = [
        lines.Group(
            g.name, [(line.rest * u.AA, line.label, line.ratio)[: 2 + (line.ratio is not None)] for line in g.lines]
        )
        for g in (IONISED, SULPHUR)
    ]
    lsf = lines.LSF(sigma=1.1 * u.AA, includes_pixel=False, error=0.03)
    return {**SETTINGS, "groups": groups, "lsf": lsf}


def test_redshifts_of_each_spectrum_take_the_place_of_those_of_groups():
    """Sources that differ in redshift alone, and in pixels that are stretched with it, have the same widths."""
    redshifts = [0.01, 0.05, 0.3]
    spectra = []
    for z in redshifts:
        x = pixels() * (1 + z) / 1.01
        spectra.append(lines.Spectrum(x, flux(1, X) * 1.01 / (1 + z), np.full(X.size, 0.4 * 1.01 / (1 + z))))
    lsf = [lines.LSF(sigma=1.1 * (1 + z) / 1.01, includes_pixel=False, error=0.03) for z in redshifts]
    settings = {**SETTINGS, "z": redshifts, "rest_windows": [(6530, 6610), (6700, 6750)]}
    fits = lines.fit_many(spectra, **{**settings, "lsf": lsf})
    for name in ("velocity", "variance", "variance_error", "sigma_limit"):
        values = fits.map(name)
        np.testing.assert_allclose(values, values[0], rtol=1e-5)
    assert fits.table["z"].tolist() == np.repeat(redshifts, 2).tolist()
    observed = lines.fit_lines(
        spectra[1],
        groups=[IONISED, SULPHUR],
        lsf=lsf[1],
        z=0.05,
        medium="vacuum",
        windows=[(6530 * 1.05, 6610 * 1.05), (6700 * 1.05, 6750 * 1.05)],
    )
    np.testing.assert_allclose(observed.intrinsic_variance, fits[1].intrinsic_variance, rtol=1e-9)


def test_a_missing_redshift_is_a_failure_of_one():
    fits = lines.fit_lines(X, STACK[:3], 0.4, **{**SETTINGS, "z": [0.01, np.nan, 0.5]})
    assert fits.status.tolist() == ["fitted", "failed", "failed"]
    reasons = list(fits.failures)
    assert any("nan" in reason for reason in reasons)
    assert any("outside the windows" in reason for reason in reasons)


def test_several_spectra_of_each_source_are_fitted_together():
    two = [lines.Spectrum(X, STACK[i], np.full(X.size, 0.4), name=f"exposure {i}") for i in range(2)]
    fits = lines.fit_many([two, two[0]], **SETTINGS)
    joint = lines.fit_lines(two, **SETTINGS)
    np.testing.assert_allclose(fits.map("variance", 1)[0], joint.intrinsic_variance[1], rtol=1e-9)
    assert fits.map("variance_error", 1)[0] < fits.map("variance_error", 1)[1]
    assert fits.table["name"][0] == "exposure 0, exposure 1"
    assert fits.lines["index"].tolist() == [0] * 10 + [1] * 5
    assert fits.lines["spectrum"].tolist() == [0] * 5 + [1] * 5 + [0] * 5
    np.testing.assert_allclose(fits.lines["flux"][:10], joint.lines["flux"], rtol=1e-9)


def test_widths_of_a_group_go_to_the_population():
    stack = np.array([flux(seed, X, sigma=80.0 + 5.0 * (seed % 3 - 1)) for seed in range(12)])
    stack[3] = np.nan
    fits = lines.fit_lines(X, stack, 0.4, **SETTINGS)
    widths = fits.to_widths("ionised")
    assert widths.observed_sigma.shape == (12,)
    assert np.ma.getmaskarray(widths.intrinsic_variance)[3]
    one = fits[0].to_widths()
    assert widths.intrinsic_variance[0] == pytest.approx(one.intrinsic_variance[0])
    assert widths.intrinsic_variance_error[0] == pytest.approx(one.intrinsic_variance_error[0])
    found = lines.population(widths)
    assert len(found) == 11
    assert found.intrinsic_sigma == pytest.approx(80.0, abs=3.0)


def test_instruments_with_different_errors_share_none():
    spectra = [
        lines.Spectrum(X, STACK[i], np.full(X.size, 0.4), lsf=lines.LSF(sigma=1.1, includes_pixel=False, error=e))
        for i, e in enumerate((0.02, 0.05))
    ]
    widths = lines.fit_many(spectra, groups=IONISED, z=0.01, medium="air").to_widths()
    assert not widths.shared
    np.testing.assert_allclose(widths.lsf_error, [0.02, 0.05])


def test_an_error_in_the_users_function_is_a_failure_of_one():
    def continuum(x, level):
        if level > 100.0:
            raise ZeroDivisionError("level")
        return level + 0.0 * x

    fits = lines.fit_lines(
        X, [STACK[0] - 0.01 * (X - X.mean()), STACK[1] + 1e4], 0.4, **SETTINGS, continuum=(continuum, [5.0])
    )
    assert fits.status.tolist() == ["fitted", "failed"]
    assert list(fits.failures) == ["ZeroDivisionError: level"]


@pytest.mark.parametrize("seed", [8, 119, 159])
def test_a_gain_that_rounding_hides_is_convergence(seed):
    x = 6720.0 + 1.25 * (np.arange(200) - 100)
    fit = lines.fit_lines(
        x, flux(seed, x), np.full(200, 0.4), groups=[IONISED, SULPHUR], z=0.01, lsf=EXACT, medium="air"
    )
    assert fit.converged


EXACT = lines.LSF(sigma=1.1, includes_pixel=False)


def test_files_hold_both_tables(fits, tmp_path):
    from astropy.table import QTable

    fits.write(tmp_path / "widths.ecsv")
    assert len(QTable.read(tmp_path / "widths.ecsv")) == 12
    assert len(QTable.read(tmp_path / "widths_lines.ecsv")) == 30
    (tmp_path / "widths.ecsv").unlink()
    with pytest.raises(OutputError, match="widths_lines"):
        fits.write(tmp_path / "widths.ecsv")
    assert not (tmp_path / "widths.ecsv").exists()
    fits.write(tmp_path / "widths.fits")
    assert len(QTable.read(tmp_path / "widths.fits")) == 12


def test_a_progress_bar_counts_spectra(capsys):
    lines.fit_lines(X, STACK[:2], 0.4, **SETTINGS, progress="always")
    assert "2/2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"z": [0.01, 0.02]}, r"`z` has shape \(2,\)"),
        ({"z": "high"}, "`z` is 'high', but redshifts are numbers"),
        ({"n_jobs": 0}, "`n_jobs`"),
        ({"progress": "yes"}, "`progress`"),
        ({"windows": [(6500, 6700)], "rest_windows": [(6500, 6700)]}, "`windows` and `rest_windows`"),
        ({"windows": [(100, 200)]}, "all 3 spectra failed: the window from 100 to 200 has no pixels"),
        ({"lsf": None}, "`lsf` is missing"),
        ({"groups": []}, "`groups`"),
        ({"continuum": "cubic"}, "`continuum`"),
    ],
)
def test_what_is_wrong_for_all_ends_with_a_sentence(change, message):
    with pytest.raises(InputError, match=message):
        lines.fit_lines(X, STACK[:3], 0.4, **{**SETTINGS, **change})


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], "`sources` is empty"),
        (lines.Spectrum(X, STACK[0], 0.4), "`sources` must be a list"),
        ([3], "source 0 is a int"),
        ([lines.Spectrum(X, STACK, 0.4)], "source 0 holds many spectra"),
        ([lines.Spectrum(X * u.AA, STACK[0], 0.4), lines.Spectrum(X * u.nm, STACK[0], 0.4)], "have the units"),
    ],
)
def test_bad_lists_are_one_sentence(sources, message):
    with pytest.raises(InputError, match=message):
        lines.fit_many(sources, **SETTINGS)


def test_spectra_of_a_stack_and_groups_at_a_redshift_are_values():
    stack = lines.Spectrum(X, STACK.reshape(2, 3, -1), 0.4, name="cube")
    one = stack.at((1, 2))
    np.testing.assert_array_equal(one.flux, STACK[5])
    assert one.name == "cube"
    assert not one.flux.flags.writeable
    for wrong in (7, 1, (0, 0, 0)):
        with pytest.raises(InputError, match="is not the index of a spectrum"):
            stack.at(wrong)
    with pytest.raises(InputError, match="is not the index of a spectrum"):
        one.at(0)
    moved = IONISED.at(0.3)
    assert (moved.z, moved.lines, IONISED.z) == (0.3, IONISED.lines, 0.0)
    with pytest.raises(InputError, match="`z` of group 'ionised' is -2"):
        IONISED.at(-2.0)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda fits: fits[6], "6 is not the index"),
        (lambda fits: fits[1:3], "is not the index"),
        (lambda fits: fits.map("height"), "no column of numbers 'height'"),
        (lambda fits: fits.map("flux"), "need `line`"),
        (lambda fits: fits.map("flux", 0, "OI"), "no line 'OI'"),
        (lambda fits: fits.map("sigma", "broad"), "no group 'broad'"),
        (lambda fits: fits.to_widths(), "`group` is missing"),
    ],
)
def test_what_is_not_there_is_one_sentence(fits, ask, message):
    with pytest.raises(InputError, match=message):
        ask(fits)


def test_windows_at_rest_need_one_redshift():
    groups = [IONISED.at(0.01), SULPHUR.at(0.02)]
    with pytest.raises(InputError, match="moved by one redshift"):
        lines.fit_lines(
            X, STACK[0], np.full(X.size, 0.4), groups=groups, lsf=LSF, medium="air", rest_windows=[(6500, 6700)]
        )


@pytest.mark.parametrize("spectra", [1, 2])
def test_a_warning_points_to_the_call(spectra):
    """A user finds the line of the script, not one of this package."""

    def fit():
        one = lines.Spectrum(X * u.AA, STACK[0], 0.4)
        settings = {"groups": [IONISED, SULPHUR], "lsf": EXACT, "z": 0.01}
        return lines.fit_lines(one, **settings) if spectra == 1 else lines.fit_many([one, one], **settings)

    with pytest.warns(XdgmmWarning, match="air or in vacuum") as caught:
        fit()
    place = fit.__code__.co_firstlineno
    assert [Path(each.filename).name for each in caught] == [Path(__file__).name]
    assert place < caught[0].lineno <= place + 4
