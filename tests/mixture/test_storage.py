"""A mixture comes back from disk with the same bits, or one sentence says why it cannot."""

import contextlib
import json
import os

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from xdgmm import GaussianMixture, InputError
from xdgmm.errors import OutputError
from xdgmm.files import check_output, written_whole
from xdgmm.mixture import Background

MODEL = GaussianMixture(
    [0.3, 0.7],
    [[0.0, 1.0], [3.0, -1.0]],
    [[[1.0, 0.6], [0.6, 2.0]], [[0.5, -0.1], [-0.1, 0.2]]],
    ["v", "r"],
    ["km/s", None],
)
EVEN = GaussianMixture(
    0.9 * MODEL.weights,
    MODEL.means,
    MODEL.covariances,
    MODEL.names,
    MODEL.units,
    Background([-1 / 3, -5.0], [10.0, 2 / 3], 0.1),
)


def assert_same(one, other):
    for field in ("weights", "means", "covariances"):
        first, second = getattr(one, field), getattr(other, field)
        assert first.shape == second.shape
        assert first.tobytes() == second.tobytes(), field
    assert one.names == other.names
    assert one.units == other.units
    assert (one.background is None) == (other.background is None)
    if one.background is not None:
        assert np.array(one.background.box).tobytes() == np.array(other.background.box).tobytes()
        assert one.background.fraction == other.background.fraction


finite = st.floats(-1e150, 1e150, allow_subnormal=True)
names = st.text(st.characters(blacklist_categories=["Cs"]), max_size=80)
units = st.sampled_from([None, "km/s", "mas/yr", "", "solMass", "mag", "dex", "1e-17 erg/(s cm2 Angstrom)", "km2/s2"])


@st.composite
def backgrounds(draw, D):
    edges = np.sort(draw(hnp.arrays(float, (2, D), elements=finite)), axis=0)
    edges[1] = np.where(edges[0] < edges[1], edges[1], np.nextafter(edges[0], np.inf))
    return Background(*edges, draw(st.floats(0.0, 1.0, exclude_max=True)))


@st.composite
def mixtures(draw):
    K, D = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    weights = draw(hnp.arrays(float, K, elements=st.floats(1e-300, 1.0)))
    root = draw(hnp.arrays(float, (K, D, D), elements=st.floats(-1e50, 1e50)))
    covariances = root @ root.transpose(0, 2, 1)
    background = draw(st.none() | backgrounds(D))
    fraction = 0.0 if background is None else background.fraction
    return GaussianMixture(
        (1.0 - fraction) * weights / weights.sum(),
        draw(hnp.arrays(float, (K, D), elements=finite)),
        0.5 * (covariances + covariances.transpose(0, 2, 1)),
        draw(st.lists(names, min_size=D, max_size=D, unique=True)),
        draw(st.lists(units, min_size=D, max_size=D)),
        background,
    )


@given(mixtures())
def test_what_was_written_comes_back_with_the_same_bits(tmp_path_factory, model):
    path = tmp_path_factory.mktemp("mixture") / "model.fits"
    model.write(path)
    assert_same(GaussianMixture.read(path), model)


@pytest.mark.parametrize("background", [None, Background(-1 / 3, 1 / 7, 0.0)], ids=["without", "with"])
@pytest.mark.parametrize("D", [1, 2, 7, 20])
def test_any_number_of_coordinates_comes_back(tmp_path, D, background):
    model = GaussianMixture([1.0], np.arange(D)[None] / 3.0, (np.eye(D) / 7.0)[None], background=background)
    model.write(tmp_path / "model.fits")
    assert_same(GaussianMixture.read(tmp_path / "model.fits"), model)


def test_a_background_with_all_the_weight_comes_back(tmp_path):
    model = EVEN.with_parameters(np.array([0.0, 0.0, 1.0]), EVEN.means, EVEN.covariances)
    model.write(tmp_path / "model.fits")
    assert_same(GaussianMixture.read(tmp_path / "model.fits"), model)


def test_only_a_background_needs_the_newer_format(tmp_path):
    for model, number in ((MODEL, 1), (EVEN, 2)):
        model.write(tmp_path / f"{number}.fits")
        header = fits.getheader(tmp_path / f"{number}.fits", 1)
        assert header["XDGMMFMT"] == number
        assert ("BGLOW" in header) == (number == 2)


