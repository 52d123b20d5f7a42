"""One pass over the data: how long per object and component, on how many threads, with how much memory."""

from dataclasses import replace
from functools import partial

import numpy as np

import xdgmm
from xdgmm import Background, Flat, GaussianMixture, Observations, SelectionFunction, kernels, objects
from xdgmm.fitting import Model, Problem, Settings, StoppingRule, fit, objective
from xdgmm.mixture import pack_beside

from .measuring import calibration, in_a_new_process, peak_memory, race
from .problems import make
from .report import Table

PROBLEMS = [
    (100_000, 1, 3),
    (100_000, 2, 5),
    (100_000, 2, 30),
    (100_000, 3, 10),
    (100_000, 6, 10),
    (1_000_000, 2, 5),
    (50_000, 10, 5),
    (10_000, 20, 5),
]
DIMENSIONS = [1, 2, 3, 4, 6, 8, 10, 12, 16, 20]
MANY_DIMENSIONS = [(8, "mild"), (10, "mild"), (12, "mild"), (16, "mild"), (20, "mild"), (20, "spectrum"), (30, "mild")]
MANY_COMPONENTS = [(2, 30), (2, 64), (2, 128), (2, 256), (2, 512), (3, 128)]  # D, K
PROJECTED = [(3, 1), (4, 2), (6, 3), (6, 6), (12, 2)]  # D coordinates, M values
WORK = 2e7  # nanoseconds or so of each pass of the tables by form of noise
SAMPLED = 128  # importance samples for each object
MIXTURES = 100  # evaluated at once
DRAWN, DRAWS = 20, 20  # one of so many objects is compared with so many draws
MEMORY = [(1_000_000, 1, 3), (1_000_000, 2, 5), (1_000_000, 6, 10)]
START = """
import time
import numpy as np
values, errors = np.array([1.0, 2.0, 3.0, 4.0, 9.0, 9.3, 9.5, 8.0]), np.full(8, 0.2)
t0 = time.perf_counter()
import xdgmm
t1 = time.perf_counter()
import xdgmm.estimator, xdgmm.fitting, sklearn.cluster
t2 = time.perf_counter()
xdgmm.XDGMM(2, random_state=0).fit(values, Xerr=errors)
print(t1 - t0, t2 - t1, time.perf_counter() - t2)
"""


def measure(*, quick):
    """Tables of everything there is to say about passes."""
    problems = PROBLEMS[:2] if quick else PROBLEMS
    yield by_problem(problems)
    yield by_noise(DIMENSIONS[:2] if quick else DIMENSIONS)
    yield by_dimension([(3, "mild")] if quick else MANY_DIMENSIONS)  # whose kernels are compiled sooner
    yield by_components(MANY_COMPONENTS[:1] if quick else MANY_COMPONENTS)
    yield by_projection(PROJECTED[:1] if quick else PROJECTED)
    yield by_parts(DIMENSIONS[1:2] if quick else DIMENSIONS[1:5])
    yield by_family(DIMENSIONS[:2] if quick else DIMENSIONS[:5])
    yield by_limits(DIMENSIONS[:2] if quick else DIMENSIONS[:5])
    yield by_rows(DIMENSIONS[:2] if quick else DIMENSIONS[:5])
    yield by_selection(DIMENSIONS[:2] if quick else DIMENSIONS[:5])
    yield by_question(20_000 if quick else 1_000_000)
    yield memory([(20_000, 2, 3)] if quick else MEMORY)
    yield start(1 if quick else 3)


def by_problem(problems):
    """The standard problems, full covariances, one thread and two."""
    table = Table(
        "One pass: log-likelihood and gradient, full noise covariances",
        "1, 2 threads: ns per object and component; exp: ns of one np.exp without AVX-512 at the same moment, ratio: "
        "to that; peak: memory to pack and pass, in units of the packed data",
    )
    for N, D, K in problems:
        problem = make(N, D, K, "mild")
        blocks = kernels.pack(problem.values, problem.noise, None)
        passes = {n: _with_threads(n, blocks, problem.start) for n in (1, 2)}
        before = calibration()
        seconds = race(passes)
        unit = min(before, calibration())
        xdgmm.set_num_threads(1)
        peak = peak_memory(lambda: kernels.accumulate(kernels.pack(*problem[:2], None), *problem.start))  # noqa: B023
        one, two = (seconds[n] / N / K * 1e9 for n in (1, 2))
        table.rows.append(
            {
                "N": N,
                "D": D,
                "K": K,
                "1 thread": one,
                "exp": unit,
                "ratio": one / unit,
                "2 threads": two,
                "speed-up": one / two,
                "peak": peak / blocks.data.nbytes,
            }
        )
    xdgmm.set_num_threads(None)
    return table


