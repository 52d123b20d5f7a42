"""Text of files, where a browser shows it: as it is, never as HTML and never as mathematics."""

from __future__ import annotations

from html import escape

from xdgmm.text import printable

# Bokeh hands what stands between these to MathJax, whose commands make links and more.
MATHEMATICS = {"$$": "$ $", r"\(": r"\ (", r"\[": r"\ ["}


def as_html(text: object) -> str:
    """The text for a place that shows HTML, as bokeh's `Div` does.

    Examples
    --------
    >>> print(as_html("<b>v</b>"))
    &lt;b&gt;v&lt;/b&gt;
    """
    return escape(as_label(text))


def as_label(text: object) -> str:
    """The text for a place that shows no HTML, but mathematics between dollar signs: axes, titles, legends."""
    shown = printable(text)
    for begin, harmless in MATHEMATICS.items():
        shown = shown.replace(begin, harmless)
    return shown
