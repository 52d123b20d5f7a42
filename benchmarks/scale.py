"""How do time and memory grow with the number of objects?  Catalogues of 1e4 to 1e8 rows, generated on disk.

The recipe: K Gaussians whose widths are 0.7 to 1.3, on a grid of a stated spacing with shifts of up to a tenth of it,
and errors of 0.1 to 1, different for each value.  Times are CPU seconds of one thread where nothing else is said,
because machines are shared.
"""

import importlib.util
import inspect
import time
from logging import CRITICAL
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from xdgmm import GaussianMixture, Observations, get_num_threads, set_num_threads
from xdgmm.fitting import Model, Problem, Settings, fit
from xdgmm.fitting.objective import parameters
from xdgmm.observations import discover

from .measuring import in_a_new_process, timed
from .report import Table

LARGEST = 10_000_000
SMALLEST = 10_000
MEMORY = "200MB"
K, D = 10, 2
SPACING = 5.0
AT_ONCE = 1_000_000  # rows that are generated together
GROUP = 250_000  # rows of a group of a Parquet file
RECIPE = [(1, 1, 5.0), (5, 1, 5.0), (10, 1, 5.0), (1, 2, 5.0), (5, 2, 5.0), (10, 2, 5.0), (10, 2, 4.0), (10, 2, 3.0)]
SOLVERS = "auto", "quasi-newton", "implicit", "em"


def measure(*, quick, largest=None, plot=None):
    """Growth with N, sources beside each other, passes of whole fits, threads and workers."""
    largest = largest or (30_000 if quick else LARGEST)
    before = get_num_threads()
    set_num_threads(1)
    try:
        with TemporaryDirectory() as folder:
            growth = _growth(Path(folder), largest)
            yield growth
            if plot is not None:
                draw(growth.rows, plot)
            yield _sources(Path(folder), min(largest, LARGEST))
            yield _threads(Path(folder), min(largest, LARGEST), () if quick else (1, 2))
        yield _recipe(RECIPE[1:2] if quick else RECIPE, min(largest, LARGEST))
        yield _solvers(min(largest, 1_000_000))
    finally:
        set_num_threads(before)


def recipe(n_components=K, n_dimensions=D, spacing=SPACING):
    """The true mixture."""
    rng = np.random.default_rng([n_components, n_dimensions])
    side = int(np.ceil(n_components ** (1 / n_dimensions)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * n_dimensions, indexing="ij"), axis=-1).reshape(-1, n_dimensions)
    means = spacing * (grid[:n_components] + rng.uniform(-0.1, 0.1, (n_components, n_dimensions)))
    axes = np.linalg.qr(rng.normal(size=(n_components, n_dimensions, n_dimensions)))[0]
    variances = rng.uniform(0.7, 1.3, (n_components, n_dimensions)) ** 2
    covariances = (axes * variances[:, None, :]) @ axes.transpose(0, 2, 1)
    return GaussianMixture(rng.dirichlet(np.full(n_components, 10.0)), means, covariances)


def blocks(n_objects, mixture):
    """Values and errors (n, D) of the objects, a million at a time; always the same."""
    for first in range(0, n_objects, AT_ONCE):
        rng = np.random.default_rng([first, mixture.n_components])
        values, _ = mixture.sample(min(AT_ONCE, n_objects - first), rng)
        errors = rng.uniform(0.1, 1.0, values.shape)
        yield values + errors * rng.standard_normal(values.shape), errors


def tables_of(n_objects, mixture):
    """The same as tables of pyarrow."""
    import pyarrow as pa

    for values, errors in blocks(n_objects, mixture):
        columns = {f"x{i}": values[:, i] for i in range(D)} | {f"e_x{i}": errors[:, i] for i in range(D)}
        yield pa.table(columns)


def written(folder, n_objects):
    """A Parquet file of the standard problem; it is written once."""
    import pyarrow.parquet as pq

    path = Path(folder) / f"{n_objects}.parquet"
    if not path.exists():
        writer = None
        for table in tables_of(n_objects, recipe()):
            writer = writer or pq.ParquetWriter(path, table.schema, compression="none", use_dictionary=False)
            writer.write_table(table, row_group_size=GROUP)
        writer.close()
    return path


def parquet(path, memory=MEMORY):
    """The source of such a file."""
    from xdgmm.streaming import ParquetSource

    return ParquetSource(path, [f"x{i}" for i in range(D)], memory=memory)


# --- Growth with the number of objects --------------------------------------------------------------------------------

ONE_SIZE = "from benchmarks.scale import one_size; one_size({!r}, {!r})"


