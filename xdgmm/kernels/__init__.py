"""How is it computed fast?

The only home of numba.  `pack` lays measurements out once; `accumulate` passes over them for a whole mixture and
returns `Sums` (log-likelihood and its derivatives); `component_log_density` gives one column per object.
`reference.accumulate` is the same pass in plain NumPy.  To add a noise model, add a way to load the augmented
matrix in `compiled.py`, its twin in `reference.py`, and one line to the parametrised test.
"""

from .blocks import Blocks, Sums, accumulate, component_log_density, pack, triangle, unpack
from .compiled import implicit_profile

__all__ = [
    "Blocks",
    "Sums",
    "accumulate",
    "component_log_density",
    "implicit_profile",
    "pack",
    "triangle",
    "unpack",
]
