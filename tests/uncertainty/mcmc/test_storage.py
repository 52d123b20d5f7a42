import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from xdgmm import XDGMM, Fixed, GaussianMixture, InputError, Observations
from xdgmm.errors import ConvergenceWarning, OutputError, XdgmmWarning
from xdgmm.uncertainty.mcmc import HalfCauchy, PosteriorPrior, SamplingOutcome, chain, sample_posterior

h5py = pytest.importorskip("h5py")
SHORT = pytest.warns(ConvergenceWarning, match="50 autocorrelation times")


def steps(path):
    with h5py.File(path) as file:
        return len(file["mcmc"]["chain"])


def test_a_resumed_chain_is_the_one_that_it_would_have_been(line, tmp_path):
    path = tmp_path / "chain.h5"
    with SHORT:
        sample_posterior(*line, n_steps=130, backend=path, rng=3)
    resumed = sample_posterior(*line, n_steps=700, backend=path, existing="resume", rng=99)
    whole = sample_posterior(*line, n_steps=700, rng=3)
    np.testing.assert_array_equal(resumed.chain.coordinates, whole.chain.coordinates)
    np.testing.assert_array_equal(resumed.chain.log_posterior, whole.chain.log_posterior)
    np.testing.assert_array_equal(resumed.chain.acceptance, whole.chain.acceptance)
    assert steps(path) == 700


def test_resumed_until_converged_it_stops_where_it_would_have(line, tmp_path):
    path = tmp_path / "chain.h5"
    with SHORT:
        sample_posterior(*line, n_steps=130, backend=path, rng=3)
    resumed = sample_posterior(*line, backend=path, existing="resume")
    assert resumed.converged
    assert resumed.n_steps == sample_posterior(*line, rng=3).n_steps


def test_a_chain_that_is_done_is_only_read(line, tmp_path):
    path = tmp_path / "chain.h5"
    first = sample_posterior(*line, backend=path, rng=3)
    before = path.read_bytes()
    again = sample_posterior(*line, backend=path, existing="resume")
    assert again.outcome is SamplingOutcome.CONVERGED
    np.testing.assert_array_equal(first.means, again.means)
    assert path.read_bytes() == before


def test_the_backend_of_emcee_reads_the_file(line, tmp_path):
    import emcee

    path = tmp_path / "chain.h5"
    with SHORT:
        samples = sample_posterior(*line, n_steps=50, backend=path, rng=3)
    reader = emcee.backends.HDFBackend(path, read_only=True)
    np.testing.assert_array_equal(reader.get_chain(), samples.chain.coordinates)
    np.testing.assert_array_equal(reader.get_log_prob(), samples.chain.log_posterior)
    assert reader.shape == (32, 2)


KILLED = """
import sys
import numpy as np
from xdgmm import Observations, XDGMM
from xdgmm.uncertainty.mcmc import chain, sample_posterior
rng = np.random.default_rng(1)
values = rng.normal(80.0, 2.0, 30)
observations = Observations.with_standard_errors(values, np.ones(30), names="v", units="km/s")
result = XDGMM(random_state=0).fit(observations).result_
if __name__ == "__main__":
    sample_posterior(result, observations, n_steps=1_000_000, backend=sys.argv[1], rng=3)
"""


def test_a_killed_run_has_lost_no_finished_chunk_and_goes_on(tmp_path):
    script, path = tmp_path / "killed.py", tmp_path / "chain.h5"
    script.write_text(KILLED, encoding="utf-8")
    process = subprocess.Popen([sys.executable, str(script), str(path)], env=dict(os.environ))
    try:
        for _ in range(1200):
            if path.exists() and steps(path) >= 300:
                break
            assert process.poll() is None
            time.sleep(0.05)
        finished = steps(path)
    finally:
        process.kill()
        process.wait()
    kept = steps(path)
    assert kept >= finished >= 300
    assert kept in checks_up_to(kept)
    names = {"__name__": "read"}
    exec(script.read_text(encoding="utf-8"), names)
    resumed = sample_posterior(
        names["result"], names["observations"], n_steps=kept + 500, backend=path, existing="resume"
    )
    whole = sample_posterior(names["result"], names["observations"], n_steps=kept + 500, rng=3)
    np.testing.assert_array_equal(resumed.chain.coordinates, whole.chain.coordinates)
    leftovers = [other.name for other in tmp_path.iterdir() if other not in (script, path)]
    assert len(leftovers) <= 1  # killed in the middle of writing, there is a temporary file
    assert "chain.h5.lock" not in leftovers  # it was taken over


