"""A fit that is ended and resumed from its checkpoint ends as one that was never ended: bit by bit."""

import errno
import json
import os
import runpy
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from astropy.table import Table

from xdgmm import XDGMM, Background, Flat, GaussianMixture, Observations, Prior, SelectionFunction
from xdgmm.errors import InputError, OutputError, XdgmmWarning
from xdgmm.fitting import InverseWishart, checkpoint
from xdgmm.streaming import TableSource

N = 600
BOX = Background([-60.0, -60.0], [60.0, 60.0])


class EndedError(Exception):
    """What a callback raises."""


def catalogue(seed=3, n=N):
    rng = np.random.default_rng(seed)
    group = rng.random(n) < 0.4
    errors = rng.uniform(0.5, 2.0, (n, 2))
    v = np.where(group[:, None], [-9.0, 2.0], [6.0, -1.0]) + rng.standard_normal((n, 2)) * [3.0, 1.0]
    w = np.clip(v + errors * rng.standard_normal((n, 2)), -25.0, 25.0)
    return Table({"a": w[:, 0], "b": w[:, 1], "e_a": errors[:, 0], "e_b": errors[:, 1]})


def observations(columns=("a", "b")):
    return Observations.from_table(catalogue(), list(columns))


def stream():
    table = catalogue()
    return TableSource([table[first : first + 250] for first in range(0, N, 250)], ["a", "b"], memory="1MB")


def ended_after(passes):
    left = [passes]

    def count(_):
        left[0] -= 1
        if left[0] < 0:
            raise EndedError

    return count


def fitted(X, path, options, **given):
    options = {"n_components": 2, "random_state": 5, "n_init": 2, **options}
    callback = given.pop("callback", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XdgmmWarning)
        return XDGMM(**options, callback=callback).fit(X, checkpoint=path, **given)


def check_identical(one, other):
    for name in ("weights_", "means_", "covariances_", "dof_", "background_fraction_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    mine, its = one.result_, other.result_
    assert mine.log_likelihood == its.log_likelihood
    assert (mine.passes, mine.outcome) == (its.passes, its.outcome)
    for name in ("history", "gain_history", "effective_sizes", "noise_ratio"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(its, name))


@pytest.fixture(autouse=True)
def _written_after_each_pass(monkeypatch):
    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)


FITS = {
    "em": (stream, {"solver": "em", "tol": 1e-3}),
    "implicit": (stream, {"solver": "implicit"}),
    "quasi-newton": (stream, {"solver": "quasi-newton"}),
    "auto": (stream, {"solver": "auto"}),
    "in memory": (observations, {}),
    "t": (stream, {"family": "t", "dof": "fit", "n_components": 1}),
    "box": (stream, {"background": BOX, "n_components": 1}),
    "edges": (lambda: observations("a"), {"background": Background(), "n_components": 1, "max_iter": 60}),
    "flat": (stream, {"flat": Flat("b", -30.0, 30.0)}),
    "cut": (lambda: observations("a"), {"selection_function": SelectionFunction.box(high={"a": 30.0})}),
    "start": (stream, {"init": GaussianMixture([0.5, 0.5], [[-5.0, 0.0], [5.0, 0.0]], [25 * np.eye(2)] * 2)}),
    "prior": (stream, {"prior": Prior(covariances=InverseWishart(0.1)), "covariance_type": "tied"}),
}


SLOW = "flat", "prior", "t"  # several seconds


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in FITS])
def test_a_resumed_fit_is_that_which_was_never_ended(name, tmp_path):
    make, options = FITS[name]
    whole = fitted(make(), None, options)
    n_passes = []
    fitted(make(), tmp_path / "counted", options, callback=lambda progress: n_passes.append(progress.passes) and None)
    ends = np.random.default_rng(len(name)).integers(1, len(n_passes), 2) if len(n_passes) > 1 else [0]
    path = tmp_path / "state"
    for end in sorted(ends):
        with pytest.raises(EndedError):
            fitted(make(), path, options, callback=ended_after(end), resume=path.exists())
        if not path.exists():  # ended before a pass over all objects
            continue
    if path.exists():
        check_identical(fitted(make(), path, options, resume=True), whole)
    check_identical(fitted(make(), tmp_path / "counted", options, resume=True), whole)


def test_a_resumed_fit_reads_only_what_it_lacks(tmp_path):
    table, reads = catalogue(), []

    def blocks():
        reads.append(1)
        yield from (table[first : first + 250] for first in range(0, N, 250))

    def fit(**options):
        reads.clear()
        return fitted(TableSource(blocks, ["a", "b"]), tmp_path / "state", {}, **options)

    first = fit()
    assert len(reads) == 2  # what it holds, and the blocks, which are kept
    again = fit(resume=True)
    assert len(reads) == 1
    check_identical(first, again)


