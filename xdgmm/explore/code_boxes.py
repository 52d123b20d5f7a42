"""Python and commands that repeat what the page shows, as text to be copied."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import data_sets
from .fit_state import WITHOUT_MAXIMUM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .data_sets import DataSet
    from .fit_state import FitState

LINE = 66  # characters from which on a call is broken into lines
DEFAULTS = {"correlations": "auto", "on_bad": "raise", "on_limit": "missing", "asymmetric": "moments"}
RAISES = "# These data have no maximum with this start: the fit ends with an error that says so."


def python_of(state: FitState) -> str:
    """Python code after which ``model.mixture_`` is the mixture on its way."""
    lines = [*_python_fit(state), "print(model.mixture_)"]
    if state.result is not None and state.result.converged:
        lines.append("print(model.widths(stars))")
    return "\n".join(lines) + "\n"


def python_of_check(state: FitState, n_simulations: int) -> str:
    """Python code that repeats the fit, its residuals and its check against samples of the model."""
    lines = _python_fit(state, "from xdgmm.diagnostics import check, residuals, unusual_objects")
    lines += [
        "z = residuals(model, stars)",
        "print(unusual_objects(model, stars))",
        f"print(check(model, stars, n_simulations={n_simulations}))",
    ]
    return "\n".join(lines) + "\n"


def command_of_check(state: FitState, n_simulations: int) -> str:
    """The commands that repeat the fit, and check it."""
    data = state.data
    words = ["xdgmm", "check", "model.fits", _command_data(data)[1], *_reading_options(data)]
    words += ["--simulations", str(n_simulations), "--plot", "check.png"]
    return command_of(state) + _broken(words) + "\n"


def _python_fit(state: FitState, *imports: str) -> list[str]:
    """Lines that read the data and make ``model``."""
    first, data = _python_data(state.data)
    comment = [RAISES] if _is_without_maximum(state) else []
    fit = _call("model = XDGMM", _arguments(state)) + ".fit(stars)"
    return [first, *imports, "", data, *comment, fit]


def _is_without_maximum(state: FitState) -> bool:
    """Does the fit of the boxes end with an error?"""
    return state.ended == WITHOUT_MAXIMUM


def command_of(state: FitState) -> str:
    """The commands that write the mixture on its way to ``model.fits``."""
    data, choices = state.data, state.choices
    first, table = _command_data(data)
    words = ["xdgmm", "fit", table, "--columns", shlex.quote(",".join(data.columns))]
    words += _reading_options(data)
    words += ["--components", str(choices.n_components)]
    arguments = _arguments(state)
    if "covariance_type" in arguments:
        words += ["--covariance-type", choices.covariance_type]
    if "solver" in arguments:
        words += ["--solver", arguments["solver"]]
    if state.means is not None:
        words += [f"--means={shlex.quote(';'.join(','.join(map(repr, mean)) for mean in _plain(state.means)))}"]
    if "max_iter" in arguments:
        words += ["--passes", str(arguments["max_iter"])]
    words += ["--output", "model.fits"]
    comment = [RAISES] if _is_without_maximum(state) else []
    return "\n".join([*first, *comment, _broken(words)]) + "\n"


def _reading_options(data: DataSet) -> list[str]:
    """How the columns of a table are read, where it is not as by default."""
    words = [] if data.errors == "auto" else ["--errors", shlex.quote(data.errors)]
    for name, value in (data.options | data.reading).items():
        words += _option(name, value)
    return words


def _arguments(state: FitState) -> dict[str, Any]:
    """The arguments of `XDGMM` that make the mixture on its way; those that are the default are left out."""
    choices, ended = state.choices, state.result is not None
    solver = choices.solver if ended or not state.stepped else state.stepped
    given: dict[str, Any] = {"n_components": choices.n_components}
    if choices.covariance_type != "full":
        given["covariance_type"] = choices.covariance_type
    if solver != "auto":
        given["solver"] = solver
    if state.means is not None:
        given["means_init"] = _plain(state.means)
    if not ended:
        given |= {"tol": 0, "max_iter": state.shown.passes if state.shown else 1}
    return given


def _plain(means: NDArray[np.float64]) -> list[list[float]]:
    return [[float(number) for number in mean] for mean in means]


def _call(name: str, arguments: dict[str, Any]) -> str:
    """A call with keyword arguments, on several lines where it is long."""
    parts = [f"{key}={value!r}" for key, value in arguments.items()]
    line = f"{name}({', '.join(parts)})"
    if len(line) <= LINE:
        return line
    return f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + ")"


def _python_data(data: DataSet) -> tuple[str, str]:
    """The imports, and the lines that make ``stars``."""
    imports = "from xdgmm import XDGMM, Observations"
    if data.origin == "bundled":
        imports, table = f"{imports}, datasets", f"datasets.load({data.name!r})"
    elif (made := _made_by(data)) is not None:
        function, call = made
        imports, table = f"{imports}\nfrom xdgmm.explore.data_sets import {function}", f"{call}.table"
    else:
        imports = f"{imports}\nfrom xdgmm.tables import read_table"
        reading = "".join(f", {name}={value!r}" for name, value in _plain_options(data.reading))
        table = f"read_table({data.path or data.name!r}{reading})"
    options: dict[str, Any] = {} if data.errors == "auto" else {"errors": _errors(data.errors)}
    options |= dict(_plain_options(data.options))
    more = "".join(f", {name}={value!r}" for name, value in options.items())
    return imports, f"table = {table}\nstars = Observations.from_table(table, {list(data.columns)!r}{more})"


def _command_data(data: DataSet) -> tuple[list[str], str]:
    """Commands that come before, and the name of the table in a shell."""
    if data.origin == "bundled":
        code = f"from xdgmm import datasets; print(datasets.path('{data.name}'))"
        return [], f'"$(python -c "{code}")"'
    made = _made_by(data)
    if made is not None:
        function, call = made
        code = f"from xdgmm.explore.data_sets import {function}; {call}.table.write('table.ecsv', overwrite=True)"
        return [f'python -c "{code}"'], "table.ecsv"
    return [], shlex.quote(data.path or data.name)


def _made_by(data: DataSet) -> tuple[str, str] | None:
    """Name and call of the function that makes a data set, where it is none of files."""
    if data.origin != "made":
        return None
    calls = {
        data_sets.FIRST: ("blobs", "blobs()"),
        "blobs with errors": ("blobs", "blobs(error=1.0)"),
        data_sets.SINGULAR: ("singular", "singular()"),
    }
    return calls.get(data.name)


def _errors(errors: str) -> list[str] | None:
    return None if errors == "none" else [name.strip() for name in errors.split(",")]


def _plain_options(options: dict[str, Any]) -> list[tuple[str, Any]]:
    """Options that are not the default, with paths as text."""
    given = {name: value for name, value in options.items() if value is not None and value != DEFAULTS.get(name)}
    return [(name, str(value) if isinstance(value, Path) else value) for name, value in given.items()]


def _option(name: str, value: Any) -> list[str]:
    """An option on the command line; none where it has its default."""
    if value is None or value == DEFAULTS.get(name):
        return []
    return [f"--{name.replace('_', '-')}", shlex.quote(str(value))]


def _broken(words: list[str]) -> str:
    r"""Words as a command, on several lines that end in ``\`` where it is long."""
    lines, line = [], words[0]
    for word in words[1:]:
        if len(line) + len(word) + 1 > LINE and word.startswith("--"):
            lines.append(line + " \\")
            line = f"    {word}"
        else:
            line = f"{line} {word}"
    return "\n".join([*lines, line])
