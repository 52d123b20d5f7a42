"""Every command that writes leaves the old files or the new ones, and one sentence, whichever call fails."""

import warnings
from functools import partial
from itertools import product
from shutil import rmtree

import numpy as np
import pytest
from astropy.table import QTable, Table

from xdgmm import XDGMM, GaussianMixture, Observations, datasets
from xdgmm.cli import main

# libraries that are interrupted leave it to Python to close a file
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
FIT = ["fit", "stars.csv", "--columns", "v", "--starts", "1"]
COMMANDS = {
    "fit": ([*FIT, "--output", "m.fits"], ["m.fits"]),
    "fit of three files": (
        [*FIT, "--output", "m.ecsv", "--report", "r.ecsv", "--plot", "p.png"],
        ["m.ecsv", "r.ecsv", "p.png"],
    ),
    "widths": (["widths", "model.fits", "stars.csv", "--report", "r.fits"], ["r.fits"]),
    "plot": (["plot", "model.fits", "stars.csv", "--output", "p.png"], ["p.png"]),
    "apply": (["apply", "model.fits", "stars.fits", "--output", "o.fits"], ["o.fits"]),
    "apply to text": (["apply", "model.fits", "stars.csv", "--output", "o.ecsv"], ["o.ecsv"]),
    "deconvolve": (
        [
            "lines",
            "deconvolve",
            "lines.csv",
            "--sigma",
            "s",
            "--error",
            "e",
            "--lsf",
            "1.0",
            "--output",
            "o.fits",
        ],
        ["o.fits"],
    ),
    "population": (
        ["lines", "population", "arcs.csv", "--sigma", "s", "--lsf", "1.0", "--output", "o.fits"],
        ["o.fits"],
    ),
    "lines fit": (
        ["lines", "fit", "spectrum.csv", "--lines", "lines.yaml", "--output", "o.fits"],
        ["o.fits", "o_lines.fits"],
    ),
    "measure-lsf": (
        ["lines", "measure-lsf", "arcs.csv", "--position", "x", "--width", "s", "--output", "o.fits"],
        ["o.fits"],
    ),
}


@pytest.fixture
def inputs(tmp_path):
    return make_inputs(tmp_path, 12)


