"""`extreme_deconvolution` as its authors call it: plain EM, which overwrites the arrays it starts from."""

from dataclasses import dataclass, field
from os import PathLike
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xdgmm.basics.argument_names import called
from xdgmm.basics.arrays import as_floats, list_rows
from xdgmm.errors import DegenerateError, InputError
from xdgmm.fitting import Fixed, Model, Problem, Statistics, expect, split_merge
from xdgmm.fitting.em import step
from xdgmm.fitting.optimality import collapsed_component
from xdgmm.mixture import GaussianMixture
from xdgmm.observations import Observations

from .bovy_log import Log, described, heading, log_paths

SUM = 1e-6  # how far from 1 the amplitudes may sum, single precision included
SAMPLE = 10_000  # objects on which candidates of split and merge are ranked


def extreme_deconvolution(
    ydata: ArrayLike,
    ycovar: ArrayLike,
    xamp: NDArray[np.floating],
    xmean: NDArray[np.floating],
    xcovar: NDArray[np.floating],
    projection: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    fixamp: ArrayLike | None = None,
    fixmean: ArrayLike | None = None,
    fixcovar: ArrayLike | None = None,
    tol: float = 1e-6,
    maxiter: float = 1e9,
    w: float = 0.0,
    logfile: str | PathLike[str] | None = None,
    splitnmerge: int = 0,
    maxsnm: bool = False,  # noqa: FBT001, FBT002 - the signature is the original's
    likeonly: bool = False,  # noqa: FBT001, FBT002
    logweight: bool = False,  # noqa: FBT001, FBT002
    assignments: None = None,
) -> float:
    """Fit a Gaussian mixture to noisy data by plain EM, with the arguments of the `extreme-deconvolution` package.

    Parameters
    ----------
    ydata : array (N, M)
        Measured values.  NaN is missing.
    ycovar : array (N, M) or (N, M, M)
        Noise **variances**, or covariances: (N, M) are squares of the 1-sigma errors that the rest of xdgmm takes.
    xamp, xmean, xcovar : ndarray of float (K,), (K, D), (K, D, D)
        Where to start; **overwritten** with the result, component by component.
    projection : array (N, M, D), optional
        What was measured of each object: ``w = R v + noise``.
    weight : array (N,), optional
        Weights of the objects.
    fixamp, fixmean, fixcovar : bool or sequence of bool (K,), optional
        Which components keep their starting values; one bool counts for all components.
    tol : float
        EM ends when a step raised the mean log-likelihood by no more than this.
    maxiter : int or float
        Most EM steps.
    w : float
        Regularisation: the covariance of a component with q objects becomes ``(q V + w I) / (q + 1)``, in the units of
        the data squared.
    logfile : str or path-like, optional
        Beginning of the names of two files, ``_loglike.log`` with the mean log-likelihood before each step, and
        ``_c.log`` with all runs and parameters, to which later calls append.  None with `likeonly`.
    splitnmerge : int
        If positive, split and merge looks for a better maximum, with candidates of its own: the number itself does
        not matter.
    maxsnm : bool
        The same as a positive `splitnmerge`.
    likeonly : bool
        Only compute the mean log-likelihood; change nothing.
    logweight : bool
        Whether `weight` holds logarithms of the weights.
    assignments : None
        Components that objects may belong to: not available here, so only None is taken.

    Returns
    -------
    float
        ``sum weight ln p / N`` in nats, with N rows, of the mixture before the last step, as in the original.

    Raises
    ------
    InputError
        If arguments do not fit together, the three arrays cannot be changed in place, the start is no mixture, or
        `assignments` are given.
    OutputError
        If the log files cannot be written.
    DegenerateError
        If a component collapses on values without noise; the three arrays are then as they were.

    See Also
    --------
    xdgmm.XDGMM : needs no start, and converges to a maximum, where EM can end early because its steps are small.

    Notes
    -----
    Bovy, Hogg & Roweis 2011, Ann. Appl. Stat. 5, 1657: the steps are their eqs 16-17, w that of their sec. 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm.compat import extreme_deconvolution
    >>> ydata, ycovar = np.array([[-2.0], [0.0], [3.0]]), np.array([[1.0], [1.0], [1.0]])  # variances
    >>> xamp, xmean, xcovar = np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1))
    >>> round(extreme_deconvolution(ydata, ycovar, xamp, xmean, xcovar, tol=1e-12), 6)
    -2.139119
    >>> xmean.round(4), xcovar.round(4)  # the variance of the values is 38 / 9, less 1 for the noise
    (array([[0.3333]]), array([[[3.2222]]]))
    """
    if assignments is not None:
        raise InputError(
            "`assignments` are not available here; fit the objects of each group by themselves, or leave them out"
        )
    logs = None if logfile is None or likeonly else log_paths(logfile)
    observations = _observed(ydata, ycovar, projection, _weights(weight, logarithms=logweight))
    start = _start(xamp, xmean, xcovar, observations)
    problem = Problem(observations, start.n_components, Model(fixed=_fixed(start, fixamp, fixmean, fixcovar)))
    constraints = problem.constraints
    em = _PlainEM.of(problem, _checked(w, "w"), _checked(tol, "tol"), _checked(maxiter, "maxiter"))
    improving = maxsnm or splitnmerge is True or (splitnmerge is not False and _checked(splitnmerge, "splitnmerge") > 0)
    mixture = problem.standardised(start)
    if likeonly:
        return em.per_row(expect(mixture, problem.data).log_likelihood)
    log_likelihood, mixture = em.run(mixture)
    if improving:
        mixture, log_likelihood = split_merge.improve(mixture, log_likelihood, em.sample, em.run_from, constraints)
    fitted = problem.original(mixture)
    parts = heading(start.n_components, w) + described("first parameters", start), described("last parameters", fitted)
    for array, new, fixed in (
        (xamp, fitted.weights, constraints.fixed_weights),
        (xmean, fitted.means, constraints.fixed_means),
        (xcovar, fitted.covariances, constraints.fixed_covariances),
    ):
        array[~fixed] = new[~fixed]
    if logs is not None:
        em.log.write(logs, len(observations), parts)
    return em.per_row(log_likelihood)


