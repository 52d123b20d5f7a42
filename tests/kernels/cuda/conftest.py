"""A CuPy without a card, and a card that puts off what it can."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from xdgmm.kernels import cuda


@pytest.fixture(autouse=True)
def no_card_yet(monkeypatch):
    """No test finds the card of another."""
    monkeypatch.setattr(cuda._OfCard, "first", None)  # noqa: SLF001


@pytest.fixture(scope="session")
def fake_cupy():
    """The module `fake_cupy`, whose `module` makes a CuPy of an emulated card."""
    return module("fake_cupy")


@pytest.fixture(scope="session")
def deferring():
    """The module `deferring`, whose `card` does as late as it may what it is told to."""
    return module("deferring")


def module(name):
    spec = spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
