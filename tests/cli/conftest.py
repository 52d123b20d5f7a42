"""The command line, run as users run it."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from xdgmm import datasets
from xdgmm.cli import main


def run(*arguments, cwd):
    """Run the command with warnings as errors, in a process of its own."""
    code = "from xdgmm.cli import main; main()"
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=cwd, env={**os.environ, "COLUMNS": "200"}
    )


def was_refused(done, *parts):
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    sentence = " ".join(done.stderr.split())
    for part in parts:
        assert part in sentence, sentence
    return sentence


@pytest.fixture(scope="session")
def xdgmm():
    """The command: called with arguments and a folder."""
    return run


@pytest.fixture
def here(monkeypatch, capsys, tmp_path):
    """The command in this process: called with arguments; returns exit code, standard output and standard error."""

    def run_here(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # which `main` replaces
        monkeypatch.setattr(sys, "argv", ["xdgmm", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

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
