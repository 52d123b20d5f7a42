"""`CupyCard`: an NVIDIA card that CuPy reaches, whose modules NVRTC compiles when they are first needed."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError, XdgmmError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from .card import Argument, Memory

INSTALL = "python -m pip install 'xdgmm[cuda]'"
OPTIONS = ("-std=c++17",)
LARGE = (
    1 << 26
)  # bytes from which memory is the driver's: pieces of a pool that are cut never make up a large one again
OUT_OF_MEMORY = 2  # cudaErrorMemoryAllocation
WITHOUT_ASKING = 48 * 1024  # bytes of shared memory that any kernel can have


def find_card(device: str) -> CupyCard:
    """The card of this process, which CUDA_VISIBLE_DEVICES or CuPy's current device chooses.

    Parameters
    ----------
    device : str
        Its name in messages.

    Raises
    ------
    InputError
        If there is none that can be used: what is missing, what was found, and what to install.
    """
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise InputError(f"device {device!r} needs CuPy, whose import failed: {error}") from error
        raise InputError(f"device {device!r} needs CuPy, which is not installed; {INSTALL}") from None
    except ImportError as error:
        raise InputError(f"device {device!r} needs CuPy, whose import failed: {_sentence(error)}") from error
    try:
        return _found(cupy, device)
    except failures(cupy) as error:
        raise InputError(
            f"device {device!r} cannot use the card that was found: {_sentence(error)}; other programs may hold it, or "
            "it needs attention, which nvidia-smi shows: choose the device 'cpu' meanwhile"
        ) from error


def failures(cupy: Any) -> tuple[type[Exception], ...]:
    """What CuPy raises where CUDA or its compiler fail: those of CUDA and NVRTC are kinds of RuntimeError."""
    return RuntimeError, OSError, cupy.cuda.compiler.CompileException  # OSError: of the files of what was compiled


def _found(cupy: Any, device: str) -> CupyCard:
    _check_driver(cupy, device)
    found = cupy.cuda.Device()
    capability = found.compute_capability
    name = cupy.cuda.runtime.getDeviceProperties(found.id)["name"].decode()
    try:
        oldest = _oldest_capability(cupy)
    except Exception as error:
        raise InputError(
            f"device {device!r} needs NVRTC, CUDA's compiler: CuPy {cupy.__version__} found the card {name}, but not "
            f"this library; {INSTALL} ({_sentence(error)})"
        ) from error
    if int(capability) < oldest:
        raise InputError(
            f"device {device!r} needs a card of compute capability {oldest / 10} or above, as the NVRTC that was found "
            f"has it; {name} has {int(capability) / 10}"
        )
    return CupyCard(cupy, found, name)


def _check_driver(cupy: Any, device: str) -> None:
    runtime = cupy.cuda.runtime
    try:
        count, reason = runtime.getDeviceCount(), ""
    except runtime.CUDARuntimeError as error:
        count, reason = 0, f" ({_sentence(error)})"
    if count > 0:
        return
    has, needs = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    start = f"device {device!r} needs an NVIDIA card: CuPy {cupy.__version__} is installed, but "
    if has == 0:
        raise InputError(f"{start}no driver of one was found{reason}")
    if has // 1000 < needs // 1000:
        raise InputError(
            f"{start}the driver knows CUDA up to {_version(has)} and this CuPy needs {_version(needs)}: update the "
            f"driver, or install cupy-cuda{has // 1000}x in its place"
        )
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    hidden = "" if chosen is None else f"; CUDA_VISIBLE_DEVICES is {chosen!r}"
    raise InputError(f"{start}the driver (CUDA {_version(has)}) has none{hidden}{reason}")


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _sentence(error: Exception) -> str:
    """The first line of a message that may be a page."""
    return next((line.strip() for line in str(error).splitlines() if line.strip(" =")), type(error).__name__)


def _oldest_capability(cupy: Any) -> int:
    """The lowest compute capability, times ten, that NVRTC compiles for."""
    nvrtc = cupy.cuda.nvrtc
    major, _ = nvrtc.getVersion()
    if hasattr(nvrtc, "getSupportedArchs"):  # since CuPy 14
        return min(int(each) for each in nvrtc.getSupportedArchs())
    return 75 if major >= 13 else 50


@dataclass(frozen=True)
class CupyMemory:
    """Memory of a card, which is the driver's again when nothing refers to `pointer`."""

    pointer: Any
    n_bytes: int

    def at(self, offset: int) -> CupyMemory:
        """The rest of it from so many bytes on."""
        return CupyMemory(self.pointer + offset, self.n_bytes - offset)

    @property
    def address(self) -> int:
        """Where it begins."""
        return int(self.pointer.ptr)


class CupyProgram:
    """A module of a card; see `Program`."""

    def __init__(self, card: CupyCard, module: Any) -> None:
        self.card, self.module = card, module
        self.kernels: dict[str, Any] = {}
        self.symbols: dict[str, Any] = {}

    def launch(
        self, kernel: str, grid: tuple[int, int], threads: int, shared_bytes: int, arguments: Sequence[Argument]
    ) -> None:
        """Begin a kernel."""
        with self.card.in_order():
            if kernel not in self.kernels:
                self.kernels[kernel] = self.module.get_function(kernel)
            function = self.kernels[kernel]
            if shared_bytes > max(WITHOUT_ASKING, function.max_dynamic_shared_size_bytes):
                function.max_dynamic_shared_size_bytes = shared_bytes
            function(grid, (threads,), tuple(map(_argument, arguments)), shared_mem=shared_bytes)

    def hold(self, symbol: str, array: NDArray[Any]) -> None:
        """Write an array to constant memory."""
        with self.card.in_order():
            if symbol not in self.symbols:
                self.symbols[symbol] = CupyMemory(self.module.get_global(symbol), array.nbytes)
        self.card.upload(array, self.symbols[symbol])


