"""`XDGMM` as clients of tholoien's package call it: covariances as errors, `mu`, `V` and `weights` as results.

Holoien, Marshall & Wechsler 2017, AJ 153, 249 (empiriciSN) and tcup use that class.  This one computes nothing itself:
fits, likelihoods and conditional distributions are those of `xdgmm.fitting`, `xdgmm.prediction` and `xdgmm.mixture`.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from sklearn.base import BaseEstimator

from xdgmm import fitting, prediction, selection
from xdgmm.basics.argument_names import called
from xdgmm.basics.arrays import as_floats
from xdgmm.basics.installation import warn_of_foreign_files
from xdgmm.basics.parameters import as_generator, check_names
from xdgmm.errors import ConvergenceWarning, DegenerateError, InputError, NotFittedError
from xdgmm.fitting import InverseWishart, Model, Outcome, Prior, Settings, StoppingRule
from xdgmm.mixture import GaussianMixture
from xdgmm.observations import Observations

from . import tholoien_file
from .tholoien_file import TextModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from os import PathLike
    from typing import Any, Self

    from numpy.typing import ArrayLike, NDArray

    from xdgmm.fitting import FitResult

    Seed = int | np.random.Generator | np.random.RandomState | None
    Criterion = Callable[[GaussianMixture, Observations], float]

METHODS = ("astroML", "Bovy")
PASSES = StoppingRule().max_passes
ROUNDING, SUM = 1e-14, 1e-6  # how far from 1 the weights may sum as they are, and in text with few digits
OWN_SUFFIXES = (".fits", ".ecsv")  # not .fit, which is what text files of the original are called

warn_of_foreign_files()


class XDGMM(BaseEstimator):
    """Extreme deconvolution with the arguments, attributes and methods of tholoien's XDGMM.

    Parameters
    ----------
    n_components : int
        Number of Gaussian components K.
    n_iter : int
        Most passes over the data from one start; 0 allows 2000.
    tol : float
        The fit has converged when less than this is predicted to be gained, in total nats of log-likelihood.
    method : {"astroML", "Bovy"}
        Both make the same fit, which converges to a maximum; `w` counts only with "Bovy".
    labels : array of str (D,), optional
        Names of the columns.
    random_state : int, RandomState, Generator or None
        Seed of the random starts and of `sample`.
    V, mu, weights : arrays (K, D, D), (K, D), (K,), optional
        Covariances, means and weights that are already known.  A fit does not start from them.
    filename : str or Path, optional
        Read the model from this file instead.
    w : float
        Regularisation: the covariance of a component with q objects becomes ``(q V + w I) / (q + 1)``, in the units of
        the data squared.

    Attributes
    ----------
    mu, V, weights : ndarray (K, D), (K, D, D), (K,)
        Means, covariances and weights, heaviest component first after a fit.  They may be replaced by others.
    mixture_ : GaussianMixture
        The same as one value, with the record of the fit: what the rest of xdgmm takes.
    result_ : FitResult
        How the last fit ended.

    See Also
    --------
    xdgmm.XDGMM : the same fit with 1-sigma errors, priors, fixed parameters, a background, and errors of the results.

    Notes
    -----
    What is different from the original:

    - `Xerr` is a covariance (N, D, D) in every method.  Errors of shape (N, D) are refused, since they could be
      variances or standard errors.
    - `condition` takes 1-sigma errors and squares them.  The original adds them to the variances as they are.
    - `bic_test` and `aic_test` keep the best fit.  The original keeps the last one, and prints every criterion.
    - A fit is the best of ten random starts and converges, or warns.  One that has no maximum raises an error.
    - Values that are NaN are missing.
    - `logL`, `score_samples` and `sample` always use `mu`, `V` and `weights` as they are.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm.compat.tholoien import XDGMM
    >>> X, Xerr = np.array([[-2.0], [0.0], [3.0]]), np.ones((3, 1, 1))  # covariances of the errors
    >>> model = XDGMM(n_components=1).fit(X, Xerr)
    >>> model.mu.round(4), model.V.round(4)  # the variance of the values is 38 / 9, less 1 for the errors
    (array([[0.3333]]), array([[[3.2222]]]))
    """

    V: NDArray[np.float64]
    mu: NDArray[np.float64]
    weights: NDArray[np.float64]
    labels: NDArray[np.str_] | None
    result_: FitResult

    def __init__(
        self,
        n_components: int = 1,
        n_iter: int = 0,
        tol: float = 1e-5,
        method: str = "astroML",
        labels: ArrayLike | None = None,
        random_state: Seed = None,
        V: ArrayLike | None = None,
        mu: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        filename: str | PathLike[str] | None = None,
        w: float = 0.0,
    ) -> None:
        _check_method(method)
        self.n_components = n_components
        self.n_iter = n_iter
        self.tol = tol
        self.method = method
        self.labels = cast("NDArray[np.str_] | None", labels)
        self.random_state = random_state
        # scikit-learn's clone needs the parameters as they were given; `mixture_` checks them.
        self.V = cast("NDArray[np.float64]", V)
        self.mu = cast("NDArray[np.float64]", mu)
        self.weights = cast("NDArray[np.float64]", weights)
        self.filename = None  # what was in the file stands in the other parameters, so that a clone need not read it
        self.w = w
        if filename is not None:
            self.read_model(filename)

    def fit(self, X: ArrayLike, Xerr: ArrayLike) -> Self:
        """Fit the mixture; a fit does not start from what was fitted or given before.

        Parameters
        ----------
        X : array or data frame (N, D)
            Measured values; the columns of a data frame become the `labels`.
        Xerr : array (N, D, D)
            Covariances of their errors.

        Returns
        -------
        XDGMM

        Raises
        ------
        InputError
            If the data or a parameter of the model cannot be used.
        DegenerateError
            If the likelihood has no maximum.
        """
        self._take_labels(X)
        observations = self._observed(X, Xerr)
        result = _with_advice(
            fitting.fit, observations, self.n_components, self._settings(), _generator(self.random_state)
        )
        _warn_unless_converged([result], stacklevel=3)
        return self._keep(result)

    def score_samples(self, X: ArrayLike, Xerr: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Log-likelihood of each object (N,) in nats, and its probability to belong to each component (N, K)."""
        mixture, observations = self.mixture_, self._observed(X, Xerr)
        return prediction.log_likelihoods(mixture, observations), prediction.memberships(mixture, observations)

    def predict_proba(self, X: ArrayLike, Xerr: ArrayLike) -> NDArray[np.float64]:
        """Probability that each object belongs to each component (N, K)."""
        return prediction.memberships(self.mixture_, self._observed(X, Xerr))

    def predict(self, X: ArrayLike, Xerr: ArrayLike) -> NDArray[np.int_]:
        """Most probable component of each object (N,)."""
        components: NDArray[np.int_] = self.predict_proba(X, Xerr).argmax(axis=1)
        return components

    def logL(self, X: ArrayLike, Xerr: ArrayLike) -> float:  # noqa: N802 - the original's name
        """Total log-likelihood of these data, in nats."""
        return _log_likelihood(self.mixture_, self._observed(X, Xerr))

    def score(self, X: ArrayLike, Xerr: ArrayLike) -> float:
        """Mean log-likelihood per object, in nats; rows without values left out."""
        observations = self._observed(X, Xerr)
        return float(_log_likelihood(self.mixture_, observations) / observations.total_weight)

    def logprob_a(self, X: ArrayLike, Xerr: ArrayLike) -> NDArray[np.float64]:
        """Logarithm of weight times density of each component at each object (N, K)."""
        mixture, observations = self.mixture_, self._observed(X, Xerr)
        with np.errstate(divide="ignore"):
            log_weights = np.log(mixture.weights)
        one_by_one = [
            GaussianMixture([1.0], mean[None], covariance[None], mixture.names, mixture.units)
            for mean, covariance in zip(mixture.means, mixture.covariances, strict=True)
        ]
        return log_weights + np.stack([prediction.log_likelihoods(one, observations) for one in one_by_one], axis=1)

    def bic(self, X: ArrayLike, Xerr: ArrayLike) -> float:
        """Bayesian information criterion of these data; the lower the better."""
        return _bic(self.mixture_, self._observed(X, Xerr))

    def aic(self, X: ArrayLike, Xerr: ArrayLike) -> float:
        """Akaike's information criterion of these data; the lower the better."""
        return _aic(self.mixture_, self._observed(X, Xerr))

    def bic_test(
        self,
        X: ArrayLike,
        Xerr: ArrayLike,
        param_range: Iterable[int],
        no_err: bool = False,  # noqa: FBT001, FBT002 - the signature is the original's
    ) -> tuple[NDArray[np.float64], int, float]:
        """Fit several numbers of components, and keep the fit with the lowest BIC.

        Parameters
        ----------
        X, Xerr : arrays (N, D), (N, D, D)
        param_range : iterable of int
            Numbers of components.
        no_err : bool
            Compute the criterion as if the values were exact; the fits take the errors into account.

        Returns
        -------
        bics : ndarray
            Of each number; infinite where the likelihood has no maximum.
        optimal_n_comp : int
            The number with the lowest; it is also the `n_components` of the model from now on.
        lowest_bic : float

        Raises
        ------
        InputError
            If there is no number, or one is not from 1 to the number of objects.
        DegenerateError
            If the likelihood has a maximum for none of them.
        """
        return self._compared(X, Xerr, param_range, _bic, exact=no_err)

    def aic_test(
        self,
        X: ArrayLike,
        Xerr: ArrayLike,
        param_range: Iterable[int],
        no_err: bool = False,  # noqa: FBT001, FBT002 - the signature is the original's
    ) -> tuple[NDArray[np.float64], int, float]:
        """Fit several numbers of components, and keep the fit with the lowest AIC; see `bic_test`."""
        return self._compared(X, Xerr, param_range, _aic, exact=no_err)

    def sample(self, size: int = 1, random_state: Seed = None) -> NDArray[np.float64]:
        """Draw noise-free points (size, D); a seed given here takes the place of that of the model."""
        rng = _generator(self.random_state if random_state is None else random_state)
        with called(n_samples="size"):
            return self.mixture_.sample(size, rng)[0]

    def condition(
        self,
        X_input: ArrayLike | None = None,
        Xerr_input: ArrayLike | None = None,
        X_dict: Mapping[Any, float | tuple[float, float]] | None = None,
    ) -> XDGMM:
        """The model of the other columns, where some are known, exactly or with an error.

        Parameters
        ----------
        X_input : array (D,), optional
            What is known; NaN in the columns that are not.
        Xerr_input : array (D,), optional
            Their **1-sigma errors**.  The original calls them errors too, but adds them to the variances: whoever
            gave it variances passes their square roots here.
        X_dict : dict, optional
            The same by label, as values or tuples of value and 1-sigma error; it has precedence over `X_input`.

        Returns
        -------
        XDGMM
            With as many components, and the remaining labels.  Its `random_state` is None, so that models conditioned
            on different values do not draw the same random numbers.

        Raises
        ------
        InputError
            If nothing is known or everything, a label does not exist, or a value or an error cannot be used.

        See Also
        --------
        xdgmm.GaussianMixture.condition : the equations; it takes arrays of many objects too.
        """
        mixture = self.mixture_
        given = _by_position(mixture, X_input, Xerr_input) if X_dict is None else self._by_label(X_dict)
        if not given:
            raise InputError("no value is known, so there is nothing to condition on; NaN stands for what is not known")
        rest = mixture.condition(given)
        if not isinstance(rest, GaussianMixture):
            raise InputError("several objects were given, but one is needed; `mixture_.condition` takes arrays of many")
        labels = None if self.labels is None else np.array(rest.names)
        conditioned = XDGMM(rest.n_components, self.n_iter, self.tol, self.method, labels, w=self.w)
        return conditioned._take(rest)

    def save_model(self, filename: str | PathLike[str] = "xdgmm.fit") -> None:
        """Write the model to a file, whole or not at all; a file of that name is replaced.

        A name that ends in .fits or .ecsv makes a model file of xdgmm, with the record of the fit: what `xdgmm info`,
        `xdgmm apply` and `xdgmm.GaussianMixture.read` read.  Any other name makes a text file that the original reads
        too, with all digits of the numbers.

        Raises
        ------
        InputError
            If a label cannot stand in a text file.
        OutputError
            If the file cannot be written.
        """
        if str(filename).lower().endswith(OWN_SUFFIXES):
            self.mixture_.write(Path(filename), overwrite=True)
        else:
            tholoien_file.write(self._text_model(), filename)

    def read_model(self, filename: str | PathLike[str]) -> None:
        """Take over the model in a file: a text file of the original, or a model file of xdgmm.

        Raises
        ------
        InputError
            If the file is missing or damaged, holds no model, or one with a background.
        """
        if tholoien_file.is_text_model(filename):
            self._take_text_model(tholoien_file.read(filename), filename)
            return
        mixture = GaussianMixture.read(Path(filename))
        if mixture.background is not None:
            raise InputError(
                f"the model in '{filename}' has a background, for which this class has no place; read it with "
                "`xdgmm.GaussianMixture.read`"
            )
        self.n_components = mixture.n_components
        self.labels = _labels(mixture.names)
        self._take(mixture)

    @property
    def mixture_(self) -> GaussianMixture:
        """The parameters as a `GaussianMixture`, with the record of their fit.

        Raises
        ------
        NotFittedError
            If there are no parameters yet.
        InputError
            If they do not make a mixture.
        """
        if any(array is None for array in (self.V, self.mu, self.weights)):
            raise NotFittedError(
                "this XDGMM has no parameters yet: call fit(X, Xerr) or read_model(filename), or give mu, V and weights"
            )
        with called(means="mu", covariances="V", names="labels"):
            mixture = GaussianMixture(_summing_to_one(self.weights), self.mu, self.V, self._names)
        taken: GaussianMixture | None = getattr(self, "_taken", None)
        return taken if taken is not None and _same(mixture, taken) else mixture

    @property
    def alpha(self) -> NDArray[np.float64]:
        """Weights, by astroML's name."""
        return self.weights

    @alpha.setter
    def alpha(self, weights: NDArray[np.float64]) -> None:
        self.weights = weights

    @property
    def GMM(self) -> Self:  # noqa: N802 - the original's name
        """The original keeps an astroML model there, with the same `mu`, `V` and `alpha`; here it is this model."""
        return self

    @property
    def _names(self) -> tuple[str, ...] | None:
        return None if self.labels is None else tuple(map(str, np.atleast_1d(np.asarray(self.labels))))

    def _take_labels(self, X: ArrayLike) -> None:
        if hasattr(X, "columns") and hasattr(X, "to_numpy"):
            self.labels = np.array(X.columns)

    def _observed(self, X: ArrayLike, Xerr: ArrayLike) -> Observations:
        values = X.to_numpy() if hasattr(X, "to_numpy") else X
        if np.ndim(Xerr) != 3:
            raise InputError(
                f"`Xerr` has shape {np.shape(Xerr)}, but covariances (N, D, D) are needed, as in tholoien's XDGMM; for "
                "1-sigma errors e (N, D) they are `e[:, :, None] ** 2 * np.eye(D)`, or use `xdgmm.XDGMM`"
            )
        with called(values="X", covariances="Xerr", names="labels"):
            observations: Observations = Observations.with_covariances(values, Xerr, names=self._names)
        return observations

    def _settings(self) -> Settings:
        _check_method(self.method)
        if isinstance(self.w, bool) or not isinstance(self.w, (int, float, np.number)) or not self.w >= 0:
            raise InputError(f"`w` is {self.w!r}, but it must be a number, zero or positive")
        prior = Prior(covariances=InverseWishart(self.w)) if self.method == "Bovy" and self.w > 0 else None
        with called(max_iter="n_iter"):
            return Settings(stopping=StoppingRule(self.tol, self._passes), model=Model(prior=prior))

    @property
    def _passes(self) -> int:
        return PASSES if self.n_iter == 0 else self.n_iter

    def _compared(
        self, X: ArrayLike, Xerr: ArrayLike, param_range: Iterable[int], criterion: Criterion, *, exact: bool
    ) -> tuple[NDArray[np.float64], int, float]:
        self._take_labels(X)
        observations, numbers = self._observed(X, Xerr), tuple(param_range)
        found = _with_advice(selection.select, observations, numbers, self._settings(), _generator(self.random_state))
        results = [result for result in found.results if result is not None]
        _warn_unless_converged(results, stacklevel=4)
        judged = Observations.exact(observations.values) if exact else observations
        values = {result.mixture.n_components: criterion(result.mixture, judged) for result in results}
        best = min(values, key=values.__getitem__)
        self.n_components = best
        self._keep(next(result for result in results if result.mixture.n_components == best))
        return np.array([values.get(number, np.inf) for number in numbers]), best, values[best]

    def _keep(self, result: FitResult) -> Self:
        self.result_ = result
        return self._take(result.mixture)

    def _take(self, mixture: GaussianMixture) -> Self:
        """Parameters that may be changed, and the mixture itself, which has the record of its fit."""
        self._taken = mixture
        self.weights, self.mu, self.V = mixture.weights.copy(), mixture.means.copy(), mixture.covariances.copy()
        return self

    def _by_label(self, X_dict: Mapping[Any, float | tuple[float, float]]) -> dict[str, Any]:
        if self.labels is None:
            raise InputError("`X_dict` names columns by their labels, but the model has none; set `labels` first")
        if not hasattr(X_dict, "items"):
            raise InputError(f"`X_dict` is {X_dict!r}, but a dict of labels and values is needed")
        return {str(label): value for label, value in X_dict.items() if not _is_nan(value)}

    def _text_model(self) -> TextModel:
        mixture, seed = self.mixture_, self.random_state
        return TextModel(
            n_components=mixture.n_components,
            n_iter=self._passes,
            tol=float(self.tol),
            method=self.method,
            random_state=int(seed) if isinstance(seed, (int, np.integer)) else None,
            labels=None if self.labels is None else list(mixture.names),
            weights=mixture.weights,
            mu=mixture.means,
            V=mixture.covariances,
        )

    def _take_text_model(self, model: TextModel, filename: str | PathLike[str]) -> None:
        try:
            XDGMM(labels=model.labels, method=model.method, V=model.V, mu=model.mu, weights=model.weights).mixture_  # noqa: B018
        except InputError as error:
            raise InputError(f"'{filename}' is damaged ({error}); save the model again") from error
        for name, value in model._asdict().items():
            setattr(self, name, value)
        self.labels = None if model.labels is None else np.array(model.labels)


