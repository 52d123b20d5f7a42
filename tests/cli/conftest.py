"""The command line, run in this process, or as users run it."""

import io
import os
import subprocess
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest

from xdgmm import datasets
from xdgmm.cli import main
from xdgmm.kernels import devices


def run_in_process(*arguments, cwd):
    """Run the command with warnings as errors, in a process of its own, which takes a second or two to start."""
    code = "from xdgmm.cli import main; main()"
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=cwd, env={**os.environ, "COLUMNS": "200"}
    )


def run(*arguments, cwd):
    """Run the command in this process, where pytest makes errors of warnings."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.setenv("COLUMNS", "200")
        patch.setattr(warnings, "showwarning", warnings.showwarning)  # which `main` replaces
        patch.setattr(sys, "argv", ["xdgmm", *map(str, arguments)])
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
        devices.set_device(None)  # which --device has set
    printed = []
    for stream in (out, err):
        stream.flush()
        printed.append(stream.buffer.getvalue().decode())
    return subprocess.CompletedProcess(arguments, ended.value.code or 0, *printed)


def was_refused(done, *parts):
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    sentence = " ".join(done.stderr.split())
    for part in parts:
        assert part in sentence, sentence
    return sentence


@pytest.fixture(scope="session")
def xdgmm():
    """The command, in this process: called with arguments and a folder."""
    return run


@pytest.fixture(scope="session")
def process():
    """The command in a process of its own: called with arguments and a folder."""
    return run_in_process


@pytest.fixture
def here(tmp_path):
    """The command in this process: called with arguments; returns exit code, standard output and standard error."""

    def run_here(*arguments):
        done = run(*arguments, cwd=tmp_path)
        return done.returncode, done.stdout, done.stderr

    run_here.folder = tmp_path
    return run_here


@pytest.fixture(scope="session")
def refused():
    """Checks that a run ended with exit code 2 and a sentence with these parts."""
    return was_refused


@pytest.fixture
def outputs():
    """Options that ask for every file."""
    return ["--output", "model.fits", "--report", "widths.ecsv", "--plot", "fit.png"]


@pytest.fixture
def stars(tmp_path):
    """A user's catalogue: velocities, errors and membership probabilities, as FITS with units."""
    table = datasets.load("hydrus1")
    table["p_mem"] = np.ones(len(table))
    table.meta = {}
    table.write(tmp_path / "stars.fits")
    return tmp_path
