"""What about each object?

`memberships` says which component an object belongs to, `log_likelihoods` how likely it is, `distances` how many sigmas
it lies from its component, `outlyingness` how unusual that is, `outlier_weights` how much it counts in a fit of
Student-t components, `effective_samples` how many of its posterior samples count, and `denoise` where its true value
lies.  All take its own noise into account and keep the order
of the rows.  `ObjectColumns` are the columns of these answers that are appended to a catalogue, and `apply` appends
them to one that is read in parts.  What they are computed with is in `xdgmm.prediction`.
"""

from xdgmm.errors import deprecated_names
from xdgmm.prediction import distances, effective_samples, log_likelihoods, memberships, outlier_weights, outlyingness

from .applying import Applied, apply
from .columns import ObjectColumns
from .denoising import Denoised, denoise

__all__ = [
    "Applied",
    "Denoised",
    "ObjectColumns",
    "apply",
    "denoise",
    "distances",
    "effective_samples",
    "log_likelihoods",
    "memberships",
    "outlier_weights",
    "outlyingness",
]

deprecated_names(__name__, {"Answers": "ObjectColumns"})
