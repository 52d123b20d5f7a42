"""Callbacks of bokeh from the JavaScript beside this file."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from bokeh.models import CustomJS


def script(name: str) -> str:
    """The text of one of the JavaScript files, such as "mixture.js"."""
    return (files("xdgmm.explore.lesson") / name).read_text(encoding="utf-8")


def callback(*names: str, **arguments: Any) -> CustomJS:
    """A module of the given files, whose default function is called with the models in `arguments`."""
    return CustomJS(code="\n".join(map(script, names)), args=arguments, module=True)
