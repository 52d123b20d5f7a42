"""Passes and fits on a graphics card: time, share of its double-precision pipe, transfer, agreement with processors.

Every row is there only if the card, this machine's memory and the time left allow it: none begins after four minutes,
and what was measured is written after each.
``--emulated`` runs the same code on a card that is emulated by g++, with tiny sizes: its times mean nothing.
"""

import re
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from xdgmm import XDGMM, Observations, kernels
from xdgmm.kernels import devices, using_device
from xdgmm.kernels.blocks import aligned
from xdgmm.observations import StreamedObservations
from xdgmm.observations.streamed import Totals

from .measuring import timed
from .problems import make
from .report import Table

BUDGET = 240.0  # seconds after which no further row begins
BASE = 200_000  # distinct objects of a pass, which are repeated
FIT = 10_000_000, 1_000_000, 5  # distinct objects of a fit, those on which starts are compared, components
WARM = 20_000  # objects of a fit that compiles what the others need
PASSES = [
    *((D, K, 10**7) for K in (5, 10, 64) for D in (1, 2, 3, 6)),
    (2, 5, 10**6),
    *((D, 5, N) for N in (10**8, 10**9) for D in (1, 2)),
]
FORMS = 10**7
FITS = [10**7, 10**8, 10**9]
TINY = {
    "passes": [(1, 2, 4096), (2, 2, 4096)],
    "forms": 512,
    "fits": [2048, 4096],
    "base": 512,
    "quick": True,
    "fit": (2048, 1024, 2),
}
OF_EACH_OBJECT = 30  # operations beside those of its components
PER_FUNCTION = {"reciprocal": 3, "square_root": 5}


@dataclass
class Setting:
    """What is measured, on what, until when."""

    passes: list
    forms: int
    fits: list
    base: int
    fit: tuple
    engines: dict
    began: float
    quick: bool = False
    peak: float | None = None  # operations of the pipe in a second

    @property
    def has_time(self):
        """May a further row begin?"""
        return time.perf_counter() - self.began < BUDGET

    @property
    def card(self):
        """The card, or what stands for it."""
        return self.engines["cuda"].card

    def has_memory(self, n_bytes):
        """Can this machine and the card hold so many bytes?"""
        return 1.3 * n_bytes < _available_bytes() and 1.2 * n_bytes < self.card.free_bytes()


