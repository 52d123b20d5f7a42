"""What all tests share.

How many processes run them, which of many combinations run every time, the same random examples every time, and the
tables that are too large for the repository.
"""

import os
import sys
from functools import cached_property
from itertools import combinations, groupby
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


def pytest_configure(config):
    """A test that is asked for by its name runs, slow or not."""
    if config.option.markexpr == "not slow" and all("::" in argument for argument in config.args):
        config.option.markexpr = ""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """No workers where only files or single tests are named: starting them takes longer than most of these."""
    return 0 if all(".py" in argument for argument in config.args) else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes():
    """Each worker has one processor; the tests of threads choose their own numbers."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of the combinations of a test marked `pairwise`, those that add no pair of values are slow tests."""
    marked = [item for item in items if item.get_closest_marker("pairwise")]
    for _, group in groupby(marked, key=lambda item: item.function):
        of_test = list(group)
        kept = set(covering([tuple(item.callspec.params.values()) for item in of_test]))
        for i, item in enumerate(of_test):
            if i not in kept:
                item.add_marker(pytest.mark.slow)


def covering(rows):
    """Indices of a few of the rows that together hold every pair of entries which any row has in the same two places.

    Greedily, the row with the most new pairs first: within about half of the smallest possible number.
    """
    pairs = [set(combinations(enumerate(row), 2)) for row in rows]
    wanted, chosen = set().union(*pairs), []
    while wanted:
        best = max(range(len(rows)), key=lambda i: len(pairs[i] & wanted))
        chosen.append(best)
        wanted -= pairs[best]
    return chosen


@pytest.fixture(scope="session", name="covering")
def covering_rows():
    """`covering`, to be tested itself."""
    return covering


@pytest.fixture(scope="session")
def test_data():
    """Folder of the larger published tables."""
    folder = os.environ.get("XDGMM_TEST_DATA")
    if not folder:
        pytest.skip("XDGMM_TEST_DATA is not set: it names the folder of the larger published tables")
    return Path(folder)


@pytest.fixture
def hessians(monkeypatch):
    """Counts how often second derivatives at a maximum are formed: a list with an entry for each time."""
    from xdgmm.fitting.problem import Evaluation

    formed, original = [], vars(Evaluation)["hessian"]

    def counted(evaluation):
        formed.append(evaluation)
        return original.func(evaluation)

    replacement = cached_property(counted)
    replacement.__set_name__(Evaluation, "hessian")
    monkeypatch.setattr(Evaluation, "hessian", replacement)
    return formed


@pytest.fixture(autouse=True)
def closed_figures():
    """Figures that pyplot keeps are closed after each test."""
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")
