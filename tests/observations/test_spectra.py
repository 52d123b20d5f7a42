"""Pixels with their fluxes as weights are asked about; objects and counts are not."""

import warnings

import numpy as np
import pytest
from astropy.table import Table

from xdgmm import XDGMM, Observations
from xdgmm.errors import XdgmmWarning

PIXELS = np.arange(200.0)
FLUX = 0.1 + np.exp(-0.5 * ((PIXELS - 90) / 8) ** 2)
GRIDS = {
    "linear": 6500.0 + 0.5 * PIXELS,
    "logarithmic": 4000.0 * np.exp(1e-4 * PIXELS),
    "polynomial": 4000.0 + 1.2 * PIXELS + 3e-4 * PIXELS**2,
    "single precision": (6500.0 + 0.5 * PIXELS).astype(np.float32),
    "energies, falling": 8.0 - 0.01 * PIXELS,
}


@pytest.mark.parametrize("grid", GRIDS)
def test_wavelengths_with_fluxes_as_weights_are_asked_about(grid):
    with pytest.warns(XdgmmWarning, match="x1 lies on a regular grid .* fit the profile of the line") as caught:
        Observations.exact(GRIDS[grid], FLUX)
    assert caught[0].filename == __file__
    with pytest.warns(XdgmmWarning, match="regular grid"):
        Observations.with_standard_errors(GRIDS[grid], 0.1, FLUX)


def test_gaps_of_masked_pixels_and_the_order_of_rows_do_not_matter():
    seen = (PIXELS < 60) | (PIXELS > 66)
    rows = np.random.default_rng(0).permutation(np.flatnonzero(seen))
    with pytest.warns(XdgmmWarning, match="regular grid"):
        Observations.exact(GRIDS["linear"][rows], FLUX[rows])
    missing = np.where(seen, GRIDS["linear"], np.nan)
    with pytest.warns(XdgmmWarning, match="regular grid"):
        Observations.exact(missing, FLUX)


def test_an_image_is_asked_about_too():
    y, x = (each.ravel().astype(float) for each in np.mgrid[:30, :20])
    flux = 0.1 + np.exp(-0.5 * ((x - 9) ** 2 + (y - 14) ** 2) / 9)
    with pytest.warns(XdgmmWarning, match="x1, x2 lie on a regular grid .* an image"):
        Observations.exact(np.column_stack([x, y]), flux)


def test_every_way_in_asks():
    table = Table({"wavelength": GRIDS["linear"], "flux": FLUX})
    with pytest.warns(XdgmmWarning, match="wavelength lies on a regular grid"):
        Observations.from_table(table, "wavelength", errors=None, weights="flux")
    with pytest.warns(XdgmmWarning, match="regular grid"):
        XDGMM().fit(GRIDS["linear"], sample_weight=FLUX)


@pytest.mark.parametrize("seed", range(20))
def test_objects_with_weights_are_not_asked_about(seed):
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.1, 1, 200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Observations.exact(rng.normal(size=200), weights)
        Observations.exact(rng.uniform(size=20), weights[:20])
        Observations.exact(rng.normal(size=(200, 2)), weights)
        Observations.exact(np.round(rng.normal(80.0, 5.0, 200)), weights)  # rounded, so that values repeat
        Observations.with_standard_errors(rng.normal(size=200), 0.1, weights)


def test_counts_equal_weights_and_few_values_are_not_asked_about():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Observations.exact(GRIDS["linear"])
        Observations.exact(GRIDS["linear"], np.round(100 * FLUX))  # a histogram
        Observations.exact(GRIDS["linear"], np.full(200, 0.5))
        Observations.exact(GRIDS["linear"][:10], FLUX[:10])
