"""Another package with the import name xdgmm is noticed, and nothing else is."""

import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

import xdgmm
from xdgmm.basics.installation import foreign_files

HERE = Path(xdgmm.__file__).parent
FOREIGN = "class XDGMM(object):\n    pass\n"


def package(names):
    module = types.ModuleType("xdgmm")
    if names is not None:
        module.__all__ = names
    return module


OURS, THEIRS, NONE = package(xdgmm.__all__), package(["XDGMM"]), package(None)


def test_this_checkout_has_no_foreign_file():
    assert foreign_files(xdgmm, HERE) is None


def test_their_module_beside_our_package_is_noticed(tmp_path):
    (tmp_path / "xdgmm.py").write_text(FOREIGN)
    sentence = foreign_files(OURS, tmp_path)
    assert "same import name" in sentence
    assert "overwrites files" in sentence
    assert "install this xdgmm again" in sentence
    assert str(tmp_path) in sentence


@pytest.mark.parametrize("module", [THEIRS, NONE])
def test_their_package_in_the_place_of_ours_is_noticed(tmp_path, module):
    (tmp_path / "xdgmm.py").write_text(FOREIGN)
    assert "gives its class" in foreign_files(module, tmp_path)


@pytest.mark.parametrize("module", [THEIRS, NONE])
def test_a_package_without_our_start_is_noticed(tmp_path, module):
    assert "__init__.py" in foreign_files(module, tmp_path)
    assert "install this xdgmm again" in foreign_files(module, tmp_path)


def test_what_editors_and_users_leave_is_not_foreign(tmp_path):
    left = [
        "xdgmm.py~",
        ".xdgmm.py.swp",
        "#xdgmm.py#",
        "xdgmm.py.orig",
        "xdgmm.pyc",
        ".DS_Store",
        "notes.py",
        "fit.ipynb",
    ]
    for name in left:
        (tmp_path / name).write_text(FOREIGN)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "xdgmm.cpython-311.pyc").write_text(FOREIGN)
    (tmp_path / "tests").mkdir()
    (tmp_path / "xdgmm.py").write_text("from xdgmm import XDGMM  # a user's own notes\n")
    assert foreign_files(OURS, tmp_path) is None


def test_a_folder_of_that_name_is_not_foreign(tmp_path):
    (tmp_path / "xdgmm.py").mkdir()
    assert foreign_files(OURS, tmp_path) is None


def copied(tmp_path):
    shutil.copytree(HERE, tmp_path / "xdgmm", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "xdgmm"


def imported(tmp_path, code):
    """What Python prints as errors and warnings where the copy is what is installed."""
    start = [
        sys.executable,
        "-W",
        "always::UserWarning",
        "-c",
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}",
    ]
    return subprocess.run(start, capture_output=True, text=True, check=True, cwd=tmp_path).stderr


ESTIMATOR = "import xdgmm.estimator as e; print(e.__file__, file=sys.stderr)"


def test_a_clean_copy_says_nothing_at_import_of_the_estimator(tmp_path):
    copied(tmp_path)
    assert imported(tmp_path, ESTIMATOR).strip() == str(tmp_path / "xdgmm" / "estimator.py")


def test_the_estimator_names_what_was_installed_over_it(tmp_path):
    folder = copied(tmp_path)
    (folder / "xdgmm.py").write_text(FOREIGN)
    (folder / "__init__.py").write_text("from .xdgmm import *\n")
    records = tmp_path / "tcup-0.7.0.dist-info"
    records.mkdir()
    (records / "METADATA").write_text("Metadata-Version: 2.1\nName: tcup\nVersion: 0.7.0\n")
    (records / "RECORD").write_text("xdgmm/__init__.py,,\nxdgmm/xdgmm.py,,\n")
    told = imported(tmp_path, ESTIMATOR)
    assert told.count("XdgmmWarning") == 1
    assert "tcup 0.7.0 has the same import name" in told
