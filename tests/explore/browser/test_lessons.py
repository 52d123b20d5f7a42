"""A mixture moved by hand, and expectation maximisation, in the browser: on the server's page and in the file."""

import numpy as np
import pytest

from xdgmm import XDGMM, GaussianMixture
from xdgmm.explore import export_lesson
from xdgmm.explore.lesson.em_lesson import data_sets
from xdgmm.explore.lesson.mixture_lesson import HALF, NAMES, PIXELS, build_mixture_lesson

FIND = """
const [name] = arguments
const find = (views) => [...views].map((view) => view.model.name === name ? view : find(view.children())).find(Boolean)
const view = find(Bokeh.index)
"""
CENTRES = (np.arange(PIXELS) + 0.5) * 2 * HALF / PIXELS - HALF


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export_lesson(tmp_path_factory.mktemp("lesson") / "lesson.html").as_uri()


@pytest.fixture
def lesson(open_page, exported):
    page = open_page(exported)
    page.wait_until(lambda: page.value("mixture_draws", "data.x"))
    page.wait_until(lambda: page.text("em_words"))
    return page


@pytest.fixture
def mixture_page(request, open_page):
    """The mixture on the server's page, or in the file."""
    page = open_page(request.getfixturevalue(request.param))
    page.wait_until(lambda: page.value("mixture_draws", "data.x"))
    return page


everywhere = pytest.mark.parametrize(
    "mixture_page", [pytest.param("server", marks=pytest.mark.slow), "exported"], indirect=True
)


def shown_mixture(page):
    """The mixture that the page shows."""
    lesson = build_mixture_lesson()
    lesson.components.data = {name: page.value("mixture_components", f"data.{name}") for name in NAMES}
    return lesson.mixture


def shown_density(page, name="intrinsic"):
    return np.array(page.value(f"mixture_{name}_density", "data.image.0")).reshape(PIXELS, PIXELS)


def expected_density(mixture, error=0.0):
    observed = GaussianMixture(mixture.weights, mixture.means, mixture.covariances + error**2 * np.eye(2))
    points = np.stack(np.meshgrid(CENTRES, CENTRES), axis=-1)
    return np.exp(observed.log_density(points.reshape(-1, 2))).reshape(PIXELS, PIXELS)


def wait_until_shown(page, error):
    """Wait until both images are those of the mixture; they follow with the next frame of the screen."""

    def follows():
        mixture = shown_mixture(page)
        images = ((shown_density(page), 0.0), (shown_density(page, "observed"), error))
        return all(np.allclose(image, expected_density(mixture, each), rtol=1e-10) for image, each in images)

    page.wait_until(follows)


def wait_until_long(page, name, column, n):
    page.wait_until(lambda: len(page.value(name, column)) == n)


@pytest.mark.parametrize("mixture_page", ["server", "exported"], indirect=True)
def test_a_mean_that_is_dragged_takes_density_and_draws_with_it(mixture_page):
    page = mixture_page
    before, draws = shown_density(page), np.array(page.value("mixture_draws", "data.true_x"))
    of_first = np.array(page.value("mixture_draws", "data.component")) == 0
    mean = shown_mixture(page).means[0]
    page.drag("mixture_plane", mean, (-3.0, 3.0))
    np.testing.assert_allclose(shown_mixture(page).means[0], [-3.0, 3.0], atol=0.05)  # a pixel of the screen
    wait_until_shown(page, page.value("mixture_error"))
    there = np.argmin(abs(CENTRES + 3.0)), np.argmin(abs(CENTRES - 3.0))
    assert before[there[::-1]] < 1e-3 < 0.05 < shown_density(page)[there[::-1]]
    shift = shown_mixture(page).means[0, 0] - mean[0]
    moved = np.subtract(page.value("mixture_draws", "data.true_x"), draws)
    np.testing.assert_allclose(moved, np.where(of_first, shift, 0.0), atol=1e-9)
    dashes = np.array(page.value("mixture_intrinsic_dots_0", "data.x"), dtype=float).reshape(-1, 3)
    np.testing.assert_allclose(dashes[:, :2].mean(axis=1), draws[of_first] + shift, atol=1e-9)


def test_a_mean_that_is_dragged_out_of_the_plane_stops_at_its_edge(lesson):
    lesson.drag("mixture_plane", shown_mixture(lesson).means[1], (0.0, -1.3 * HALF))
    np.testing.assert_allclose(shown_mixture(lesson).means[1], [0.0, -HALF], atol=0.05)
    wait_until_shown(lesson, lesson.value("mixture_error"))


def test_a_drag_that_begins_where_nothing_is_moves_nothing(lesson):
    before = shown_mixture(lesson).means
    lesson.drag("mixture_plane", (3.5, -3.5), (0.0, 0.0))
    np.testing.assert_array_equal(shown_mixture(lesson).means, before)


