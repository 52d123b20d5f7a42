import numpy as np
import pytest

from xdgmm import XDGMM, Observations


@pytest.fixture(scope="session")
def line():
    """A fit of 30 velocities, which are sampled fast, and these."""
    rng = np.random.default_rng(1)
    errors = rng.uniform(0.5, 1.5, 30)
    values = rng.normal(80.0, 2.0, 30) + errors * rng.standard_normal(30)
    observations = Observations.with_standard_errors(values, errors, names="v", units="km/s")
    return XDGMM(random_state=0).fit(observations).result_, observations
