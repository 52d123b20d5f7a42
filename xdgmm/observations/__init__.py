"""What was measured?

`Observations` holds values, their noise, projections and weights, which are checked once when it is made (`checks`);
`inputs` makes it of the arguments of users.  The noise is a noise model (`Exact`, `Independent`, `Correlated`): to add
one, write a class in `kernels/noise.py`, whose docstring describes it, and a constructor of `Observations`.  Noise that
is not Gaussian is a `NoiseMixture`: `noise_mixtures` makes it of mixtures and of upper and lower errors (by
`split_normals`), `posterior_samples` of samples, `error_functions` of errors that follow the true value, and
`rows_of_columns` combines independent columns.  `location`
computes a robust location and spread, `identification` finds what the measurements do not constrain, `affine`
transforms coordinates, their names and their units to linear combinations, and `fingerprint` identifies a set of
observations by a hash.  `StreamedObservations` are read in parts for each pass; `join` makes one set of several.
"""

from xdgmm.errors import deprecated_names
from xdgmm.kernels import Correlated, Exact, Independent, Noise, NoiseMixture

from .fingerprint import FingerprintOfPartitions, fingerprint
from .identification import unmeasured_coordinates, unmeasured_pairs
from .kept_discovery import keep_discovery, kept_discovery
from .observations import Observations
from .packed_cache import PackedCache
from .streamed import (
    Description,
    Discovery,
    ObservationSource,
    StreamedObservations,
    Totals,
    all_in_memory,
    described,
    discover,
    discovered,
    rows_below,
)

__all__ = [
    "Correlated",
    "Description",
    "Discovery",
    "Exact",
    "FingerprintOfPartitions",
    "Independent",
    "Noise",
    "NoiseMixture",
    "ObservationSource",
    "Observations",
    "PackedCache",
    "StreamedObservations",
    "Totals",
    "all_in_memory",
    "described",
    "discover",
    "discovered",
    "fingerprint",
    "keep_discovery",
    "kept_discovery",
    "rows_below",
    "unmeasured_coordinates",
    "unmeasured_pairs",
]

deprecated_names(__name__, {"unseen_coordinates": "unmeasured_coordinates"})