def test_the_density_follows_while_the_mouse_is_still_down(lesson):
    lesson.run("""
        window.seen = []
        const handles = Bokeh.documents[0].get_model_by_name('mixture_handles')
        handles.change.connect(() => window.seen.push(handles.data.x[0]))
    """)
    lesson.drag("mixture_plane", shown_mixture(lesson).means[0], (-3.0, 3.0), steps=20)
    seen = lesson.run("return window.seen")
    assert len({round(x, 3) for x in seen}) > 5


@everywhere
def test_handles_on_the_ellipse_change_width_and_direction(mixture_page):
    page = mixture_page
    mean = shown_mixture(page).means[2]
    page.drag(
        "mixture_plane", np.add(mean, [1.0, 0.0]), np.add(mean, [0.0, -2.0])
    )  # from 2 sigma of 0.5 to 2 sigma of 1
    component = {name: page.value("mixture_components", f"data.{name}")[2] for name in NAMES}
    assert (component["x"], component["y"]) == tuple(mean)
    assert component["first"] == pytest.approx(1.0, abs=0.03)
    assert component["angle"] == pytest.approx(-np.pi / 2, abs=0.03)
    assert component["second"] == 0.5
    wait_until_shown(page, page.value("mixture_error"))


@everywhere
def test_a_proportion_that_is_moved_takes_from_the_others_and_all_are_shown(mixture_page):
    page = mixture_page
    before = page.value("mixture_components", "data.weight")
    page.set("mixture_proportion_1", 0.1)
    page.wait_until(lambda: page.value("mixture_components", "data.weight")[0] == 0.1)
    wait_until_shown(page, page.value("mixture_error"))
    weights = page.value("mixture_components", "data.weight")
    assert sum(weights) == pytest.approx(1.0, abs=1e-12)
    assert weights[1] / weights[2] == pytest.approx(before[1] / before[2])
    assert [page.value(f"mixture_proportion_{k}") for k in (1, 2, 3)] == weights
    page.wait_until(lambda: "P(1) = 0.100" in page.text("mixture_table"))
    assert "add up to 1.000" in page.text("mixture_words")


def test_sliders_can_be_moved_with_the_keyboard(lesson):
    for name in ("mixture_proportion_2", "mixture_error"):
        before = lesson.value(name)
        handle = lesson.run(FIND + "return view.shadow_el.querySelector('.noUi-handle')", name)
        handle.send_keys("\ue014" * 3)  # the arrow to the right
        lesson.wait_until(lambda: lesson.value(name) > before)  # noqa: B023 - called at once
    assert lesson.value("mixture_components", "data.weight")[1] == lesson.value("mixture_proportion_2") > 0.35
    wait_until_shown(lesson, lesson.value("mixture_error"))
    assert sum(lesson.value("mixture_components", "data.weight")) == pytest.approx(1.0)


@everywhere
def test_the_error_widens_what_is_observed_and_leaves_what_is_true(mixture_page):
    page = mixture_page
    true = shown_density(page)
    page.set("mixture_error", 0.0)
    wait_until_shown(page, 0.0)
    np.testing.assert_array_equal(shown_density(page, "observed"), true)
    page.wait_until(lambda: "both are the same" in page.text("mixture_words"))
    page.set("mixture_error", 1.5)
    wait_until_shown(page, 1.5)
    np.testing.assert_array_equal(shown_density(page), true)
    assert shown_density(page, "observed").max() < 0.5 * true.max()
    page.wait_until(lambda: "1.50²" in page.text("mixture_words"))


def test_buttons_add_and_remove_components_and_change_draws(lesson):
    for n, name in ((4, "more"), (5, "more"), (6, "more"), (5, "fewer")):
        lesson.click(f"mixture_{name}")
        wait_until_long(lesson, "mixture_components", "data.x", n)
        wait_until_shown(lesson, lesson.value("mixture_error"))
        assert sum(lesson.value("mixture_components", "data.weight")) == pytest.approx(1.0)
        assert lesson.value(f"mixture_proportion_{n}", "visible")
    assert not lesson.value("mixture_proportion_6", "visible")
    before = lesson.value("mixture_draws", "data.x")
    lesson.click("mixture_other_draws")
    lesson.wait_until(lambda: lesson.value("mixture_draws", "data.x") != before)
    lesson.set("mixture_n_draws", 5000)
    lesson.wait_until(lambda: len(lesson.value("mixture_draws", "data.x")) == 5000)
    lesson.click("mixture_again")
    lesson.wait_until(lambda: len(lesson.value("mixture_components", "data.x")) == 3)
    np.testing.assert_allclose(shown_mixture(lesson).weights, build_mixture_lesson().mixture.weights)


def components_of(page):
    columns = (page.value("em_components", f"data.{name}") for name in ("weight", "mean", "variance"))
    return [np.array(column) for column in columns]


def fitted_by_steps(start, n, name, *, with_errors):
    """What the package makes of a start in n steps of expectation maximisation."""
    weights, means, variances = start
    options = {"init": GaussianMixture(weights, means[:, None], variances[:, None, None]), "solver": "em", "tol": 0.0}
    model = XDGMM(len(weights), max_iter=n + 1, **options)
    return model.fit(np.array(data_sets()[name]["values"]), Xerr=data_sets()[name]["errors"] if with_errors else None)


