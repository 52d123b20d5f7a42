"""The tab that says whether a mixture describes the data."""

import numpy as np
import pytest

from xdgmm.diagnostics import residuals, unusual_objects
from xdgmm.explore import blobs
from xdgmm.explore.judge_state import LISTED
from xdgmm.fitting import fit

# Pages that begin with a fit of the blobs with errors, by three components; their objects have names that are no names.
FITTED = """
import xdgmm.explore.server as server
from xdgmm.explore import blobs
from xdgmm.fitting import fit
data = blobs(1.0)
data.table["name"] = [f"<img src=x onerror=window.attacked=1>$${k}$$" for k in range(300)]
result = fit(data.observations, 3, rng=0)
class Session(server.Session):
    def __init__(self, _):
        super().__init__(data)
        self.set_mixture(result.mixture, result)
server.Session = Session
"""


@pytest.fixture(scope="module")
def fitted(serve):
    """The address of a server whose pages begin with a fit."""
    with serve(before=FITTED) as (_, url):
        yield url


@pytest.fixture(scope="module")
def judged(fitted, keep_page):
    page = keep_page(fitted)
    page.show_tab("Judge")
    page.wait_until(lambda: page.value("judge_pictures", "visible"))
    return page.wait_until_drawn()


def test_without_a_mixture_the_tab_says_what_to_do(page):
    page.show_tab("Judge")
    page.wait_until(lambda: "Fit a mixture" in page.text("judge_words"))
    assert not page.value("judge_pictures", "visible")


def test_the_pictures_show_the_residuals_of_the_library(judged):
    data = blobs(1.0)
    mixture = fit(data.observations, 3, rng=0).mixture
    z = residuals(mixture, data.observations)
    assert np.allclose(judged.value("judge_quantiles", "data.found"), np.sort(z.ravel()), rtol=1e-6)
    assert np.allclose(judged.value("judge_points", "data.residual"), z[:, 0], rtol=1e-6)
    assert sum(judged.value("judge_counts", "data.count")) == z.size
    unusual = unusual_objects(mixture, data.observations, n_largest=LISTED)
    assert judged.value("judge_outliers", "data.row") == unusual["row"].tolist()
    judged.set("judge_column", "y")
    judged.wait_until(lambda: np.allclose(judged.value("judge_points", "data.residual"), z[:, 1], rtol=1e-6))


def test_the_tab_has_the_code_that_repeats_it_and_files(judged):
    assert "residuals(model, stars)" in judged.value("judge_python", "text")
    assert "xdgmm check model.fits" in judged.value("judge_command", "text")
    judged.click("judge_download_table")
    judged.wait_until(lambda: judged.value("judge_download", "data.name") == ["residuals.fits"])
    judged.click("judge_download_picture")
    judged.wait_until(lambda: judged.value("judge_download", "data.name") == ["check.png"])


def test_a_selection_in_one_picture_is_highlighted_in_all(judged):
    row = judged.value("judge_outliers", "data.row")[0]
    judged.run("Bokeh.documents[0].get_model_by_name('judge_outliers').selected.indices = [0]")
    judged.wait_until(lambda: judged.value("judge_points", "selected.indices") == [row])
    rows = judged.value("judge_quantiles", "data.row")
    judged.wait_until(lambda: len(judged.value("judge_quantiles", "selected.indices")) == 2)  # one for each column
    assert {rows[i] for i in judged.value("judge_quantiles", "selected.indices")} == {row}


def test_names_of_objects_are_shown_as_they_are(judged):
    cells = judged.texts("judge_table", ".slick-cell")
    names = [cell for cell in cells if cell.startswith("<img")]
    assert names[0] == f"<img src=x onerror=window.attacked=1>$${judged.value('judge_outliers', 'data.row')[0]}$$"
    assert judged.run("return window.attacked == null")


def test_the_model_is_compared_with_samples_of_it_which_can_be_cancelled(judged):
    judged.click("judge_samples")
    judged.wait_until(lambda: judged.value("judge_cancel", "visible"))
    judged.click("judge_cancel")
    judged.wait_until(lambda: not judged.value("judge_samples", "disabled"))
    assert judged.text("judge_verdict") == ""
    low = judged.value("judge_band", "data.low")
    judged.click("judge_samples")
    judged.wait_until(lambda: "nothing speaks against the model" in judged.text("judge_verdict"))
    assert judged.value("judge_band", "data.low") != low
