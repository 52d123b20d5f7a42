"""How is it computed fast?

The only home of numba.  `pack` lays measurements out once, as `PackedData`; its passes go over them for a whole mixture
and return `Statistics` (the log-likelihood and its derivatives), a number for each object, or one for each of many
mixtures.  `Data` is the protocol of these passes, and all that solvers know of measurements; `reference` is the same in
plain NumPy, and `reference.component` what one Gaussian says of each object.  Measurements can be projections of the
coordinates of the mixture, and a mixture can end with a uniform background.

To add a noise model: a class in `noise.py`, and a way to load its rows in `compiled.py`.  To add a backend or a source
of data: a class with the methods of `Data` in `data.py`.
"""

from .blocks import Blocks, triangle, unpack
from .data import Data, SigmaProfile
from .noise import Correlated, Exact, Independent, Noise, as_noise
from .packed import LabelledValues, PackedData, pack
from .passes import accumulate, accumulate_with_information, log_likelihoods, responsibilities, total_log_likelihoods
from .statistics import Statistics
from .threads import get_num_threads, set_num_threads

__all__ = [
    "Blocks",
    "Correlated",
    "Data",
    "Exact",
    "Independent",
    "LabelledValues",
    "Noise",
    "PackedData",
    "SigmaProfile",
    "Statistics",
    "accumulate",
    "accumulate_with_information",
    "as_noise",
    "get_num_threads",
    "log_likelihoods",
    "pack",
    "responsibilities",
    "set_num_threads",
    "total_log_likelihoods",
    "triangle",
    "unpack",
]
