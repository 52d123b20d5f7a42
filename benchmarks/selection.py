"""How many components?  How often the true number is found, whether fits are the best known, and what it costs."""

import numpy as np

from xdgmm import GaussianMixture, Observations
from xdgmm.fitting import fit
from xdgmm.selection import select

from .coverage import percent
from .measuring import race
from .problems import make
from .report import Table

SEED = 1978
SIMULATIONS, OBJECTS, MOST = 100, {1: 150, 2: 150, 5: 300}, 4  # objects by dimensions; numbers of components up to this
APART = 6.0  # least distance of two centres, in widths of a component
LOWER = 0.1  # nats from which on a maximum counts as a lower one
COST_SIZE = 20_000, 2, 5


def measure(*, quick):
    """Tables of the true numbers found, of the maxima and of the cost."""
    yield _found(3 if quick else SIMULATIONS)
    yield _heights(1 if quick else 25)
    yield _cost((500, 2, 2) if quick else COST_SIZE, 3 if quick else 10)


def _found(n_simulations):
    about = (
        f"percent of {n_simulations} simulations in which the true number (2 or 3; centres {APART:g} sigma apart or "
        f"more, errors of 0.2 to 0.8 sigma) is chosen among 1 to {MOST}: by BIC, AIC, ICL, and by 5 folds held out"
    )
    table = Table("Is the true number of components found?", about)
    for D, N in OBJECTS.items():
        right = dict.fromkeys(("bic", "aic", "icl", "cv"), 0)
        for i in range(n_simulations):
            rng = np.random.default_rng([SEED, D, i])
            K = int(rng.integers(2, 4))
            found = select(simulated(K, D, N, rng), range(1, MOST + 1), rng=i, criterion="cv")
            right["cv"] += found.n_components == K
            for name in ("bic", "aic", "icl"):
                right[name] += found.table["n_components"][np.nanargmin(found.table[name])] == K
        table.rows.append({"D": D, "N": N, **{name: percent(n, n_simulations) for name, n in right.items()}})
    return table


def simulated(n_components, n_dimensions, n_objects, rng):
    """Objects of components that are well apart, of widths from 0.7 to 1.4."""
    K, D, N = n_components, n_dimensions, n_objects
    while True:
        centres = rng.uniform(-0.5, 0.5, (K, D)) * (2.0 * APART * K)
        distances = np.linalg.norm(centres[:, None] - centres, axis=2) + 1e300 * np.eye(K)
        if distances.min() >= APART:
            break
    widths = np.exp(rng.uniform(np.log(0.7), np.log(1.4), (K, D)))
    covariances = widths[:, :, None] ** 2 * np.eye(D)
    truth = GaussianMixture(0.2 + (1.0 - 0.2 * K) * rng.dirichlet(np.full(K, 3.0)), centres, covariances)
    errors = np.exp(rng.uniform(np.log(0.2), np.log(0.8), (N, D)))
    values = truth.sample(N, rng)[0] + errors * rng.standard_normal((N, D))
    return Observations.with_standard_errors(values, errors)


def _heights(n_problems):
    """Maxima of all candidates beside those of single default fits, and the latter with another seed."""
    about = (
        f"percent of the fits of 1 to 6 components to {n_problems} problems that end more than {LOWER:g} nats below, "
        "or above, a single fit with default settings (10 starts)"
    )
    table = Table("Are the fits of candidates the best?", about)
    differences = {"candidates of one selection": [], "single fits with another seed": []}
    for i in range(n_problems):
        rng = np.random.default_rng([SEED, i])
        observations = simulated(3, 2, 150, rng)
        reference = np.array([fit(observations, K, rng=i).log_likelihood for K in range(1, 7)])
        others = np.array([fit(observations, K, rng=i + 1000).log_likelihood for K in range(1, 7)])
        chosen = select(observations, range(1, 7), rng=i).table["log_likelihood"]
        differences["candidates of one selection"].append(np.asarray(chosen) - reference)
        differences["single fits with another seed"].append(others - reference)
    for name, each in differences.items():
        all_of_them = np.concatenate(each)
        n = all_of_them.size
        lower, higher = (int((sign * all_of_them > LOWER).sum()) for sign in (-1, 1))
        table.rows.append({"fits": name, "lower": percent(lower, n), "higher": percent(higher, n)})
    return table


def _cost(size, most):
    """Seconds of a whole table beside those of one default fit of the largest number."""
    about = f"seconds; the table has all numbers from 1 to {most}, the single fit {most} components; shortest of three"
    table = Table(f"The cost of a table, {size[0]} objects in {size[1]} dimensions", about)
    for variant in ("mild", "noisy"):
        problem = make(*size, variant)
        observations = Observations.with_covariances(problem.values, problem.noise)
        seconds = race(
            {
                "table": lambda observations=observations: select(observations, range(1, most + 1), rng=0),
                "single fit": lambda observations=observations: fit(observations, most, rng=0),
            },
            repetitions=3,
        )
        chosen = select(observations, range(1, most + 1), rng=0).results[-1].log_likelihood
        single = fit(observations, most, rng=0).log_likelihood
        ratio = seconds["table"] / seconds["single fit"]
        table.rows.append({"errors": variant, **seconds, "ratio": ratio, "lnL above the single fit": chosen - single})
    return table
