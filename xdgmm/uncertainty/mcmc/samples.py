"""`PosteriorSamples`: what sampling returns, with names and units."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.parameters import check_level
from xdgmm.basics.units import difference_unit
from xdgmm.errors import DeprecatedAlias, InputError
from xdgmm.tables.report import Column, build_table
from xdgmm.text import printable
from xdgmm.uncertainty.estimates import Estimate, SampledMixtures

from .chain import Chain, SamplingOutcome

if TYPE_CHECKING:
    from astropy.table import QTable
    from astropy.units import UnitBase
    from matplotlib.figure import Figure

    from xdgmm.mixture import GaussianMixture

    from .coordinates import Coordinates

FIGURES = (".png", ".pdf", ".svg")
COLUMNS = (
    Column("parameter", "what, in which component (from 0), of which coordinate"),
    Column("unit", "unit of median, low and high"),
    Column("median", "median of the posterior", format=".5g"),
    Column("low", "lower end of the interval with equal tails", format=".5g"),
    Column("high", "upper end of it", format=".5g"),
    Column("tau", "integrated autocorrelation time, in steps", keeps_infinity=True, format=".1f"),
    Column("ess", "effective sample size: samples of all walkers over tau", format=".0f"),
)


@dataclass(frozen=True, eq=False)
class FreeParameters:
    """Which parameters are free: what is fixed is no parameter of a posterior.

    Attributes
    ----------
    all_weights : ndarray (S,)
    means : ndarray (K,)
    sigma_of : ndarray of int (K, D)
        Which log-sigma each sigma is; -1 where fixed.
    correlation_of : ndarray of int (K, D (D - 1) / 2)
        The same for correlations below the diagonal.
    """

    all_weights: NDArray[np.bool_]
    means: NDArray[np.bool_]
    sigma_of: NDArray[np.int64]
    correlation_of: NDArray[np.int64]

    @classmethod
    def of(cls, coordinates: Coordinates) -> FreeParameters:
        """Those of `Coordinates`."""
        mixture = coordinates.mixture
        all_weights, means = np.zeros(mixture.all_weights.size, bool), np.zeros(mixture.n_components, bool)
        all_weights[coordinates.free_weights], means[coordinates.free_means] = True, True
        return cls(all_weights, means, coordinates.sigma_of, coordinates.correlation_of)


@dataclass(frozen=True, eq=False)
class _Variable:
    """Free parameters of one kind: samples (n, ...), and the labels along each further axis by its name."""

    array: NDArray[np.float64]
    dims: dict[str, list[Any]]

    @classmethod
    def of(
        cls, kind: str, samples: NDArray[np.float64], owners: NDArray[np.int64], dims: dict[str, list[Any]]
    ) -> _Variable:
        """From samples (n, K, ...) and which parameter each is (K, ...), -1 where fixed; dims of the axes after K."""
        free = np.flatnonzero((owners >= 0).reshape(len(owners), -1).any(axis=1))
        samples, owners, name = samples[:, free], owners[free], "component" if free.size == len(owners) else kind
        if len(owners) > 1 and (owners == owners[0]).all():  # one for all components
            return cls(samples[:, 0], dims)
        if owners.ndim == 2 and owners.shape[1] > 1 and (owners == owners[:, :1]).all():  # one for all coordinates
            samples, dims = samples[:, :, 0], {}
        return cls(samples, {name: free.tolist(), **dims})


@dataclass(frozen=True, eq=False, repr=False)
class PosteriorSamples(SampledMixtures):
    """Samples of the posterior of a mixture, after burn-in and thinned, components matched to those of the fit.

    Besides the attributes of `SampledMixtures`, whose n samples are those of all walkers at one step after the other:

    Attributes
    ----------
    chain : Chain
        All steps in unconstrained coordinates, with `log_posterior`, `acceptance`, `tau`, `burn_in`, `thin`.
    label_switching : float
        Fraction of the samples in which two components could as well change places, by a normal approximation to the
        matched samples.  Above a percent, what is said of one component depends on how they are matched; what concerns
        the whole mixture does not.
    prior : str
        The prior in words.
    free : FreeParameters
        Which parameters are free.

    Notes
    -----
    The log-posterior is that of the unconstrained coordinates, Jacobian included, up to the evidence, with the
    likelihood in the caller's units.
    """

    chain: Chain
    label_switching: float
    prior: str
    free: FreeParameters

    def __repr__(self) -> str:
        """One line: how many samples, of what, from how long a chain."""
        of = f"{len(self)} samples from {self.n_steps} steps of {self.n_walkers} walkers"
        return f"<PosteriorSamples: {of}, {self.outcome.name.lower().replace('_', ' ')}>"

    exchanged = DeprecatedAlias("label_switching")
    labels = DeprecatedAlias("free")

    def propagate(self, function: Callable[[GaussianMixture], Any], level: float = 0.6827) -> Estimate:
        """`Estimate` of any function of the mixture: its median over the posterior, and quantiles.

        As `SampledMixtures.propagate`, except for the value: the fit need not lie inside the intervals of a posterior,
        for instance where a width is zero.
        """
        estimate = super().propagate(function, level)
        middle = super().propagate(function, 1e-9)
        return replace(estimate, value=0.5 * (middle.low + middle.high))

    @property
    def outcome(self) -> SamplingOutcome:
        """Why the sampling ended (`SamplingOutcome`)."""
        return self.chain.outcome

    @property
    def converged(self) -> bool:
        """Is the chain long enough?"""
        return self.outcome.converged

    @property
    def log_posterior(self) -> NDArray[np.float64]:
        """Log-posterior of each sample (n,)."""
        return self.chain.log_posterior[self.chain.burn_in :: self.chain.thin].ravel()

    @property
    def n_walkers(self) -> int:
        """Number of walkers."""
        return int(self.chain.coordinates.shape[1])

    @property
    def n_steps(self) -> int:
        """Number of steps that each walker made, burn-in included."""
        return len(self.chain.coordinates)

    @property
    def sigmas(self) -> NDArray[np.float64]:
        """Intrinsic sigmas (n, K, D)."""
        return np.sqrt(np.diagonal(self.covariances, axis1=2, axis2=3))

    @property
    def parameters(self) -> dict[str, Any]:
        """Samples of every free parameter by its name: a dict of ndarrays, or of Quantities, each (n,).

        Names are ``weight[0]``, ``background``, ``mean[0, v]``, ``sigma[0, v]`` and ``correlation[0, v, w]``; without
        the component where all share one covariance, and ``sigma[0]`` where all axes do.
        """
        return {name: samples if unit is None else samples * unit for name, unit, samples in self._parameters()}

    def _parameters(self) -> Iterator[tuple[str, UnitBase | None, NDArray[np.float64]]]:
        """Name, unit (None without one) and plain samples of each free parameter."""
        K, units = self.mixture.n_components, self.mixture.units
        names = self.mixture.names
        yield from ((f"weight[{k}]", None, self.weights[:, k]) for k in range(K) if self.free.all_weights[k])
        if self.background is not None and self.free.all_weights[K:].any():
            yield "background", None, self.background
        for k in range(K):
            if self.free.means[k]:
                yield from ((f"mean[{k}, {name}]", units[i], self.means[:, k, i]) for i, name in enumerate(names))
        for k, i, called in self._first(self.free.sigma_of, [(name,) for name in names]):
            yield f"sigma[{called}]", _difference(units[i]), self.sigmas[:, k, i]
        rows, columns = np.tril_indices(len(names), -1)
        pairs = [(names[j], names[i]) for i, j in zip(rows, columns, strict=True)]
        for k, m, called in self._first(self.free.correlation_of, pairs):
            one, other = rows[m], columns[m]
            sigmas = self.sigmas[:, k, one] * self.sigmas[:, k, other]
            yield f"correlation[{called}]", None, self.covariances[:, k, one, other] / sigmas

    @staticmethod
    def _first(owners: NDArray[np.int64], names: Sequence[tuple[str, ...]]) -> Iterator[tuple[int, int, str]]:
        """Component, index and label of each parameter among owners (K, n), by the first place where it stands."""
        tied = len(owners) > 1 and (owners == owners[0]).all()
        for owner in np.unique(owners[owners >= 0]):
            k, i = np.argwhere(owners == owner)[0]
            shared = np.count_nonzero(owners[k] == owner) > 1
            parts = (() if tied else (str(k),)) + (() if shared else names[i])
            yield k, i, ", ".join(parts)

    def summary(self, level: float = 0.6827) -> QTable:
        """Median, interval, autocorrelation time and effective sample size of every free parameter.

        Parameters
        ----------
        level : float
            Probability of the interval, which has equal tails.

        Returns
        -------
        QTable
            Columns parameter, unit, median, low, high, tau, ess; numbers are in the unit of their row.

        Raises
        ------
        InputError
            If `level` is not between 0 and 1.
        """
        check_level(level)
        taus = self.chain.tau[:-1]  # the last is that of the log-posterior
        rows = [self._row(*one, tau, level) for one, tau in zip(self._parameters(), taus, strict=True)]
        meta = {
            "level": level,
            "prior": self.prior,
            "outcome": self.outcome.value,
            "acceptance": float(self.chain.acceptance.mean()),
            "label_switching": self.label_switching,
        }
        values = zip(*rows, strict=True)
        return build_table(COLUMNS, {c.name: np.array(v) for c, v in zip(COLUMNS, values, strict=True)}, meta=meta)

    def _row(
        self, name: str, unit: UnitBase | None, samples: NDArray[np.float64], tau: float, level: float
    ) -> tuple[Any, ...]:
        median, low, high = np.quantile(samples, [0.5, 0.5 - 0.5 * level, 0.5 + 0.5 * level])
        n = (self.n_steps - self.chain.burn_in) * self.n_walkers
        return name, "" if unit is None else str(unit), median, low, high, tau, n / tau

    def to_arviz(self) -> Any:
        """The samples for ArviZ: InferenceData with ArviZ 0.x, an xarray DataTree with ArviZ 1.x.

        Groups are posterior (weight, background, mean, sigma, correlation) and sample_stats (lp).  Dimensions are
        component, coordinate, and pair of coordinates.  Only free parameters are there (what is fixed, or the
        weight of a single component, is constant), and what components or coordinates share has no such dimension.
        Walkers stand where ArviZ has chains, but are not independent: of what ArviZ computes, r_hat means nothing here.

        Raises
        ------
        InputError
            If ArviZ is not installed.
        """
        arviz = _arviz()
        shape = (-1, self.n_walkers)
        variables = {name: variable for name, variable in self._variables().items() if variable.array.size}
        posterior = {name: _by_walker(variable.array, shape) for name, variable in variables.items()}
        groups = {"posterior": posterior, "sample_stats": {"lp": _by_walker(self.log_posterior, shape)}}
        coordinates = {dim: labels for variable in variables.values() for dim, labels in variable.dims.items()}
        labels = {"coords": coordinates, "dims": {name: list(variable.dims) for name, variable in variables.items()}}
        old = int(arviz.__version__.split(".")[0]) == 0
        with warnings.catch_warnings():
            for text in ("More chains", "Found chain dimension"):  # ArviZ 0.x and 1.x: there are many walkers
                warnings.filterwarnings("ignore", text)
            data = arviz.from_dict(**groups, **labels) if old else arviz.from_dict(groups, **labels)
        target = data.posterior if old else data["posterior"]
        units = ["" if unit is None else str(unit) for unit in self.mixture.units]
        target.attrs.update(prior=self.prior, units=", ".join(units))
        return data

    def _variables(self) -> dict[str, _Variable]:
        """What the posterior group of ArviZ holds; of a variable without free parameters an array of size zero."""
        K, names, free = self.mixture.n_components, list(self.mixture.names), self.free
        rows, columns = np.tril_indices(len(names), -1)
        pairs = [f"{names[j]}, {names[i]}" for i, j in zip(rows, columns, strict=True)]
        sigmas = np.where(self.sigmas > 0, self.sigmas, 1.0)
        correlations = self.covariances[:, :, rows, columns] / (sigmas[:, :, rows] * sigmas[:, :, columns])
        numbers = np.arange(K * len(names)).reshape(K, -1)  # of means: each is a parameter of its own
        weights, means = np.where(free.all_weights[:K], np.arange(K), -1), np.where(free.means[:, None], numbers, -1)
        along = {"coordinate": names}
        found = {
            "weight": _Variable.of("component_weight", self.weights, weights, {}),
            "mean": _Variable.of("component_mean", self.means, means, along),
            "sigma": _Variable.of("component_sigma", self.sigmas, free.sigma_of, along),
            "correlation": _Variable.of("component_correlation", correlations, free.correlation_of, {"pair": pairs}),
        }
        if self.background is not None and free.all_weights[K:].any():
            found["background"] = _Variable(self.background, {})
        return found

    def corner(self, path: str | PathLike[str] | None = None, *, overwrite: bool = False) -> Figure:
        """Draw every pair of free parameters.

        Parameters
        ----------
        path : path, optional
            Where to write the picture (.png, .pdf or .svg).
        overwrite : bool
            May it replace a file?

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        InputError
            If corner is not installed.
        OutputError
            If the picture cannot be written there.
        """
        from xdgmm.files import check_output

        corner = _corner()
        if path is not None:
            check_output(path, overwrite=overwrite, suffixes=FIGURES)
        from matplotlib.figure import Figure

        names, units, samples = zip(*self._parameters(), strict=True)
        side = 2.0 + 1.6 * len(names)
        figure = Figure(figsize=(side, side))
        figure.subplots(len(names), len(names))
        labels = [_label(name, unit) for name, unit in zip(names, units, strict=True)]
        corner.corner(np.column_stack(samples), labels=labels, fig=figure, quantiles=[0.16, 0.5, 0.84])
        if path is not None:
            _save(figure, path, overwrite=overwrite)
        return figure


def _difference(unit: UnitBase | None) -> UnitBase | None:
    return None if unit is None else difference_unit(unit)


def _by_walker(array: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Samples (n, ...) as (walkers, steps, ...)."""
    return np.swapaxes(array.reshape(*shape, *array.shape[1:]), 0, 1)


def _label(name: str, unit: UnitBase | None) -> str:
    text = printable(name if unit is None else f"{name} [{unit:unicode}]")
    return text.replace("_", r"\_").replace("$", r"\$") if "$" in text else text


def _save(figure: Figure, path: str | PathLike[str], *, overwrite: bool) -> None:
    from xdgmm.files import atomic_write

    with atomic_write(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=150)


def _arviz() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of its own future
            import arviz
    except ImportError:
        raise InputError("`to_arviz` needs ArviZ, which is not installed; pip install 'xdgmm[mcmc]'") from None
    return arviz


def _corner() -> Any:
    try:
        import corner
    except ImportError:
        raise InputError("`corner` needs the package corner; pip install 'xdgmm[plot]'") from None
    return corner


__all__ = ["FreeParameters", "PosteriorSamples", "SamplingOutcome"]
