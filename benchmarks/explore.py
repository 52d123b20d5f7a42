"""How long does a user of `xdgmm explore` wait: for the page, while a circle is dragged, and for a fit to begin?

The page is used in a headless browser, in the same way as by the tests.
"""

import importlib.util
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from astropy.table import Table as AstropyTable

from .problems import make
from .report import Table

TESTS = Path(__file__).parents[1] / "tests" / "explore"
REPEATED = 5
N_DRAWS = 5000
N_FITTED, K = 20_000, 5
MOVES = 120  # of the mouse in a drag
WARM = 4.0  # seconds that a user looks at the page before the first click
PAINTS = "return performance.getEntriesByName('first-contentful-paint').map((each) => each.startTime)"
SETTLED = 1.0  # seconds after a start is shown
WATCHED = 3.0  # seconds of a fit whose cost is measured
# Moments (milliseconds) at which a source of the page has changed since a button was pressed.
NOTE = """
const [name] = arguments
window.moments = []
document.addEventListener("click", (event) => { window.pressed = event.timeStamp }, {capture: true})
Bokeh.documents[0].get_model_by_name(name).change.connect(() => window.moments.push(performance.now()))
"""


def measure(*, quick):
    """First paint, frames of a drag, and the first iteration of a fit."""
    server, browser = _loaded("conftest.py"), _loaded("browser/conftest.py")
    if browser.BROWSER is None or browser.DRIVER is None:
        raise SystemExit("this needs chromium and chromedriver")
    repeated = 1 if quick else REPEATED
    with TemporaryDirectory() as folder, browser.running_browser(Path(folder)) as driver:
        yield _first_paint(server, browser, driver, repeated)
        yield _drag(server, browser, driver, repeated)
        yield _first_iteration(server, browser, driver, repeated, Path(folder))


def _loaded(name):
    """A module of the tests."""
    spec = importlib.util.spec_from_file_location(name.replace("/", "_").removesuffix(".py"), TESTS / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _row(what, figures, goal):
    return {"what": what, "median": median(figures), "smallest": min(figures), "largest": max(figures), "goal": goal}


def _first_paint(server, browser, driver, repeated):
    """From the command to the address, and from the address to what is seen."""
    starts, paints, drawn = [], [], []
    for _ in range(repeated):
        begun = time.perf_counter()
        with server.running_server() as (_, url):
            starts.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            page = browser.Page(driver, url).wait_until_drawn()
            drawn.append(time.perf_counter() - begun)
            paints.append(page.wait_until(lambda page=page: page.run(PAINTS))[0] / 1000)
            page.close()
    table = Table("The page", "seconds")
    table.rows = [
        _row("from the command until the server answers", starts, "-"),
        _row("from the address to the first paint", paints, "2"),
        _row("from the address until all is drawn", drawn, "-"),
    ]
    return table


def _drag(server, browser, driver, repeated):
    """Frames of a drag, each with new densities, curves and draws."""
    rates, longest = [], []
    with server.running_server() as (_, url):
        page = browser.Page(driver, url).wait_until_drawn()
        page.set("mixture_n_draws", N_DRAWS)
        page.wait_until(lambda: len(page.value("mixture_draws", "data.x")) == N_DRAWS)
        page.run(NOTE, "mixture_draws")
        for k in range(repeated):
            page.run("window.moments.length = 0")
            x, y = (page.value("mixture_components", f"data.{name}")[0] for name in "xy")
            page.drag("mixture_plane", (x, y), ((-1) ** k * 2.0, 1.0), steps=MOVES, duration=8)
            moments = page.run("return window.moments")
            gaps = [after - before for before, after in pairwise(moments)]
            rates.append(1000 * len(gaps) / (moments[-1] - moments[0]))
            longest.append(max(gaps))
        page.close()
    table = Table(
        f"Dragging a mean beside {N_DRAWS} draws", "frames per second; longest: milliseconds without a new one"
    )
    table.rows = [_row("frames per second", rates, "20"), _row("longest", longest, "-")]
    return table


def _first_iteration(server, browser, driver, repeated, folder):
    """From the press of Run until the first likelihood of a fit is shown."""
    problem = make(N_FITTED, 2, K, "mild")
    table = AstropyTable(problem.values, names=["x", "y"])
    for i, name in enumerate("xy"):
        table[f"e_{name}"] = problem.noise[:, i, i] ** 0.5
    table.write(folder / "many.fits")
    seconds, frames, costs = [], [], []
    with server.running_server("many.fits", cwd=folder) as (_, url):
        page = browser.Page(driver, url).wait_until_drawn()
        page.show_tab("Fit")
        time.sleep(WARM)
        page.set("n_components", K)
        page.run(NOTE, "history")
        driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        for _ in range(repeated):
            page.click("to_start")
            time.sleep(SETTLED)
            page.wait_until(lambda: not page.value("run", "disabled"))
            page.run("window.moments.length = 0")
            before = _main_thread(driver)
            page.click("run")
            page.wait_until(lambda: page.run("return window.moments[0]"))
            time.sleep(WATCHED)
            costs.append(1000 * (_main_thread(driver) - before))
            moments, pressed = page.run("return [window.moments, window.pressed]")
            seconds.append((moments[0] - pressed) / 1000)
            frames.append(len(moments))
            if not page.value("cancel", "disabled"):
                page.click("cancel")
            page.wait_until(lambda: page.value("cancel", "disabled"))
        page.close()
    each = [cost / n for cost, n in zip(costs, frames, strict=True)]
    table = Table(
        f"A fit of {N_FITTED} objects in 2 columns, K = {K}",
        "seconds until its first iteration is seen; of the browser's main thread, milliseconds of its own time",
    )
    table.rows = [
        _row("first iteration", seconds, "0.5"),
        _row(f"frames in the first {WATCHED:.0f} s", frames, "-"),
        _row("main thread for each frame", each, "-"),
    ]
    return table


def _main_thread(driver):
    """Seconds that the main thread of the page has computed."""
    metrics = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return {each["name"]: each["value"] for each in metrics}["TaskDuration"]
