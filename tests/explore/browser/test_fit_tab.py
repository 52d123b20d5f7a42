"""The tab in which data are fitted, used as a user does."""

import time

import numpy as np
import pytest
from astropy.table import QTable, Table

from xdgmm import XDGMM, GaussianMixture, Observations, datasets

from .conftest import FIND

HOSTILE = "<img src=x onerror=window.attacked=1>"


@pytest.fixture
def fit(page):
    """The page with its second tab, at the start of the fit of the blobs."""
    page.show_tab("Fit")
    return at_start(page)


def at_start(page):
    page.wait_until(lambda: "the start" in page.text("progress") and is_free(page))
    return page


def is_free(page):
    return page.value("cancel", "disabled") and not page.value("run", "disabled")


def press(page, name):
    page.wait_until(lambda: not page.value(name, "disabled"))
    time.sleep(0.1)  # it is drawn anew
    page.click(name)


def choose(page, name):
    before = how_data_are_made(page)
    page.set("data_set", name)
    page.wait_until(lambda: how_data_are_made(page) != before)
    return at_start(page)


def how_data_are_made(page):
    return page.value("python", "text").partition("model =")[0]


def run(page):
    press(page, "run")
    page.wait_until(lambda: "converged" in page.text("progress") and is_free(page))


def give(page, path):
    page.driver.find_element("id", "file").send_keys(str(path))


def likelihood(page):
    return float(page.text("progress").split("lnL = ")[1].split()[0])


def of_the_box(page):
    """The estimator that the Python box makes."""
    names = {"print": lambda *_: None}
    exec(page.value("python", "text"), names)
    return names["model"]


def select_box(page, name, low, high):
    """Draw a box in a figure with the tool for boxes."""
    page.run(
        """
        const figure = Bokeh.documents[0].get_model_by_name(arguments[0])
        const tool = figure.toolbar.tools.find((each) => each.type == "BoxSelectTool")
        tool.active = true
        """,
        name,
    )
    page.wait_until_drawn()
    page.drag(name, low, high)


def selected_in(page, name):
    """Rows that are drawn as selected in a figure."""
    return page.run(
        """
        const figure = Bokeh.documents[0].get_model_by_name(arguments[0])
        const points = figure.renderers.filter((each) => each.glyph.type == "Scatter")
        const sources = points.map((each) => each.data_source).filter((each) => each.name == "fit_objects")
        return sources.flatMap((each) => [...each.selected.indices])
        """,
        name,
    )


def test_steps_and_a_run_raise_the_likelihood_to_that_of_the_code_in_the_box(fit):
    choose(fit, "neutron_stars")
    reached = [likelihood(fit)]
    for n in range(1, 4):
        press(fit, "step")
        fit.wait_until(lambda n=n: fit.text("progress").startswith(f"{n} pass") and is_free(fit))
        reached.append(likelihood(fit))
    assert np.all(np.diff(reached) > 0)
    model = of_the_box(fit)
    assert model.max_iter == 4
    np.testing.assert_allclose(fit.value("fit_means", "data.x"), model.means_[:, 0], rtol=1e-9)
    run(fit)
    model = of_the_box(fit)
    assert model.converged_
    np.testing.assert_allclose(fit.value("fit_means", "data.x"), model.means_[:, 0], rtol=1e-9)
    assert likelihood(fit) == pytest.approx(model.result_.log_likelihood, abs=1e-4)
    assert len(fit.value("history", "data.passes")) == len(model.result_.history)
    fit.wait_until(lambda: "1.346±0.021" in fit.text("widths"))


def test_the_browser_keeps_no_plots_of_data_that_are_not_shown_any_more(fit):
    def number_after(*names):
        for name in names:
            choose(fit, name)
        fit.wait_until_drawn()
        return fit.run("return Bokeh.documents[0]._all_models.size")

    two = "neutron_stars", "blobs with errors"
    assert number_after(*two) == number_after(*two)


