"""How sure are we, when nothing is normal?  Samples of the posterior, with emcee.

`sample_posterior` goes from a fit to `PosteriorSamples`; what is known before the data is a `PosteriorPrior`.  The
pieces: `coordinates` (unconstrained, with their Jacobian), `priors`, `posterior` (many points in one pass), `walkers`
(where they start), `moves`, `chain` (how long), `storage` (a chain on disk), `label_switching` (which component is
which).  To add a prior on the widths, write a class with the methods of `HalfCauchy` and name it in `PosteriorPrior`.
"""

from .chain import Chain, SamplingOutcome
from .priors import LKJ, HalfCauchy, LogUniform, PosteriorPrior, Uniform
from .samples import PosteriorSamples
from .sampling import refine, sample_posterior
from .storage import CHAIN_SUFFIXES

__all__ = [
    "CHAIN_SUFFIXES",
    "LKJ",
    "Chain",
    "HalfCauchy",
    "LogUniform",
    "PosteriorPrior",
    "PosteriorSamples",
    "SamplingOutcome",
    "Uniform",
    "refine",
    "sample_posterior",
]