def _check_method(method: str) -> None:
    if method not in METHODS:
        raise InputError(f"`method` is {method!r}, but it must be one of {', '.join(METHODS)}")


def _generator(random_state: Seed) -> np.random.Generator:
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**31)
    return as_generator(random_state, "random_state")


def _labels(names: tuple[str, ...]) -> NDArray[np.str_] | None:
    """The names of a mixture; None where they are those of columns without names."""
    return None if names == check_names(None, len(names)) else np.array(names)


def _summing_to_one(weights: ArrayLike) -> NDArray[np.float64]:
    """The weights, divided by their sum where this differs from 1 as in text with few digits."""
    weights = as_floats(weights, "weights")[0]
    return weights / weights.sum() if ROUNDING < abs(weights.sum() - 1.0) <= SUM else weights


def _same(mixture: GaussianMixture, other: GaussianMixture) -> bool:
    pairs = ((getattr(each, name) for each in (mixture, other)) for name in ("weights", "means", "covariances"))
    return mixture.names == other.names and all(np.array_equal(one, two) for one, two in pairs)


def _is_nan(value: object) -> bool:
    value = value[0] if isinstance(value, tuple) and value else value
    return isinstance(value, float) and np.isnan(value)


def _by_position(
    mixture: GaussianMixture, X_input: ArrayLike | None, Xerr_input: ArrayLike | None
) -> dict[str, tuple[float, float]]:
    """What is known, by the names of the mixture, as values and 1-sigma errors."""
    if X_input is None:
        raise InputError("nothing was given to condition on; give `X_input` or `X_dict`")
    X = as_floats(X_input, "X_input")[0]
    errors = np.zeros_like(X) if Xerr_input is None else as_floats(Xerr_input, "Xerr_input")[0]
    for name, array in (("X_input", X), ("Xerr_input", errors)):
        if array.shape != (mixture.n_dimensions,):
            raise InputError(
                f"`{name}` has shape {array.shape}, but ({mixture.n_dimensions},) is needed: one entry for each column "
                "of one object; `mixture_.condition` takes arrays of many objects"
            )
    known = zip(mixture.names, X, errors, strict=True)
    return {name: (float(value), float(error)) for name, value, error in known if not np.isnan(value)}


