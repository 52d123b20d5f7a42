"""The verdict of `error_scale` in words: what is wrong with the errors, and what the widths become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import gammaincc

from xdgmm.tables.printing import brief, compact, plain
from xdgmm.text import printable

if TYPE_CHECKING:
    from .error_result import ErrorScale

CLEAR = 0.05  # p-value below which the errors count as wrong
WIDE = 3.0  # ratio of the ends of an interval from which the data hardly determine a factor


def verdict(result: ErrorScale) -> str:
    """What was found, what to do about it, and what the widths become; remarks follow, one in a line."""
    found = _of_groups(result) if result.reference is not None else _of_all(result)
    return "\n".join([f"{found}{_of_widths(result)}", *result.remarks])


def value_and_ends(row: Any, name: str) -> tuple[float, float, float]:
    """Value and both ends."""
    return plain(row[name]), plain(row[f"{name}_low"]), plain(row[f"{name}_high"])


def ends_in_words(low: float, high: float) -> str:
    """'1.39 to 1.57'."""
    return f"{brief(low)} to {brief(high)}" if np.isfinite(high) else f"{brief(low)} or more"


def _wrong_by(value: float, low: float, high: float) -> str:
    """'1.48 (1.39 to 1.57) times too small'."""
    if value == 0.0:
        return f"at least {brief(1.0 / high)} times too large (without any errors the data fit best)"
    if value > 1.0:
        return f"{brief(value)} ({ends_in_words(low, high)}) times too small"
    ends = f"{brief(1.0 / high)} or more" if low == 0.0 else ends_in_words(1.0 / high, 1.0 / low)
    return f"{brief(1.0 / value)} ({ends}) times too large"


def _gains(result: ErrorScale) -> str:
    p = "p < 1e-300" if result.p_value < 1e-300 else f"p = {result.p_value:.2g}"
    return f"ln L gains {result.gain:.2f} ({p})"


def _of_all(result: ErrorScale) -> str:
    """The verdict on a factor, or a floor, common to all."""
    row = result.table[0]
    if result.kind == "jitter":
        return f"the errors {_lacks(result, row)}: {_gains(result)}"
    value, low, high = value_and_ends(row, "factor")
    if result.p_value < CLEAR:
        remedy = f"; multiply them by {brief(value)}" if value > 0 else ""
        return f"the errors are {_wrong_by(value, low, high)}: {_gains(result)}{remedy}"
    hardly = ", which the data hardly determine" if low == 0.0 or high > WIDE * low else ""
    return (
        f"nothing says that the errors are wrong: their factor is {brief(value)} ({ends_in_words(low, high)}){hardly}; "
        f"{_gains(result)}"
    )


def _of_groups(result: ErrorScale) -> str:
    """The verdict on groups beside the reference."""
    reference = f"'{printable(result.reference)}'"
    if result.p_value >= CLEAR:
        return f"nothing says that errors are wrong beside those of {reference}: {_gains(result)}"
    gains = {i: plain(row["gain"]) for i, row in enumerate(result.table) if row["group"] != str(result.reference)}
    wrong = [i for i, gain in gains.items() if gammaincc(0.5, gain) < CLEAR] or [max(gains, key=gains.__getitem__)]
    said = [f"those of '{printable(row['group'])}' {_lack(result, row)}" for row in result.table[wrong]]
    return f"if the errors of {reference} are right, {', '.join(said)}: {_gains(result)}"


def _lack(result: ErrorScale, row: Any) -> str:
    """'are 1.48 (1.39 to 1.57) times too small', 'lack 1.2 (0.9 to 1.5) km/s, to be added in quadrature'."""
    return f"are {_wrong_by(*value_and_ends(row, 'factor'))}" if result.kind == "factor" else _lacks(result, row)


def _lacks(result: ErrorScale, row: Any) -> str:
    value, low, high = value_and_ends(row, "jitter")
    unit = row["unit"] if "unit" in result.table.colnames else getattr(result.table["jitter"], "unit", None)
    unit = f" {compact(unit)}" if unit else ""
    where = f" in {printable(row['column'])}" if "column" in result.table.colnames else ""
    limit = plain(row["jitter_limit"])
    if np.isfinite(limit):
        return f"lack less than {brief(limit)}{unit} ({100 * result.limit_level:g}%){where}"
    return f"lack {brief(value)} ({ends_in_words(low, high)}){unit}{where}, to be added in quadrature"


def _of_widths(result: ErrorScale) -> str:
    """What the width becomes, where there is only one."""
    if len(result.widths) > 1:
        return ""
    unit = getattr(result.widths["sigma"], "unit", None)
    before, after = (brief(plain(result.widths[name][0])) for name in ("sigma", "changed_sigma"))
    if before == after:
        return ""
    return f"; sigma is then {after} instead of {before}{'' if unit is None else ' ' + compact(unit)}"
