"""Pages of the API reference, one for each room of the package and one for each public name, from its ``__all__``.

They are written into ``docs/generated`` before Sphinx reads its sources.  An object that several rooms offer is
described once, where it comes first in `ROOMS`; the other rooms link to it.
"""

import re
from importlib import import_module
from inspect import isclass, isfunction
from pathlib import Path

ROOMS = {
    "xdgmm": "The names that most work starts with",
    "xdgmm.observations": "What was measured",
    "xdgmm.mixture": "Mixtures",
    "xdgmm.fitting": "Fitting",
    "xdgmm.widths": "Width reports and relations",
    "xdgmm.uncertainty": "Errors, intervals, limits, posteriors",
    "xdgmm.selection": "The number of components",
    "xdgmm.diagnostics": "Checks of a fit",
    "xdgmm.objects": "Answers for each object",
    "xdgmm.lines": "Spectral lines",
    "xdgmm.spectra": "Spectra and their instruments",
    "xdgmm.plotting": "Pictures",
    "xdgmm.explore": "In the browser",
    "xdgmm.streaming": "Catalogues larger than memory",
    "xdgmm.tables": "Tables",
    "xdgmm.datasets": "Bundled tables",
    "xdgmm.compat": "Calls of other packages",
    "xdgmm.compat.bovy": "Calls of Bovy, Hogg & Roweis' package",
    "xdgmm.compat.tholoien": "The class of Holoien, Marshall & Wechsler",
    "xdgmm.errors": "Errors and warnings",
    "xdgmm.prediction": "Inside: predictions for objects",
    "xdgmm.kernels": "Inside: the passes over the data",
    "xdgmm.files": "Inside: writing files",
}

INTRODUCTION = """API reference
=============

Every public name of the package, room by room.  A room is a folder of the package, and
:doc:`how xdgmm is built </architecture>` shows how they depend on each other.  What begins with an underscore, or is
not listed here, may change without notice.
"""


def public_names(room):
    """What a module offers: its ``__all__``, or the classes and functions that it defines itself."""
    if hasattr(room, "__all__"):
        return [name for name in room.__all__ if name != "__version__"]
    return [
        name
        for name, value in vars(room).items()
        if not name.startswith("_") and (isclass(value) or isfunction(value)) and value.__module__ == room.__name__
    ]


def described_once():
    """For each room the names described there, those described elsewhere with their place, and the constants."""
    homes, rooms = {}, {}
    for title in ROOMS:
        room = import_module(title)
        here, elsewhere, constants = [], [], []
        for name in public_names(room):
            value = getattr(room, name)
            if not callable(value):
                constants.append(name)
            elif id(value) in homes:
                elsewhere += [home for home in [homes[id(value)]] if not home.startswith(f"{title}.")]
            else:
                homes[id(value)] = f"{title}.{name}"
                here.append(name)
        rooms[title] = here, elsewhere, constants
    return rooms


def summary(names, option):
    """An autosummary of names, or nothing."""
    return [".. autosummary::", f"   {option}", "", *(f"   {name}" for name in names), ""] if names else []


def page(room, here, elsewhere, constants):
    """The text of a room's page."""
    title = f"``{room}``: {ROOMS[room][0].lower()}{ROOMS[room][1:]}"
    lines = [title, "=" * len(title), "", f".. automodule:: {room}", "   :no-members:", ""]
    lines += summary(here, ":toctree: .")
    if elsewhere:
        lines += ["Also here:", "", *summary([f"~{name}" for name in elsewhere], ":nosignatures:")]
    for name in constants:
        lines += [f".. py:data:: {room}.{name}", "", f"   ``{getattr(import_module(room), name)!r:.300}``", ""]
    return "\n".join(lines)


def contents():
    """The text of the page that lists the rooms."""
    rooms = [f"   {room}" for room in ROOMS]
    return "\n".join([INTRODUCTION, ".. toctree::", "   :maxdepth: 1", "", *rooms, ""])


def write(path, text):
    """Write a file whose text has changed; Sphinx reads again what is newer."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def write_pages(folder):
    """Write all pages."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "index.rst", contents())
    for room, names in described_once().items():
        write(folder / f"{room}.rst", page(room, *names))


def find_by_last_part(app, env, node, content):
    """Link `Observations` to xdgmm.Observations, where only one object has that name."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.isidentifier():
        return None
    domain = env.get_domain("py")
    found = [name for name in domain.objects if name.count(".") <= 2 and name.endswith(f".{target}")]
    if len(found) != 1:
        return None
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", found[0], node, content)


def skip_member(app, kind, name, value, skip, options):
    """Leave out what scikit-learn adds to its estimators for its own routing (set_fit_request, ...)."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def setup(app):
    """Write the pages now, before the sources are listed."""
    write_pages(Path(app.srcdir) / "generated" / "api")
    app.connect("missing-reference", find_by_last_part)
    app.connect("autodoc-skip-member", skip_member)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
