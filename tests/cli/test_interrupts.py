"""Ctrl-C and SIGTERM, as users send them to a process, and raised at chosen places."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from astropy.table import QTable

from xdgmm import GaussianMixture
from xdgmm.cli.interrupts import Interrupts

posix = pytest.mark.skipif(sys.platform == "win32", reason="processes are not interrupted by signals there")


@pytest.fixture
def big(tmp_path):
    """A folder with a model and a table of 100,000 rows."""
    rng = np.random.default_rng(1)
    QTable({"v": rng.normal(80.0, 3.0, 100_000), "e_v": np.ones(100_000)}).write(tmp_path / "t.fits")
    GaussianMixture([1.0], [[80.0]], [[[9.0]]], ["v"]).write(tmp_path / "m.fits")
    return tmp_path


@pytest.fixture
def _python_handles_interrupts():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


APPLY = ["apply", "m.fits", "t.fits", "--output", "out.fits", "--quiet"]


@posix
@pytest.mark.usefixtures("_python_handles_interrupts")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("overwritten", [False, True])
def test_apply_stops_at_once_and_says_what_was_kept(here, big, monkeypatch, number, overwritten):
    import xdgmm.objects.columns as columns

    calls, original = [], columns.known

    def known(*arguments):
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(number)
        return original(*arguments)

    monkeypatch.setattr(columns, "known", known)
    if overwritten:
        (big / "out.fits").write_text("precious")
    code, _, err = here(*APPLY, *(["--overwrite"] if overwritten else []))
    assert code == 128 + number
    assert "no file was written" in err
    assert len(err.splitlines()) == 1
    assert len(calls) == 3
    assert files(big) == ["m.fits", *(["out.fits"] if overwritten else []), "t.fits"]


@posix
@pytest.mark.usefixtures("_python_handles_interrupts")
def test_an_interrupt_that_python_only_prints_is_not_lost(here, big, monkeypatch):
    """Where a destructor runs, Python prints the exception and goes on: `apply` went on to the end."""
    import xdgmm.objects.columns as columns

    calls, original = [], columns.known

    def known(*arguments):
        calls.append(1)
        if len(calls) == 3:
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        return original(*arguments)

    monkeypatch.setattr(columns, "known", known)
    code, _, err = here(*APPLY)
    assert (code, len(calls)) == (130, 3)
    assert "interrupted: no file was written" in err
    assert files(big) == ["m.fits", "t.fits"]


@posix
@pytest.mark.usefixtures("_python_handles_interrupts")
def test_files_that_were_complete_are_named(here, stars, monkeypatch):
    import xdgmm.cli.fit as command

    class Interrupted(command.FitReport):
        def fit(self, *arguments, **options):
            super().fit(*arguments, **options)
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "FitReport", Interrupted)
    code, _, err = here("fit", "stars.fits", "--columns", "v", "--output", "m.fits", "--report", "w.ecsv")
    assert code == 130
    assert "interrupted: complete are m.fits, w.ecsv" in err
    assert {"m.fits", "w.ecsv"} < set(files(stars))


@posix
@pytest.mark.usefixtures("_python_handles_interrupts", "stars")
@pytest.mark.filterwarnings("always::xdgmm.errors.ConvergenceWarning")
def test_an_interrupted_chain_is_reported_with_its_steps(here, monkeypatch):
    import emcee

    original = emcee.EnsembleSampler.sample

    def sample(sampler, *arguments, **options):
        for state in original(sampler, *arguments, **options):
            yield state
            if sampler.iteration == 150:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(emcee.EnsembleSampler, "sample", sample)
    code, out, err = here("fit", "stars.fits", "--columns", "v", "--mcmc", "--output", "m.fits")
    assert code == 1
    assert "interrupted: these are the samples so far" in " ".join((out + err).split())
    assert "wrote m.fits" in out


@posix
@pytest.mark.usefixtures("_python_handles_interrupts")
def test_a_signal_of_one_run_is_not_one_of_the_next():
    runs = Interrupts()
    with contextlib.suppress(SystemExit), runs.noted():
        signal.raise_signal(signal.SIGTERM)
    runs.check()


def test_the_handler_of_python_comes_back():
    before = signal.getsignal(signal.SIGINT)
    with Interrupts().noted():
        pass
    assert signal.getsignal(signal.SIGINT) is before


@posix
@pytest.mark.slow
@pytest.mark.parametrize("command", [["info", "big.fits"], ["apply", "m.fits", "big.fits", "--output", "out.fits"]])
@pytest.mark.parametrize(
    ("delay", "number"),
    [(0.2, signal.SIGINT), (0.6, signal.SIGTERM), (1.0, signal.SIGINT), (1.5, signal.SIGTERM), (2.5, signal.SIGINT)],
)
def test_a_process_ends_soon_and_leaves_nothing(big, command, delay, number):
    n = 3_000_000
    QTable({"v": np.linspace(70.0, 90.0, n), "e_v": np.ones(n)}).write(big / "big.fits")
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from xdgmm.cli import main; print('ready', flush=True); main()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", code, *command], cwd=big, stdout=pipe, stderr=pipe, text=True, env=dict(os.environ)
    ) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        process.send_signal(number)
        sent = time.monotonic()
        _, err = process.communicate(timeout=30)
    # it may have been done; or the signal came while Python itself started or ended, and ended it
    assert process.returncode in (0, 128 + number, -number), err
    if process.returncode > 0:
        assert "Traceback" not in err
        assert time.monotonic() - sent < 5.0
        assert files(big) == ["big.fits", "m.fits", "t.fits"]


@posix
@pytest.mark.usefixtures("_python_handles_interrupts")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_python_drops_is_sent_again(here, big, monkeypatch, capfd, number):
    import xdgmm.objects.columns as columns

    class Dropping:
        def __del__(self):
            signal.raise_signal(number)

    calls, original = [], columns.known

    def known(*arguments):
        calls.append(1)
        if len(calls) == 3:
            Dropping()
            time.sleep(5.0)  # ended by the second signal
        return original(*arguments)

    monkeypatch.setattr(columns, "known", known)
    start = time.monotonic()
    code, _, err = here(*APPLY)
    assert code == 128 + number
    assert len(calls) == 3
    assert "no file was written" in err
    assert "Exception ignored" not in err + capfd.readouterr().err
    assert time.monotonic() - start < 4.0
    assert files(big) == ["m.fits", "t.fits"]


@posix
@pytest.mark.usefixtures("_python_handles_interrupts", "big")
@pytest.mark.parametrize("made_of_it", [ImportError, SystemError, ValueError])
def test_a_signal_is_a_signal_whatever_another_package_makes_of_it(here, monkeypatch, made_of_it):
    import xdgmm.objects.columns as columns

    def known(*_):
        try:
            signal.raise_signal(signal.SIGTERM)
        except SystemExit as end:
            raise made_of_it("cannot import name") from end

    monkeypatch.setattr(columns, "known", known)
    code, _, err = here(*APPLY)
    assert code == 143
    assert "ended by a signal: no file was written" in err
