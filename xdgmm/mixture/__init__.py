"""What is a model?

`GaussianMixture` is a frozen value with weights, means, covariances, names and units, and its methods give others:
`marginal`, `condition`, `affine`, ...  `ConditionalMixtures` are many mixtures, one for each object, made by
`GaussianMixture.condition`.  `Background` is a uniform density beside the Gaussians, convolved with the noise of each
object by `noisy_boxes`; `TruncatedNormals` are the true values of its objects.  `Flat` makes components uniform in
some of the coordinates.  `Expansion` is how Student-t components become Gaussians.  `FitRecord` says what a mixture was
fitted to, `SelectionFunction` which objects the sample has; `importance_samples`, `selected_boxes` and `cut_data` find
how probable that is.  `storage` says what a file of a mixture holds and `formats` how it is written; `io` joins both to
astropy's unified reading and writing.
"""

from xdgmm.errors import deprecated_names
from xdgmm.kernels import ConditionedGaussian, condition_gaussian

from .background import Background
from .families import Expansion
from .flat import Flat
from .io import register
from .mixture import ConditionalMixtures, GaussianMixture
from .packing import check_memberships, log_densities_beside, pack_beside
from .record import FitRecord
from .selection_functions import SelectionFunction, refuse_selection, selection_of
from .truncated import TruncatedNormals

register(GaussianMixture)
deprecated_names(__name__, {"Conditioned": "ConditionedGaussian", "conditioned": "condition_gaussian"})

__all__ = [
    "Background",
    "ConditionalMixtures",
    "ConditionedGaussian",
    "Expansion",
    "FitRecord",
    "Flat",
    "GaussianMixture",
    "SelectionFunction",
    "TruncatedNormals",
    "check_memberships",
    "condition_gaussian",
    "log_densities_beside",
    "pack_beside",
    "refuse_selection",
    "selection_of",
]
