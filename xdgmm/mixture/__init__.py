"""What is a model?

`GaussianMixture` is the one noun: a frozen value with weights, means, covariances, names and units, closed under
its verbs.  `Background` is a uniform density beside the Gaussians, `FitRecord` what a mixture was fitted to.
`ConditionalMixtures` are many mixtures, one for each object, made by `GaussianMixture.condition`.
`storage` says what a file of a mixture holds, `fits_file` and `ecsv_file` how, and `connecting` joins them to astropy's
unified reading and writing.
"""

from . import connecting
from .background import Background
from .conditional import ConditionalMixtures
from .conditioning import Conditioned, conditioned
from .mixture import GaussianMixture
from .record import FitRecord

connecting.register(GaussianMixture)

__all__ = ["Background", "ConditionalMixtures", "Conditioned", "FitRecord", "GaussianMixture", "conditioned"]
