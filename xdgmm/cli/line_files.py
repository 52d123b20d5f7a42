"""What to fit, from a file of YAML: groups of lines, windows, continuum, instrument; errors say where they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xdgmm.errors import InputError

from .options import parse_quantity

if TYPE_CHECKING:
    from xdgmm.lines import Group

FRACTION = re.compile(r"\s*([-+.\deE]+)\s*/\s*([-+.\deE]+)\s*")
LARGEST = 1_000_000  # bytes: no list of lines is longer

Reader = Callable[[Any], Any]


class Section(dict[str, Any]):
    """A mapping of YAML that knows the lines of the file in which its keys stand.

    Attributes
    ----------
    line : int
        Where it begins.
    places : dict
        Line of each key.
    """

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.places: dict[str, int] = {}


@dataclass(frozen=True)
class LineFile:
    """What a file says.

    Attributes
    ----------
    groups : tuple of Group
    settings : dict
        Arguments of `fit_lines` by their names.
    lsf : dict
        Arguments of `LSF` by their names.
    """

    groups: tuple[Group, ...]
    settings: dict[str, Any]
    lsf: dict[str, Any]


class _WrongError(ValueError):
    """What should have been there, for the message."""


def read_line_file(path: Path) -> LineFile:
    """Read groups of lines and settings.

    Raises
    ------
    InputError
        If the file is no YAML, has an unknown key or a wrong value: the message says in which line.
    """
    document = _parsed(path)
    place = _Place(path)
    if not isinstance(document, Section):
        raise InputError(f"'{path}' holds no settings; it begins as 'groups:' with a list of groups")
    found = place.read(document, FILE, "the file")
    if not found.get("groups"):
        raise InputError(f"'{path}' has no 'groups': a list of groups, each with a name and lines")
    common: dict[str, Any] = {name: found[name] for name in ("z", "medium") if name in found}
    groups = tuple(place.group(section, common) for section in found.pop("groups"))
    lsf = found.pop("lsf", None)
    settings = {name: value for name, value in found.items() if name != "z"}
    return LineFile(groups, settings, {} if lsf is None else place.read(lsf, LSF, "'lsf'"))


def _parsed(path: Path) -> Any:
    """The contents, mappings as `Section`."""
    import yaml

    def section(loader: Any, node: Any) -> Section:
        loader.flatten_mapping(node)
        result = Section(node.start_mark.line + 1)
        for key_node, value_node in node.value:
            key, line = loader.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise InputError(f"'{path}', line {line}: the key {key!r} is no text; put it in quotes")
            if key in result:
                raise InputError(f"'{path}', line {line}: '{key}' is there twice; leave one of them out")
            result[key], result.places[key] = loader.construct_object(value_node, deep=True), line
        return result

    loader: Any = type("Loader", (yaml.SafeLoader,), {})  # of YAML, without objects of Python
    loader.add_constructor("tag:yaml.org,2002:map", section)
    try:
        with path.open("rb") as file:
            contents = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise InputError(f"there is no file '{path}'; check the name") from None
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror}") from None
    if len(contents) > LARGEST:
        raise InputError(f"'{path}' is longer than {LARGEST} bytes, so it is no list of lines")
    try:
        return yaml.load(contents, Loader=loader)
    except (yaml.YAMLError, RecursionError, UnicodeError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).partition("\n")[0]
        raise InputError(f"'{path}'{where}: this is no YAML ({reason})") from None


class _Place:
    """Reads sections, and says where something is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, section: Section, readers: Mapping[str, Reader], what: str) -> dict[str, Any]:
        """The values of the keys."""
        for key in section:
            if key not in readers:
                near = get_close_matches(key, readers, 1)
                meant = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(readers)}"
                raise InputError(f"'{self.path}', line {section.places[key]}: {what} has no key '{key}'; {meant}")
        return {
            key: self._value(section, key, readers[key]) for key in section if section[key] is not None or key in NONE
        }

    def _value(self, section: Section, key: str, reader: Reader) -> Any:
        value = section[key]
        try:
            return reader(value)
        except _WrongError as error:
            shown = "a section" if isinstance(value, Section) else repr(value)
            where = f"'{self.path}', line {section.places[key]}"
            raise InputError(f"{where}: '{key}' is {shown}, but it must be {error}") from None

    def group(self, section: Any, common: dict[str, Any]) -> Group:
        """A group of lines."""
        from xdgmm.lines import Group

        if not isinstance(section, Section):
            raise InputError(f"'{self.path}': {section!r} in 'groups' is no group; give it a 'name' and 'lines'")
        values = self.read(section, GROUP, "a group")
        for needed in ("name", "lines"):
            if needed not in values:
                raise InputError(f"'{self.path}', line {section.line}: a group has no '{needed}'")
        entries = [self._line(entry, section) for entry in values.pop("lines")]
        try:
            return Group(values.pop("name"), entries, **{**common, **values})
        except InputError as error:
            raise InputError(f"'{self.path}', line {section.line}: {error}") from None

    def _line(self, entry: Any, group: Section) -> Any:
        """A line as `Group` takes it."""
        line = group.places["lines"]
        if isinstance(entry, Section):
            values = self.read(entry, LINE, "a line")
            if "rest" not in values:
                raise InputError(f"'{self.path}', line {entry.line}: a line has no 'rest', its rest position")
            rest = values["rest"]
            label = values.get("label", f"{rest:g}")
            return (rest, label, values["ratio"]) if "ratio" in values else (rest, label)
        try:
            parts = entry if isinstance(entry, list) else [entry]
            return tuple(reader(part) for reader, part in zip((_position, _text, _ratio), parts, strict=False))
        except _WrongError as error:
            raise InputError(
                f"'{self.path}', line {line}: {entry!r} in 'lines' is no line ({error}); give a rest position, "
                "[rest, label], [rest, label, ratio], or keys rest, label and ratio"
            ) from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _WrongError("a text; put it in quotes if it looks like something else")
    return value


