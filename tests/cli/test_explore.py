"""`xdgmm explore`, as far as it needs no browser."""

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
