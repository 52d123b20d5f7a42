"""How do I call it as I am used to?

Functions and classes with the arguments of other packages, for people who come from elsewhere:

- `extreme_deconvolution` takes the arguments of Bovy, Hogg & Roweis' own package (`xdgmm.compat.bovy`).
- `xdgmm.compat.tholoien.XDGMM` is the class of Holoien, Marshall & Wechsler, which empiriciSN and tcup use.

Each takes the arguments and gives the results of the original, with its meanings, and computes with xdgmm.  Where the
original has a known error, the docstring says what is different.  docs/migrating.md puts more calls beside those of
xdgmm.  To add a package, write a module with its name; `xdgmm.basics.argument_names.called` makes messages
name its arguments.
"""

from .bovy import extreme_deconvolution

__all__ = ["extreme_deconvolution"]
