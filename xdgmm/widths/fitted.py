"""What is reported on: a fit, or a bare mixture, and the samples that belong to it."""

import numpy as np

from xdgmm.errors import InputError
from xdgmm.fitting import FitResult, model_of


def parts(fitted):
    """Mixture and model of a fit; of a bare mixture its record tells, or else its looks."""
    if isinstance(fitted, FitResult):
        return fitted.mixture, fitted.model
    return fitted, model_of(fitted)


def check_samples(samples, mixture, kind):
    """Refuse samples of another kind, or of another fit."""
    if not isinstance(samples, kind):
        raise InputError(f"`samples` is {samples!r}, but this needs {kind.__name__}: what `bootstrap` or `refine` gave")
    of = samples.mixture
    same = of.means.shape == mixture.means.shape and of.names == mixture.names
    if not (same and np.allclose(of.means, mixture.means) and np.allclose(of.covariances, mixture.covariances)):
        raise InputError("`samples` are those of another fit; give this fit's own")
