import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from xdgmm import XDGMM, Fixed, GaussianMixture, InputError, Observations
from xdgmm.errors import ConvergenceWarning, OutputError
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
    leftovers = [other for other in tmp_path.iterdir() if other not in (script, path)]
    assert len(leftovers) <= 1  # killed in the middle of writing, there is a temporary file


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
    import emcee

    sample = emcee.EnsembleSampler.sample

    def interrupted(sampler, *arguments, **options):
        for state in sample(sampler, *arguments, **options):
            yield state
            if sampler.iteration == n_steps:
                raise KeyboardInterrupt

    monkeypatch.setattr(emcee.EnsembleSampler, "sample", interrupted)


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
