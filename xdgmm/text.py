"""How is the text of others shown?

Names of columns, units and files come from files of unknown origin.  A terminal obeys the control characters in them
(a sequence that begins with ESC changes colours, the title of the window, or lines above), and formatting characters
such as U+202E turn the reading order round.  `printable` shows them as Python writes them in a string.
"""

from __future__ import annotations

from unicodedata import category

# Control, format (with the marks of the reading order), surrogate; separators of lines and paragraphs.
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def printable(text: object, *, keep: str = "") -> str:
    r"""The text with control and formatting characters as escapes, but for those in `keep`.

    Examples
    --------
    >>> print(printable("v\x1b[31m"))
    v\x1b[31m
    """
    text = str(text)
    if text.isascii() and text.isprintable():  # almost always
        return text
    return "".join(_shown(character) if character not in keep else character for character in text)


def _shown(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii") if category(character) in HIDDEN else character


LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
}
# In the order of Unicode, from alpha; letters without a command of their own look like Latin ones.
SMALL_GREEK = (
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "o",
    "pi",
    "rho",
    "varsigma",
    "sigma",
    "tau",
    "upsilon",
    "phi",
    "chi",
    "psi",
    "omega",
)
CAPITAL_GREEK = (
    "A",
    "B",
    "Gamma",
    "Delta",
    "E",
    "Z",
    "H",
    "Theta",
    "I",
    "K",
    "Lambda",
    "M",
    "N",
    "Xi",
    "O",
    "Pi",
    "P",
    "-",
    "Sigma",
    "T",
    "Upsilon",
    "Phi",
    "X",
    "Psi",
    "Omega",
)
for first, letters in ((0x3B1, SMALL_GREEK), (0x391, CAPITAL_GREEK)):
    LATEX |= {chr(first + i): f"${name if len(name) == 1 else chr(92) + name}$" for i, name in enumerate(letters)}


def latex(text: object) -> str:
    r"""The text in LaTeX, where it is shown as it is: characters that mean something there are escaped.

    Greek letters, which pdfLaTeX does not know, are those of mathematics.

    Examples
    --------
    >>> print(latex("v_r 50%"))
    v\_r 50\%
    """
    return "".join(LATEX.get(character, character) for character in printable(text))