def checks_up_to(n):
    found, check = [], 0
    while check < n:
        check = chain.next_check(check)
        found.append(check)
    return found


def test_a_keyboard_interrupt_returns_the_samples_so_far(line, tmp_path, monkeypatch):
    path = tmp_path / "chain.h5"
    interrupt_at(monkeypatch, 140)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        samples = sample_posterior(*line, backend=path, rng=3)
    assert samples.outcome is SamplingOutcome.INTERRUPTED
    assert samples.n_steps == steps(path) == 140
    assert np.isfinite(samples.means).all()
    assert len(samples) > 0
    monkeypatch.undo()
    resumed = sample_posterior(*line, backend=path, existing="resume")
    np.testing.assert_array_equal(resumed.chain.coordinates, sample_posterior(*line, rng=3).chain.coordinates)


def test_an_interrupt_before_the_first_step_is_one(line, monkeypatch):
    import emcee

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(emcee.EnsembleSampler, "sample", interrupt)
    with pytest.raises(KeyboardInterrupt):
        sample_posterior(*line, rng=3)


def interrupt_at(monkeypatch, n_steps):
    def interrupt():
        raise KeyboardInterrupt

    interruptible(monkeypatch).at[n_steps] = interrupt


def interruptible(monkeypatch):
    """Sampling that calls, after so many steps, what stands in its dictionary `at`."""
    import emcee

    sample = emcee.EnsembleSampler.sample

    def interrupted(sampler, *arguments, **options):
        for state in sample(sampler, *arguments, **options):
            yield state
            interrupted.at.get(sampler.iteration, lambda: None)()

    interrupted.at = {}
    monkeypatch.setattr(emcee.EnsembleSampler, "sample", interrupted)
    return interrupted


def test_a_file_that_exists_is_refused_or_overwritten(line, tmp_path):
    path = tmp_path / "chain.h5"
    with SHORT:
        sample_posterior(*line, n_steps=20, backend=path, rng=1)
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"exists.*existing='resume'"):
        sample_posterior(*line, n_steps=20, backend=path, rng=1)
    assert path.read_bytes() == before
    with SHORT:
        sample_posterior(*line, n_steps=30, backend=path, existing="overwrite", rng=1)
    assert steps(path) == 30


def others(result, observations):
    """Another run in each respect, by name."""
    shifted = Observations.with_standard_errors(observations.values + 1e-6, observations.noise, names="v", units="km/s")
    start = GaussianMixture([1.0], result.mixture.means, result.mixture.covariances)
    fixed = XDGMM(init=start, fixed=Fixed(means=(0,))).fit(observations).result_
    weighted = Observations.with_standard_errors(
        observations.values, observations.noise, weights=np.full(30, 2.0), names="v", units="km/s"
    )
    return {
        "data": (XDGMM().fit(shifted).result_, shifted, {}),
        "weights": (XDGMM().fit(weighted).result_, weighted, {}),
        "model": (fixed, observations, {}),
        "prior": (result, observations, {"prior": PosteriorPrior(sigmas=HalfCauchy(3.0))}),
    }


@pytest.mark.parametrize("what", ["data", "weights", "model", "prior"])
def test_a_file_of_something_else_is_refused(line, tmp_path, what):
    path = tmp_path / "chain.h5"
    with SHORT:
        sample_posterior(*line, n_steps=20, backend=path, rng=1)
    before = path.read_bytes()
    result, observations, settings = others(*line)[what]
    with pytest.raises(InputError, match="other data, another model, fit or prior"):
        sample_posterior(result, observations, n_steps=30, backend=path, existing="resume", **settings)
    assert path.read_bytes() == before


def test_another_number_of_walkers_does_not_resume(line, tmp_path):
    path = tmp_path / "chain.h5"
    with SHORT:
        sample_posterior(*line, n_steps=20, n_walkers=20, backend=path, rng=1)
    with pytest.raises(InputError, match=r"`n_walkers` is 40,.* 20"):
        sample_posterior(*line, n_steps=30, n_walkers=40, backend=path, existing="resume")