def one_size(path, warm):
    """Print the numbers of a fit of one file: run in a process of its own, whose memory is then that of this fit."""
    set_num_threads(1)
    fit(parquet(warm).observations(), K, Settings(), rng=0)  # imports, compiles or loads kernels
    before = _resident(reset=True)
    start = time.process_time()
    observations = parquet(path).observations()
    reading = time.process_time() - start
    result = fit(observations, K, Settings(), rng=0)
    whole = time.process_time() - start
    peak = _resident(peak=True)
    seconds, wall = pass_seconds(observations, result.mixture)
    print(reading, whole, seconds, wall, result.passes.total, result.passes.all_objects, peak - before)


def _resident(*, peak=False, reset=False):
    """Bytes of memory that the process occupies, or its highest number since the last reset (Linux)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    name = "VmHWM:" if peak else "VmRSS:"
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def pass_seconds(observations, mixture, n_repetitions=2):
    """CPU and wall seconds of one pass over all objects with its gradient, when what is kept has been packed."""
    problem = Problem(observations, mixture.n_components, Model())
    arrays = parameters(problem.standardised(mixture))
    times = []
    for repetition in range(n_repetitions + 1):
        start = time.process_time()
        wall = timed(lambda: problem.data.accumulate(*arrays))[0]
        if repetition:
            times.append((time.process_time() - start, wall))
    return tuple(np.min(times, axis=0))


def _growth(folder, largest):
    table = Table(
        f"Time and memory by number of objects: Parquet file, {MEMORY} of memory, K = {K}, D = {D}",
        "CPU seconds of one thread: reading: totals, sample and hash; pass: log-likelihood and gradient; fit: all, "
        "from the file to the result; passes: all, in full-data equivalents, and those over all objects; peak: MB "
        "beyond what the process occupied before",
    )
    warm = written(folder, 2000)
    size = SMALLEST
    while size <= largest:
        path = written(folder, size)
        code = ONE_SIZE.format(str(path), str(warm))
        reading, whole, seconds, wall, passes, over_all, peak = in_a_new_process(code)
        table.rows.append(
            {
                "N": f"{size:.0e}".replace("e+0", "e"),
                "file MB": path.stat().st_size / 1e6,
                "reading s": reading,
                "pass s": seconds,
                "ns / N K": seconds / (size * K) * 1e9,
                "wall s": wall,
                "fit s": whole,
                "passes": passes,
                "over all": over_all,
                "peak MB": max(peak, 0.0) / 1e6,
                "bound MB": 200,
            }
        )
        if size > LARGEST:
            path.unlink()
        size *= 10
    return table


def draw(rows, path):
    """Draw time per pass and peak memory against the number of objects, from the rows of the table."""
    from matplotlib.figure import Figure

    n = np.array([float(row["N"]) for row in rows])
    figure = Figure(figsize=(8.0, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, label in (("pass s", "one pass"), ("reading s", "first reading"), ("fit s", "whole fit")):
        left.loglog(n, [row[name] for row in rows], "o-", label=label)
    left.set(xlabel="objects", ylabel="CPU seconds, one thread")
    left.legend(frameon=False)
    right.loglog(n, [row["file MB"] for row in rows], "o-", color="0.6", label="file")
    right.loglog(n, [max(row["peak MB"], 0.1) for row in rows], "o-", label="peak of the fit")
    right.axhline(rows[0]["bound MB"], color="k", lw=0.8, ls="--", label="bound")
    right.set(xlabel="objects", ylabel="MB")
    right.legend(frameon=False)
    figure.savefig(path, dpi=120)


# --- Sources, threads and workers -------------------------------------------------------------------------------------


def _sources(folder, n_objects):
    from xdgmm.streaming import FitsSource

    n_objects = min(n_objects, 3_000_000)
    memory = MEMORY if n_objects > 2_500_000 else "1MB"  # into which not all objects fit
    table = Table(
        f"One pass from each source: N = {n_objects:.0e}, K = {K}, D = {D}",
        "CPU seconds of one thread, wall seconds, and CPU relative to data in memory; kept: packed parts fit into it",
    )
    path, mixture, names = written(folder, n_objects), recipe(), [f"x{i}" for i in range(D)]
    values, errors = (np.concatenate(each) for each in zip(*blocks(n_objects, mixture), strict=True))
    fits = _as_fits(folder, names, values, errors)
    sources = {
        "arrays in memory": lambda: Observations.with_standard_errors(values, errors),
        "Parquet, kept": lambda: parquet(path, "10GB").observations(),
        "Parquet": lambda: parquet(path, memory).observations(),
        "FITS": lambda: FitsSource(fits, names, memory=memory).observations(),
        **_cached(folder, path, memory),
    }
    for name, make in sources.items():
        seconds, wall = pass_seconds(make(), mixture)
        first = table.rows[0]["CPU s"] if table.rows else seconds
        table.rows.append({"source": name, "CPU s": seconds, "wall s": wall, "ratio": seconds / first})
    return table


def _as_fits(folder, names, values, errors):
    from astropy.table import Table as AstropyTable

    path = Path(folder) / "table.fits"
    columns = {name: values[:, i] for i, name in enumerate(names)}
    AstropyTable(columns | {f"e_{name}": errors[:, i] for i, name in enumerate(names)}).write(path)
    return path


def _cached(folder, path, memory):
    """The packed caches, where this version has them."""
    from xdgmm.streaming import BlockSource, ParquetSource

    if "cache" not in inspect.signature(BlockSource.__init__).parameters:
        return {}
    names = [f"x{i}" for i in range(D)]

    def cached():
        return ParquetSource(path, names, memory=memory, cache=Path(folder) / "cache").observations()

    return {"packed cache": cached}


def _threads(folder, n_objects, workers):
    table = Table(
        f"Threads and Dask workers of one thread each: N = {n_objects:.0e}, K = {K}, D = {D}, packed parts kept",
        "wall seconds of one pass; speed-up relative to one thread; measure on a machine that nobody else uses",
    )
    path, mixture = written(folder, n_objects), recipe()
    for n_threads in (1, 2):
        set_num_threads(n_threads)
        wall = pass_seconds(parquet(path, "10GB").observations(), mixture, 4)[1]
        table.rows.append({"by": f"{n_threads} thread{'s'[: n_threads != 1]}", "wall s": wall})
    set_num_threads(1)
    for n_workers in workers if _has_dask() else ():
        table.rows.append(
            {"by": f"{n_workers} Dask worker{'s'[: n_workers != 1]}", "wall s": _dask(path, n_workers, mixture)}
        )
    for row in table.rows:
        row["speed-up"] = table.rows[0]["wall s"] / row["wall s"]
    if not _has_dask():
        table.about += "; skipped: Dask workers, which need dask"
    return table


def _has_dask():
    import xdgmm.streaming

    return importlib.util.find_spec("distributed") is not None and hasattr(xdgmm.streaming, "DaskSource")


def group_of(path, number):
    """One group of rows of a Parquet file: a partition."""
    from pyarrow.parquet import ParquetFile

    return ParquetFile(path).read_row_group(number)


def _dask(path, n_workers, mixture):
    """Wall seconds of one pass on a cluster of this machine."""
    from dask import delayed
    from distributed import Client, LocalCluster
    from pyarrow.parquet import ParquetFile

    from xdgmm.streaming import DaskSource

    groups = range(ParquetFile(path).num_row_groups)
    options = {"threads_per_worker": 1, "dashboard_address": None, "silence_logs": CRITICAL}
    with LocalCluster(n_workers=n_workers, **options) as cluster, Client(cluster) as client:
        source = DaskSource([delayed(group_of)(path, i) for i in groups], [f"x{i}" for i in range(D)], client=client)
        return pass_seconds(source.observations(), mixture, 4)[1]


# --- Passes of whole fits ---------------------------------------------------------------------------------------------


def _streamed(n_objects, mixture):
    """Observations as those of a source whose packed parts are kept: a pass needs no reading, and counts the same."""
    parts = [Observations.with_standard_errors(*block) for block in blocks(n_objects, mixture)]
    return discover(lambda: parts, 1e9)


def _row(observations, n_components, settings, label):
    start = time.process_time()
    result = fit(observations, n_components, settings, rng=0)
    seconds = time.process_time() - start
    passes = result.passes
    return {
        **label,
        "all": passes.total,
        "reading": passes.reading,
        "starts": passes.starts,
        "samples": passes.samples,
        "over all": passes.all_objects,
        "diagnostics": passes.diagnostics,
        "CPU s": seconds,
        "outcome": result.outcome.name.lower(),
    }


def _recipe(problems, n_objects):
    table = Table(
        f"Passes of default fits: N = {n_objects:.0e}",
        "all passes in full-data equivalents, and their parts; spacing: of the grid of means, in widths",
    )
    for n_components, n_dimensions, spacing in problems:
        observations = _streamed(n_objects, recipe(n_components, n_dimensions, spacing))
        label = {"K": n_components, "D": n_dimensions, "spacing": spacing}
        table.rows.append(_row(observations, n_components, Settings(), label))
    return table


def _solvers(n_objects):
    table = Table(
        f"Passes of each solver: N = {n_objects:.0e}, K = 5, D = 2",
        "auto and quasi-newton measure the curvature on a sample; implicit and em make all passes over all objects",
    )
    observations = _streamed(n_objects, recipe(5))
    for solver in SOLVERS:
        table.rows.append(_row(observations, 5, Settings(solver=solver), {"solver": solver}))
    return table


def add_arguments(command):
    """Options of this benchmark alone."""
    command.add_argument("--largest", type=float, help=f"number of rows up to which files are made ({LARGEST:.0e})")
    command.add_argument("--plot", type=Path, help="draw time and memory by number of objects into this file")


def options_of(chosen):
    """The options that were given."""
    return {"largest": chosen.largest and int(chosen.largest), "plot": chosen.plot}
