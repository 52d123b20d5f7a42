"""JavaScript of the lessons, run by node."""

import json
import shutil
import subprocess

import pytest

from xdgmm.explore.lesson.scripts import script

NODE = shutil.which("node")
PATIENCE = 60  # seconds
# JSON has no infinities and no arrays of numbers of one type.
PLAIN = """(_, value) => ArrayBuffer.isView(value) ? Array.from(value)
  : typeof value === "number" && !Number.isFinite(value) ? String(value) : value"""


@pytest.fixture(scope="session")
def javascript():
    """Calls a function of JavaScript, written after the functions of some files, with values of Python."""
    if NODE is None:
        pytest.skip("there is no node")

    def call(names, function, *arguments):
        lines = [
            *map(script, names),
            f"const answer = ({function})(...{json.dumps(arguments)})",
            f"process.stdout.write(JSON.stringify(answer, {PLAIN}))",
        ]
        done = subprocess.run(
            [NODE, "--input-type=module", "-"],
            input="\n".join(lines),
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call
