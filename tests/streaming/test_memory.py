"""A fit holds no more in memory than it is allowed to, whatever the number of rows."""

import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from astropy.table import Table
from pyarrow import parquet

N, MEMORY = 2_000_000, 64e6
FIT = """
import resource, sys
from xdgmm import XDGMM
from xdgmm.streaming import open_source

XDGMM(2, n_init=1, random_state=0).fit(open_source(sys.argv[1], ["v", "c"], memory=float(sys.argv[2])))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def stars(n):
    rng = np.random.default_rng(0)
    errors = rng.uniform(0.1, 1.0, (n, 2))
    truth = np.where(rng.random(n)[:, None] < 0.5, [0.0, 0.0], [8.0, 4.0]) + 2.0 * rng.standard_normal((n, 2))
    values = truth + errors * rng.standard_normal((n, 2))
    return {
        "source_id": np.arange(n),
        "v": values[:, 0],
        "c": values[:, 1],
        "e_v": errors[:, 0],
        "e_c": errors[:, 1],
        "v_c_corr": rng.uniform(-0.7, 0.7, n),
    }


def peak(path):
    """Bytes that a process which fits a file held at most (Linux counts kilobytes, macOS bytes)."""
    command = [sys.executable, "-c", FIT, str(path), str(MEMORY)]
    environment = {**os.environ, "XDGMM_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return int(done.stdout) * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.skipif(sys.platform == "win32", reason="the peak of a process is asked for with `resource`")
@pytest.mark.parametrize(
    "suffix", [pytest.param(".parquet", marks=pytest.mark.slow), pytest.param(".fits", marks=pytest.mark.exhaustive)]
)
def test_two_million_rows_fit_into_64_megabytes(suffix, tmp_path):
    paths = []
    for n in (2000, N):
        columns, path = stars(n), tmp_path / f"{n}{suffix}"
        if suffix == ".fits":
            Table(columns).write(path)
        else:
            parquet.write_table(pa.table(columns), path)
        paths.append(path)
    small, large = map(peak, paths)
    assert large - small < MEMORY
