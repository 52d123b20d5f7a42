"""Is the width of a line right beside a continuum?  Simulated events with errors of their own, three backgrounds."""

import numpy as np

from xdgmm import Background, Observations
from xdgmm.fitting import Model, Settings, fit
from xdgmm.uncertainty import laplace

from .coverage import LEVELS, percent
from .report import Table

SIGMA, ERRORS, FRACTION = 0.03, (0.03, 0.06), 0.5
CELLS = [(2000, 0.4), (1000, 0.4), (2000, 0.3), (400, 1.0)]  # events, half the box
SAMPLES = 200
SEED = 30


def measure(*, quick):
    """A row for each number of events and width of the box, and each background."""
    tries = 3 if quick else SAMPLES
    yield Table(
        f"A line of sigma {SIGMA:g} on a continuum, {tries} samples each",
        f"half of the N events are the continuum, uniform in its box; errors from {ERRORS[0]:g} to {ERRORS[1]:g}; mean "
        "of the fitted sigmas; mean and root mean square of (sigma - truth) / error; percent of the intervals of the "
        "curvature that hold the true sigma (s) and the true fraction of the continuum (f); measured: a background of "
        "measured values",
        [row for N, half in (CELLS[:1] if quick else CELLS) for row in _rows(N, half, tries)],
        markdown=True,
    )


def _rows(n_events, half, tries):
    """One row for each background, all of the same samples."""
    backgrounds = {
        "measured": Background(fraction=0.3, of="measured values"),
        "stated": Background(-half, half, fraction=0.3),
        "fitted": Background(fraction=0.3),
    }
    samples = [
        _sample(np.random.default_rng([SEED, n_events, round(100 * half), i]), n_events, half) for i in range(tries)
    ]
    for name, background in backgrounds.items():
        settings = Settings(model=Model(background=background))
        yield {
            "N": n_events,
            "box": 2 * half,
            "edges": name,
            **_summary([_found(each, settings) for each in samples]),
        }


def _sample(rng, n_events, half):
    """Observations of one sample."""
    continuum = rng.random(n_events) < FRACTION
    true = np.where(continuum, rng.uniform(-half, half, n_events), SIGMA * rng.standard_normal(n_events))
    errors = rng.uniform(*ERRORS, n_events)
    return Observations.with_standard_errors(true + errors * rng.standard_normal(n_events), errors)


def _found(observations, settings):
    """Sigma, its pull, and which intervals hold the truth."""
    uncertainty = laplace(fit(observations, 1, settings).mixture, observations)
    sigma = uncertainty.propagate(_sigma)
    found = {"sigma": sigma.value, "pull": (sigma.value - SIGMA) / (sigma.high - sigma.value)}
    for label, level in LEVELS.items():
        for name, function, truth in (("s", _sigma, SIGMA), ("f", _fraction, FRACTION)):
            estimate = uncertainty.propagate(function, level)
            found[f"{name} {label}"] = not abs(truth - estimate.value) > estimate.high - estimate.value
    return found


def _sigma(mixture):
    return mixture.sigmas[0, 0]


def _fraction(mixture):
    return mixture.background.fraction


def _summary(found):
    pulls = np.array([each["pull"] for each in found])
    covered = sorted(name for name in found[0] if name not in ("sigma", "pull"))
    return {
        "sigma": f"{np.mean([each['sigma'] for each in found]):.4f}",
        "pull": f"{pulls.mean():.2f}±{1 / np.sqrt(pulls.size):.2f}",
        "rms": f"{np.sqrt((pulls**2).mean()):.2f}",
        **{name: percent(sum(each[name] for each in found), pulls.size) for name in covered},
    }
