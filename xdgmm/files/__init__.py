"""How does a result get to disk?

`read_bytes` reads a file that may be gzipped.  `check_output` checks before the work starts that a path can be
written; `atomic_write` writes to a temporary name in the same folder and renames it, so that an interrupted run
leaves the old file or the new one, never an incomplete file; `atomic_writes` does so with several files together.
`write_arrays` and `map_arrays` hold arrays in files that are mapped into memory.
`write_lock` keeps other processes from writing the same file meanwhile, and with `signals_as_exit` the signals that end
a program leave nothing temporary.
"""

from .array_files import MOST_MAPPED, ArrayFile, map_arrays, write_arrays
from .checks import check_output
from .locks import write_lock
from .reading import read_bytes
from .signals import ENDING_SIGNALS, signals_as_exit
from .writing import atomic_write, atomic_writes

__all__ = [
    "ENDING_SIGNALS",
    "MOST_MAPPED",
    "ArrayFile",
    "atomic_write",
    "atomic_writes",
    "check_output",
    "map_arrays",
    "read_bytes",
    "signals_as_exit",
    "write_arrays",
    "write_lock",
]
