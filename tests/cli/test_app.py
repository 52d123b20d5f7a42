"""What all commands have in common."""

import json
import os
import subprocess
import sys

import pytest
from astropy.table import Table

from xdgmm import GaussianMixture
from xdgmm import __version__ as xdgmm_version
from xdgmm.fitting import FitResult

COMMANDS = ("fit", "widths", "apply", "info", "explore", "demo", "lines deconvolve")
LINES = 60  # of a page


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_one_page_with_an_example(here, command):
    code, out, _ = here(*command.split(), "--help")
    assert code == 0
    assert f"Example: xdgmm {command}" in out
    assert len(out.splitlines()) <= LINES


def test_the_help_names_every_command(here):
    _, out, _ = here("--help")
    assert all(f" {command.split()[0]} " in out for command in COMMANDS)


@pytest.mark.skipif(sys.platform == "win32", reason="names of files hold no colon there")
def test_markup_in_names_is_printed_as_it_is(xdgmm, stars):
    (stars / "stars.fits").rename(stars / "[b]x :star:.fits")
    done = xdgmm("fit", "[b]x :star:.fits", "--columns", "v", cwd=stars)
    assert "[b]x :star:.fits" in done.stdout
    done = xdgmm("demo", "--output", "demo[/b]x", cwd=stars)
    assert done.returncode == 0, done.stderr
    assert "demo[/b]x" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell of the kind of bash")
def test_shells_can_complete_commands():
    code = "import sys; sys.argv[0] = 'xdgmm'; from xdgmm.cli import main; main()"
    environment = {**os.environ, "_XDGMM_COMPLETE": "complete_bash", "COMP_WORDS": "xdgmm wi", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.split() == ["widths"]


def test_completion_is_shown_for_the_shell_at_hand(here, monkeypatch):
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    code, out, _ = here("--show-completion")
    assert code == 0
    assert "_XDGMM_COMPLETE=complete_bash" in out


def test_json_is_all_there_is_on_standard_output(here, stars):
    code, out, _ = here("fit", "stars.fits", "--columns", "v", "--components", "1:2", "--output", "m.fits", "--json")
    assert code == 0
    document = json.loads(out)
    mixture = GaussianMixture.read(stars / "m.fits")
    assert document["model"]["means"] == mixture.means.tolist()
    assert document["model"]["covariances"] == mixture.covariances.tolist()
    assert document["record"]["data_hash"] == mixture.record.data_hash
    assert document["widths"]["units"]["sigma"] == "km / s"
    assert document["widths"]["rows"][0]["sigma"] == mixture.sigmas[0, 0]
    assert document["widths"]["rows"][0]["sigma_limit"] is None
    assert [row["n_components"] for row in document["candidates"]["rows"]] == [1, 2]
    assert (document["n_objects"], document["converged"]) == (31, True)
    assert document["written"] == ["m.fits"]
    code, out, _ = here("widths", "m.fits", "stars.fits", "--json")
    assert (code, json.loads(out)["widths"]["rows"]) == (0, document["widths"]["rows"])
    code, out, _ = here("info", "m.fits", "--json")
    assert (code, json.loads(out)["model"]) == (0, document["model"])
    code, out, err = here("fit", "stars.fits", "--columns", "vv", "--json")
    assert (code, out) == (2, "")
    assert "'vv'" in err


def test_json_keeps_every_name_where_the_output_knows_few_letters(stars, monkeypatch, process):
    table = Table.read(stars / "stars.fits")["v", "e_v"]
    table.rename_columns(["v", "e_v"], ["größe λ", "e_größe λ"])
    table.write(stars / "t.ecsv")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = process("fit", "t.ecsv", "--columns", "größe λ", "--json", cwd=stars)
    assert json.loads(done.stdout)["model"]["columns"] == ["größe λ"]


def test_the_json_of_the_demo_holds_both_fits(here):
    code, out, _ = here("demo", "--output", "demo", "--seed", "3", "--json")
    document = json.loads(out)
    assert (code, set(document)) == (0, {"hydrus1", "neutron_stars"})
    assert document["neutron_stars"]["model"]["weights"] == pytest.approx([0.72, 0.28], abs=0.005)


def test_quiet_prints_only_errors(here, stars):
    code, out, err = here("fit", "stars.fits", "--columns", "v", "--output", "m.ecsv", "--quiet")
    assert (code, out, err) == (0, "", "")
    assert GaussianMixture.read(stars / "m.ecsv").record.n_objects == 31
    code, out, err = here("widths", "m.ecsv", "stars.fits", "-q", "--report", "w.ecsv")
    assert (code, out, err) == (0, "", "")
    code, out, err = here("apply", "m.ecsv", "stars.fits", "-q", "--output", "out.fits")
    assert (code, out, err) == (0, "", "")
    assert (stars / "out.fits").exists()
    code, out, err = here("fit", "stars.fits", "--columns", "v", "--output", "m.ecsv", "--quiet")
    assert (code, out) == (2, "")
    assert "exists already" in err


def test_a_fit_that_did_not_converge_is_written_with_exit_code_1(here, stars, monkeypatch):
    monkeypatch.setattr(FitResult, "converged", False)
    code, out, _ = here("fit", "stars.fits", "--columns", "v", "--output", "m.fits", "--json")
    assert code == 1
    assert json.loads(out)["converged"] is False
    assert not GaussianMixture.read(stars / "m.fits").record.converged


def test_the_version_is_that_of_the_package(here):
    assert here("--version") == (0, f"xdgmm {xdgmm_version}\n", "")
