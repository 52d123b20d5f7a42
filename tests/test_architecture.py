"""The tree is the architecture: imports point down only, and light entry points stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import xdgmm

ROOT = Path(xdgmm.__file__).parent
ORDER = [
    {"cli"},
    {"estimator", "compat"},
    {"plotting"},
    {"lines"},
    {"widths", "selection", "diagnostics", "objects"},
    {"uncertainty"},
    {"streaming"},
    {"tables", "datasets"},
    {"prediction"},
    {"fitting"},
    {"mixture"},
    {"observations"},
    {"kernels"},
    {"basics"},
    {"files"},
    {"errors"},
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
LATE = {("observations", "tables")}  # Observations.from_table


def room_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" if node.module == "xdgmm" else node.module for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level > 1:
            names = [f"xdgmm.{node.module}"]
        yield from (name.split(".")[1] for name in names if name and name.startswith("xdgmm."))


MODULES = [path for path in sorted(ROOT.rglob("*.py")) if path.parent != ROOT or path.name != "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    room = room_of(path)
    assert room in LEVEL, f"{room} has no place in the order"
    for other in imported_rooms(path):
        assert other == room or (room, other) in LATE or LEVEL[other] > LEVEL[room], f"{path} imports {other}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_kernels_import_numba(path):
    text = path.read_text(encoding="utf-8")
    assert room_of(path) == "kernels" or not ("import numba" in text or "from numba" in text)


def test_an_import_that_points_up_would_be_seen(tmp_path):
    module = tmp_path / "module.py"
    module.write_text("from xdgmm.cli import main\n")
    assert list(imported_rooms(module)) == ["cli"]


@pytest.mark.parametrize("start", ["import xdgmm", "import xdgmm.cli; xdgmm.cli.main()"])
def test_light_entry_points_import_no_heavy_package(start):
    code = f"""
import sys
sys.argv = ["xdgmm", "--help"]
try:
    {start}
except SystemExit:
    pass
heavy = {{"numba", "sklearn", "matplotlib", "scipy", "astropy", "emcee", "h5py", "arviz"}}
print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_every_public_name_exists_and_is_documented():
    for name in xdgmm.__all__:
        assert getattr(xdgmm, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        xdgmm.nothing  # noqa: B018
