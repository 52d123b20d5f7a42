"""What `xdgmm info` says of a table: its columns, and the errors found for them."""

from .consoles import escaped

MOST_COLUMNS = 500  # for which error columns are looked for
ROWS = 100  # which tell how a column is read


def tell_table(file, hdu, title, voice):
    """Say what the columns of a table are; returns it as a document."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from xdgmm.tables import named_columns, read_table

    table = read_table(file, hdu)
    first = named_columns(table[:ROWS])
    columns = [_column(table, name, first) for name in table.colnames[:MOST_COLUMNS]]
    shown = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("column", "unit", "type", "missing", "errors"):
        shown.add_column(heading, justify="right" if heading == "missing" else "left")
    for column in columns:
        shown.add_row(*(escaped("" if cell is None else cell) for cell in column.values()))
    voice.say(title)
    voice.say(f"a table of {len(table)} rows and {len(table.colnames)} columns")
    voice.say(shown)
    if len(table.colnames) > MOST_COLUMNS:
        voice.say(f"only the first {MOST_COLUMNS} columns are shown")
    return {"kind": "table", "n_rows": len(table), "n_columns": len(table.colnames), "columns": columns}


def _column(table, name, first):
    """Name, unit, type, number of missing values, and what is found of the errors."""
    import numpy as np

    column = table[name]
    dtype = getattr(column, "dtype", None)
    missing = np.asarray(getattr(column, "mask", False))
    values = np.asarray(getattr(getattr(column, "unmasked", column), "value", column))
    if values.dtype.kind == "f":
        missing = missing | np.isnan(values)
    return {
        "name": name,
        "unit": str(column.unit) if getattr(column, "unit", None) is not None else None,
        "type": type(column).__name__ if dtype is None else _type_name(column),
        "missing": int(missing.sum()),
        "errors": _errors_found(first, name) if values.dtype.kind in "iuf" and values.ndim == 1 else None,
    }


def _type_name(column):
    """As astropy prints it: the length of strings in characters, and the shape of a cell where it has one."""
    from astropy.utils.data_info import dtype_info_name

    shape = column.shape[1:]
    return dtype_info_name(column.dtype) + (str(list(shape)) if shape else "")


def _errors_found(first, name):
    """What reading the column would say of its errors; None where there are none."""
    import warnings

    from xdgmm.errors import InputError
    from xdgmm.observations import Observations

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Observations.from_table(first, name, on_bad="missing").remarks[0]
    except InputError as error:
        return None if str(error).startswith("no error column") else str(error)
