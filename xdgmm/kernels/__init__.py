"""How is it computed fast?

Only this room imports numba.  `pack` arranges measurements once, as `PackedData`.  Each of its passes reads them once
for a whole mixture, and returns `Statistics` (the log-likelihood and its derivatives), `Posteriors` or a number for
each object, or a number for each of many mixtures.  `Data` is the protocol of these passes; solvers know nothing else
of the measurements.  `reference` computes the same in plain NumPy, `reference.component` density and derivatives of one
Gaussian for each object, and `condition_gaussian` its posterior.  Measurements can be projections of the coordinates of
the mixture, the last component can be a background, of which each object's density is given, the noise of an object
can be a mixture (`GroupedData`), and components can be flat in some columns (`FlatData`).  `StreamedData` reads parts
anew for each pass, `RecordedData` keeps its results in a log.  `line_profiles` averages spectral lines over pixels,
`interpolated_profiles` prepares them for a resolution matrix.

To add a noise model, write a class in `noise.py` and a function in `compiled.py` that loads its rows.  To add a backend
or a source of data, write a class with the methods of `Data` (`data.py`).
"""

from .block_sums import Branch, add_blocks, join_branches, total_of
from .blocks import Blocks, triangle, unpack
from .cached import map_part, with_rounded_noise, write_part
from .censored import CensoredData
from .conditioning import ConditionedGaussian, condition_gaussian
from .data import Data, SigmaProfile
from .devices import (
    DeviceWatch,
    checked_device,
    current_engine,
    device_in_words,
    get_device,
    on_same_device,
    set_device,
    using_device,
)
from .flat import FlatData
from .grouped import GroupedData
from .joined import JoinedData
from .noise import Correlated, Exact, Independent, Noise, as_noise, join_noises
from .noise_mixture import LikelihoodMixture, NoiseMixture, SampledNoise
from .packed import OF_TYPICAL_ERRORS, MemberValues, PackedData
from .passes import (
    accumulate,
    accumulate_with_information,
    log_likelihoods,
    posteriors,
    responsibilities,
    total_log_likelihoods,
)
from .posteriors import Posteriors
from .profiles import LineProfiles, interpolated_profiles, line_profiles
from .recorded import PassLog, RecordedData
from .selected import Normaliser, SampledNormaliser, SelectedData, Selection
from .sources import pack
from .statistics import Gradients, Statistics
from .streamed import PackedPart, Pass, StreamedData
from .threads import get_num_threads, in_this_thread, run_in_threads, set_num_threads
from .unconstrained import from_unconstrained, matching_costs
from .width_likelihoods import width_likelihoods

__all__ = [
    "OF_TYPICAL_ERRORS",
    "Blocks",
    "Branch",
    "CensoredData",
    "ConditionedGaussian",
    "Correlated",
    "Data",
    "DeviceWatch",
    "Exact",
    "FlatData",
    "Gradients",
    "GroupedData",
    "Independent",
    "JoinedData",
    "LikelihoodMixture",
    "LineProfiles",
    "MemberValues",
    "Noise",
    "NoiseMixture",
    "Normaliser",
    "PackedData",
    "PackedPart",
    "Pass",
    "PassLog",
    "Posteriors",
    "RecordedData",
    "SampledNoise",
    "SampledNormaliser",
    "SelectedData",
    "Selection",
    "SigmaProfile",
    "Statistics",
    "StreamedData",
    "accumulate",
    "accumulate_with_information",
    "add_blocks",
    "as_noise",
    "checked_device",
    "condition_gaussian",
    "current_engine",
    "device_in_words",
    "from_unconstrained",
    "get_device",
    "get_num_threads",
    "in_this_thread",
    "interpolated_profiles",
    "join_branches",
    "join_noises",
    "line_profiles",
    "log_likelihoods",
    "map_part",
    "matching_costs",
    "on_same_device",
    "pack",
    "posteriors",
    "responsibilities",
    "run_in_threads",
    "set_device",
    "set_num_threads",
    "total_log_likelihoods",
    "total_of",
    "triangle",
    "unpack",
    "using_device",
    "width_likelihoods",
    "with_rounded_noise",
    "write_part",
]
