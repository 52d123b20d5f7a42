"""The first tab: a mixture whose proportions, means and widths the user moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bokeh.events import ButtonClick
from bokeh.models import Button, Column, Row

from .boxes import CodeBox
from .lesson.mixture_lesson import build_mixture_lesson
from .mixture_state import MixtureState
from .sending import Sender

if TYPE_CHECKING:
    from bokeh.models import UIElement

    from .session import Session

WIDTH = 545  # pixels of a box with code


def build(session: Session) -> UIElement:
    """The layout of the tab: what JavaScript moves, and below it the code and the files of what is shown."""
    lesson = build_mixture_lesson()
    python = CodeBox("mixture_python", "Python", WIDTH)
    command = CodeBox("mixture_command", "Command line, with the files below", WIDTH)
    sender = Sender("mixture_download")
    model = Button(label="⤓ mixture (FITS)", width=180, name="mixture_download_model")
    draws = Button(label="⤓ draws, as observed (FITS)", width=220, name="mixture_download_draws")

    def state() -> MixtureState:
        return MixtureState(lesson.mixture, float(lesson.error.value), int(lesson.n_draws.value))

    def show() -> None:
        shown = state()
        python.show(shown.python)
        command.show(shown.command)

    def changed(attr: str, old: object, new: object) -> None:  # noqa: ARG001 - the names that bokeh asks for
        show()

    def send_model() -> None:
        with session.reporting():
            sender.send(state().model_file)

    def send_draws() -> None:
        with session.reporting():
            sender.send(state().draws_file)

    lesson.components.on_change("data", changed)
    for slider in (lesson.error, lesson.n_draws):
        slider.on_change("value_throttled", changed)
    model.on_event(ButtonClick, lambda _: send_model())
    draws.on_event(ButtonClick, lambda _: send_draws())
    show()
    boxes = Row(
        python.layout,
        Column(command.layout, Row(model, draws)),
        styles={"flex-wrap": "wrap", "gap": "18px"},
    )
    return Column(lesson.layout, boxes, tags=[sender.source], sizing_mode="stretch_width", name="mixture_tab")
