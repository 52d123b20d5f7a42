"""Catalogues whose mixture is known, drawn without a display."""

import matplotlib as mpl
import numpy as np
import pytest

from xdgmm import GaussianMixture, Observations

mpl.use("Agg")


@pytest.fixture(scope="session")
def truth():
    """Three components of very different size in three columns, the first of them a right ascension."""
    covariances = [
        [[1.0, 0.6, 0.0], [0.6, 1.0, 0.2], [0.0, 0.2, 0.5]],
        np.diag([2.0, 0.3, 1.0]),
        np.diag([0.02, 0.02, 0.02]),
    ]
    means = [[0.0, 0.0, 0.0], [4.0, 3.0, -2.0], [9.0, -4.0, 6.0]]
    return GaussianMixture([0.6, 0.37, 0.03], means, covariances, ["ra", "pm", "v"], ["deg", "mas/yr", "km/s"])


@pytest.fixture(scope="session")
def catalogue(truth):
    """Makes observations of so many objects, with errors of 0.2 to 0.6."""

    def make(n):
        rng = np.random.default_rng(n)
        x, _ = truth.sample(n, rng)
        errors = rng.uniform(0.2, 0.6, x.shape)
        values = x + rng.normal(0.0, errors)
        return Observations.with_standard_errors(values, errors, names=truth.names, units=truth.units)

    return make


@pytest.fixture(scope="session")
def stars(catalogue):
    """Three hundred objects of the truth."""
    return catalogue(300)


@pytest.fixture
def drawn(tmp_path):
    """Writes a picture as PNG: nothing may fail, and it must not be empty."""
    from PIL import Image

    from xdgmm.plotting import save

    def draw(picture):
        save(picture, tmp_path / "picture.png", overwrite=True)
        with Image.open(tmp_path / "picture.png") as image:
            assert np.unique(np.asarray(image.convert("L"))).size > 5
        return picture

    return draw
