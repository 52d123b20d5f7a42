"""What setup.cfg says of the package agrees with the files beside it."""

import configparser
import re
import runpy
from pathlib import Path

import pytest
import yaml

import xdgmm

ROOT = Path(__file__).parent.parent
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")
LOWEST = runpy.run_path(str(ROOT / "tools" / "lowest.py"))


def test_the_citation_and_the_changelog_have_the_version_of_setup_cfg_or_the_last_release():
    version = SETUP["metadata"]["version"]
    assert xdgmm.__version__ == version
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## (\d+\.\d+\.\d+) ", changelog, re.MULTILINE)[0]
    in_development = "## Unreleased" in changelog
    assert version.endswith(".dev0") == in_development
    assert in_development or version == released
    assert tuple(map(int, version.removesuffix(".dev0").split("."))) >= tuple(map(int, released.split(".")))
    assert f"version: {released}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_workflow_runs_every_python_of_the_classifiers_and_no_other():
    workflow = ROOT / ".github" / "workflows" / "checks.yml"
    if not workflow.exists():
        pytest.skip("a source archive has no workflows")
    matrix = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]["everything"]["strategy"]["matrix"]
    language = "Programming Language :: Python :: 3."
    stated = [line for line in SETUP["metadata"]["classifiers"].split("\n") if line.startswith(language)]
    assert [line.rpartition(" ")[2] for line in stated] == matrix["python"]
    assert SETUP["options"]["python_requires"] == f">={matrix['python'][0]}"


def test_every_dependency_has_a_lower_bound():
    pinned = [LOWEST["pinned"](requirement) for requirement in LOWEST["requirements"]()]
    assert "numpy==2.0" in pinned
    assert len({each.partition("==")[0] for each in pinned}) == len(pinned), "one package, two bounds"


@pytest.mark.parametrize("requirement", ["numpy", "numpy>2", "numpy>=2,<3"])
def test_a_requirement_that_states_no_lower_bound_is_refused(requirement):
    with pytest.raises(ValueError, match="name>=version"):
        LOWEST["pinned"](requirement)
