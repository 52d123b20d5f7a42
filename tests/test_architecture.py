"""The tree is the architecture: imports point down only, and light entry points stay light."""

import ast
import importlib
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest

import xdgmm
from xdgmm import GaussianMixture, datasets
from xdgmm.errors import XdgmmDeprecationWarning, deprecated_names

ROOT = Path(xdgmm.__file__).parent
TESTS = Path(__file__).parent
ORDER = [
    {"cli"},
    {"explore"},
    {"estimator", "compat"},
    {"plotting"},
    {"lines"},
    {"widths", "selection", "objects"},
    {"diagnostics"},
    {"uncertainty"},
    {"streaming"},
    {"tables", "datasets"},
    {"prediction"},
    {"fitting"},
    {"mixture"},
    {"observations", "spectra"},
    {"kernels"},
    {"basics"},
    {"files"},
    {"errors"},
    {"text"},
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
# Observations.from_table, FitResult.uncertainty, LineFit.plot
LATE = {("observations", "tables"), ("fitting", "uncertainty"), ("lines", "plotting")}


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


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_explore_imports_bokeh(path):
    text = path.read_text(encoding="utf-8")
    assert room_of(path) == "explore" or not re.search(r"(import|from) (bokeh|tornado)", text)


def private_names(path):
    """Names with an underscore in front that a file imports from the package, or patches by a path in a string."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("xdgmm"):
            yield from (alias.name for alias in node.names if re.match("_[a-zA-Z]", alias.name))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"^xdgmm\.(?:\w+\.)*(_[a-zA-Z]\w*)$", node.value)


def test_tests_use_no_private_names():
    assert [(path, names) for path in TESTS.rglob("*.py") if (names := list(private_names(path)))] == []


def test_a_private_name_would_be_seen(tmp_path):
    (tmp_path / "test.py").write_text('from xdgmm.room import _name\npatch("xdgmm.room.Class._method")\n')
    assert list(private_names(tmp_path / "test.py")) == ["_name", "_method"]


def test_an_import_that_points_up_would_be_seen(tmp_path):
    module = tmp_path / "module.py"
    module.write_text("from xdgmm.cli import main\n")
    assert list(imported_rooms(module)) == ["cli"]


def run_time_nodes(tree):
    """Everything below a syntax tree but what stands in ``if TYPE_CHECKING:``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for child in node.orelse:
                yield from (child, *run_time_nodes(child))
        else:
            yield from (node, *run_time_nodes(node))


def imports_within(room):
    """Which files of a room import which others, also inside functions: a dict of sets of module names."""
    paths = {}
    for path in sorted(room.rglob("*.py")):
        paths[".".join(("xdgmm", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")] = path
    return {module: set(imported_modules(module, path, paths)) for module, path in paths.items()}


def imported_modules(module, path, known):
    """Which of the known modules a file imports when it runs."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in run_time_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            home = ".".join(filter(None, (package if node.level else "", node.module)))
            modules = (f"{home}.{alias.name}" for alias in node.names)
            yield from known.keys() & {module if module in known else home for module in modules}


ROOMS = sorted(path.parent for path in ROOT.glob("*/__init__.py"))


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_the_files_of_a_room_do_not_import_each_other_in_a_circle(room):
    try:
        TopologicalSorter(imports_within(room)).prepare()
    except CycleError as error:
        pytest.fail(f"{' -> '.join(error.args[1])}: each imports the one before")


def test_a_circle_would_be_seen_also_where_one_import_is_late(tmp_path, monkeypatch):
    room = tmp_path / "room"
    room.mkdir()
    (room / "__init__.py").write_text("from .one import a\n")
    (room / "one.py").write_text("from .two import b\n")
    (room / "two.py").write_text("if TYPE_CHECKING:\n    from .one import a\n")
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    TopologicalSorter(imports_within(room)).prepare()
    (room / "two.py").write_text("def b():\n    from .one import a\n")
    with pytest.raises(CycleError):
        TopologicalSorter(imports_within(room)).prepare()


@pytest.mark.parametrize("start", ["import xdgmm", "import xdgmm.cli; xdgmm.cli.main()"])
def test_light_entry_points_import_no_heavy_package(start):
    code = f"""
import sys
sys.argv = ["xdgmm", "--help"]
try:
    {start}
except SystemExit:
    pass
heavy = {{"numba", "sklearn", "matplotlib", "scipy", "astropy", "emcee", "h5py", "arviz", "bokeh", "tornado"}}
print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


SLOW_TO_IMPORT = ("sklearn", "scipy.stats", "matplotlib", "emcee", "pandas", "narwhals", "h5py")


@pytest.mark.parametrize(
    "arguments",
    [
        ["info", "stars.ecsv"],
        ["fit", "stars.ecsv", "--columns", "v", "--components", "1:2"],
        ["widths", "model.fits", "stars.ecsv"],
    ],
    ids=["info", "fit", "widths"],
)
def test_commands_import_no_package_that_they_do_not_need(arguments, tmp_path):
    """A command ends within a second where its work is small: what takes half a second to import is not imported."""
    unneeded = (*SLOW_TO_IMPORT, "scipy.optimize", "xdgmm.fitting") if arguments[0] == "info" else SLOW_TO_IMPORT
    stars = datasets.load("hydrus1")[["v", "e_v"]]
    stars.write(tmp_path / "stars.ecsv")
    GaussianMixture([1.0], [[80.0]], [[[9.0]]], names=["v"], units=["km/s"]).write(tmp_path / "model.fits")
    code = f"""
import sys
sys.argv = {["xdgmm", *arguments]!r}
from xdgmm.cli import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
print([name for name in {unneeded} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stderr.splitlines()[-1] == "[]"


def imports_for_type_checkers(path):
    """Name and home of all that is imported under ``if TYPE_CHECKING:`` at the top of a file."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for each in ast.walk(node):
                if isinstance(each, ast.ImportFrom):
                    yield from ((alias.asname or alias.name, each.module) for alias in each.names)


LAZY = [path for path in ROOT.rglob("__init__.py") if "def __getattr__" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", LAZY, ids=lambda path: str(path.relative_to(ROOT)))
def test_type_checkers_see_what_is_imported_late(path):
    module = importlib.import_module(".".join(("xdgmm", *path.parent.relative_to(ROOT).parts)))
    homes = dict(imports_for_type_checkers(path))
    assert set(homes) == set(module.__all__)
    for name, home in homes.items():
        assert getattr(module, name) is getattr(importlib.import_module(home), name)


def test_every_public_name_exists_and_is_documented():
    for name in xdgmm.__all__:
        assert getattr(xdgmm, name).__doc__


def test_an_error_of_a_module_that_is_imported_late_is_shown(monkeypatch):
    def broken(_):
        raise AttributeError("module 'numpy' has no attribute 'something'")

    monkeypatch.setattr("xdgmm.errors.import_module", broken)
    module = ModuleType("module_with_an_old_name")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    deprecated_names(module.__name__, {"old": "xdgmm.estimator.XDGMM"})
    with pytest.raises(ImportError, match=r"importing xdgmm.estimator failed: module 'numpy' has no attribute"):
        exec("from xdgmm import XDGMM")
    with (
        pytest.warns(XdgmmDeprecationWarning),
        pytest.raises(ImportError, match=r"importing xdgmm.estimator failed: module 'numpy' has no attribute"),
    ):
        exec("from module_with_an_old_name import old")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        xdgmm.nothing  # noqa: B018
