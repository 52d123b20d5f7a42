"""Faults, one at a time: the n-th call of the operating system in a folder fails, or is interrupted."""

import builtins
import errno
import io
import os
from pathlib import Path

import pytest

ON_PATHS = ("open", "link", "replace", "unlink", "chmod")
ON_DESCRIPTORS = ("fsync", "close")
MOST = 400  # calls of one operation


def full_disk():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def input_output_error():
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def interrupt():
    raise KeyboardInterrupt


def termination():
    raise SystemExit(143)


KINDS = {
    "a full disk": full_disk,
    "an input/output error": input_output_error,
    "Ctrl-C": interrupt,
    "SIGTERM": termination,
}


class Faults:
    """Counts the calls that concern a folder; the n-th does not take place, and raises instead.

    Calls are those of ``os`` by which files are opened, closed, written to disk, renamed, linked and removed, and each
    write and close of a file that Python opens for writing.
    """

    def __init__(self, folder, n, fault):
        self.folder, self.n, self.fault = Path(folder), n, fault
        self.calls, self.descriptors = [], set()

    @property
    def happened(self):
        return len(self.calls) >= self.n

    def point(self, name):
        self.calls.append(name)
        if len(self.calls) == self.n:
            self.fault()

    def concerns(self, path):
        return isinstance(path, str | os.PathLike) and self.folder in (
            Path(path).absolute(),
            *Path(path).absolute().parents,
        )

    def install(self, patch):
        for name in ON_PATHS:
            patch.setattr(os, name, self._on_path(name, getattr(os, name)))
        for name in ON_DESCRIPTORS:
            patch.setattr(os, name, self._on_descriptor(name, getattr(os, name)))
        opened = self._opening(io.open)
        patch.setattr(io, "open", opened)
        patch.setattr(builtins, "open", opened)

    def _on_path(self, name, original):
        def call(path, *arguments, **options):
            if self.concerns(path):
                self.point(f"os.{name}")
            found = original(path, *arguments, **options)
            if name == "open" and self.concerns(path):
                self.descriptors.add(found)
            return found

        return call

    def _on_descriptor(self, name, original):
        def call(descriptor):
            if descriptor in self.descriptors:
                if name == "close":
                    self.descriptors.discard(descriptor)
                    original(descriptor)  # it is closed in any case, as close(2) says
                    self.point("os.close")
                    return None
                self.point(f"os.{name}")
            return original(descriptor)

        return call

    def _opening(self, original):
        faults = self

        class Raw(io.FileIO):
            def write(self, content):
                faults.point("write")
                return super().write(content)

            def close(self):
                if self.closed:
                    return
                super().close()
                faults.point("close")

        def opened(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, **options):
            if not faults.concerns(file) or not set(mode) & set("wax+"):
                return original(file, mode, buffering, encoding, errors, newline, **options)
            faults.point("open")
            if options.get("opener"):  # of `tempfile`, which writes nothing here
                return original(file, mode, buffering, encoding, errors, newline, **options)
            raw = Raw(file, mode.replace("b", "").replace("t", ""))
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

        return opened


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def with_every_fault(kind, tmp_path):
    """Runs an operation with the first call failing, then the second, ... until it ends without a fault.

    ``prepare()`` makes the old files again before each; ``check(outcome, kind)`` is told what the operation returned or
    raised.  Returns the names of the calls.
    """

    def run(prepare, operation, check):
        for n in range(1, MOST):
            prepare()
            faults = Faults(tmp_path, n, KINDS[kind])
            with pytest.MonkeyPatch.context() as patch:
                faults.install(patch)
                try:
                    outcome = operation()
                except BaseException as error:  # noqa: BLE001 - whatever it is, it is checked
                    outcome = error
            if not faults.happened:
                if isinstance(outcome, BaseException):
                    raise outcome
                return faults.calls
            check(outcome, f"{kind} at call {n}, {faults.calls[n - 1]}")
        raise AssertionError("the operation makes no end of calls")

    return run