def test_a_table_of_one_column_is_loaded_from_a_file_and_shown_with_its_densities(fit, tmp_path):
    stars = datasets.load("hydrus1")
    Table({"v": stars["v"].value, "e_v": stars["e_v"].value}).write(tmp_path / "my stars.csv")
    give(fit, tmp_path / "my stars.csv")
    fit.wait_until(lambda: "31 objects; errors of v taken from e_v" in fit.text("data_in_words"))
    at_start(fit)
    run(fit)
    found = XDGMM().fit(Observations.from_table(stars, "v"))
    assert fit.value("fit_means", "data.x") == pytest.approx([found.means_[0, 0]], rel=1e-6)
    x, intrinsic, observed = (
        np.array(fit.value("fit_curves", f"data.{name}")) for name in ("x", "intrinsic", "observed")
    )
    assert 0.9 < np.trapezoid(intrinsic, x) < 1.0001  # the panel cuts off the tails
    assert intrinsic.max() > observed.max()  # errors widen
    assert x[intrinsic.argmax()] == pytest.approx(found.means_[0, 0], abs=0.2)


def test_objects_that_are_selected_in_one_panel_are_selected_in_all(fit):
    select_box(fit, "clusters", (-7.0, -3.0), (-2.0, 3.0))
    fit.wait_until(lambda: "selected" in fit.text("selected").split(":")[0] and "row" in fit.text("selected"))
    rows = selected_in(fit, "measured")
    x, y = (np.array(fit.value("fit_objects", f"data.{axis}")) for axis in "xy")
    inside = np.flatnonzero((x > -7) & (x < -2) & (y > -3) & (y < 3))
    assert 60 < len(rows) < 120
    assert len(np.setxor1d(rows, inside)) <= 2  # at the edges, whose places are whole pixels
    assert selected_in(fit, "true") == rows
    assert f"{len(rows)} selected" in fit.text("selected")


def test_a_box_in_the_densities_selects_objects_and_they_are_a_part_of_the_histogram(fit):
    choose(fit, "hydrus1")
    select_box(fit, "measured", (83.0, 0.03), (86.5, 0.1))
    fit.wait_until(lambda: "selected:" in fit.text("selected"))
    rows = selected_in(fit, "bars")
    v = datasets.load("hydrus1")["v"].value
    assert len(np.setxor1d(rows, np.flatnonzero((v > 83) & (v < 86.5)))) <= 1
    part = np.array(fit.value("fit_part", "data.top")) * np.diff(
        np.r_[fit.value("fit_part", "data.left"), fit.value("fit_part", "data.right")[-1:]]
    )
    assert part.sum() == pytest.approx(len(rows) / len(v), rel=1e-6)


def test_a_fit_that_runs_slowly_is_cancelled_and_the_next_one_runs(fit):
    choose(fit, "neutron_stars")
    fit.set("pace", "0.5")
    press(fit, "run")
    fit.wait_until(lambda: "after the start" in fit.text("progress"))
    begun = time.monotonic()
    press(fit, "cancel")
    fit.wait_until(lambda: "cancelled" in fit.text("progress"))
    assert time.monotonic() - begun < 5.0  # 0.25 s of patience, on a busy machine
    fit.set("pace", "0")
    run(fit)


def click_often(page, name, n):
    """Clicks that follow each other faster than the server answers."""
    button = "const button = view.shadow_el.querySelector('button')\n"
    page.run(FIND + button + "for (let i = 0; i < arguments[1]; i++) button.click()", name, n)


def test_six_clicks_on_run_are_one_fit(fit):
    choose(fit, "neutron_stars")
    fit.set("pace", "0.1")
    click_often(fit, "run", 6)
    fit.wait_until(lambda: "after the start" in fit.text("progress"))
    press(fit, "cancel")
    fit.wait_until(lambda: "cancelled" in fit.text("progress") and is_free(fit))
    time.sleep(1.0)  # in which another one would begin
    assert "cancelled" in fit.text("progress")


def test_ten_clicks_on_step_are_ten_steps(fit):
    choose(fit, "neutron_stars")
    click_often(fit, "step", 10)
    fit.wait_until(lambda: fit.text("progress").startswith("10 passes after the start"))


def test_another_number_of_components_ends_a_run_and_nothing_is_left_of_it(fit):
    choose(fit, "neutron_stars")
    fit.set("pace", "0.5")
    press(fit, "run")
    fit.wait_until(lambda: "after the start" in fit.text("progress"))
    fit.set("n_components", 3)
    fit.wait_until(lambda: len(fit.value("fit_means", "data.x")) == 3)
    at_start(fit)
    assert "cancelled" not in fit.text("progress")
    assert fit.value("history", "data.passes") == [1]


