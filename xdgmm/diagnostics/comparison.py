"""A remedy beside the fit that did not pass: what becomes of the widths, in a sentence and in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xdgmm.tables.printing import compact, with_error
from xdgmm.tables.report import Column
from xdgmm.uncertainty import laplace, parameter_errors

from .quick import quick_checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.fitting import FitResult, Model
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations
    from xdgmm.uncertainty import ParameterErrors

    Floats = NDArray[np.float64]

MOST_SHOWN = 4  # widths in a sentence
CHANGED = 0.5  # standard errors, from which a width counts as another one
COLUMNS = (
    Column("remedy", "what was changed in the model"),
    Column("component", "component, -1 for the background"),
    Column("axis", "column"),
    Column("weight", "its fraction of the objects", format=".3g"),
    Column("mean", "intrinsic mean", "mean", format=".5g"),
    Column("sigma", "intrinsic sigma; of a Student-t component its half-width of 68%", "width", format=".4g"),
    Column("sigma_error", "its standard error", "width", format=".2g"),
    Column("gain", "by how much ln L rises", format=".4g"),
    Column("bic_change", "change of the Bayesian information criterion, negative where the remedy helps", format=".4g"),
    Column("remaining", "what quick checks still find"),
)


class Remedy(NamedTuple):
    """A fit of another model, or of changed values.

    name; result; observations: what it is a fit of; rows: which of the observations that did not pass; more: parameters
    beside those of the model; comparable: whether the likelihoods of both fits are those of the same errors.
    """

    name: str
    result: FitResult
    observations: Observations
    rows: NDArray[np.bool_]
    more: int = 0
    comparable: bool = True


class Compared:
    """A remedy beside the fit that did not pass."""

    def __init__(
        self, mixture: GaussianMixture, errors: ParameterErrors, remedy: Remedy, before: float, model: Model
    ) -> None:
        self.before, self.remedy = mixture, remedy
        self.sigmas_before, self.means_before = errors.sigmas, errors.means
        self.mixture = _in_order_of(remedy.result.mixture, mixture)
        of_model = parameter_errors(self.mixture, remedy.observations, model=remedy.result.model)
        self.means, self.background_error = of_model.means, of_model.background
        self.errors = errors_of_widths(self.mixture, remedy.observations, remedy.result.model)
        self.gain = remedy.result.log_posterior - before if remedy.comparable else np.nan
        more = remedy.more + remedy.result.n_parameters - model.n_parameters(mixture.n_components, mixture.n_dimensions)
        self.bic_change = more * float(np.log(remedy.result.total_weight)) - 2.0 * self.gain
        found = quick_checks(self.mixture, remedy.observations)
        self.remaining = list(dict.fromkeys(finding.name for finding in found))

    def sentence(self) -> str:
        """What the widths are with the remedy."""
        name, gain = self.remedy.name + self._fraction(), self.gain
        if not self.remedy.comparable:
            return f"{name}: {self._means()}; {self._widths()}"
        if not self.bic_change < 0:
            return f"{name}: does not help (ln L rises by {max(gain, 0.0):.2g})"
        rest = f"; quick checks still find {', '.join(self.remaining)}" if self.remaining else ""
        return f"{name}: {self._widths()} (ln L rises by {gain:.3g}){rest}"

    def _fraction(self) -> str:
        """Of a background, where there was none."""
        if self.before.background is not None or self.mixture.background is None:
            return ""
        fraction, error = self.mixture.background.fraction, self.background_error or 0.0
        return f" of {with_error(100 * fraction, 100 * error)}% of the objects"

    def _means(self) -> str:
        shown = (
            f"{with_error(float(mean), float(error))} in place of "
            f"{with_error(*map(float, (self.before.means[k, j], self.means_before[k, j])))}"
            f"{self._unit(j)}{self._of(k, j)}"
            for (k, j), mean, error in zip(
                np.ndindex(*self.mixture.means.shape), self.mixture.means.ravel(), self.means.ravel(), strict=True
            )
        )
        return f"the mean is {'; '.join(list(shown)[:MOST_SHOWN])}"

    def _unit(self, j: int) -> str:
        return "" if self.before.units[j] is None else f" {compact(self.before.units[j])}"

    def _widths(self) -> str:
        K, D = self.mixture.means.shape
        gaussian = self.mixture.dof is None and self.before.dof is None
        what = "sigma" if gaussian else "the half-width of 68%"
        if self.before.n_components != K:
            parts = [
                f"{self._sigma(self.mixture, self.errors, k, j)}{self._of(0, j)} with {100 * weight:.2g}%"
                for k, weight in enumerate(self.mixture.weights)
                for j in range(D)
            ]
            more = f", and {len(parts) - MOST_SHOWN} more" if len(parts) > MOST_SHOWN else ""
            return f"{what} is {', '.join(parts[:MOST_SHOWN])} of the objects{more}"
        scale = np.where(np.isfinite(self.sigmas_before) & (self.sigmas_before > 0), self.sigmas_before, np.inf)
        change = np.abs(self.mixture.half_widths - self.before.half_widths) / scale
        order = np.argsort(-change, axis=None, kind="stable")[:MOST_SHOWN]
        changed = [divmod(int(i), D) for i in order if change.ravel()[i] > CHANGED]
        parts = [
            f"{self._sigma(self.mixture, self.errors, k, j)} in place of "
            f"{self._sigma(self.before, self.sigmas_before, k, j)}{self._of(k, j)}"
            for k, j in changed
        ]
        return f"{what} is {'; '.join(parts)}" if parts else "the widths hardly change"

    def _of(self, k: int, j: int) -> str:
        """Which width it is, where there are several."""
        K, D = self.before.means.shape
        of = f" of component {k}" if K > 1 and self.before.n_components == self.mixture.n_components else ""
        return of + (f" along {self.before.names[j]}" if D > 1 else "")

    def _sigma(self, mixture: GaussianMixture, errors: Floats, k: int, j: int) -> str:
        error = errors[k, j] if np.isfinite(errors[k, j]) else 0.0
        return with_error(mixture.half_widths[k, j], error) + self._unit(j)

    def rows(self) -> dict[str, list[Any]]:
        """The rows of the table."""
        K, D = self.mixture.means.shape
        result: dict[str, list[Any]] = {column.name: [] for column in COLUMNS}
        for k, j in np.ndindex(K, D):
            numbers = (
                self.remedy.name, k, self.mixture.names[j], self.mixture.weights[k], self.mixture.means[k, j],
                self.mixture.half_widths[k, j], self.errors[k, j], self.gain, self.bic_change,
                ", ".join(self.remaining),
            )  # fmt: skip
            for name, number in zip(result, numbers, strict=True):
                result[name].append(number)
        return result


def errors_of_widths(mixture: GaussianMixture, observations: Observations, model: Model) -> Floats:
    """Standard errors (K, D) of the sigmas, or of the half-widths of 68% of Student-t components."""
    if mixture.dof is None:
        return parameter_errors(mixture, observations, model=model).sigmas
    found = laplace(mixture, observations, model=model).propagate(lambda moved: moved.half_widths)
    return np.asarray(found.error)


def _in_order_of(mixture: GaussianMixture, other: GaussianMixture) -> GaussianMixture:
    """The mixture with its components in the order of the nearest ones of another with as many."""
    from scipy.optimize import linear_sum_assignment

    if mixture.n_components != other.n_components or mixture.n_components == 1:
        return mixture
    scale = np.sqrt((other.sigmas**2).mean(axis=0) + np.ptp(other.means, axis=0) ** 2)
    scale = np.where(scale > 0, scale, 1.0)
    distances = (((mixture.means[None] - other.means[:, None]) / scale) ** 2).sum(axis=2)
    return mixture.ordered(linear_sum_assignment(distances)[1])