def _available_bytes():
    """Memory of this machine that programs can have; infinite where it is not known."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return np.inf
    return 1024.0 * int(re.search(r"MemAvailable:\s*(\d+) kB", text)[1])


def measure(*, quick, emulated=False):
    """Tables of one card.

    Raises
    ------
    InputError
        If there is none.
    """
    sizes = TINY if quick or emulated else {"passes": PASSES, "forms": FORMS, "fits": FITS, "base": BASE}
    sizes = {"fit": FIT, **sizes}
    if emulated:
        use_emulated_card()
    engines = {name: devices.engine(name) for name in ("cuda", "cuda-float32")}
    setting = Setting(**sizes, engines=engines, began=time.perf_counter())
    sections = (_device, _agreement, _fits, _passes, _float32, _forms)
    return (table for section in sections for table in by_row(section(setting)))


def by_row(growing):
    """A table after each of its rows, and when it is complete; nothing of one without rows."""
    table = None
    for table in growing:
        table.complete = False
        yield table
    if table is not None:
        table.complete = True
        yield table


def add_arguments(parser):
    """Options of this benchmark alone."""
    parser.add_argument("--emulated", action="store_true", help="on a card emulated by g++, with tiny sizes")


def options_of(chosen):
    """What was chosen."""
    return {"emulated": chosen.emulated}


PROGRAMS = TemporaryDirectory(prefix="xdgmm-emulated-")  # of an emulated card; removed at the end


def use_emulated_card():
    """Let an emulated card stand for one in this process; it is part of the tests."""
    place = Path(__file__).parents[1] / "tests" / "kernels" / "cuda" / "emulated.py"
    spec = spec_from_file_location("emulated", place)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    if module.COMPILER is None:
        sys.exit("--emulated needs g++ on Linux")
    from xdgmm.kernels.cuda.engine import CudaEngine

    card, original = module.EmulatedCard(PROGRAMS.name), devices.engine
    made = {"cuda": CudaEngine(card, "cuda"), "cuda-float32": CudaEngine(card, "cuda-float32", "float")}
    devices.engine = lambda device: made.get(device) or original(device)


# --- The card ---------------------------------------------------------------------------------------------------------

CHAIN = r"""
extern "C" __global__ void chain(double* out, double a) {
    double v[8];
    for (int j = 0; j < 8; j++) v[j] = threadIdx.x + j;
    for (int i = 0; i < 4096; i++) for (int j = 0; j < 8; j++) v[j] = fma(v[j], a, 0.5);
    double s = 0.0;
    for (int j = 0; j < 8; j++) s += v[j];
    if (s == 1.2345) out[0] = s;
}
"""


def _device(setting):
    table = Table(
        f"The card: {setting.card.name}",
        "10^12 operations: multiply-adds in double precision in a second, measured; TB/s: of copies on the card, read "
        "and written; memory: free, GB; upload: from ordinary memory to the card, GB/s, as passes do it",
        markdown=True,
    )
    cupy = getattr(setting.card, "cupy", None)
    row = {"card": setting.card.name, "10^12 operations": None, "TB/s": None}
    if cupy is not None:
        with setting.card.in_order():
            setting.peak = _peak(cupy)
            row |= {"10^12 operations": setting.peak / 1e12, "TB/s": _copying(cupy) / 1e12}
    row["memory"] = setting.card.free_bytes() / 1e9
    data, mixture = _repeated(setting, 2, 2, setting.forms)
    first, again = (timed(lambda: _pass(data, mixture))[0] for _ in range(2))  # compiles, then all is there
    fresh = replace(data, data=data.data.copy())
    first = timed(lambda: _pass(fresh, mixture))[0]
    row["upload"] = data.data.nbytes / max(first - again, 1e-9) / 1e9
    table.rows.append(row)
    yield table


def _peak(cupy):
    """Multiply-adds in double precision that the card makes in a second."""
    chain, out = cupy.RawKernel(CHAIN, "chain"), cupy.empty(1)
    n_blocks = 16 * cupy.cuda.Device().attributes["MultiProcessorCount"]
    seconds = _event_seconds(cupy, lambda: chain((n_blocks,), (256,), (out, cupy.float64(0.999))))
    return n_blocks * 256 * 4096 * 8 / seconds


def _copying(cupy):
    """Bytes that copies on the card read and write in a second."""
    one, other = cupy.empty(1 << 27), cupy.ones(1 << 27)
    return 2 * one.nbytes / _event_seconds(cupy, lambda: cupy.copyto(one, other))


def _event_seconds(cupy, run, repetitions=5):
    """Shortest seconds between the moments of the card before and after what is begun."""
    times = []
    for _ in range(repetitions):
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        run()  # while it runs, what follows is begun: the card does not wait for this machine
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(cupy.cuda.get_elapsed_time(start, end) / 1e3)
    return min(times)


# --- Passes -----------------------------------------------------------------------------------------------------------


def _repeated(setting, D, K, n_objects, **forms):
    """Packed objects, of which BASE are distinct, and the mixture at which passes are made."""
    problem = make(setting.base, D, K, "mild")
    given = {"noise": problem.noise, "weights": None, **forms}
    return repeat(kernels.pack(problem.values, **given), -(-n_objects // setting.base)), problem.truth


def repeat(data, times):
    """The same packed objects so often."""
    n_blocks = len(data.data)
    whole = aligned((n_blocks * times, *data.data.shape[1:]))

    def task(first, last):
        for i in range(first, last):
            whole[i * n_blocks : (i + 1) * n_blocks] = data.data

    kernels.run_in_threads(task, times, float(whole.size))
    presence = None if data.presence is None else np.tile(data.presence, (times, 1))
    totals = {name: times * getattr(data, name) for name in ("n_objects", "total_weight", "n_values")}
    return replace(data, data=whole, taken=(len(whole), 1), presence=presence, kept=None, **totals)


def _pass(data, mixture, device="cuda"):
    with using_device(device):
        return data.accumulate(*mixture)


def _best(run, repetitions=7, limit=2.0):
    """Shortest seconds of several runs after a first one; fewer where they are long."""
    run()
    times = []
    while len(times) < repetitions and sum(times) < limit:
        times.append(timed(run)[0])
    return min(times)


def _passes(setting):
    table = Table(
        "One pass, full noise covariances, double precision",
        "ms: of a whole pass, from the mixture to sums in this machine's memory; card: of its kernels alone, by the "
        "clock of the card; ns: per object and component, and pipe: share of the multiply-adds of the card, as the "
        "source is written, both of its kernels; CPU: ms on the processors of this machine, of at most 10^6 "
        "objects, scaled",
        markdown=True,
    )
    for D, K, N in setting.passes:
        if not setting.has_time:
            break
        if not setting.has_memory(8 * N * (D * (D + 1) // 2 + D + 1)):
            continue
        data, mixture = _repeated(setting, D, K, N)
        table.rows.append(_row(setting, D, K, data, mixture))
        yield table


def _row(setting, D, K, data, mixture, device="cuda"):
    seconds = _best(lambda: _pass(data, mixture, device))
    on_card, N = kernel_seconds(setting, lambda: _pass(data, mixture, device), device), data.n_objects
    few = next(data.parts(min(10**6, N)))
    few = replace(few, total_weight=1.0, n_values=1.0)
    of_cpu = _best(lambda: _pass(few, mixture, "cpu"), 3) * N / few.n_objects
    of_time = (on_card or seconds) * (setting.peak or np.nan)
    needed = (operations(setting.engines["cuda"], data, K) * K + OF_EACH_OBJECT) * N
    return {
        "D": D,
        "K": K,
        "N": f"{N:.0e}",
        "ms": 1e3 * seconds,
        "card": None if on_card is None else 1e3 * on_card,
        "ns": 1e9 * (on_card or seconds) / N / K,
        "pipe": None if setting.peak is None else needed / of_time,
        "CPU": 1e3 * of_cpu,
    }


def kernel_seconds(setting, run, device="cuda"):
    """Seconds of the kernels of a pass by the clock of the card, on data that are there; None where it has none.

    They are begun again, one after the other, so that nothing is laid out, sent or waited for between two moments of
    the card.
    """
    cupy, engine = getattr(setting.card, "cupy", None), setting.engines[device]
    if cupy is None:
        return None
    launches = launches_of(engine, run)

    def again():
        for launch in launches:
            launch()

    with engine.in_turn(), setting.card.in_order():
        return _event_seconds(cupy, again)


def launches_of(engine, run):
    """What begins again each kernel of a run whose programs are compiled, in their order and with their arguments."""
    launches, programs = [], engine.programs
    engine.programs = {module: Watched(program, launches) for module, program in programs.items()}
    try:
        run()
    finally:
        engine.programs = programs
    return launches


@dataclass
class Watched:
    """A program, and the launches that it has made; their arguments keep the memory that they use."""

    program: object
    launches: list

    def launch(self, *arguments):
        """Begin a kernel."""
        self.launches.append(partial(self.program.launch, *arguments))
        self.program.launch(*arguments)

    def hold(self, symbol, array):
        """Write to constant memory, where it stays."""
        self.program.hold(symbol, array)


LINE = re.compile(r"const double (v\d+) = (.*);")
NOT_OF_EACH = "log2_of(double", "void background("  # functions that a component does not need


def operations(engine, data, n_components):
    """Operations in double precision of an object under a component, as the source of the pass is written.

    A product that is only added to something is one operation with the sum, as for the compiler.
    """
    from xdgmm.kernels.cuda.source import OF_SUMS

    functions = engine._module(data, OF_SUMS, n_components).source.split("\n}\n")  # noqa: SLF001
    return sum(count_operations(text) for text in functions if not any(name in text for name in NOT_OF_EACH))


def count_operations(text):
    """Those of lines of C, one assignment each."""
    lines = LINE.findall(text)
    uses = [name for _, expression in lines for name in re.findall(r"\bv\d+\b", expression)]
    products = {name for name, expression in lines if " * " in expression and uses.count(name) == 1}
    count = 0
    for _, expression in lines:
        function = re.match(r"(\w+)\(", expression)
        joined = [name for name in re.findall(r"\bv\d+\b", expression) if name in products]
        if re.search(r" [-+] ", expression) and joined:
            products.discard(joined[0])  # counted already
        elif re.search(r" [-+*] ", expression):
            count += 1
        elif function is not None:
            count += PER_FUNCTION.get(function[1], 0)
    return count


def _forms(setting):
    table = Table(
        "One pass by form of data, D = 2, K = 5",
        "ms and card as above; missing: 5% of the values of the second column; each, one: projections of each object, "
        "of all; informed: full, with the information; likelihoods: ln p of each object, which come back",
        markdown=True,
    )
    rng = np.random.default_rng(1)
    problem = make(setting.base, 2, 5, "mild")
    holes = np.where(rng.random(problem.values.shape) < 0.05 * np.array([0, 1]), np.nan, problem.values)
    R = rng.standard_normal((setting.base, 2, 2))
    log_density = np.full(setting.base, -np.log(np.ptp(problem.values, axis=0)).sum())
    deviations = np.sqrt(np.diagonal(problem.noise, axis1=1, axis2=2))
    seen = np.einsum("nij,nj->ni", R, problem.values)
    forms = {
        "none": (problem.values, None, {}),
        "diagonal": (problem.values, deviations, {}),
        "full": (problem.values, problem.noise, {}),
        "missing": (holes, problem.noise, {}),
        "background": (problem.values, problem.noise, {"background": log_density}),
        "one": (problem.values @ R[0].T, problem.noise, {"projections": R[0]}),
        "each": (seen, problem.noise, {"projections": R}),
    }
    runs = dict.fromkeys(forms, "accumulate") | {"informed": "accumulate_with_information"}
    runs["likelihoods"] = "log_likelihoods"
    for name, method in list(runs.items())[-3:] if setting.quick else runs.items():
        if not setting.has_time:
            break
        values, noise, options = forms.get(name, forms["full"])
        data = repeat(kernels.pack(values, noise, None, **options), -(-setting.forms // setting.base))
        weights, *others = problem.truth
        mixture = (np.append(0.9 * weights, 0.1) if name == "background" else weights, *others)

        def run(data=data, method=method, mixture=mixture):
            with using_device("cuda"):
                return getattr(data, method)(*mixture)

        row = {"form": name, "N": f"{data.n_objects:.0e}", "ms": 1e3 * _best(run)}
        table.rows.append(row | {"card": _milliseconds(kernel_seconds(setting, run))})
        yield table


def _milliseconds(seconds):
    return None if seconds is None else 1e3 * seconds


def _float32(setting):
    table = Table(
        "One pass with elimination in single precision, sums in double precision",
        "columns as above; sums, lnL: largest relative difference from double precision",
        markdown=True,
    )
    for D, K, N in setting.passes[:4]:
        if not setting.has_time:
            break
        data, mixture = _repeated(setting, D, K, N)
        single, double = _pass(data, mixture, "cuda-float32"), _pass(data, mixture)
        row = _row(setting, D, K, data, mixture, "cuda-float32")
        row = {name: row[name] for name in ("D", "K", "N", "ms", "card", "ns")}
        of_sums, of_likelihood = differences(single, double)
        table.rows.append(row | {"sums": of_sums, "lnL": of_likelihood})
        yield table


def _agreement(setting):
    table = Table(
        "Agreement",
        "sums, lnL: largest relative difference between card and processors; bits: are they those of a second pass?",
        markdown=True,
    )
    for D, K, N in setting.passes[:4]:
        data, mixture = _repeated(setting, D, K, min(N, setting.base))
        found, again, expected = (_pass(data, mixture, device) for device in ("cuda", "cuda", "cpu"))
        of_sums, of_likelihood = differences(found, expected)
        same = all(np.array_equal(one, other) for one, other in zip(_arrays(found), _arrays(again), strict=True))
        row = {"D": D, "K": K, "sums": of_sums, "lnL": of_likelihood, "bits": "same" if same else "DIFFERENT"}
        table.rows.append(row)
        yield table


def _arrays(statistics):
    return statistics.log_likelihood, statistics.n_members, statistics.grad_mean, statistics.grad_covariance


def differences(found, expected):
    """Largest relative difference of sums, each kind relative to its largest, and of log-likelihoods."""
    relative = [
        float(np.abs(one - other).max() / np.abs(other).max())
        for one, other in zip(_arrays(found), _arrays(expected), strict=True)
    ]
    return max(relative[1:]), relative[0]


# --- Whole fits -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Repeated(StreamedObservations):
    """Objects in memory, so often, packed in one piece: as if all of them had been measured."""

    base: Observations = None
    times: int = 1

    def packed(self, packing):
        """All of them; how long it takes is no part of the fit."""
        seconds, whole = timed(lambda: repeat(packing(self.base), self.times))
        self.memo["seconds of packing"] = self.memo.get("seconds of packing", 0.0) + seconds
        part = kernels.PackedPart(0, whole)
        return kernels.StreamedData(lambda: iter([part]), packing(self.sample), self.n_objects, self.total_weight)


def repeated(base, times, n_sampled):
    """Observations of which the base is repeated so often; the sample is one of the base."""
    rows = np.sort(np.random.default_rng(3).choice(len(base), n_sampled, replace=False))
    n, M = times * len(base), base.n_measured
    totals = Totals(n, n, float(n), np.full(M, float(n)), np.full((M, M), n), f"{base.data_hash} {times} times")
    return Repeated(lambda: iter([base] * times), base.select(rows), rows, totals, n_readings=0, base=base, times=times)


def _fits(setting):
    table = Table(
        f"Fits to the maximum from packed data in this machine's memory, D = 2, K = {setting.fit[2]}",
        "s: of the whole fit, starts and first transfer included, packing not; passes: over all objects; all: those "
        "over samples too, in passes over all; gain: what is predicted to remain, nats; width: largest relative "
        "difference of a width from the truth",
        markdown=True,
    )
    n_base, n_sampled, K = setting.fit
    problem = make(n_base, 2, K, "mild")
    base = Observations.with_covariances(problem.values, problem.noise)
    truth = problem.truth
    del problem
    XDGMM(K, random_state=0, device="cuda").fit(repeated(base.select(slice(0, WARM)), 1, min(WARM, n_base) // 2))
    for N in setting.fits:
        data = repeated(base, N // n_base, n_sampled)
        if not setting.has_time or not setting.has_memory(N * 6 * 8):
            break
        seconds, model = timed(lambda data=data: XDGMM(K, random_state=0, device="cuda").fit(data))
        result = model.result_
        table.rows.append(
            {
                "N": f"{N:.0e}",
                "s": seconds - data.memo["seconds of packing"],
                "passes": round(result.passes.all_objects),
                "all": result.n_passes,
                "gain": result.predicted_gain,
                "converged": str(result.converged),
                "width": _distance(model.mixture_, truth),
            }
        )
        yield table


def _distance(mixture, truth):
    """Largest relative difference of sigmas, components matched by their means."""
    _, means, covariances = truth
    nearest = np.linalg.norm(mixture.means[:, None] - means, axis=2).argmin(axis=1)
    true = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))[nearest]
    return float(np.abs(mixture.sigmas / true - 1.0).max())
