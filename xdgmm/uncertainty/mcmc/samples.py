"""`PosteriorSamples`: what sampling returns, with names and units."""

import warnings
from dataclasses import dataclass, replace

import numpy as np

from xdgmm.basics.parameters import check_level
from xdgmm.basics.units import difference_unit
from xdgmm.errors import DeprecatedAlias, InputError
from xdgmm.tables.report import Column, build_table
from xdgmm.uncertainty.estimates import SampledMixtures

from .autocorrelation import autocorrelation_times
from .chain import Chain, SamplingOutcome

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

    all_weights: np.ndarray
    means: np.ndarray
    sigma_of: np.ndarray
    correlation_of: np.ndarray

    @classmethod
    def of(cls, coordinates):
        """Those of `Coordinates`."""
        mixture = coordinates.mixture
        all_weights, means = np.zeros(mixture.all_weights.size, bool), np.zeros(mixture.n_components, bool)
        all_weights[coordinates.free_weights], means[coordinates.free_means] = True, True
        return cls(all_weights, means, coordinates.sigma_of, coordinates.correlation_of)


@dataclass(frozen=True, eq=False, repr=False)
class PosteriorSamples(SampledMixtures):
    """Samples of the posterior of a mixture, after burn-in and thinned, components matched to those of the fit.

    Besides the attributes of `SampledMixtures`, whose n samples are those of all walkers at one step after the other:

    Attributes
    ----------
    chain : Chain
        All steps in unconstrained coordinates, with `log_posterior`, `acceptance`, `tau`, `burn_in`, `thin`.
    label_switching : float
        Fraction of the samples in which components had changed places and were matched to those of the fit again.
        Above a percent, what is said of one component depends on how they are matched; what concerns the whole mixture
        does not.
    prior : str
        The prior in words.
    free : FreeParameters
        Which parameters are free.

    Notes
    -----
    The log-posterior is that of the unconstrained coordinates, Jacobian included, but for the evidence, with the
    likelihood in the caller's units.
    """

    chain: Chain
    label_switching: float
    prior: str
    free: FreeParameters

    def __repr__(self):
        """One line: how many samples, of what, from how long a chain."""
        of = f"{len(self)} samples from {self.n_steps} steps of {self.n_walkers} walkers"
        return f"<PosteriorSamples: {of}, {self.outcome.name.lower().replace('_', ' ')}>"

    exchanged = DeprecatedAlias("label_switching")
    labels = DeprecatedAlias("free")

    def propagate(self, function, level=0.6827):
        """`Estimate` of any function of the mixture: its median over the posterior, and quantiles.

        All is as in `SampledMixtures.propagate`, but for the value: the fit is no property of a posterior, and may lie
        outside its intervals where a width is zero.
        """
        estimate = super().propagate(function, level)
        middle = super().propagate(function, 1e-9)
        return replace(estimate, value=0.5 * (middle.low + middle.high))

    @property
    def outcome(self):
        """Why the sampling ended (`SamplingOutcome`)."""
        return self.chain.outcome

    @property
    def converged(self):
        """Is the chain long enough?"""
        return self.outcome.converged

    @property
    def log_posterior(self):
        """Log-posterior of each sample (n,)."""
        return self.chain.log_posterior[self.chain.burn_in :: self.chain.thin].ravel()

    @property
    def n_walkers(self):
        """Number of walkers."""
        return self.chain.coordinates.shape[1]

    @property
    def n_steps(self):
        """Number of steps that each walker made, burn-in included."""
        return len(self.chain.coordinates)

    @property
    def sigmas(self):
        """Intrinsic sigmas (n, K, D)."""
        return np.sqrt(np.diagonal(self.covariances, axis1=2, axis2=3))

    @property
    def parameters(self):
        """Samples of every free parameter by its name: a dict of ndarrays, or of Quantities, each (n,).

        Names are ``weight[0]``, ``background``, ``mean[0, v]``, ``sigma[0, v]`` and ``correlation[0, v, w]``; without
        the component where all share one covariance, and ``sigma[0]`` where all axes do.
        """
        return {name: samples if unit is None else samples * unit for name, unit, samples in self._parameters()}

    def _parameters(self):
        """Name, unit (None without one) and plain samples of each free parameter."""
        K, units = self.mixture.n_components, self.mixture.units
        names = self.mixture.names
        yield from ((f"weight[{k}]", None, self.weights[:, k]) for k in range(K) if self.free.all_weights[k])
        if self.free.all_weights[K:].any():
            yield "background", None, self.background
        for k in np.flatnonzero(self.free.means):
            yield from ((f"mean[{k}, {name}]", units[i], self.means[:, k, i]) for i, name in enumerate(names))
        for k, i, called in self._first(self.free.sigma_of, [(name,) for name in names]):
            yield f"sigma[{called}]", _difference(units[i]), self.sigmas[:, k, i]
        rows, columns = np.tril_indices(len(names), -1)
        pairs = [(names[j], names[i]) for i, j in zip(rows, columns, strict=True)]
        for k, m, called in self._first(self.free.correlation_of, pairs):
            i, j = rows[m], columns[m]
            sigmas = self.sigmas[:, k, i] * self.sigmas[:, k, j]
            yield f"correlation[{called}]", None, self.covariances[:, k, i, j] / sigmas

    @staticmethod
    def _first(owners, names):
        """Component, index and label of each parameter among owners (K, n), by the first place where it stands."""
        tied = len(owners) > 1 and (owners == owners[0]).all()
        for owner in np.unique(owners[owners >= 0]):
            k, i = np.argwhere(owners == owner)[0]
            shared = np.count_nonzero(owners[k] == owner) > 1
            parts = (() if tied else (str(k),)) + (() if shared else names[i])
            yield k, i, ", ".join(parts)

    def summary(self, level=0.6827):
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
        rows = [self._row(*parameter, level) for parameter in self._parameters()]
        meta = {
            "level": level,
            "prior": self.prior,
            "outcome": self.outcome.value,
            "acceptance": float(self.chain.acceptance.mean()),
            "label_switching": self.label_switching,
        }
        values = zip(*rows, strict=True)
        return build_table(COLUMNS, {c.name: np.array(v) for c, v in zip(COLUMNS, values, strict=True)}, meta=meta)

    def _row(self, name, unit, samples, level):
        median, low, high = np.quantile(samples, [0.5, 0.5 - 0.5 * level, 0.5 + 0.5 * level])
        walkers = samples.reshape(-1, self.n_walkers, 1)
        tau = autocorrelation_times(walkers)[0]
        return name, "" if unit is None else str(unit), median, low, high, tau * self.chain.thin, samples.size / tau

    def to_arviz(self):
        """The samples for ArviZ: InferenceData with ArviZ 0.x, an xarray DataTree with ArviZ 1.x.

        Groups are posterior (weight, background, mean, sigma, correlation, with the components and the coordinates as
        dimensions) and sample_stats (lp).  Walkers stand where ArviZ has chains, but are not independent: of what
        ArviZ computes, r_hat means nothing here.

        Raises
        ------
        InputError
            If ArviZ is not installed.
        """
        arviz = _arviz()
        shape = (-1, self.n_walkers)
        posterior = {name: _by_walker(array, shape) for name, array in self._arrays().items()}
        groups = {"posterior": posterior, "sample_stats": {"lp": _by_walker(self.log_posterior, shape)}}
        names = list(self.mixture.names)
        labels = {
            "coords": {"component": np.arange(self.mixture.n_components), "coordinate": names, "other": names},
            "dims": {
                "weight": ["component"],
                "mean": ["component", "coordinate"],
                "sigma": ["component", "coordinate"],
                "correlation": ["component", "coordinate", "other"],
            },
        }
        labels["dims"] = {name: dims for name, dims in labels["dims"].items() if name in posterior}
        old = int(arviz.__version__.split(".")[0]) == 0
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "More chains")  # there are many walkers
            data = arviz.from_dict(**groups, **labels) if old else arviz.from_dict(groups, **labels)
        target = data.posterior if old else data["posterior"]
        units = ["" if unit is None else str(unit) for unit in self.mixture.units]
        target.attrs.update(prior=self.prior, units=", ".join(units))
        return data

    def _arrays(self):
        """What the posterior group of ArviZ holds: arrays (n, ...)."""
        arrays = {"weight": self.weights, "mean": self.means, "sigma": self.sigmas}
        if self.background is not None:
            arrays["background"] = self.background
        if (self.free.correlation_of >= 0).any():
            sigmas = np.where(self.sigmas > 0, self.sigmas, 1.0)
            arrays["correlation"] = self.covariances / sigmas[..., None] / sigmas[..., None, :]
        return arrays

    def corner(self, path=None, *, overwrite=False):
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


def _difference(unit):
    return None if unit is None else difference_unit(unit)


def _by_walker(array, shape):
    """Samples (n, ...) as (walkers, steps, ...)."""
    return np.swapaxes(array.reshape(*shape, *array.shape[1:]), 0, 1)


def _label(name, unit):
    text = name if unit is None else f"{name} [{unit:unicode}]"
    return text.replace("_", r"\_").replace("$", r"\$") if "$" in text else text


def _save(figure, path, *, overwrite):
    from xdgmm.files import atomic_write

    with atomic_write(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=150)


def _arviz():
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of its own future
            import arviz
    except ImportError:
        raise InputError("`to_arviz` needs ArviZ, which is not installed; pip install 'xdgmm[mcmc]'") from None
    return arviz


def _corner():
    try:
        import corner
    except ImportError:
        raise InputError("`corner` needs the package corner; pip install 'xdgmm[plot]'") from None
    return corner


__all__ = ["FreeParameters", "PosteriorSamples", "SamplingOutcome"]
