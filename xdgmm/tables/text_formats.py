"""Tables in text files: what separates the cells, where the names stand, which lines are no rows, and encodings."""

from __future__ import annotations

import csv
import re
import tempfile
import warnings
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError, XdgmmWarning, reraise_lack_of_memory

from .text_cells import MISSING_WORDS, is_column, with_numbers
from .text_units import set_unit, unit_of, with_units_of_names, without_row_of_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.table import QTable, Table

SEPARATORS = ";|\t!,"
COMMENTS = "#!%"
UNIT_SEPARATOR = "\x1f"
RULER = re.compile(r"[\s|+:=!;,-]*[-=]{2}[\s|+:=!;,-]*")
DASHES = re.compile(r" *-+( +-+)+ *")  # below the columns of a table with fixed positions
FOOTER = re.compile(r"\(\d+ rows?\)")  # of PostgreSQL
ROWS = 30  # lines that are looked at to recognise a form
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x19\x1b-\x1f]")  # bytes that no text has
HTML = re.compile(rb"\s*<(html|table|!doctype html)", re.IGNORECASE)
BYTE_BY_BYTE = re.compile(r"Byte-by-byte\s+Description of file\s*:(.*)", re.IGNORECASE)
NAME = re.compile(r"^[^\W\d'\"]|[^\W\d'\"]{2}")  # a name begins with a letter, or holds two
RDB = re.compile(r"\d*[SNM]")  # type of a column below its name, in the RDB format
NAMELESS = "xdgmm_nothing"  # the name of the empty column that separators at the ends of lines make
ROW_NAMES = "row_name"  # the name of R's column of row names
START = 10_000  # bytes at the start of a file in which its form is recognised


def first_bytes(path: Path, size: int = START) -> bytes:
    """The first bytes of a file, decompressed where it is compressed."""
    with binary(path) as stream:
        start: bytes = stream.read(size)
        return start


def binary(path: Path) -> Any:
    """A file, opened and decompressed where it is compressed."""
    from astropy.utils.data import get_readable_fileobj

    return get_readable_fileobj(path, encoding="binary")


def is_text(start: bytes) -> bool:
    """Whether a file that starts with these bytes is text."""
    return _is_utf16(start) or (b"\0" not in start and not start.startswith((b"SIMPLE  =", b"PAR1")))


def _is_utf16(start: bytes) -> bool:
    return start.startswith((b"\xff\xfe", b"\xfe\xff"))


def decoded(start: bytes) -> str:
    """The start of a text file in the encoding that it seems to have."""
    if _is_utf16(start):
        return start.decode("utf-16", errors="replace")
    try:
        return start.decode("utf-8")
    except UnicodeDecodeError as error:
        cut = error.start > len(start) - 4  # within a letter
        return start.decode("utf-8" if cut else "cp1252", errors="replace")


def read_text(path: Path, start: bytes, readme: Path | None, name: str) -> QTable:
    """A text file, or one that astropy recognises, with numbers and units in the columns that hold them.

    Parameters
    ----------
    path : Path
    start : bytes
        The first bytes of the file.
    readme : Path or None
        A description in the format of the CDS; by default a file ReadMe beside the table, if it describes the table.
    name : str
        Name of the file in this description.
    """
    from astropy.table import QTable

    readme = readme or _readme_beside(path, name)
    if readme is not None:
        return _described(path, readme, name)
    if name.lower().startswith("readme") and BYTE_BY_BYTE.search(start.decode("latin-1")):
        raise InputError(f"'{path}' describes tables; give the file of a table, and this one in `readme`")
    if HTML.match(start):
        return _of_html(path)
    if BYTE_BY_BYTE.search(start.decode("latin-1")):
        return _of_cds(path)
    if start.startswith(b"# %ECSV"):
        return _ecsv(path)
    table, guessed = _of_text(path, start)
    table = with_units_of_names(with_numbers(without_row_of_units(table)))
    if guessed and len(table) and not any(is_column(each) and each.dtype.kind in "iuf" for each in table.itercols()):
        raise ValueError("it has no column of numbers")
    return QTable(table, copy=False)


