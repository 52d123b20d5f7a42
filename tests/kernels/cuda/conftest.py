"""A CuPy without a card."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def fake_cupy():
    """The module `fake_cupy`, whose `module` makes a CuPy of an emulated card."""
    spec = spec_from_file_location("fake_cupy", Path(__file__).parent / "fake_cupy.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
