"""Every command that writes leaves the old files or the new ones, and one sentence, whichever call fails."""

import warnings

import numpy as np
import pytest
from astropy.table import QTable, Table

from xdgmm import XDGMM, GaussianMixture, Observations
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
}


@pytest.fixture
def inputs(tmp_path):
    rng = np.random.default_rng(1)
    stars = QTable({"v": rng.normal(80.0, 3.0, 12), "e_v": np.ones(12)})
    stars.write(tmp_path / "stars.csv", format="ascii.csv")
    stars.write(tmp_path / "stars.fits")
    QTable({"s": [2.0, 3.0], "e": [0.1, 0.1]}).write(tmp_path / "lines.csv", format="ascii.csv")
    data = Observations.with_standard_errors(stars["v"], 1.0, names="v")
    XDGMM(random_state=0).fit(data).mixture_.write(tmp_path / "model.fits")
    return {path.name for path in tmp_path.iterdir()}


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


@pytest.mark.parametrize("overwrite", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name != "apply" else ()) for name in COMMANDS]
)
def test_old_or_new(with_every_fault, tmp_path, inputs, monkeypatch, capsys, name, overwrite):
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
        assert new in (set(), set(outputs)), where
        assert found == (set(outputs) if overwrite or new else set()), where
        sentences = capsys.readouterr().err.splitlines()
        if code in (2, 130, 143):
            assert len(sentences) == 1, where
            assert sentences[0].startswith(("error: ", "interrupted: ", "ended by a signal: ")), where
            assert ".xdgmm-" not in sentences[0], where
        else:  # the call was not needed, or was made again
            assert (code, new) == (0, set(outputs)), where

    calls = with_every_fault(prepare, run, check)
    check(codes[-1], "without a fault")
    assert codes[-1] == 0
    assert "os.fsync" in calls
