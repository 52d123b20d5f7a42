"""xdgmm: extreme deconvolution for noisy catalogues.

Fits Gaussian mixtures to measurements that each have their own error bar, and says how wide the *intrinsic*
distribution is.  Start with `XDGMM`, `Observations` and `GaussianMixture`, or with ``xdgmm demo`` on the command line.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xdgmm.errors import ConvergenceWarning, DegenerateError, InputError, XdgmmError
    from xdgmm.estimator import XDGMM, select
    from xdgmm.fitting import Dirichlet, Fixed, InverseWishart, Normal, Prior
    from xdgmm.kernels import get_device, get_num_threads, set_device, set_num_threads
    from xdgmm.mixture import Background, Flat, GaussianMixture, SelectionFunction
    from xdgmm.observations import Observations

    __version__: str

_HOME = {
    "Background": "xdgmm.mixture",
    "ConvergenceWarning": "xdgmm.errors",
    "DegenerateError": "xdgmm.errors",
    "Dirichlet": "xdgmm.fitting",
    "Fixed": "xdgmm.fitting",
    "Flat": "xdgmm.mixture",
    "GaussianMixture": "xdgmm.mixture",
    "InputError": "xdgmm.errors",
    "InverseWishart": "xdgmm.fitting",
    "Normal": "xdgmm.fitting",
    "Observations": "xdgmm.observations",
    "Prior": "xdgmm.fitting",
    "SelectionFunction": "xdgmm.mixture",
    "XDGMM": "xdgmm.estimator",
    "XdgmmError": "xdgmm.errors",
    "get_device": "xdgmm.kernels",
    "get_num_threads": "xdgmm.kernels",
    "select": "xdgmm.estimator",
    "set_device": "xdgmm.kernels",
    "set_num_threads": "xdgmm.kernels",
}

__all__ = [
    "XDGMM",
    "Background",
    "ConvergenceWarning",
    "DegenerateError",
    "Dirichlet",
    "Fixed",
    "Flat",
    "GaussianMixture",
    "InputError",
    "InverseWishart",
    "Normal",
    "Observations",
    "Prior",
    "SelectionFunction",
    "XdgmmError",
    "get_device",
    "get_num_threads",
    "select",
    "set_device",
    "set_num_threads",
]


if not TYPE_CHECKING:  # type checkers see the imports above, and notice names that do not exist

    def __getattr__(name):
        """Import a public name when it is first used, so that ``import xdgmm`` stays light."""
        if name == "__version__":
            from importlib.metadata import version

            return version("xdgmm")
        if name not in _HOME:
            raise AttributeError(f"module 'xdgmm' has no attribute '{name}'")
        from xdgmm.errors import import_late

        return getattr(import_late(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