def _argument(value: Argument) -> np.generic:
    """As CuPy gives it to a kernel: pointers are numbers."""
    if isinstance(value, np.generic):
        return value
    return np.uint64(0 if value is None else value.address)  # type: ignore[attr-defined]


class CupyCard:
    """A card that CuPy reaches; see `Card`.

    Parameters
    ----------
    cupy : module
    device : cupy.cuda.Device
    name : str
    """

    def __init__(self, cupy: Any, device: Any, name: str) -> None:
        self.cupy, self.device, self.name = cupy, device, name
        self.shared_bytes = int(device.attributes["MaxSharedMemoryPerBlockOptin"])
        with device:
            self.kernels = cupy.cuda.Stream(non_blocking=True)
            self.copies = cupy.cuda.Stream(non_blocking=True)
        self.pool = cupy.cuda.MemoryPool()  # of our own: CuPy's is the user's

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Meanwhile this thread uses the card.

        Raises
        ------
        XdgmmError
            If CUDA or its compiler fails; most of its failures end what a process can do on a card.
        """
        try:
            with self.device:
                yield
        except failures(self.cupy) as error:
            raise XdgmmError(
                f"the card {self.name} cannot go on: {_sentence(error)}; start the process anew, or choose device 'cpu'"
            ) from error

    @contextmanager
    def in_order(self) -> Iterator[None]:
        """The same, and what this thread begins runs in the order of the kernels."""
        with self.in_use(), self.kernels:
            yield

    def free_bytes(self) -> int:
        """Memory that is free."""
        with self.in_use():
            return int(self.cupy.cuda.runtime.memGetInfo()[0]) + int(self.pool.free_bytes())

    def allocate(self, n_bytes: int) -> CupyMemory:
        """Memory, not cleared."""
        with self.in_order():
            if n_bytes < LARGE:
                return CupyMemory(self.pool.malloc(n_bytes), n_bytes)
            self.pool.free_all_blocks()
            try:
                memory = self.cupy.cuda.Memory(n_bytes)
            except self.cupy.cuda.runtime.CUDARuntimeError as error:
                if error.status != OUT_OF_MEMORY:
                    raise
                raise MemoryError(_sentence(error)) from error
            return CupyMemory(self.cupy.cuda.MemoryPointer(memory, 0), n_bytes)

    def upload(self, array: NDArray[Any], memory: Memory) -> None:
        """Copy a contiguous array to the card: CUDA has read pageable memory when it returns."""
        self._copy(memory.address, array.ctypes.data, array.nbytes, to_card=True, stream=self.kernels)  # type: ignore[attr-defined]

    def download(self, memory: Memory, array: NDArray[Any]) -> None:
        """Copy from the card to a contiguous array."""
        self._copy(array.ctypes.data, memory.address, array.nbytes, to_card=False, stream=self.kernels)  # type: ignore[attr-defined]
        with self.in_use():
            self.kernels.synchronize()

    def staging(self, n_bytes: int) -> NDArray[np.uint8]:
        """Page-locked memory; where the system grants none, ordinary memory, which is slower."""
        try:
            with self.device:
                memory = self.cupy.cuda.alloc_pinned_memory(n_bytes)
        except (MemoryError, self.cupy.cuda.runtime.CUDARuntimeError):
            return np.empty(n_bytes, np.uint8)
        return np.frombuffer(memory, np.uint8, n_bytes)

    def mark(self) -> Any:
        """Passed when the kernels that were begun so far have ended."""
        return self._mark(self.kernels)

    def send(self, staged: NDArray[Any], memory: Memory, after: Any) -> Any:
        """Begin to copy staging memory to the card."""
        mark = self._beside(memory.address, staged.ctypes.data, staged.nbytes, after, to_card=True)  # type: ignore[attr-defined]
        with self.in_use():
            self.kernels.wait_event(mark)
        return mark

    def receive(self, memory: Memory, staged: NDArray[Any], after: Any) -> Any:
        """Begin to copy from the card to staging memory."""
        return self._beside(staged.ctypes.data, memory.address, staged.nbytes, after, to_card=False)  # type: ignore[attr-defined]

    def wait(self, mark: Any) -> None:
        """Return when a mark is passed."""
        with self.in_use():
            mark.synchronize()

    def load(self, source: str) -> CupyProgram:
        """Compile a module; CuPy keeps what it compiled in files."""
        with self.in_use():
            return CupyProgram(self, self.cupy.RawModule(code=source, options=OPTIONS, backend="nvrtc"))

    def _beside(self, to: int, source: int, n_bytes: int, after: Any, *, to_card: bool) -> Any:
        with self.in_use():
            self.copies.wait_event(after)
        self._copy(to, source, n_bytes, to_card=to_card, stream=self.copies)
        return self._mark(self.copies)

    def _copy(self, to: int, source: int, n_bytes: int, *, to_card: bool, stream: Any) -> None:
        runtime = self.cupy.cuda.runtime
        kind = runtime.memcpyHostToDevice if to_card else runtime.memcpyDeviceToHost
        with self.in_use():
            runtime.memcpyAsync(to, source, n_bytes, kind, stream.ptr)

    def _mark(self, stream: Any) -> Any:
        with self.in_use():
            mark = self.cupy.cuda.Event(disable_timing=True)
            mark.record(stream)
        return mark