def test_a_damaged_or_foreign_file_is_refused(line, tmp_path):
    damaged, foreign = tmp_path / "damaged.h5", tmp_path / "foreign.hdf5"
    damaged.write_bytes(b"no HDF5")
    with h5py.File(foreign, "w") as file:
        file["something"] = [1.0]
    for path in (damaged, foreign):
        with pytest.raises(InputError, match="no chain of xdgmm"):
            sample_posterior(*line, n_steps=30, backend=path, existing="resume")


def test_a_backend_that_cannot_be_written_is_refused_at_once(line, tmp_path):
    for path, message in ((tmp_path / "no" / "chain.h5", "exist"), (tmp_path / "chain.fits", "end in")):
        with pytest.raises(OutputError, match=message):
            sample_posterior(*line, backend=path)
    with pytest.raises(InputError, match="`existing` is 'maybe'"):
        sample_posterior(*line, backend=tmp_path / "chain.h5", existing="maybe")


def test_without_h5py_there_is_a_sentence(line, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"h5py.*pip install 'xdgmm\[mcmc\]'"):
        sample_posterior(*line, backend=tmp_path / "chain.h5")
    assert not Path(tmp_path / "chain.h5").exists()


@pytest.fixture(scope="session")
def stored(line, tmp_path_factory):
    """The bytes of a file of 20 steps, and the samples of 21 steps that go on from it."""
    path = tmp_path_factory.mktemp("stored") / "chain.h5"
    with SHORT:
        sample_posterior(*line, n_steps=20, backend=path, rng=1)
    content = path.read_bytes()
    with SHORT:
        samples = sample_posterior(*line, n_steps=21, backend=path, existing="resume")
    return content, samples.chain


@given(st.data())
@hypothesis_settings(max_examples=100)
def test_a_flipped_bit_is_refused_or_changes_nothing(line, stored, tmp_path, data):
    content, chain = stored
    place = data.draw(st.integers(0, 8 * len(content) - 1))
    changed = bytearray(content)
    changed[place // 8] ^= 1 << place % 8
    assert_refused_or_same(line, tmp_path / "chain.h5", bytes(changed), chain)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_a_flipped_bit_is_refused_or_changes_nothing_in_many_more_places(line, stored, tmp_path, seed):
    content, chain = stored
    for place in np.random.default_rng(seed).integers(0, 8 * len(content), 200):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        assert_refused_or_same(line, tmp_path / "chain.h5", bytes(changed), chain)


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_is_refused(line, stored, tmp_path, fraction):
    content, chain = stored
    assert_refused_or_same(line, tmp_path / "chain.h5", content[: int(fraction * len(content))], chain)


def assert_refused_or_same(line, path, content, chain):
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XdgmmWarning)
        try:
            samples = sample_posterior(*line, n_steps=21, backend=path, existing="resume")
        except InputError as error:
            assert "damaged" in str(error) or "other data" in str(error)  # noqa: PT017 - either is right
            assert path.read_bytes() == content
            return
    np.testing.assert_array_equal(samples.chain.coordinates, chain.coordinates)
    np.testing.assert_array_equal(samples.chain.log_posterior, chain.log_posterior)
    np.testing.assert_array_equal(samples.chain.acceptance, chain.acceptance)


def tripled(group):
    group["chain"][:, :, 1] *= 3.0


def shifted_posterior(group):
    group["log_prob"][...] += 1.0


def not_finite(group):
    group["chain"][3, 2, 0] = np.nan


def replace_by(name, change):
    def edit(group):
        array = change(group[name][...])
        del group[name]
        group[name] = array

    return edit


def with_attribute(name, value):
    def edit(group):
        group.attrs[name] = value

    return edit


def without(name):
    def edit(group):
        if name in group:
            del group[name]
        else:
            del group.attrs[name]

    return edit


