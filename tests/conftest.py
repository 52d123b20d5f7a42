"""What all tests share: the same random examples every time, and the tables that are too large to carry along."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Derandomised: a failure today is the same failure tomorrow.  No deadline: the first call compiles the kernels.
settings.register_profile(
    "xdgmm",
    derandomize=True,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("xdgmm")


@pytest.fixture(scope="session")
def test_data():
    """Folder of the larger published tables."""
    folder = os.environ.get("XDGMM_TEST_DATA")
    if not folder:
        pytest.skip("XDGMM_TEST_DATA is not set: it names the folder of the larger published tables")
    return Path(folder)
