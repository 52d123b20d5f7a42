"""Advice names what the page has."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from xdgmm import XDGMM
from xdgmm.errors import InputError, XdgmmError
from xdgmm.explore.advice import on_the_page
from xdgmm.explore.data_sets import read_file
from xdgmm.fitting.result import Outcome

ARGUMENTS = ("`on_bad`", "`hdu`", "prior", "max_iter", "tol;", "raise tol", "`n_components`")


def sentence_of(do):
    with pytest.raises(XdgmmError) as caught:
        do()
    return str(caught.value)


def without_an_error(folder):
    Table({"v": [1.0, 2.0, 3.0], "e_v": [1.0, np.nan, 1.0]}).write(folder / "bad.csv")
    read_file(folder / "bad.csv")


def of_several_tables(folder):
    one = fits.BinTableHDU(Table({"v": [1.0]}))
    fits.HDUList([fits.PrimaryHDU(), one, one.copy()]).writeto(folder / "two.fits")
    read_file(folder / "two.fits")


def that_collapses(_folder):
    values = np.append(np.random.default_rng(0).normal(size=40), 4.0)
    XDGMM(2, means_init=[[0.0], [3.9]], solver="em").fit(values[:, None])


def of_one_object(_folder):
    XDGMM(2).fit([[1.0]])


CASES = {
    without_an_error: "start `xdgmm explore FILE --on-bad drop`",
    of_several_tables: "the field for the table",
    that_collapses: "or choose fewer components or columns",
    of_one_object: "components K is 2, but",
}


@pytest.mark.parametrize("make", CASES)
def test_an_error_advises_what_the_page_can_do(make, tmp_path):
    given = sentence_of(lambda: make(tmp_path))
    assert any(name in given for name in ARGUMENTS)
    said = on_the_page(given)
    assert CASES[make] in said
    assert not any(name in said for name in ARGUMENTS)


@pytest.mark.parametrize("outcome", [Outcome.CONVERGED, Outcome.OUT_OF_PASSES, Outcome.STALLED])
def test_how_a_fit_ended_is_said_without_arguments_of_python(outcome):
    said = on_the_page(outcome.value)
    assert "max_iter" not in said
    assert not said.endswith("tol")
    assert outcome.converged or "choose 'auto' under iterations" in said
    assert said.startswith("converged") == outcome.converged


def test_other_sentences_stay_as_they_are():
    sentence = str(InputError("the table has no column of numbers; give one that has"))
    assert on_the_page(sentence) == sentence