def test_the_seed_is_that_of_the_file(tmp_path):
    first = fitted(observations(), tmp_path / "state", {"random_state": None})
    again = fitted(observations(), tmp_path / "state", {"random_state": None}, resume=True)
    check_identical(first, again)
    assert first.mixture_.record.recipe == again.mixture_.record.recipe
    assert "checkpoint" not in first.mixture_.record.recipe
    with pytest.raises(InputError, match="`random_state`"):
        fitted(observations(), tmp_path / "state", {"random_state": 5}, resume=True)


@pytest.mark.parametrize("given", [np.random.default_rng(1), np.random.RandomState(1), True, 0.5])
def test_a_seed_that_is_used_up_is_refused(given, tmp_path):
    with pytest.raises(InputError, match="whole number, or None"):
        fitted(observations(), tmp_path / "state", {"random_state": given})
    assert not list(tmp_path.iterdir())


def begun(folder):
    """A checkpoint of a fit that is not finished."""
    with pytest.raises(EndedError):
        fitted(observations(), folder / "state", {}, callback=ended_after(80))
    return folder / "state"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_components": 3}, "`n_components`"),
        ({"solver": "em"}, "`solver`"),
        ({"tol": 1e-6}, "`tol`"),
        ({"max_iter": 17, "n_init": 3}, "`max_iter`, `n_init`"),
        ({"covariance_type": "diag"}, "`covariance_type`"),
        ({"background": BOX}, "`background`"),
        ({"prior": Prior(covariances=InverseWishart(0.1))}, "`prior`"),
        ({"family": "t", "dof": 4.0}, "`dof`, `family`"),
        ({"means_init": [[-5.0, 0.0], [5.0, 0.0]]}, "`init`"),
        ({"random_state": 6}, "`random_state`"),
    ],
)
def test_another_fit_is_refused(options, message, tmp_path):
    path = begun(tmp_path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=f"with other {message};"):
        fitted(observations(), path, options, resume=True)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize(
    "other",
    [
        lambda: Observations.from_table(catalogue(4), ["a", "b"]),
        lambda: Observations.from_table(catalogue(), ["b", "a"]),
        lambda: Observations.from_table(catalogue(), ["a", "b"], errors=None),
        lambda: observations().select(slice(0, N - 1)),
    ],
)
def test_other_data_are_refused(other, tmp_path):
    with pytest.raises(InputError, match="is of other data"):
        fitted(other(), begun(tmp_path), {}, resume=True)


def test_a_catalogue_that_is_read_with_other_memory_is_refused(tmp_path):
    # blocks and sample are others, and so are the last bits of every sum
    fitted(stream(), tmp_path / "state", {})
    other = TableSource([catalogue()], ["a", "b"], memory="2MB")
    with pytest.raises(InputError, match="of a fit with other `memory`"):
        fitted(other, tmp_path / "state", {}, resume=True)


def test_a_file_that_exists_is_not_replaced(tmp_path):
    path = begun(tmp_path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="exists already; go on from it with `resume=True`"):
        fitted(observations(), path, {})
    assert path.read_bytes() == before


def test_nothing_to_resume_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no checkpoint"):
        fitted(observations(), tmp_path / "state", {}, resume=True)
    with pytest.raises(InputError, match="`resume` needs the file"):
        fitted(observations(), None, {}, resume=True)
    with pytest.raises(OutputError, match="the folder"):
        fitted(observations(), tmp_path / "missing" / "state", {})
    assert not list(tmp_path.iterdir())


def test_a_fit_that_is_refused_leaves_no_file(tmp_path):
    with pytest.raises(InputError, match="ask for fewer"):
        fitted(observations(), tmp_path / "state", {"n_components": N + 1})
    assert not list(tmp_path.iterdir())


def test_a_function_of_the_user_is_refused(tmp_path):
    selection = SelectionFunction(lambda values: np.ones(len(values)))
    with pytest.raises(InputError, match="function of your own"):
        fitted(observations("a"), tmp_path / "state", {"selection_function": selection})


def test_a_damaged_file_is_refused(tmp_path):
    path = begun(tmp_path)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    places = [0, 1, 20, len(content) - 1, *rng.integers(0, len(content), 30)]
    for place in places:
        for damaged in (content[:place], content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]):
            path.write_bytes(damaged)
            with pytest.raises(InputError, match=r"damaged|no checkpoint of xdgmm|has format|was written by"):
                fitted(observations(), path, {}, resume=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"format_version": 2}, "has format 2"), ({"format": "other"}, "no checkpoint"), ({"xdgmm": "0.0"}, "0.0")],
)
def test_a_file_of_another_version_is_refused(change, message, tmp_path):
    path = begun(tmp_path)
    line, _, rest = path.read_bytes().partition(b"\n")
    body = json.dumps({**json.loads(line), **change}).encode() + b"\n" + rest[: -checkpoint.SIZE]
    path.write_bytes(body + checkpoint.hashlib.blake2b(body, digest_size=checkpoint.SIZE).digest())
    with pytest.raises(InputError, match=message):
        fitted(observations(), path, {}, resume=True)