EDITS = {
    "a tripled column": tripled,
    "another posterior": shifted_posterior,
    "NaN": not_finite,
    "fewer steps": replace_by("chain", lambda a: a[:5]),
    "no steps": replace_by("chain", lambda a: a[:0]),
    "fewer walkers": replace_by("chain", lambda a: a[:, :9]),
    "a flat chain": replace_by("chain", np.ravel),
    "text": replace_by("chain", lambda a: a.astype("S8")),
    "fewer posteriors": replace_by("log_prob", lambda a: a[:-1]),
    "too much accepted": replace_by("accepted", lambda a: a + 1000),
    "fewer accepted": replace_by("accepted", lambda a: a[:-1]),
    "another state": with_attribute("random_state_1", np.arange(624, dtype=np.uint32)),
    "a short state": with_attribute("random_state_1", np.arange(6, dtype=np.uint32)),
    "a state of another kind": with_attribute("random_state_0", "PCG64"),
    "a position beyond the state": with_attribute("random_state_2", 10_000),
    "no state": without("random_state_1"),
    "no chain": without("chain"),
    "no hash": without("xdgmm_hash"),
    "other words": with_attribute("prior", "flat"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_file_is_refused(line, stored, tmp_path, edit):
    path = tmp_path / "chain.h5"
    path.write_bytes(stored[0])
    with h5py.File(path, "r+") as file:
        EDITS[edit](file["mcmc"])
    with pytest.raises(InputError, match=r"chain\.h5' is no chain of xdgmm, or it is damaged.*existing='overwrite'"):
        sample_posterior(*line, n_steps=21, backend=path, existing="resume")


@pytest.mark.parametrize("edit", ["a tripled column", "another posterior", "NaN", "fewer walkers", "a short state"])
def test_an_edited_file_without_a_digest_is_refused(line, stored, tmp_path, edit):
    path = tmp_path / "chain.h5"
    path.write_bytes(stored[0][512:])  # without the block that holds the digest
    with h5py.File(path, "r+") as file:
        EDITS[edit](file["mcmc"])
    with pytest.raises(InputError, match=r"chain\.h5' is .*damaged"):
        sample_posterior(*line, n_steps=21, backend=path, existing="resume")


def test_two_runs_that_begin_together_do_not_both_sample(line, tmp_path):
    path, ready, refused = tmp_path / "chain.h5", threading.Barrier(4), []

    def run(seed):
        ready.wait()
        try:
            sample_posterior(*line, n_steps=300, backend=path, rng=seed)
        except InputError as error:
            refused.append((seed, str(error)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (winner,) = set(range(4)) - {seed for seed, _ in refused}
        assert all("another process" in sentence or "exists" in sentence for _, sentence in refused)
        expected = sample_posterior(*line, n_steps=300, rng=winner).chain.coordinates
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["mcmc"]["chain"], expected)
    assert list(tmp_path.iterdir()) == [path]


def test_a_chain_made_meanwhile_without_a_lock_is_kept(line, tmp_path, monkeypatch):
    path, sample = tmp_path / "chain.h5", interruptible(monkeypatch)
    sample.at[10] = lambda: path.write_bytes(b"of another machine")
    with pytest.raises(OutputError, match="it exists already"):
        sample_posterior(*line, n_steps=50, backend=path, rng=1)
    assert path.read_bytes() == b"of another machine"


def test_a_terminated_run_keeps_its_steps_and_ends(line, tmp_path, monkeypatch):
    path = tmp_path / "chain.h5"
    interruptible(monkeypatch).at[140] = lambda: sys.exit(143)
    with pytest.raises(SystemExit, match="143"):
        sample_posterior(*line, backend=path, rng=3)
    assert steps(path) == 140


@pytest.mark.parametrize("line_number", range(1, 8))
def test_an_interrupt_within_a_step_loses_that_step_alone(line, tmp_path, line_number):
    """KeyboardInterrupt at each line of the function of emcee that keeps a step."""
    from emcee.backends import Backend

    path, code = tmp_path / "chain.h5", Backend.save_step.__code__
    calls = []

    def trace(frame, event, _):
        if frame.f_code is not code:
            return None
        if event == "call":
            calls.append(0)
        elif event == "line" and len(calls) == 120:
            calls[-1] += 1
            if calls[-1] == line_number:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with pytest.warns(ConvergenceWarning, match=r"interrupted.*\(119 steps"):
            sample_posterior(*line, n_steps=130, backend=path, rng=3)
    finally:
        sys.settrace(before)
    with SHORT:
        resumed = sample_posterior(*line, n_steps=130, backend=path, existing="resume")
        whole = sample_posterior(*line, n_steps=130, rng=3)
    np.testing.assert_array_equal(resumed.chain.coordinates, whole.chain.coordinates)
    np.testing.assert_array_equal(resumed.chain.acceptance, whole.chain.acceptance)
