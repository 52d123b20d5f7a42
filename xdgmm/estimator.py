"""`XDGMM`: the face in scikit-learn's style.  No mathematics here."""

import warnings
from dataclasses import replace

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.exceptions import NotFittedError as SklearnNotFittedError

from xdgmm import objects, selection
from xdgmm.basics.installation import warn_of_foreign_files
from xdgmm.basics.parameters import as_generator
from xdgmm.errors import ConvergenceWarning, DegenerateError, InputError, NotFittedError, XdgmmWarning
from xdgmm.fitting import (
    COVARIANCE_TYPES,
    STARTS,
    Fixed,
    Model,
    Outcome,
    Settings,
    StoppingRule,
    fit,
    label_start,
    shrinkage_prior,
    start_from,
)
from xdgmm.mixture import GaussianMixture
from xdgmm.observations.accepting import as_observations, column_names, holds_errors, refuse_errors_as_labels
from xdgmm.widths import relations, widths

warn_of_foreign_files()

MISSING_ERRORS = (
    "the model was fitted to data with errors, so give those of X too: Xerr=..., or Xerr=0 if X is exact "
    "(scikit-learn's tools pass it on after sklearn.set_config(enable_metadata_routing=True))"
)
WITH_ERRORS, WITH_ALL = {"Xerr": True}, {"Xerr": True, "sample_weight": True}  # what scikit-learn's tools pass on


