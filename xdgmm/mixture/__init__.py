"""What is a model?

`GaussianMixture` is the one noun: a frozen value with weights, means, covariances, names and units, closed under
its verbs.  `Background` is a uniform density beside the Gaussians.  `storage` writes a mixture to FITS and reads it
back.
"""

from .background import Background
from .mixture import GaussianMixture

__all__ = ["Background", "GaussianMixture"]