def _ecsv(path: Path) -> QTable:
    """A table in the ECSV format; where numbers are missing, Gaia writes null, which the format does not have."""
    from astropy.table import QTable

    try:
        return QTable.read(path, format="ascii.ecsv")
    except ValueError:
        words = [(word, "0") for lower in sorted(MISSING_WORDS) for word in {lower, lower.upper(), lower.capitalize()}]
        return QTable.read(path, format="ascii.ecsv", fill_values=words)


def _readme_beside(path: Path, name: str) -> Path | None:
    """A file ReadMe in the folder of a file, if it describes that file."""
    for readme in (path.parent / "ReadMe", path.parent / "ReadMe.txt"):
        if readme.is_file() and _describes(readme, name):
            return readme
    return None


def _describes(readme: Path, name: str) -> bool:
    from fnmatch import fnmatch

    text = readme.read_text(encoding="utf-8", errors="replace")
    patterns = [pattern for found in BYTE_BY_BYTE.finditer(text) for pattern in re.split(r"[,\s]+", found[1].strip())]
    return any(fnmatch(_uncompressed(name), pattern) for pattern in patterns if pattern)


def _uncompressed(name: str) -> str:
    return re.sub(r"\.(gz|bz2|xz|Z)$", "", name)


def _described(path: Path, readme: Path, name: str) -> QTable:
    """A table whose columns are described in a ReadMe of the CDS."""
    if not readme.is_file():
        raise InputError(f"there is no file '{readme}' (`readme`); check the name")
    if not _describes(readme, name):
        raise InputError(
            f"'{readme}' has no line 'Byte-by-byte Description of file: {_uncompressed(name)}'; give the ReadMe of "
            "this table in `readme`, and keep the name that the table has there"
        )
    with tempfile.TemporaryDirectory() as folder:
        described = Path(folder) / _uncompressed(name)
        with binary(path) as stream:
            described.write_bytes(stream.read())
        return _of_cds(described, readme=str(readme))


def _of_html(path: Path) -> QTable:
    """The table of a web page, if it has one that astropy can read."""
    from astropy.table import QTable

    try:
        return QTable.read(path, format="ascii.html")
    except Exception as error:  # noqa: BLE001 - of beautifulsoup4 where it is installed, or because it is not
        reraise_lack_of_memory(error)
        raise InputError(
            f"'{path}' is a web page (HTML) without a table that can be read; save the table as CSV, VOTable or FITS"
        ) from None


def _of_cds(path: Path, **options: Any) -> QTable:
    """A table in the format of the CDS; cells that astropy takes for no numbers are read like those of other text."""
    from astropy.table import QTable

    try:
        return QTable.read(path, format="ascii.cds", **options)
    except ValueError:
        text, formats = _text_of_cds(path, **options)
        table = with_numbers(text)
        # What is described as a number must be one, or the columns do not stand where the description says.
        if any(formats[name][0] in "FEID" and table[name].dtype.kind not in "iuf" for name in table.colnames):
            raise
        return QTable(table, copy=False)


def _text_of_cds(path: Path, **options: Any) -> tuple[Table, dict[str, str]]:
    """A table in the format of the CDS with all cells as text, and the format of each column."""
    from astropy.io.ascii import Cds, FloatType, IntType, StrType, get_reader

    reader = get_reader(Cds, converters={"*": [(np.array, kind) for kind in (IntType, FloatType, StrType)]}, **options)
    table = reader.read(str(path))
    return table, {column.name: column.raw_type for column in reader.cols}


def _of_text(path: Path, start: bytes) -> tuple[Table, bool]:
    """The table as it is written, and whether its form was guessed."""
    if _is_utf16(start):
        return _of_lines(_decoded(path, "utf-16"))
    try:
        return _of_utf8(path, start)
    except UnicodeDecodeError as error:
        if CONTROL.search(start):
            raise ValueError("it is not text") from None
        warnings.warn(
            f"the file is not in UTF-8 (byte {error.object[error.start]:#04x}); read as Windows-1252, a superset of "
            "Latin-1: if names look wrong, save it in UTF-8",
            XdgmmWarning,
            stacklevel=2,
        )
        return _of_lines(_decoded(path, "cp1252"))


