"""What about each object?

`memberships` says which component an object belongs to, `log_likelihoods` how likely it is; both take its own noise
into account and keep the order of the rows.
"""

from .memberships import log_likelihoods, memberships

__all__ = ["log_likelihoods", "memberships"]
