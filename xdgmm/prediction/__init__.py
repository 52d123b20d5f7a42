"""What does a mixture predict for an object, measured with its own noise?

`memberships` and `log_likelihoods` of single objects, `posteriors` of their true values, `distances` and
`outlyingness`, `outlier_weights` under Student-t components, all that is `known` of objects in one pass,
`effective_samples` of objects that are posterior samples, and
`draw_observations`: what the mixture, seen with the noise and the gaps of these objects, might have given instead.
`xdgmm.objects` has the functions for users.
"""

from .draws import draw_observations
from .effective_samples import doubts_about_samples, effective_samples
from .limits import completed, draw_true_values, has_limits
from .memberships import (
    NANOSECONDS,
    checked_observations,
    in_blocks,
    log_likelihoods,
    memberships,
    outlier_weights,
    run_in_blocks,
    total_log_likelihood,
)
from .outlyingness import (
    component_distances,
    distances,
    exact_outlyingness,
    has_exact_outlyingness,
    nearest_tail,
    outlyingness,
)
from .posteriors import known, posteriors

__all__ = [
    "NANOSECONDS",
    "checked_observations",
    "completed",
    "component_distances",
    "distances",
    "doubts_about_samples",
    "draw_observations",
    "draw_true_values",
    "effective_samples",
    "exact_outlyingness",
    "has_exact_outlyingness",
    "has_limits",
    "in_blocks",
    "known",
    "log_likelihoods",
    "memberships",
    "nearest_tail",
    "outlier_weights",
    "outlyingness",
    "posteriors",
    "run_in_blocks",
    "total_log_likelihood",
]