@dataclass(frozen=True, eq=False)
class _PlainEM:
    """EM on standardised coordinates, where its steps are the same ones."""

    problem: Problem
    floor: NDArray[np.float64]
    tol: float
    maxiter: float
    log: Log = field(default_factory=Log)

    @classmethod
    def of(cls, problem: Problem, w: float, tol: float, maxiter: float) -> Self:
        if maxiter < 1:
            raise InputError(f"`maxiter` is {maxiter}, but one step at least is needed; `likeonly=True` makes none")
        return cls(problem, np.diag(w / problem.scaling.scale**2), tol, maxiter)

    def per_row(self, log_likelihood: float) -> float:
        """The mean log-likelihood of the values, from the total of the standardised ones."""
        return float((log_likelihood + self.problem.log_jacobian) / len(self.problem.observations))

    def run(self, mixture: GaussianMixture) -> tuple[float, GaussianMixture]:
        """Steps until they gain little: the log-likelihood before the last one, and the mixture after it."""
        steps, before, rise, path = 0, -np.inf, np.inf, self.log.new_run()
        while rise > self.tol and steps < self.maxiter:
            statistics = expect(mixture, self.problem.data)
            self._refuse_collapse(mixture, statistics)
            mixture = self._step(mixture, statistics)
            rise = (statistics.log_likelihood - before) / len(self.problem.observations)
            before, steps = statistics.log_likelihood, steps + 1
            path.append(self.per_row(before))
        return before, mixture

    def _step(self, mixture: GaussianMixture, statistics: Statistics) -> GaussianMixture:
        following = step(mixture, statistics, self.problem.constraints)
        if not self.floor.any():
            return following
        q = statistics.n_members[:, None, None]
        V = np.where(q > 0, (q * following.covariances + self.floor) / (q + 1.0), following.covariances)
        V = self.problem.constraints.covariances(mixture.covariances, V, statistics.n_members)
        return following.with_parameters(following.weights, following.means, V)

    def _refuse_collapse(self, mixture: GaussianMixture, statistics: Statistics) -> None:
        component = collapsed_component(mixture, statistics, self.problem.constraints)
        if component is not None and not (self.floor.any() and np.isfinite(statistics.log_likelihood)):
            raise DegenerateError(
                f"component {component} collapses on values without noise, so the likelihood has no maximum; give "
                "`ycovar` for them, fewer components, or `w` above zero"
            )

    @property
    def sample(self) -> Observations:
        """Some objects, standardised, on which split and merge ranks its candidates."""
        observations = self.problem.observations
        rows = np.flatnonzero(observations.counts)
        if rows.size > SAMPLE:
            rows = np.sort(np.random.default_rng(0).choice(rows, SAMPLE, replace=False))
        return self.problem.scaling.observations(observations.select(rows))

    def run_from(self, mixture: GaussianMixture) -> tuple[float, GaussianMixture] | None:
        """The same from another start, for split and merge; None where a component collapses."""
        try:
            return self.run(mixture)
        except DegenerateError:
            return None


