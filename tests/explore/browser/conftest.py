"""Pages of the server in a headless browser, seen and used as a user does.

`open_page` opens one; its `Page` reads and clicks.  After each test, no page may have written an error to the console.
"""

import shutil
import time
from contextlib import contextmanager

import pytest
from _pytest.runner import runtestprotocol

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
PATIENCE = 60.0  # seconds until something must have happened, on a busy machine
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1400,1000",
)
HARMLESS = ("favicon",)  # in messages of the console

# Views by the names of their models: bokeh draws each into a shadow tree of its own.
FIND = """
const [name] = arguments
const find = (views) => {
  for (const view of views) {
    if (view.model.name === name) return view
    const found = find(view.children())
    if (found != null) return found
  }
  return null
}
const view = find([...Bokeh.index])
"""


class Page:
    """A page in the browser.

    Attributes
    ----------
    driver : selenium WebDriver
    tab : str
        The handle of its browser tab.
    """

    def __init__(self, driver, url):
        self.driver = driver
        driver.switch_to.new_window("tab")
        self.tab = driver.current_window_handle
        driver.get(url)

    def run(self, code, *arguments):
        """What a piece of JavaScript returns in the page."""
        if self.driver.current_window_handle != self.tab:
            self.driver.switch_to.window(self.tab)
        return self.driver.execute_script(code, *arguments)

    def wait_until(self, holds, patience=PATIENCE):
        """The first true value that a function returns, or a failure after some seconds."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if value := holds():
                return value
            time.sleep(0.03)
        pytest.fail(f"nothing happened within {patience} s")

    def wait_until_drawn(self):
        """Wait for bokeh to draw everything."""
        self.wait_until(
            lambda: self.run(
                "return window.Bokeh != null && Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle"
                " && [...Bokeh.index].length > 0"
            )
        )
        return self

    def value(self, name, of="value"):
        """A property of the model of this name; of a path such as "data.x", what is found there, as lists."""
        return self.run(
            """
            const [name, path] = arguments
            let value = Bokeh.documents[0].get_model_by_name(name)
            if (value == null) throw new Error(`no model is called ${name}`)
            for (const part of path.split("."))
              value = value instanceof Map ? value.get(part) : value[part]
            return ArrayBuffer.isView(value) ? Array.from(value) : value
            """,
            name,
            of,
        )

    def set(self, name, value, of="value"):
        """Set a property of the model of this name, as its widget does."""
        self.run("Bokeh.documents[0].get_model_by_name(arguments[0])[arguments[1]] = arguments[2]", name, of, value)

    def has(self, name):
        """Is there a model of this name?"""
        return self.run("return Bokeh.documents[0].get_model_by_name(arguments[0]) != null", name)

    def show_tab(self, title):
        """Click on the heading of one of the three tabs."""
        self.run(
            FIND.replace("arguments", "['tabs']") + "const titles = view.model.tabs.map((tab) => tab.title)\n"
            "view.model.active = titles.indexOf(arguments[0])",
            title,
        )
        return self.wait_until_drawn()

    def click(self, name):
        """Click on a button or a checkbox, by the name of its model."""
        from selenium.common.exceptions import StaleElementReferenceException

        def clicked():
            code = FIND + "return (view.shadow_el ?? view.el).querySelector('button, input')"
            try:
                self.run(code, name).click()
            except StaleElementReferenceException:  # drawn anew between the two
                return False
            return True

        self.wait_until(clicked)

    def text(self, name):
        """What is written in the model of this name, as the user reads it."""
        return self.run(
            FIND
            + """
            if (view == null) return ''
            const parts = [...(view.shadow_el ?? view.el).children]
            const hidden = ["STYLE", "LINK"]
            return parts.map((part) => hidden.includes(part.tagName) ? "" : part.innerText).join("\\n").trim()
            """,
            name,
        )

    def texts(self, name, selector):
        """Texts of all elements within the model of this name that a selector of CSS finds."""
        code = "return [...view.shadow_el.querySelectorAll(arguments[1])].map((each) => each.textContent)"
        return self.run(FIND + code, name, selector)

    def at(self, name, x, y):
        """Where a point in the coordinates of the figure of this name is in the window, in pixels."""
        return self.run(
            FIND
            + """
            const box = view.canvas_view.el.getBoundingClientRect()
            const frame = view.frame
            return [box.left + frame.x_scale.compute(arguments[1]), box.top + frame.y_scale.compute(arguments[2])]
            """,
            name,
            x,
            y,
        )

    def drag(self, name, start, end, steps=8, duration=20):
        """Drag the mouse in a figure, from one point of its coordinates to another; each step takes some ms."""
        from selenium.webdriver.common.actions.action_builder import ActionBuilder
        from selenium.webdriver.common.actions.mouse_button import MouseButton

        self.run(FIND + "view.el.scrollIntoView({block: 'center'})", name)
        (x0, y0), (x1, y1) = self.at(name, *start), self.at(name, *end)
        actions = ActionBuilder(self.driver, duration=duration)
        mouse = actions.pointer_action
        mouse.move_to_location(int(x0), int(y0))
        mouse.pointer_down(MouseButton.LEFT)
        for step in range(1, steps + 1):
            part = step / steps
            mouse.move_to_location(int(x0 + part * (x1 - x0)), int(y0 + part * (y1 - y0)))
        mouse.pointer_up(MouseButton.LEFT)
        actions.perform()

    def hover(self, name, x, y):
        """Move the mouse to a point of a figure, in its coordinates."""
        from selenium.webdriver.common.actions.action_builder import ActionBuilder

        self.run(FIND + "view.el.scrollIntoView({block: 'center'})", name)
        place = self.at(name, x, y)
        actions = ActionBuilder(self.driver, duration=20)
        actions.pointer_action.move_to_location(*map(int, place))
        actions.perform()

    def picture(self, path):
        """Write a picture of what is seen."""
        self.run("")
        self.driver.save_screenshot(str(path))

    def close(self):
        """Close the browser tab."""
        self.run("")
        self.driver.close()
        self.driver.switch_to.window(self.driver.window_handles[0])


@contextmanager
def running_browser(folder):
    """A headless browser with an empty profile, which keeps everything in a folder."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = BROWSER
    downloads = folder / "downloads"
    downloads.mkdir()
    for argument in (*ARGUMENTS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(DRIVER))
    browser.downloads = downloads
    try:
        yield browser
    finally:
        browser.quit()


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    """A headless browser for all tests of a process."""
    if BROWSER is None or DRIVER is None:
        pytest.skip("there is no chromium with a chromedriver")
    with running_browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture(scope="module")
