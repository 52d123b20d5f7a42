"""Progress of readings and passes over catalogues in parts."""

import re
import weakref

import numpy as np
import pytest
from astropy.table import Table

from xdgmm import XDGMM
from xdgmm.basics.progress import passes_watched, progress_bar, reading_bar, readings_shown, watched
from xdgmm.streaming import TableSource

N, SIZE = 3000, 500
PASS = re.compile(r"(starts|sample|all objects|reading), (\d+)% of this pass, ([\d.e+]+) rows/s, (\d+) s left")


@pytest.fixture
def source():
    rng = np.random.default_rng(1)
    values, errors = rng.normal(size=N), rng.uniform(0.5, 1.0, N)
    return lambda: TableSource(
        [Table({"v": values[i : i + SIZE], "e_v": errors[i : i + SIZE]}) for i in range(0, N, SIZE)], "v"
    )


@pytest.fixture
def at_once(monkeypatch):
    """Whatever changes is shown."""
    monkeypatch.setattr("xdgmm.basics.progress.DELAY", 0.0)
    monkeypatch.setattr("xdgmm.basics.progress.BETWEEN", 0.0)


@pytest.mark.usefixtures("at_once")
def test_a_bar_shows_the_reading_the_rows_per_second_and_the_time_left_of_a_pass(source, capsys):
    XDGMM(progress="always").fit(source())
    shown = capsys.readouterr().err
    assert "reading: " in shown
    assert f"{N / 1000:.2f}k rows" in shown
    seen = PASS.findall(shown)
    assert {int(done) for _, done, _, _ in seen} >= {17, 50, 83, 100}  # after one, three, five and all of six parts
    assert all(float(rate) > 0 for _, _, rate, _ in seen)


@pytest.mark.usefixtures("at_once")
def test_nothing_is_shown_off_a_terminal_or_where_nothing_is_wanted(source, capsys, monkeypatch):
    XDGMM().fit(source())
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    XDGMM(progress="never").fit(source())
    assert capsys.readouterr().err == ""
    XDGMM().fit(source())
    assert "rows/s" in capsys.readouterr().err


def test_what_is_shown_is_the_share_and_the_rate(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("xdgmm.basics.progress.BETWEEN", 0.0)
    with progress_bar("always") as bar, passes_watched(bar, lambda: "all objects"):
        for _ in watched([100, 300], 400, int):
            clock[0] += 2.0
    found = PASS.findall(capsys.readouterr().err)
    assert ("all objects", "25", "50", "6") in found  # 100 of 400 rows in 2 s
    assert ("all objects", "100", "1e+02", "0") in found


def test_a_watched_pass_holds_one_part_at_a_time():
    class Part:
        pass

    def parts():
        made = []
        for _ in range(3):
            assert all(each() is None for each in made)
            part = Part()
            made.append(weakref.ref(part))
            yield part
            del part

    with progress_bar("always") as bar, passes_watched(bar, lambda: "all objects"):
        for part in watched(parts(), 3, lambda _: 1):
            del part


def test_bars_of_readings_are_those_that_were_asked_for(capsys):
    for progress, shown in (("never", False), ("always", True)):
        with readings_shown(progress), reading_bar() as read:
            read(12)
        assert ("reading" in capsys.readouterr().err) is shown
    with reading_bar() as read:
        read(12)
    assert capsys.readouterr().err == ""
