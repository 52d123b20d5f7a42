"""What sentences of the package advise, in words of the page: its controls, or options of the command line."""

from __future__ import annotations

import re

RESTART = "`xdgmm explore FILE {}`"
AUTO = "choose 'auto' under iterations"
PATTERNS = {
    r"set `on_bad` to '(\w+)'(?:(?:, '\w+')* or '(\w+)')?": "start " + RESTART.format(r"--on-bad \1"),
    r"set `on_limit` to '(\w+)'(?:(?:, '\w+')* or '(\w+)')?": "start " + RESTART.format(r"--on-limit \1"),
    r"choose one with `hdu`": "write one of them into the field for the table",
    r"max_iter passes were made; raise max_iter, or raise tol": f"its passes are used up; {AUTO}",
    r"but the predicted gain is above tol; raise tol": f"though a gain is predicted; {AUTO}, or another start",
    r"the predicted gain is below tol": "hardly any gain is predicted to remain",
    r", or give a prior on the covariances(?: \(`prior=[^`]*`\))?": "",
    r", fit fewer components or columns": ", or choose fewer components or columns",
    r"`n_components` is (\d+), but": r"components K is \1, but",
}


def on_the_page(sentence: str) -> str:
    """A sentence whose advice can be followed on the page.

    Parameters
    ----------
    sentence : str
        Of an error, a warning or an outcome.
    """
    for pattern, words in PATTERNS.items():
        sentence = re.sub(pattern, words, sentence)
    return sentence
