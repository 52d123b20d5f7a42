"""What all tests share.

How many processes run them, which of many combinations run every time, the same random examples every time, and the
tables that are too large for the repository.
"""

import os
import sys
from functools import cached_property
from importlib.util import module_from_spec, spec_from_file_location
from itertools import combinations, groupby
from pathlib import Path
from random import Random

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


EVERY_TIME = "not slow and not exhaustive"  # as in pyproject.toml


def pytest_configure(config):
    """A test that is asked for by its name runs, slow or not."""
    if config.option.markexpr == EVERY_TIME and all("::" in argument for argument in config.args):
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
    """Of the combinations of a test marked `pairwise`, some are slow tests, and most of them exhaustive ones.

    Combinations that are marked already stay as they are.
    """
    marked = [item for item in items if item.get_closest_marker("pairwise")]
    for test, group in groupby(marked, key=lambda item: item.function):
        of_test = [item for item in group if not item.get_closest_marker("slow")]
        slow, exhaustive = left_out([tuple(item.callspec.params.values()) for item in of_test], test.__name__)
        for i in slow:
            of_test[i].add_marker(pytest.mark.slow)
        for i in exhaustive:
            of_test[i].add_marker(pytest.mark.exhaustive)


SLOW_ONES = 6  # of the combinations without a new pair of values, one in so many is a slow test


def left_out(rows, seed):
    """Indices of the rows that `covering` does not choose: a random sixth of them, and the others."""
    chosen = set(covering(rows))
    others = [i for i in range(len(rows)) if i not in chosen]
    slow = Random(seed).sample(others, -(-len(others) // SLOW_ONES))
    return sorted(slow), sorted(set(others) - set(slow))


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


@pytest.fixture(scope="session", name="left_out")
def left_out_rows():
    """`left_out`, to be tested itself."""
    return left_out


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


@pytest.fixture(scope="session")
def emulated(tmp_path_factory):
    """The module of emulated cards, and a folder for the programs that they compile, which all workers share."""
    place = Path(__file__).parent / "kernels" / "cuda" / "emulated.py"
    spec = spec_from_file_location("emulated", place)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    if module.COMPILER is None:
        pytest.skip("no g++ on Linux is here, which compiles the programs of an emulated card")
    folder = tmp_path_factory.getbasetemp()
    module.FOLDER = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "programs"
    module.FOLDER.mkdir(exist_ok=True)
    return module


@pytest.fixture(scope="session")
def engines_of_cards(emulated):
    """Engines of an emulated card, by the device that they stand for."""
    from xdgmm.kernels.cuda.engine import CudaEngine

    card = emulated.EmulatedCard(emulated.FOLDER)
    return {"cuda": CudaEngine(card, "cuda"), "cuda-float32": CudaEngine(card, "cuda-float32", "float")}


@pytest.fixture
def on_card(engines_of_cards, monkeypatch):
    """All passes run on an emulated card, unless a device is chosen; its engine."""
    from xdgmm.kernels import devices

    original = devices.engine
    monkeypatch.setattr(devices, "engine", lambda device: engines_of_cards.get(device) or original(device))
    monkeypatch.setenv(devices.VARIABLE, "cuda")
    return engines_of_cards["cuda"]


@pytest.fixture(scope="session")
def gpu():
    """The engine of the graphics card of this machine; where there is none, tests that need it are skipped."""
    from xdgmm.errors import InputError
    from xdgmm.kernels.cuda import make_engine

    try:
        return make_engine("cuda")
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture
def on_gpu(gpu, monkeypatch):
    """All passes run on the graphics card of this machine, unless a device is chosen; its engine."""
    from xdgmm.kernels import devices

    original = devices.engine
    monkeypatch.setattr(devices, "engine", lambda device: gpu if device == "cuda" else original(device))
    monkeypatch.setenv(devices.VARIABLE, "cuda")
    return gpu


@pytest.fixture
def card(monkeypatch):
    """Stands for a graphics card in this process: a list of the passes that were made on it, by the processors."""
    from xdgmm.kernels import devices
    from xdgmm.kernels.processors import Processors

    passes = []

    class Card(Processors):
        name = "cuda"

        def __getattribute__(self, name):
            if name in ENGINE:
                passes.append(name)
            return super().__getattribute__(name)

    on_card = Card()
    monkeypatch.setattr(devices, "engine", lambda device: Processors() if device == "cpu" else on_card)
    monkeypatch.delenv(devices.VARIABLE, raising=False)
    yield passes
    devices.set_device(None)


ENGINE = ("sums", "log2_densities", "responsibilities", "member_sums", "posteriors", "total_log2_likelihoods")
NO_CARD = "`device` is 'cuda', but no card was found; this is what the tests say"


@pytest.fixture
def no_card(monkeypatch):
    """A machine without a graphics card: what is said of it."""
    from xdgmm.errors import InputError
    from xdgmm.kernels import devices
    from xdgmm.kernels.processors import Processors

    def engine(device):
        if device == "cpu":
            return Processors()
        raise InputError(NO_CARD)

    monkeypatch.setattr(devices, "engine", engine)
    monkeypatch.delenv(devices.VARIABLE, raising=False)
    return NO_CARD


@pytest.fixture(autouse=True)
def closed_figures():
    """Figures that pyplot keeps are closed after each test."""
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")