def _of_utf8(path: Path, start: bytes) -> tuple[Table, bool]:
    from astropy.io.registry import IORegistryError
    from astropy.table import Table

    lines = _lines(start.decode("utf-8", errors="replace"))
    rows = [line for line in lines if line.strip() and not line.startswith("#")]
    if is_text(start) and len(rows) > 1 and all(map(RDB.fullmatch, rows[1].split("\t"))) and "\t" in rows[0]:
        return Table.read(path, format="ascii.rdb"), False
    form = Form.of(lines[:-1] if len(start) >= START else lines) if is_text(start) else None
    if form is not None and (not form.is_plain or _ruler(lines, form.separator) is not None):
        return form.read(_decoded(path, "utf-8")), False
    if form is not None:
        return form.read(path), False
    spans = _columns_of_dashes(lines)
    if spans is not None:
        return _with_fixed_positions(_decoded(path, "utf-8"), spans), False
    if start.startswith(b"#"):  # comments, which astropy's reader of .csv would take as names
        return _guessed(path), True
    try:
        table = Table.read(path)
    except IORegistryError:
        if not is_text(start):
            raise ValueError("it is not text") from None
        return _guessed(path), True
    # A .csv file without commas has one column for astropy.
    only = table.colnames[0].strip() if len(table.colnames) == 1 else ""
    return (_guessed(path), True) if {*only} & {*" {=\\"} else (table, False)


def _columns_of_dashes(lines: Sequence[str]) -> list[tuple[int, int]] | None:
    """Where columns stand, if the second or third line that is no comment has dashes below the names; or None."""
    rows = [line for line in lines if line.strip() and not line.startswith("#")]
    ruler = next((line for line in rows[1:3] if DASHES.fullmatch(line)), None)
    return None if ruler is None else [found.span() for found in re.finditer("-+", ruler)]


def _with_fixed_positions(lines: list[str], spans: list[tuple[int, int]]) -> Table:
    """A table whose columns have fixed positions, with names, dashes, and units between them where there are some."""
    from astropy.table import Table

    rows = [line for line in lines if line.strip() and not line.startswith("#")]
    ruler = next(i for i, line in enumerate(rows) if DASHES.fullmatch(line))
    cells = [[line[start:end].strip() for start, end in spans] for line in (*rows[:ruler], *rows[ruler + 1 :])]
    table = Table.read(
        [UNIT_SEPARATOR.join(row) for row in (cells[0], *cells[ruler:])], format="ascii.csv", delimiter=UNIT_SEPARATOR
    )
    for name, unit in zip(table.colnames, cells[1] if ruler > 1 else (), strict=False):
        set_unit(table[name], unit)
    return table


def _of_lines(lines: list[str]) -> tuple[Table, bool]:
    form = Form.of(lines[:ROWS])
    spans = _columns_of_dashes(lines[:ROWS]) if form is None else None
    if spans is not None:
        return _with_fixed_positions(lines, spans), False
    if form is None:
        return _guessed(lines), True
    return form.read(lines), False


def _decoded(path: Path, encoding: str) -> list[str]:
    with binary(path) as stream:
        content: bytes = stream.read()
    return _lines(content.decode(encoding, errors="strict" if encoding == "utf-8" else "replace"))


def _lines(text: str) -> list[str]:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _guessed(source: Path | list[str]) -> Table:
    """Text whose form astropy guesses."""
    from astropy.io.ascii import InconsistentTableError
    from astropy.table import Table

    try:
        return Table.read(source, format="ascii")
    except InconsistentTableError:
        raise ValueError(
            "no form of text tables fits its lines: is the first one the names, and are all rows alike?"
        ) from None


