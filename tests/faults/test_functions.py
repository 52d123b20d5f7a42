"""Every function that writes leaves the old files or the new ones, and one sentence, whichever call fails."""

from functools import partial
from shutil import rmtree

import numpy as np
import pytest
from astropy.table import QTable
from astropy.units import Unit

from xdgmm import XDGMM, GaussianMixture, Observations
from xdgmm.compat import tholoien
from xdgmm.diagnostics import Check
from xdgmm.errors import OutputError
from xdgmm.explore import export_lesson
from xdgmm.files import atomic_writes
from xdgmm.fitting import checkpoint
from xdgmm.kernels import PackedPart, pack
from xdgmm.observations import PackedCache
from xdgmm.tables import Column, append_columns, write_table
from xdgmm.uncertainty import sample_posterior
from xdgmm.widths import write_report as write_width_report

# libraries that are interrupted leave it to Python to close a file
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
N, D = 300, 6  # arrays of some hundred bytes
MODEL = GaussianMixture([0.25, 0.75], np.arange(2.0 * D).reshape(2, D), [np.eye(D), 2 * np.eye(D)])
REPORT = QTable({"v": np.arange(float(N)), "name": ["a", "b", "c"] * (N // 3)}, meta={"remarks": ["one", "two"]})
WIDTHS = XDGMM().fit(np.arange(30.0), Xerr=1.0).widths(np.arange(30.0), Xerr=1.0)
TESTS = QTable({"name": ["a"] * N, "effect": np.arange(N), "p_value": np.ones(N), "sentence": ["as expected"] * N})
NEW = [Column("x", "new numbers", Unit("km/s")), Column("k", "new whole numbers", whole=True)]


def write_model(path, **options):
    MODEL.write(path, **options)


def write_report(path, **options):
    write_table(REPORT, path, **options)


def write_latex(path, **options):
    write_width_report(WIDTHS, path, **options)


def append(path, **options):
    source = path.parent / f"source{path.suffix}"
    append_columns(source, path, NEW, [[np.arange(float(N)), np.arange(N)]], **options)


def write_check(path, **options):
    Check(passed=True, p_value=0.5, table=TESTS, n_simulations=99).write(path, **options)


def save_figure(path, **options):
    from matplotlib.figure import Figure

    from xdgmm.plotting import save

    figure = Figure(figsize=(1, 1))
    figure.subplots().plot(np.arange(N))
    save(figure, path, **options)


def export_page(path, **options):
    with pytest.MonkeyPatch.context() as patch:  # because every page has identifiers of its own
        patch.setattr("xdgmm.explore.lesson.export.lesson_html", lambda: "<!DOCTYPE html>\n" * N)
        export_lesson(path, **options)


def write_two(path, **options):
    with atomic_writes([path, path.with_name("second.txt")], **options) as temporaries:
        for temporary in temporaries:
            temporary.write_text("new")


WRITERS = {
    "model.fits": write_model,
    "model.ecsv": write_model,
    "report.fits": write_report,
    "report.ecsv": write_report,
    "widths.tex": write_latex,
    "check.html": write_check,
    "check.fits": write_check,
    "appended.fits": append,
    "appended.ecsv": append,
    "figure.png": save_figure,
    "lesson.html": export_page,
    "two.txt": write_two,
}


LARGE = 500  # bytes


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def sentence(error):
    assert isinstance(error, OutputError), repr(error)
    assert len(str(error).splitlines()) == 1
    return str(error)


@pytest.mark.pairwise
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", WRITERS)
def test_old_or_new(with_every_fault, tmp_path, name, overwrite):
    calls = old_or_new(with_every_fault, tmp_path, name, overwrite=overwrite)
    assert {"os.fsync", "os.replace" if overwrite else "os.link"} <= set(calls)


@pytest.mark.parametrize("overwrite", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("name", [name for name in WRITERS if name != "two.txt"])
def test_old_or_new_without_memory(with_every_allocation_failing, tmp_path, name, overwrite):
    calls = old_or_new(partial(with_every_allocation_failing, LARGE), tmp_path, name, overwrite=overwrite)
    assert calls or name in ("report.ecsv", "check.html", "widths.tex", "lesson.html")  # which are written row by row


def old_or_new(with_every_fault, tmp_path, name, *, overwrite):
    """A function that writes, with each fault; returns what might have failed."""
    path, write = tmp_path / name, WRITERS[name]
    others = {}
    if write is append:
        source = path.with_name(f"source{path.suffix}")
        write_table(REPORT, source)
        others = {source.name: source.read_bytes()}
    write(path)
    new = contents(tmp_path)
    old = {**others, name: b"old"} if overwrite else others

    def prepare():
        for leftover in set(contents(tmp_path)) - set(others):
            (tmp_path / leftover).unlink()
        if overwrite:
            path.write_bytes(b"old")

    def check(outcome, where):
        assert contents(tmp_path) in (old, new), where
        if outcome is None:  # the call was not needed, or was made again
            assert contents(tmp_path) == new, where
        elif isinstance(outcome, MemoryError):
            assert contents(tmp_path) == old, where
        elif not isinstance(outcome, KeyboardInterrupt | SystemExit):
            assert (name == "two.txt" and isinstance(outcome, OSError | OutputError)) or name in sentence(outcome), (
                where
            )
            assert contents(tmp_path) == old, where

    calls = with_every_fault(prepare, lambda: write(path, overwrite=overwrite), check)
    assert contents(tmp_path) == new
    return calls


@pytest.mark.filterwarnings("ignore::xdgmm.errors.ConvergenceWarning")
def test_text_files_of_another_package(with_every_fault, tmp_path):
    model = tholoien.XDGMM(1, n_iter=3)
    model.fit(np.arange(8.0).reshape(4, 2), np.tile(np.eye(2), (4, 1, 1)))
    path = tmp_path / "model.txt"
    model.save_model(str(path))
    new = path.read_bytes()

    def check(outcome, where):
        assert contents(tmp_path) in ({"model.txt": b"old"}, {"model.txt": new}), where
        if outcome is not None and not isinstance(outcome, KeyboardInterrupt | SystemExit):
            assert "model.txt" in sentence(outcome)

    with_every_fault(lambda: path.write_bytes(b"old"), lambda: model.save_model(str(path)), check)
    assert path.read_bytes() == new


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::xdgmm.errors.ConvergenceWarning")
def test_pictures_of_a_posterior(with_every_fault, tmp_path):
    pytest.importorskip("corner")
    result, data = small_fit()
    samples, path = sample_posterior(result, data, n_steps=20, rng=1), tmp_path / "corner.png"
    samples.corner(path)
    new = path.read_bytes()

    def check(outcome, where):
        assert contents(tmp_path) in ({"corner.png": b"old"}, {"corner.png": new}), where
        if isinstance(outcome, Exception):
            assert "corner.png" in sentence(outcome)

    with_every_fault(lambda: path.write_bytes(b"old"), lambda: samples.corner(path, overwrite=True), check)
    assert path.read_bytes() == new


def small_fit():
    rng = np.random.default_rng(1)
    data = Observations.with_standard_errors(rng.normal(80.0, 2.0, 20), 1.0, names="v")
    return XDGMM(random_state=0).fit(data).result_, data


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::xdgmm.errors.ConvergenceWarning")
def test_chains_without_memory(with_every_allocation_failing, tmp_path):
    chain_is_old_or_new(partial(with_every_allocation_failing, 400), tmp_path)


@pytest.mark.filterwarnings("ignore:.*the fit goes on:xdgmm.errors.XdgmmWarning")
def test_checkpoints(with_every_fault, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    data, path = Observations.exact(np.arange(3.0)), tmp_path / "state"
    passes = {bytes([number] * checkpoint.SIZE): b"sums" * 5 for number in range(1)}

    def fit():
        with checkpoint.recorded(data, path, {"tol": 1.0}, 1) as (recorded, _):
            for key, result in passes.items():
                recorded.memo["passes"].add(key, result)

    def check(outcome, where):
        assert set(contents(tmp_path)) <= {"state"}, where
        if path.exists():
            assert checkpoint.Checkpoint.read(path).passes.items() <= passes.items(), where
        if isinstance(outcome, Exception):
            assert "state" in sentence(outcome), where

    calls = with_every_fault(lambda: path.unlink(missing_ok=True), fit, check)
    assert calls.count("os.replace") == 2  # at the beginning, and after the pass
    assert checkpoint.Checkpoint.read(path).passes == passes


@pytest.mark.filterwarnings("ignore:.*without its packed cache:xdgmm.errors.XdgmmWarning")
def test_packed_caches(with_every_fault, tmp_path):
    folder, part = tmp_path / "cache", PackedPart(0, pack(np.arange(9.0)[:, None], None, None))

    def cached():
        return PackedCache(folder).of({"data_hash": "0"}, "packing")

    def write():
        return sum(each.data.n_objects for each in cached().written(lambda: [part]))

    def check(outcome, where):
        written = {path.name for path in folder.rglob("*.*")}
        assert written <= {"header.json", "part-000000.xdgmm"}, where
        if "header.json" in written:
            assert [each.data.n_objects for each in cached().parts()] == [9], where
        assert outcome == 9 or isinstance(outcome, KeyboardInterrupt | SystemExit) or "cache" in sentence(outcome), (
            where
        )

    calls = with_every_fault(lambda: rmtree(folder, ignore_errors=True), write, check)
    assert calls.count("os.mkdir") == 3  # twice when it is made, and once when it is written: it may have been removed
    assert calls.count("os.replace") == 2


@pytest.mark.filterwarnings("ignore::xdgmm.errors.ConvergenceWarning")
def test_chains(with_every_fault, tmp_path):
    chain_is_old_or_new(with_every_fault, tmp_path)


def chain_is_old_or_new(with_every_fault, tmp_path):
    pytest.importorskip("h5py")
    (result, data), path = small_fit(), tmp_path / "chain.h5"

    def sample(n_steps=6):
        return sample_posterior(result, data, n_steps=n_steps, backend=path, existing="resume", rng=1)

    sample(3)
    old = path.read_bytes()
    sample()
    new = path.read_bytes()

    def check(outcome, where):
        assert contents(tmp_path) in ({"chain.h5": old}, {"chain.h5": new}), where
        if isinstance(outcome, Exception) and not isinstance(outcome, MemoryError):
            assert "chain.h5" in sentence(outcome)

    with_every_fault(lambda: path.write_bytes(old), sample, check)
    assert path.read_bytes() == new
