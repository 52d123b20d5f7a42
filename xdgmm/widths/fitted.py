"""What is reported on: a fit, or a bare mixture, and the samples that belong to it."""

import numpy as np

from xdgmm.errors import InputError
from xdgmm.fitting import FitResult, Model


def parts(fitted):
    """Mixture and model of a fit; a bare mixture is taken for what it looks like."""
    if isinstance(fitted, FitResult):
        return fitted.mixture, fitted.model
    return fitted, Model.shown_by(fitted)


def check_samples(samples, mixture, kind):
    """Refuse samples of another kind, or of another fit."""
    if not isinstance(samples, kind):
        raise InputError(f"`samples` is {samples!r}, but this needs {kind.__name__}: what `bootstrap` or `refine` gave")
    of = samples.mixture
    same = of.means.shape == mixture.means.shape and of.names == mixture.names
    if not (same and np.allclose(of.means, mixture.means) and np.allclose(of.covariances, mixture.covariances)):
        raise InputError("`samples` are those of another fit; give this fit's own")