def test_data_of_one_row_after_the_singular_case_have_one_component(fit, tmp_path):
    (tmp_path / "one_row.csv").write_text("x\n1.5\n")
    press(fit, "singular")
    fit.wait_until(lambda: "after the start" in fit.text("progress"))
    give(fit, tmp_path / "one_row.csv")
    fit.wait_until(lambda: fit.text("data_in_words").split(";")[0] == "1 object")
    fit.wait_until(lambda: "singular" not in how_data_are_made(fit) and fit.value("cancel", "disabled"))
    assert "n_components=2" not in fit.value("python", "text")
    assert "n_components" not in fit.text("message")


def test_files_of_the_fit_are_downloaded(fit):
    choose(fit, "hydrus1")
    run(fit)
    fit.wait_until(lambda: "FWHM" in fit.text("widths"))  # above the buttons, which it moves
    folder = fit.driver.downloads
    for name, file in {"model": "model.fits", "table": "members.fits", "picture": "fit.png"}.items():
        press(fit, f"download_{name}")
        fit.wait_until((folder / file).is_file)  # buttons do nothing while a file is made
    assert GaussianMixture.read(folder / "model.fits").means[0, 0] == pytest.approx(fit.value("fit_means", "data.x")[0])
    members = QTable.read(folder / "members.fits")
    assert {"v", "e_v", "xd_membership_0", "xd_v"} <= set(members.colnames)
    assert (folder / "fit.png").read_bytes().startswith(b"\x89PNG")


def test_the_singular_case_is_one_click_away_and_explained(fit):
    press(fit, "singular")
    fit.wait_until(lambda: "collapsing onto a single object at x = 4" in fit.text("collapse"))
    fit.wait_until(lambda: "without a maximum" in fit.text("progress"))
    assert "component 1 collapses on values without noise" in fit.text("message")
    model = of_the_box(fit)
    assert model.mixture_.sigmas[1, 0] < 0.01


def test_a_mean_that_is_dragged_is_where_the_fit_starts(fit):
    before = np.array([fit.value("fit_means", f"data.{axis}") for axis in "xy"]).T
    fit.drag("measured", tuple(before[0]), (-1.0, -4.0))
    fit.wait_until(lambda: fit.value("fit_means", "data.y")[0] == pytest.approx(-4.0, abs=0.1))
    fit.wait_until(lambda: all(str(round(mean, 6)) in fit.value("python", "text") for mean in first_mean(fit)))
    at_start(fit)
    model = of_the_box(fit)
    assert model.means_init[0] == pytest.approx([-1.0, -4.0], abs=0.2)
    np.testing.assert_allclose(model.means_init[1:], before[1:], atol=1e-3)
    assert likelihood(fit) == pytest.approx(model.result_.log_likelihood, abs=1e-4)


def first_mean(page):
    return [page.value("fit_means", f"data.{axis}")[0] for axis in "xy"]


def test_errors_can_be_left_out(fit):
    choose(fit, "blobs with errors")
    fit.set("solver", "auto")
    fit.wait_until(lambda: "implicit" in fit.value("python", "text"))  # the steps beside it
    run(fit)
    narrow = of_the_box(fit).mixture_.sigmas
    fit.run("Bokeh.documents[0].get_model_by_name('use_errors').active = false")
    fit.wait_until(lambda: "values taken as exact" in fit.text("data_in_words"))
    at_start(fit)
    run(fit)
    assert of_the_box(fit).mixture_.sigmas.mean() > 1.2 * narrow.mean()


def test_errors_that_do_not_exist_are_one_sentence_and_the_data_stay(fit):
    choose(fit, "hydrus1")
    fit.set("errors", "nothing")
    fit.wait_until(lambda: "nothing" in fit.text("message"))
    assert "errors of v taken from e_v" in fit.text("data_in_words")
    assert fit.value("errors") == "auto"


