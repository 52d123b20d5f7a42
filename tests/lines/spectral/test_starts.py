"""Where fits of lines begin: many points of the parameters are computed at once."""

import numpy as np
import pytest

from xdgmm import lines

HA, NII = 6564.61, 6585.27
RNG = np.random.default_rng(5)
X = np.arange(6500.0, 6640.0, 1.5)
BOUNDED = lines.Group("a", [HA, (NII, "N"), (6549.86, "N", (0.2, 0.5))])
OTHER = lines.Group("b", [6610.0], natural_width=1.5)
GAUSS = lines.LSF(weights=[0.8, 0.2], sigmas=[1.2, 2.5], includes_pixel=False)
MATRIX = np.exp(-0.5 * ((X[:, None] - X) / 1.4) ** 2)


def spectrum(**options):
    flux = 3.0 + np.exp(-0.5 * ((X - HA) / 2.0) ** 2) + 0.1 * RNG.normal(size=X.size)
    return lines.Spectrum(X, flux, np.full(X.size, 0.1), **options)


@pytest.mark.parametrize(
    ("spectra", "lsf", "options"),
    [
        (1, GAUSS, {"groups": BOUNDED}),
        (1, GAUSS, {"groups": [BOUNDED, OTHER], "continuum": "exponential"}),
        (2, GAUSS, {"groups": BOUNDED, "windows": [(6500, 6590), (6595, 6640)]}),
        (2, lines.LSF(R=2500, includes_pixel=True, error=0.05), {"groups": BOUNDED, "fluxes": "separate"}),
        (1, lines.LSF(matrix=MATRIX / MATRIX.sum(axis=1, keepdims=True), includes_pixel=True), {"groups": BOUNDED}),
        (1, GAUSS, {"groups": BOUNDED, "continuum": (lambda x, a, b: a + b * (x - 6570) / 50, (1.0, 0.0))}),
    ],
)
def test_many_points_at_once_have_the_values_of_each_by_itself(spectra, lsf, options):
    fit = lines.fit_lines([spectrum(lsf=lsf) for _ in range(spectra)], **options)
    problem, best = fit.solution.problem, fit.solution.theta
    thetas = best + RNG.normal(size=(40, best.size)) * np.where(np.abs(best) > 1, 0.1 * np.abs(best), 0.01)
    thetas = np.clip(thetas, problem.low, problem.high)
    alone = [problem.at(theta).value for theta in thetas]
    np.testing.assert_allclose(problem.values(thetas), alone, rtol=1e-9)
