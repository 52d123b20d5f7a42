"""Which device makes passes: that of the call, else that of the process, else that of the environment."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest

import xdgmm
from xdgmm import kernels
from xdgmm.errors import InputError
from xdgmm.kernels import devices
from xdgmm.kernels.processors import Processors

VALUES = np.random.default_rng(0).normal(size=(50, 2))
MIXTURE = np.ones(1), np.zeros((1, 2)), np.eye(2)[None]


def one_pass(*_):
    return kernels.accumulate(kernels.pack(VALUES, None, None), *MIXTURE).log_likelihood


def test_processors_make_the_passes_unless_something_else_is_said(card):
    one_pass()
    assert xdgmm.get_device() == "cpu"
    assert card == []


def test_the_device_of_a_call_goes_before_that_of_the_process_and_this_before_the_environment(card, monkeypatch):
    monkeypatch.setenv("XDGMM_DEVICE", "cuda")
    assert xdgmm.get_device() == "cuda"
    xdgmm.set_device("cpu")
    assert xdgmm.get_device() == "cpu"
    with devices.using_device("cuda"):
        assert xdgmm.get_device() == "cuda"
        one_pass()
    assert xdgmm.get_device() == "cpu"
    assert card == ["sums"]
    xdgmm.set_device(None)
    assert xdgmm.get_device() == "cuda"


@pytest.mark.parametrize(
    "device", ["gpu", "CUDA", "", 0, True, ["cuda"], np.array("cpu"), np.array(["cpu", "cuda"]), np.zeros((9, 9))]
)
def test_devices_that_there_are_not_are_refused(device):
    with pytest.raises(InputError, match=r"`device` is .*, but it must be one of cpu, cuda, cuda-float32, auto"):
        xdgmm.set_device(device)
    with pytest.raises(InputError, match="must be one of cpu, cuda"), devices.using_device(device):
        pass


def test_a_wrong_environment_variable_is_named(monkeypatch):
    monkeypatch.setenv("XDGMM_DEVICE", "gpu")
    with pytest.raises(InputError, match="the environment variable XDGMM_DEVICE is 'gpu', but it must be one of cpu"):
        one_pass()


def test_a_device_that_is_refused_leaves_the_one_before(no_card):
    with pytest.raises(InputError) as refused:
        xdgmm.set_device("cuda")
    assert str(refused.value) == no_card
    assert xdgmm.get_device() == "cpu"
    one_pass()


def test_threads_of_a_pass_use_the_device_of_their_caller(card):
    seen = []
    xdgmm.set_num_threads(2)
    try:
        with devices.using_device("cuda"):
            kernels.run_in_threads(lambda *_: seen.append(xdgmm.get_device()), 2, 1e9)
    finally:
        xdgmm.set_num_threads(None)
    assert seen == ["cuda", "cuda"]
    assert xdgmm.get_device() == "cpu"
    assert card == []


def test_another_thread_of_the_user_uses_the_device_of_the_process(card):
    thread = threading.Thread(target=one_pass)
    with devices.using_device("cuda"):
        thread.start()
        thread.join()
    assert card == []


def test_jobs_of_joblib_use_the_device_of_their_caller(card):
    with devices.using_device("cuda"):
        task = joblib.delayed(kernels.on_same_device(one_pass))
    found = joblib.Parallel(n_jobs=2, backend="threading")(task() for _ in range(3))
    assert found == [one_pass()] * 3
    assert card == ["sums"] * 3


DEVICE_OF_A_WORKER = """
import joblib
from xdgmm import get_device, kernels
from xdgmm.kernels import devices
from xdgmm.kernels.processors import Processors

with devices.using_device("cpu"):
    here = kernels.on_same_device(get_device)
print(joblib.Parallel(n_jobs=2)([joblib.delayed(here)(), joblib.delayed(get_device)()]))
"""


@pytest.mark.slow
def test_other_processes_use_the_environment_variable_unless_they_are_told():
    environment = {**os.environ, "XDGMM_DEVICE": "auto"}
    command = [sys.executable, "-c", DEVICE_OF_A_WORKER]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "['cpu', 'auto']"


def test_a_device_is_described_by_what_makes_its_passes(on_card):
    assert devices.device_in_words("cpu") == "cpu"
    assert devices.device_in_words("cuda") == f"cuda ({on_card.card.name})"


def test_threads_that_begin_together_share_an_engine():
    made = []

    def slowly(device):
        time.sleep(0.05)
        made.append(device)
        return Processors()

    engines = devices.Engines(slowly)
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(engines.of, ["cuda"] * 4))) == len(made) == 1
