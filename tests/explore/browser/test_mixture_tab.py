"""What the server adds to the first tab: code and files of the mixture that is shown."""

import numpy as np
import pytest

from xdgmm import GaussianMixture


@pytest.fixture
def mixture_page(page):
    page.wait_until(lambda: page.value("mixture_draws", "data.x"))
    return page


def test_the_code_follows_the_mixture(mixture_page):
    page = mixture_page
    assert "[-1.9, -0.9]" in page.text("mixture_python")
    page.drag("mixture_plane", (-1.9, -0.9), (-3.0, 3.0))
    page.wait_until(lambda: "[-1.9, -0.9]" not in page.text("mixture_python"))
    x = page.value("mixture_components", "data.x")[0]
    assert f"[[{round(x, 5)}, " in page.text("mixture_python")
    page.click("mixture_more")
    page.wait_until(lambda: "--components 4" in page.text("mixture_command"))


def test_the_code_follows_the_sliders_once_they_are_let_go(mixture_page):
    page = mixture_page
    assert "Xerr=0.6" in page.text("mixture_python")
    for name, value in (("mixture_error", 0.0), ("mixture_n_draws", 500)):
        page.set(name, value)
        page.set(name, value, "value_throttled")
    page.wait_until(lambda: "mixture.sample(500, rng)" in page.text("mixture_python"))
    assert "Xerr" not in page.text("mixture_python")
    assert "--errors none" in page.text("mixture_command")


def test_mixture_and_draws_are_kept_as_files(mixture_page, driver):
    page = mixture_page
    paths = [driver.downloads / name for name in ("mixture.fits", "draws.fits", "draws (1).fits")]
    for name, path in zip(("model", "draws", "draws"), paths, strict=True):
        page.click(f"mixture_download_{name}")
        page.wait_until(path.exists)
    mixture = GaussianMixture.read(paths[0])
    np.testing.assert_allclose(mixture.means[:, 0], page.value("mixture_components", "data.x"))
    assert paths[1].read_bytes().startswith(b"SIMPLE")