@pytest.mark.parametrize("with_errors", [True, False])
def test_steps_of_expectation_maximisation_agree_with_the_package(lesson, with_errors):
    name = "masses of neutron stars"
    lesson.set("em_data_set", name)
    lesson.wait_until(lambda: len(lesson.value("em_values", "data.x")) == len(data_sets()[name]["values"]))
    if not with_errors:
        lesson.set("em_errors", 1, "active")
        lesson.wait_until(lambda: not any(lesson.value("em_values", "data.error")))
    start = components_of(lesson)
    for n in range(1, 5):
        lesson.click("em_step")
        wait_until_long(lesson, "em_trace", "data.step", n + 1)
        assert f"Step {n}: lnL grew" in lesson.text("em_words")
    model = fitted_by_steps(start, 4, name, with_errors=with_errors)
    weights, means, variances = components_of(lesson)
    np.testing.assert_allclose(weights, model.weights_, rtol=1e-10)
    np.testing.assert_allclose(means, model.means_[:, 0], rtol=1e-10)
    np.testing.assert_allclose(variances, model.covariances_[:, 0, 0], rtol=1e-9)
    np.testing.assert_allclose(lesson.value("em_trace", "data.log_likelihood"), model.result_.history, rtol=1e-10)


def test_a_run_reaches_the_maximum_of_the_package_and_says_so(lesson):
    first = next(iter(data_sets().values()))
    lesson.click("em_run")
    assert lesson.value("em_run", "label") == "Stop"
    lesson.wait_until(lambda: "converged" in lesson.text("em_words"))
    lesson.wait_until(lambda: lesson.value("em_run", "label") == "Run")
    model = XDGMM(2, random_state=0).fit(np.array(first["values"]), Xerr=first["errors"])
    assert lesson.value("em_trace", "data.log_likelihood")[-1] == pytest.approx(model.result_.log_likelihood, abs=1e-5)
    np.testing.assert_allclose(sorted(components_of(lesson)[1]), sorted(model.means_[:, 0]), atol=0.01)


def test_restart_begins_where_the_fit_began_and_another_start_elsewhere(lesson):
    start = components_of(lesson)
    lesson.click("em_step")
    lesson.wait_until(lambda: components_of(lesson)[1].tolist() != start[1].tolist())
    lesson.click("em_restart")
    lesson.wait_until(lambda: components_of(lesson)[1].tolist() == start[1].tolist())
    assert "This is the start" in lesson.text("em_words")
    lesson.click("em_other_start")
    lesson.wait_until(lambda: components_of(lesson)[1].tolist() != start[1].tolist())
    assert set(components_of(lesson)[1]) <= set(lesson.value("em_values", "data.x"))


def test_a_component_on_one_value_collapses_is_marked_and_explained_and_errors_prevent_it(lesson):
    lesson.click("em_singular")
    lesson.wait_until(lambda: lesson.value("em_errors", "active") == 1)
    assert lesson.value("em_values", "data.x")[0] == lesson.value("em_values", "data.left")[0]
    lesson.click("em_run")
    lesson.wait_until(lambda: "has collapsed" in lesson.text("em_words"))
    assert "collapsed" in lesson.text("em_table")
    assert lesson.value("em_spikes", "data.x") == [components_of(lesson)[1][1]]
    highest = lesson.value("em_trace", "data.log_likelihood")
    lesson.click("em_step")  # changes nothing any more
    assert lesson.value("em_trace", "data.log_likelihood") == highest
    lesson.set("em_errors", 0, "active")
    lesson.wait_until(lambda: lesson.value("em_spikes", "data.x") == [])
    for _ in range(5):
        lesson.click("em_step")
    lesson.wait_until(lambda: "Step 5" in lesson.text("em_words"))
    assert "collapsed" not in lesson.text("em_table")


def test_the_number_of_components_can_be_chosen(lesson):
    lesson.set("em_n_components", 3, "active")
    lesson.wait_until(lambda: len(components_of(lesson)[0]) == 4)
    np.testing.assert_allclose(components_of(lesson)[0], 0.25)
    assert len(lesson.value("em_component_curves", "data.xs")) == 4


# Notes what pages open that is no resource.
NOTE_CONNECTIONS = """
window.opened = []
const construct = (kind, given) => (window.opened.push(given[0]), new kind(...given))
for (const name of ["WebSocket", "EventSource"]) window[name] = new Proxy(window[name], {construct})
"""


def test_the_file_asks_the_network_for_nothing(driver, lesson):
    """Scripts, styles, fonts, images and requests are resources, also where they fail."""
    noted = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": NOTE_CONNECTIONS})
    lesson.run("location.reload()")
    lesson.wait_until(lambda: lesson.run("return window.opened != null"))
    lesson.wait_until_drawn()
    lesson.click("em_step")
    lesson.click("mixture_more")
    wait_until_long(lesson, "mixture_components", "data.x", 4)
    loaded = lesson.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", noted)
    assert [url for url in loaded if not url.startswith(("blob:", "data:"))] == []  # which lie in the file itself
    assert lesson.run("return window.opened") == []
