"""What builds the site knows the whole package, and its tutorials print the numbers that their text has."""

import contextlib
import importlib
import io
import re
import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import xdgmm

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "examples" / "tutorials").glob("*.py"))
NOT_IN_THE_REFERENCE = {
    "xdgmm.basics",
    "xdgmm.cli",
    "xdgmm.estimator",
    "xdgmm.text",
}  # xdgmm has the names of estimator


@pytest.fixture(scope="module")
def api_pages():
    return runpy.run_path(str(ROOT / "docs" / "extensions" / "api_pages.py"))


def test_every_room_is_in_the_reference(api_pages):
    folder = Path(xdgmm.__file__).parent
    rooms = {f"xdgmm.{path.stem}" for path in folder.iterdir() if path.stem[0] != "_" and path.suffix in {"", ".py"}}
    assert rooms - NOT_IN_THE_REFERENCE <= set(api_pages["ROOMS"])


def test_every_public_name_is_described_once(api_pages):
    rooms = api_pages["described_once"]()
    described = [
        id(getattr(importlib.import_module(room), name)) for room, (here, *_) in rooms.items() for name in here
    ]
    assert len(described) == len(set(described))
    for room in rooms:
        module = importlib.import_module(room)
        for name in api_pages["public_names"](module):
            assert id(getattr(module, name)) in described or name in rooms[room][2], f"{room}.{name}"


def test_a_page_links_to_what_another_one_describes(api_pages):
    rooms = api_pages["described_once"]()
    here, elsewhere, constants = rooms["xdgmm.selection"]
    assert "ModelSelection" in here
    assert "CRITERIA" in constants
    assert "xdgmm.objects.memberships" in rooms["xdgmm.prediction"][1]
    text = api_pages["page"]("xdgmm.selection", here, elsewhere, constants)
    assert ".. automodule:: xdgmm.selection" in text
    assert "   ModelSelection\n" in text
    assert ".. py:data:: xdgmm.selection.CRITERIA" in text


def prose(script):
    """The text of a tutorial: its docstring and the comments below lines of ``# %%``."""
    text = script.read_text(encoding="utf-8")
    blocks = [text.split('"""')[1], *re.findall(r"^# %%.*\n((?:#.*\n)*)", text, re.MULTILINE)]
    return "\n".join(blocks)


@pytest.mark.slow
@pytest.mark.parametrize("script", TUTORIALS, ids=lambda path: path.stem)
def test_numbers_in_the_text_of_a_tutorial_are_printed_by_it(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("agg")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        runpy.run_path(str(script), run_name="__main__")
    plt.close("all")
    quoted = re.findall(r"``([^`]*\d[^`]*)``", prose(script))
    assert quoted
    for number in quoted:
        assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", printed.getvalue()), number
