"""What a fit leaves in its mixture is enough to know again what was fitted."""

import numpy as np
import pytest
from astropy import units as u

from xdgmm import (
    XDGMM,
    Background,
    Dirichlet,
    Fixed,
    GaussianMixture,
    InverseWishart,
    Normal,
    Observations,
    Prior,
    uncertainty,
)
from xdgmm.fitting import Model, model_of
from xdgmm.observations import fingerprint
from xdgmm.widths import widths

RNG = np.random.default_rng(3)
VALUES = np.concatenate([RNG.normal(0, 1, (60, 2)), RNG.normal(6, 2, (40, 2))])
DATA = Observations.with_standard_errors(VALUES, 0.3, names=["a", "b"], units=["km/s", "km/s"])
START = GaussianMixture([0.6, 0.4], [[0.0, 0.0], [6.0, 6.0]], [np.eye(2), 4 * np.eye(2)], ["a", "b"], ["km/s"] * 2)
PRIORS = {
    "weights": Prior(weights=Dirichlet([2.0, 3.0])),
    "means": Prior(means=Normal([1.0, 2.0] * u.km / u.s, 9e6 * np.eye(2) * u.m**2 / u.s**2)),
    "covariances": Prior(covariances=InverseWishart(0.1, degrees_of_freedom=5.0)),
    "all": Prior(Dirichlet(1.5), Normal([[0.0, 0.0], [6.0, 6.0]], np.eye(2)), InverseWishart([np.eye(2)] * 2)),
}


def fitted(**options):
    return XDGMM(2, init=START, **options).fit(DATA)


@pytest.mark.parametrize(
    "options",
    [
        {"covariance_type": "diag"},
        {"fixed": Fixed(means=(1,), weights=(0,))},
        {"background": Background()},
        {"covariance_type": "tied", "prior": PRIORS["covariances"]},
        *({"prior": prior} for prior in PRIORS.values()),
    ],
    ids=["diag", "fixed", "background", "tied", *PRIORS],
)
def test_a_model_that_was_read_has_the_report_of_its_fit(tmp_path, options):
    model = fitted(**options)
    model.mixture_.write(tmp_path / "model.ecsv")
    read = GaussianMixture.read(tmp_path / "model.ecsv")
    again = model_of(read)
    assert (again.covariance_type, again.fixed) == (model.result_.model.covariance_type, model.result_.model.fixed)
    first, second = widths(model.result_, DATA), widths(read, DATA)
    for column in ("sigma", "sigma_error", "weight_error", "mean_error"):
        np.testing.assert_array_equal(*(np.asarray(getattr(r[column], "unmasked", r[column])) for r in (first, second)))
    assert (str(first), first.meta) == (str(second), second.meta)


def test_the_record_tells_what_was_fitted_to_what():
    table_remark = DATA.with_remarks("errors of a taken from e_a")
    model = XDGMM(2, init=START).fit(table_remark)
    record = model.mixture_.record
    assert record.n_objects == 100
    assert record.total_weight == 100.0
    assert record.log_likelihood == model.result_.log_likelihood
    assert record.n_parameters == model.result_.n_parameters == 11
    assert record.outcome == model.result_.outcome.value
    assert record.converged
    assert record.remarks == ("errors of a taken from e_a",)
    assert record.data_hash == fingerprint(DATA)
    assert record.covariance is None


def test_a_mixture_without_a_record_is_what_it_looks_like():
    assert model_of(START).covariance_type == Model.inferred_from(START).covariance_type == "spherical"


def test_the_covariance_of_the_parameters_is_kept(tmp_path):
    model = fitted()
    mixture = uncertainty.with_errors(model.result_, DATA)
    mixture.write(tmp_path / "model.fits")
    expected = uncertainty.parameter_errors(model.mixture_, DATA).covariance
    np.testing.assert_array_equal(GaussianMixture.read(tmp_path / "model.fits").record.covariance, expected)


def test_a_record_and_a_result_are_printed_without_long_arrays():
    result = XDGMM(2, random_state=0).fit(DATA).result_
    record = uncertainty.with_errors(result, DATA).record
    assert record.covariance is not None
    assert "array" not in repr(record)
    assert "history" not in repr(result)
