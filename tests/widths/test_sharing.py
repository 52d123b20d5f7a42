"""One fit, many questions: the second derivatives of its likelihood are formed once."""

import numpy as np
import pytest

from xdgmm import XDGMM, Background, GaussianMixture, Observations
from xdgmm.uncertainty import bootstrap, laplace, with_errors
from xdgmm.widths import relations, widths


def two_clusters(unit=None):
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(0, 1, (80, 2)), rng.normal(6, 1, (60, 2))])
    units = None if unit is None else [unit, unit]
    return Observations.with_standard_errors(x, 0.3, names=["a", "b"], units=units)


def test_report_relations_and_file_of_a_fit_share_one_hessian(hessians):
    observations = two_clusters()
    result = XDGMM(2, random_state=0).fit(observations).result_
    report = widths(result, observations)
    relations(result, observations)
    mixture = with_errors(result, observations)
    for method in ("sandwich", "profile"):
        widths(result, observations, method=method)
    assert len(hessians) == 1
    shared = laplace(result.mixture, observations, model=result.model)
    assert (mixture.record.covariance == shared.covariance).all()
    assert report["weight_error"][0] == pytest.approx(np.sqrt(shared.covariance[0, 0]), rel=1e-4)


def test_reports_on_a_model_that_was_read_share_one_hessian(hessians, tmp_path):
    observations = two_clusters("km/s")
    XDGMM(2, random_state=0).fit(observations).mixture_.write(tmp_path / "model.ecsv")
    mixture = GaussianMixture.read(tmp_path / "model.ecsv")
    other_unit = two_clusters("km/s").in_units(["m/s", "m/s"])
    for data in (observations, other_unit):
        hessians.clear()
        widths(mixture, data)
        relations(mixture, data)
        widths(mixture, data, method="sandwich")
        assert len(hessians) == 1


def test_a_report_with_a_background_and_limits_needs_one_hessian(hessians):
    rng = np.random.default_rng(1)
    observations = Observations.with_standard_errors(rng.normal(0, 0.1, 60), 1.0, names="v")
    result = XDGMM(background=Background(-30.0, 30.0)).fit(observations).result_
    report = widths(result, observations)
    assert report["is_limit"][0]
    assert report.meta["background"]["fraction_limit"] > 0
    assert len(hessians) == 1


def test_other_data_and_another_fit_have_their_own(hessians):
    observations = two_clusters()
    one, two = (XDGMM(k, random_state=0).fit(observations).result_ for k in (1, 2))
    first = widths(one, observations)
    widths(two, observations)
    assert len(hessians) == 2
    again = widths(one, observations)
    assert (again["sigma"] == first["sigma"]).all()
    assert (again["sigma_error"] == first["sigma_error"]).all()


def test_resamples_do_not_disturb_what_is_shared(hessians):
    observations = two_clusters()
    result = XDGMM(2, random_state=0).fit(observations).result_
    samples = bootstrap(result, observations, n_resamples=5, rng=0)
    widths(result, observations, method="bootstrap", samples=samples)
    widths(result, observations)
    assert len(hessians) == 1
