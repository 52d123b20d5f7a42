"""The estimator's default settings are those of the reference fits, to the last bit."""

import numpy as np
import pytest

from xdgmm import XDGMM, Observations, datasets
from xdgmm.fitting import fit


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("hydrus1", "v"),
        ("eight_schools", "y"),
        ("bcg", "y"),
        ("neutron_stars", "m"),
        *(("tully_fisher", ["logW20", band]) for band in "BVRIH"),
    ],
)
def test_the_estimator_reaches_the_published_maxima_with_its_defaults(name, columns):
    observations = Observations.from_table(datasets.load(name), columns)
    model, result = XDGMM().fit(observations), fit(observations)
    assert model.converged_
    assert model.result_.log_likelihood == result.log_likelihood
    assert np.array_equal(model.covariances_, result.mixture.covariances)
