"""A mixture comes back from disk with the same bits, or one sentence says why it cannot."""

import contextlib
import copy
import dataclasses
import gzip
import io
import json
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.io import registry as io_registry
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from xdgmm import GaussianMixture, InputError
from xdgmm.errors import OutputError
from xdgmm.files import atomic_write, check_output
from xdgmm.mixture import Background, FitRecord
from xdgmm.mixture.storage import RECORD_CARDS

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
        assert (one.background.of, one.background.fitted_edges) == (other.background.of, other.background.fitted_edges)


def write_as_before(mixture, path):
    """A file as earlier versions wrote it: format 1, or 2 with a background."""
    rows, columns = np.tril_indices(mixture.n_dimensions)
    table = Table({"weight": mixture.weights})
    for i, name in enumerate(mixture.names):
        table[f"mean_{name}"] = mixture.means[:, i]
    for i, j in zip(rows, columns, strict=True):
        table[f"cov_{mixture.names[j]}_{mixture.names[i]}"] = mixture.covariances[:, i, j]
    hdu = fits.table_to_hdu(table)
    units = [None if unit is None else unit.to_string("fits") for unit in mixture.units]
    hdu.header.update(XDGMMFMT=1, NDIM=mixture.n_dimensions, NAMES=json.dumps(mixture.names), UNITS=json.dumps(units))
    if mixture.background is not None:
        low, high = mixture.background.box
        hdu.header["XDGMMFMT"] = 2
        edges = {"BGLOW": low.tolist(), "BGHIGH": high.tolist(), "BGFRAC": mixture.background.fraction}
        hdu.header.update({key: json.dumps(value) for key, value in edges.items()})
    hdu.writeto(path, overwrite=True)


def record(covariance=None):
    return FitRecord(
        model={"covariance_type": "tied", "fixed": {"weights": [], "means": [0], "covariances": []}, "prior": None},
        n_objects=31,
        total_weight=30.1,
        log_likelihood=-1 / 3,
        log_priors={"weights": -1e-300, "means": 5e-324},
        n_parameters=7,
        outcome="it's a maximum & \u03c3 is 'known'",
        converged=True,
        remarks=("errors of v taken from e_v", "größe " * 30),
        data_hash="00e1",
        version="0.1.0",
        date="2026-11-21T14:50:25+00:00",
        covariance=covariance,
    )


def assert_same_record(one, other):
    for field in dataclasses.fields(FitRecord):
        first, second = getattr(one, field.name), getattr(other, field.name)
        if field.name == "covariance" and second is not None:
            first, second = first.tobytes(), second.tobytes()
        assert first == second, field.name


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


@pytest.mark.parametrize("ending", ["fits", "ecsv"])
@given(mixtures())
def test_what_was_written_comes_back_with_the_same_bits(tmp_path_factory, ending, model):
    path = tmp_path_factory.mktemp("mixture") / f"model.{ending}"
    model.write(path)
    assert_same(GaussianMixture.read(path), model)


extreme = st.sampled_from([5e-324, -5e-324, 1e-310, -0.0, 0.0, 1.7976931348623157e308, -1e308, 0.1, 1 / 3])


@pytest.mark.parametrize("ending", ["fits", "ecsv"])
@given(means=hnp.arrays(float, (2, 2), elements=extreme), variances=hnp.arrays(float, (2, 2), elements=extreme))
def test_extreme_numbers_come_back_with_the_same_bits(tmp_path_factory, ending, means, variances):
    path = tmp_path_factory.mktemp("extreme") / f"model.{ending}"
    covariances = np.zeros((2, 2, 2))
    covariances[:, [0, 1], [0, 1]] = np.abs(variances)
    covariances[0, 0, 1] = covariances[0, 1, 0] = -0.0
    model = GaussianMixture([5e-324, 1.0], means, covariances)
    model.write(path)
    assert_same(GaussianMixture.read(path), model)


@pytest.mark.parametrize("model", [MODEL, EVEN], ids=["gaussians", "background"])
@pytest.mark.parametrize("ending", ["fits", "ecsv"])
def test_the_record_of_the_fit_comes_back(tmp_path, ending, model):
    n = model.all_weights.size + 10
    covariance = np.random.default_rng(0).standard_normal((n, n))
    covariance[0, :3] = [np.inf, -0.0, 5e-324]
    for kept in (record(), record(covariance), dataclasses.replace(record(), device="cuda (NVIDIA H200)")):
        model.with_record(kept).write(tmp_path / f"model.{ending}", overwrite=True)
        back = GaussianMixture.read(tmp_path / f"model.{ending}")
        assert_same(back, model)
        assert_same_record(back.record, kept)