def test_numbers_of_components_are_compared(fit):
    press(fit, "criteria")
    fit.wait_until(lambda: len(fit.value("candidates", "data.k")) == 6)
    bic = np.array(fit.value("candidates", "data.bic"))
    assert bic.argmin() == 2
    assert "3 components: BIC lower by" in fit.text("decisiveness")


def test_columns_with_hostile_names_are_text(fit, tmp_path):
    numbers = np.arange(40.0) % 7
    path = tmp_path / "hostile.ecsv"
    Table({HOSTILE: numbers, f"e_{HOSTILE}": 0.5 + numbers, "name": [f"{HOSTILE}{i}" for i in range(40)]}).write(path)
    give(fit, path)
    fit.wait_until(lambda: "40 objects" in fit.text("data_in_words"))
    at_start(fit)
    run(fit)
    fit.wait_until(lambda: HOSTILE in fit.text("widths"))
    x, y = (fit.value("fit_objects", f"data.{axis}")[3] for axis in "xy")
    fit.hover("bars", x, y)
    fit.run("Bokeh.documents[0].get_model_by_name('fit_objects').selected.indices = [1, 2]")
    fit.wait_until(lambda: "2 selected" in fit.text("selected"))
    assert HOSTILE in fit.text("selected")
    assert fit.run("return window.attacked") is None


def test_another_pair_of_three_columns_is_shown(fit, tmp_path):
    rng = np.random.default_rng(0)
    Table({name: rng.normal(10.0 * i, 1.0, 50) for i, name in enumerate("abc")}).write(tmp_path / "abc.csv")
    give(fit, tmp_path / "abc.csv")
    fit.wait_until(lambda: "50 objects" in fit.text("data_in_words"))
    at_start(fit)
    fit.set("columns", ["0", "1", "2"])
    fit.wait_until(lambda: len(fit.value("up", "options")) == 3)
    at_start(fit)
    fit.set("up", "2")
    fit.wait_until(lambda: fit.has("fit_objects") and np.mean(fit.value("fit_objects", "data.y")) > 15)
    assert fit.value("across") == "0"


def test_of_many_objects_some_are_drawn_while_a_fit_runs_and_all_when_it_stops(fit, tmp_path):
    rng = np.random.default_rng(0)
    n = 6000
    Table({"x": rng.normal(0.0, 1.0, n), "y": rng.normal(0.0, 1.0, n)}).write(tmp_path / "several.fits")
    give(fit, tmp_path / "several.fits")
    fit.wait_until(lambda: "6000 objects" in fit.text("data_in_words"))
    at_start(fit)
    assert number_drawn(fit) == n
    fit.set("pace", "0.5")
    press(fit, "run")
    fit.wait_until(lambda: "5000 of 6000 objects are drawn" in fit.text("progress"))
    assert number_drawn(fit) == 5000
    press(fit, "cancel")
    fit.wait_until(lambda: "cancelled" in fit.text("progress") and is_free(fit))
    assert "are drawn" not in fit.text("progress")
    assert number_drawn(fit) == n


def number_drawn(page):
    return page.run(
        """
        const figure = Bokeh.documents[0].get_model_by_name("measured")
        const points = figure.renderers.filter((each) => each.glyph.type == "Scatter")
        return points.find((each) => each.data_source.name == "fit_objects").view.indices.count
        """
    )


@pytest.mark.slow
def test_more_than_a_hundred_thousand_objects_are_an_image_and_can_be_selected(open_page, serve, tmp_path):
    rng = np.random.default_rng(0)
    n = 120_000
    which = rng.random(n) < 0.3
    x = np.where(which, rng.normal(-3.0, 0.5, n), rng.normal(2.0, 1.0, n))
    Table({"x": x, "y": rng.normal(0.0, 1.0, n)}).write(tmp_path / "many.fits")
    with serve(tmp_path / "many.fits", "--columns", "x,y", "--errors", "none") as (_, url):
        page = open_page(url)
        page.show_tab("Fit")
        at_start(page)
        page.wait_until(lambda: is_free(page))
        select_box(page, "measured", (-5.0, -4.5), (-0.9, 4.5))
        page.wait_until(lambda: "selected:" in page.text("selected"))
        count = int(page.text("selected").split()[0])
        assert count == pytest.approx(0.3 * n, rel=0.05)
        page.close()  # before its server ends
