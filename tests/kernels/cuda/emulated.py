"""A card that is emulated: the CUDA source compiled by g++, memory that is NumPy's."""

import ctypes
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
COMPILER = shutil.which("g++")
TYPES = {"int": ctypes.c_int, "i64": ctypes.c_longlong, "double": ctypes.c_double}


@dataclass
class HostMemory:
    """Memory of the emulated card: bytes of an array; what nobody wrote is not a number."""

    array: np.ndarray
    offset: int = 0

    @property
    def n_bytes(self):
        return self.array.nbytes - self.offset

    def at(self, offset):
        assert 0 <= offset <= self.n_bytes
        return HostMemory(self.array, self.offset + offset)

    @property
    def address(self):
        return self.array.ctypes.data + self.offset


def signatures(source):
    """Kernels with their parameters, (type, name) each."""
    source = re.sub(r"\\\n", " ", source)
    macros = dict(re.findall(r"#define (SUMMED|OF_EACH) (.*)", source))
    for name, parameters in re.findall(r"KERNEL\([^)]*\)\s*(\w+)\(([^{]*?)\)\s*\{", source):
        for macro, text in macros.items():
            parameters = re.sub(rf"\b{macro}\b", lambda _, text=text: text, parameters)
        cleaned = (re.sub(r"\b(const|__restrict__)\b", "", each).split() for each in parameters.split(","))
        yield name, [(" ".join(words[:-1]).replace(" *", "*"), words[-1]) for words in cleaned]


class EmulatedProgram:
    def __init__(self, library, kernels):
        self.library, self.kernels = library, kernels

    def launch(self, kernel, grid, threads, shared_bytes, arguments):
        parameters = self.kernels[kernel]
        assert len(arguments) == len(parameters), kernel
        given = []
        for (kind, name), value in zip(parameters, arguments, strict=True):
            if "*" in kind:
                given.append(ctypes.c_void_p(None if value is None else value.address))
            else:
                assert isinstance(value, np.generic), (kernel, name)
                given.append(TYPES[kind](value.item()))
        assert 1 <= grid[1] <= 65535
        getattr(self.library, f"run_{kernel}")(*grid, threads, int(shared_bytes), *given)

    def hold(self, symbol, array):
        address = getattr(self.library, f"address_of_{symbol}")
        address.restype = ctypes.c_void_p
        ctypes.memmove(address(), array.ctypes.data, array.nbytes)


class EmulatedCard:
    """See `xdgmm.kernels.cuda.card.Card`."""

    name = "an emulated card"

    def __init__(self, folder, shared_bytes=227 * 1024, memory=1 << 34):
        self.folder, self.shared_bytes, self.memory = Path(folder), shared_bytes, memory

    def free_bytes(self):
        return self.memory

    def allocate(self, n_bytes):
        return HostMemory(np.full(n_bytes, 0xFF, np.uint8))

    def upload(self, array, memory):
        assert array.flags.c_contiguous
        assert array.nbytes <= memory.n_bytes
        ctypes.memmove(memory.address, array.ctypes.data, array.nbytes)

    def download(self, memory, array):
        assert array.flags.c_contiguous
        assert array.nbytes <= memory.n_bytes
        ctypes.memmove(array.ctypes.data, memory.address, array.nbytes)

    def load(self, source):
        kernels = dict(signatures(source))
        return EmulatedProgram(compiled(source, self.folder), self.kernels_of(kernels, source))

    @staticmethod
    def kernels_of(kernels, source):
        return {name: parameters for name, parameters in kernels.items() if name in present(source)}


def present(source):
    """Kernels of the part that a module has."""
    part = int(re.search(r"#define PART (\d)", source)[1])
    both = {"add_chunks"}
    sums = {"accumulate", "normalise", "accumulate_component"}
    return both | (sums if part == 0 else {name for name, _ in signatures(source)} - sums)


@cache
def compiled(source, folder):
    text = (HERE / "emulation.cpp").read_text()
    text += re.sub(r"extern __shared__ double shared\[\];", "#define shared memory_of_block", source)
    kernels = present(source)
    for name, parameters in signatures(source):
        if name not in kernels:
            continue
        declared = ", ".join(f"{kind} {own}" for kind, own in parameters)
        names = ", ".join(own for _, own in parameters)
        text += (
            f'\nextern "C" void run_{name}(int nx, int ny, int n_threads, int n_bytes, {declared}) '
            f"{{ launch(nx, ny, n_threads, n_bytes, [=] {{ {name}({names}); }}); }}"
        )
    for symbol in ("held_theta", "held_amplitude"):
        text += f'\n#if IN_CONSTANT\nextern "C" void* address_of_{symbol}() {{ return (void*){symbol}; }}\n#endif'
    stem = folder / sha256(text.encode()).hexdigest()[:20]
    if not stem.with_suffix(".so").exists():
        stem.with_suffix(".cpp").write_text(text)
        command = [COMPILER, "-std=c++17", "-O1", "-w", "-ffp-contract=fast", "-mfma", "-shared", "-fPIC"]
        subprocess.run([*command, "-o", f"{stem}.so", f"{stem}.cpp"], check=True)
    return ctypes.CDLL(f"{stem}.so")
