"""What is a model?

`GaussianMixture` is the one noun: a frozen value with weights, means, covariances, names and units, closed under
its verbs.  `storage` writes it to FITS and reads it back.
"""

from .mixture import GaussianMixture

__all__ = ["GaussianMixture"]