def server(serve):
    """The address of a server that starts with the blobs of textbooks, one for each module of tests."""
    with serve() as (_, url):
        yield url


def console_errors(driver):
    """What pages have written to the console as errors since the last look."""
    return [
        entry["message"]
        for entry in driver.get_log("browser")
        if entry["level"] == "SEVERE" and not any(word in entry["message"] for word in HARMLESS)
    ]


@contextmanager
def opening(driver):
    """Opens pages by their addresses; they are closed at the end, and had no errors."""
    pages = []

    def open_one(url):
        pages.append(Page(driver, url).wait_until_drawn())
        return pages[-1]

    yield open_one
    errors = []
    for page in pages:
        if page.tab in driver.window_handles:
            page.run("")
            errors += console_errors(driver)
            page.close()
    assert errors == []


@pytest.fixture
def open_page(driver):
    """Opens pages by their addresses; they are closed after the test, and had no errors."""
    with opening(driver) as open_one:
        yield open_one


@pytest.fixture(scope="module")
def keep_page(driver):
    """Opens pages by their addresses, which all tests of a module use."""
    with opening(driver) as open_one:
        yield open_one


@pytest.fixture
def page(open_page, server):
    """A new page of the server of this module."""
    return open_page(server)


def pytest_runtest_protocol(item, nextitem):
    """Run a test a second time if it fails: on a busy machine a click can come before what it is meant for."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if any(report.failed for report in reports):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
