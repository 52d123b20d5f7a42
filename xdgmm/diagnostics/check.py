"""`check`: does the model fit?  Tests of the residuals whose p-values come from samples of the fitted model itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.parameters import as_generator, check_jobs
from xdgmm.basics.progress import check_progress, progress_bar
from xdgmm.errors import InputError
from xdgmm.kernels import on_same_device
from xdgmm.mixture import refuse_selection
from xdgmm.observations import ObservationSource, StreamedObservations
from xdgmm.uncertainty.information import warn_unless_maximum

from .influence import Deletions, influence_table_of
from .inputs import check_observations, further_columns, in_rows, mixture_and_model
from .random_sample import RandomSample, refuse_columns
from .remedies import try_remedies
from .samples import Samples, Statistics
from .unusual import unusual_objects
from .verdict import Check, verdict_on

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from astropy.table import QTable
    from numpy.typing import ArrayLike

    from xdgmm.fitting import Model
    from xdgmm.observations.inputs import Catalogue

FEWEST_SIMULATIONS = 19
SEED = 0
LISTED = 10  # objects that move a width most


def check(
    fitted: Any,
    observations: Catalogue,
    *,
    model: Model | None = None,
    against: Mapping[str, ArrayLike] | None = None,
    object_names: Sequence[Any] | None = None,
    n_simulations: int = 199,
    rng: np.random.Generator | int | None = None,
    n_jobs: int = 1,
    progress: str = "auto",
) -> Check:
    """Test whether a fit describes its observations.

    Parameters
    ----------
    fitted : XDGMM, FitResult or GaussianMixture
        The maximum for these observations.
    observations : Observations, StreamedObservations or a source of them
    model : Model, optional
        Of a bare mixture: what was fitted.
    against : mapping of str to array (N,), optional
        Further columns by their names, such as a magnitude: do residuals, or their squares, change along them?
    object_names : sequence (N,), optional
        Names of the objects, for the lists of single objects.
    n_simulations : int
        Samples of the model that are drawn and fitted, at least 19.
    rng : numpy Generator, int or None
        Source of the samples; None is a fixed seed.
    n_jobs : int
        Processes (joblib); -1 for all processors.
    progress : {"auto", "always", "never"}
        Whether a progress bar is shown.

    Returns
    -------
    Check

    Raises
    ------
    InputError
        If there are fewer than 20 values, or a number or a column is not possible: `against` and `object_names`, which
        are columns of all rows, cannot be given with a catalogue that is read in parts.
    KindError
        If `fitted` or `observations` is something else.

    Warns
    -----
    XdgmmWarning
        If the mixture is not the maximum for these observations: the samples are compared after a fit to each.

    Notes
    -----
    The tests are those of `quick_checks`, and two of the distribution of all `residuals`: the largest distance of
    Kolmogorov and Smirnov, and the statistic of Anderson and Darling (1952, Ann. Math. Stat. 23, 193).  Since the
    parameters were fitted, textbook p-values of these would be too large: samples of the fitted model, with the noise,
    gaps and weights of the observations, are fitted and measured in the same way (parametric bootstrap; Stute,
    Gonzales Manteiga & Presedo Quindimil 1993, Metrika 40, 243).  The p-value of the whole is that of the test that is
    farthest out, so that 5% of right models do not pass.  Of more than 20,000 objects so many, evenly over the
    rows, are fitted again and tested.

    Of a catalogue that is read in parts a random sample of at most 20,000 objects is checked as if it were all there
    is, after a fit that starts at the mixture: `Check.sampled_from` and the verdict say so.  Rows are those of the
    catalogue.

    Examples
    --------
    >>> from xdgmm import Observations, datasets
    >>> from xdgmm.diagnostics import check
    >>> from xdgmm.fitting import fit
    >>> stars = Observations.from_table(datasets.load("hydrus1"), "v")
    >>> check(fit(stars), stars, n_simulations=39).passed
    True
    """
    _check_count(n_simulations)
    check_jobs(n_jobs)
    check_progress(progress)
    if isinstance(observations, (StreamedObservations, ObservationSource)):
        refuse_columns(against=against, object_names=object_names)
        sample = RandomSample.of(fitted, observations, model)
        options: dict[str, Any] = {"n_simulations": n_simulations, "rng": rng, "n_jobs": n_jobs, "progress": progress}
        return sample.described(check(sample.mixture, sample.observations, model=sample.model, **options))
    check_observations(observations)
    mixture, model = mixture_and_model(fitted, model)
    refuse_selection(mixture, "a check")
    columns = further_columns(against, observations)
    object_names = in_rows(object_names, len(observations))
    samples = Samples(mixture, observations, model, columns)
    observed = samples.of_observations()
    seeds = [int(seed) for seed in as_generator(SEED if rng is None else rng).integers(2**63, size=n_simulations)]
    with progress_bar(progress, "samples", n_simulations) as bar:
        drawn = []
        for each in _each(samples, seeds, n_jobs):
            drawn.append(each)
            if bar is not None:
                bar.update()
    simulated = [each for each in drawn if each is not None]
    if len(simulated) < FEWEST_SIMULATIONS:
        raise InputError(
            "the likelihood has no maximum in most samples of the model, since a component collapses there; fit fewer "
            "components, or give a prior on the covariances"
        )
    found = verdict_on(observed, simulated, samples.probabilities)
    deletions = Deletions.of(mixture, observations, model)
    unusual = unusual_objects(mixture, observations, names=object_names, left_out=deletions.refits)
    influential = influence_table_of(deletions, LISTED, object_names)
    warn_unless_maximum(deletions.parameters, samples.model)
    remedies = None if found.passed else _remedies(samples, observed, found)
    n = observations.n_objects
    return replace(found, unusual=unusual, influence=influential, remedies=remedies, n_objects=n)


def _remedies(samples: Samples, observed: Statistics, found: Check) -> QTable:
    """What the failed tests suggest, fitted."""
    failed = set(found.failed["name"])
    wrong = [each for each in observed.measures if each.name in failed]
    shape = bool(failed & set(observed.distances))
    return try_remedies(
        samples.mixture, samples.observations, samples.model, wrong, shape=shape, against=samples.against
    )


def _check_count(n_simulations: int) -> None:
    if isinstance(n_simulations, bool) or not isinstance(n_simulations, (int, np.integer)):
        raise InputError(f"`n_simulations` is {n_simulations!r}, but it must be a whole number")
    if n_simulations < FEWEST_SIMULATIONS:
        raise InputError(f"`n_simulations` is {n_simulations}, but at least {FEWEST_SIMULATIONS} are needed")


def _each(samples: Samples, seeds: list[int], n_jobs: int) -> Iterable[Statistics | None]:
    if n_jobs == 1:
        return map(samples.of_sample, seeds)
    from joblib import Parallel, delayed

    of_sample = delayed(on_same_device(samples.of_sample))
    results: Iterable[Statistics | None] = Parallel(n_jobs=n_jobs, return_as="generator")(of_sample(s) for s in seeds)
    return results
