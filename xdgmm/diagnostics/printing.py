"""The tables of a check as tables of rich, for terminals, text and HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.tables.printing import brief, empty_table, plain

if TYPE_CHECKING:
    from astropy.table import QTable
    from rich.table import Table

LARGE, FEWEST = 0.2, 3  # changes in errors of the influence that is printed, and rows at least
REFITTED = "refitted"  # marks rows for which the mixture was fitted without the object
FAR = 0.05  # fraction of the expected p-value below which an object is marked


def test_table(tests: QTable, as_expected: str) -> Table:
    """The tests of a check; an exclamation mark for each that does not pass."""
    table = empty_table(("test", "effect", "p", ""), left=("test", ""))
    for row in tests:
        mark = "" if row["sentence"] == as_expected else "!"
        table.add_row(_text(row["name"]), f"{row['effect']:.3g}", f"{row['p_value']:.2g}", mark)
    return table


def unusual_table(unusual: QTable) -> Table:
    """The least probable objects; an exclamation mark where the p-value is far below what is expected of so many.

    Rows whose numbers are those of the mixture that was fitted without the object are marked as refitted.
    """
    named = ["name"] if "name" in unusual.colnames else []
    background = unusual.meta["n_components"] - 1 if unusual.meta["has_background"] else None
    weighted = ["weight"] if "weight" in unusual.colnames else []
    residuals = [name for name in unusual.colnames if name.startswith("residual_")]
    several = unusual.meta["n_components"] > 1
    headings = [
        "row",
        *named,
        *weighted,
        "p",
        "expected",
        "chi²",
        "residuals",
        *(["component", "membership"] * several),
        "",
    ]
    table = empty_table([*headings, ""], left=("name", ""))
    for row in unusual:
        p, expected = float(row["p_value"]), float(row["expected"])
        scores = [plain(row[name]) for name in residuals]
        table.add_row(
            str(row["row"]),
            *(_text(row[name]) for name in named),
            *(brief(float(row[name])) for name in weighted),
            f"{p:.1g}",
            f"{expected:.1g}",
            brief(float(row["chi_squared"])),
            " ".join("-" if np.isnan(score) else f"{score:+.1f}" for score in scores),
            *([_component(row, background), f"{float(row['membership']):.2f}"] * several),
            "!" if p < FAR * expected else "",
            REFITTED if row["left_out"] else "",
        )
    return table


def influence_table(influence: QTable) -> Table:
    """The objects that move a width by more than a fifth of its error; at least the first three."""
    named = ["name"] if "name" in influence.colnames else []
    headings = ["row", *named, "comp.", "axis", "sigma", "without it", "change/error", ""]
    table = empty_table(headings, left=("name", "axis", ""))
    large = int((np.abs(influence["change_in_errors"]) > LARGE).sum())
    for row in influence[: max(large, FEWEST)]:
        table.add_row(
            str(row["row"]),
            *(_text(row[name]) for name in named),
            str(row["component"]),
            _text(row["axis"]),
            brief(plain(row["sigma"])),
            brief(plain(row["sigma_without"])),
            f"{plain(row['change_in_errors']):+.2f}",
            REFITTED if row["refitted"] else "",
        )
    return table


def _component(row: Any, background: int | None) -> str:
    return "background" if row["component"] == background else str(row["component"])


def _text(cell: Any) -> str:
    from rich.markup import escape

    return escape(str(cell))
