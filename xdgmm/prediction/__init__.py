"""What does a mixture predict for an object, measured with its own noise?

`memberships` and `log_likelihoods` of single objects, `posteriors` of their true values, `distances` and
`outlyingness`, and `draw_observations`: what the mixture, seen with the noise and the gaps of these objects, might have
given instead.  `xdgmm.objects` has the functions for users.
"""

from .draws import draw_observations
from .memberships import checked_observations, in_blocks, log_likelihoods, memberships, total_log_likelihood
from .outlyingness import distances, has_exact_outlyingness, outlyingness
from .posteriors import posteriors

__all__ = [
    "checked_observations",
    "distances",
    "draw_observations",
    "has_exact_outlyingness",
    "in_blocks",
    "log_likelihoods",
    "memberships",
    "outlyingness",
    "posteriors",
    "total_log_likelihood",
]
