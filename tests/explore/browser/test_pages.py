"""Several pages of one server."""

import sys
from pathlib import Path

import pytest

from xdgmm import datasets


def drop(page, n_objects):
    page.run(
        """
        const files = new DataTransfer()
        files.items.add(new File([arguments[0]], "t.csv"))
        document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: files, bubbles: true, cancelable: true}))
        """,
        "v,e_v\n" + "1.5,0.3\n2.5,0.2\n" * (n_objects // 2),
    )


def test_two_pages_share_nothing(open_page, server):
    one, other = open_page(server), open_page(server)
    drop(one, 10)
    one.wait_until(lambda: "10 objects" in one.text("data_in_words"))
    other.show_tab("Fit")
    assert "300 objects" in other.text("data_in_words")
    drop(other, 12)
    other.wait_until(lambda: "12 objects" in other.text("data_in_words"))
    assert "10 objects" in one.text("data_in_words")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_the_process_of_a_page_ends_when_its_tab_is_closed(open_page, serve):
    with serve(datasets.path("hydrus1")) as (process, url):
        staying, leaving = open_page(url), open_page(url)

        def n_workers():
            commands = [
                path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if is_child(path, process.pid)
            ]
            return sum(b"spawn_main" in command for command in commands)

        staying.wait_until(lambda: n_workers() == 2)
        leaving.close()
        staying.wait_until(lambda: n_workers() == 1)
        drop(staying, 10)
        staying.wait_until(lambda: "10 objects" in staying.text("data_in_words"))
        staying.close()


def is_child(path, number):
    try:
        return int((path.parent / "stat").read_text().rpartition(")")[2].split()[1]) == number
    except FileNotFoundError:
        return False
