"""What is a spectrum, and how does its instrument broaden it?

`Spectrum` holds the fluxes of pixels with edges, errors or a covariance, and what is left out; `Counts` numbers of
photons in bins, with exposure and response; `LSF` the line spread function of the instrument, as Gaussians (`widths`)
or as a resolution matrix (`resolution`).  All are values: frozen, and checked when made.  `axes` says which units are
wavelengths, energies, frequencies or velocities.
"""

from .counts import Counts
from .lsf import LSF
from .spectrum import Spectrum

__all__ = ["LSF", "Counts", "Spectrum"]