def test_parameters_are_named_in_the_file(tmp_path):
    EVEN.with_record(record(np.diag(np.arange(13.0) ** 2))).write(tmp_path / "model.fits")
    table = Table.read(tmp_path / "model.fits", hdu="PARAMETER_COVARIANCE")
    assert list(table["parameter"][[0, 2, 3, 6, 7, 12]]) == [
        "weight of 0",
        "background",
        "mean_v of 0",
        "mean_r of 1",
        "cov_v_v of 0",
        "cov_r_r of 1",
    ]
    np.testing.assert_array_equal(table["error"], np.arange(13.0))


def test_every_part_of_a_record_has_a_place_in_the_file():
    assert {field.name for field in dataclasses.fields(FitRecord)} == {
        *RECORD_CARDS,
        "covariance",
        "selection",
        "recipe",
        "device",
    }


def test_a_file_says_nothing_of_processors_and_one_of_a_card_has_the_format_of_before(tmp_path):
    formats = {}
    for device in ("cpu", "cuda (NVIDIA H200)"):
        MODEL.with_record(dataclasses.replace(record(), device=device)).write(tmp_path / "model.fits", overwrite=True)
        header = fits.getheader(tmp_path / "model.fits", 1)
        formats[header.get("DEVICE")] = header["XDGMMFMT"], header["DIGEST"]
    assert set(formats) == {None, '"cuda (NVIDIA H200)"'}
    assert len(set(formats.values())) == 1


def test_what_is_made_from_a_mixture_has_no_record():
    model = MODEL.with_record(record())
    made = [
        model.affine(np.eye(2)),
        model.ordered([1, 0]),
        model.in_units(["m/s", None]),
        model.with_parameters(model.weights, model.means, model.covariances),
        dataclasses.replace(model, names=("a", "b")),
    ]
    assert [each.record for each in made] == [None] * 5
    assert copy.deepcopy(model).record is not None
    assert pickle.loads(pickle.dumps(model)).record.n_objects == 31


@pytest.mark.parametrize("model", [MODEL, EVEN], ids=["gaussians", "background"])
def test_files_of_earlier_versions_are_read(tmp_path, model):
    if model.background is not None:
        measured = Background(*model.background.box, model.background.fraction, of="measured values")
        model = dataclasses.replace(model, background=measured)
    write_as_before(model, tmp_path / "old.fits")
    back = GaussianMixture.read(tmp_path / "old.fits")
    assert_same(back, model)
    assert back.record is None


def test_astropy_knows_the_formats():
    formats = io_registry.get_formats(GaussianMixture)
    assert set(formats["Format"]) == {"fits", "ascii.ecsv"}
    for method in (GaussianMixture.read, MODEL.write):
        for name in ("fits", "ascii.ecsv"):
            text = io.StringIO()
            method.help(name, out=text)
            assert "mixture" in text.getvalue()


def test_the_format_is_what_is_asked_for_or_what_the_file_is(tmp_path):
    MODEL.write(tmp_path / "model.dat", format="ascii.ecsv")
    assert_same(GaussianMixture.read(tmp_path / "model.dat"), MODEL)
    assert_same(GaussianMixture.read(str(tmp_path / "model.dat"), format="ascii.ecsv"), MODEL)
    with pytest.raises(InputError, match=r"FITS"):
        GaussianMixture.read(tmp_path / "model.dat", format="fits")
    for call, name in ((GaussianMixture.read, "model.dat"), (MODEL.write, "new.dat")):
        with pytest.raises(InputError, match=r"`format` is 'pickle', .*fits, ascii\.ecsv"):
            call(tmp_path / name, format="pickle")
    (tmp_path / "model.txt").write_text("weight mean")
    with pytest.raises(InputError, match=r"model\.txt' is neither FITS nor ECSV"):
        GaussianMixture.read(tmp_path / "model.txt")


