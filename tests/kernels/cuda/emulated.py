"""A card that is emulated: its CUDA source compiled by g++, all of it but the launch; memory with guards around it."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import weakref
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
COMPILER = shutil.which("g++") if sys.platform == "linux" else None
OPTIONS = ("-std=c++17", "-O1", "-w", "-march=native", "-ffp-contract=fast", "-fPIC", "-U_FORTIFY_SOURCE")
HELD = ("held_theta", "held_amplitude")
TYPES = {"int": ctypes.c_int, "i64": ctypes.c_longlong, "double": ctypes.c_double}
SIZES = {"real": {"double": 8, "float": 4}, "double": {"double": 8, "float": 8}}


class ProgramError(AssertionError):
    """What a program does that no card allows, or that no program should do."""


class HostMemory:
    """Memory of the emulated card, at an offset."""

    def __init__(self, whole, offset=0):
        self.whole, self.offset = whole, offset

    @property
    def n_bytes(self):
        return self.whole.n_bytes - self.offset

    def at(self, offset):
        assert 0 <= offset <= self.n_bytes
        return HostMemory(self.whole, self.offset + offset)

    @property
    def address(self):
        return self.whole.address + self.offset


class Piece:
    """Memory that was allocated; it is free again when nothing refers to it any more."""

    def __init__(self, runtime, n_bytes, card):
        self.n_bytes, self.address = n_bytes, runtime.allocate(ctypes.c_longlong(n_bytes))
        card.used_bytes += n_bytes
        weakref.finalize(self, _release, runtime, self.address, n_bytes, card)


def _release(runtime, address, n_bytes, card):
    runtime.release(ctypes.c_void_p(address), ctypes.c_longlong(n_bytes))
    card.used_bytes -= n_bytes


class EmulatedCard:
    """See `xdgmm.kernels.cuda.card.Card`.

    Parameters
    ----------
    folder : path
        Of compiled modules, which several processes can share.
    shared_bytes, memory : int
        Largest shared memory of a block, and all memory.
    """

    name = "an emulated card"

    def __init__(self, folder, shared_bytes=227 * 1024, memory=1 << 34):
        self.folder, self.shared_bytes, self.memory = Path(folder), shared_bytes, memory
        self.runtime = runtime(self.folder)
        self.used_bytes = self.n_launches = 0

    def set_order(self, order):
        """In which order threads and blocks take turns: 0 ascending, 1 descending, others by chance."""
        self.runtime.set_order(ctypes.c_uint(order))

    def free_bytes(self):
        return self.memory - self.used_bytes

    def allocate(self, n_bytes):
        assert n_bytes > 0
        if n_bytes > self.free_bytes():
            raise MemoryError("the card is full")
        return HostMemory(Piece(self.runtime, int(n_bytes), self))

    def upload(self, array, memory):
        assert array.flags.c_contiguous
        assert array.nbytes <= memory.n_bytes
        ctypes.memmove(memory.address, array.ctypes.data, array.nbytes)

    def download(self, memory, array):
        assert array.flags.c_contiguous
        assert array.nbytes <= memory.n_bytes
        ctypes.memmove(array.ctypes.data, memory.address, array.nbytes)

    def staging(self, n_bytes):
        return np.zeros(n_bytes, np.uint8)

    def mark(self):
        return None

    def send(self, staged, memory, after):  # noqa: ARG002 - all that was begun has ended
        self.upload(staged, memory)

    def receive(self, memory, staged, after):  # noqa: ARG002
        self.download(memory, staged)

    def wait(self, mark):
        pass

    def load(self, source):
        library = compiled(source, self.folder)
        library.clear_constants()
        return EmulatedProgram(self, library, source)


class EmulatedProgram:
    def __init__(self, card, library, source):
        self.card, self.library, self.source = card, library, source
        self.kernels = dict(kernels(source))
        self.real = re.search(r"#define REAL (\w+)", source)[1]

    def launch(self, kernel, grid, threads, shared_bytes, arguments):
        parameters = self.kernels[kernel]
        assert len(arguments) == len(parameters), kernel
        assert 1 <= grid[0] < 2**31
        assert 1 <= grid[1] <= 65535
        assert 0 <= shared_bytes <= self.card.shared_bytes
        given = []
        for (kind, name), value in zip(parameters, arguments, strict=True):
            if kind.endswith("*"):
                assert value is None or value.address % SIZES[kind[:-1]][self.real] == 0, (kernel, name)
                given.append(ctypes.c_void_p(None if value is None else value.address))
            else:
                assert isinstance(value, np.generic), (kernel, name)
                assert value.itemsize == ctypes.sizeof(TYPES[kind]), (kernel, name)
                given.append(TYPES[kind](value.item()))
        self.card.n_launches += 1
        found = getattr(self.library, f"run_{kernel}")(*grid, threads, int(shared_bytes), *given)
        if found:
            raise ProgramError(f"{kernel}: {found.decode()}")
        for value in arguments:
            if isinstance(value, HostMemory):
                whole = value.whole
                intact = self.card.runtime.is_intact(ctypes.c_void_p(whole.address), ctypes.c_longlong(whole.n_bytes))
                assert intact, f"{kernel} writes before the beginning of memory"

    def hold(self, symbol, array):
        size = getattr(self.library, f"size_of_{symbol}")()
        address = getattr(self.library, f"address_of_{symbol}")
        address.restype = ctypes.c_void_p
        assert array.flags.c_contiguous
        assert array.nbytes <= size
        ctypes.memmove(address(), array.ctypes.data, array.nbytes)


def kernels(source):
    """Kernels of the part that a module has, with their parameters, (type, name) each."""
    left_out = _left_out(source)
    macros = {name: re.sub(r"\\\n", " ", text) for name, text in _macros(source).items()}
    for found in re.finditer(r"KERNEL\([^)]*\)\s*(\w+)\(([^{]*?)\)\s*\{", source):
        name, parameters = found.groups()
        if found[0] in left_out:
            continue
        for macro, text in macros.items():
            parameters = re.sub(rf"\b{macro}\b", lambda _, text=text: text, parameters)
        cleaned = (re.sub(r"\b(const|__restrict__)\b", "", each).split() for each in parameters.split(","))
        yield name, [(" ".join(words[:-1]).replace(" *", "*"), words[-1]) for words in cleaned]


def _left_out(source):
    """The text of the kernels of the other part."""
    part = re.search(r"#define PART (\d)", source)
    if part is None:
        return ""
    of_sums, of_objects = (source.index(f"#if PART == {name}") for name in ("OF_SUMS", "OF_OBJECTS"))
    return source[of_objects:] if part[1] == "0" else source[of_sums:of_objects]


def _macros(source):
    return dict(re.findall(r"#define (SUMMED|OF_EACH) ((?:.*\\\n)*.*)", source))


@cache
def runtime(folder):
    """What runs modules, compiled once."""
    text = (HERE / "emulation.cpp").read_text()
    library = ctypes.PyDLL(str(_built(text, folder, ())))  # holds the lock of Python: one launch at a time
    library.allocate.restype = ctypes.c_void_p
    library.is_intact.restype = ctypes.c_bool
    return library


@cache
def compiled(source, folder):
    """A module: each kernel as ``run_NAME(nx, ny, threads, shared bytes, its arguments)``, which returns a fault."""
    runtime(folder)
    text = (HERE / "emulation.h").read_text()
    text += source.replace("extern __shared__ double shared[];", "#define shared memory_of_block")
    text += "\n__shared__ char a_byte;\nextern char __start_of_block, __stop_of_block;\n"
    text += 'extern "C" void clear_constants() {\n    a_byte = 0;\n'
    for symbol in HELD:  # what nobody wrote is not a number
        text += f"#if IN_CONSTANT\n    __builtin_memset((void*){symbol}, 0xff, sizeof {symbol});\n#endif\n"
    text += "}\n"
    for name, parameters in kernels(source):
        declared = ", ".join(f"{kind} {own}" for kind, own in parameters)
        names = ", ".join(own for _, own in parameters)
        text += (
            f'extern "C" const char* run_{name}(int nx, int ny, int n_threads, int n_bytes, {declared}) {{\n'
            f"    auto body = [=] {{ {name}({names}); }};\n"
            "    return run(nx, ny, n_threads, n_bytes, &__start_of_block, &__stop_of_block - &__start_of_block,\n"
            "               [](void* given) { (*(decltype(body)*)given)(); }, &body);\n}\n"
        )
    for symbol in HELD:
        text += (
            f'#if IN_CONSTANT\nextern "C" void* address_of_{symbol}() {{ return (void*){symbol}; }}\n'
            f'extern "C" int size_of_{symbol}() {{ return sizeof {symbol}; }}\n#endif\n'
        )
    library = ctypes.PyDLL(str(_built(text, folder, (str(_place((HERE / "emulation.cpp").read_text(), folder)),))))
    for name, _ in kernels(source):
        getattr(library, f"run_{name}").restype = ctypes.c_char_p
    return library


def _place(text, folder):
    return folder / f"{sha256((text + ' '.join(OPTIONS)).encode()).hexdigest()[:20]}.so"


def _built(text, folder, libraries):
    """A library, compiled unless another process did so before."""
    place = _place(text, folder)
    if not place.exists():
        own = place.with_name(f"{place.stem}_{os.getpid()}.so")
        command = [COMPILER, *OPTIONS, "-shared", "-x", "c++", "-", "-x", "none", *libraries, "-o", str(own)]
        subprocess.run(command, input=text.encode(), check=True)
        own.replace(place)
    return place
