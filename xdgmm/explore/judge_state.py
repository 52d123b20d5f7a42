"""Does the mixture describe the data?  The numbers of the third tab, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.plotting.colours import component_colour
from xdgmm.plotting.residual_numbers import Counts, Quantiles, normal_quantiles, pit_counts

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from xdgmm.diagnostics import Check
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    from .worker import Reporter

    Floats = NDArray[np.float64]

LISTED = 15  # least probable objects
FEWEST_VALUES = 20  # from which on quick checks and samples of the model say something
SIMULATIONS = 99
FAR = 0.05  # fraction of the expected p-value below which an object is marked
NOTHING_FOUND = "The quick checks of the residuals found nothing: no tails, no clumps, no errors of the wrong size."
TOO_FEW = f"Fewer than {FEWEST_VALUES} values: too few to tell a right model from a wrong one."


@dataclass(frozen=True, eq=False)
class Judgement:
    """A mixture beside the data.

    Attributes
    ----------
    residuals : ndarray (N, M)
        Standard normal where model and errors are right; NaN where a value is missing.
    errors : ndarray (N, M)
        Standard errors, in the units of the mixture; 0 for exact values.
    quantiles : Quantiles
        Of the residuals of all columns together.
    rows : ndarray (Q,)
        The row of each of these quantiles.
    counts : Counts
        Of the probability integral transform.
    findings : tuple of str
        What quick checks say, one sentence each.
    unusual : QTable
        The least probable objects.
    """

    residuals: Floats
    errors: Floats
    quantiles: Quantiles
    rows: NDArray[np.intp]
    counts: Counts
    findings: tuple[str, ...]
    unusual: QTable

    @property
    def n_values(self) -> int:
        """Number of values that have a residual."""
        return int(np.isfinite(self.residuals).sum())

    @property
    def in_words(self) -> tuple[str, ...]:
        """What is said beside the pictures, one sentence each."""
        if self.n_values < FEWEST_VALUES:
            return (TOO_FEW,)
        return self.findings or (NOTHING_FOUND,)

    def outliers(self) -> dict[str, list[Any]]:
        """Columns of the list of the least probable objects, as text of three digits."""
        table = self.unusual
        n = len(table)
        p, expected = (np.asarray(table[name], dtype=float) for name in ("p_value", "expected"))
        named = [str(name) for name in table["name"]] if "name" in table.colnames else [""] * n
        return {
            "row": [int(row) for row in table["row"]],
            "name": named,
            "p": [f"{value:.2g}" for value in p],
            "expected": [f"{value:.2g}" for value in expected],
            "chi_squared": [f"{float(value):.3g}" for value in table["chi_squared"]],
            "component": [str(int(value)) for value in table["component"]],
            "colour": [component_colour(int(value)) for value in table["component"]],
            "mark": ["far below" if far else "" for far in p < FAR * expected],
        }


def judge(_report: Reporter | None, mixture: GaussianMixture, observations: Observations, table: Any) -> Judgement:
    """The numbers of the tab; a task for `Worker.start`.

    Parameters
    ----------
    _report : Reporter
        Not used: it takes a second or less.
    mixture : GaussianMixture
    observations : Observations
    table : QTable
        From which they come; a column of it may hold the names of the objects.
    """
    from xdgmm.diagnostics import quick_checks, residuals, unusual_objects
    from xdgmm.diagnostics.inputs import names_of_objects

    z = residuals(mixture, observations)
    rows, columns = np.nonzero(np.isfinite(z))
    quantiles = normal_quantiles(z[rows, columns])
    names = names_of_objects(None, table)
    return Judgement(
        z,
        np.sqrt(np.stack([observations.in_units(mixture.units).variances_of(i) for i in range(z.shape[1])], axis=1)),
        quantiles,
        rows[quantiles.order],
        pit_counts(z[rows, columns]),
        tuple(finding.sentence for finding in quick_checks(mixture, observations)),
        unusual_objects(mixture, observations, n_largest=LISTED, names=names),
    )


def judge_by_samples(_report: Reporter | None, fitted: Any, observations: Observations) -> Check:
    """The whole check, against samples of the model that are fitted too; a task for `Worker.start`."""
    from xdgmm.diagnostics import check

    return check(fitted, observations, n_simulations=SIMULATIONS, progress="never")
