"""Python and commands that repeat what the page shows, as text to be copied."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm import datasets

from . import data_sets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .data_sets import DataSet
    from .fit_state import FitState

LINE = 66  # characters from which on a call is broken into lines


def python_of(state: FitState) -> str:
    """Python code after which ``model.mixture_`` is the mixture on its way."""
    imports, data = _python_data(state.data)
    lines = [imports, "", data, _call("model = XDGMM", _arguments(state)) + ".fit(stars)", "print(model.mixture_)"]
    if state.result is not None and state.result.converged:
        lines.append("print(model.widths(stars))")
    return "\n".join(lines) + "\n"


def command_of(state: FitState) -> str:
    """The commands that write the mixture on its way to ``model.fits``."""
    data, choices = state.data, state.choices
    first, table = _command_data(data)
    words = ["xdgmm", "fit", table, "--columns", shlex.quote(",".join(data.columns))]
    if data.errors != "auto":
        words += ["--errors", shlex.quote(data.errors)]
    for name, value in data.options.items():
        words += _option(name, value)
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
    return "\n".join([*first, _broken(words)]) + "\n"


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
    if data.name in datasets.names() and data.path is None:
        imports, table = f"{imports}, datasets", f"datasets.load({data.name!r})"
    elif (made := _made_by(data)) is not None:
        function, call = made
        imports, table = f"{imports}\nfrom xdgmm.explore.data_sets import {function}", f"{call}.table"
    else:
        imports, table = f"{imports}\nfrom xdgmm.tables import read_table", f"read_table({data.path or data.name!r})"
    options: dict[str, Any] = {} if data.errors == "auto" else {"errors": _errors(data.errors)}
    options |= {name: value for name, value in data.options.items() if value is not None}
    more = "".join(f", {name}={value!r}" for name, value in options.items())
    return imports, f"table = {table}\nstars = Observations.from_table(table, {list(data.columns)!r}{more})"


def _command_data(data: DataSet) -> tuple[list[str], str]:
    """Commands that come before, and the name of the table in a shell."""
    if data.path is None and data.name in datasets.names():
        code = f"from xdgmm import datasets; print(datasets.path('{data.name}'))"
        return [], f'"$(python -c "{code}")"'
    made = _made_by(data)
    if made is not None and data.path is None:
        function, call = made
        code = f"from xdgmm.explore.data_sets import {function}; {call}.table.write('table.ecsv', overwrite=True)"
        return [f'python -c "{code}"'], "table.ecsv"
    return [], shlex.quote(data.path or data.name)


def _made_by(data: DataSet) -> tuple[str, str] | None:
    """Name and call of the function that makes a data set, where it is none of files."""
    if data.path is not None:
        return None
    calls = {
        data_sets.FIRST: ("blobs", "blobs()"),
        "blobs with errors": ("blobs", "blobs(error=1.0)"),
        data_sets.SINGULAR: ("singular", "singular()"),
    }
    return calls.get(data.name)


def _errors(errors: str) -> list[str] | None:
    return None if errors == "none" else [name.strip() for name in errors.split(",")]


def _option(name: str, value: Any) -> list[str]:
    """An option of `Observations.from_table` on the command line; none where it has its default."""
    defaults = {"correlations": "auto", "on_bad": "raise", "on_limit": "missing", "asymmetric": "moments"}
    if value is None or value == defaults.get(name):
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