def _number(value: Any) -> float:
    """A number, which may be a fraction: 1/3.05."""
    if isinstance(value, str):
        found = FRACTION.fullmatch(value)
        try:
            return float(found[1]) / float(found[2]) if found else float(value)
        except (ValueError, ZeroDivisionError):
            pass
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise _WrongError("a number")


def _position(value: Any) -> Any:
    """A number in the unit of the spectrum, or a text with a unit."""
    try:
        return _number(value)
    except _WrongError:
        if not isinstance(value, str):
            raise _WrongError("a number, or a text with a unit as '6564.61 AA'") from None
    try:
        return parse_quantity(value, "it", "6564.61 AA")
    except InputError as error:
        raise _WrongError(f"a number with or without a unit ({error})") from None


def _pair(value: Any) -> tuple[Any, Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise _WrongError("a pair [low, high]")
    return _position(value[0]), _position(value[1])


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    """Several pairs, or one."""
    if not isinstance(value, list) or not value:
        raise _WrongError("a list of pairs [low, high]")
    return [_pair(each) for each in value] if isinstance(value[0], list) else [_pair(value)]


def _ratio(value: Any) -> Any:
    if not isinstance(value, list):
        return _number(value)
    low, high = _pair(value)
    return _number(low), _number(high)


def _numbers(value: Any) -> Any:
    """One width, or a list of them."""
    if isinstance(value, list) and value:
        return [_number(each) for each in value]
    return _position(value)


def _continuum(value: Any) -> Any:
    if value is None or value in ("none", "exponential"):
        return None if value == "none" else value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _WrongError("the degree of a polynomial, 'exponential' or 'none'")


def _quantity(value: Any) -> Any:
    if not isinstance(value, str):
        raise _WrongError("a number with a unit, as '4.05 keV' or '1e4 K'")
    try:
        return parse_quantity(value, "it", "1e4 K")
    except InputError as error:
        raise _WrongError(f"a number with a unit ({error})") from None


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _WrongError("true or false")
    return value


def _section(value: Any) -> Section:
    if not isinstance(value, Section):
        raise _WrongError("a section with keys of its own")
    return value


def _list(value: Any) -> list[Any]:
    if isinstance(value, list) and value:
        return value
    raise _WrongError("a list")


def _lines(value: Any) -> list[Any]:
    return [value] if isinstance(value, (int, float)) and not isinstance(value, bool) else _list(value)


def _one_of(*names: str) -> Reader:
    def reader(value: Any) -> str:
        if value not in names:
            raise _WrongError(f"one of {', '.join(names)}")
        return str(value)

    return reader


MEDIUM = _one_of("air", "vacuum")
FILE: dict[str, Reader] = {
    "groups": _list,
    "z": _number,
    "windows": _pairs,
    "rest_windows": _pairs,
    "continuum": _continuum,
    "lsf": _section,
    "thermal": _quantity,
    "medium": MEDIUM,
    "noise": _one_of("estimate"),
    "axis": _one_of("wavelength", "energy", "frequency", "velocity"),
    "convention": _one_of("optical", "radio", "relativistic"),
    "fluxes": _one_of("shared", "separate"),
}
GROUP: dict[str, Reader] = {
    "name": _text,
    "lines": _lines,
    "z": _number,
    "element": _text,
    "mass": _number,
    "velocity": _pair,
    "sigma": _pair,
    "natural_width": _numbers,
    "medium": MEDIUM,
}
LINE: dict[str, Reader] = {"rest": _position, "label": _text, "ratio": _ratio}
LSF: dict[str, Reader] = {
    "sigma": _numbers,
    "fwhm": _numbers,
    "R": _numbers,
    "sigma_kms": _numbers,
    "weights": _numbers,
    "sigmas": _numbers,
    "x": _numbers,
    "includes_pixel": _truth,
    "error": _number,
    "scatter": _number,
}
NONE = ("continuum",)  # keys whose value may be null
