"""Control and formatting characters of names, units and files are shown as escapes wherever text is printed."""

import unicodedata
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xdgmm import XDGMM, GaussianMixture, InputError, Observations
from xdgmm.errors import ConvergenceWarning, OutputError, XdgmmWarning
from xdgmm.files import check_output
from xdgmm.tables import read_table
from xdgmm.text import printable
from xdgmm.widths import relations, widths

HOSTILE = "v\x1b[31m\u202e[/b]"
SHOWN = r"v\x1b[31m\u202e[/b]"
UNIT = "km\x1b[1m\u202e"


def hidden(text):
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c != "\n"]


@given(st.text())
def test_nothing_hidden_is_left(text):
    assert hidden(printable(text)) == []
    assert "\n" not in printable(text)


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"])))
def test_other_text_is_not_changed(text):
    assert printable(text) == text


@pytest.mark.parametrize("text", ["σ_v [km/s]", "Größe", "速度", "π—½", "a b"])
def test_letters_of_every_script_are_kept(text):
    assert printable(text) == text


def test_a_surrogate_of_a_file_name_that_is_no_unicode_is_shown():
    assert printable(b"v\xff.csv".decode("utf-8", "surrogateescape")) == r"v\udcff.csv"


def test_kept_characters_stay():
    assert printable("a\nb\tc", keep="\n") == "a\nb\\tc"


@pytest.mark.parametrize("kind", [InputError, OutputError, ConvergenceWarning, XdgmmWarning])
def test_errors_and_warnings_show_it(kind):
    assert str(kind(f"column '{HOSTILE}' is empty")) == f"column '{SHOWN}' is empty"
    assert kind(HOSTILE).args == (HOSTILE,)


@pytest.fixture(scope="module")
def observations():
    rng = np.random.default_rng(3)
    values = rng.normal(0.0, 2.0, (40, 2))
    return Observations.with_standard_errors(values, 0.5, names=[HOSTILE, "w"], units=[None, None])


@pytest.fixture(scope="module")
def fitted(observations):
    return XDGMM(random_state=0).fit(observations)


def test_one_line_of_each_value_shows_it(observations, fitted):
    mixture = fitted.mixture_
    for value in (observations, mixture, mixture.marginal([HOSTILE]), fitted.denoise(observations), fitted.result_):
        assert hidden(repr(value)) == []
        assert hidden(str(value)) == []
    assert SHOWN in repr(observations)
    assert SHOWN in repr(mixture)


def test_reports_show_it(observations, fitted):
    report = widths(fitted.result_, observations)
    assert SHOWN in str(report)
    assert hidden(str(report)) == []
    assert hidden(report._repr_html_()) == []


def test_remarks_below_a_report_are_not_markup(observations, fitted):
    report = widths(fitted.result_, observations.with_remarks([f"errors of '{HOSTILE}'"]))
    report.meta["remarks"] = [f"errors of '{HOSTILE}'"]
    assert f"errors of '{SHOWN}'" in str(report)


def test_pictures_show_it(observations, fitted, tmp_path):
    from xdgmm.plotting import plot_fit, save

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(plot_fit(fitted.mixture_, observations, HOSTILE), tmp_path / "fit.png")


def test_the_name_of_a_file_is_shown(tmp_path):
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / HOSTILE.replace("/", ""))
    assert hidden(str(caught.value)) == []
    with pytest.raises(OutputError) as caught:
        check_output(tmp_path / HOSTILE.replace("/", ""), suffixes=(".fits",))
    assert hidden(str(caught.value)) == []


def test_a_unit_is_shown():
    from astropy.units import Unit

    unit = Unit(UNIT, parse_strict="silent")
    mixture = GaussianMixture([1.0], [[0.0]], [[[1.0]]], ["v"], [unit])
    assert hidden(repr(mixture)) == []
    observations = Observations.with_standard_errors(np.arange(9.0), 0.5, names="v", units=[unit])
    assert hidden(str(widths(XDGMM().fit(observations).result_, observations))) == []


def test_relations_show_it(observations, fitted):
    from xdgmm.tables.printing import as_text
    from xdgmm.widths import relations_table

    assert SHOWN in as_text(relations_table(relations(fitted.result_, observations)))
