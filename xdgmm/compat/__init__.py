"""How do I call it as I am used to?

Functions with the arguments of other packages, for people who come from elsewhere: `extreme_deconvolution` takes those
of Bovy, Hogg & Roweis' own package.  docs/migrating.md puts more calls beside those of xdgmm.
"""

from .bovy import extreme_deconvolution

__all__ = ["extreme_deconvolution"]
