"""Error bars and expected densities where noise is a mixture."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from xdgmm import XDGMM, GaussianMixture, Observations, plotting
from xdgmm.plotting.densities import density_of_rows
from xdgmm.plotting.inputs import error_bars, rows_of_noise

MIXTURE = GaussianMixture([0.3, 0.7], [[-1.0], [2.0]], [[[0.5]], [[2.0]]])


def test_error_bars_of_split_normals_end_where_a_sixth_is_left():
    lower, upper = np.array([0.5, 1.0, 1.5]), np.array([1.5, 1.0, 0.5])
    measured = Observations.with_asymmetric_errors([10.0, 11.0, 12.0], lower, upper)
    below, above = error_bars(measured, 0)
    for i, mode in enumerate([10.0, 11.0, 12.0]):

        def distribution(v, i=i, mode=mode):
            """Of the split normal, in closed form."""
            down, up = lower[i], upper[i]
            low = 2.0 * down / (down + up) * norm.cdf((min(v, mode) - mode) / down)
            return low + (2.0 * up / (down + up) * (norm.cdf((v - mode) / up) - 0.5) if v > mode else 0.0)

        # three Gaussians: probabilities of intervals are right to 0.01 at a ratio of three
        assert distribution(measured.values[i, 0] - below[i]) == pytest.approx(0.1587, abs=0.01)
        assert distribution(measured.values[i, 0] + above[i]) == pytest.approx(0.8413, abs=0.01)
    assert below[1] == pytest.approx(1.0, rel=1e-9)
    np.testing.assert_allclose(above[[0, 2]], below[[2, 0]], rtol=1e-9)


def test_the_expected_density_is_that_of_the_noise():
    weights, shifts, errors = [0.6, 0.4], [-0.5, 1.5], [0.4, 1.2]
    measured = Observations.with_noise_mixtures(np.zeros(3), weights, shifts, standard_errors=errors)
    x = np.linspace(-8.0, 9.0, 60)
    found = density_of_rows(MIXTURE, 0, x, *rows_of_noise(measured, 0))
    centre = np.dot(weights, shifts)
    expected = sum(
        f * w * norm.pdf(x, m + shift - centre, np.hypot(s, e))
        for f, shift, e in zip(weights, shifts, errors, strict=True)
        for w, m, s in zip(MIXTURE.weights, MIXTURE.means[:, 0], MIXTURE.sigmas[:, 0], strict=True)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert quad(lambda v: density_of_rows(MIXTURE, 0, np.array([v]), *rows_of_noise(measured, 0))[0], -15, 20)[
        0
    ] == pytest.approx(1.0)


def values(n, dimensions=1):
    rng = np.random.default_rng(1)
    below, size = rng.random((n, dimensions)) < 0.75, np.abs(rng.standard_normal((n, dimensions)))
    return rng.normal(10.0, 1.0, (n, dimensions)) + np.where(below, -1.5 * size, 0.5 * size)


RNG = np.random.default_rng(2)
KINDS = {
    "asymmetric": Observations.with_asymmetric_errors(values(40), 0.5, 1.5),
    "samples": Observations.from_samples([RNG.normal(v, 0.5, 100) for v in RNG.normal(0.0, 1.0, 20)]),
    "functions": Observations.with_error_function(values(40), 0.1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_of_one_column_is_drawn(kind):
    measured = KINDS[kind]
    model = XDGMM().fit(measured)
    for draw in (plotting.plot_density, plotting.plot_error_bars, plotting.plot_denoising):
        draw(model, measured)
    if kind != "functions":
        plotting.plot_quantiles(model, measured)


def test_pictures_of_two_columns_have_unequal_bars():
    measured = Observations.with_asymmetric_errors(values(30, 2), 0.5, 1.5)
    ax = plotting.plot_ellipses(XDGMM().fit(measured), measured)
    (bars,) = [each for each in ax.containers if each.get_label() == "errors"]
    horizontal = np.array(bars.lines[2][0].get_segments())
    centre = measured.values[:, 0]
    assert (horizontal[:, 1, 0] - centre > 1.02 * (centre - horizontal[:, 0, 0])).all()
