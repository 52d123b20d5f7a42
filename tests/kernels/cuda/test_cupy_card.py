"""The card that CuPy reaches: what is said where there is none, and passes through a CuPy that is emulated."""

import operator
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from xdgmm import kernels
from xdgmm.errors import InputError, XdgmmError
from xdgmm.kernels import cuda, devices, passes
from xdgmm.kernels.cuda import automatic, cupy_card, transfers


@pytest.fixture
def cupy(monkeypatch, fake_cupy):
    module = fake_cupy.module(fake_cupy.HostCard)
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


def failing(error):
    def fail(*_):
        raise error

    return fail


def sentence(device="cuda"):
    with pytest.raises(InputError) as caught:
        cuda.make_engine(device)
    text = str(caught.value)
    assert "\n" not in text
    assert repr(device) in text
    return text


@pytest.mark.parametrize("device", ["cuda", "cuda-float32"])
def test_without_cupy_the_extra_is_named(monkeypatch, device):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(sys, "meta_path", [NoCupy, *sys.meta_path])
    monkeypatch.delitem(sys.modules, "cupy")
    text = sentence(device)
    assert "CuPy, which is not installed" in text
    assert "pip install 'xdgmm[cuda]'" in text


class NoCupy:
    @staticmethod
    def find_spec(name, *_):
        if name == "cupy":
            raise ModuleNotFoundError("No module named 'cupy'", name="cupy")


def test_a_cupy_that_cannot_be_imported_says_why(monkeypatch):
    class Broken:
        @staticmethod
        def find_spec(name, *_):
            if name == "cupy":
                raise ImportError("\n=====\nlibcudart.so.12: cannot open shared object file\n=====")

    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken, *sys.meta_path])
    assert "import failed: libcudart.so.12" in sentence()


def test_without_a_driver_that_is_said(cupy):
    cupy.cuda.runtime.getDeviceCount = failing(cupy.cuda.runtime.CUDARuntimeError("cudaErrorInsufficientDriver: old"))
    cupy.cuda.runtime.driverGetVersion = lambda: 0
    text = sentence()
    assert "CuPy 14.2.0 is installed" in text
    assert "no driver of one was found" in text


def test_an_old_driver_is_named_with_the_two_ways_out(cupy):
    cupy.cuda.runtime.getDeviceCount = failing(cupy.cuda.runtime.CUDARuntimeError("cudaErrorInsufficientDriver: old"))
    cupy.cuda.runtime.driverGetVersion, cupy.cuda.runtime.runtimeGetVersion = lambda: 12040, lambda: 13020
    text = sentence()
    assert "CUDA up to 12.4" in text
    assert "needs 13.2" in text
    assert "cupy-cuda12x" in text


def test_a_driver_without_a_card_is_said_with_what_hides_them(cupy, monkeypatch):
    cupy.cuda.runtime.getDeviceCount = lambda: 0
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "CUDA_VISIBLE_DEVICES" not in sentence()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES is ''" in sentence()


def test_a_missing_compiler_is_said_with_the_extra(cupy):
    cupy.cuda.nvrtc.getVersion = failing(RuntimeError('Failure finding "libnvrtc.so.12"\nlooked in 12 places'))
    text = sentence()
    assert "NVRTC" in text
    assert "NVIDIA Imaginary" in text
    assert "xdgmm[cuda]" in text
    assert "12 places" not in text


@pytest.mark.parametrize(("version", "archs", "needed"), [((12, 9), (75, 90), 7.5), ((13, 0), None, 7.5)])
def test_a_card_that_is_too_old_for_the_compiler_is_said(cupy, version, archs, needed):
    cupy.cuda.nvrtc.getVersion = lambda: version
    if archs is None:
        del cupy.cuda.nvrtc.getSupportedArchs
    else:
        cupy.cuda.nvrtc.getSupportedArchs = lambda: archs
    cupy.cuda.Device.compute_capability = "61"
    text = sentence()
    assert f"capability {needed} or above" in text
    assert "NVIDIA Imaginary has 6.1" in text


BUSY = "cudaErrorDevicesUnavailable: CUDA-capable device(s) is/are busy or unavailable"


@pytest.fixture(params=["driverGetVersion", "getDeviceProperties", "Device", "Stream", "MemoryPool"])
def busy(cupy, request):
    """A card that is there, but cannot be used."""
    if request.param == "driverGetVersion":
        cupy.cuda.runtime.getDeviceCount = lambda: 0
    place = cupy.cuda.runtime if hasattr(cupy.cuda.runtime, request.param) else cupy.cuda
    error = cupy.cuda.runtime.CUDARuntimeError(BUSY)
    setattr(place, request.param, lambda *_, **__: failing(error)())


