"""Numbers that several rooms need."""

from __future__ import annotations

import numpy as np

FWHM = float(np.sqrt(8.0 * np.log(2.0)))  # full width at half maximum of a Gaussian over its standard deviation
LIGHT = 299792.458  # speed of light in km/s, exact
