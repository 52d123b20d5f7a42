"""`xdgmm info`: a model and the record of its fit, the columns of a table, or this machine."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xdgmm.errors import InputError

from .json_results import mixture_as_json, record_as_json
from .options import Hdu, Json, Readme
from .printing import Printer, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astropy.table import QTable
    from numpy.typing import NDArray
    from rich.table import Table

    from xdgmm.mixture import Background, FitRecord, GaussianMixture
    from xdgmm.tables.table_types import NamedColumns
    from xdgmm.uncertainty import ParameterErrors

MOST_COLUMNS = 500  # columns of a table that are shown
ROWS = 100  # rows of a table that are read to find out how its columns are understood


def info(
    file: Annotated[
        Path | None,
        typer.Argument(help="A model that `xdgmm fit` wrote, or a table; without one this machine is shown."),
    ] = None,
    hdu: Hdu = None,
    readme: Readme = None,
    *,
    json: Json = False,
) -> None:
    """Show a model and its fit, the columns of a table and the errors found for them, or the devices of this machine.

    Example: xdgmm info model.fits
    """
    printer = Printer(json)
    if file is None:
        printer.print_json(_show_machine(printer))
        return
    from xdgmm.mixture import GaussianMixture

    title = f"[b]{escaped(file.name)}[/b]"
    try:
        mixture = GaussianMixture.read(file)
    except InputError:
        if _is_damaged_model(file):
            raise
        printer.print_json(_show_table(file, hdu, readme, title, printer))
    else:
        printer.print_json(_show_model(mixture, title, printer))


def _is_damaged_model(file: Path) -> bool:
    """Whether a file that cannot be read as a model has the mark of one."""
    try:
        with file.open("rb") as stream:
            return b"XDGMMFMT" in stream.read(50_000)
    except OSError:
        return False


def _show_machine(printer: Printer) -> dict[str, Any]:
    """Print which devices make passes here; returns what to print as JSON."""
    import xdgmm
    from xdgmm.kernels import device_in_words

    n_threads = xdgmm.get_num_threads()
    device: str | None
    try:
        device = xdgmm.get_device()
        of_passes = f"{device}; --device or XDGMM_DEVICE chooses another"
    except InputError as error:  # the variable names none
        device, of_passes = None, f"none, for {error}"
    found: dict[str, Any] = {}
    for name in ("cpu", "cuda"):
        try:
            found[name] = {"found": True, "description": device_in_words(name)}
        except InputError as error:
            found[name] = {"found": False, "description": str(error)}
    found["cpu"]["description"] = f"cpu ({n_threads} thread{'' if n_threads == 1 else 's'})"
    printer.print(f"xdgmm {xdgmm.__version__}")
    printer.print(escaped(f"device of passes: {of_passes}"))
    for name, each in found.items():
        printer.print(escaped(each["description"] if each["found"] else f"no {name}: {each['description']}"))
    return {"kind": "machine", "version": xdgmm.__version__, "device": device, "devices": found, "threads": n_threads}


def _show_model(mixture: GaussianMixture, title: str, printer: Printer) -> dict[str, Any]:
    """Print a model; returns what to print as JSON."""
    printer.print(title)
    printer.print(_components(mixture))
    if mixture.background is not None:
        printer.print(escaped(_background(mixture, mixture.background)))
    for sentence in _history(mixture.record):
        printer.print(escaped(sentence))
    _show_candidates(mixture, printer)
    return {"kind": "model", "model": mixture_as_json(mixture), "record": record_as_json(mixture.record)}


def _show_candidates(mixture: GaussianMixture, printer: Printer) -> None:
    """Print the candidates from which the model was chosen, where it was."""
    if mixture.record is not None and mixture.record.selection is not None:
        from xdgmm.selection import rich_candidates, table_of

        table = table_of(mixture)
        if table is not None:
            printer.print(rich_candidates(table))


def _components(mixture: GaussianMixture) -> Table:
    """A row for each component and coordinate, with errors where the file has them."""
    from xdgmm.tables.printing import with_error

    errors = _errors(mixture)
    several = mixture.n_dimensions > 1
    names = [escaped(f"corr. {name}") for name in mixture.names[:-1]] if several else []
    of_t = [] if mixture.dof is None else ["dof"]
    headings = ["comp.", "weight", "axis", "mean", "intrinsic σ", *of_t, *names]
    table = _rich_table(headings, left=["axis"], no_wrap=True)
    for k, weight in enumerate(mixture.weights):
        for i, name in enumerate(mixture.names):
            unit, is_flat = mixture.units[i], mixture.is_flat[k, i]
            table.add_row(
                *((str(k), with_error(weight, errors.weights[k])) if i == 0 else ("", "")),
                escaped(name if unit is None else f"{name} [{unit}]"),
                "" if is_flat else with_error(mixture.means[k, i], errors.means[k, i]),
                "flat" if is_flat else with_error(mixture.sigmas[k, i], errors.sigmas[k, i]),
                *([_dof(mixture, errors, k) if i == 0 else ""] if of_t else []),
                *(f"{value:+.3f}" for value in _correlations(mixture, k, i)),
            )
    return table


def _dof(mixture: GaussianMixture, errors: ParameterErrors, k: int) -> str:
    """Degrees of freedom of a component with their error; 'Gaussian' where they are infinite."""
    from xdgmm.tables.printing import with_error

    if mixture.dof is None or errors.dof is None or mixture.dof[k] == float("inf"):
        return "Gaussian"
    return with_error(mixture.dof[k], errors.dof[k])


def _rich_table(headings: list[str], left: list[str], *, no_wrap: bool = False) -> Table:
    """A table for the terminal, without rows; headings `left` are left-justified, the others right-justified."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="left" if heading in left else "right", no_wrap=no_wrap)
    return table