def _with_threads(n, blocks, mixture):
    def run():
        xdgmm.set_num_threads(n)
        kernels.accumulate(blocks, *mixture)

    return run


def by_noise(dimensions):
    """Every form of noise, the information on top, and many mixtures at once."""
    table = Table(
        "One pass by form of noise, one thread",
        "ns per object and component, K = 5; missing: full, with 5% of the values but the first column's missing; "
        f"informed: full, with the information; many: full, log-likelihood alone of {MIXTURES} mixtures at once",
    )
    xdgmm.set_num_threads(1)
    for D in dimensions:
        N = int(WORK / 5 / (3 + 0.1 * D**3)) // 8 * 8
        seconds = race(_forms(make(N, D, 5, "mild"), N), 7)
        many = seconds.pop("many") / MIXTURES / max(N // 20, 80) / 5 * 1e9
        table.rows.append({"D": D, **{name: time / N / 5 * 1e9 for name, time in seconds.items()}, "many": many})
    xdgmm.set_num_threads(None)
    return table


def _forms(problem, N):
    rng = np.random.default_rng(1)
    values, noise, mixture, _ = problem
    holes = np.where(rng.random(values.shape) < 0.05, np.nan, values)
    holes[:, 0] = values[:, 0]
    packed = {
        "none": kernels.pack(values, None, None),
        "diagonal": kernels.pack(values, np.sqrt(np.diagonal(noise, axis1=1, axis2=2)), None),
        "full": kernels.pack(values, noise, None),
        "missing": kernels.pack(holes, noise, None),
    }
    few = kernels.pack(values[: max(N // 20, 80)], noise[: max(N // 20, 80)], None)
    stacked = [np.stack([array] * MIXTURES) for array in mixture]
    return {
        **{name: lambda blocks=blocks: kernels.accumulate(blocks, *mixture) for name, blocks in packed.items()},
        "informed": lambda: kernels.accumulate_with_information(packed["full"], *mixture),
        "many": lambda: kernels.total_log_likelihoods(few, *stacked),
    }


def by_dimension(cases):
    """Many dimensions: how the cost grows, beside the arithmetic."""
    table = Table(
        "One pass in many dimensions, one thread",
        "ns per object and component, K = 5, full noise; rate: multiply-adds in a ns, D^3 / 2 being needed for a pass "
        "and D^3 / 6 for the likelihood; cube: time over that in the first row times the ratio of D^3",
    )
    xdgmm.set_num_threads(1)
    first = None
    for D, variant in cases:
        N = int(WORK / 5 / (3 + 0.02 * D**3)) // 8 * 8
        problem = make(N, D, 5, variant)
        blocks = kernels.pack(problem.values, problem.noise, None)
        seconds = race(
            {
                "pass": lambda: kernels.accumulate(blocks, *problem.start),  # noqa: B023
                "likelihood": lambda: kernels.log_likelihoods(blocks, *problem.start),  # noqa: B023
            },
            7,
        )
        whole, alone = (time / N / 5 * 1e9 for time in seconds.values())
        cubes = np.array([whole, alone]) / D**3
        first = cubes if first is None else first
        row = {"D": D, "noise": variant, "pass": whole, "rate": D**3 / 2 / whole, "cube": cubes[0] / first[0]}
        table.rows.append(row | {"likelihood": alone, "its rate": D**3 / 6 / alone, "its cube": cubes[1] / first[1]})
    xdgmm.set_num_threads(None)
    return table


def by_components(cases):
    """Many components: how the cost grows."""
    table = Table(
        "One pass with many components, one thread",
        "ns per object and component at the truth, full noise; precise, mild, noisy: errors of 0.03 to 0.1, 0.3 to 1, "
        "1 to 3 intrinsic widths; likelihood: alone, mild",
    )
    xdgmm.set_num_threads(1)
    for D, K in cases:
        N = int(WORK / 4 / K) // 8 * 8
        packed = {}
        for variant in ("precise", "mild", "noisy"):
            problem = make(N, D, K, variant)
            packed[variant] = kernels.pack(problem.values, problem.noise, None), problem.truth
        runs = {
            name: lambda blocks=blocks, truth=truth: kernels.accumulate(blocks, *truth)
            for name, (blocks, truth) in packed.items()
        }
        blocks, truth = packed["mild"]
        runs["likelihood"] = lambda blocks=blocks, truth=truth: kernels.log_likelihoods(blocks, *truth)
        seconds = race(runs, 5)
        table.rows.append({"D": D, "K": K, **{name: time / N / K * 1e9 for name, time in seconds.items()}})
    xdgmm.set_num_threads(None)
    return table


def by_projection(shapes):
    """Measurements of M projections of D coordinates, and coordinates with a uniform background."""
    table = Table(
        "One pass over projections, one thread",
        "ns per object and component, N = 100,000, K = 5; each: R of every object, one: R of all, both with full "
        "noise; background: no projections, full noise in D dimensions, with a background besides",
    )
    xdgmm.set_num_threads(1)
    for D, M in shapes:
        seconds = race(_projected(make(100_000, D, 5, "mild"), M), 7)
        table.rows.append({"D": D, "M": M, **{name: time / 5e5 * 1e9 for name, time in seconds.items()}})
    xdgmm.set_num_threads(None)
    return table


def _projected(problem, M):
    values, noise, (weights, means, covariances), _ = problem
    R = np.random.default_rng(2).standard_normal((len(values), M, values.shape[1]))
    seen, errors = np.einsum("nij,nj->ni", R, values), noise[:, :M, :M]
    density = np.full(len(values), -np.log(np.ptp(values, axis=0)).sum())
    packed = {
        "each": kernels.pack(seen, errors, None, projections=R),
        "one": kernels.pack(values @ R[0].T, errors, None, projections=R[0]),
        "background": kernels.pack(values, noise, None, background=density),
    }
    all_weights = dict.fromkeys(packed, weights) | {"background": np.append(0.9 * weights, 0.1)}
    return {
        name: lambda name=name: kernels.accumulate(packed[name], all_weights[name], means, covariances)
        for name in packed
    }


def by_parts(dimensions):
    """Known memberships, and a component that is flat in one column, beside the same Gaussians without."""
    table = Table(
        "One pass with known memberships and with a flat component, one thread",
        "ns per object and component, K = 5, full noise; known: memberships of each object; flat: the last component, "
        "in the first column; ratios to the Gaussians",
    )
    xdgmm.set_num_threads(1)
    for D in dimensions:
        N = int(WORK / 20 / (3 + 0.1 * D**3)) // 8 * 8
        problem = make(N, D, 5, "mild")
        observations = Observations.with_covariances(problem.values, problem.noise)
        known = observations.with_memberships(np.random.default_rng(5).dirichlet(np.ones(5), N))
        flat = Flat("x1", float(problem.values[:, 0].min()), float(problem.values[:, 0].max()))
        beside = GaussianMixture(*problem.start, flat=flat)
        cases = {
            "Gaussian": (pack_beside(observations), problem.start),
            "known": (pack_beside(known), problem.start),
            "flat": (pack_beside(observations, None, beside.flat), (beside.weights, beside.means, beside.covariances)),
        }
        runs = {name: lambda data=data, of=of: data.accumulate(*of) for name, (data, of) in cases.items()}
        each = {name: time / N / 5 * 1e9 for name, time in race(runs, 5).items()}
        ratios = {f"{name} ratio": each[name] / each["Gaussian"] for name in ("known", "flat")}
        table.rows.append({"D": D, **each, **ratios})
    xdgmm.set_num_threads(None)
    return table


def by_family(dimensions):
    """Student-t components, each of which is a sum of Gaussians, beside Gaussian ones."""
    table = Table(
        "One pass over Student-t components, one thread",
        "ns per object and component, K = 5, full noise; t, ratio: of components with free degrees of freedom, and "
        "its cost in passes over Gaussians",
    )
    xdgmm.set_num_threads(1)
    for D in dimensions:
        N = int(WORK / 50 / (3 + 0.1 * D**3)) // 8 * 8
        problem = make(N, D, 5, "mild")
        data = Observations.with_covariances(problem.values, problem.noise).pack()
        gaussian = GaussianMixture(*problem.start)
        heavy = replace(gaussian, dof=np.full(5, 4.0))
        seconds = race(
            {
                "Gaussian": lambda: objective.differentiate(gaussian, data),  # noqa: B023
                "t": lambda: objective.differentiate(heavy, data),  # noqa: B023
            },
            5,
        )
        each = {name: time / N / 5 * 1e9 for name, time in seconds.items()}
        table.rows.append({"D": D, **each, "ratio": each["t"] / each["Gaussian"]})
    xdgmm.set_num_threads(None)
    return table


def by_limits(dimensions):
    """Objects of which one value is a limit, beside measured ones."""
    table = Table(
        "One pass over objects with a limit, one thread",
        "ns per object and component, K = 5, 1-sigma errors; limits: of all objects, with the information, which comes "
        "with it; ratio: of one of them to one that is measured",
    )
    xdgmm.set_num_threads(1)
    for D in dimensions:
        N = int(WORK / 50 / (3 + 0.1 * D**3)) // 8 * 8
        problem = make(N, D, 5, "mild")
        errors = np.sqrt(np.diagonal(problem.noise, axis1=1, axis2=2))
        upper = np.zeros(errors.shape, np.int8)
        upper[:, 0] = -1
        measured = kernels.pack(problem.values, errors, None)
        censored = kernels.pack(problem.values, errors, None, limits=upper)
        seconds = race(
            {
                "measured": lambda: measured.accumulate(*problem.start),  # noqa: B023
                "limits": lambda: censored.accumulate(*problem.start),  # noqa: B023
            },
            5,
        )
        each = {name: time / N / 5 * 1e9 for name, time in seconds.items()}
        table.rows.append({"D": D, **each, "ratio": each["limits"] / each["measured"]})
    xdgmm.set_num_threads(None)
    return table


def by_selection(dimensions):
    """Samples that a selection function has left, beside complete ones."""
    table = Table(
        "One pass with a selection function, one thread",
        "ns per object and component, K = 5, independent noise, of each object its own; cut: in the first column; "
        f"function: {SAMPLED} importance samples for each object, of which about half have a probability above zero",
    )
    xdgmm.set_num_threads(1)
    for D in dimensions:
        N = int(WORK / 500 / (3 + 0.1 * D**3)) // 8 * 8
        rng = np.random.default_rng(D)
        errors, values = rng.uniform(0.3, 1.0, (N, D)), rng.standard_normal((N, D))
        values[:, 0] = -np.abs(values[:, 0])
        observations = Observations.with_standard_errors(values, errors)
        mixture = GaussianMixture(np.full(5, 0.2), rng.standard_normal((5, D)), np.stack([np.eye(D)] * 5))
        selections = {
            "complete": None,
            "cut": SelectionFunction.box(high=[0.0, *[None] * (D - 1)]),
            "function": SelectionFunction(_is_below, SAMPLED),
        }
        problems = {n: Problem(observations, 5, Model(selection_function=each)) for n, each in selections.items()}
        start = problems["complete"].standardised(mixture)
        seconds = race({n: partial(objective.differentiate, start, each.data) for n, each in problems.items()}, 5)
        table.rows.append({"D": D, **{name: time / N / 5 * 1e9 for name, time in seconds.items()}})
    xdgmm.set_num_threads(None)
    return table


def _is_below(values):
    return (values[:, 0] < 0.0).astype(float)


def by_rows(dimensions):
    """Noise that is a mixture of three Gaussians, beside Gaussian noise of the same objects."""
    table = Table(
        "One pass over objects whose noise is a mixture of three Gaussians, one thread",
        "ns per object and component, K = 5, 1-sigma errors; three: the mixtures; ratio: their cost in passes over "
        "one Gaussian for each object",
    )
    xdgmm.set_num_threads(1)
    for D in dimensions:
        N = int(WORK / 20 / (3 + 0.1 * D**3)) // 8 * 8
        problem = make(N, D, 5, "mild")
        errors = np.sqrt(np.diagonal(problem.noise, axis1=1, axis2=2))
        shifts = errors[:, None] * np.array([-0.5, 0.0, 1.0])[:, None]
        one = Observations.with_standard_errors(problem.values, errors).pack()
        three = Observations.with_noise_mixtures(
            problem.values, [0.3, 0.5, 0.2], shifts, standard_errors=errors[:, None]
        ).pack()
        mixture = GaussianMixture(*problem.start)
        seconds = race(
            {
                "one": lambda: objective.differentiate(mixture, one),  # noqa: B023
                "three": lambda: objective.differentiate(mixture, three),  # noqa: B023
            },
            5,
        )
        each = {name: time / N / 5 * 1e9 for name, time in seconds.items()}
        table.rows.append({"D": D, **each, "ratio": each["three"] / each["one"]})
    xdgmm.set_num_threads(None)
    return table


def by_question(n_objects):
    """What is asked about single objects, beside one pass over the same data."""
    table = Table(
        f"Questions about each object, N = {n_objects:,}, D = 2, K = 5",
        "pass: ns per object; the others in passes over the same data, each with the selection and packing of the "
        "objects; writing: filling new arrays for what denoise returns; apply: values of all columns of xdgmm apply; "
        f"outlyingness: of one of {DRAWN} objects, with {DRAWS} draws for each",
    )
    for n_threads in (1, 2):
        xdgmm.set_num_threads(n_threads)
        for noise, (mixture, observations) in _asked(make(n_objects, 2, 5, "mild")).items():
            seconds = race(_questions(mixture, observations), 3)
            one = seconds.pop("pass")
            ratios = {question: time / one for question, time in seconds.items()}
            table.rows.append({"noise": noise, "threads": n_threads, "pass": one / n_objects * 1e9, **ratios})
    xdgmm.set_num_threads(None)
    return table


def _asked(problem):
    rng = np.random.default_rng(3)
    values, noise = problem.values, problem.noise
    mixture = GaussianMixture(*problem.truth)
    holes = np.where(rng.random(values.shape) < 0.05, np.nan, values)
    holes[:, 0] = values[:, 0]
    R = rng.standard_normal((len(values), 1, 2))
    box = Background(values.min(axis=0), values.max(axis=0), fraction=0.1, of="measured values")
    beside = replace(mixture, weights=0.9 * mixture.weights, background=box)
    full = Observations.with_covariances(values, noise)
    errors = np.sqrt(np.diagonal(noise, axis1=1, axis2=2))
    seen = np.einsum("nij,nj->ni", R, values)
    return {
        "none": (mixture, Observations.exact(values)),
        "diagonal": (mixture, Observations.with_standard_errors(values, errors)),
        "full": (mixture, full),
        "missing": (mixture, Observations.with_covariances(holes, noise)),
        "projections": (mixture, Observations.with_standard_errors(seen, errors[:, :1], projections=R)),
        "background": (beside, full),
    }


def _questions(mixture, observations):
    data = pack_beside(observations, mixture.background)
    parameters = mixture.all_weights, mixture.means, mixture.covariances
    N, D = len(observations), mixture.n_dimensions
    few = observations.select(slice(0, N // DRAWN))
    return {
        "pass": lambda: data.accumulate(*parameters),
        "writing": lambda: (np.full((N, D), 0.5), np.full((N, D, D), 0.5)),
        "packing": lambda: pack_beside(observations, mixture.background),
        "denoise": lambda: objects.denoise(mixture, observations, progress="never"),
        "memberships": lambda: objects.memberships(mixture, observations),
        "likelihoods": lambda: objects.log_likelihoods(mixture, observations),
        "distances": lambda: objects.distances(mixture, observations),
        "apply": lambda: sum(len(block) for block in objects.ObjectColumns(mixture, observations).blocks("never")),
        "outlyingness": lambda: objects.outlyingness(mixture, few, n_samples=DRAWS, rng=0, progress="never"),
    }


def memory(problems):
    """What a fit holds beyond the caller's arrays."""
    table = Table("Memory of a fit, full noise covariances", "peak beyond the caller's arrays; 20 passes, one start")
    settings = Settings(stopping=StoppingRule(tolerance=0, max_passes=20), n_init=1)
    for N, D, K in problems:
        problem = make(N, D, K, "mild")
        observations = Observations.with_covariances(problem.values, problem.noise)
        packed = observations.pack().data.nbytes
        fit(observations.select(slice(1000)), K, settings, rng=0)  # compiles what there is to compile
        peak = peak_memory(lambda: fit(observations, K, settings, rng=0))  # noqa: B023
        table.rows.append(
            {"N": N, "D": D, "K": K, "packed MB": packed / 1e6, "peak MB": peak / 1e6, "peak": peak / packed}
        )
    return table


def start(repetitions):
    """From nothing to a fit, with the compiled code already on disk."""
    runs = np.array([in_a_new_process(START) for _ in range(repetitions)]).min(axis=0)
    names = ("import xdgmm", "what a fit imports", "first fit of a process")
    table = Table("Start of a process", "seconds; eight objects, two components, compiled code on disk")
    table.rows.extend({"what": name, "seconds": float(seconds)} for name, seconds in zip(names, runs, strict=True))
    return table
