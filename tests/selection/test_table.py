"""The table of candidates: in models and reports, and after reading them."""

import json

import numpy as np
import pytest
from astropy.table import QTable, Table

from xdgmm import Background, GaussianMixture, Observations, select
from xdgmm.selection import table_of
from xdgmm.tables import write_table
from xdgmm.uncertainty import with_errors


@pytest.fixture(scope="module")
def stars():
    rng = np.random.default_rng(0)
    values = rng.normal(6.0 * rng.integers(2, size=60), 1.0)
    return Observations.with_standard_errors(values, 0.5, names=["v"], units=["km/s"])


@pytest.fixture(scope="module")
def found(stars):
    return select(stars, n_components=[1, 2], covariance_types=["full", "tied"], criterion="cv", random_state=0)


def assert_same(one, other):
    assert one.colnames == other.colnames
    for name in one.colnames:
        np.testing.assert_array_equal(np.asarray(one[name]), np.asarray(other[name]))


@pytest.mark.parametrize("suffix", ["fits", "ecsv"])
@pytest.mark.parametrize("errors", [False, True])
def test_a_model_keeps_the_table(found, stars, tmp_path, suffix, errors):
    path = tmp_path / f"model.{suffix}"
    mixture = with_errors(found.result, stars) if errors else found.estimator.mixture_
    mixture.write(path)
    read = GaussianMixture.read(path)
    assert_same(table_of(read), found.table)
    assert table_of(read).meta == found.table.meta
    assert (read.record.covariance is None) != errors


def test_only_a_chosen_model_has_a_table_and_its_format_says_so(found, stars, tmp_path):
    alone = select(stars, n_components=2, random_state=0).estimator.mixture_
    assert table_of(alone) is None
    assert table_of(GaussianMixture([1.0], [[0.0]], [[[1.0]]])) is None
    for mixture, number in ((alone, 3), (found.estimator.mixture_, 5)):
        mixture.write(tmp_path / "model.ecsv", overwrite=True)
        assert Table.read(tmp_path / "model.ecsv", format="ascii.ecsv").meta["XDGMMFMT"] == number


def test_a_background_of_true_values_is_kept_beside_it(stars, tmp_path):
    chosen = select(stars, n_components=[1, 2], background=Background(-20.0, 30.0), random_state=0)
    chosen.estimator.mixture_.write(tmp_path / "model.fits")
    read = GaussianMixture.read(tmp_path / "model.fits")
    assert read.background.of == "true values"
    assert_same(table_of(read), chosen.table)


@pytest.mark.parametrize("suffix", ["fits", "ecsv"])
def test_the_table_itself_can_be_written(found, tmp_path, suffix):
    write_table(found.table, tmp_path / f"candidates.{suffix}")
    read = QTable.read(tmp_path / f"candidates.{suffix}")
    assert read["bic"].tolist() == found.table["bic"].tolist()
    assert [str(each) for each in read["status"]] == ["converged"] * 4


def test_a_report_keeps_the_table(found, stars, tmp_path):
    report = found.estimator.widths(stars)
    assert report.meta["selection"]["columns"]["bic"] == found.table["bic"].tolist()
    write_table(report, tmp_path / "widths.ecsv")
    kept = QTable.read(tmp_path / "widths.ecsv").meta["selection"]
    assert kept == report.meta["selection"]
    write_table(report, tmp_path / "widths.fits")
    comments = "".join(QTable.read(tmp_path / "widths.fits").meta["comments"])
    assert found.decisiveness.replace("±", "+-").replace(" ", "") in comments.replace(" ", "")
    assert comments.count("status converged") == 4


def test_the_record_is_plain_and_has_no_nan(found):
    text = json.dumps(found.result.record.selection, allow_nan=False)
    assert json.loads(text) == found.result.record.selection
    assert found.result.record.selection["columns"]["p_value"] == [None] * 4