@dataclass(frozen=True)
class Form:
    """How the lines of a text file make a table.

    Attributes
    ----------
    separator : str
        Between the cells.
    header : tuple of str
        Lines of names (and units) that are not the first lines that are no comments.
    replaced : bool
        Whether this header stands for the first line that is no comment, which is left out.
    comment : str
        The characters of which one stands before each comment.
    bars : bool
        Whether lines begin and end with a bar.
    rulers : bool
        Whether lines of dashes are left out.
    """

    separator: str
    header: tuple[str, ...] = ()
    replaced: bool = False
    comment: str = "#"
    bars: bool = False
    rulers: bool = False

    @classmethod
    def of(cls, lines: Sequence[str]) -> Form | None:
        """The form of a file that starts with these lines; None if astropy is to recognise or guess it.

        Raises
        ------
        InputError
            If each row has one cell more than there are names.
        """
        written = [line for line in lines if line.strip() and not FOOTER.fullmatch(line.strip())]
        comments = list(takewhile(lambda line: line[0] in COMMENTS, written))
        comment = "".join(sorted({"#", *(line[0] for line in comments)}))
        rows = [line for line in written if line[0] not in comment][: ROWS + 1]
        if not rows:
            return None
        if len(rows) > 1 and all(line.lstrip()[0] in "|+" for line in rows):
            return cls("|", comment=comment, bars=True, rulers=True)
        cells = [line for line in rows[1:] if not RULER.fullmatch(line)]
        separator = _separator(rows[0], cells)
        if comments and any(map(_is_number, filter(str.strip, _cells(rows[0], separator or " ")))):
            names = _commented_names([line.lstrip(f"{comment} ") for line in comments], rows[0], separator or " ")
            return cls(separator or " ", names, comment=comment) if names else None
        if separator is None:
            own_comments = comment != "#" and _fits(rows[0], cells, " ")  # others than those of astropy's guesses
            return cls(" ", comment=comment) if own_comments else _with_row_names(rows)
        rulers = any(RULER.fullmatch(line) for line in rows[1:3]) and _ruler(lines, separator) is None
        names = _mended(rows[0], cells, separator)
        return cls(separator, names, replaced=bool(names), comment=comment, rulers=rulers)

    def read(self, source: Path | list[str]) -> Table:
        """The table of a file, or of its lines."""
        from astropy.table import Table

        delimiter, ruler = self.separator, None
        if isinstance(source, list):
            rows = self._rows(source)
            ruler = _ruler(rows[:ROWS], delimiter)
            if delimiter in ("\t", "!!") or ruler is not None:  # astropy skips tabs like blanks
                delimiter = UNIT_SEPARATOR
            source = [line.replace(self.separator, delimiter) for line in rows]
        name = "ascii.basic" if delimiter == " " else "ascii.csv"
        options = {"format": name, "delimiter": delimiter, "comment": "#"}
        if ruler is not None and isinstance(source, list):
            return _ruled(source, ruler, options)
        return _without_footer(_without_nameless(Table.read(source, **options)))

    def _rows(self, lines: list[str]) -> list[str]:
        """The lines with the header in front, without comments, rulers and bars."""
        lines = [line for line in lines if line[:1] not in self.comment or not line]
        if self.rulers:
            lines = [line for line in lines if not (RULER.fullmatch(line) or FOOTER.fullmatch(line.strip()))]
        if self.bars:
            lines = [line.strip().strip("|") for line in lines]
        if not self.header:
            return lines
        first = next(i for i, line in enumerate(lines) if line.strip())
        return [*self.header, *lines[first + self.replaced :]]

    @property
    def is_plain(self) -> bool:
        """Whether astropy's fast reader can read the file itself."""
        return self == Form(self.separator) and self.separator not in ("\t", "!!")


def _separator(names: str, rows: Sequence[str]) -> str | None:
    """The character that separates the names, and the cells of the rows; None where it is a blank, or is not clear."""
    names = names.strip(" ")
    found = [separator for separator in SEPARATORS if separator in names]
    if names.startswith("|") or not found:
        return None
    if set(re.findall("!+", names)) == {"!!"}:
        return "!!"
    fitting = [separator for separator in found if _fits(names, rows, separator)]
    if len(fitting) == 1:
        return fitting[0]
    return found[0] if len(found) == 1 and found != [","] else None


def _fits(names: str, rows: Sequence[str], separator: str) -> bool:
    """Whether all rows have as many cells as there are names, or all one more."""
    n_names = len(_cells(names, separator))
    return {len(_cells(row, separator)) - n_names for row in rows} in ({0}, {1}, set())


def _cells(line: str, separator: str) -> list[str]:
    """The cells of a line; quotes may hold separators."""
    if len(separator) > 1:
        return line.split(separator)
    return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])


def _mended(names: str, rows: Sequence[str], separator: str) -> tuple[str, ...]:
    """The line of the names, with one more, where each row has one cell more; empty if it can stay as it is.

    Separators at the ends of all rows make an empty cell; R leaves out the name of its column of row names.
    """
    written, cells = _cells(names, separator), [_cells(row, separator) for row in rows]
    if not cells:
        return ()
    empty = all(not row[-1].strip() for row in cells)
    if empty and not written[-1].strip() and {len(row) for row in cells} == {len(written)}:
        return (f"{names.rstrip()}{NAMELESS}",)
    if {len(row) for row in cells} != {len(written) + 1}:
        return ()
    if empty:
        return (f"{names}{separator}{NAMELESS}",)
    if _are_row_names([row[0] for row in cells], rows):
        return (f"{ROW_NAMES}{separator}{names}",)
    raise InputError(
        f"the first line has {len(written)} names, but each row has {len(written) + 1} cells, so that it is not clear "
        "which belong together; correct the line of names"
    )


def _commented_names(comments: Sequence[str], row: str, separator: str) -> tuple[str, ...]:
    """The last of the comments that has as many words as a row has cells, and the units below it, if there are any."""
    n_cells = len(_cells(row, separator))
    fitting = [line for line in comments if len(_cells(line, separator)) == n_cells]
    words = [line for line in fitting if not any(map(_is_number, _cells(line, separator)))]
    if not words:
        return ()
    if len(words) > 1 and _are_units(_cells(words[-1], separator)):
        return tuple(words[-2:])
    return (words[-1],) if all(NAME.search(cell) for cell in _cells(words[-1], separator)) else ()


def _are_units(cells: Sequence[str]) -> bool:
    """Whether cells are units or nothing; single letters alone may be names."""
    written = [cell.strip() for cell in cells if cell.strip(" -")]
    return any(len(cell) > 1 for cell in written) and all(unit_of(cell) is not None for cell in written)


def _without_nameless(table: Table) -> Table:
    """The table without the empty column that separators at the ends of lines make."""
    if NAMELESS in table.colnames:
        if not np.ma.getmaskarray(table[NAMELESS]).all():
            raise InputError("rows end with a separator, but some have a cell more than there are names; correct them")
        table.remove_column(NAMELESS)
    return table


def _without_footer(table: Table) -> Table:
    """The table without a last row "(20 rows)", which PostgreSQL writes."""
    if len(table) > 1 and table.columns[0].dtype.kind == "U" and FOOTER.fullmatch(str(table.columns[0][-1]).strip()):
        return table[:-1]
    return table


def _are_row_names(first: Sequence[str], rows: Sequence[str]) -> bool:
    """Whether the first cells are row names as R writes them: all different, and in quotes or numbered from 1."""
    numbered = [cell.strip() for cell in first] == [str(i + 1) for i in range(len(first))]
    return len(set(first)) == len(first) and (numbered or all(row.lstrip().startswith('"') for row in rows))


def _with_row_names(rows: Sequence[str]) -> Form | None:
    """The form of a table that R has written, with blanks between cells and row names; None for all else."""
    names, cells = _cells(rows[0], " "), [_cells(row, " ") for row in rows[1:]]
    if {len(row) for row in cells} != {len(names) + 1} or any(map(_is_number, names)):
        return None
    if not _are_row_names([row[0] for row in cells], rows[1:]):
        return None
    return Form(" ", (f"{ROW_NAMES} {rows[0]}",), replaced=True)


def _ruler(lines: Sequence[str], separator: str) -> int | None:
    """The number of the line of dashes that VizieR puts below the names and their units, or None."""
    uncommented = [number for number, line in enumerate(lines) if line.strip() and not line.startswith("#")]
    for number in uncommented[1:3]:
        if all(cell and not cell.strip("-") for cell in map(str.strip, lines[number].split(separator))):
            return number
    return None


def _ruled(lines: Sequence[str], ruler: int, options: dict[str, Any]) -> Table:
    """A text file of VizieR, whose lines are names, units, dashes (line number `ruler`) and rows."""
    from astropy.table import Table

    header = next(number for number, line in enumerate(lines) if line.strip() and not line.startswith("#"))
    table = Table.read([lines[header], *lines[ruler + 1 :]], **options)
    if ruler - header > 1:
        for name, unit in zip(table.colnames, lines[ruler - 1].split(options["delimiter"]), strict=False):
            set_unit(table[name], unit.strip(" -"))
    return table


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip() or "nan")
    except ValueError:
        return False
    return True
