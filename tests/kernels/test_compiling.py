"""Where compiled code is kept."""

import os
import subprocess
import sys
from pathlib import Path

import xdgmm

CODE = """
import numpy as np
from xdgmm import kernels
blocks = kernels.pack(np.ones((3, 1)), np.ones((3, 1)), None)
print(kernels.accumulate(blocks, np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1))).log_likelihood)
"""


def run(**environment):
    environment = {**os.environ, "NUMBA_CACHE_DIR": "", **environment}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def compiled_files(folder):
    return sorted(path.name for path in Path(folder).rglob("*.nb[ci]"))


def test_compiled_code_is_kept_in_the_cache_folder_and_not_in_the_package(tmp_path):
    before = compiled_files(Path(xdgmm.__file__).parent)
    value = run(XDG_CACHE_HOME=str(tmp_path), HOME=str(tmp_path), LOCALAPPDATA=str(tmp_path))
    assert value == run()
    assert any("accumulate" in name for name in compiled_files(tmp_path))
    assert compiled_files(Path(xdgmm.__file__).parent) == before


def test_numbas_own_setting_is_respected(tmp_path):
    run(NUMBA_CACHE_DIR=str(tmp_path))
    assert any("accumulate" in name for name in compiled_files(tmp_path))


def test_no_place_to_write_is_no_obstacle(monkeypatch):
    from numba.core.caching import CacheImpl

    from xdgmm.kernels.compiling import kernel

    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    assert kernel(lambda x: x + 1)(1) == 2