class NoFitError(NotFittedError, SklearnNotFittedError):
    """The same for those who catch scikit-learn's."""


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
        The fit has converged when less than this is predicted still to gain, in total nats of log-likelihood; 0 makes
        exactly `max_iter` passes.
    max_iter : int
        Passes over the data allowed from one start.
    init : {"kmeans++", "random"}, GaussianMixture or array of int (N,)
        Where to start: random starts of a kind, of which the best go on and are improved by split and merge; a mixture;
        or a label 0 .. K - 1 for each row.
    n_init : int
        How many random starts are compared (K > 1).
    weights_init, means_init, covariances_init : arrays (K,), (K, D), (K, D, D), optional
        Start here instead, in the units of the data; what is not given is taken from the objects nearest each mean.
        `covariances_init` may also have the shape of the covariance type.  With a background the weights sum to 1 with
        its fraction, or to 1 by themselves where none is fixed.
    prior : Prior, optional
        Priors on weights, means and covariances: the fit is then the maximum of the posterior.
    fixed : Fixed, optional
        Weights, means and covariances of components that keep their starting values.
    background : Background, optional
        A uniform component beside the Gaussians, over the box of the data or a stated one; its fraction is fitted.
    warm_start : bool
        Whether a second `fit` starts where the first ended.
    progress : {"auto", "always", "never"}
        Whether a progress bar is shown; "auto": on a terminal, where the fit takes more than a second.
    callback : callable, optional
        Told of every pass (`xdgmm.fitting.Progress`); ends the fit by returning a true value.
    random_state : int, Generator or None
        Seed of the starts and of `sample`.

    Attributes
    ----------
    mixture_ : GaussianMixture
        The fitted mixture, with names and units.
    weights_, means_, covariances_ : ndarray (K,), (K, D), (K, D, D)
        Its parameters: heaviest component first, unless a start was given.  Covariances have scikit-learn's shape: tied
        (D, D), diag (K, D), spherical (K,); those of ``mixture_`` are always (K, D, D).
    background_fraction_ : float
        Fraction of the objects in the background; 0 without one.
    result_ : FitResult
        How the maximum was reached, and how sure that is.
    converged_ : bool
    n_iter_ : int
        Passes over the data.
    lower_bound_ : float
        Mean log-likelihood per object, in nats (a prior is no part of it).
    n_features_in_ : int
        Number of coordinates D.
    feature_names_in_ : ndarray of str (D,)
        Their names, where X had some: Observations, tables, data frames.  What is judged later must have the same.

    Notes
    -----
    Model and likelihood: Bovy, Hogg & Roweis 2011, Ann. Appl. Stat. 5, 1657.  Missing values are NaN or masked.

    In scikit-learn's tools Xerr and sample_weight go to `fit`, `score` and the other methods by themselves once
    ``sklearn.set_config(enable_metadata_routing=True)`` is said: ``cross_val_score(model, X, params={"Xerr": e})``.
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

    __metadata_request__fit = WITH_ALL
    __metadata_request__score = WITH_ALL
    __metadata_request__predict = WITH_ERRORS
    __metadata_request__predict_proba = WITH_ERRORS

    def __init__(
        self,
        n_components=1,
        *,
        covariance_type="full",
        solver="auto",
        tol=1e-8,
        max_iter=2000,
        init="kmeans++",
        n_init=10,
        weights_init=None,
        means_init=None,
        covariances_init=None,
        prior=None,
        fixed=None,
        background=None,
        warm_start=False,
        progress="auto",
        callback=None,
        random_state=None,
    ):
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
        self.warm_start = warm_start
        self.progress = progress
        self.callback = callback
        self.random_state = random_state

    def fit(self, X, y=None, *, Xerr=None, sample_weight=None):
        """Fit the intrinsic mixture.

        Parameters
        ----------
        X : Observations, Table, data frame, Quantity or array (N,) or (N, D)
            What was measured.  Of a table, every column for which an error column is found; a data frame is an array
            with names (`Observations.from_table` finds error columns).
        y : None
            Ignored, for scikit-learn.
        Xerr : array or Quantity, optional
            1-sigma errors (N, D), one number for all, or noise covariances (N, D, D).  Never variances (N, D).
            Without it, arrays are taken as exact.
        sample_weight : array (N,), optional
            Frequency weights.

        Returns
        -------
        XDGMM

        Raises
        ------
        InputError
            If the data or a parameter of the model cannot be used; the message says what to do.  It is a TypeError too
            if errors were passed by position, as `y`.
        DegenerateError
            If the likelihood has no maximum.
        """
        refuse_errors_as_labels(X, y)
        observations = as_observations(X, Xerr, sample_weight)
        fixed = Fixed() if self.fixed is None else self.fixed
        model = Model(self.covariance_type, fixed, self.prior, self.background)
        settings = Settings(
            model=model,
            solver=self.solver,
            stopping=StoppingRule(self.tol, self.max_iter),
            n_init=self.n_init,
            start=self._start(observations, model),
            init=self.init if isinstance(self.init, str) else "kmeans++",
            progress=self.progress,
            callback=self.callback,
        )
        result = self._fit(observations, settings)
        if not (result.converged or result.outcome is Outcome.ALL_PASSES):
            warnings.warn(
                f"{result.outcome.value} (at least {result.predicted_gain:.2g} nats are predicted to remain)",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.result_ = result
        self.mixture_ = result.mixture
        self.n_features_in_ = observations.n_dimensions
        self._remember_names(column_names(X, observations))
        self.fitted_with_errors_ = bool(observations.variances[observations.counts].any())
        return self

    def _fit(self, observations, settings):
        try:
            return fit(observations, self.n_components, settings, self._rng())
        except DegenerateError:
            prior = shrinkage_prior(observations, self.n_components, settings.model)
            if observations.n_objects == 1:
                raise InputError(
                    "X has only 1 sample that counts, and one object without errors has no width to fit; give more, or "
                    "its error as Xerr="
                ) from None
            if prior is None:
                raise
        warnings.warn(
            f"{observations.n_objects} exact values do not scatter in all {observations.n_dimensions} directions, so "
            "that the likelihood has no maximum: the covariance was shrunk to its diagonal by one part in a million; "
            "give errors (Xerr=), or choose a prior or another covariance_type",
            XdgmmWarning,
            stacklevel=3,
        )
        return fit(observations, 1, replace(settings, model=replace(settings.model, prior=prior)))

    def _remember_names(self, names):
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _rng(self):
        if isinstance(self.random_state, np.random.RandomState):
            return np.random.default_rng(self.random_state.randint(2**31))
        return as_generator(self.random_state, "random_state")

    def _start(self, observations, model):
        given = self.weights_init, self.means_init, self.covariances_init
        if self.warm_start and hasattr(self, "mixture_"):
            return self.mixture_
        if not isinstance(self.init, str) and any(part is not None for part in given):
            raise InputError("give either `init` or `weights_init`, `means_init` and `covariances_init`, not both")
        if isinstance(self.init, GaussianMixture):
            return self.init
        if not isinstance(self.init, str):
            return label_start(observations, self.init)
        if self.init not in STARTS:
            raise InputError(
                f"`init` is {self.init!r}, but it must be one of {', '.join(STARTS)}, a GaussianMixture, or labels"
            )
        if all(part is None for part in given):
            return None
        return start_from(observations, self.n_components, *given, model)

    @property
    def _fitted(self):
        if not hasattr(self, "mixture_"):
            raise NoFitError("this XDGMM is not fitted yet; call fit(X, Xerr=...) first")
        return self.mixture_

    @property
    def weights_(self):
        """Mixing proportions (K,): with a background they sum to 1 with its fraction."""
        return self._fitted.weights

    @property
    def background_fraction_(self):
        """Fraction of the objects that belong to the background: 0 without one."""
        background = self._fitted.background
        return 0.0 if background is None else background.fraction

    @property
    def means_(self):
        """Intrinsic means (K, D), in the units of the data."""
        return self._fitted.means

    @property
    def covariances_(self):
        """Intrinsic covariances in scikit-learn's shape, in the units of the data squared."""
        covariances = self._fitted.covariances
        return COVARIANCE_TYPES[self.result_.model.covariance_type].compact(covariances)

    @property
    def converged_(self):
        """Was a maximum reached?"""
        return self._fitted is not None and self.result_.converged

    @property
    def n_iter_(self):
        """Passes over the data from the winning start."""
        return self.result_.n_passes if self._fitted is not None else 0

    @property
    def lower_bound_(self):
        """Mean log-likelihood per object of the data fitted, in nats."""
        return self.result_.log_likelihood / self.result_.total_weight if self._fitted is not None else np.nan

    def _measured(self, X, Xerr, sample_weight=None):
        """Observations to be judged by the fitted model; bare arrays need errors if the fit had some."""
        fitted = self._fitted.n_dimensions
        if Xerr is None and self.fitted_with_errors_ and not holds_errors(X):
            raise InputError(MISSING_ERRORS)
        observations = as_observations(X, Xerr, sample_weight)
        if observations.n_dimensions != fitted:
            raise InputError(
                f"X has {observations.n_dimensions} features, but XDGMM is expecting {fitted} features as input, as in "
                "fit; if X is a single object, Reshape your data to one row"
            )
        self._check_names(column_names(X, observations))
        return observations

    def _check_names(self, names):
        fitted = getattr(self, "feature_names_in_", None)
        if names is not None and fitted is not None and tuple(fitted) != tuple(names):
            raise InputError(
                "The feature names should match those that were passed during fit: X has the columns "
                f"{', '.join(names)}, but the model was fitted to {', '.join(fitted)}; give these, in this order"
            )

    def score_samples(self, X, *, Xerr=None):
        """Log-likelihood of each object (N,), its noise taken into account, in nats."""
        return objects.log_likelihoods(self._fitted, self._measured(X, Xerr))

    def score(self, X, y=None, *, Xerr=None, sample_weight=None):
        """Mean log-likelihood per object, in nats: ``sum omega ln p / sum omega``; rows without values left out."""
        refuse_errors_as_labels(X, y)
        observations = self._measured(X, Xerr, sample_weight)
        return self._log_likelihood(observations) / observations.total_weight

    def _log_likelihood(self, observations):
        return float(observations.object_weights @ objects.log_likelihoods(self._fitted, observations))

    def predict_proba(self, X, *, Xerr=None):
        """Probability that each object belongs to each component (N, K); (N, K + 1) with a background, its own last."""
        return objects.memberships(self._fitted, self._measured(X, Xerr))

    def predict(self, X, *, Xerr=None):
        """Most probable component of each object (N,); K stands for the background."""
        return self.predict_proba(X, Xerr=Xerr).argmax(axis=1)

    def denoise(self, X, *, Xerr=None):
        """True values of each object, missing ones imputed: means, covariances, samples, quantiles.

        See `xdgmm.objects.denoise`, and `xdgmm.objects.Denoised` for what comes back.
        """
        return objects.denoise(self._fitted, self._measured(X, Xerr), progress=self.progress)

    def outlyingness(self, X, *, Xerr=None, n_samples=None):
        """Probability that an object with the same noise is no more likely than this one (N,): small for outliers.

        Exact for one component; with more, or a background, `n_samples` draws are made for each object.  See
        `xdgmm.objects.outlyingness`.
        """
        options = {"n_samples": n_samples, "rng": self._rng(), "progress": self.progress}
        return objects.outlyingness(self._fitted, self._measured(X, Xerr), **options)

    def __sklearn_tags__(self):
        """What scikit-learn's tools may pass: missing values too."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _more_tags(self):
        return {"allow_nan": True}  # the same for scikit-learn 1.5

    def sample(self, n_samples=1):
        """Draw intrinsic (noise-free) points: values (n_samples, D) and component labels (n_samples,)."""
        return self._fitted.sample(n_samples, self._rng())

    def aic(self, X, *, Xerr=None, sample_weight=None):
        """Akaike's information criterion of these data; the lower the better."""
        log_likelihood = self._log_likelihood(self._measured(X, Xerr, sample_weight))
        return selection.aic(log_likelihood, self.result_.n_parameters)

    def bic(self, X, *, Xerr=None, sample_weight=None):
        """Bayesian information criterion of these data; the lower the better."""
        observations = self._measured(X, Xerr, sample_weight)
        return selection.bic(self._log_likelihood(observations), self.result_.n_parameters, observations.total_weight)

    def widths(
        self, X, *, Xerr=None, sample_weight=None, method="information", level=0.6827, limit_level=0.95, **options
    ):
        """Intrinsic-width report: a QTable with one row per component and axis, which prints well.

        X, Xerr and sample_weight are the data that were fitted; the rest is passed on to `xdgmm.widths.widths`, which
        explains methods ("information", "sandwich", "profile", "bootstrap", "mcmc"), columns and further options.
        """
        observations = self._measured(X, Xerr, sample_weight)
        options = {"method": method, "level": level, "limit_level": limit_level, **options}
        report = widths(self.result_, observations, **options)
        report.meta["log_likelihood"] = self.result_.log_likelihood
        if self.result_.log_priors:
            report.meta["log_priors"] = dict(self.result_.log_priors)
        report.meta["outcome"] = self.result_.outcome.value
        return report

    def relations(self, X, *, Xerr=None, sample_weight=None, **options):
        """Correlations, the linear relation behind two columns, separations: see `xdgmm.widths.relations`."""
        observations = self._measured(X, Xerr, sample_weight)
        return relations(self.result_, observations, **options)