def _log_likelihood(mixture: GaussianMixture, observations: Observations) -> float:
    return prediction.total_log_likelihood(mixture, observations)


def _bic(mixture: GaussianMixture, observations: Observations) -> float:
    n_free = selection.n_parameters(mixture.n_components, mixture.n_dimensions)
    return float(selection.bic(_log_likelihood(mixture, observations), n_free, observations.total_weight))


def _aic(mixture: GaussianMixture, observations: Observations) -> float:
    n_free = selection.n_parameters(mixture.n_components, mixture.n_dimensions)
    return float(selection.aic(_log_likelihood(mixture, observations), n_free))


def _with_advice(function: Callable[..., Any], *arguments: object) -> Any:
    """The result of a fit; an error that asks for a prior says how this class takes one."""
    try:
        return function(*arguments)
    except DegenerateError as error:
        raise DegenerateError(f"{error}; in this class a prior is `method='Bovy'` with `w` above zero") from None


def _warn_unless_converged(results: Iterable[FitResult], stacklevel: int) -> None:
    """One warning on all fits that ended before a maximum was reached."""
    ended = {result.mixture.n_components: result.outcome for result in results if not result.converged}
    ended = {K: outcome for K, outcome in ended.items() if outcome is not Outcome.ALL_PASSES}
    if ended:
        numbers, reasons = (
            ", ".join(map(str, ended)),
            "; ".join(outcome.value for outcome in dict.fromkeys(ended.values())),
        )
        warnings.warn(
            f"with n_components = {numbers}: {reasons.replace('max_iter', 'n_iter')}",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )
