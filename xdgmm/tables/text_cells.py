"""Numbers as text tables write them: words for missing values, decimal commas, other exponents and signs, limits."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError, XdgmmWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from astropy.table import Table
    from numpy.typing import NDArray

    Text = NDArray[np.str_]
    Bools = NDArray[np.bool_]

# In lower case.  SQL and Gaia write null, R and pandas NA and <NA>, spreadsheets #N/A, PostgreSQL \N, IRAF INDEF.
MISSING_WORDS = frozenset(
    ("", "null", "na", "n/a", "n.a.", "#n/a", "<na>", "none", "nil", "nan", "indef", "\\n", "nodata")
)
DASHES_OR_DOTS = re.compile(r"[-−–—.…]+|!{2,}|\*{2,}")
SIGNS = str.maketrans({"−": "-", "–": "-", "—": "-", "\u2010": "-", "\u2011": "-"})
BLANKS = str.maketrans(dict.fromkeys("\u00a0\u2007\u2009\u202f", " "))

UNSIGNED = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
NUMBER = rf"[+-]?{UNSIGNED}"
PLAIN = re.compile(rf"{NUMBER}|[+-]?(?:nan|inf(?:inity)?)", re.IGNORECASE)
FORTRAN = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[dDqQ]([+-]?\d+)|([+-]\d{3}))")  # 1.5D+02, and 1.5-101 for 1.5E-101
DECIMAL_COMMA = re.compile(r"[+-]?(?:\d{1,3}(?:[. ']\d{3})+|\d*),\d+(?:[eE][+-]?\d+)?")  # 44,72 and 1.044,72
THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:(?:,\d{3})+|(?: \d{3})+|(?:'\d{3})+)(?:\.\d*)?")  # 1,044.72 and 1'044.72
PLUS_MINUS = re.compile(rf"\$?\s*({NUMBER})\s*(?:±|\+/-|\+-|\\pm)\s*({UNSIGNED})\s*\$?")
IN_LAST_DIGITS = re.compile(r"([+-]?\d+(?:\.(\d*))?)\((\d+)(\.\d+)?\)")  # 44.72(41) is 44.72 +- 0.41
UPPER_LOWER = re.compile(rf"({NUMBER})\s*\+\s*({UNSIGNED})\s*/?\s*-\s*({UNSIGNED})")
LIMIT = re.compile(rf"(<=|>=|<|>|≤|≥|≲|≳)\s*({NUMBER})")
SAMPLE = 20  # cells of a column that are looked at before all of them are


@dataclass
class Reading:
    """What the cells of a column mean.

    Attributes
    ----------
    style : str
        plain, decimal (commas), thousands (commas), either (of the two), errors, or limits.
    numbers : ndarray (N,)
        NaN, or 0 in whole numbers, where the value is missing; whatever the style is, but not where it is "either".
    missing : ndarray (N,) of bool
    more : dict of str to ndarray (N,)
        Further columns that the cells hold, by the prefix that VizieR gives to names: e_ and E_ (errors), l_ (limits).
    example : str
        A cell that is not a plain number.
    """

    style: str
    numbers: NDArray[Any]
    missing: Bools
    more: dict[str, NDArray[Any]] = field(default_factory=dict)
    example: str = ""


def missing_cells(text: Text) -> Bools:
    """Where cells, stripped, are words for missing values."""
    found = [
        cell.lower() in MISSING_WORDS or (cell[0] in "-−–—.…!*" and DASHES_OR_DOTS.fullmatch(cell) is not None)
        for cell in text.tolist()
    ]
    return np.array(found, dtype=bool)


def read_cells(column: Any) -> Reading | None:
    """What a column of text means, if every cell is a number of one style or a word for a missing value; else None."""
    cells, masked = np.ma.getdata(column), np.ma.getmaskarray(column)
    if not all(understood(cell) for cell in _stripped(cells[~masked][:SAMPLE]).tolist()):
        return None
    text = _stripped(cells)
    missing = masked | missing_cells(text)
    cells = text[~missing]
    if len(cells) == 0:
        return None
    numbers = _as_numbers(cells)
    if numbers is not None:
        return Reading("plain", _spread(numbers, missing), missing)
    return _in_style(cells.tolist(), missing)


def _stripped(cells: Any) -> Text:
    cells = np.asarray(cells)
    text = np.char.strip(np.char.decode(cells, "latin-1") if cells.dtype.kind == "S" else cells.astype(str))
    if all(map(str.isascii, text.tolist())):
        return text
    return np.array([cell.translate(BLANKS).strip() for cell in text.tolist()], dtype=str)


def understood(cell: str) -> bool:
    """Whether a single cell is a number of any style, or a word for a missing value."""
    cell = cell.translate(SIGNS)
    styles = (PLAIN, FORTRAN, DECIMAL_COMMA, THOUSANDS, PLUS_MINUS, IN_LAST_DIGITS, UPPER_LOWER, LIMIT)
    return (
        cell.lower() in MISSING_WORDS
        or DASHES_OR_DOTS.fullmatch(cell) is not None
        or any(style.fullmatch(cell) for style in styles)
    )


def _as_numbers(cells: Text) -> NDArray[Any] | None:
    """Whole numbers, or floats; None if a cell is not a plain number."""
    if (np.char.find(cells, "_") >= 0).any():  # Python takes 1_000 as a number
        return None
    for kind in (np.int64, np.float64):
        try:
            return cells.astype(kind)
        except (ValueError, OverflowError):
            continue
    return None


def _spread(numbers: NDArray[Any], missing: Bools) -> NDArray[Any]:
    """Numbers of the cells that are not missing, in their places; NaN or 0 in the others."""
    result = np.full(missing.shape, np.nan if numbers.dtype.kind == "f" else 0, dtype=numbers.dtype)
    result[~missing] = numbers
    return result


def _in_style(cells: Sequence[str], missing: Bools) -> Reading | None:
    """Cells that are not all plain numbers, in the first style that suits all of them."""
    signed = [cell.translate(SIGNS) for cell in cells]
    plain = _floats(signed, _number)
    if plain is not None:
        return Reading("plain", _spread(plain, missing), missing)
    example = next(cell for cell in signed if not PLAIN.fullmatch(cell))
    for reader in (_with_commas, _with_errors, _with_upper_and_lower, _with_limits):
        found = reader(signed, missing)
        if found is not None:
            found.example = example
            return found
    return None


def _floats(cells: Iterable[str], read: Callable[[str], float | None]) -> NDArray[np.float64] | None:
    """What `read` makes of each cell; None if it makes nothing of one of them."""
    result = []
    for cell in cells:
        number = read(cell)
        if number is None:
            return None
        result.append(number)
    return np.array(result)


def _number(cell: str) -> float | None:
    """A plain number, or one with an exponent of Fortran."""
    if PLAIN.fullmatch(cell):
        return float(cell)
    found = FORTRAN.fullmatch(cell)
    return None if found is None else float(f"{found[1]}e{found[2] or found[3]}")


def _decimal(cell: str) -> float | None:
    """A number with a decimal comma; a point in another cell of the column would contradict it."""
    if DECIMAL_COMMA.fullmatch(cell):
        return float(re.sub("[. ']", "", cell).replace(",", "."))
    return float(cell) if PLAIN.fullmatch(cell) and "." not in cell else None


def _thousands(cell: str) -> float | None:
    if THOUSANDS.fullmatch(cell):
        return float(re.sub("[, ']", "", cell))
    return _number(cell)


def _with_commas(cells: Sequence[str], missing: Bools) -> Reading | None:
    decimal, thousands = _floats(cells, _decimal), _floats(cells, _thousands)
    if decimal is not None and thousands is not None:
        both = {"decimal": _spread(decimal, missing), "thousands": _spread(thousands, missing)}
        return Reading("either", np.array([]), missing, both)
    if decimal is not None:
        return Reading("decimal", _spread(decimal, missing), missing)
    return None if thousands is None else Reading("thousands", _spread(thousands, missing), missing)


def _with_errors(cells: Sequence[str], missing: Bools) -> Reading | None:
    """Values with errors in the same cell: 44.72±1.41, 44.72(41)."""
    pairs = [_value_and_error(cell) for cell in cells]
    if any(pair is None for pair in pairs):
        return None
    values, errors = np.array(pairs).T
    return Reading("errors", _spread(values, missing), missing, {"e_": _spread(errors, missing)})


def _value_and_error(cell: str) -> tuple[float, float] | None:
    found = PLUS_MINUS.fullmatch(cell)
    if found is not None:
        return float(found[1]), float(found[2])
    digits = IN_LAST_DIGITS.fullmatch(cell)
    if digits is not None:
        error = digits[3] + digits[4] if digits[4] else f"{digits[3]}e-{len(digits[2] or '')}"
        return float(digits[1]), float(error)
    number = _number(cell)
    return None if number is None else (number, np.nan)


def _with_upper_and_lower(cells: Sequence[str], missing: Bools) -> Reading | None:
    """Values with an upper and a lower error in the same cell: 44.7+1.4-1.2."""
    rows = []
    for cell in cells:
        found = UPPER_LOWER.fullmatch(cell)
        number = _number(cell)
        if found is None and number is None:
            return None
        rows.append((number, np.nan, np.nan) if found is None else tuple(map(float, found.groups())))
    values, upper, lower = np.array(rows, dtype=float).T
    more = {"E_": _spread(upper, missing), "e_": _spread(lower, missing)}
    return Reading("errors", _spread(values, missing), missing, more)


def _with_limits(cells: Sequence[str], missing: Bools) -> Reading | None:
    """Values of which some are limits: <12.0."""
    found = [LIMIT.fullmatch(cell) for cell in cells]
    numbers = _floats([cell if each is None else each[2] for cell, each in zip(cells, found, strict=True)], _number)
    if numbers is None:
        return None
    flags = np.full(missing.shape, "", dtype="U2")
    flags[~missing] = ["" if each is None else each[1] for each in found]
    return Reading("limits", _spread(numbers, missing), missing, {"l_": flags})


def with_numbers(table: Table) -> Table:
    """The table, in place, with numbers for columns of text that hold nothing but numbers and words for missing values.

    Errors and limits in the same cells become columns of their own, as VizieR names them: e_X, or E_X and e_X, and l_X.

    Warns
    -----
    XdgmmWarning
        Of what was assumed: which commas are decimal, and which columns are new.
    """
    readings = {}
    for name in table.colnames:
        if is_column(table[name]) and table[name].dtype.kind in "US" and table[name].ndim == 1:
            reading = read_cells(table[name])
            if reading is not None:
                readings[name] = reading
    _settle_commas(table, readings)
    for name, reading in readings.items():
        _replace(table, name, reading)
    return table


def is_column(column: Any) -> bool:
    """Whether it is a column of astropy, rather than times or coordinates."""
    return hasattr(column, "dtype") and hasattr(column, "ndim")


def _settle_commas(table: Table, readings: dict[str, Reading]) -> None:
    """Decide from the whole table which commas are decimal; columns of which it is not clear stay text."""
    styles = {reading.style for reading in readings.values()}
    if not styles & {"decimal", "thousands", "either"}:
        return
    columns = [column for column in table.itercols() if is_column(column) and column.dtype.kind == "f"]
    numbers = [np.ma.compressed(column) for column in columns if column.ndim == 1]
    numbers += [each.numbers[~each.missing] for each in readings.values() if each.style not in ("decimal", "either")]
    points = any((np.isfinite(each) & (each % 1 != 0)).any() for each in numbers if each.dtype.kind == "f")
    decimal, thousands = "decimal" in styles, "thousands" in styles or points
    for name, reading in list(readings.items()):
        if reading.style == "either" and decimal != thousands:
            style = "decimal" if decimal else "thousands"
            readings[name] = Reading(style, reading.more[style], reading.missing, example=reading.example)
        elif reading.style == "either" or (reading.style == "decimal" and thousands):
            del readings[name]
    for style, sentence in (
        ("decimal", "decimal commas of {} read as decimal points"),
        ("thousands", "separators of thousands in {} left out"),
    ):
        names = [name for name, reading in readings.items() if reading.style == style]
        if names:
            _warn(f"{sentence.format(', '.join(names))}, as in '{readings[names[0]].example}'")


def _replace(table: Table, name: str, reading: Reading) -> None:
    from astropy.table import MaskedColumn

    new = {prefix + name: values for prefix, values in reading.more.items()}
    if any(column in table.colnames for column in new):
        return
    column = table[name]
    numbers = MaskedColumn(reading.numbers, mask=reading.missing) if reading.missing.any() else reading.numbers
    table.replace_column(name, numbers)
    table[name].unit, table[name].description = column.unit, column.description
    at = table.colnames.index(name) + 1
    for each, values in new.items():
        table.add_column(values, name=each, index=at)
        if each[0] in "eE":
            table[each].unit = column.unit
    if new:
        what = "values with errors" if reading.style == "errors" else "limits among its values"
        _warn(f"column '{name}' holds {what} ('{reading.example}'); read as {name} and {' and '.join(new)}")


def _warn(sentence: str) -> None:
    warnings.warn(sentence, XdgmmWarning, stacklevel=2)


def plain_numbers(text: Text, where: Bools, name: str) -> NDArray[np.float64]:
    """Numbers (N,) of cells of text, NaN where they are words for missing values, or not asked for (`where`).

    Raises
    ------
    InputError
        If a cell is anything else; the message names the first one: most columns have only one such cell.
    """
    stripped = _stripped(text)
    missing = ~where | missing_cells(stripped)
    numbers = [_number(cell.translate(SIGNS)) for cell in stripped[~missing].tolist()]
    if None in numbers:
        row = int(np.flatnonzero(~missing)[numbers.index(None)])
        cell = str(stripped[row])
        raise InputError(
            f"column '{name}' holds strings (row {row}: {cell!r}), but numbers belong there; {_advice(cell)}"
        )
    result = np.full(where.shape, np.nan)
    result[~missing] = numbers
    return result


def _advice(cell: str) -> str:
    """What to do about a cell that is not a number."""
    if DECIMAL_COMMA.fullmatch(cell) or THOUSANDS.fullmatch(cell):
        return (
            "the comma may be a decimal comma or a thousands separator: write decimal points, and no separators of "
            "thousands, in the whole table"
        )
    if any(style.fullmatch(cell) for style in (PLUS_MINUS, IN_LAST_DIGITS, UPPER_LOWER)):
        return "put values and errors into columns of their own"
    if LIMIT.fullmatch(cell):
        return "put the sign of limits into a column of its own, l_NAME"
    return "correct the cell, or leave it empty where the value is missing"