def _errors(mixture: GaussianMixture) -> ParameterErrors:
    """Errors from the covariance in the record; NaN where there is none."""
    import numpy as np

    from xdgmm.kernels import triangle
    from xdgmm.uncertainty import ParameterErrors

    covariance = None if mixture.record is None else mixture.record.covariance
    if covariance is None:
        size = (
            mixture.all_weights.size
            + mixture.means.size
            + mixture.n_components * len(triangle(mixture.n_dimensions)[0])
            + (0 if mixture.dof is None else mixture.n_components)
        )
        covariance = np.full((size, size), np.nan)
    return ParameterErrors.of(mixture, covariance, np.zeros(mixture.n_components, int), np.nan)


def _correlations(mixture: GaussianMixture, k: int, i: int) -> Iterator[float]:
    """Correlations of coordinate i with those before it; 0 where one has no width."""
    sigmas = mixture.sigmas[k]
    for j in range(i):
        product = sigmas[i] * sigmas[j]
        yield mixture.covariances[k, i, j] / product if product > 0 else 0.0


def _background(mixture: GaussianMixture, background: Background) -> str:
    low, high = background.box
    box = ", ".join(f"{name} from {a:.5g} to {b:.5g}" for name, a, b in zip(mixture.names, low, high, strict=True))
    edges = " (edges fitted)" if background.fitted_edges else ""
    return f"background: {100 * background.fraction:.3g}% of the objects, {background.of} uniform in {box}{edges}"


def _history(record: FitRecord | None) -> Iterator[str]:
    """What is known of the fit, one sentence each."""
    if record is None:
        yield "the file has no record of a fit"
        return
    plural = "" if record.n_objects == 1 else "s"
    on_device = "" if record.device == "cpu" else f" on {record.device}"
    yield f"fitted to {record.n_objects} object{plural} on {record.date} by xdgmm {record.version}{on_device}"
    if record.recipe:
        yield f"the fit again: {record.recipe}"
    yield from record.remarks
    held = "; ".join(
        f"{name} of {', '.join(map(str, which))}" for name, which in record.model["fixed"].items() if which
    )
    if "selection_function" in record.model:
        yield f"of all objects, seen and unseen; selection function: {record.model['selection_function'].description}"
    prior = ", ".join(record.model["prior"] or ())
    yield (
        f"covariance type {record.model['covariance_type']}"
        + _family(record.model)
        + (f"; held fixed: {held}" if held else "")
        + (f"; prior on {prior}" if prior else "")
    )
    plural = "" if record.n_parameters == 1 else "s"
    yield f"log-likelihood {record.log_likelihood:.6f} nats with {record.n_parameters} free parameter{plural}"
    yield record.outcome
    if record.selection is not None:
        n = len(record.selection["columns"]["status"])
        yield f"chosen by {record.selection['criterion']} among {n} candidates: {record.selection['sentence']}"
    yield f"data hash {record.data_hash}"