@pytest.mark.parametrize("ending", ["fits", "ecsv"])
def test_a_gzipped_file_is_read_or_refused_where_it_is_cut_off(tmp_path, ending):
    MODEL.write(tmp_path / f"model.{ending}")
    path, content = tmp_path / f"model.{ending}.gz", gzip.compress((tmp_path / f"model.{ending}").read_bytes())
    path.write_bytes(content)
    assert_same(GaussianMixture.read(path), MODEL)
    assert_same(GaussianMixture.read(path.rename(tmp_path / "model")), MODEL)
    for end in (2, 12, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:end])
        with pytest.raises(InputError, match=r"model\.(fits|ecsv)\.gz' cannot be read"):
            GaussianMixture.read(path)
    path.write_bytes(content[:12] + b"\xff" * 99)
    with pytest.raises(InputError, match=r"model\.(fits|ecsv)\.gz' cannot be read"):
        GaussianMixture.read(path)


def test_a_truncated_ecsv_file_is_refused_wherever_it_ends(tmp_path):
    whole, path = tmp_path / "whole.ecsv", tmp_path / "cut.ecsv"
    MODEL.with_record(record(np.eye(12))).write(whole)
    content = whole.read_bytes().rstrip()
    for end in {*range(0, len(content), 37), *range(len(content) - 60, len(content))}:
        path.write_bytes(content[:end])
        with pytest.raises(InputError, match=r"cut\.ecsv"):
            GaussianMixture.read(path)


def test_a_number_changed_by_hand_is_noticed(tmp_path):
    path = tmp_path / "model.ecsv"
    MODEL.write(path)
    for old, new in (("\n0.3 ", "\n0.30000000000000004 "), ('["v", "r"]', '["v", "s"]'), (" -0.1 ", " -0.11 ")):
        assert old in path.read_text()
        (tmp_path / "changed.ecsv").write_text(path.read_text().replace(old, new, 1))
        with pytest.raises(InputError, match=r"changed\.ecsv' is damaged"):
            GaussianMixture.read(tmp_path / "changed.ecsv")


def test_an_ecsv_table_of_something_else_is_refused(tmp_path):
    Table({"a": [1.0, 2.0]}).write(tmp_path / "other.ecsv")
    with pytest.raises(InputError, match="not a mixture"):
        GaussianMixture.read(tmp_path / "other.ecsv")


@pytest.mark.parametrize("background", [None, Background(-1 / 3, 1 / 7, 0.0)], ids=["without", "with"])
@pytest.mark.parametrize("D", [1, 2, 7, 20])
def test_any_number_of_coordinates_comes_back(tmp_path, D, background):
    model = GaussianMixture([1.0], np.arange(D)[None] / 3.0, (np.eye(D) / 7.0)[None], background=background)
    model.write(tmp_path / "model.fits")
    assert_same(GaussianMixture.read(tmp_path / "model.fits"), model)


@pytest.mark.parametrize("ending", ["fits", "ecsv"])
@pytest.mark.parametrize("of", ["true values", "measured values"])
def test_the_meaning_of_a_background_comes_back(tmp_path, of, ending):
    background = Background(-1.0, 2.0, 0.25, of=of)
    for each in (background, background.with_fitted_edges()) if of == "true values" else (background,):
        model, path = GaussianMixture([0.75], [[0.5]], [[[0.1]]], background=each), tmp_path / f"model.{ending}"
        model.write(path, overwrite=True)
        found = GaussianMixture.read(path)
        assert_same(found, model)
        assert (found.background.of, found.background.fitted_edges) == (of, each.fitted_edges)


def test_a_version_without_true_values_does_not_read_them_as_measured(tmp_path):
    """Version 0.1 knows the formats up to 3."""
    for of, version in (("true values", 4), ("measured values", 3)):
        path = tmp_path / f"{of[:4]}.fits"
        GaussianMixture([0.75], [[0.5]], [[[0.1]]], background=Background(-1.0, 2.0, 0.25, of=of)).write(path)
        assert fits.getheader(path, 1)["XDGMMFMT"] == version
    GaussianMixture([1.0], [[0.5]], [[[0.1]]]).write(tmp_path / "plain.fits")
    assert fits.getheader(tmp_path / "plain.fits", 1)["XDGMMFMT"] == 3


def test_a_file_of_formats_2_and_3_has_a_background_of_measured_values(tmp_path):
    model = GaussianMixture([0.75], [[0.5]], [[[0.1]]], background=Background(-1.0, 2.0, 0.25))
    path = tmp_path / "old.fits"
    write_as_before(model, path)
    assert GaussianMixture.read(path).background.of == "measured values"
    of_version_0_1 = Path(__file__).parent / "data" / "background.fits"
    assert GaussianMixture.read(of_version_0_1).background.of == "measured values"


