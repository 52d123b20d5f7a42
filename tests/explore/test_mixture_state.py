"""The code and the files that repeat the first tab."""

import shlex

import numpy as np
import pytest
from astropy.table import QTable

from xdgmm import GaussianMixture
from xdgmm.cli import main
from xdgmm.explore.lesson.mixture_lesson import NAMES, build_mixture_lesson
from xdgmm.explore.mixture_state import MixtureState


def state_of(*rows, error=0.3, n_draws=2000):
    """That of components, by default of those that the page begins with."""
    lesson = build_mixture_lesson()
    if rows:
        lesson.components.data = {name: [row[i] for row in rows] for i, name in enumerate(NAMES)}
    return MixtureState(lesson.mixture, error, n_draws)


def test_a_mixture_has_the_widths_and_directions_of_its_axes():
    mixture = state_of((0.25, 1.0, 2.0, 2.0, 0.5, np.pi / 2), (0.75, 0.0, 0.0, 3.0, 1.0, np.pi / 4)).mixture
    np.testing.assert_array_equal(mixture.weights, [0.25, 0.75])
    np.testing.assert_allclose(mixture.covariances[0], [[0.25, 0.0], [0.0, 4.0]], atol=1e-12)
    np.testing.assert_allclose(mixture.covariances[1], [[5.0, 4.0], [4.0, 5.0]], atol=1e-12)


@pytest.mark.parametrize("error", [0.0, 0.3])
def test_the_python_makes_the_mixture_and_the_draws_and_finds_the_mixture_again(error, capsys):
    state, namespace = state_of(error=error), {}
    exec(state.python, namespace)
    assert "3 components" in capsys.readouterr().out
    made = namespace["mixture"]
    np.testing.assert_allclose(made.weights, state.mixture.weights, atol=1e-5)
    np.testing.assert_allclose(made.means, state.mixture.means, atol=1e-5)
    np.testing.assert_allclose(made.covariances, state.mixture.covariances, atol=1e-5)
    drawn = namespace["observed" if error else "true"]
    np.testing.assert_allclose(drawn, np.stack([state.table["x"], state.table["y"]], axis=-1), atol=1e-4)
    fitted = namespace["model"].mixture_
    order = np.lexsort(fitted.means.T)
    # Some standard errors of 400 objects, the fewest in a component.
    np.testing.assert_allclose(np.sort(fitted.means[order][:, 0]), [-1.9, -0.3, 1.9], atol=0.3)


@pytest.mark.parametrize("error", [0.0, 0.3])
def test_the_commands_run_on_the_two_files_and_find_the_mixture_again(error, tmp_path, monkeypatch):
    state = state_of(error=error)
    for made in (state.model_file, state.draws_file):
        (tmp_path / made.name).write_bytes(made.content)
    monkeypatch.chdir(tmp_path)
    for line in state.command.replace("\\\n", "").splitlines():
        monkeypatch.setattr("sys.argv", shlex.split(line))
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
    written = GaussianMixture.read(tmp_path / "mixture.fits")
    np.testing.assert_allclose(written.covariances, state.mixture.covariances, rtol=1e-12)
    fitted = GaussianMixture.read(tmp_path / "fitted.fits")
    np.testing.assert_allclose(np.sort(fitted.means[:, 0]), [-1.9, -0.3, 1.9], atol=0.3)
    assert (tmp_path / "fitted.png").stat().st_size > 10_000


def test_without_draws_only_the_mixture_is_repeated():
    state, namespace = state_of(n_draws=0), {}
    exec(state.python, namespace)
    assert namespace["mixture"].n_components == 3
    assert state.command == "xdgmm info mixture.fits\n"


def test_a_proportion_of_zero_and_many_digits_are_no_obstacle():
    state, namespace = state_of(*((w, 0.1, 0.2, 0.3, 0.4, 0.5) for w in (1 / 3, 2 / 3, 0.0, 0.0)), n_draws=0), {}
    exec(state.python, namespace)
    np.testing.assert_allclose(namespace["mixture"].weights, state.mixture.weights, atol=1e-5)


def test_draws_scatter_as_the_mixture_and_its_error_together():
    state = state_of(error=1.5, n_draws=20_000)
    table = state.table
    assert isinstance(table, QTable)
    assert set(table["e_x"]) == {1.5}
    expected = state.mixture.covariance + 1.5**2 * np.eye(2)
    np.testing.assert_allclose(np.cov(table["x"], table["y"]), expected, atol=0.15)  # four standard errors
    assert "e_x" not in state_of(error=0.0).table.colnames
