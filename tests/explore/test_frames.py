"""Frames follow each other no faster than the browser draws them."""

import time

import pytest

from xdgmm.explore.frames import MOST, Frames


@pytest.fixture
def frames():
    return Frames("frames")


def answer(frames, number):
    """What the browser does after it has drawn a frame."""
    frames.sources[1].data = {"seen": [number]}


def test_the_next_frame_waits_for_the_answer_to_the_last_one_and_as_long_again(frames):
    assert frames.are_due
    frames.sent()
    time.sleep(0.1)
    assert not frames.are_due
    answer(frames, 1)
    assert not frames.are_due
    time.sleep(MOST)
    assert frames.are_due


def test_an_answer_to_an_older_frame_is_none_to_the_last_one(frames):
    frames.sent()
    frames.sent()
    answer(frames, 1)
    time.sleep(MOST)
    assert not frames.are_due
    answer(frames, 2)
    time.sleep(MOST)
    assert frames.are_due


def test_a_series_does_not_wait_for_what_was_sent_before(frames):
    frames.sent()
    frames.begin()
    assert frames.are_due