@pytest.mark.parametrize(
    "odd",
    [
        ["a b", "a_b"],
        ["a b", "a\tb"],
        ["v", "V"],
        ["log(W/20)", "log(W#20)"],
        ["σ", "μ"],
        ["x2", "σ"],
        ["σ", "x1"],
        ["a" * 300, "a" * 301],
        ["", " "],
        ["it's", '"quoted"'],
        ["line\nbreak", "nul\0"],
        ["name & sons", "a" * 68],
        ["CONTINUE", "END"],
        ["a_b_c", "c"],
        ["😀", "trailing "],
    ],
    ids=repr,
)
def test_odd_names_come_back(tmp_path, odd):
    path = tmp_path / "model.fits"
    model = GaussianMixture(MODEL.weights, MODEL.means, MODEL.covariances, odd)
    model.write(path)
    assert_same(GaussianMixture.read(path), model)


@pytest.mark.parametrize(
    "names", [["a b", "a_b"], ["v", "V"], ["a", "b_c", "a_b", "c"], ["σ", "x1"], ["a" * 80, "a" * 81]], ids=repr
)
def test_every_column_of_the_file_has_a_name_of_its_own(tmp_path, names):
    # FITS takes capital and small letters of column names for the same.
    path, D = tmp_path / "model.fits", len(names)
    GaussianMixture([1.0], np.zeros((1, D)), np.eye(D)[None], names).write(path)
    columns = [name.lower() for name in Table.read(path, hdu=1).colnames]
    assert len(set(columns)) == len(columns) == 1 + D + D * (D + 1) // 2


@pytest.mark.parametrize(
    "unit",
    [
        "km/s", "mas/yr", "mag", "dex", "", "solMass", "Angstrom", "10-17 erg/(s cm2 Angstrom)", "%", "h", "deg_C",
        "electron", "littleh", "lyr", "eV", u.Unit(1e-17 * u.erg), u.km**1.5, u.Unit("m(1/3)"),
    ],
    ids=str,
)  # fmt: skip
def test_odd_units_come_back(tmp_path, unit):
    path = tmp_path / "model.fits"
    if unit == "littleh":
        unit = u.Mpc / u.h
    model = GaussianMixture([1.0], [[1.0]], [[[2.0]]], units=[u.Unit(unit)])
    model.write(path)
    assert GaussianMixture.read(path).units == model.units


def test_other_programs_can_read_the_file(tmp_path):
    path = tmp_path / "model.fits"
    MODEL.write(path)
    table = Table.read(path, hdu=1)
    assert table.colnames == ["weight", "mean_v", "mean_r", "cov_v_v", "cov_v_r", "cov_r_r"]
    np.testing.assert_array_equal(table["cov_v_r"], MODEL.covariances[:, 0, 1])
    assert table["mean_v"].unit == u.km / u.s
    assert table["cov_v_v"].unit == u.km**2 / u.s**2


def test_the_file_obeys_the_standard(tmp_path):
    path = tmp_path / "model.fits"
    for model in (MODEL, EVEN):
        model.write(path, overwrite=True)
        with fits.open(path) as hdus:
            hdus.verify("exception")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"there is no file '.*nothing\.fits'; check the name"):
        GaussianMixture.read(tmp_path / "nothing.fits")


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        GaussianMixture.read(tmp_path)


def test_a_fits_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "other.fits"
    Table({"a": [1.0, 2.0]}).write(path)
    with pytest.raises(InputError, match="is a FITS file, but not a mixture written by xdgmm"):
        GaussianMixture.read(path)
    fits.PrimaryHDU(np.ones((3, 3))).writeto(path, overwrite=True)
    with pytest.raises(InputError, match="is a FITS file, but not a mixture written by xdgmm"):
        GaussianMixture.read(path)


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path):
    whole, path = tmp_path / "whole.fits", tmp_path / "cut.fits"
    MODEL.write(whole)
    content = whole.read_bytes()
    ends = [0, 1, 79, 80, 2879, 2880, 2881, 4000, 5760, len(content) - 2880, len(content) - 2879, len(content) - 2784]
    for end in sorted({e for e in ends if e < len(content)}):
        path.write_bytes(content[:end])
        with pytest.raises(InputError, match=r"cut\.fits"):
            GaussianMixture.read(path)


