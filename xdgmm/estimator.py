"""`XDGMM`, the estimator in scikit-learn's style, and `select` among several.  No mathematics here."""

from __future__ import annotations

import inspect
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.utils.metadata_routing import UNUSED

from xdgmm import objects, prediction, selection
from xdgmm.basics.calls import call
from xdgmm.basics.installation import warn_of_foreign_files
from xdgmm.basics.parameters import as_generator
from xdgmm.basics.progress import check_progress, readings_shown
from xdgmm.diagnostics import check, simulate
from xdgmm.diagnostics.inputs import check_observations, columns_of_table, names_of_objects
from xdgmm.diagnostics.simulate import simulated_like
from xdgmm.errors import ConvergenceWarning, DegenerateError, InputError, NotFittedError, XdgmmWarning
from xdgmm.fitting import (
    COVARIANCE_TYPES,
    STARTS,
    Fixed,
    Model,
    Outcome,
    Settings,
    StepwiseFit,
    StoppingRule,
    check_stepwise,
    description_of_fit,
    fit,
    label_start,
    recorded,
    shrinkage_prior,
    start_from,
    with_recipe,
)
from xdgmm.kernels import SampledNoise, checked_device, using_device
from xdgmm.mixture import GaussianMixture
from xdgmm.observations import Observations, ObservationSource, StreamedObservations
from xdgmm.observations.inputs import (
    as_any_observations,
    as_observations,
    column_names,
    holds_errors,
    refuse_errors_as_labels,
)
from xdgmm.prediction import doubts_about_samples
from xdgmm.uncertainty import sample_posterior
from xdgmm.widths import relations, widths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from os import PathLike
    from typing import Literal, Self

    from astropy.table import QTable
    from numpy.typing import ArrayLike, NDArray

    from xdgmm.diagnostics import Check
    from xdgmm.fitting import FitResult, Prior, Progress
    from xdgmm.fitting.problem import AnyObservations
    from xdgmm.kernels.devices import Device
    from xdgmm.mixture import Background, Flat, SelectionFunction
    from xdgmm.objects import Denoised
    from xdgmm.observations.inputs import Measurements
    from xdgmm.uncertainty import PosteriorSamples, SampledMixtures

warn_of_foreign_files()

MISSING_ERRORS = (
    "the model was fitted to data with errors, so give those of X too: Xerr=..., or Xerr=0 if X is exact; "
    "Observations.from_table(X) finds those in columns of a data frame (scikit-learn's tools pass Xerr on after "
    "sklearn.set_config(enable_metadata_routing=True))"
)
MISSING_MEMBERSHIPS = (
    "the model was fitted with memberships known beforehand, so X must hold them too: give Observations, as "
    "X.with_memberships(p) makes them"
)
OF_EACH_OBJECT = (
    "this has an answer for each object, and X is a catalogue that is read in parts, whose answers need not fit into "
    "memory; `xdgmm.objects.apply(mixture, source, output)` writes them to files"
)
WITH_ERRORS, WITH_ALL = {"Xerr": True}, {"Xerr": True, "sample_weight": True}  # what scikit-learn's tools pass on
# What they do not: a checkpoint and an executor are those of one fit.
FOR_FIT = {**WITH_ALL, "membership": True, **dict.fromkeys(("checkpoint", "resume", "executor"), UNUSED)}


Method = TypeVar("Method", bound="Callable[..., Any]")


def _on_own_device(method: Method) -> Method:
    """A method of `XDGMM` that makes its passes on the device of the model."""

    @wraps(method)
    def on_device(self: XDGMM, *arguments: Any, **options: Any) -> Any:
        with using_device(self.device):
            return method(self, *arguments, **options)

    return cast("Method", on_device)


class NoFitError(NotFittedError, SklearnNotFittedError):
    """A fitted model was asked for before ``fit``; scikit-learn's error too, so that its tools catch it."""


