"""What `CupyCard` uses of CuPy, on a machine without a card: memory and programs are those of an emulated one."""

import ctypes
from types import MappingProxyType, SimpleNamespace

import numpy as np


class CUDARuntimeError(RuntimeError):
    @property
    def status(self):
        return 2 if "cudaErrorMemoryAllocation" in str(self) else 46


class CUDADriverError(RuntimeError):
    pass


class NVRTCError(RuntimeError):
    pass


class CompileException(Exception):  # noqa: N818 - its name in CuPy
    pass


class Stream:
    """Knows what its thread began on it; everything ends at once."""

    current = None

    def __init__(self, *, non_blocking=False):
        assert non_blocking, "the default stream would wait for those of other programs"
        self.ptr, self.waits = id(self), []

    def __enter__(self):
        self.before, Stream.current = Stream.current, self

    def __exit__(self, *error):
        Stream.current = self.before

    def wait_event(self, event):
        assert event.stream is not None, "an event that nobody recorded"
        self.waits.append(event)

    def synchronize(self):
        pass


class Event:
    def __init__(self, *, disable_timing):
        assert disable_timing, "events with times are slower"
        self.stream = None

    def record(self, stream):
        self.stream = stream

    def synchronize(self):
        assert self.stream is not None


class Pointer:
    def __init__(self, memory, offset):
        self.memory, self.offset = memory, offset

    def __add__(self, offset):
        return Pointer(self.memory, self.offset + offset)

    @property
    def ptr(self):
        return self.memory.address + self.offset


class HostMemory:
    """Where no program runs."""

    def __init__(self, n_bytes):
        self.array, self.n_bytes = np.full(n_bytes, 0xFF, np.uint8), n_bytes
        self.address = self.array.ctypes.data


class HostCard:
    """An emulated card without programs."""

    allocate = staticmethod(HostMemory)


class Function:
    max_dynamic_shared_size_bytes = 48 * 1024

    def __init__(self, program, name, memories):
        self.program, self.name, self.memories = program, name, memories

    def __call__(self, grid, block, arguments, shared_mem):
        assert Stream.current is not None, "the launch is on no stream"
        assert shared_mem <= self.max_dynamic_shared_size_bytes
        assert all(isinstance(each, np.generic) for each in arguments)
        self.program.launch(self.name, grid, *block, shared_mem, [self.unpacked(each) for each in arguments])

    def unpacked(self, argument):
        """Numbers that are addresses, as memory of the emulated card."""
        if type(argument) is not np.uint64:
            return argument
        for memory in self.memories:
            if memory.address <= argument < memory.address + memory.n_bytes:
                return memory.at(int(argument) - memory.address)
        assert argument == 0, "an address that is in no memory"
        return None


def module(card):
    """The module, of an emulated card: what is found depends on its fields, which tests replace."""
    memories = []

    def allocate(n_bytes):
        memories.append(card.allocate(n_bytes))
        return memories[-1]

    class RawModule:
        def __init__(self, code, options, backend):
            assert (options, backend) == (("-std=c++17",), "nvrtc")
            self.program = card.load(code)

        def get_function(self, name):
            return Function(self.program, name, memories)

        def get_global(self, symbol):
            address = getattr(self.program.library, f"address_of_{symbol}")
            address.restype = ctypes.c_void_p
            return Pointer(SimpleNamespace(address=address()), 0)

    class Device:
        id = 0
        compute_capability = "90"
        attributes = MappingProxyType({"MaxSharedMemoryPerBlockOptin": 232_448})

        def __enter__(self):
            pass

        def __exit__(self, *error):
            pass

    class MemoryPool:
        def malloc(self, n_bytes):
            assert Stream.current is not None, "memory of a pool belongs to a stream"
            return Pointer(allocate(n_bytes), 0)

        def free_bytes(self):
            return 1 << 10

        def free_all_blocks(self):
            pass

    def copy(to, source, n_bytes, kind, stream):
        assert kind in (1, 2)
        assert stream
        ctypes.memmove(to, source, n_bytes)

    runtime = SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        memcpyHostToDevice=1,
        memcpyDeviceToHost=2,
        memcpyAsync=copy,
        memGetInfo=lambda: (1 << 33, 1 << 34),
        getDeviceCount=lambda: 1,
        driverGetVersion=lambda: 13000,
        runtimeGetVersion=lambda: 12090,
        getDeviceProperties=lambda _: {"name": b"NVIDIA Imaginary"},
    )
    nvrtc = SimpleNamespace(getVersion=lambda: (12, 9), getSupportedArchs=lambda: (50, 70, 90))
    cuda = SimpleNamespace(
        runtime=runtime,
        nvrtc=nvrtc,
        driver=SimpleNamespace(CUDADriverError=CUDADriverError),
        compiler=SimpleNamespace(CompileException=CompileException),
        Device=Device,
        Stream=Stream,
        Event=Event,
        MemoryPool=MemoryPool,
        Memory=allocate,
        MemoryPointer=Pointer,
        alloc_pinned_memory=bytearray,
    )
    return SimpleNamespace(__version__="14.2.0", cuda=cuda, RawModule=RawModule)
