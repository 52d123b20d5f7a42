"""What about each object?

`memberships` says which component an object belongs to, `log_likelihoods` how likely it is, `distances` how many sigmas
it lies from its component, `outlyingness` how unusual that is, and `denoise` where its true value lies.  All take its
own noise into account and keep the order of the rows.  `Answers` are the columns that all this makes in a catalogue.
"""

from .columns import Answers
from .denoising import Denoised, denoise
from .memberships import log_likelihoods, memberships
from .outlyingness import distances, outlyingness

__all__ = ["Answers", "Denoised", "denoise", "distances", "log_likelihoods", "memberships", "outlyingness"]
