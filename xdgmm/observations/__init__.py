"""What was measured?

`Observations` holds values, their noise, what they are projections of, what is missing, and the weights, checked once
when it is made.  To accept another form of noise, add a constructor here and a way to load it in `kernels`.  `affine`
says what becomes of coordinates, their names and their units in linear combinations; `fingerprint` tells one set of
observations from all others.
"""

from .fingerprint import fingerprint
from .observations import Observations

__all__ = ["Observations", "fingerprint"]
