"""Every function that writes leaves the old files or the new ones, and one sentence, whichever call fails."""

import numpy as np
import pytest
from astropy.table import QTable
from astropy.units import Unit

from xdgmm import XDGMM, GaussianMixture, Observations
from xdgmm.compat import tholoien
from xdgmm.errors import OutputError
from xdgmm.files import atomic_writes
from xdgmm.tables import Column, append_columns, write_table

# libraries that are interrupted leave it to Python to close a file
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
MODEL = GaussianMixture([0.25, 0.75], [[1.0, 2.0], [3.0, 4.0]], [np.eye(2), 2 * np.eye(2)], ["a", "b"])
REPORT = QTable({"v": np.arange(3.0), "name": ["a", "b", "c"]}, meta={"remarks": ["one", "two"]})
NEW = [Column("x", "new numbers", Unit("km/s")), Column("k", "new whole numbers", whole=True)]


def write_model(path, **options):
    MODEL.write(path, **options)


def write_report(path, **options):
    write_table(REPORT, path, **options)


def append(path, **options):
    source = path.parent / f"source{path.suffix}"
    append_columns(source, path, NEW, [[np.arange(3.0), np.arange(3)]], **options)


def save_figure(path, **options):
    from matplotlib.figure import Figure

    from xdgmm.plotting import save

    save(Figure(figsize=(1, 1)), path, **options)


def write_two(path, **options):
    with atomic_writes([path, path.with_name("second.txt")], **options) as temporaries:
        for temporary in temporaries:
            temporary.write_text("new")


WRITERS = {
    "model.fits": write_model,
    "model.ecsv": write_model,
    "report.fits": write_report,
    "report.ecsv": write_report,
    "appended.fits": append,
    "appended.ecsv": append,
    "figure.png": save_figure,
    "two.txt": write_two,
}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def sentence(error):
    assert isinstance(error, OutputError), repr(error)
    assert len(str(error).splitlines()) == 1
    return str(error)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", WRITERS)
def test_old_or_new(with_every_fault, tmp_path, name, overwrite):
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
        elif not isinstance(outcome, KeyboardInterrupt | SystemExit):
            assert (name == "two.txt" and isinstance(outcome, OSError | OutputError)) or name in sentence(outcome), (
                where
            )
            assert contents(tmp_path) == old, where

    calls = with_every_fault(prepare, lambda: write(path, overwrite=overwrite), check)
    assert contents(tmp_path) == new
    assert {"os.fsync", "os.replace" if overwrite else "os.link"} <= set(calls)


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


@pytest.mark.filterwarnings("ignore::xdgmm.errors.ConvergenceWarning")
def test_chains(with_every_fault, tmp_path):
    pytest.importorskip("h5py")
    from xdgmm.uncertainty.mcmc import sample_posterior

    rng = np.random.default_rng(1)
    data = Observations.with_standard_errors(rng.normal(80.0, 2.0, 20), 1.0, names="v")
    result, path = XDGMM(random_state=0).fit(data).result_, tmp_path / "chain.h5"

    def sample(n_steps=6):
        return sample_posterior(result, data, n_steps=n_steps, backend=path, existing="resume", rng=1)

    sample(3)
    old = path.read_bytes()
    sample()
    new = path.read_bytes()

    def check(outcome, where):
        assert contents(tmp_path) in ({"chain.h5": old}, {"chain.h5": new}), where
        if isinstance(outcome, Exception):
            assert "chain.h5" in sentence(outcome)

    with_every_fault(lambda: path.write_bytes(old), sample, check)
    assert path.read_bytes() == new
