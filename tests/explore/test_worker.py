"""A process that computes for a page: it reports, ends when it is told to, and never outlives the page."""

import os
import sys
import time
from functools import partial

import numpy as np
import pytest

from xdgmm import Observations
from xdgmm.errors import InputError
from xdgmm.explore import tasks
from xdgmm.explore.worker import Worker
from xdgmm.fitting import Settings, fit

PATIENCE = 60.0  # seconds, on a busy machine


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture
def stars():
    rng = np.random.default_rng(1)
    centres = rng.choice([-3.0, 3.0], 400)
    errors = rng.uniform(0.2, 1.0, 400)
    return Observations.with_standard_errors(centres + np.hypot(1.0, errors) * rng.standard_normal(400), errors)


class Heard(list):
    """Everything that a page hears of a task."""

    def __init__(self, worker, task, *arguments):
        super().__init__()
        self.worker = worker
        kinds = ("done", "report", "failed")
        heard = {f"on_{kind}": partial(self.note, kind) for kind in kinds}
        worker.start(task, *arguments, **heard, on_cancelled=partial(self.note, "cancelled", None))

    def note(self, kind, value):
        self.append((kind, value))

    def of(self, kind):
        return [value for each, value in self if each == kind]

    def until(self, holds):
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end, self
            self.worker.poll()
            time.sleep(0.005)
        return self

    def until_ended(self):
        return self.until(lambda: not self.worker.is_busy)


def busy_after_a_report(report):
    report("started")
    time.sleep(600)


def process_of(report):
    report(os.getpid())
    report.wait(600)


def ended_by_the_system(_report):
    os._exit(9)


def test_a_fit_in_the_process_is_that_of_the_package(worker, stars):
    heard = Heard(worker, tasks.run, stars, 2, Settings(), 3).until_ended()
    (result,) = heard.of("done")
    here = fit(stars, 2, Settings(), 3)
    assert np.array_equal(result.mixture.means, here.mixture.means)
    assert result.log_likelihood == here.log_likelihood


def test_iterations_rise_to_the_likelihood_of_the_result_in_the_units_of_the_data(worker, stars):
    start = fit(stars, 2, rng=0).mixture
    start = start.with_parameters(start.weights, start.means + np.array([[1.0], [0.5]]), start.covariances)
    heard = Heard(worker, tasks.run, stars, 2, Settings(solver="em", start=start), 0, 1e-4).until_ended()
    (result,), reports = heard.of("done"), heard.of("report")
    assert np.allclose(reports[0].mixture.means, start.means)
    likelihoods = [each.mean_log_likelihood for each in reports]
    assert np.all(np.diff(likelihoods) > -1e-8 / 400)  # the predicted gain below which a fit has converged
    assert likelihoods[-1] * 400 == pytest.approx(result.log_likelihood)


def test_steps_make_the_iterations_of_a_run(worker, stars):
    start = fit(stars, 2, rng=0).mixture
    start = start.with_parameters(start.weights, start.means + np.array([[1.0], [0.5]]), start.covariances)
    settings = Settings(solver="em", start=start)
    run = Heard(worker, tasks.run, stars, 2, settings, 0, 1e-4).until_ended().of("report")
    mixture = start
    for k in range(1, 4):
        (result,) = Heard(worker, tasks.step, stars, mixture, settings).until_ended().of("done")
        mixture = result.mixture
        assert np.allclose(mixture.means, run[k].mixture.means, rtol=1e-12)
        assert result.log_likelihood == pytest.approx(run[k].mean_log_likelihood * 400)


def test_an_error_of_the_package_comes_back_as_its_sentence(worker, stars):
    (sentence,) = Heard(worker, tasks.run, stars, 500, Settings()).until_ended().of("failed")
    assert "`n_components` is 500, but there are only 400 objects" in sentence


def test_only_one_task_runs_at_a_time(worker):
    heard = Heard(worker, process_of)
    with pytest.raises(InputError, match="still being computed"):
        worker.start(process_of)
    worker.cancel()
    heard.until_ended()


def test_a_task_that_reports_is_cancelled_in_its_process_which_goes_on(worker):
    heard = Heard(worker, process_of)
    before = heard.until(lambda: heard.of("report")).of("report")
    worker.cancel()
    assert heard.until_ended()[-1] == ("cancelled", None)
    again = Heard(worker, process_of)
    assert again.until(lambda: again.of("report")).of("report") == before
    worker.cancel()
    again.until_ended()


def test_a_task_that_reports_no_more_is_cancelled_within_half_a_second_and_the_next_one_runs(worker, stars):
    heard = Heard(worker, busy_after_a_report)
    heard.until(lambda: heard.of("report"))
    start = time.monotonic()
    worker.cancel()
    assert heard.until_ended()[-1] == ("cancelled", None)
    assert time.monotonic() - start < 1.0  # 0.25 s of patience, on a busy machine
    assert Heard(worker, tasks.run, stars, 1, Settings()).until_ended().of("done")


def test_a_process_that_is_killed_is_a_sentence_and_the_next_task_runs(worker, stars):
    (sentence,) = Heard(worker, ended_by_the_system).until_ended().of("failed")
    assert "exit code 9" in sentence
    assert Heard(worker, tasks.run, stars, 1, Settings()).until_ended().of("done")


def test_a_task_can_be_cancelled_before_its_process_has_started():
    fresh = Worker()
    heard = Heard(fresh, process_of)
    fresh.cancel()
    assert heard == [("cancelled", None)]
    fresh.close()


@pytest.mark.skipif(sys.platform == "win32", reason="signal 0 has another meaning there")
def test_closing_ends_the_process_whatever_it_does():
    worker = Worker()
    heard = Heard(worker, process_of)
    (number,) = heard.until(lambda: heard.of("report")).of("report")
    worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