def test_a_file_that_lost_only_its_padding_is_read_or_refused_but_never_wrong(tmp_path):
    whole, path = tmp_path / "whole.fits", tmp_path / "cut.fits"
    MODEL.write(whole)
    path.write_bytes(whole.read_bytes()[:-1])
    with contextlib.suppress(InputError):
        assert_same(GaussianMixture.read(path), MODEL)


@given(st.binary(max_size=6000))
def test_random_bytes_are_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("random") / "random.fits"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"random\.fits"):
        GaussianMixture.read(path)


@pytest.mark.parametrize("model", [MODEL, EVEN], ids=["gaussians", "background"])
@given(position=st.integers(2880, 8640), byte=st.integers(0, 255))
def test_a_file_with_a_wrong_byte_is_read_or_refused_in_one_sentence(tmp_path_factory, model, position, byte):
    path = tmp_path_factory.mktemp("damaged") / "damaged.fits"
    model.write(path)
    content = bytearray(path.read_bytes())
    content[position % len(content)] = byte
    path.write_bytes(bytes(content))
    with contextlib.suppress(InputError):  # anything else that is raised fails the test
        GaussianMixture.read(path)


def damaged(tmp_path, change, model=MODEL):
    """A model file whose table was changed by a function of its HDU."""
    path = tmp_path / "changed.fits"
    model.write(path)
    with fits.open(path) as hdus:
        change(hdus[1])
        hdus.writeto(path, overwrite=True)
    return path


def test_a_newer_format_is_refused_with_the_way_out(tmp_path):
    def change(hdu):
        hdu.header["XDGMMFMT"] = 3

    with pytest.raises(InputError, match="has format 3, newer than this xdgmm knows; upgrade xdgmm"):
        GaussianMixture.read(damaged(tmp_path, change))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("NAMES", "[]"),
        ("NAMES", "not JSON"),
        ("NAMES", "7"),
        ("NAMES", '["v", "v"]'),
        ("NAMES", 3.5),
        ("UNITS", '["parsnip", null]'),
        ("UNITS", "not JSON"),
        ("UNITS", "7"),
        ("UNITS", "[[1], {}]"),
        ("NDIM", 3),
        ("NDIM", 1),
        ("NDIM", -1),
        ("NDIM", "two"),
        ("XDGMMFMT", "one"),
    ],
)
def test_a_header_that_contradicts_the_table_is_refused(tmp_path, key, value):
    def change(hdu):
        hdu.header[key] = value

    with pytest.raises(InputError, match=r"changed\.fits"):
        GaussianMixture.read(damaged(tmp_path, change))


@pytest.mark.parametrize("key", ["NAMES", "UNITS", "NDIM"])
def test_a_header_that_lacks_something_is_refused(tmp_path, key):
    with pytest.raises(InputError, match=r"'.*changed\.fits' is damaged"):
        GaussianMixture.read(damaged(tmp_path, lambda hdu: hdu.header.remove(key)))


@pytest.mark.parametrize("key", ["BGLOW", "BGHIGH", "BGFRAC"])
def test_a_header_that_lacks_something_of_the_background_is_refused(tmp_path, key):
    with pytest.raises(InputError, match=r"'.*changed\.fits' is damaged"):
        GaussianMixture.read(damaged(tmp_path, lambda hdu: hdu.header.remove(key), EVEN))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("BGLOW", "[0.0]"),
        ("BGLOW", "[0.0, 100.0]"),
        ("BGLOW", "[0.0, NaN]"),
        ("BGLOW", "[[0.0, 0.0]]"),
        ("BGLOW", '["a", "b"]'),
        ("BGLOW", "[true, true]"),
        ("BGLOW", "null"),
        ("BGLOW", -5.0),
        ("BGHIGH", "[1.0, Infinity]"),
        ("BGHIGH", "not JSON"),
        ("BGFRAC", "0.2"),
        ("BGFRAC", "-0.1"),
        ("BGFRAC", "NaN"),
        ("BGFRAC", "[0.1]"),
        ("BGFRAC", "true"),
        ("BGFRAC", 0.1),
        ("XDGMMFMT", 0),
    ],
)
def test_a_background_that_is_none_is_refused(tmp_path, key, value):
    def change(hdu):
        hdu.header[key] = value

    with pytest.raises(InputError, match=r"'.*changed\.fits' is damaged"):
        GaussianMixture.read(damaged(tmp_path, change, EVEN))


