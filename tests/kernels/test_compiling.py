"""Where compiled code is kept."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
from itertools import cycle, product
from pathlib import Path

import numpy as np
import pytest

import xdgmm
from xdgmm import kernels
from xdgmm.kernels import compiled
from xdgmm.kernels.compiling import CheckedFiles

CODE = """
import numpy as np
from xdgmm.kernels import compiled
print(compiled.implicit_profile(np.arange(3.0), np.ones(3), np.ones(3), 1.0)[3])
"""


def outcome(code=CODE, **environment):
    environment = {**os.environ, "NUMBA_CACHE_DIR": "", **environment}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)


def run(**environment):
    return float(outcome(**environment).stdout)


@pytest.fixture(scope="module")
def value():
    """What `run` must return, from this process."""
    return compiled.implicit_profile(np.arange(3.0), np.ones(3), np.ones(3), 1.0)[3]


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    """A folder for compiled code, and the outcome of the first run with it."""
    folder = tmp_path_factory.mktemp("compiled")
    return folder, outcome(NUMBA_CACHE_DIR=str(folder))


def compiled_files(folder):
    return sorted(path.name for path in Path(folder).rglob("*.nb[ci]"))


moves_caches = pytest.mark.skipif(sys.platform == "win32", reason="the cache folder is not set by the environment")


@moves_caches
def test_compiled_code_is_kept_in_the_cache_folder_and_not_in_the_package(tmp_path, value):
    before = compiled_files(Path(xdgmm.__file__).parent)
    assert run(XDG_CACHE_HOME=str(tmp_path), HOME=str(tmp_path), LOCALAPPDATA=str(tmp_path)) == value
    assert any("implicit_profile" in name for name in compiled_files(tmp_path))
    assert compiled_files(Path(xdgmm.__file__).parent) == before


def test_numbas_own_setting_is_respected(first_run):
    assert any("implicit_profile" in name for name in compiled_files(first_run[0]))


@moves_caches
def test_no_place_to_write_is_no_obstacle(tmp_path, value):
    before = compiled_files(Path(xdgmm.__file__).parent)
    nowhere = tmp_path / "file"
    nowhere.write_text("not a folder")
    assert run(NUMBA_CACHE_DIR=str(nowhere)) == value
    assert run(XDG_CACHE_HOME=str(nowhere), HOME=str(nowhere), LOCALAPPDATA=str(nowhere)) == value
    assert compiled_files(Path(xdgmm.__file__).parent) == before


def test_a_full_disk_is_no_obstacle(tmp_path, value):
    resource = pytest.importorskip("resource")

    def no_large_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env=environment,
        capture_output=True,
        text=True,
        preexec_fn=no_large_files,
        check=True,
    )
    assert float(done.stdout) == value


def flipped(content):
    """With one other bit in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGE = {
    "empty": lambda _: b"",
    "text": lambda _: b"not what numba wrote",
    "cut": lambda content: content[: len(content) // 2],
    "a flipped bit": flipped,
    "another pickle": lambda _: pickle.dumps({"a": 1}),
    "a pickle of what does not exist": lambda _: b"cnowhere\nnothing\n.",
    "garbage at the end": lambda content: content + b"x",
}


OFTEN = ("a flipped bit", "another pickle", "empty", "cut")


def test_files_with_damage_of_every_kind_are_made_anew(tmp_path, first_run, value):
    shutil.copytree(first_run[0], tmp_path, dirs_exist_ok=True)
    files = sorted(tmp_path.rglob("*.nb[ci]"))
    assert len(files) >= 2
    for file, damage in zip(files, cycle(OFTEN), strict=False):
        file.write_bytes(DAMAGE[damage](file.read_bytes()))
    assert run(NUMBA_CACHE_DIR=str(tmp_path)) == value
    assert outcome(NUMBA_CACHE_DIR=str(tmp_path)).stderr == ""  # nothing is compiled again


@pytest.mark.slow
@pytest.mark.parametrize("damage", [damage for damage in DAMAGE if damage not in OFTEN])
def test_damaged_files_are_made_anew(tmp_path, first_run, value, damage):
    shutil.copytree(first_run[0], tmp_path, dirs_exist_ok=True)
    for file in tmp_path.rglob("*.nb[ci]"):
        file.write_bytes(DAMAGE[damage](file.read_bytes()))
    assert run(NUMBA_CACHE_DIR=str(tmp_path)) == value
    assert outcome(NUMBA_CACHE_DIR=str(tmp_path)).stderr == ""  # nothing is compiled again


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_files_that_cannot_be_read_are_made_anew(tmp_path, first_run, value, suffix):
    shutil.copytree(first_run[0], tmp_path, dirs_exist_ok=True)
    for file in tmp_path.rglob(f"*.{suffix}"):
        file.unlink()
        file.mkdir()  # also for administrators
    assert run(NUMBA_CACHE_DIR=str(tmp_path)) == value


def test_without_a_compiler_there_is_a_sentence():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    code = "from xdgmm import XDGMM"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("xdgmm.errors.InputError: the environment variable NUMBA_DISABLE_JIT is set")


def test_the_first_run_on_a_machine_says_that_it_compiles_and_later_ones_say_nothing(first_run):
    folder, first = first_run
    later = outcome(NUMBA_CACHE_DIR=str(folder))
    assert first.stderr.count("compiles kernels") == 1
    assert later.stderr == ""
    assert first.stdout == later.stdout


def test_whoever_listens_to_the_logger_decides_what_is_said(tmp_path):
    quiet = "import logging; logging.getLogger('xdgmm').setLevel(logging.ERROR)\n" + CODE
    assert outcome(quiet, NUMBA_CACHE_DIR=str(tmp_path)).stderr == ""


def blocks_of(noise, missing):
    """Nine objects in two dimensions, packed for each kind of noise, with and without a missing value."""
    values, errors = np.ones((9, 2)), 1.0 + np.arange(9.0)
    values[0, 0] = np.nan if missing else 1.0
    kinds = {"none": None, "own": np.column_stack([errors, errors]), "full": errors[:, None, None] * np.eye(2)}
    return kernels.pack(values, kinds[noise], None)


def test_layouts_that_differ_only_in_lengths_each_meet_their_own_kernel():
    # Numba 0.60 loses the first 40 bytes of the text by which it recognises the type of an argument, so that now and
    # then a layout meets the kernel of another one: hence the lower bound on numba.
    packed = [blocks_of(*each) for each in product(("none", "own", "full"), (False, True))]

    def likelihood(blocks):
        return kernels.accumulate(blocks, np.ones(1), np.zeros((1, 2)), np.eye(2)[None]).log_likelihood

    first = [likelihood(blocks) for blocks in packed]
    for which in np.random.default_rng(1).integers(len(packed), size=1000):
        assert likelihood(packed[which]) == first[which]


def test_functions_of_others_are_compiled_as_before_and_are_not_announced(caplog):
    """Also those that code without a module has defined."""
    import numba

    namespace = {}
    exec("def double(x):\n    return 2 * x\n", {"__builtins__": {}}, namespace)
    assert namespace["double"].__module__ is None
    with caplog.at_level("WARNING", logger="xdgmm"):
        assert numba.njit(namespace["double"])(4.0) == 8.0
    assert not caplog.records


def test_processes_that_compile_at_the_same_time_do_not_exchange_their_code(tmp_path):
    """The second saves while the first does, and has read the index before: each finds its own code, or none."""
    keys = [((name,), ("processor",), "code") for name in ("float32", "float64")]

    class Second(CheckedFiles):
        def _load_index(self):  # before the first wrote anything
            return {}

    class First(CheckedFiles):
        def _save_data(self, name, data):
            Second(str(tmp_path), "kernel", "stamp").save(keys[1], "code for float64")
            super()._save_data(name, data)

    First(str(tmp_path), "kernel", "stamp").save(keys[0], "code for float32")
    found = [CheckedFiles(str(tmp_path), "kernel", "stamp").load(key) for key in keys]
    assert found[0] in ("code for float32", None)
    assert found[1] in ("code for float64", None)
    assert any(found)
