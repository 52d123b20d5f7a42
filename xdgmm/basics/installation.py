"""Does the folder of the package hold this package, and no other one?

Another package has the same import name: tholoien's XDGMM, which is published inside tcup.  Python packages with one
name share one folder, so that whichever is installed later overwrites files of the other.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from xdgmm.errors import XdgmmWarning

if TYPE_CHECKING:
    from types import ModuleType

FOREIGN = "xdgmm.py"  # the module of the other package; this one has none of that name
MARK = "Observations"  # a public name of this package that the other one lacks
REPAIR = "uninstall both and install this xdgmm again, or keep the two in separate environments"


def warn_of_foreign_files() -> None:
    """Warn once, with `XdgmmWarning`, where another package has changed the folder of this one."""
    sentence = foreign_files(sys.modules["xdgmm"], Path(__file__).parents[1])
    if sentence is not None:
        warnings.warn(sentence, XdgmmWarning, stacklevel=2)


def foreign_files(package: ModuleType, folder: Path) -> str | None:
    """One sentence on what another package did to a folder, or None; it costs a look at one file name.

    Parameters
    ----------
    package : module
        What ``import xdgmm`` gave.
    folder : Path
        The folder from which this module was imported.
    """
    replaced = MARK not in getattr(package, "__all__", ())
    if _is_foreign(folder / FOREIGN):
        harm = "`from xdgmm import XDGMM` gives its class" if replaced else "each overwrites files of the other"
        return f"{_owner()} has the same import name and is installed in the same folder {folder}: {harm}; {REPAIR}"
    if replaced:
        return (
            f"{folder / '__init__.py'} is missing or is not that of this package, as after a package with the same "
            "import name (tcup holds one) was installed and removed; install this xdgmm again"
        )
    return None


def _is_foreign(path: Path) -> bool:
    """Does the file define the class of the other package?  A user's own notes may have the same name."""
    try:
        return b"class XDGMM(" in path.read_bytes()
    except OSError:
        return False


def _owner() -> str:
    """Name and version of the distribution that installed the foreign module, as far as this is recorded."""
    from importlib.metadata import distributions

    for distribution in distributions():
        if f"\nxdgmm/{FOREIGN}," in "\n" + (distribution.read_text("RECORD") or ""):
            return f"{distribution.metadata['Name']} {distribution.version}"
    return "another package"
