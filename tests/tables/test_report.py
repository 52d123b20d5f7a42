"""One builder of reports: units, masks and descriptions as the columns declare them."""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable

from xdgmm import XDGMM, GaussianMixture, InputError, Observations, datasets, tables
from xdgmm.errors import XdgmmDeprecationWarning
from xdgmm.tables.report import Column, build_table, metadata
from xdgmm.widths import relations, widths

COLUMNS = (
    Column("name", "of the object"),
    Column("width", "how wide", "width", format=".2f"),
    Column("limit", "may be infinite", "width", keeps_infinity=True),
    Column("number", "without a unit"),
    Column("is_limit", "yes or no"),
)
VALUES = {
    "name": np.array(["a", "b", "c"]),
    "width": np.array([1.0, np.inf, np.nan]),
    "limit": [1.0, np.inf, np.nan] * u.km / u.s,
    "number": np.ma.MaskedArray([1.0, 2.0, 3.0], mask=[True, False, False]),
    "is_limit": np.ma.MaskedArray([True, False, True], mask=[False, False, True]),
}


def test_columns_stand_in_their_order_with_units_and_descriptions():
    table = build_table(COLUMNS, VALUES, units={"width": u.m / u.s}, meta={"level": 0.9})
    assert table.colnames == [column.name for column in COLUMNS]
    assert [table[name].info.description for name in table.colnames] == [column.description for column in COLUMNS]
    assert table["width"].unit == table["limit"].unit == u.m / u.s
    assert table["limit"][0] == 1000 * u.m / u.s  # converted
    assert table["width"].info.format == ".2f"
    assert table.meta == {"level": 0.9}


def test_what_is_missing_is_masked_and_infinity_only_where_it_means_nothing():
    table = build_table(COLUMNS, VALUES, units={"width": None})
    masks = {name: np.asarray(getattr(table[name], "mask", [False] * 3)).tolist() for name in table.colnames}
    assert masks == {
        "name": [False, False, False],
        "width": [False, True, True],
        "limit": [False, False, True],
        "number": [True, False, False],
        "is_limit": [False, False, True],
    }
    assert table["limit"][1] == np.inf


def test_a_report_survives_a_file(tmp_path):
    table = build_table(COLUMNS, VALUES, units={"width": u.km / u.s})
    table.write(tmp_path / "report.ecsv")
    back = QTable.read(tmp_path / "report.ecsv")
    for name in table.colnames:
        assert back[name].info.description == table[name].info.description
        assert (np.asarray(getattr(back[name], "mask", False)) == np.asarray(getattr(table[name], "mask", False))).all()


def test_units_that_do_not_convert_are_refused():
    with pytest.raises(InputError, match="does not convert"):
        build_table(COLUMNS, VALUES, units={"width": u.mag})


def test_metadata_is_the_options_of_the_report_and_the_record_of_the_fit():
    stars = Observations.from_table(datasets.load("hydrus1"), "v")
    model = XDGMM(random_state=0).fit(stars)
    record = model.mixture_.record
    assert metadata(None, level=0.9, title=None) == {"level": 0.9}
    meta = metadata(record, level=0.9)
    fit = {"log_likelihood": record.log_likelihood, "outcome": record.outcome, "recipe": record.recipe}
    assert meta == {"level": 0.9, **fit}
    assert "random_state=0" in record.recipe


def test_a_report_on_a_model_that_was_read_has_the_metadata_of_its_fit(tmp_path):
    """Estimator, function and file say the same."""
    table = datasets.load("tully_fisher")
    galaxies = Observations.from_table(table, ["logW20", "B"])
    model = XDGMM().fit(galaxies)
    model.mixture_.write(tmp_path / "model.ecsv")
    read = GaussianMixture.read(tmp_path / "model.ecsv")
    for report in (widths, relations):
        expected = report(model.result_, galaxies).meta
        assert expected["log_likelihood"] == model.result_.log_likelihood
        assert report(read, galaxies).meta == expected
        assert getattr(model, report.__name__)(galaxies).meta == expected


def test_the_old_name_of_new_columns_still_works():
    with pytest.warns(XdgmmDeprecationWarning, match="Column"):
        assert tables.NewColumn is Column
