"""Take the pictures of ``docs/explore.md`` with a headless browser.

python tools/explore_pictures.py [NAME ...]     writes docs/pictures/explore_NAME.png; by default all
"""

import io
import runpy
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from xdgmm.explore import export_lesson

ROOT = Path(__file__).parent.parent
SCALE = 1.5  # pixels of the picture for one of the screen
USUAL, WIDE = (1240, 1100), (1480, 1800)  # windows
COLOURS = 128  # of the palette, which keeps the files small
BROWSER = runpy.run_path(str(ROOT / "tests" / "explore" / "browser" / "conftest.py"))
SERVER = runpy.run_path(str(ROOT / "tests" / "explore" / "conftest.py"))


def mixture(open_page, lesson, _server):
    """The first tab, with one mean and one width changed by hand."""
    page = open_page(lesson)
    page.wait_until(lambda: page.value("mixture_draws", "data.x"))
    page.drag("mixture_plane", (-1.9, -0.9), (-2.2, -1.5))
    page.set("mixture_error", 0.8)
    return page, "mixture_lesson"


def em(open_page, lesson, _server):
    """Expectation maximisation after some steps."""
    page = open_page(lesson)
    page.wait_until(lambda: page.text("em_words"))
    for _ in range(30):
        page.click("em_step")
    return page, "em_lesson"


def fit(open_page, _lesson, server):
    """A bundled table, fitted with two components, with its criteria."""
    page = fitted(open_page(server), "neutron_stars", 2)
    page.click("criteria")
    page.wait_until(lambda: page.value("cancel", "disabled"))
    return page, "fit_tab"


def judge(open_page, _lesson, server):
    """A fit with too few components."""
    page = fitted(open_page(server), "blobs with errors", 1)
    page.show_tab("Judge")
    page.wait_until(lambda: page.value("judge_pictures", "visible"))
    return page, "judge_tab"


def fitted(page, data, n_components):
    """The page with a fit of a data set."""
    page.show_tab("Fit")
    start = lambda: "the start" in page.text("progress") and not page.value("run", "disabled")  # noqa: E731
    page.wait_until(start)
    page.set("data_set", data)
    time.sleep(2.0)
    page.wait_until(start)
    page.set("n_components", n_components)
    time.sleep(2.0)
    page.wait_until(start)
    page.set("solver", "auto")
    time.sleep(1.0)
    page.click("run")
    page.wait_until(lambda: "converged" in page.text("progress"))
    return page


PICTURES = {"mixture": mixture, "em": em, "fit": fit, "judge": judge}


def main(names):
    """Take the pictures of these names."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    with TemporaryDirectory() as folder, SERVER["running_server"]() as (_, server):
        options = Options()
        options.binary_location = BROWSER["BROWSER"]
        for argument in (*BROWSER["ARGUMENTS"], f"--user-data-dir={folder}", f"--force-device-scale-factor={SCALE}"):
            options.add_argument(argument)
        lesson = export_lesson(Path(folder) / "lesson.html").as_uri()
        driver = webdriver.Chrome(options=options, service=Service(BROWSER["DRIVER"]))
        try:
            for name in names:
                driver.set_window_size(*(WIDE if name in ("fit", "judge") else USUAL))
                page, shown = PICTURES[name](
                    lambda url: BROWSER["Page"](driver, url).wait_until_drawn(), lesson, server
                )
                time.sleep(1.0)
                write(page, shown, ROOT / "docs" / "pictures" / f"explore_{name}.png")
        finally:
            driver.quit()


def write(page, name, path):
    """Write what the browser shows of the model of this name."""
    page.run(BROWSER["FIND"] + "view.el.scrollIntoView({block: 'start'})", name)
    time.sleep(0.3)
    box = page.run(
        BROWSER["FIND"] + "const {left, top, right, bottom} = view.el.getBoundingClientRect()\n"
        "return [left, top, right, bottom]",
        name,
    )
    whole = Image.open(io.BytesIO(page.driver.get_screenshot_as_png())).convert("RGB")
    part = whole.crop([round(SCALE * edge) for edge in box])
    part.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(path.relative_to(ROOT), f"{path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:] or PICTURES)