def _observed(
    ydata: ArrayLike, ycovar: ArrayLike, projection: ArrayLike | None, weights: ArrayLike | None
) -> Observations:
    ycovar, _ = as_floats(ycovar, "ycovar")
    if ycovar.ndim == 3:
        return Observations.with_covariances(ydata, ycovar, projection, weights)
    if np.shape(ydata) != ycovar.shape:
        raise InputError(
            f"`ycovar` has shape {ycovar.shape}, but `ydata` has shape {np.shape(ydata)}; give variances of its "
            "shape, or covariances (N, M, M)"
        )
    bad = np.isfinite(as_floats(ydata, "ydata")[0]) & ~(ycovar >= 0)
    if bad.any():
        rows = list_rows(np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1)))
        raise InputError(f"`ycovar` is negative or NaN in {rows}; give variances, or covariances (N, M, M)")
    return Observations.with_standard_errors(ydata, np.sqrt(np.maximum(ycovar, 0.0)), weights, projections=projection)


def _weights(weight: ArrayLike | None, *, logarithms: bool) -> NDArray[np.float64] | None:
    if weight is None:
        return None
    weight, _ = as_floats(weight, "weight")
    return np.exp(weight) if logarithms else weight


def _start(
    xamp: NDArray[np.floating],
    xmean: NDArray[np.floating],
    xcovar: NDArray[np.floating],
    observations: Observations,
) -> GaussianMixture:
    """The mixture to start from; its arrays must be such as can take the result."""
    for name, array in (("xamp", xamp), ("xmean", xmean), ("xcovar", xcovar)):
        if not (isinstance(array, np.ndarray) and array.dtype.kind == "f" and array.flags.writeable):
            raise InputError(f"`{name}` must be a writeable array of floats, since the result is written into it")
    if xmean.shape[1:] != (observations.n_dimensions,):
        raise InputError(
            f"`xmean` has shape {xmean.shape}, but the objects have {observations.n_dimensions} coordinates; give (K, "
            f"{observations.n_dimensions})"
        )
    total = xamp.sum(dtype=np.float64)
    if not abs(total - 1.0) <= SUM:
        raise InputError(f"`xamp` sums to {total:g}, but amplitudes sum to 1; divide by their sum")
    with called(weights="xamp", means="xmean", covariances="xcovar"):
        return GaussianMixture(xamp.astype(np.float64) / total, xmean, xcovar, observations.names)


def _fixed(
    start: GaussianMixture, fixamp: ArrayLike | None, fixmean: ArrayLike | None, fixcovar: ArrayLike | None
) -> Fixed:
    """What keeps its value."""
    arguments = {"weights": (fixamp, "fixamp"), "means": (fixmean, "fixmean"), "covariances": (fixcovar, "fixcovar")}
    masks = {part: _mask(fix, name, start.n_components) for part, (fix, name) in arguments.items()}
    return Fixed(**{part: tuple(np.flatnonzero(mask).tolist()) for part, mask in masks.items()})


def _mask(fix: ArrayLike | None, name: str, n_components: int) -> NDArray[np.bool_]:
    flags = np.atleast_1d(np.asarray(False if fix is None else fix)).astype(bool)
    if flags.shape not in ((1,), (n_components,)):
        raise InputError(f"`{name}` has shape {flags.shape}, but one bool, or one for each of {n_components} is needed")
    return np.broadcast_to(flags, n_components).copy()


def _checked(number: object, name: str) -> float:
    if isinstance(number, bool) or not isinstance(number, (int, float, np.number)) or not number >= 0:
        raise InputError(f"`{name}` is {number!r}, but it must be a number, zero or positive")
    return float(number)
