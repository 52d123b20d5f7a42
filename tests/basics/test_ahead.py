"""The next item is made while the present one is used, and nothing is left behind."""

import threading
import time

import numpy as np
import pytest

from xdgmm.basics.ahead import read_ahead


def readers():
    return [each for each in threading.enumerate() if each.name == "xdgmm-reader"]


def test_all_items_come_in_their_order():
    assert list(read_ahead(lambda: range(50))) == list(range(50))
    assert list(read_ahead(list)) == []
    assert not readers()


def test_items_are_made_while_others_are_used():
    made = []

    def items():
        for number in range(4):
            made.append(threading.current_thread().name)
            yield number

    for number in read_ahead(items):
        deadline = time.monotonic() + 10.0
        while len(made) < min(number + 2, 4) and time.monotonic() < deadline:
            time.sleep(0.001)
        assert len(made) == min(number + 2, 4)  # one ahead, and no more
    assert set(made) == {"xdgmm-reader"}


def test_no_more_than_two_items_are_in_memory():
    alive = peak = 0

    class Item:
        def __init__(self):
            nonlocal alive, peak
            alive += 1
            peak = max(peak, alive)

        def __del__(self):
            nonlocal alive
            alive -= 1

    for item in read_ahead(lambda: (Item() for _ in range(30))):
        time.sleep(0.001)
        del item
    assert (alive, peak) == (0, 2)


def test_what_the_iterable_raises_is_raised():
    def items():
        yield 1
        raise ValueError("broken")

    found = read_ahead(items)
    assert next(found) == 1
    with pytest.raises(ValueError, match="broken"):
        next(found)
    assert not readers()
    with pytest.raises(ZeroDivisionError):
        list(read_ahead(lambda: 1 // 0))


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, RuntimeError])
def test_the_thread_ends_with_its_user(interrupt):
    closed = []

    def items():
        try:
            while True:
                yield np.zeros(3)
        finally:
            closed.append(threading.current_thread().name)

    def use():
        for _ in read_ahead(items):
            raise interrupt

    with pytest.raises(interrupt):
        use()
    assert closed == ["xdgmm-reader"]
    assert not readers()


def test_the_thread_has_the_floating_point_state_of_its_user():
    def items():
        yield np.geterr()["divide"]

    with np.errstate(divide="raise"):
        assert list(read_ahead(items)) == ["raise"]
