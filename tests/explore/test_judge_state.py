"""The numbers of the tab that judges a mixture."""

import numpy as np
import pytest

from xdgmm import Observations
from xdgmm.diagnostics import residuals
from xdgmm.explore import blobs, bundled
from xdgmm.explore.judge_state import LISTED, NOTHING_FOUND, TOO_FEW, judge, judge_by_samples
from xdgmm.fitting import fit


def judged(data, n_components):
    mixture = fit(data.observations, n_components, rng=0).mixture
    return mixture, judge(None, mixture, data.observations, data.table)


def test_quantiles_belong_to_the_rows_that_they_name():
    data = blobs(1.0)
    mixture, judgement = judged(data, 3)
    z = residuals(mixture, data.observations)
    assert judgement.quantiles.found.size == z.size
    for row, found in zip(judgement.rows, judgement.quantiles.found, strict=True):
        assert found in z[row]
    assert np.all(np.diff(judgement.quantiles.found) >= 0)


def test_a_right_model_is_said_to_be_one_and_too_few_components_are_not():
    assert judged(blobs(1.0), 3)[1].in_words == (NOTHING_FOUND,)
    (sentence,) = judged(blobs(1.0), 1)[1].in_words
    assert "too evenly spread" in sentence


def test_few_values_say_nothing():
    assert judged(bundled("eight_schools"), 1)[1].in_words == (TOO_FEW,)


def test_missing_values_have_no_residual_and_no_quantile():
    data = bundled("tully_fisher")
    _, judgement = judged(data, 1)
    n = int(np.isfinite(data.observations.values).sum())
    assert n < data.observations.values.size
    assert judgement.n_values == judgement.quantiles.found.size == judgement.counts.counts.sum() == n


def test_an_object_far_from_all_others_is_first_of_the_list_and_marked():
    data = blobs(1.0)
    mixture, _ = judged(data, 3)
    values = data.observations.values.copy()
    values[17] = [30.0, -30.0]
    moved = Observations.with_standard_errors(values, data.observations.noise)
    outliers = judge(None, mixture, moved, data.table).outliers()
    assert outliers["row"][0] == 17
    assert outliers["mark"][0] == "far below"
    assert len(outliers["row"]) == LISTED
    assert {len(column) for column in outliers.values()} == {LISTED}


def test_objects_of_a_table_with_names_are_called_by_them():
    data = bundled("neutron_stars")
    _, judgement = judged(data, 2)
    outliers = judgement.outliers()
    names = data.table[next(name for name in data.table.colnames if data.table[name].dtype.kind == "U")]
    assert outliers["name"] == [str(names[row]) for row in outliers["row"]]


@pytest.mark.slow
def test_samples_of_the_model_judge_it_too():
    data = blobs(1.0)
    right, wrong = (judge_by_samples(None, fit(data.observations, K, rng=0), data.observations) for K in (3, 1))
    assert right.passed
    assert not wrong.passed
