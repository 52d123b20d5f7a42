"""What was measured?

`Observations` holds values, their noise, what they are projections of, what is missing, and the weights, checked once
when it is made (`checks`).  How well values are known is a noise model (`Exact`, `Independent`, `Correlated`): to add
one, write a class in `kernels/noise.py`, which says how, and a constructor of `Observations`.  `location` finds a
robust location and spread, `identification` what the measurements cannot tell.  `affine` says what becomes of
coordinates, their names and their units in linear combinations; `fingerprint` tells one set of observations from all
others.
"""

from xdgmm.kernels import Correlated, Exact, Independent, Noise

from .fingerprint import fingerprint
from .identification import unmeasured_pairs, unseen_coordinates
from .observations import Observations

__all__ = [
    "Correlated",
    "Exact",
    "Independent",
    "Noise",
    "Observations",
    "fingerprint",
    "unmeasured_pairs",
    "unseen_coordinates",
]
