r"""Numbers and tables in LaTeX, as papers print them.

The error decides how many digits are shown: two significant digits of it (of the smaller one of two, unless it is ten
times smaller), and as many decimals of the value.  Upper limits have three significant digits, those that they have on
the screen, so that a paper and a report show the same number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from xdgmm.errors import InputError
from xdgmm.text import latex, printable

from .printing import LARGEST_IN_FULL, LEAST_DECIMALS, MOST_DECIMALS, brief, rounded

STYLES = ("tabular", "aastex")
NO_VALUE = {"tabular": r"\ldots", "aastex": r"\nodata"}
SMALLEST_OF_TWO = 0.1  # of the larger error: a smaller one does not decide the digits
FIXED_DIGITS = 6  # of a value without an error


def latex_interval(value: float, low: float, high: float) -> str:
    r"""``$2.73^{+0.48}_{-0.39}$``, or ``$2.73 \pm 0.43$`` where both errors are printed alike.

    Without an interval (NaN) the value alone; an empty text without a value.

    Examples
    --------
    >>> from xdgmm.tables.latex import latex_interval
    >>> print(latex_interval(2.7251, 2.335, 3.205), latex_interval(80.5, 79.93, 81.07))
    $2.73^{+0.48}_{-0.39}$ $80.50 \pm 0.57$
    """
    if not np.isfinite(value):
        return ""
    up, down = high - value, value - low
    if not (np.isfinite(up) and np.isfinite(down)) or max(up, down) <= 0:
        return f"${_alone(value)}$"
    decisive = max(min(up, down), SMALLEST_OF_TWO * max(up, down))
    decimals = _decimals(decisive)
    largest = max(abs(value), up, down)
    if LEAST_DECIMALS <= decimals <= MOST_DECIMALS and largest < LARGEST_IN_FULL:
        return f"${_with_errors(value, up, down, decimals)}$"
    power = int(np.floor(np.log10(largest)))
    scale = 10.0**power
    shown = _with_errors(value / scale, up / scale, down / scale, decimals + power)
    return rf"$({shown}) \times 10^{{{power}}}$"


def latex_limit(limit: float) -> str:
    """``$<13.1$``, the number that `printing.upper_limit` shows; an empty text where there is none."""
    return f"$<{_with_power(brief(limit))}$" if np.isfinite(limit) else ""


def _decimals(error: float) -> int:
    """Decimals that show two significant digits of an error, also where rounding gives it one digit more."""
    decimals = 1 - int(np.floor(np.log10(error)))
    return decimals - 1 if round(error * 10.0**decimals) >= 100 else decimals


def _with_errors(value: float, up: float, down: float, decimals: int) -> str:
    shown, above, below = (rounded(number, decimals) for number in (value, up, down))
    return rf"{shown} \pm {above}" if above == below else f"{shown}^{{+{above}}}_{{-{below}}}"


def _alone(value: float) -> str:
    return _with_power(f"{value:.{FIXED_DIGITS}g}")


def _with_power(number: str) -> str:
    """A printed number with its power of ten, where it has one, in LaTeX."""
    mantissa, _, power = number.partition("e")
    return rf"{mantissa} \times 10^{{{int(power)}}}" if power else mantissa


def latex_table(
    headings: Sequence[str],
    units: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    style: str = "tabular",
    left: int = 0,
    caption: str = "",
    comments: Sequence[str] = (),
) -> str:
    r"""A table in LaTeX.

    Parameters
    ----------
    headings, units, rows : sequences of str
        Cells in LaTeX; empty where there is nothing.
    style : {"tabular", "aastex"}
        A ``tabular`` of plain LaTeX, to be put into a ``table``; a ``deluxetable`` of AASTeX.
    left : int
        How many of the first columns are aligned to the left; the others are centred.
    caption : str
        In LaTeX; of a ``deluxetable``.
    comments : sequence of str
        Sentences as plain text: below a ``deluxetable``; in front of a ``tabular``, as comments.

    Raises
    ------
    InputError
        If `style` is another one.
    """
    if style not in STYLES:
        raise InputError(f"`style` is {style!r}, but it must be one of {', '.join(STYLES)}")
    alignment = "l" * left + "c" * (len(headings) - left)
    body = [" & ".join(cell or NO_VALUE[style] for cell in row) for row in rows]
    if style == "tabular":
        return _tabular(alignment, headings, units, body, comments)
    return _deluxetable(alignment, headings, units, body, caption, comments)


def _tabular(
    alignment: str, headings: Sequence[str], units: Sequence[str], body: Sequence[str], comments: Sequence[str]
) -> str:
    heads = [" & ".join(headings), *([" & ".join(units)] if any(units) else [])]
    lines = [
        *(f"% {printable(sentence)}" for sentence in comments),
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\hline",
        *(rf"{line} \\" for line in heads),
        r"\hline",
        *(rf"{line} \\" for line in body),
        r"\hline",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def _deluxetable(
    alignment: str,
    headings: Sequence[str],
    units: Sequence[str],
    body: Sequence[str],
    caption: str,
    comments: Sequence[str],
) -> str:
    heads = [" & ".join(rf"\colhead{{{cell}}}" for cell in line) for line in (headings, units) if any(line)]
    lines = [
        rf"\begin{{deluxetable}}{{{alignment}}}",
        *([rf"\tablecaption{{{caption}}}"] if caption else []),
        rf"\tablehead{{{chr(10).join(heads[:1])}" + "".join(f" \\\\\n{line}" for line in heads[1:]) + "}",
        r"\startdata",
        " \\\\\n".join(body),
        r"\enddata",
        *([rf"\tablecomments{{{' '.join(map(latex, comments))}}}"] if comments else []),
        r"\end{deluxetable}",
    ]
    return "\n".join(lines)
