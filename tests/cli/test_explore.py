"""`xdgmm explore`, as far as it needs no browser."""

import sys

import pytest


def test_the_lesson_is_exported_and_replaced_only_on_request(here, xdgmm, refused, tmp_path):
    code, out, _ = here("explore", "--export", "lesson.html")
    assert code == 0
    assert "wrote lesson.html" in out
    assert "expectation maximisation" in (tmp_path / "lesson.html").read_text(encoding="utf-8").lower()
    refused(xdgmm("explore", "--export", "lesson.html", cwd=tmp_path), "lesson.html", "--overwrite")
    assert here("explore", "--export", "lesson.html", "--overwrite", "-q")[:2] == (0, "")


@pytest.mark.usefixtures("stars")
def test_a_lesson_has_no_table(xdgmm, refused, tmp_path):
    refused(xdgmm("explore", "stars.fits", "--export", "lesson.html", cwd=tmp_path), "--export", "table")
    assert not (tmp_path / "lesson.html").exists()


@pytest.fixture
def started(monkeypatch):
    """What a server would be started with; none is."""
    import xdgmm.explore

    calls = []

    def explore(data, **options):
        calls.append((data, options))
        options["when_ready"]("http://127.0.0.1:1/")

    monkeypatch.setattr(xdgmm.explore, "explore", explore)
    return calls


@pytest.mark.usefixtures("stars")
def test_a_table_is_read_as_by_other_commands_and_said_in_words(here, started):
    code, out, err = here("explore", "stars.fits", "--columns", "v", "--no-browser", "--port", "5000")
    assert (code, err) == (0, "")
    assert "31 objects; errors of v taken from e_v" in out
    assert "http://127.0.0.1:1/" in out
    ((data, options),) = started
    assert data.columns == ("v",)
    assert data.path == "stars.fits"
    assert (options["port"], options["browser"]) == (5000, False)


@pytest.mark.usefixtures("stars")
def test_options_of_reading_reach_the_table(here, started):
    code, _, _ = here("explore", "stars.fits", "--columns", "v", "--errors", "none", "--weights", "p_mem", "--quiet")
    assert code == 0
    ((data, options),) = started
    assert data.observations.noise is None
    assert data.observations.weights is not None
    assert options["browser"]


def test_without_a_table_nothing_is_read(here, started):
    assert here("explore")[0] == 0
    assert started[0][0] is None


@pytest.mark.usefixtures("stars")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.fits"], "there is no file 'nothing.fits'"),
        (["stars.fits", "--columns", "vv"], "'vv'"),
        (["--columns", "v"], "`columns` (--columns)"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(here, arguments, words, started):
    code, _, err = here("explore", *arguments)
    assert code == 2
    assert words in " ".join(err.split())
    assert started == []


def test_without_bokeh_the_extra_is_named(here, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("bokeh", "xdgmm.explore"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "bokeh", None)
    code, _, err = here("explore", "--no-browser")
    assert code == 2
    assert "needs bokeh: pip install 'xdgmm[explore]'" in " ".join(err.split())
