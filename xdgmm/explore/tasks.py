"""What the process of a page computes: functions that report what they have reached, for `Worker.start`."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from xdgmm.fitting import Problem, Settings, StoppingRule, fit
from xdgmm.fitting.progress import ALL_OBJECTS

if TYPE_CHECKING:
    from xdgmm.fitting import FitResult, Progress
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    from .worker import Reporter

INTERVAL = 0.02  # seconds between two reports; iterations in between are not shown
FIRST = 12  # passes that are reported however fast they are: most changes there
MOST_PASSES = 6  # of one iteration, the first of which is that of the mixture it starts from


@dataclass(frozen=True, eq=False)
class Iteration:
    """What a fit has reached.

    Attributes
    ----------
    number : int
        Passes over all objects so far; those over samples are not counted.
    phase : str
        As in `xdgmm.fitting.Progress`: "starts", "sample" or "all objects".
    n_objects : int
        Objects that this pass went over.
    mean_log_likelihood : float
        Nats per object.
    predicted_gain : float
        Further gain in nats, as last predicted; infinite before.
    mixture : GaussianMixture
        In the units of the data.
    """

    number: int
    phase: str
    n_objects: int
    mean_log_likelihood: float
    predicted_gain: float
    mixture: GaussianMixture


def run(
    report: Reporter,
    observations: Observations,
    n_components: int,
    settings: Settings,
    seed: int = 0,
    pace: float = 0.0,
) -> FitResult:
    """Fit until the maximum, and report `Iteration`s.

    Parameters
    ----------
    report : Reporter
    observations : Observations
    n_components : int
    settings : Settings
        Without a callback.
    seed : int
        Of random starts.
    pace : float
        Seconds after each pass, for the eyes; then every pass is reported.
    """
    problem = Problem(observations, n_components, settings.model)
    last, n_all = -float("inf"), 0

    def callback(progress: Progress) -> None:
        nonlocal last, n_all
        report.check()
        n_all += progress.phase == ALL_OBJECTS
        now = time.monotonic()
        if pace <= 0 and progress.passes > FIRST and now - last < INTERVAL:
            return
        last = now
        report(
            Iteration(
                n_all,
                progress.phase,
                progress.n_objects,
                progress.mean_log_likelihood,
                progress.predicted_gain,
                problem.original(progress.mixture),
            )
        )
        if pace > 0:
            report.wait(pace)

    return fit(observations, n_components, replace(settings, callback=callback), seed)


def step(_report: Reporter, observations: Observations, mixture: GaussianMixture, settings: Settings) -> FitResult:
    """One iteration of a solver ("em" or "implicit") from a mixture in the units of the data.

    An implicit step that is too long is shortened, which takes a pass for each trial.
    """
    for passes in range(2, 3 if settings.solver == "em" else MOST_PASSES + 1):
        one = replace(settings, start=mixture, stopping=StoppingRule(tolerance=0.0, max_passes=passes))
        result = fit(observations, mixture.n_components, one)
        if result.history.max() > result.history[0]:
            break
    return result


def candidates(
    report: Reporter,
    observations: Observations,
    n_components: list[int],
    settings: Settings,
    seed: int = 0,
    options: dict[str, Any] | None = None,
) -> Any:
    """The table of information criteria over numbers of components; see `xdgmm.selection.select`."""
    from xdgmm.selection import select

    def callback(_: Progress) -> None:
        report.check()

    return select(observations, n_components, replace(settings, callback=callback), seed, **(options or {}))