def _family(model: dict[str, Any]) -> str:
    """Of Student-t components: how their degrees of freedom were found."""
    if model.get("family", "gaussian") == "gaussian":
        return ""
    how = {"fit": "fitted", "shared": "fitted, one for all"}
    return f"; Student-t components, degrees of freedom {how.get(str(model['dof']), 'given')}"


def _show_table(file: Path, hdu: str | None, readme: Path | None, title: str, printer: Printer) -> dict[str, Any]:
    """Print the columns of a table; returns what to print as JSON."""
    from xdgmm.tables import read_blocks

    blocks = read_blocks(file, hdu, readme)
    table = next(blocks)
    columns = _described_columns(table)
    n_rows, names = len(table), table.colnames
    for table in blocks:
        n_rows += len(table)
        for column in columns:
            column["missing"] += _n_missing(table[column["name"]])
    headings = ["column", "unit", "type", "missing", "errors"]
    shown = _rich_table(headings, left=["column", "unit", "type", "errors"])
    for column in columns:
        shown.add_row(*(escaped("" if cell is None else cell) for cell in column.values()))
    printer.print(title)
    printer.print(f"a table of {n_rows} rows and {len(names)} columns")
    printer.print(shown)
    if len(names) > MOST_COLUMNS:
        printer.print(f"only the first {MOST_COLUMNS} columns are shown")
    return {"kind": "table", "n_rows": n_rows, "n_columns": len(names), "columns": columns}


def _described_columns(table: QTable) -> list[dict[str, Any]]:
    """Of each column: name, unit, type, number of missing values, and what is found of the errors."""
    from xdgmm.tables import named_columns

    first_rows = named_columns(table[:ROWS])
    return [_describe_column(table[name], name, first_rows) for name in table.colnames[:MOST_COLUMNS]]


def _describe_column(column: Any, name: str, first_rows: NamedColumns) -> dict[str, Any]:
    values, dtype = _plain(column), getattr(column, "dtype", None)
    return {
        "name": name,
        "unit": str(column.unit) if getattr(column, "unit", None) is not None else None,
        "type": type(column).__name__ if dtype is None else _type_name(column),
        "missing": _n_missing(column),
        "errors": _errors_found(first_rows, name) if values.dtype.kind in "iuf" and values.ndim == 1 else None,
    }


def _plain(column: Any) -> NDArray[Any]:
    """The elements of a column, without unit and mask."""
    import numpy as np

    return np.asarray(getattr(getattr(column, "unmasked", column), "value", column))


def _n_missing(column: Any) -> int:
    """How many elements are masked or NaN."""
    import numpy as np

    missing, values = np.asarray(getattr(column, "mask", False)), _plain(column)
    if values.dtype.kind == "f":
        missing = missing | np.isnan(values)
    return int(missing.sum())


def _type_name(column: Any) -> str:
    """As astropy prints it: the length of strings in characters, and the shape of a cell where it has one."""
    from astropy.utils.data_info import dtype_info_name

    shape = column.shape[1:]
    return str(dtype_info_name(column.dtype)) + (str(list(shape)) if shape else "")


def _errors_found(first_rows: NamedColumns, name: str) -> str | None:
    """The remark on the errors of a column, or why they cannot be used; None where no error column is found."""
    from xdgmm.observations import Observations

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return str(Observations.from_table(first_rows, name, on_bad="missing").remarks[0])
    except InputError as error:
        return None if str(error).startswith("no error column") else str(error)