def test_a_background_with_all_the_weight_comes_back(tmp_path):
    model = EVEN.with_parameters(np.array([0.0, 0.0, 1.0]), EVEN.means, EVEN.covariances)
    model.write(tmp_path / "model.fits")
    assert_same(GaussianMixture.read(tmp_path / "model.fits"), model)


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
    assert len(set(columns)) == len(columns) == 1 + D + D * (D + 1)


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
    assert table.colnames == [
        *("weight", "mean_v", "mean_r", "sigma_v", "sigma_r", "corr_v_r", "cov_v_v", "cov_v_r", "cov_r_r")
    ]
    np.testing.assert_array_equal(table["sigma_r"], MODEL.sigmas[:, 1])
    np.testing.assert_allclose(table["corr_v_r"], [0.6 / 2**0.5, -(0.1**0.5)], rtol=1e-15)
    assert table["sigma_v"].unit == u.km / u.s
    np.testing.assert_array_equal(table["cov_v_r"], MODEL.covariances[:, 0, 1])
    assert table["mean_v"].unit == u.km / u.s
    assert table["cov_v_v"].unit == u.km**2 / u.s**2


def test_the_file_obeys_the_standard(tmp_path):
    path = tmp_path / "model.fits"
    for model in (MODEL, EVEN, EVEN.with_record(record(np.eye(13)))):
        model.write(path, overwrite=True)
        with fits.open(path) as hdus:
            hdus.verify("exception")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no file '.*nothing\.fits'"):
        GaussianMixture.read(tmp_path / "nothing.fits")


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(InputError, match="no file"):
        GaussianMixture.read(tmp_path)


def test_a_fits_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "other.fits"
    Table({"a": [1.0, 2.0]}).write(path)
    with pytest.raises(InputError, match="not a mixture"):
        GaussianMixture.read(path)
    fits.PrimaryHDU(np.ones((3, 3))).writeto(path, overwrite=True)
    with pytest.raises(InputError, match="not a mixture"):
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
    """A model file without a digest whose table was changed by a function of its HDU."""
    path = tmp_path / "changed.fits"
    write_as_before(model, path)
    with fits.open(path) as hdus:
        change(hdus[1])
        hdus.writeto(path, overwrite=True)
    return path


def test_a_newer_format_is_refused_with_the_way_out(tmp_path):
    def change(hdu):
        hdu.header["XDGMMFMT"] = 7

    with pytest.raises(InputError, match=r"format 7, .*upgrade"):
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
    with pytest.raises(OutputError, match=r"exists.*`overwrite=True`"):
        MODEL.write(path)
    assert path.read_text() == "precious"
    MODEL.write(path, overwrite=True)
    assert_same(GaussianMixture.read(path), MODEL)


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"end in \.fits"):
        MODEL.write(tmp_path / "model.csv")
    MODEL.write(tmp_path / "MODEL.FITS")


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"folder '.*nowhere' does not exist"):
        MODEL.write(tmp_path / "nowhere" / "model.fits")


def test_a_folder_cannot_be_overwritten(tmp_path):
    (tmp_path / "model.fits").mkdir()
    with pytest.raises(OutputError, match="folder"):
        MODEL.write(tmp_path / "model.fits", overwrite=True)


def test_a_folder_that_cannot_be_written_to_is_found_out_before(tmp_path, monkeypatch):
    def forbidden(**_):
        raise PermissionError

    monkeypatch.setattr("tempfile.TemporaryFile", forbidden)
    with pytest.raises(OutputError, match="writable"):
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
        with atomic_write(path, overwrite=True) as temporary:
            temporary.write_text("half of")
            raise interruption

    with pytest.raises(interruption):
        write()
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_first_run_leaves_nothing(tmp_path, monkeypatch):
    def half(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr(fits.HDUList, "writeto", half)
    with pytest.raises(OutputError, match=r"model\.fits': no space left"):
        MODEL.write(tmp_path / "model.fits")
    assert list(tmp_path.iterdir()) == []


def test_the_temporary_name_is_beside_the_file_and_of_its_kind(tmp_path):
    with atomic_write(tmp_path / "model.fits") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".fits"
        assert temporary.name != "model.fits"
        assert not (tmp_path / "model.fits").exists()
    assert list(tmp_path.iterdir()) == [tmp_path / "model.fits"]


@pytest.mark.skipif(sys.platform == "win32", reason="files have no such permissions there")
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