@pytest.mark.usefixtures("busy")
def test_a_card_that_is_busy_is_one_sentence():
    text = sentence()
    assert BUSY in text
    assert "choose the device 'cpu'" in text


@pytest.mark.usefixtures("busy")
def test_where_the_card_is_busy_auto_is_the_processors(monkeypatch):
    monkeypatch.setattr(automatic, "WORTH_MEASURING", 0.0)
    engine = cuda.make_engine("auto")
    monkeypatch.setattr(passes, "current_engine", lambda: engine)
    data = kernels.pack(np.zeros((10, 1)), np.ones((10, 1)), None)
    assert np.isfinite(data.accumulate(np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1))).log_likelihood)
    assert engine.name == "cpu"


@pytest.mark.usefixtures("cupy")
def test_the_devices_of_a_process_share_one_card():
    double, single, automatic = cuda.make_engine("cuda"), cuda.make_engine("cuda-float32"), cuda.make_engine("auto")
    assert (double.name, single.name, automatic.on_card.name) == ("cuda", "cuda-float32", "auto")
    assert double.card is single.card is automatic.on_card.card
    assert double.residents.held is single.residents.held is automatic.on_card.residents.held


def test_auto_needs_no_card(cupy):
    cupy.cuda.runtime.getDeviceCount = lambda: 0
    assert cuda.make_engine("auto").name in devices.DEVICES


@pytest.mark.parametrize("device", ["cuda", "cuda-float32"])
def test_passes_through_cupy_are_those_of_the_processors(emulated, fake_cupy, monkeypatch, device):
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy.module(emulated.EmulatedCard(emulated.FOLDER)))
    monkeypatch.setattr(transfers, "SMALL", 500)
    rng = np.random.default_rng(1)
    factors = rng.normal(size=(700, 2, 2))
    weights = rng.uniform(0.5, 1.5, 700)
    data = kernels.pack(rng.normal(size=(700, 2)), factors @ np.swapaxes(factors, 1, 2), weights)
    mixture = np.array([0.4, 0.6]), np.array([[0.0, 0.3], [0.2, -0.1]]), np.tile(0.7 * np.eye(2), (2, 1, 1))
    questions = ("accumulate_with_information", "log_likelihoods", "responsibilities", "posteriors")
    expected = [getattr(data, question)(*mixture) for question in questions]
    engine = cuda.make_engine(device)
    assert engine.card.name == "NVIDIA Imaginary"
    monkeypatch.setattr(passes, "current_engine", lambda: engine)
    sums, *of_each = [getattr(data, question)(*mixture) for question in questions]
    # single precision: 1e-7 of each number, and more where they cancel
    within = {"rtol": 1e-10, "atol": 1e-10} if device == "cuda" else {"rtol": 1e-3, "atol": 1e-3}
    assert sums.log_likelihood == pytest.approx(expected[0].log_likelihood, rel=1e-12 if device == "cuda" else 1e-6)
    np.testing.assert_allclose(sums.information, expected[0].information, **within)
    for found, known in zip(of_each, expected[1:], strict=True):
        for one, other in zip(
            *((each if isinstance(each, tuple) else (each,)) for each in (found, known)), strict=True
        ):
            if one is not None:
                np.testing.assert_allclose(one, other, **within)


def test_large_memory_is_the_drivers_and_a_full_card_is_a_memory_error(cupy):
    card = cupy_card.find_card("cuda")
    asked = []

    def full(n_bytes):
        asked.append(n_bytes)
        raise cupy.cuda.runtime.CUDARuntimeError("cudaErrorMemoryAllocation: out of memory")

    cupy.cuda.Memory = full
    card.allocate(1000)
    assert asked == []
    with pytest.raises(MemoryError, match="cudaErrorMemoryAllocation"):
        card.allocate(cupy_card.LARGE)
    assert asked == [cupy_card.LARGE]


def test_a_failure_that_is_no_lack_of_memory_is_not_called_one(cupy):
    card = cupy_card.find_card("cuda")
    cupy.cuda.Memory = failing(cupy.cuda.runtime.CUDARuntimeError("cudaErrorECCUncorrectable: uncorrectable ECC error"))
    with pytest.raises(XdgmmError, match="NVIDIA Imaginary cannot go on: cudaErrorECCUncorrectable"):
        card.allocate(cupy_card.LARGE)


