"""How often does a default fit end in a lower maximum?  Random problems, each also fitted from the truth.

The maximum that is reached from the truth need not be the highest, but a fit that ends below it has missed one.
"""

import time
from typing import NamedTuple

import numpy as np

from xdgmm import GaussianMixture, Observations, get_num_threads, set_num_threads
from xdgmm.fitting import Settings, fit

from .coverage import percent
from .problems import VARIANTS, make
from .report import Table

SEED = 4711  # of the published figures; use another one while you change the search
PROBLEMS = 400
OBJECTS, DIMENSIONS, COMPONENTS = (1_000, 5_000, 20_000, 100_000), (1, 2, 3), range(3, 11)
LOWER = 0.1  # nats below the end of the run from the truth, from which on a maximum counts as a lower one


class Case(NamedTuple):
    """One random problem."""

    n_objects: int
    n_dimensions: int
    n_components: int
    variant: str
    seed: int


class Ends(NamedTuple):
    """Log-likelihoods and CPU seconds of a default fit and of a run from the truth."""

    default: float
    truth: float
    default_seconds: float
    truth_seconds: float

    @property
    def below(self):
        """Nats by which the default fit ends below the run from the truth."""
        return self.truth - self.default


def measure(*, quick):
    """One table, by the number of objects, on one thread."""
    before = get_num_threads()
    set_num_threads(1)
    try:
        sizes = (500,) if quick else OBJECTS
        yield table_of([(case, ends_of(case)) for case in cases(4 if quick else PROBLEMS, SEED, sizes)])
    finally:
        set_num_threads(before)


def cases(n_problems, seed, sizes=OBJECTS):
    """Random problems: as many of each number of objects, the others drawn."""
    rng = np.random.default_rng(seed)
    for i in range(n_problems):
        D, K = int(rng.choice(DIMENSIONS)), int(rng.choice(COMPONENTS))
        yield Case(sizes[i % len(sizes)], D, K, str(rng.choice(list(VARIANTS))), int(rng.integers(2**31)))


def ends_of(case):
    """Where the default fit and the run from the truth end."""
    problem = make(*case)
    observations = Observations.with_covariances(problem.values, problem.noise)
    seconds, default = _cpu(lambda: fit(observations, case.n_components, rng=0))
    at_truth = Settings(start=GaussianMixture(*problem.truth))
    truth_seconds, truth = _cpu(lambda: fit(observations, case.n_components, at_truth))
    return Ends(default.log_likelihood, truth.log_likelihood, seconds, truth_seconds)


def _cpu(function):
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def table_of(found):
    """The table of cases and their ends."""
    table = Table(
        "Lower maxima of default fits",
        f"percent of random problems ({DIMENSIONS[0]} to {DIMENSIONS[-1]} dimensions, {COMPONENTS[0]} to "
        f"{COMPONENTS[-1]} components, mild and noisy) in which a default fit ends more than {LOWER:g} nats below, or "
        "above, a run from the truth; worst: nats below; CPU seconds, mean",
    )
    groups = {"all": found}
    for size in sorted({case.n_objects for case, _ in found}):
        groups[str(size)] = [(case, ends) for case, ends in found if case.n_objects == size]
    for name, members in groups.items():
        below = np.array([ends.below for _, ends in members])
        table.rows.append(
            {
                "objects": name,
                "problems": below.size,
                "lower": percent(int((below > LOWER).sum()), below.size),
                "higher": percent(int((below < -LOWER).sum()), below.size),
                "worst": float(below.max()),
                "default s": float(np.mean([ends.default_seconds for _, ends in members])),
                "truth s": float(np.mean([ends.truth_seconds for _, ends in members])),
            }
        )
    return table
