"""The lessons as one file."""

import re
from html.parser import HTMLParser

import pytest

from xdgmm.errors import OutputError
from xdgmm.explore import export_lesson


class Loaded(HTMLParser):
    """Collects what a page asks a browser to load."""

    def __init__(self, text):
        super().__init__()
        self.addresses = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href") and tag != "a"]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return export_lesson(tmp_path_factory.mktemp("lesson") / "lesson.html").read_text(encoding="utf-8")


def test_the_file_is_a_page_that_loads_nothing(text):
    assert text.lstrip().lower().startswith("<!doctype html>")
    assert Loaded(text).addresses == []
    assert not re.search(r"@import|url\(\s*['\"]?https?:", text)


def test_what_would_be_loaded_would_be_seen():
    assert Loaded('<script src="https://a.b/c.js"></script><a href="https://d.e">f</a>').addresses == [
        "https://a.b/c.js"
    ]


def test_the_file_holds_both_lessons_and_their_scripts(text):
    for name in ("mixture_lesson", "em_lesson", "densityOnGrid", "predictedGain", "RandomState"):
        assert name in text


def test_a_file_that_exists_is_replaced_only_on_request(tmp_path):
    path = tmp_path / "lesson.html"
    path.write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        export_lesson(path)
    assert path.read_text() == "mine"
    assert export_lesson(path, overwrite=True).stat().st_size > 1e6


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"\.html"):
        export_lesson(tmp_path / "lesson.pdf")