def test_where_no_memory_can_be_page_locked_staging_is_ordinary(cupy):
    cupy.cuda.alloc_pinned_memory = failing(cupy.cuda.runtime.CUDARuntimeError("cudaErrorMemoryAllocation"))
    assert cupy_card.find_card("cuda").staging(64).nbytes == 64


@pytest.mark.usefixtures("cupy")
def test_copies_wait_for_the_kernels_before_them_and_later_kernels_for_the_copies():
    card = cupy_card.find_card("cuda")
    memory, staged = card.allocate(80), card.staging(80).view(np.float64)
    staged[:] = np.arange(10.0)
    before = card.mark()
    mark = card.send(staged, memory, before)
    assert card.copies.waits == [before]
    assert card.kernels.waits == [mark]
    card.wait(mark)
    back = card.staging(40).view(np.float64)
    card.wait(card.receive(memory.at(40), back, card.mark()))
    np.testing.assert_array_equal(back, np.arange(5.0, 10.0))


@pytest.mark.parametrize("kind", ["CUDARuntimeError", "CUDADriverError", "NVRTCError", "CompileException"])
def test_a_card_that_fails_says_so_in_one_sentence(cupy, fake_cupy, kind):
    error = getattr(fake_cupy, kind)("cudaErrorIllegalAddress: an illegal memory access was encountered\nmore lines")
    cupy.cuda.runtime.memcpyAsync = failing(error)
    card = cupy_card.find_card("cuda")
    memory = card.allocate(8)
    with pytest.raises(XdgmmError, match=r"NVIDIA Imaginary cannot go on: cudaErrorIllegalAddress.*'cpu'") as caught:
        card.upload(np.zeros(1), memory)
    assert "more lines" not in str(caught.value)


def test_the_source_of_the_package_is_beside_it():
    assert (Path(cuda.__file__).parent / "passes.cu").exists()


def names_in(namespace, place=""):
    """Dotted names in a tree of namespaces."""
    for name, value in vars(namespace).items():
        if not name.startswith("__"):
            yield f"{place}{name}"
            if isinstance(value, SimpleNamespace):
                yield from names_in(value, f"{place}{name}.")


def test_the_emulated_cupy_has_no_name_that_the_real_one_lacks(fake_cupy):
    real = pytest.importorskip("cupy")
    names = [*names_in(fake_cupy.module(fake_cupy.HostCard)), "cuda.Stream.wait_event", "cuda.Event.synchronize"]
    names += [
        "cuda.MemoryPool.malloc",
        "cuda.MemoryPool.free_all_blocks",
        "RawModule.get_global",
        "cuda.Device.attributes",
    ]
    missing = [name for name in names if not has(real, name)]
    assert len(names) > 25
    assert missing == []


def has(module, name):
    try:
        operator.attrgetter(name)(module)
    except AttributeError:
        return False
    return True


FORKED = """
import importlib.util, multiprocessing, sys
import numpy as np

def module(path):
    spec = importlib.util.spec_from_file_location("module", path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found

emulated, fake_cupy = map(module, sys.argv[1:3])
from pathlib import Path
card = emulated.EmulatedCard(Path(sys.argv[3]))
sys.modules["cupy"] = fake_cupy.module(card)
import xdgmm
from xdgmm import XDGMM

X = np.random.default_rng(0).normal(size=(300, 1))
model = XDGMM(1, random_state=0, device="cuda").fit(X, Xerr=0.5 + 0 * X)

def ask(device):
    try:
        return XDGMM(1, random_state=0, device=device).fit(X, Xerr=0.5 + 0 * X).means_[0, 0]
    except xdgmm.errors.XdgmmError as error:
        return str(error)

with multiprocessing.get_context("fork").Pool(1) as pool:
    refused, mean = pool.map(ask, ["cuda", "cpu"])
assert "was used before this process was forked" in refused, refused
assert abs(mean - model.means_[0, 0]) < 1e-9, (mean, model.means_)
assert abs(ask("cuda") - mean) < 1e-9
print("as it should be")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_is_told_and_can_use_the_processors(emulated, tmp_path):
    here = Path(__file__).parent
    files = here / "emulated.py", here / "fake_cupy.py", emulated.FOLDER
    command = [sys.executable, "-W", "ignore", "-c", FORKED, *map(str, files)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120)
    assert run.stdout == "as it should be\n", run.stderr
    assert "Exception" not in run.stderr, "nothing is freed in the child"
