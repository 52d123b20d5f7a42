"""What was measured?

`Observations` holds values, their noise, what is missing, and the weights, checked once when it is made.  To accept
another form of noise, add a constructor here and a way to load it in `kernels`.
"""

from .observations import Observations

__all__ = ["Observations"]