def make_inputs(folder, n_rows):
    """The files that commands read; returns their names."""
    rng = np.random.default_rng(1)
    stars = QTable({"v": rng.normal(80.0, 3.0, n_rows), "e_v": np.ones(n_rows)})
    stars.write(folder / "stars.csv", format="ascii.csv")
    stars.write(folder / "stars.fits")
    lines = QTable({"s": rng.uniform(2.0, 3.0, max(2, n_rows // 6)), "e": np.full(max(2, n_rows // 6), 0.1)})
    lines.write(folder / "lines.csv", format="ascii.csv")
    arcs = QTable({"x": np.arange(12.0), "s": rng.uniform(1.1, 1.3, 12), "e_s": np.full(12, 0.1)})
    arcs.write(folder / "arcs.csv", format="ascii.csv")
    wave = np.arange(6500.0, 6500.0 + 2 * n_rows)
    flux = 1.0 + 20.0 * np.exp(-0.5 * ((wave - wave.mean()) / 2.0) ** 2)
    QTable({"wave": wave, "flux": flux, "err": 0.5 + 0.0 * wave}).write(folder / "spectrum.csv", format="ascii.csv")
    (folder / "lines.yaml").write_text(
        f"lsf: {{sigma: 1.0, includes_pixel: true}}\ngroups: [{{name: a, lines: {wave.mean()}}}]\n", encoding="utf-8"
    )
    data = Observations.with_standard_errors(stars["v"], 1.0, names="v")
    XDGMM(random_state=0).fit(data).mixture_.write(folder / "model.fits")
    return {path.name for path in folder.iterdir()}


def is_new(path):
    """Whether a file is a complete new one; it fails for one that is neither new nor old."""
    content = path.read_bytes()
    if content == b"old":
        return False
    if path.suffix == ".png":
        assert content.endswith(b"IEND\xaeB`\x82")
    elif path.name.startswith("m."):
        GaussianMixture.read(path)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert len(Table.read(path)) > 0
    return True


def contents(path):
    """The bytes of a file; of a model its numbers, since it has a date."""
    if not path.name.startswith("m."):
        return path.read_bytes()
    mixture = GaussianMixture.read(path)
    return np.concatenate([mixture.all_weights, *mixture.means, *mixture.covariances.ravel()[None]]).tobytes()


FAULTS, SIGNALS = ("a full disk", "an input/output error"), ("Ctrl-C", "SIGTERM")


def cases():
    """Kinds of faults, commands, and whether they overwrite.

    One command meets every kind each time; among the slow tests each command meets a fault and a signal.
    """
    for i, name in enumerate(COMMANDS):
        chosen = FAULTS[i % 2], SIGNALS[i // 2 % 2]
        for kind, overwrite in product((*FAULTS, *SIGNALS), (False, True)):
            mark = pytest.mark.slow if kind == chosen[overwrite ^ (i % 3 == 0)] else pytest.mark.exhaustive
            yield pytest.param(kind, name, overwrite, marks=() if name == "apply" and overwrite else mark)


@pytest.mark.parametrize(("kind", "name", "overwrite"), list(cases()))
def test_old_or_new(with_every_fault, tmp_path, inputs, monkeypatch, capsys, name, overwrite):
    every = 5 if name == "fit of three files" else 1  # it is the slowest
    failing = partial(with_every_fault, every=every)
    calls = old_or_new(failing, tmp_path, inputs, monkeypatch, capsys, name, overwrite=overwrite)
    assert "os.fsync" in calls


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["a full disk"])
@pytest.mark.parametrize("existing", [False, True])
def test_the_files_of_a_table_of_the_demo_are_old_or_new(with_every_fault, tmp_path, monkeypatch, capsys, existing):
    """Two tables, one after the other, each with three files; an empty folder does not stay."""
    folder, codes = tmp_path / "demo", []
    sets = [[f"{name}_model.fits", f"{name}_widths.ecsv", f"{name}.png"] for name in ("hydrus1", "neutron_stars")]
    rows = {name: datasets.load(name)[:12] for name in ("hydrus1", "neutron_stars")}
    monkeypatch.setattr(datasets, "load", rows.get)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr("sys.argv", ["xdgmm", "demo", "--output", str(folder), *(["--overwrite"] if existing else [])])

    def prepare():
        rmtree(folder, ignore_errors=True)
        if existing:
            folder.mkdir()
            for name in (*sets[0], *sets[1]):
                (folder / name).write_bytes(b"old")
        capsys.readouterr()

    def run():
        try:
            main()
        except SystemExit as ended:
            codes.append(ended.code or 0)
            return codes[-1]

    def check(code, where):
        found = {path.name for path in folder.iterdir()} if folder.exists() else set()
        new = {name for name in found if (folder / name).read_bytes() != b"old"}
        assert new in (set(), set(sets[0]), {*sets[0], *sets[1]}), where
        assert found == ({*sets[0], *sets[1]} if existing else new), where
        assert folder.exists() == (existing or bool(new)), where
        assert all((folder / name).stat().st_size > 1000 for name in new), where
        sentences = capsys.readouterr().err.splitlines()
        if code in (2, 130, 143):
            assert sentences[-1].startswith(("error: ", "interrupted: ", "ended by a signal: ")), where
            assert not any("Traceback" in sentence or ".xdgmm-" in sentence for sentence in sentences), where
        else:
            assert (code, len(new)) == (0, 6), where

    prepare()
    run()
    with_every_fault(prepare, run, check, every=47)
    check(codes[-1], "without a fault")


LARGE = 8000  # bytes: the arrays of all rows, and the work space of fits and pictures


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name != "deconvolve" else ()) for name in COMMANDS]
)
def test_old_or_new_without_memory(with_every_allocation_failing, tmp_path, monkeypatch, capsys, name):
    every = {"fit": 7, "fit of three files": 7, "lines fit": 5}.get(name, 1)  # which make hundreds of arrays
    inputs, failing = make_inputs(tmp_path, 2000), partial(with_every_allocation_failing, LARGE, every=every)
    old_or_new(failing, tmp_path, inputs, monkeypatch, capsys, name, overwrite=True)


def old_or_new(with_every_fault, tmp_path, inputs, monkeypatch, capsys, name, *, overwrite):
    """A command with each fault; returns what might have failed."""
    (arguments, outputs), codes = COMMANDS[name], []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr("sys.argv", ["xdgmm", *arguments, *(["--overwrite"] if overwrite else [])])

    def prepare():
        for leftover in {path.name for path in tmp_path.iterdir()} - inputs:
            (tmp_path / leftover).unlink()
        for output in outputs if overwrite else ():
            (tmp_path / output).write_bytes(b"old")
        capsys.readouterr()

    def run():
        try:
            main()
        except SystemExit as ended:
            codes.append(ended.code or 0)
            return codes[-1]

    def check(code, where):
        found = {path.name for path in tmp_path.iterdir()} - inputs
        new = {output for output in found if is_new(tmp_path / output)}
        assert all(contents(tmp_path / output) == expected[output] for output in new), where
        assert new in (set(), set(outputs)), where
        assert found == (set(outputs) if overwrite or new else set()), where
        sentences = capsys.readouterr().err.splitlines()
        if code in (2, 130, 143):
            assert len(sentences) == 1, where
            assert sentences[0].startswith(("error: ", "interrupted: ", "ended by a signal: ")), where
            assert ".xdgmm-" not in sentences[0], where
        else:  # the call was not needed, or was made again
            assert (code, new) == (0, set(outputs)), where

    prepare()
    run()  # an import that fails on its way would leave half a module
    expected = {output: contents(tmp_path / output) for output in outputs}
    calls = with_every_fault(prepare, run, check)
    check(codes[-1], "without a fault")
    assert codes[-1] == 0
    return calls