def test_two_fits_do_not_write_one_file(tmp_path):
    def another(_):
        fitted(observations(), tmp_path / "state", {}, resume=True)

    with pytest.raises(OutputError, match="written by another process"):
        fitted(observations(), tmp_path / "state", {}, callback=another)


def test_a_full_disk_does_not_end_the_fit(tmp_path, monkeypatch):
    path = begun(tmp_path)
    before = path.read_bytes()

    def full(*_arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    whole = fitted(observations(), None, {})
    monkeypatch.setattr(os, "fsync", full)
    model = XDGMM(2, random_state=5, n_init=2)
    with pytest.warns(XdgmmWarning, match=r"No space left on device; the fit goes on") as warned:
        model.fit(observations(), checkpoint=path, resume=True)
    assert str(path) in str(warned[0].message)
    check_identical(model, whole)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["state"]


def test_an_interrupted_fit_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "INTERVAL", 1e9)

    def interrupt(progress):
        if progress.passes == 80:
            raise KeyboardInterrupt

    whole = fitted(observations(), None, {})
    part = fitted(observations(), tmp_path / "state", {}, callback=interrupt)
    assert "interrupted" in part.result_.outcome.value
    check_identical(fitted(observations(), tmp_path / "state", {}, resume=True), whole)


SCRIPT = """
import sys
import time

import numpy as np
from astropy.table import Table

from xdgmm import XDGMM
from xdgmm.fitting import checkpoint
from xdgmm.streaming import TableSource

checkpoint.INTERVAL = 0.05


def table(number):
    rng = np.random.default_rng(number)
    errors = rng.uniform(0.5, 2.0, 5000)
    values = np.where(rng.random(5000) < 0.4, rng.normal(0, 3, 5000), rng.normal(10, 2, 5000))
    return Table({"v": values + errors * rng.standard_normal(5000), "e_v": errors})


tables = [table(number) for number in range(8)]


def blocks():
    for each in tables:
        time.sleep(0.008)  # so that there is time to be killed
        yield each


path, resume, output = sys.argv[1:]
source = TableSource(blocks, "v", memory="1MB")
model = XDGMM(2, n_init=1, solver="em", tol=1e-2, random_state=1)
model.fit(source, checkpoint=path or None, resume=resume == "resume")
np.savez(output, *(model.weights_, model.means_, model.covariances_, model.result_.history, model.result_.passes))
"""


def started(script, path, resume, output):
    return subprocess.Popen([sys.executable, script, path, resume, output])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
def test_a_fit_that_is_killed_again_and_again_ends_with_the_same_bits(tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    monkeypatch.setattr(sys, "argv", [str(script), "", "", str(tmp_path / "whole.npz")])
    runpy.run_path(str(script))
    path, output, kills, rng = tmp_path / "state", tmp_path / "resumed.npz", 0, np.random.default_rng(2)
    while not output.exists():
        resume = "resume" if path.exists() else ""
        process = started(script, path, resume, output)
        size = path.stat().st_size if path.exists() else 0
        while kills < 3 and process.poll() is None and not (path.exists() and path.stat().st_size > size):
            time.sleep(0.01)  # until something was added
        time.sleep(rng.uniform(0.0, 0.3))
        if kills < 3:
            process.send_signal(signal.SIGKILL)
            kills += 1
        assert process.wait() in (0, -signal.SIGKILL)
    assert kills == 3
    one, other = (np.load(tmp_path / f"{name}.npz") for name in ("whole", "resumed"))
    for name in one.files:
        np.testing.assert_array_equal(one[name], other[name])
    leftovers = {each.name for each in tmp_path.iterdir() if each.name.startswith(".xdgmm-")}
    assert len(leftovers) <= kills  # of a writing that was killed


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
def test_a_signal_that_ends_the_program_writes_the_file_first(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "INTERVAL", 1e9)

    def end(progress):
        if progress.passes == 80:
            signal.raise_signal(signal.SIGTERM)

    whole = fitted(observations(), None, {})
    with pytest.raises(SystemExit):
        fitted(observations(), tmp_path / "state", {}, callback=end)
    size = (tmp_path / "state").stat().st_size
    check_identical(fitted(observations(), tmp_path / "state", {}, resume=True), whole)
    assert size > 2000
    assert [each.name for each in tmp_path.iterdir()] == ["state"]
