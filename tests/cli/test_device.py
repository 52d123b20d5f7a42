"""--device: every command that makes passes makes them there, or says in one sentence that there is no card."""

import json

import numpy as np
import pytest
from astropy.table import QTable

from xdgmm import GaussianMixture
from xdgmm.cli.app import app
from xdgmm.cli.options import Device
from xdgmm.kernels.devices import DEVICES

COMMANDS = {
    "fit": ["fit", "stars.fits", "--columns", "v", "--output", "new.fits", "--report", "new.ecsv", "--plot", "new.png"],
    "fit in parts": ["fit", "stars.fits", "--columns", "v", "--memory", "1MB", "--output", "new.fits"],
    "widths": ["widths", "model.fits", "stars.fits", "--report", "new.ecsv"],
    "check": ["check", "model.fits", "stars.fits", "--simulations", "19", "--report", "new.ecsv"],
    "plot": ["plot", "model.fits", "stars.fits", "--kind", "residuals", "--output", "new.png"],
    "apply": ["apply", "model.fits", "stars.fits", "--output", "new.fits"],
    "apply in parts": ["apply", "model.fits", "stars.fits", "--memory", "1MB", "--output", "parts"],
    "demo": ["demo", "--output", "new"],
}
WITHOUT_PASSES = {"info", "explore"}  # the page of explore makes its own where XDGMM_DEVICE says


@pytest.fixture
def model(stars, here):
    assert here("fit", "stars.fits", "--columns", "v", "--output", "model.fits", "-q")[0] == 0
    return stars


def test_every_command_is_among_these():
    names = {command.callback.__name__ for command in app.registered_commands}
    assert names == {each.split()[0] for each in COMMANDS} | WITHOUT_PASSES


def test_the_option_has_the_devices_of_the_library():
    assert tuple(each.value for each in Device) == DEVICES


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_makes_its_passes_on_the_device(here, card, command):
    code, _, err = here(*COMMANDS[command], "--device", "cuda")
    assert code in (0, 1), err  # a check may fail
    assert card


@pytest.mark.usefixtures("model")
def test_the_environment_chooses_too_and_the_option_goes_before_it(here, card, monkeypatch):
    monkeypatch.setenv("XDGMM_DEVICE", "cuda")
    assert here(*COMMANDS["widths"], "--device", "cpu")[0] == 0
    assert not card
    assert here(*COMMANDS["apply"])[0] == 0
    assert card


@pytest.mark.parametrize("how", ["option", "variable"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_in_one_sentence_that_there_is_no_card_and_writes_nothing(
    here, model, no_card, monkeypatch, command, how
):
    before = sorted(path.name for path in model.iterdir())
    if how == "variable":
        monkeypatch.setenv("XDGMM_DEVICE", "cuda")
    code, out, err = here(*COMMANDS[command], *(["--device", "cuda"] if how == "option" else []))
    assert (code, out) == (2, "")
    assert " ".join(err.split()) == f"error: {no_card.replace('`device`', '`device` (--device)')}"
    assert sorted(path.name for path in model.iterdir()) == before


@pytest.mark.usefixtures("model")
def test_a_device_that_there_is_not_is_refused(here, monkeypatch):
    code, _, err = here(*COMMANDS["widths"], "--device", "gpu")
    assert code == 2
    assert "is not one of 'cpu', 'cuda', 'cuda-float32', 'auto'" in " ".join(err.replace("│", " ").split())
    monkeypatch.setenv("XDGMM_DEVICE", "gpu")
    code, _, err = here(*COMMANDS["widths"])
    assert code == 2
    assert "XDGMM_DEVICE" in err


@pytest.mark.usefixtures("model")
def test_the_record_of_a_fit_on_a_card_says_so(here, card):
    assert here(*COMMANDS["fit"], "--device", "cuda", "-q")[0] == 0
    assert card
    record = GaussianMixture.read(here.folder / "new.fits").record
    assert record.device == "cuda"
    assert "--device cuda" in record.recipe
    assert f"by xdgmm {record.version} on cuda" in here("info", "new.fits")[1]
    assert json.loads(here("info", "new.fits", "--json")[1])["record"]["device"] == "cuda"
    assert " on c" not in here("info", "model.fits")[1]


@pytest.mark.usefixtures("model")
def test_a_fit_and_its_report_on_an_emulated_card_are_those_of_processors(here, on_card):
    assert here(*COMMANDS["fit"], "-q")[0] == 0
    fitted, expected = (GaussianMixture.read(here.folder / name) for name in ("new.fits", "model.fits"))
    assert fitted.record.device == f"cuda ({on_card.card.name})"
    assert expected.record.device == "cpu"
    np.testing.assert_allclose(
        fitted.means, expected.means, rtol=1e-12
    )  # sums agree to 1e-15, and the maximum is sharp
    np.testing.assert_allclose(fitted.sigmas, expected.sigmas, rtol=1e-9)
    assert here("widths", "model.fits", "stars.fits", "--device", "cpu", "--report", "cpu.ecsv")[0] == 0
    reports = [QTable.read(here.folder / name) for name in ("new.ecsv", "cpu.ecsv")]
    for name in ("mean", "sigma", "sigma_error"):
        one, other = (np.ma.filled(getattr(report[name], "value", report[name]), 0.0) for report in reports)
        np.testing.assert_allclose(one, other, rtol=1e-6)  # errors come from differences of slopes


def test_info_says_which_devices_there_are(here, on_card, monkeypatch):
    code, out, _ = here("info")
    assert code == 0
    assert "device of passes: cuda; --device or XDGMM_DEVICE chooses another\ncpu (" in out
    assert f"cuda ({on_card.card.name})" in out
    monkeypatch.delenv("XDGMM_DEVICE")
    assert json.loads(here("info", "--json")[1])["device"] == "cpu"


def test_info_lists_devices_where_the_variable_names_none_of_them(here, no_card, monkeypatch):
    monkeypatch.setenv("XDGMM_DEVICE", "gpu")
    code, out, _ = here("info")
    assert code == 0
    assert (
        "device of passes: none, for the environment variable XDGMM_DEVICE is 'gpu', but it must be one of cpu" in out
    )
    assert "\ncpu (" in out
    assert f"no cuda: {no_card}" in out
    assert json.loads(here("info", "--json")[1])["device"] is None


def test_info_says_why_there_is_no_card(here, no_card):
    code, out, _ = here("info")
    assert code == 0
    assert f"no cuda: {no_card}" in out
    document = json.loads(here("info", "--json")[1])
    assert document["kind"] == "machine"
    assert document["devices"]["cuda"] == {"found": False, "description": no_card}
    assert document["devices"]["cpu"]["found"]
