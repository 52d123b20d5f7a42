"""The text files in which tholoien's XDGMM keeps models: lines of numbers below lines that begin with ``#``.

::

    # XDGMM Model
    # n_components  n_iter  tol  method   random_state
    2,100,1e-05,astroML,None
    # labels
    No labels
    # weights
    0.25,0.75
    # means
    0.0,1.0
    5.0,4.0
    # covars
    1.0,0.0
    0.0,2.0
    #
    1.0,0.5
    0.5,1.0

Files of its first versions have no labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xdgmm.errors import InputError
from xdgmm.files import atomic_write, read_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from numpy.typing import NDArray

TITLE = "# XDGMM Model"
SETTINGS = "n_components  n_iter  tol  method   random_state"
NO_LABELS = "No labels"


class TextModel(NamedTuple):
    """What such a file holds; arrays have the shapes (K,), (K, D) and (K, D, D)."""

    n_components: int
    n_iter: int
    tol: float
    method: str
    random_state: int | None
    labels: list[str] | None
    weights: NDArray[np.float64]
    mu: NDArray[np.float64]
    V: NDArray[np.float64]


def is_text_model(path: str | PathLike[str]) -> bool:
    """Does the file begin as such a file does?"""
    try:
        return bool(read_bytes(path, len(TITLE)) == TITLE.encode())
    except (OSError, EOFError):
        return False


def read(path: str | PathLike[str]) -> TextModel:
    """The model in a text file.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    try:
        return _parsed(_sections(read_bytes(path).decode().splitlines()))
    except (ValueError, LookupError, EOFError, OSError) as error:
        raise InputError(f"'{path}' is damaged ({error}); save the model again") from error


def write(model: TextModel, path: str | PathLike[str]) -> None:
    """Write a model, whole or not at all, with all digits of its numbers; a file that exists is replaced.

    Raises
    ------
    InputError
        If a label would not be read back.
    OutputError
        If the file cannot be written.
    """
    lines = [
        TITLE,
        f"# {SETTINGS}",
        f"{model.n_components},{model.n_iter},{model.tol!r},{model.method},{model.random_state}",
        "# labels",
        NO_LABELS if model.labels is None else ",".join(_checked(model.labels)),
        "# weights",
        _line(model.weights),
        "# means",
        *map(_line, model.mu),
        "# covars",
        "\n#\n".join("\n".join(map(_line, covariance)) for covariance in model.V),
    ]
    with atomic_write(Path(path), overwrite=True) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _line(numbers: NDArray[np.float64]) -> str:
    return ",".join(repr(float(number)) for number in numbers)


def _checked(labels: Sequence[str]) -> Sequence[str]:
    for label in labels:
        if "," in label or label != "".join(label.split()) or label.startswith("#") or not label:
            raise InputError(
                f"the label {label!r} cannot stand in a text file of this format: it is empty, begins with #, or holds "
                "a comma or a space; rename it, or save to a file that ends in .ecsv or .fits"
            )
    return labels


def _sections(lines: list[str]) -> dict[str, list[str]]:
    """Lines of each section, by its heading without the #."""
    sections: dict[str, list[str]] = {}
    for line in (line.strip() for line in lines):
        if line.startswith("#") and line[1:].strip():
            current = sections.setdefault(" ".join(line[1:].split()), [])
        elif line and line != "#":
            current.append(line)
    return sections


def _parsed(sections: dict[str, list[str]]) -> TextModel:
    settings = sections[" ".join(SETTINGS.split())][0].split(",")
    n_components, n_iter, tol, method, random_state = (each.strip() for each in settings)
    (labels,) = sections.get("labels", [NO_LABELS])
    weights, mu, rows = (_numbers(sections[name]) for name in ("weights", "means", "covars"))
    K, D = int(n_components), mu.shape[1]
    if (weights.shape, mu.shape, rows.shape) != ((1, K), (K, D), (K * D, D)):
        raise ValueError(f"its numbers do not fit {K} components in {D} columns")
    return TextModel(
        n_components=K,
        n_iter=int(n_iter),
        tol=float(tol),
        method=method,
        random_state=int(random_state) if random_state.isdecimal() else None,
        labels=None if labels == NO_LABELS else [label.strip() for label in labels.split(",")],
        weights=weights[0],
        mu=mu,
        V=rows.reshape(K, D, D),
    )


def _numbers(lines: list[str]) -> NDArray[np.float64]:
    return np.array([[float(number) for number in line.split(",")] for line in lines])
