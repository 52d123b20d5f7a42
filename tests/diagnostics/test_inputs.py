"""Every diagnostic takes an estimator, a result or a mixture, and refuses anything else in one sentence."""

import numpy as np
import pandas as pd
import pytest

from xdgmm import XDGMM, InputError, Observations
from xdgmm.diagnostics import (
    check,
    chi_squared,
    influence,
    leave_one_out_residuals,
    quick_checks,
    residuals,
    simulate,
    unusual_objects,
)
from xdgmm.errors import KindError, NotFittedError
from xdgmm.plotting import plot_check

OBSERVATIONS = Observations.with_standard_errors(np.r_[np.linspace(-2.0, 2.0, 40), 7.0], 0.5)
MODEL = XDGMM().fit(OBSERVATIONS)
DIAGNOSTICS = {
    "check": lambda model, data: check(model, data, n_simulations=19, progress="never").table,
    "chi_squared": lambda model, data: np.array(chi_squared(model, data)),
    "influence": influence,
    "leave_one_out_residuals": leave_one_out_residuals,
    "quick_checks": lambda model, data: np.array([finding.p_value for finding in quick_checks(model, data)]),
    "residuals": residuals,
    "simulate": lambda model, data: simulate(model, data, rng=0)[0].values,
    "unusual_objects": unusual_objects,
}


@pytest.mark.parametrize("name", DIAGNOSTICS)
def test_estimators_results_and_mixtures_are_taken_and_nothing_else(name):
    diagnose = DIAGNOSTICS[name]
    first, *others = (diagnose(model, OBSERVATIONS) for model in (MODEL, MODEL.result_, MODEL.mixture_))
    assert len(first)
    for other in others:
        assert str(other) == str(first)
    with pytest.raises(KindError, match="fitted XDGMM, a FitResult or a mixture"):
        diagnose("model.fits", OBSERVATIONS)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        diagnose(XDGMM(), OBSERVATIONS)
    with pytest.raises(KindError, match="`observations` is of type ndarray"):
        diagnose(MODEL, OBSERVATIONS.values)


@pytest.mark.parametrize("diagnose", [influence, unusual_objects])
def test_numbers_of_objects_that_cannot_be_listed_are_refused(diagnose):
    assert len(diagnose(MODEL, OBSERVATIONS, n_largest=0)) == 0
    for number in (-1, 2.5, True):
        with pytest.raises(InputError, match="`n_largest` is"):
            diagnose(MODEL, OBSERVATIONS, n_largest=number)


@pytest.mark.parametrize("diagnose", [influence, unusual_objects])
def test_names_are_one_for_each_row(diagnose):
    with pytest.raises(InputError, match="`names` is 2 long, but one name for each of 41 rows"):
        diagnose(MODEL, OBSERVATIONS, names=["a", "b"])


@pytest.mark.parametrize("diagnose", [influence, unusual_objects])
def test_names_of_a_filtered_data_frame_are_those_of_the_rows(diagnose):
    names = pd.Series([f"S{row}" for row in range(41)], index=range(100, 141))
    found = diagnose(MODEL, OBSERVATIONS, names=names, n_largest=3)
    assert list(found["name"]) == [f"S{row}" for row in found["row"]]
    backwards = pd.Series([f"S{row}" for row in range(41)], index=range(40, -1, -1))
    assert list(diagnose(MODEL, OBSERVATIONS, names=backwards, n_largest=3)["name"]) == list(found["name"])


def test_only_a_check_is_drawn():
    with pytest.raises(KindError, match="of type XDGMM"):
        plot_check(MODEL)
