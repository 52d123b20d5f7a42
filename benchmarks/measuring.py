"""Times and memory, measured so that they can be compared."""

import os
import subprocess
import sys
import time
import tracemalloc

import numpy as np

CALIBRATION = """
import time
import numpy as np
x = np.random.default_rng(0).uniform(-50.0, 0.0, 10_000)
out, times = np.empty_like(x), []
for _ in range(1000):
    start = time.perf_counter()
    np.exp(x, out=out)
    times.append(time.perf_counter() - start)
print(min(times) / x.size * 1e9)
"""


def calibration():
    """Nanoseconds that ``np.exp`` takes for one of 10,000 float64, with NumPy's code for AVX-512 switched off.

    That code is six times faster than the scalar one which NumPy uses on all other processors; without it the
    figure is a measure of the processor, not of NumPy's version.
    """
    from numpy._core._multiarray_umath import __cpu_dispatch__

    beyond = [name for name in __cpu_dispatch__ if name.startswith(("AVX512", "X86_V4"))]
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(beyond)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CALIBRATION], env=environment, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def race(functions, repetitions=9):
    """Seconds of each of several functions (dict by name), taken in turn; the shortest of the repetitions."""
    times = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(repetitions):
        for name, function in functions.items():
            times[name].append(timed(function)[0])
    return {name: float(np.min(found)) for name, found in times.items()}


def timed(function):
    """Seconds that a function takes, and what it returns."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def peak_memory(function):
    """Bytes that a function needs at its peak beyond what is there before (arrays of NumPy and objects of Python)."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak - before


def in_a_new_process(code):
    """Numbers that a piece of code prints in a Python of its own."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]
