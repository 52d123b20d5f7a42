"""Check the types of the Python code in README.md, docs/ and examples/: ``python tools/check_documents.py``.

Each document becomes one script with its code blocks at their own lines and nothing else, so that mypy's line numbers
are those of the document.  Ends with mypy's exit status.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OPTIONS = [
    f"--config-file={ROOT / 'pyproject.toml'}",
    f"--cache-dir={ROOT / '.mypy_cache'}",
    "--no-warn-unused-configs",
    "--allow-redefinition",  # a document calls each of its models `model`
    "--allow-untyped-defs",  # scripts of users have few annotations
    "--allow-incomplete-defs",
    "--allow-untyped-calls",  # of their own functions
]


def code_of(text):
    """The Python blocks of a document, and an empty line for every other line."""
    lines, language = [], None
    for line in text.splitlines():
        fence = re.match(r"\s*```(\w*)", line)
        if fence:
            language = fence[1] if language is None else None
        lines.append(line if language == "python" and not fence else "")
    return "\n".join(lines) + "\n"


def main():
    """Write the scripts into a temporary folder, and run mypy on them and on the examples."""
    with TemporaryDirectory() as folder:
        scripts = sorted((ROOT / "examples").glob("*.py"))
        for document in DOCUMENTS:
            code = code_of(document.read_text(encoding="utf-8"))
            if code.strip():
                scripts.append(Path(f"{document.name.lower()}.py"))
                (Path(folder) / scripts[-1]).write_text(code, encoding="utf-8")
        # In that folder, so that the paths that mypy remembers do not have its name.
        command = [sys.executable, "-m", "mypy", *OPTIONS, *scripts]
        environment = {**os.environ, "MYPYPATH": str(ROOT)}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout.replace(".md.py:", ".md:"), done.stderr, sep="", end="")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
