"""Names of columns and files with control characters, and with brackets that look like markup."""

import sys
import unicodedata

import numpy as np
import pytest
from astropy.table import QTable

HOSTILE = "v\x1b[31m\u202e[/b]"
SHOWN = r"v\x1b[31m\u202e[/b]"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such names of files there")


@pytest.fixture
def shown(here, tmp_path):
    """Runs a command and returns what it printed, in which nothing may be hidden."""
    rng = np.random.default_rng(1)
    table = QTable({HOSTILE: rng.normal(80.0, 3.0, 30), "w": rng.normal(0.0, 3.0, 30)})
    table[f"e_{HOSTILE}"], table["e_w"] = np.full(30, 1.0), np.full(30, 1.0)
    table.write(tmp_path / "evil\x1b[2J\u202e.ecsv", format="ascii.ecsv")

    def run(*arguments, code=0):
        ended, out, err = here(*arguments)
        hidden = [c for c in out + err if unicodedata.category(c) in ("Cc", "Cf") and c != "\n"]
        assert hidden == []
        assert ended == code, err
        return out + err

    return run


TABLE = "evil\x1b[2J\u202e.ecsv"


def test_tables_and_models(shown):
    assert SHOWN in shown("info", TABLE)
    fitted = shown("fit", TABLE, "--columns", f"{HOSTILE},w", "--output", "model\x1b.ecsv")
    assert SHOWN in fitted
    assert r"wrote model\x1b.ecsv" in fitted
    assert SHOWN in shown("info", "model\x1b.ecsv")
    assert SHOWN in shown("apply", "model\x1b.ecsv", TABLE, "--output", "out\x1b.ecsv")


def test_messages(shown):
    assert rf"missing{SHOWN}" in shown("fit", TABLE, "--columns", f"missing{HOSTILE}", code=2)
    assert r"missing\x1b[31m.fits" in shown("info", "missing\x1b[31m.fits", code=2)
    assert r"'evil\x1b[2J\u202e.ecsv' is the table" in shown(
        "fit", TABLE, "--columns", "w", "--output", TABLE, "--overwrite", code=2
    )


@pytest.mark.parametrize("words", [["info", TABLE, HOSTILE], [HOSTILE], ["info", f"--{HOSTILE}"], [f"--{HOSTILE}"]])
def test_words_that_typer_does_not_know(shown, words):
    assert "31m" in shown(*words, code=2)
