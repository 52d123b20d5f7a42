"""`try_remedies`: what would the widths be with a background, with one more component, or without a trend?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.units import difference_unit
from xdgmm.errors import DegenerateError, InputError
from xdgmm.fitting import Model, Settings, fit
from xdgmm.kernels import Correlated, NoiseMixture
from xdgmm.mixture import Background
from xdgmm.prediction import memberships, total_log_likelihood
from xdgmm.tables.printing import brief, compact
from xdgmm.tables.report import build_table
from xdgmm.uncertainty import parameter_errors

from .comparison import COLUMNS, Compared, Remedy, errors_of_widths
from .error_scale import error_scale

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from astropy.table import QTable
    from numpy.typing import NDArray

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    from .measures import Measure

    Floats = NDArray[np.float64]

SEED = 0
FOLLOWING = 0.3  # rank correlation of values and errors, from which these decide the shape


def try_remedies(
    mixture: GaussianMixture,
    observations: Observations,
    model: Model,
    wrong: Iterable[Measure],
    *,
    shape: bool,
    against: Mapping[str, Floats] | None = None,
) -> QTable:
    """Fits with what the failed tests suggest.

    Parameters
    ----------
    mixture : GaussianMixture
        The maximum for these observations.
    observations : Observations
    model : Model
        What was fitted.
    wrong : iterable of Measure
        The tests that did not pass.
    shape : bool
        Whether a test of the distribution of the residuals did not pass.
    against : mapping, optional
        Further columns (N,) by their names.

    Returns
    -------
    QTable
        One row for each remedy, component and axis: remedy, component, axis, weight, mean, sigma, sigma_error, gain,
        bic_change, remaining, those that help most first.  ``meta["sentences"]`` says of each remedy what the widths
        are with it.

    Notes
    -----
    Tails and skewness: a background, Student-t components, and one more component.  Residuals that are too evenly
    spread: one more component.
    Residuals that change with the errors: `error_scale`.  A trend along a column: the line of weighted least squares is
    taken out of the values, which are fitted again.
    Errors that follow the values: all values of the column get the median error, and no other remedy is tried, since
    the residuals have another shape for this reason; the likelihoods of these two fits cannot be compared.
    """
    observations = observations.in_units(mixture.units)
    errors = parameter_errors(mixture, observations, model=model)
    errors = replace(errors, sigmas=errors_of_widths(mixture, observations, model))
    values: dict[str, list[Any]] = {column.name: [] for column in COLUMNS}
    compared = []
    for remedy in _fits(mixture, observations, model, list(wrong), shape=shape, against=against or {}):
        before = total_log_likelihood(mixture, observations.select(remedy.rows))
        compared.append(Compared(mixture, errors, remedy, before + sum(model.log_priors(mixture).values()), model))
    compared.sort(key=lambda each: each.bic_change if each.remedy.comparable else -np.inf)
    for found in compared:
        for name, column in found.rows().items():
            values[name].extend(column)
    sentences = [found.sentence() for found in compared]
    same = len(set(mixture.units)) == 1 and mixture.units[0] is not None
    units = {"width": difference_unit(mixture.units[0]) if same else None, "mean": mixture.units[0] if same else None}
    return build_table(COLUMNS, _arrays(values), units=units, meta={"sentences": sentences})


def _arrays(values: Mapping[str, list[Any]]) -> dict[str, NDArray[Any]]:
    kinds = {"remedy": str, "axis": str, "remaining": str, "component": int}
    return {name: np.array(column, dtype=kinds.get(name, float)) for name, column in values.items()}


def _fits(
    mixture: GaussianMixture,
    observations: Observations,
    model: Model,
    wrong: Sequence[Measure],
    *,
    shape: bool,
    against: Mapping[str, Floats],
) -> Iterator[Remedy]:
    """The remedies that can be fitted."""
    K, kept = mixture.n_components, replace(model, background=mixture.background)
    following = [each for each in wrong if each.kind == "values and errors" and abs(each.effect) > FOLLOWING]
    if isinstance(observations.noise_model, NoiseMixture):
        following = []  # the same error for all would not be the same noise
    tails = any(each.kind in ("kurtosis", "skewness") and not _is_even(each) for each in wrong)
    clumps = any(_is_even(each) for each in wrong)
    tails = (tails or (shape and not clumps)) and not following  # of these the shape is a consequence
    clumps = (clumps or tails) and not following
    if tails and model.background is None and observations.projections is None:
        beside = replace(model, background=Background())
        yield from _fitted("a background", observations, K, beside)
    if tails and model.family == "gaussian" and observations.memberships is None:
        yield from _fitted("Student-t components", observations, K, replace(kept, family="t"))
    if clumps and not model.fixed.anything and observations.n_objects > K + 1:
        yield from _fitted(f"{K + 1} components", observations, K + 1, kept)
    if any(each.kind == "error size" for each in wrong) and not following:
        yield from _with_other_errors(mixture, observations, K, kept)
    for each in following:
        j = mixture.names.index(each.column)
        name, equal = _with_one_error(observations, j)
        for remedy in _fitted(name, equal, K, kept, start=mixture):
            yield remedy._replace(comparable=False)
    for each in wrong:
        if each.kind == "trend" and observations.projections is None:
            straightened = _without_trend(mixture, observations, each.column, against[each.against])
            rows = np.asarray(straightened.present.any(axis=1))
            name = f"the linear trend of {each.column} along {each.against} taken out"
            for remedy in _fitted(name, straightened.select(rows), K, kept, start=mixture):
                yield remedy._replace(rows=rows, more=1)


def _with_other_errors(
    mixture: GaussianMixture, observations: Observations, n_components: int, model: Model
) -> Iterator[Remedy]:
    """All errors times the factor of `error_scale`; none where this cannot be found."""
    try:
        scale = error_scale(mixture, observations, progress="never")
    except (DegenerateError, InputError):
        return
    name = f"errors {brief(scale.factor)} ({brief(scale.factor_low)} to {brief(scale.factor_high)}) times as large"
    for remedy in _fitted(name, scale.observations, n_components, model, start=scale.mixture):
        yield remedy._replace(more=1)


def _with_one_error(observations: Observations, j: int) -> tuple[str, Observations]:
    """The observations with the median error of a column for all of its values, correlations being the same."""
    errors = np.sqrt(observations.variances[:, j])
    known = observations.present[:, j] & (errors > 0) & np.isfinite(errors)
    median = float(np.median(errors[known]))
    ratio = np.ones(observations.values.shape)
    ratio[known, j] = median / errors[known]
    noise = observations.noise_covariances * ratio[:, :, None] * ratio[:, None, :]
    unit = "" if observations.units[j] is None else f" {compact(observations.units[j])}"
    name = f"the median error, {brief(median)}{unit}, for all values of {observations.names[j]}"
    return name, replace(observations, noise_model=Correlated(noise))


def _is_even(measure: Measure) -> bool:
    return measure.kind == "kurtosis" and measure.effect < 0


def _fitted(
    name: str, observations: Observations, n_components: int, model: Model, start: GaussianMixture | None = None
) -> Iterator[Remedy]:
    """The remedy; none where it cannot be fitted."""
    try:
        result = fit(observations, n_components, Settings(model=model, start=start), SEED)
    except (DegenerateError, InputError):
        return
    yield Remedy(name, result, observations, np.ones(len(observations), bool))


def _without_trend(mixture: GaussianMixture, observations: Observations, column: str, x: Floats) -> Observations:
    """The observations less the line of weighted least squares of a column; rows without x are left out."""
    j = mixture.names.index(column)
    spread = np.einsum(
        "nk,k->n", memberships(mixture, observations)[:, : mixture.n_components], mixture.sigmas[:, j] ** 2
    )
    y, variances = observations.values[:, j], spread + observations.variances[:, j]
    known = np.isfinite(x) & np.isfinite(y)
    used = known & observations.present[:, j] & (variances > 0)
    kept = used | (known & ~observations.present[:, j])  # a limit is shifted as a value is
    weights = np.where(used, observations.object_weights / np.where(used, variances, 1.0), 0.0)
    x, y = np.where(kept, x, 0.0), np.where(used, y, 0.0)
    about = x - weights @ x / weights.sum()
    slope = weights @ (about * y) / max(float(weights @ about**2), 1e-300)
    values = observations.values.copy()
    values[:, j] = np.where(kept, values[:, j] - slope * about, np.nan)
    if observations.limits is None:
        return replace(observations, values=values)
    return replace(observations, values=values, limits=np.where(np.isfinite(values), observations.limits, np.int8(0)))
