"""Faults, one at a time: the n-th call of the operating system in a folder, or allocation, fails or is interrupted."""

import builtins
import ctypes
import errno
import io
import os
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ON_PATHS = ("open", "link", "replace", "unlink", "chmod", "mkdir")
ON_DESCRIPTORS = ("fsync", "close")
MOST = 4000  # calls of one operation


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

    @contextmanager
    def installed(self):
        with pytest.MonkeyPatch.context() as patch:
            for name in ON_PATHS:
                patch.setattr(os, name, self._on_path(name, getattr(os, name)))
            for name in ON_DESCRIPTORS:
                patch.setattr(os, name, self._on_descriptor(name, getattr(os, name)))
            opened = self._opening(io.open)
            patch.setattr(io, "open", opened)
            patch.setattr(builtins, "open", opened)
            yield

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


ADDRESS, SIZE = ctypes.c_void_p, ctypes.c_size_t
SET_HANDLER, GET_HANDLER = 304, 305  # places in the table of NumPy's C interface, which do not change
MALLOC = ctypes.PYFUNCTYPE(ADDRESS, ADDRESS, SIZE)
CALLOC = ctypes.PYFUNCTYPE(ADDRESS, ADDRESS, SIZE, SIZE)
REALLOC = ctypes.PYFUNCTYPE(ADDRESS, ADDRESS, ADDRESS, SIZE)


class Handler(ctypes.Structure):
    """``PyDataMem_Handler``: the functions that allocate the data of arrays."""

    _fields_ = (
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("context", ADDRESS),
        ("malloc", MALLOC),
        ("calloc", CALLOC),
        ("realloc", REALLOC),
        ("free", ADDRESS),
    )


class Allocations:
    """Counts the allocations of arrays that are larger than a number of bytes; the n-th is not made.

    NumPy then raises `MemoryError`, wherever it is called from: in this package, SciPy, astropy or matplotlib.
    """

    of_now = None  # those which are counted

    def __init__(self, n, largest):
        self.n, self.largest, self.calls = n, largest, []

    @property
    def happened(self):
        return len(self.calls) >= self.n

    def fails(self, size):
        if size <= self.largest:
            return False
        self.calls.append(f"of {size} bytes")
        return len(self.calls) == self.n

    @contextmanager
    def installed(self):
        set_handler, _, capsule, *_ = numpy_handlers()
        before = set_handler(capsule)
        Allocations.of_now = self
        try:
            yield
        finally:
            Allocations.of_now = None
            set_handler(before)


@cache
def numpy_handlers():
    """Setter of NumPy's handler, NumPy's own handler, a capsule with ours, and what must stay in memory with it."""
    capsules = ctypes.pythonapi
    pointer_of = ctypes.PYFUNCTYPE(ADDRESS, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", capsules))
    new_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, ADDRESS, ctypes.c_char_p, ADDRESS)(("PyCapsule_New", capsules))
    interface = vars(import_module("numpy._core._multiarray_umath"))["_ARRAY_API"]
    table = ctypes.cast(pointer_of(interface, None), ctypes.POINTER(ADDRESS))
    set_handler = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(table[SET_HANDLER])
    own_capsule = ctypes.PYFUNCTYPE(ctypes.py_object)(table[GET_HANDLER])()
    own = Handler.from_address(pointer_of(own_capsule, b"mem_handler"))

    def fails(size):
        return Allocations.of_now is not None and Allocations.of_now.fails(size)

    def malloc(context, size):
        return None if fails(size) else own.malloc(context, size)

    def calloc(context, n, size):
        return None if fails(n * size) else own.calloc(context, n, size)

    def realloc(context, pointer, size):
        return None if fails(size) else own.realloc(context, pointer, size)

    functions = MALLOC(malloc), CALLOC(calloc), REALLOC(realloc)
    ours = Handler(b"faults", own.version, own.context, *functions, own.free)
    return set_handler, own, new_capsule(ctypes.addressof(ours), b"mem_handler", None), ours, functions, own_capsule


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def with_every_fault(kind, tmp_path):
    """Runs an operation with the first call failing, then the second, ... until it ends without a fault.

    ``prepare()`` makes the old files again before each; ``check(outcome, where)`` is told what the operation returned
    or raised.  Returns the names of the calls.  Of a slow operation only each ``every``-th call fails.
    """

    def run(*operation, every=1):
        return one_by_one(kind, lambda n: Faults(tmp_path, n, KINDS[kind]), *operation, every)

    return run


@pytest.fixture
def with_every_allocation_failing():
    """`with_every_fault` for allocations of more bytes than a number, the first argument."""

    def run(largest, *operation, every=1):
        return one_by_one("no memory", lambda n: Allocations(n, largest), *operation, every)

    return run


def one_by_one(kind, faults_at, prepare, operation, check, every=1):
    for n in range(1, MOST, every):
        prepare()
        faults = faults_at(n)
        with faults.installed():
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
