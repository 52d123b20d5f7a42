"""A fit can be watched, stopped and interrupted, and what it had found is not lost."""

import signal

import numpy as np
import pytest

from xdgmm import XDGMM, Background, ConvergenceWarning, InputError, Observations, kernels
from xdgmm.fitting import STARTS, Model, Outcome, Settings, fit
from xdgmm.observations import discover
from xdgmm.selection import select


@pytest.fixture(autouse=True)
def default_interrupts():
    """Ctrl-C raises KeyboardInterrupt also where the tests run in the background, where shells ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def stars():
    rng = np.random.default_rng(3)
    errors = rng.uniform(0.5, 2.0, 900)
    values = np.where(rng.random(900) < 0.4, -3.0, 3.0) + rng.standard_normal(900) * np.sqrt(1 + errors**2)
    return Observations.with_standard_errors(100.0 * values, 100.0 * errors, names="v")


def test_a_callback_is_told_of_every_pass(stars):
    seen = []
    result = fit(stars, 2, Settings(callback=seen.append), rng=0)
    assert [progress.passes for progress in seen] == list(range(1, len(seen) + 1))
    final = [progress for progress in seen if progress.phase == "all objects"]
    assert result.history.size <= len(final)
    # in the caller's coordinates: the same numbers as the history
    best = max(progress.mean_log_likelihood for progress in final)
    assert best == pytest.approx(result.log_likelihood / 900, abs=1e-12)
    assert min(progress.predicted_gain for progress in final) < 1.0


@pytest.mark.parametrize("after", [1, 30, 120])
def test_a_callback_that_says_so_ends_the_fit_with_the_best_so_far(stars, after):
    seen = []

    def stop(progress):
        seen.append(progress)
        return progress.passes >= after

    result = fit(stars, 2, Settings(callback=stop), rng=0)
    assert len(seen) == after
    assert result.outcome is Outcome.STOPPED
    assert not result.converged
    largest = max(progress.n_objects for progress in seen)
    best = max(progress.mean_log_likelihood for progress in seen if progress.n_objects == largest)
    assert result.log_likelihood / 900 == pytest.approx(best, abs=1e-12)


def test_ctrl_c_returns_the_best_mixture_so_far(stars):
    def press(progress):
        if progress.passes == 40:
            signal.raise_signal(signal.SIGINT)

    with pytest.warns(ConvergenceWarning, match="interrupted"):
        model = XDGMM(2, callback=press, random_state=0).fit(stars)
    assert model.result_.outcome is Outcome.INTERRUPTED
    assert np.isfinite(model.score(stars))


def test_ctrl_c_ends_a_choice_among_numbers_of_components(stars):
    def press(progress):
        if progress.mixture.n_components == 2:
            signal.raise_signal(signal.SIGINT)

    found = select(stars, [1, 2, 3, 4], Settings(callback=press), rng=0)
    assert [result is None for result in found.results] == [False, False, True, True]


def test_ctrl_c_before_there_is_anything_goes_through(stars, monkeypatch):
    def press(*_):
        raise KeyboardInterrupt

    monkeypatch.setitem(STARTS, "kmeans++", press)
    with pytest.raises(KeyboardInterrupt):
        fit(stars, 2)


def test_a_callback_changes_nothing(stars):
    plain, watched = fit(stars, 2, rng=0), fit(stars, 2, Settings(callback=lambda _: None), rng=0)
    np.testing.assert_array_equal(plain.mixture.means, watched.mixture.means)
    assert plain.log_likelihood == watched.log_likelihood


def test_a_bar_shows_only_where_asked_or_on_a_terminal(stars, capsys, monkeypatch):
    fit(stars, 1, Settings(progress="auto"))
    fit(stars, 1, Settings(progress="never"))
    assert capsys.readouterr().err == ""
    fit(stars, 1, Settings(progress="always"))
    shown = capsys.readouterr().err
    assert "all objects" in shown
    assert "lnL per object" in shown
    monkeypatch.setattr("xdgmm.basics.progress.DELAY", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    fit(stars, 1, Settings(progress="auto"))
    assert "passes" in capsys.readouterr().err


@pytest.mark.parametrize("given", [{"progress": True}, {"progress": "often"}, {"callback": 3}])
def test_what_cannot_be_shown_or_called_is_refused(stars, given):
    with pytest.raises(InputError, match=next(iter(given))):
        XDGMM(**given).fit(stars)


def test_a_warm_start_goes_on_where_the_fit_ended(stars):
    model = XDGMM(2, random_state=0, warm_start=True, tol=0, max_iter=20)
    first = model.fit(stars).result_
    second = model.fit(stars).result_
    assert second.history[0] == pytest.approx(first.log_likelihood, abs=1e-9)
    assert second.log_likelihood >= first.log_likelihood - 1e-9


@pytest.mark.parametrize("after", [50, 200, 400])
def test_what_is_returned_on_the_way_is_no_collapsed_spike(after):
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(size=(40, 2)), rng.normal(size=(40, 2)) * 0.4 + 3])
    x[5:8] = x[5]  # components can shrink onto these
    result = fit(Observations.exact(x), 6, Settings(callback=lambda progress: progress.passes >= after), rng=1)
    assert result.smallest_eigenvalues.min() > 1e-12  # it had been 2.5e-31


def passed_over(monkeypatch):
    """Objects that the passes go over from now on: a list of one number."""
    passed = [0]

    def counting(name, of_mixtures):
        original = getattr(kernels.PackedData, name)

        def counted(data, *mixture):
            passed[0] += data.n_objects * (len(mixture[0]) if of_mixtures else 1)
            return original(data, *mixture)

        monkeypatch.setattr(kernels.PackedData, name, counted)

    for name in ("accumulate", "accumulate_with_information", "gradients", "effective_sizes", "responsibilities"):
        counting(name, of_mixtures=name == "gradients")
    return passed


@pytest.mark.parametrize(("N", "K", "kind"), [(700, 3, "full"), (70_000, 2, "full"), (500, 2, "tied")])
def test_every_pass_is_counted_in_full_data_equivalents(monkeypatch, N, K, kind):
    rng = np.random.default_rng(N)
    values = rng.choice([-3.0, 3.0], (N, 1)) + rng.normal(size=(N, 2))
    observations = Observations.with_standard_errors(values, rng.uniform(0.3, 3.0, (N, 2)))
    passed = passed_over(monkeypatch)
    result = fit(observations, K, Settings(model=Model(kind)), rng=0)
    assert result.n_passes == pytest.approx(passed[0] / N, rel=1e-12)
    assert result.n_passes == pytest.approx(sum(result.passes), rel=1e-12)
    assert result.passes.starts > 0
    assert (result.passes.samples > 0) is (N > 50_000)
    assert result.passes.all_objects >= result.history.size
    assert result.passes.edges == result.passes.reading == 0
    assert result.passes.diagnostics >= 1


def test_every_pass_of_a_stream_is_counted_and_needs_one_reading_at_most(monkeypatch):
    N, rng, readings = 60_000, np.random.default_rng(4), []
    values, errors = rng.choice([-3.0, 3.0], (N, 1)) + rng.normal(size=(N, 2)), rng.uniform(0.3, 3.0, (N, 2))
    parts = [
        Observations.with_standard_errors(values[i : i + 25_000], errors[i : i + 25_000]) for i in range(0, N, 25_000)
    ]

    def read():
        readings.append(N)
        yield from parts

    streamed = discover(read, 1e6)  # a sample, and no packed parts, fit into so many bytes
    passed = passed_over(monkeypatch)
    result = fit(streamed, 2, Settings(), rng=0)
    assert result.passes.reading == 1
    assert result.n_passes == pytest.approx(1 + passed[0] / N, rel=1e-12)
    assert result.history.size < len(readings) <= result.n_passes
    assert result.passes.described().startswith(f"{result.n_passes:.1f} passes in full-data equivalents: 1.0 to read, ")


def test_passes_of_edges_are_a_part_of_their_own(monkeypatch):
    rng = np.random.default_rng(1)
    values = np.append(rng.normal(size=150), rng.uniform(-9.0, 9.0, 30))
    observations = Observations.with_standard_errors(values, 0.5)
    passed = passed_over(monkeypatch)
    result = fit(observations, 1, Settings(model=Model(background=Background())), rng=0)
    assert result.passes.edges > 0
    assert result.n_passes == pytest.approx(passed[0] / 180, rel=1e-12)
