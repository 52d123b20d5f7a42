"""A server in a process of its own, as users start it."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from threading import Timer

import pytest

PATIENCE = 60.0  # seconds until something must have happened, on a busy machine


@contextmanager
def running_server(*arguments, cwd=None, before=""):
    """A server in a process of its own, as `xdgmm explore` starts it: the process and the address of its page.

    Some lines of Python may be run before, for pages that begin with something else.
    """
    code = f"{before}\nfrom xdgmm.cli import main; main()"
    command = [sys.executable, "-c", code, "explore", "--no-browser", *map(str, arguments)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200"},
    ) as process:
        try:
            yield process, address(process)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def address(process):
    """The address that the server prints when it can be asked."""
    timer = Timer(PATIENCE, process.kill)
    timer.start()
    try:
        for line in process.stdout:
            if line.startswith("http://"):
                return line.split()[0]
    finally:
        timer.cancel()
    pytest.fail(f"the server did not start: {process.stderr.read()}")


@pytest.fixture(scope="session")
def serve():
    """A context with a server, called with arguments of `xdgmm explore`: its process, and the address of its page."""
    return running_server
