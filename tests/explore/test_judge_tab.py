"""The tab that judges a mixture, without a browser."""

import time

import pytest
from bokeh.core.validation import check_integrity

from xdgmm.explore import blobs, fit_tab
from xdgmm.explore.judge_tab import build
from xdgmm.explore.session import Session
from xdgmm.fitting import fit

PATIENCE = 60.0  # seconds, on a busy machine


def waits_for_the_end(report):
    report("started")
    report.wait(600)


@pytest.fixture
def session():
    session = Session(blobs(1.0))
    yield session
    session.close()


def tick_until(session, holds):
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        session.tick()
        time.sleep(0.01)


def test_a_mixture_is_judged_as_soon_as_the_process_is_free(session):
    layout = build(session)
    words, pictures = (layout.select_one({"name": name}) for name in ("judge_words", "judge_pictures"))
    session.worker.start(waits_for_the_end)
    session.set_mixture(fit(session.data.observations, 3, rng=0).mixture)
    session.show_tab("Judge")
    assert "still running" in words.text
    session.worker.cancel()
    tick_until(session, lambda: pictures.visible)
    session.set_data(blobs())
    assert not pictures.visible
    assert "Fit a mixture" in words.text


def test_bokeh_finds_no_fault_with_the_tabs(session):
    for make in (build, fit_tab.build):
        found = check_integrity(make(session).references())
        assert not found.error
        assert not [issue for issue in found.warning if issue.name == "EMPTY_LAYOUT"]