@pytest.mark.parametrize(
    ("column", "value"), [("weight", np.nan), ("weight", 2.0), ("mean_v", np.inf), ("cov_v_v", -1.0)]
)
def test_numbers_that_are_not_a_mixture_are_refused(tmp_path, column, value):
    def change(hdu):
        hdu.data[column][0] = value

    with pytest.raises(InputError, match=r"'.*changed\.fits' is damaged"):
        GaussianMixture.read(damaged(tmp_path, change))


def test_a_table_without_rows_is_refused(tmp_path):
    path = tmp_path / "empty.fits"
    MODEL.write(path)
    with fits.open(path) as hdus:
        fits.BinTableHDU(hdus[1].data[:0], hdus[1].header).writeto(path, overwrite=True)
    with pytest.raises(InputError, match=r"empty\.fits"):
        GaussianMixture.read(path)


def test_reading_leaves_no_file_open(tmp_path):
    # On some systems an open file cannot be removed; a warning about it would be an error here.
    MODEL.write(tmp_path / "model.fits")
    GaussianMixture.read(tmp_path / "model.fits")
    (tmp_path / "model.fits").unlink()
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_an_existing_file_is_kept_unless_overwriting_is_allowed(tmp_path):
    path = tmp_path / "model.fits"
    path.write_text("precious")
    with pytest.raises(OutputError, match=r"exists already; choose another name, or allow overwriting it"):
        MODEL.write(path)
    assert path.read_text() == "precious"
    MODEL.write(path, overwrite=True)
    assert_same(GaussianMixture.read(path), MODEL)


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"its name must end in \.fits"):
        MODEL.write(tmp_path / "model.csv")
    MODEL.write(tmp_path / "MODEL.FITS")


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"the folder '.*nowhere' does not exist; make it first"):
        MODEL.write(tmp_path / "nowhere" / "model.fits")


def test_a_folder_cannot_be_overwritten(tmp_path):
    (tmp_path / "model.fits").mkdir()
    with pytest.raises(OutputError, match="it is a folder; give a file name"):
        MODEL.write(tmp_path / "model.fits", overwrite=True)


def test_a_folder_that_cannot_be_written_to_is_found_out_before(tmp_path, monkeypatch):
    def forbidden(**_):
        raise PermissionError

    monkeypatch.setattr("tempfile.TemporaryFile", forbidden)
    with pytest.raises(OutputError, match="is not writable; choose another"):
        check_output(tmp_path / "model.fits")


def test_checking_leaves_nothing_behind(tmp_path):
    check_output(tmp_path / "model.fits")
    assert list(tmp_path.iterdir()) == []


class InterruptionError(Exception):
    pass


@pytest.mark.parametrize("interruption", [InterruptionError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_run_leaves_the_old_file_and_nothing_else(tmp_path, interruption):
    path = tmp_path / "model.fits"
    path.write_text("precious")

    def write():
        with written_whole(path, overwrite=True) as temporary:
            temporary.write_text("half of")
            raise interruption

    with pytest.raises(interruption):
        write()
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_first_run_leaves_nothing(tmp_path, monkeypatch):
    def half(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr(fits.BinTableHDU, "writeto", half)
    with pytest.raises(OSError, match="no space left"):
        MODEL.write(tmp_path / "model.fits")
    assert list(tmp_path.iterdir()) == []


def test_the_temporary_name_is_beside_the_file_and_of_its_kind(tmp_path):
    with written_whole(tmp_path / "model.fits") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".fits"
        assert temporary.name != "model.fits"
        assert not (tmp_path / "model.fits").exists()
    assert list(tmp_path.iterdir()) == [tmp_path / "model.fits"]


def test_a_written_file_has_the_usual_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        MODEL.write(tmp_path / "model.fits")
    finally:
        os.umask(before)
    assert (tmp_path / "model.fits").stat().st_mode & 0o777 == 0o640


def test_the_names_in_the_header_are_json(tmp_path):
    path = tmp_path / "model.fits"
    MODEL.write(path)
    assert json.loads(fits.getheader(path, 1)["NAMES"]) == ["v", "r"]
