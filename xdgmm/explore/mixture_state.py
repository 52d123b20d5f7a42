"""What the first tab knows on the server, free of bokeh: a mixture, an error, and how many objects are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .downloads import Download, written

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from xdgmm.mixture import GaussianMixture

SEED = 1
DIGITS = 5  # behind the point, of numbers in code


@dataclass(frozen=True, eq=False)
class MixtureState:
    """A mixture in the plane, measured with an error.

    Attributes
    ----------
    mixture : GaussianMixture
        Of the true values.
    error : float
        Standard deviation of the measurement, in both coordinates; 0 for none.
    n_draws : int
    """

    mixture: GaussianMixture
    error: float
    n_draws: int

    @property
    def table(self) -> QTable:
        """Objects drawn from the mixture and measured: ``x``, ``y`` and, unless there is none, their errors."""
        from astropy.table import QTable

        rng = np.random.default_rng(SEED)
        true, _ = self.mixture.sample(self.n_draws, rng)
        x, y = (true + self.error * rng.standard_normal(true.shape)).T
        errors = np.full(self.n_draws, self.error)
        return QTable({"x": x, "y": y} | ({"e_x": errors, "e_y": errors} if self.error > 0 else {}))

    @property
    def python(self) -> str:
        """Code that makes the mixture, draws from it, and finds it again."""
        weights = self.mixture.weights.round(DIGITS)
        weights[weights.argmax()] += 1.0 - weights.sum()
        lines = [
            "import numpy as np",
            "from xdgmm import XDGMM, GaussianMixture",
            "",
            "mixture = GaussianMixture(",
            f"    {_rounded(weights)},",
            f"    {_rounded(self.mixture.means)},",
            "    [",
            *(f"        {_rounded(covariance)}," for covariance in self.mixture.covariances),
            "    ],",
            '    names=["x", "y"],',
            ")",
        ]
        if self.n_draws > 0:
            lines += [f"rng = np.random.default_rng({SEED})", f"true, labels = mixture.sample({self.n_draws}, rng)"]
            values, errors = "true", ""
            if self.error > 0:
                lines.append(f"observed = true + {self.error} * rng.standard_normal(true.shape)")
                values, errors = "observed", f", Xerr={self.error}"
            estimator = f"XDGMM({self.mixture.n_components}, random_state=0)"
            lines += [f"model = {estimator}.fit({values}{errors})", "print(model.mixture_)"]
        return "\n".join(lines) + "\n"

    @property
    def command(self) -> str:
        """Commands for the two files that can be downloaded."""
        lines = ["xdgmm info mixture.fits"]
        if self.n_draws > 0:
            errors, components = "e_x,e_y" if self.error > 0 else "none", self.mixture.n_components
            lines += [
                f"xdgmm fit draws.fits --columns x,y --errors {errors} \\",
                f"    --components {components} --seed 0 --output fitted.fits --plot fitted.png",
            ]
        return "\n".join(lines) + "\n"

    @property
    def model_file(self) -> Download:
        """The mixture in FITS."""
        return written("mixture.fits", "application/fits", self.mixture.write)

    @property
    def draws_file(self) -> Download:
        """The table of draws in FITS."""
        return written("draws.fits", "application/fits", self.table.write)


def _rounded(numbers: NDArray[np.float64]) -> str:
    return str((numbers.round(DIGITS) + 0.0).tolist())  # no -0.0
