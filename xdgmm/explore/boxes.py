"""Boxes with code, which a button copies."""

from __future__ import annotations

from bokeh.models import Button, Column, CustomJS, Div, PreText, Row

LOOK = {"background-color": "#F5F5F5", "padding": "8px 10px", "overflow-x": "auto", "font-size": "12px"}
COPY = """
navigator.clipboard.writeText(box.text)
button.label = "copied"
setTimeout(() => { button.label = "copy" }, 1200)
"""


class CodeBox:
    """Code below its heading, with a button that copies it.

    Parameters
    ----------
    name : str
        Of the model of bokeh that holds the text.
    heading : str
    width : int
        In pixels.

    Attributes
    ----------
    layout : Column
    """

    def __init__(self, name: str, heading: str, width: int) -> None:
        self._box = PreText(name=name, width=width, styles=LOOK, disable_math=True)
        copy = Button(name=f"copy_{name}", label="copy", width=60, height=24)
        copy.js_on_click(CustomJS(args={"box": self._box, "button": copy}, code=COPY))
        title = Div(text=f"<b>{heading}</b>", margin=(8, 5, 0, 5), width=width - 80)
        self.layout = Column(Row(title, copy), self._box)

    def show(self, text: str) -> None:
        """Show other code."""
        self._box.text = text
