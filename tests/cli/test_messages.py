"""Messages of the library name arguments; the command line adds its options."""

import ast
import re
import warnings
from pathlib import Path

import pytest
import typer

import xdgmm
from xdgmm.cli.app import app
from xdgmm.cli.messages import OTHER_NAMES, Command, with_options
from xdgmm.errors import XdgmmWarning


def commands():
    """Every command by its name, those of groups too."""
    group = typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from ((f"{name} {below}", each) for below, each in command.commands.items())
        else:
            yield name, command


COMMANDS = dict(commands())


def options_of(command):
    return {option.name: option for option in command.params if option.param_type_name == "option"}


def test_every_command_adds_options_to_messages():
    assert set(COMMANDS) >= {"fit", "widths", "apply", "info", "demo", "lines fit", "lines deconvolve"}
    assert all(isinstance(command, Command) and command.full_name == name for name, command in COMMANDS.items())


def test_every_other_name_is_that_of_an_option():
    assert set(OTHER_NAMES) <= set(COMMANDS)
    for name, others in OTHER_NAMES.items():
        assert set(others.values()) <= set(options_of(COMMANDS[name])), name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_gets_an_option_that_the_command_has(name):
    options = options_of(COMMANDS[name])
    for argument in {*options, *OTHER_NAMES.get(name, {})}:
        message = with_options(f"change `{argument}`", COMMANDS[name])
        flag = message.removeprefix(f"change `{argument}` (").removesuffix(")")
        assert any(flag in option.opts for option in options.values()), message


def strings(path):
    """Every string in a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_the_library_names_no_options():
    root = Path(xdgmm.__file__).parent
    # the page of `xdgmm explore` writes commands, and advises options of the command that started it
    modules = [path for path in root.rglob("*.py") if path.relative_to(root).parts[0] not in ("cli", "explore")]
    named = {(path.name, text) for path in modules for text in strings(path) if re.search(r"--[a-z]", text)}
    assert not named
    assert any(re.search(r"--[a-z]", text) for text in strings(root / "cli" / "options.py"))


@pytest.mark.parametrize(
    ("command", "message", "expected"),
    [
        ("fit", "raise `n_init`", "raise `n_init` (--starts)"),
        ("widths", "raise `n_init`", "raise `n_init`"),  # has no such option
        ("fit", "`errors`, or `errors=None`", "`errors` (--errors), or `errors=None` (--errors none)"),
        ("fit", "`hdu` is 1; give `hdu`", "`hdu` (--hdu) is 1; give `hdu`"),
        ("fit", "replace it: `overwrite=True`", "replace it: `overwrite=True` (--overwrite)"),
        ("fit", "`on_bad='drop'`", "`on_bad='drop'` (--on-bad drop)"),
        ("fit", "`weights=[1, 2]` and `prior=Prior()`", "`weights=[1, 2]` and `prior=Prior()`"),
        ("fit", '`correlations={("x", "y"): "rho"}`', '`correlations={("x", "y"): "rho"}`'),
        (
            "lines deconvolve",
            "`fwhm` is zero",
            "`fwhm` (--lsf-fwhm) is zero",
        ),  # of the instrument: --fwhm is that of the line
        ("apply", "`table` is empty", "`table` is empty"),  # an argument of the command, not an option
        ("demo", "columns are not named", "columns are not named"),
    ],
)
def test_an_option_stands_behind_the_argument_it_belongs_to(command, message, expected):
    assert with_options(message, COMMANDS[command]) == expected


@pytest.mark.usefixtures("stars")
def test_errors_and_warnings_are_shown_with_options(here, monkeypatch):
    code, out, err = here("fit", "stars.fits", "--columns", "v", "--components", "99")
    assert (code, out.splitlines()[0]) == (2, "stars.fits")
    assert "`n_components` (--components) is 99" in err

    def warn(*_, **__):
        warnings.warn("it would be better with another `seed`", XdgmmWarning, stacklevel=1)
        warnings.warn("something else", FutureWarning, stacklevel=1)
        raise OSError("the disk is full")

    monkeypatch.setattr("xdgmm.tables.read_table", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, out, err = here("fit", "stars.fits", "--columns", "v")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "warning: it would be better with another `seed` (--seed)",
        "FutureWarning: something else",
        "error: the disk is full",
    ]
