"""How is it computed fast?

The only home of numba.  `pack` lays measurements out once; `accumulate` passes over them for a whole mixture and
returns `Sums` (log-likelihood and its derivatives); `log_densities` and `responsibilities` give a row per object,
`log_likelihoods` one number for each of many mixtures.  `reference.accumulate` is the same pass in plain NumPy, and
`reference.component` what one Gaussian says of each object.  Measurements can be projections of the coordinates of the
mixture, and a mixture can end with a uniform background.  To add a form of noise: its rows in `blocks.py`, a way to
load the augmented matrix and a line in `density` and `value_row` of `compiled.py`, and one more case of the
parametrised test.
"""

from .blocks import Blocks, pack, triangle, unpack
from .compiled import implicit_profile
from .passes import Sums, accumulate, accumulate_with_information, log_densities, log_likelihoods, responsibilities
from .threads import get_num_threads, set_num_threads

__all__ = [
    "Blocks",
    "Sums",
    "accumulate",
    "accumulate_with_information",
    "get_num_threads",
    "implicit_profile",
    "log_densities",
    "log_likelihoods",
    "pack",
    "responsibilities",
    "set_num_threads",
    "triangle",
    "unpack",
]