class XDGMM(DensityMixin, BaseEstimator):
    """Extreme deconvolution: the Gaussian mixture behind measurements that each have their own error.

    Parameters
    ----------
    n_components : int
        Number of Gaussian components K.
    covariance_type : {"full", "tied", "diag", "spherical"}
        Every component its own covariance; one for all; none with correlations; the same width in every direction.
    solver : {"auto", "em", "implicit", "quasi-newton"}
        "auto": a few implicit EM steps, then quasi-Newton, then Newton steps where they are cheap.
    tol : float
        The fit has converged when a further gain of less than this is predicted, in nats of the total log-likelihood;
        0 makes exactly `max_iter` passes.
    max_iter : int
        Passes over the data allowed from one start.
    init : {"kmeans++", "random"}, GaussianMixture or array of int (N,)
        Where to start: random starts of a kind, of which the best go on and are improved by split and merge; a mixture;
        or a label 0 .. K - 1 for each row.
    n_init : int
        How many random starts are compared (K > 1).
    weights_init, means_init, covariances_init : arrays (K,), (K, D), (K, D, D), optional
        Start here instead, in the units of the data; a parameter that is missing is estimated from the objects nearest
        each mean.
        `covariances_init` may also have the shape of the covariance type.  With a background the weights sum to 1 with
        its fraction, or to 1 by themselves where none is fixed.
    prior : Prior, optional
        Priors on weights, means and covariances: the fit is then the maximum of the posterior.
    fixed : Fixed, optional
        Weights, means and covariances of components that keep their starting values.
    background : Background, optional
        A uniform component beside the Gaussians, over a stated box or one whose edges are fitted, as its fraction is.
    family : {"gaussian", "t"}
        What the components are: "t" are Student-t distributions, whose tails are heavier.
    dof : float, array (K,), "fit" or "shared", optional
        Degrees of freedom of the family "t": numbers from 1 on, which are fixed; "fit", the default, fits those of each
        component, "shared" one number for all.
    selection_function : SelectionFunction, optional
        Which objects the sample has: the fitted mixture is then that of all objects, seen and unseen.
    flat : Flat, optional
        Says that the last components are uniform in some columns, within a box: a field of stars, on the sky.
    warm_start : bool
        Whether `fit` starts from the result of the last `fit`.
    progress : {"auto", "always", "never"}
        Whether a progress bar is shown; "auto": on a terminal, where the fit takes more than a second.
    callback : callable, optional
        Is called after every pass with an `xdgmm.fitting.Progress`; a true value that it returns ends the fit.
    random_state : int, Generator or None
        Seed of the starts and of `sample`.
    device : {"cpu", "cuda", "cuda-float32", "auto"}, optional
        Where the passes of all methods are made: on the processors, on a graphics card, or where it is faster.  By
        default where `xdgmm.set_device` says, which explains the names.

    Attributes
    ----------
    mixture_ : GaussianMixture
        The fitted mixture, with names and units.
    weights_, means_, covariances_ : ndarray (K,), (K, D), (K, D, D)
        Its parameters: heaviest component first, unless a start was given.  Covariances have scikit-learn's shape: tied
        (D, D), diag (K, D), spherical (K,); those of ``mixture_`` are always (K, D, D).  Of Student-t components they
        are the scale matrices.
    dof_ : ndarray (K,) or None
        Degrees of freedom of Student-t components, infinite where a component is Gaussian; None with Gaussian ones.
    background_fraction_ : float
        Fraction of the objects in the background; 0 without one.
    result_ : FitResult
        How the maximum was reached, with diagnostics; not after `partial_fit`.
    stepwise_ : StepwiseFit
        What `partial_fit` has learned; only after it.
    converged_ : bool
        Was a maximum reached?
    n_iter_ : int
        Passes over the data; batches after `partial_fit`.
    lower_bound_ : float
        Mean log-likelihood per object, in nats (a prior is no part of it); after `partial_fit` that of the last batch,
        before it was used.
    n_features_in_ : int
        Number of coordinates D.
    feature_names_in_ : ndarray of str (D,)
        Their names, where X had some: Observations, tables, data frames.  Data given to the other methods must have the
        same.

    Notes
    -----
    Model and likelihood: Bovy, Hogg & Roweis 2011, Ann. Appl. Stat. 5, 1657.  Missing values are NaN or masked.

    After ``sklearn.set_config(enable_metadata_routing=True)`` scikit-learn's tools pass Xerr and sample_weight on to
    `fit`, `score` and the other methods: ``cross_val_score(model, X, params={"Xerr": e})``.
    Do not put a scaler before this estimator in a Pipeline: it would scale X and not Xerr.  None is needed, since every
    fit is standardised inside.

    One Gaussian for exact values that lie in a plane (fewer objects than columns, say) has a covariance without width
    across it, and an infinite likelihood; it is shrunk to its diagonal by one part in a million, with a warning.

    Examples
    --------
    >>> from xdgmm import XDGMM, Observations, datasets
    >>> stars = Observations.from_table(datasets.load("hydrus1"), "v")
    >>> model = XDGMM().fit(stars)
    >>> model.means_.round(3), model.mixture_.sigmas.round(3)
    (array([[80.526]]), array([[2.725]]))
    """

    mixture_: GaussianMixture
    result_: FitResult
    stepwise_: StepwiseFit
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    fitted_with_errors_: bool

    __metadata_request__fit = FOR_FIT
    __metadata_request__partial_fit = WITH_ALL
    __metadata_request__score = WITH_ALL
    __metadata_request__predict = WITH_ERRORS
    __metadata_request__predict_proba = WITH_ERRORS

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: Literal["full", "tied", "diag", "spherical"] = "full",
        solver: Literal["auto", "em", "implicit", "quasi-newton"] = "auto",
        tol: float = 1e-8,
        max_iter: int = 2000,
        init: Literal["kmeans++", "random"] | GaussianMixture | Sequence[int] | NDArray[Any] = "kmeans++",
        n_init: int = 10,
        weights_init: ArrayLike | None = None,
        means_init: ArrayLike | None = None,
        covariances_init: ArrayLike | None = None,
        prior: Prior | None = None,
        fixed: Fixed | None = None,
        background: Background | None = None,
        family: Literal["gaussian", "t"] = "gaussian",
        dof: ArrayLike | Literal["fit", "shared"] | None = None,
        selection_function: SelectionFunction | None = None,
        flat: Flat | None = None,
        warm_start: bool = False,
        progress: Literal["auto", "always", "never"] = "auto",
        callback: Callable[[Progress], object] | None = None,
        random_state: int | np.random.Generator | np.random.RandomState | None = None,
        device: Device | None = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.init = init
        self.n_init = n_init
        self.weights_init = weights_init
        self.means_init = means_init
        self.covariances_init = covariances_init
        self.prior = prior
        self.fixed = fixed
        self.background = background
        self.family = family
        self.dof = dof
        self.selection_function = selection_function
        self.flat = flat
        self.warm_start = warm_start
        self.progress = progress
        self.callback = callback
        self.random_state = random_state
        self.device = device

    def fit(
        self,
        X: Measurements,
        y: None = None,
        *,
        Xerr: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        membership: ArrayLike | None = None,
        checkpoint: str | PathLike[str] | None = None,
        resume: bool = False,
        executor: Any = None,
    ) -> Self:
        """Fit the intrinsic mixture.

        Parameters
        ----------
        X : Observations, Table, data frame, Quantity, array (N,) or (N, D), BlockSource or StreamedObservations
            What was measured; a source of `xdgmm.streaming`, or its ``observations()``, is a catalogue in parts.
            Of a table, every column for which an error column is found; a data frame is an array with names
            (`Observations.from_table` finds error columns).
        y : None
            Ignored, for scikit-learn.
        Xerr : array or Quantity, optional
            1-sigma errors (N, D), one number for all, or noise covariances (N, D, D).  Never variances (N, D).
            Without it, arrays are taken as exact.
        sample_weight : array (N,), optional
            Frequency weights.
        membership : array (N, K), or (N,) for two components, optional
            Probability that each object belongs to each component, known beforehand: it takes the place of the weights,
            which are not fitted.  With a background its own is the last column.  `Observations.with_memberships` makes
            observations that hold it, which the other methods need.
        checkpoint : path, optional
            A file to which the passes over all objects are written every two minutes, and when the fit ends in
            whatever way.  It must not exist.
        resume : bool
            Whether the fit goes on from its checkpoint: with the same data and parameters, to the same result.
        executor : distributed.Client, optional
            Of a Dask cluster, whose workers read X, a `xdgmm.streaming.DaskSource`, keep it and run the passes, each on
            the device that XDGMM_DEVICE names where it was started: the model must have no `device`.

        Returns
        -------
        XDGMM

        Raises
        ------
        InputError
            If the data or a parameter of the model cannot be used, or the checkpoint is of another fit; the message
            says what to do.  It is a TypeError too if errors were passed by position, as `y`.
        OutputError
            If the checkpoint exists and is not to be resumed, or cannot be written.
        DegenerateError
            If the likelihood has no maximum.
        """
        refuse_errors_as_labels(X, y)
        check_progress(self.progress, self.callback)
        if executor is not None and self.device is not None:
            device = checked_device(self.device, "`device`")
            raise InputError(
                f"`device` is {device!r}, but the workers of an `executor` make the passes, each on its own; "
                f"set XDGMM_DEVICE={device} where they are started, and leave `device` out"
            )
        with using_device(self.device):
            with readings_shown(self.progress):
                observations = as_any_observations(X, Xerr, sample_weight, executor)
            if membership is not None:
                observations = _with_memberships(observations, membership)
            settings = self._settings(observations)
            with self._recorded(observations, settings, checkpoint, resume=resume) as (observations, seed):
                try:
                    result = fit(observations, self.n_components, settings, as_generator(seed, "random_state"))
                except DegenerateError as error:
                    result = _fit_shrunk(observations, self.n_components, settings, error)
                finally:
                    observations.release()
            recipe = f"{self._call(seed)}.fit({_data_of_call(Xerr, sample_weight, membership)})"
            _warn_unless_converged(result)
            _warn_of_doubts(result, observations)
            self._keep(with_recipe(result, recipe), X, observations)
        return self

    def _recorded(
        self, observations: AnyObservations, settings: Settings, checkpoint: str | PathLike[str] | None, *, resume: bool
    ) -> AbstractContextManager[tuple[AnyObservations, Any]]:
        """Context with the observations, whose passes are recorded if there is a checkpoint, and the seed."""
        if checkpoint is None:
            if resume:
                raise InputError("`resume` needs the file from which the fit goes on; give its name as `checkpoint`")
            return nullcontext((observations, self._seed()))
        seed = self.random_state
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer))):
            raise InputError(
                f"`random_state` is {seed!r}, but beside a `checkpoint` it must be a whole number, or None: a resumed "
                "fit begins with the same seed"
            )
        seed = None if seed is None else int(seed)
        return recorded(observations, checkpoint, description_of_fit(settings, self.n_components), seed, resume=resume)

    @_on_own_device
    def partial_fit(
        self,
        X: Measurements,
        y: None = None,
        *,
        Xerr: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn from one more batch of objects: stepwise expectation maximisation.

        The first batch is fitted as by `fit`; where the model is fitted already, its objects count as the first batch.
        Each further one moves the expected moments of the true values by a step size, the smaller of ``5 (w / W)^0.6``
        and ``w / (w + 20 p)`` (w the weight of the batch, W that of all objects so far, p the number of parameters),
        and the mixture is that of the moments averaged over all batches, of which later ones count more.  Errors,
        missing values and projections differ between objects as in `fit`.

        The result is close to the maximum of the likelihood of all objects, and is not that maximum: it depends on the
        order of the batches, and a width that is zero after the first one stays there.  Reports that need a maximum,
        such as `widths`, are refused.  Where the batches can be read again, ``fit`` with ``warm_start=True`` on all of
        them finds the maximum from here.

        Parameters
        ----------
        X, y, Xerr, sample_weight
            As for `fit`; the same columns each time.  Units are converted to those of the first batch.

        Returns
        -------
        XDGMM

        Raises
        ------
        InputError
            If the data cannot be used, have other columns, or the model needs more than the moments of Gaussians: a
            prior, fixed parameters, a background, flat or Student-t components, a selection function.
        DegenerateError
            If the likelihood of the first batch has no maximum, or an object without error is impossible.

        References
        ----------
        Cappe & Moulines 2009, J. R. Stat. Soc. B 71, 593.

        Examples
        --------
        >>> import numpy as np
        >>> from xdgmm import XDGMM
        >>> rng, model = np.random.default_rng(0), XDGMM()
        >>> for batch in range(20):
        ...     errors = rng.uniform(0.5, 2.0, 500)
        ...     model = model.partial_fit(rng.normal(3.0, np.sqrt(4.0 + errors**2)), Xerr=errors)
        >>> model.n_iter_, model.mixture_.sigmas.round(1)
        (20, array([[2.]]))
        """
        refuse_errors_as_labels(X, y)
        if isinstance(X, (ObservationSource, StreamedObservations)):
            raise InputError(
                "`partial_fit` takes one batch, but X is a catalogue that is read in parts; call it for each of "
                "`source.read()`, or give the catalogue to `fit`"
            )
        if not hasattr(self, "mixture_"):
            self._fit_first_batch(X, Xerr, sample_weight)
            return self
        batch = self._new_observations(X, Xerr, sample_weight)
        if not hasattr(self, "stepwise_"):
            self._start_batches(batch)
        self.stepwise_ = self.stepwise_.updated(batch)
        self.mixture_ = self.stepwise_.mixture
        return self

    def _fit_first_batch(self, X: Measurements, Xerr: ArrayLike | None, sample_weight: ArrayLike | None) -> None:
        batch = as_observations(X, Xerr, sample_weight)
        check_stepwise(self._settings(batch).model, batch)
        self.fit(X, Xerr=Xerr, sample_weight=sample_weight)
        self._start_batches(batch)

    def _start_batches(self, batch: Observations) -> None:
        """Take what was fitted for the first batch; the result of that fit does not belong to the next mixtures."""
        result = self.result_
        mean = result.log_likelihood / result.total_weight
        self.stepwise_ = StepwiseFit.start(self.mixture_, batch, result.model, result.total_weight, mean)
        del self.result_

    def _keep(self, result: FitResult, X: Measurements, observations: AnyObservations) -> None:
        """Become fitted: by this result, to these data."""
        if hasattr(self, "stepwise_"):
            del self.stepwise_
        self.result_ = result
        self.mixture_ = result.mixture
        self.n_features_in_ = observations.n_dimensions
        self._remember_names(column_names(X, observations))
        self.fitted_with_errors_ = bool(observations.sample.variances[observations.sample.counts].any())

    def _settings(self, observations: AnyObservations) -> Settings:
        """The parameters of this estimator as those of a fit."""
        fixed = Fixed() if self.fixed is None else self.fixed
        model = Model(
            self.covariance_type,
            fixed,
            self.prior,
            self.background,
            self.family,
            self.dof,  # type: ignore[arg-type]
            flat=self.flat,
            selection_function=self.selection_function,
        )
        return Settings(
            model=model,
            solver=self.solver,
            stopping=StoppingRule(self.tol, self.max_iter),
            n_init=self.n_init,
            start=self._start(observations, model),
            init=self.init if isinstance(self.init, str) else "kmeans++",
            progress=self.progress,
            callback=self.callback,
        )

    def _start(self, observations: AnyObservations, model: Model) -> GaussianMixture | None:
        """The starting mixture that was asked for; None for random starts."""
        parameters = self.weights_init, self.means_init, self.covariances_init
        if self.warm_start and hasattr(self, "mixture_"):
            return self.mixture_
        if not isinstance(self.init, str) and any(each is not None for each in parameters):
            raise InputError("give either `init` or `weights_init`, `means_init` and `covariances_init`, not both")
        if isinstance(self.init, GaussianMixture):
            return self.init
        if not isinstance(self.init, str):
            if observations.sample is not observations:
                raise InputError("`init` is labels of rows, but X is read in parts; give a GaussianMixture")
            from_labels: GaussianMixture = label_start(observations.sample, self.init)
            return from_labels
        if self.init not in STARTS:
            raise InputError(
                f"`init` is {self.init!r}, but it must be one of {', '.join(STARTS)}, a GaussianMixture, or labels"
            )
        if all(each is None for each in parameters):
            return None
        from_parameters: GaussianMixture = start_from(observations.sample, self.n_components, *parameters, model)
        return from_parameters

    def _seed(self) -> Any:
        """A seed, drawn where none is given; a Generator stays one, since it is used up by what it draws."""
        if self.random_state is None:
            return int(np.random.SeedSequence().generate_state(1)[0])
        if isinstance(self.random_state, np.random.RandomState):
            return int(self.random_state.randint(2**31))
        return self.random_state

    def _call(self, seed: Any) -> str:
        """How this estimator is made again: its parameters that are not the default, and the seed."""
        parameters = {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}
        return call(type(self).__name__, {**_changed(type(self), parameters), "random_state": seed})

    def _generator(self) -> np.random.Generator:
        return as_generator(self._seed(), "random_state")

    def _remember_names(self, names: Sequence[str] | None) -> None:
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    @property
    def _fitted_mixture(self) -> GaussianMixture:
        if not hasattr(self, "mixture_"):
            raise NoFitError("this XDGMM is not fitted yet; call fit(X, Xerr=...) first")
        return self.mixture_

    @property
    def _fit_result(self) -> FitResult:
        if hasattr(self, "stepwise_"):
            raise NoFitError(
                "this XDGMM was fitted in batches, and its mixture is not the maximum for any data; call "
                "fit(X, Xerr=...) with warm_start=True, which finds it"
            )
        if not hasattr(self, "result_"):
            raise NoFitError("this XDGMM is not fitted yet; call fit(X, Xerr=...) first")
        return self.result_

    @property
    def weights_(self) -> NDArray[np.float64]:
        """Mixing proportions (K,): with a background they sum to 1 with its fraction."""
        return self._fitted_mixture.weights

    @property
    def background_fraction_(self) -> float:
        """Fraction of the objects that belong to the background: 0 without one."""
        background = self._fitted_mixture.background
        return 0.0 if background is None else background.fraction

    @property
    def means_(self) -> NDArray[np.float64]:
        """Intrinsic means (K, D), in the units of the data."""
        return self._fitted_mixture.means

    @property
    def covariances_(self) -> NDArray[np.float64]:
        """Intrinsic covariances in scikit-learn's shape, in the units of the data squared."""
        fitted = self.stepwise_ if hasattr(self, "stepwise_") else self._fit_result
        covariance_type: Any = COVARIANCE_TYPES[fitted.model.covariance_type]
        return np.asarray(covariance_type.compact(self._fitted_mixture.covariances))

    @property
    def dof_(self) -> NDArray[np.float64] | None:
        """Degrees of freedom of Student-t components (K,), infinite where one is Gaussian; None with Gaussian ones."""
        return self._fitted_mixture.dof

    @property
    def converged_(self) -> bool:
        """Was a maximum reached?"""
        return not hasattr(self, "stepwise_") and bool(self._fit_result.converged)

    @property
    def n_iter_(self) -> int:
        """Passes over the data from the winning start; batches after `partial_fit`."""
        return self.stepwise_.n_batches if hasattr(self, "stepwise_") else self._fit_result.history.size

    @property
    def lower_bound_(self) -> float:
        """Mean log-likelihood per object of the data fitted, in nats; of the last batch, before it was used."""
        if hasattr(self, "stepwise_"):
            return self.stepwise_.mean_log_likelihood
        return self._fit_result.log_likelihood / self._fit_result.total_weight

    def _new_observations(
        self, X: Measurements, Xerr: ArrayLike | None, sample_weight: ArrayLike | None = None
    ) -> Observations:
        """Observations in memory for the fitted model: of what has an answer for each object."""
        if isinstance(X, (ObservationSource, StreamedObservations)):
            raise InputError(OF_EACH_OBJECT)
        found = self._any_observations(X, Xerr, sample_weight)
        assert isinstance(found, Observations)
        return found

    def _any_observations(
        self, X: Measurements, Xerr: ArrayLike | None, sample_weight: ArrayLike | None = None
    ) -> AnyObservations:
        """Observations for the fitted model; bare arrays need errors if the fit had some."""
        n_dimensions = self._fitted_mixture.n_dimensions
        if Xerr is None and self.fitted_with_errors_ and not holds_errors(X):
            raise InputError(MISSING_ERRORS)
        observations: AnyObservations = as_any_observations(X, Xerr, sample_weight)
        if observations.n_dimensions != n_dimensions:
            raise InputError(
                f"X has {observations.n_dimensions} features, but XDGMM is expecting {n_dimensions} features as input, "
                "as in fit; if X is a single object, Reshape your data to one row"
            )
        self._check_names(column_names(X, observations))
        return observations

    def _fitted_observations(
        self, X: Measurements, Xerr: ArrayLike | None, sample_weight: ArrayLike | None
    ) -> AnyObservations:
        """The observations that were fitted; with known memberships if the fit had some."""
        observations = self._any_observations(X, Xerr, sample_weight)
        if self._fit_result.model.known_memberships and observations.sample.memberships is None:
            raise InputError(MISSING_MEMBERSHIPS)
        return observations

    def _check_names(self, names: Sequence[str] | None) -> None:
        fitted = getattr(self, "feature_names_in_", None)
        if names is not None and fitted is not None and tuple(fitted) != tuple(names):
            raise InputError(
                "The feature names should match those that were passed during fit: X has the columns "
                f"{', '.join(names)}, but the model was fitted to {', '.join(fitted)}; give these, in this order"
            )

    @_on_own_device
    def score_samples(self, X: Measurements, *, Xerr: ArrayLike | None = None) -> NDArray[np.float64]:
        """Log-likelihood of each object (N,), its noise taken into account, in nats."""
        return objects.log_likelihoods(self._fitted_mixture, self._new_observations(X, Xerr))

    @_on_own_device
    def score(
        self,
        X: Measurements,
        y: None = None,
        *,
        Xerr: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Mean log-likelihood per object, in nats: ``sum omega ln p / sum omega``; rows without values left out.

        X may be all that `fit` takes, a catalogue in parts (BlockSource, StreamedObservations) too: one pass over it.
        """
        refuse_errors_as_labels(X, y)
        observations = self._any_observations(X, Xerr, sample_weight)
        return self._log_likelihood(observations) / float(observations.total_weight)

    def _log_likelihood(self, observations: AnyObservations) -> float:
        """Total log-likelihood of observations, in nats."""
        return prediction.total_log_likelihood(self._fitted_mixture, observations)

    @_on_own_device
    def predict_proba(self, X: Measurements, *, Xerr: ArrayLike | None = None) -> NDArray[np.float64]:
        """Probability that each object belongs to each component (N, K); (N, K + 1) with a background, its own last."""
        return objects.memberships(self._fitted_mixture, self._new_observations(X, Xerr))

    @_on_own_device
    def predict(self, X: Measurements, *, Xerr: ArrayLike | None = None) -> NDArray[np.intp]:
        """Most probable component of each object (N,); K stands for the background."""
        return np.asarray(self.predict_proba(X, Xerr=Xerr).argmax(axis=1))

    @_on_own_device
    def fit_predict(
        self,
        X: Measurements,
        y: None = None,
        *,
        Xerr: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> NDArray[np.intp]:
        """Fit, and the most probable component of each object (N,): ``fit(X, Xerr=...).predict(X, Xerr=...)``."""
        return self.fit(X, y, Xerr=Xerr, sample_weight=sample_weight).predict(X, Xerr=Xerr)

    @_on_own_device
    def denoise(self, X: Measurements, *, Xerr: ArrayLike | None = None) -> Denoised:
        """True values of each object, missing ones imputed: means, covariances, samples, quantiles.

        See `xdgmm.objects.denoise`, and `xdgmm.objects.Denoised` for the result.
        """
        return objects.denoise(self._fitted_mixture, self._new_observations(X, Xerr), progress=self.progress)

    @_on_own_device
    def outlyingness(
        self, X: Measurements, *, Xerr: ArrayLike | None = None, n_samples: int | None = None
    ) -> NDArray[np.float64]:
        """Probability that an object with the same noise is no more likely than this one (N,): small for outliers.

        Exact for one Gaussian; with more components, a background or Student-t components, `n_samples` draws are made
        for each object.  See
        `xdgmm.objects.outlyingness`.
        """
        observations = self._new_observations(X, Xerr)
        return objects.outlyingness(
            self._fitted_mixture, observations, n_samples=n_samples, rng=self._generator(), progress=self.progress
        )

    @_on_own_device
    def outlier_weights(self, X: Measurements, *, Xerr: ArrayLike | None = None) -> NDArray[np.float64]:
        """Weight of each object in a fit of Student-t components (N,): small for outliers, 1 with Gaussian components.

        See `xdgmm.objects.outlier_weights`.
        """
        return objects.outlier_weights(self._fitted_mixture, self._new_observations(X, Xerr))

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn's tools may pass: missing values too."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _more_tags(self) -> dict[str, bool]:
        return {"allow_nan": True}  # the same for scikit-learn 1.5

    def sample(self, n_samples: int = 1) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Draw intrinsic (noise-free) points: values (n_samples, D) and component labels (n_samples,)."""
        return self._fitted_mixture.sample(n_samples, self._generator())

    @_on_own_device
    def aic(self, X: Measurements, *, Xerr: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> float:
        """Akaike's information criterion of these data; the lower the better.

        X may be all that `fit` takes, a catalogue in parts (BlockSource, StreamedObservations) too: one pass over it.
        """
        observations = self._fitted_observations(X, Xerr, sample_weight)
        return float(selection.aic(self._log_likelihood(observations), self._fit_result.n_parameters))

    @_on_own_device
    def bic(self, X: Measurements, *, Xerr: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> float:
        """Bayesian information criterion of these data; the lower the better.

        X may be all that `fit` takes, a catalogue in parts (BlockSource, StreamedObservations) too: one pass over it.
        """
        observations = self._fitted_observations(X, Xerr, sample_weight)
        log_likelihood, n_free = self._log_likelihood(observations), self._fit_result.n_parameters
        return float(selection.bic(log_likelihood, n_free, observations.total_weight))

    @_on_own_device
    def widths(
        self,
        X: Measurements,
        *,
        Xerr: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        method: Literal["information", "sandwich", "profile", "bootstrap", "mcmc"] = "information",
        level: float = 0.6827,
        limit_level: float = 0.95,
        **options: Any,
    ) -> QTable:
        """Intrinsic-width report: a QTable with one row per component and axis, which prints well.

        X, Xerr and sample_weight are the data that were fitted; X may be a catalogue in parts (BlockSource,
        StreamedObservations).  The rest is passed on to `xdgmm.widths.widths`, which explains methods ("information",
        "sandwich", "profile", "bootstrap", "mcmc"), columns and further options.
        """
        observations = self._fitted_observations(X, Xerr, sample_weight)
        options = {"method": method, "level": level, "limit_level": limit_level, **options}
        return widths(self._fit_result, observations, **options)

    @_on_own_device
    def check(
        self,
        X: Measurements,
        *,
        Xerr: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        against: Any = None,
        object_names: Any = None,
        **options: Any,
    ) -> Check:
        """Does the model fit?  Tests of the residuals, with p-values from samples of the model.

        X, Xerr and sample_weight are the data that were fitted; ``check.passed`` is the verdict, ``check.table`` has
        the tests, and ``print(check)`` shows both.  `against` are further columns along which residuals may change:
        names of columns of the table X, a dict of arrays (N,) by their names, or an array; `object_names` a column of X
        with names of the objects, or the names, by default a column that is called name, source_id and the like.
        Further options are those of `xdgmm.diagnostics.check`.  Of a catalogue in parts (BlockSource,
        StreamedObservations) a random sample is checked.
        """
        observations = self._fitted_observations(X, Xerr, sample_weight)
        columns, names = columns_of_table(against, X), names_of_objects(object_names, X)
        options = {"progress": self.progress, "against": columns, "object_names": names, **options}
        return check(self._fit_result, observations, **options)

    @_on_own_device
    def plot(
        self,
        X: Measurements | None = None,
        *,
        Xerr: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        kind: str = "fit",
        columns: str | Sequence[str] | None = None,
        **options: Any,
    ) -> Any:
        """Draw a picture: Axes of matplotlib, or a Figure where there are several panels.

        X, Xerr and sample_weight are the data that were fitted; kinds are "fit", "density", "error_bars", "ellipses",
        "corner", "memberships", "denoising", "relation", "residuals", "quantiles", "pit", "widths", "check", "trace"
        and "candidates" (the last two need no data).  `columns` names those to show.  Further options are those of
        `xdgmm.plotting.plot`, such as ``ax`` and ``figure``, which explains the kinds.
        """
        from xdgmm.plotting import plot

        observations = None if X is None else self._fitted_observations(X, Xerr, sample_weight)
        self._fit_result  # noqa: B018 - refuses what is not fitted
        return plot(self, observations, kind=kind, columns=columns, **options)

    @_on_own_device
    def simulate(
        self,
        X: Measurements,
        *,
        Xerr: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        n: int = 1,
        parameters: Literal["normal", "fixed"] | SampledMixtures = "normal",
        rng: np.random.Generator | int | None = None,
    ) -> list[Any]:
        """Catalogues like X that the model might have given: a list of n, each of the kind of X.

        X, Xerr and sample_weight are the data that were fitted.  Of a table or a data frame each is a copy with other
        values in the columns that were fitted; errors, weights, missing values and all other columns are the same.
        Parameters are drawn from their errors ("normal"), held at the fit ("fixed"), or taken from posterior samples or
        resamples: see `xdgmm.diagnostics.simulate`.  The seed is `random_state` where `rng` is not given.
        """
        observations = self._fitted_observations(X, Xerr, sample_weight)
        check_observations(observations)
        assert isinstance(observations, Observations)
        rng = self._generator() if rng is None else rng
        mixture, model = self._fitted_mixture, self._fit_result.model
        drawn = simulate(mixture, observations, n, rng, parameters=parameters, model=model)
        return simulated_like(X, observations, drawn)

    @_on_own_device
    def relations(
        self,
        X: Measurements,
        *,
        Xerr: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        **options: Any,
    ) -> QTable:
        """Correlations, the linear relation behind two columns, separations: see `xdgmm.widths.relations`."""
        observations = self._fitted_observations(X, Xerr, sample_weight)
        return relations(self._fit_result, observations, **options)

    @_on_own_device
    def sample_posterior(
        self,
        X: Measurements,
        *,
        Xerr: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        **options: Any,
    ) -> PosteriorSamples:
        """Samples of the posterior of all free parameters, with emcee.

        X, Xerr and sample_weight are the data that were fitted; the rest is passed on to
        `xdgmm.uncertainty.sample_posterior`, which explains priors, walkers, convergence and files.  The seed is
        `random_state` where ``rng`` is not given.
        """
        observations = self._fitted_observations(X, Xerr, sample_weight)
        options = {"rng": self._generator(), "progress": self.progress, **options}
        return sample_posterior(self._fit_result, observations, **options)

    refine = sample_posterior  # its other name


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class EstimatorSelection(selection.ModelSelection):
    """What `xdgmm.select` returns: a `ModelSelection` with a fitted estimator.

    Attributes
    ----------
    estimator : XDGMM
        Fitted: the chosen candidate.
    """

    estimator: XDGMM


def select(
    X: Measurements,
    y: None = None,
    *,
    Xerr: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    n_components: int | Iterable[int] = range(1, 11),
    covariance_types: str | Sequence[str] | None = ("full",),
    criterion: Literal["bic", "aic", "aicc", "icl", "cv", "bootstrap"] = "bic",
    n_folds: int = 5,
    n_simulations: int = 99,
    n_jobs: int = 1,
    n_init: int | None = None,
    random_state: int | np.random.Generator | np.random.RandomState | None = None,
    **parameters: Any,
) -> EstimatorSelection:
    """How many components?  Fit several numbers of them, and covariance types, and choose among these candidates.

    Parameters
    ----------
    X, y, Xerr, sample_weight
        As for `XDGMM.fit`: a catalogue in parts (BlockSource, StreamedObservations) too, with an information criterion.
    n_components : int or iterable of int
        The numbers to try.
    covariance_types : str or sequence of str
        The types to try with each number: "full", "tied", "diag", "spherical"; None for "full" alone.
    criterion : {"bic", "aic", "aicc", "icl", "cv", "bootstrap"}
        An information criterion, whose lowest value is chosen; "cv": the simplest candidate whose log-likelihood of
        held-out objects is within one standard error of the highest; "bootstrap": from the smallest number upwards, the
        first that the next larger one does not improve at p <= .05.
    n_folds : int
        Into which the objects are divided for "cv".
    n_simulations : int
        Samples for each p-value of "bootstrap".
    n_jobs : int
        Processes (joblib), -1 for all processors; the result does not depend on it.
    n_init : int, optional
        Random starts of each candidate; by default 3 where there are several, which improve each other.
    random_state : int, Generator, RandomState or None
        Seed of starts, folds and simulations.
    **parameters
        Of `XDGMM`: prior, background, tol, max_iter, progress, ...

    Returns
    -------
    EstimatorSelection
        ``.n_components``, ``.estimator`` (the chosen candidate, a fitted `XDGMM`), ``.table``, ``.decisiveness`` and
        ``.remarks``; it prints itself.

    Raises
    ------
    InputError
        If the data, a candidate or an option cannot be used.
    DegenerateError
        If the likelihood has no maximum for any candidate.

    See Also
    --------
    xdgmm.selection.select : the same for `Observations`, with notes on criteria and fits.

    Examples
    --------
    >>> from xdgmm import datasets, select
    >>> found = select(datasets.load("neutron_stars")["m", "e_m"], n_components=range(1, 4), random_state=0)
    >>> found.n_components, found.estimator.means_.round(2).tolist()
    (2, [[1.35], [1.78]])
    >>> print(found.decisiveness)
    2 components: BIC lower by 8.1 than with 1 (strong)
    """
    refuse_errors_as_labels(X, y)
    if "covariance_type" in parameters:
        raise InputError("`covariance_type` belongs to one model; give `covariance_types`, one or several")
    numbers, types = selection.candidate_numbers(n_components), selection.candidate_types(covariance_types)
    several = len(numbers) * len(types) > 1
    model = XDGMM(numbers[0] if len(numbers) == 1 else 1, random_state=random_state, **parameters)
    model.n_init = (selection.N_INIT if several else model.n_init) if n_init is None else n_init
    with readings_shown(model.progress):
        observations = as_any_observations(X, Xerr, sample_weight)
    seed = model._seed()  # noqa: SLF001 - of this module
    arguments = {
        "n_components": numbers if len(numbers) > 1 else numbers[0],
        "covariance_types": tuple(types),
        "criterion": criterion,
        "n_folds": n_folds,
        "n_simulations": n_simulations,
        "n_init": n_init,
        **parameters,
    }
    arguments = {**_changed(select, arguments), "random_state": seed}
    recipe = call("select", arguments).replace("(", f"({_data_of_call(Xerr, sample_weight)}, ", 1)
    with using_device(model.device):
        chosen = selection.select(
            observations,
            numbers,
            model._settings(observations),  # noqa: SLF001
            as_generator(seed, "random_state"),
            covariance_types=types,
            criterion=criterion,
            n_folds=n_folds,
            n_simulations=n_simulations,
            n_jobs=n_jobs,
        )
    _warn_unless_converged(chosen.result)
    _warn_of_doubts(chosen.result, observations)
    model.set_params(n_components=chosen.n_components, covariance_type=chosen.covariance_type)
    result = with_recipe(chosen.result, recipe)
    results = tuple(result if each is chosen.result else each for each in chosen.results)
    model._keep(result, X, observations)  # noqa: SLF001
    return EstimatorSelection(**{**vars(chosen), "result": result, "results": results}, estimator=model)


def _with_memberships(observations: AnyObservations, membership: ArrayLike) -> Observations:
    if not isinstance(observations, Observations):
        raise InputError("`membership` was given beside a catalogue that is read in parts; name its columns there")
    if observations.memberships is not None:
        raise InputError("`membership` was given beside Observations that hold their own; leave one of the two out")
    return observations.with_memberships(membership)


def _data_of_call(Xerr: Any, sample_weight: Any, membership: Any = None) -> str:
    """The data in a call, by the names of the arguments."""
    given = {"Xerr": Xerr, "sample_weight": sample_weight, "membership": membership}
    return ", ".join(["X", *(f"{name}={name}" for name, value in given.items() if value is not None)])


def _changed(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that are not the default, and on which the result may depend; without the seed."""
    defaults = {name: each.default for name, each in inspect.signature(function).parameters.items()}
    return {
        name: value
        for name, value in arguments.items()
        if name not in ("progress", "random_state", "n_jobs")
        and not (name in defaults and type(value) is type(defaults[name]) and _is_equal(value, defaults[name]))
    }


def _is_equal(value: Any, default: Any) -> bool:
    return bool(value is default or (isinstance(value, (bool, int, float, str, tuple)) and value == default))


def _warn_unless_converged(result: FitResult) -> None:
    if not (result.converged or result.outcome is Outcome.ALL_PASSES):
        warnings.warn(
            f"{result.outcome.value} (at least {result.predicted_gain:.2g} nats are predicted to remain)",
            ConvergenceWarning,
            stacklevel=3,
        )


def _warn_of_doubts(result: FitResult, observations: AnyObservations) -> None:
    for sentence in (*doubts_about_samples(result.mixture, observations), *result.doubts_about_completeness):
        warnings.warn(sentence, XdgmmWarning, stacklevel=3)


def _of_one_object(observations: Observations) -> str:
    """Why one object has no width to fit."""
    if isinstance(observations.noise_model, SampledNoise):
        return (
            "X has only 1 object that counts, and its likelihood, given as posterior samples, is largest without width "
            "at one of the samples; give more objects, or smooth the samples (`smoothing='auto'`)"
        )
    return (
        "X has only 1 sample that counts, and one object without errors has no width to fit; give more, or its error "
        "as Xerr="
    )


def _fit_shrunk(
    observations: AnyObservations, n_components: int, settings: Settings, error: DegenerateError
) -> FitResult:
    """The fit of one Gaussian to exact values without scatter in some direction, shrunk to its diagonal.

    Raises
    ------
    InputError
        If there is only one object.
    DegenerateError
        The error of the fit without shrinkage, where there is no such prior (`shrinkage_prior`).
    """
    prior = shrinkage_prior(observations.sample, n_components, settings.model)
    if observations.n_objects == 1:
        raise InputError(_of_one_object(observations.sample)) from None
    if prior is None:
        raise error
    warnings.warn(
        f"{observations.n_objects} exact values do not scatter in all {observations.n_dimensions} directions, so that "
        "the likelihood has no maximum: the covariance was shrunk to its diagonal by one part in a million; give "
        "errors (Xerr=), or choose a prior or another covariance_type",
        XdgmmWarning,
        stacklevel=3,
    )
    result: FitResult = fit(observations, 1, replace(settings, model=replace(settings.model, prior=prior)))
    return result
