"""Spectra simulated and fitted line by line: the benchmark's own."""

import importlib
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def simulation():
    """The module of the benchmark, which needs to be importable from the root of the project."""
    root = str(Path(__file__).parents[2])
    sys.path.insert(0, root)
    try:
        return importlib.import_module("benchmarks.lines")
    finally:
        sys.path.remove(root)
