"""Files that are chosen or dropped on the page."""

import pytest
from astropy.io import fits
from astropy.table import Table

HOSTILE = "$$\\href{javascript:alert(1)}{x}$$<img src=x onerror=window.attacked=1>"


@pytest.fixture
def stars(tmp_path):
    path = tmp_path / "my stars.csv"
    path.write_text("v,e_v\n" + "".join(f"{k % 7},{0.5 + k % 3}\n" for k in range(40)))
    return path


def choose(page, path):
    """Choose a file in the dialogue that the page's button opens."""
    page.driver.find_element("id", "file").send_keys(str(path))


def drop(page, name, text):
    """Drop a file with this text onto the page."""
    page.run(
        """
        const files = new DataTransfer()
        files.items.add(new File([arguments[1]], arguments[0]))
        document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: files, bubbles: true, cancelable: true}))
        """,
        name,
        text,
    )


def test_a_file_that_is_chosen_is_shown_in_the_fit_tab(page, stars):
    choose(page, stars)
    page.wait_until(lambda: "40 objects; errors of v taken from e_v" in page.text("data_in_words"))
    assert page.value("tabs", "active") == 1
    assert not page.value("message", "visible")


def test_a_file_that_is_dropped_is_shown_too_and_so_is_the_next_one(page, stars):
    drop(page, "dropped.csv", stars.read_text())
    page.wait_until(lambda: "40 objects" in page.text("data_in_words"))
    drop(page, "dropped.csv", stars.read_text() + "3,0.7\n")
    page.wait_until(lambda: "41 objects" in page.text("data_in_words"))


def test_what_is_no_table_is_one_sentence_and_the_old_data_stay(page):
    drop(page, "broken.csv", "")
    page.wait_until(lambda: "'broken.csv' is empty" in page.text("message"))
    page.show_tab("Fit")
    assert "300 objects" in page.text("data_in_words")


def test_one_of_several_tables_in_a_file_is_chosen_on_the_page(page, tmp_path):
    tables = [fits.BinTableHDU(Table({"v": [1.0] * n, "e_v": [0.1] * n}), name=f"T{n}") for n in (5, 7)]
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(tmp_path / "two.fits")
    choose(page, tmp_path / "two.fits")
    page.wait_until(lambda: "holds several tables" in page.text("message"))
    assert page.value("upload_table", "visible")
    page.set("upload_table", "9")
    page.wait_until(lambda: "holds no table '9'" in page.text("message"))
    page.set("upload_table", "T7")
    page.wait_until(lambda: "7 objects" in page.text("data_in_words"))
    assert not page.value("upload_table", "visible")


def test_a_file_that_is_too_large_stays_in_the_browser(page):
    page.run(
        """
        const files = new DataTransfer()
        files.items.add(new File([new Uint8Array(60e6)], "big.csv"))
        document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: files, bubbles: true, cancelable: true}))
        """
    )
    page.wait_until(lambda: "'big.csv' has 60 MB, but the page takes at most 50" in page.text("message"))


def test_text_of_files_is_shown_as_it_is(page):
    drop(page, f"{HOSTILE.replace('/', '')}.csv", f'"{HOSTILE}","e_{HOSTILE}"\n' + "1.0,0.1\n2.0,0.2\n" * 10)
    page.wait_until(lambda: "20 objects" in page.text("data_in_words"))
    assert "<img src=x onerror=window.attacked=1>" in page.text("data_in_words")
    drop(page, f"{HOSTILE.replace('/', '')}.csv", "")
    page.wait_until(lambda: "is empty" in page.text("message"))
    assert "<img src=x" in page.text("message")
    for title in ("Mixture", "Fit", "Judge"):
        page.show_tab(title)
        assert (
            page.run(
                """
            const roots = [document]
            const found = []
            while (roots.length > 0) {
              const root = roots.pop()
              found.push(...root.querySelectorAll("img[onerror], a[href^='javascript']"))
              for (const element of root.querySelectorAll("*"))
                if (element.shadowRoot != null) roots.push(element.shadowRoot)
            }
            return found.length
            """
            )
            == 0
        )
    assert page.run("return window.attacked == null")
