"""Check the types of the Python code in README.md and docs/: ``python tools/check_documents.py``.

Each document becomes one script with its code blocks at their own lines and nothing else, so that mypy's line numbers
are those of the document.  Ends with mypy's exit status.
"""

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


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
    """Write the scripts into a temporary folder, and run mypy on them."""
    with TemporaryDirectory() as folder:
        scripts = []
        for document in DOCUMENTS:
            code = code_of(document.read_text(encoding="utf-8"))
            if code.strip():
                scripts.append(Path(folder) / f"{document.stem.lower()}.py")
                scripts[-1].write_text(code, encoding="utf-8")
        config = f"--config-file={ROOT / 'pyproject.toml'}"
        # A document calls each of its models `model`: a later block may give the name another type.
        options = ["--allow-redefinition", "--no-warn-unused-configs", "--show-absolute-path"]
        command = [sys.executable, "-m", "mypy", config, *options, *scripts]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        print(done.stdout.replace(f"{folder}/", "").replace(".py:", ".md:"), done.stderr, sep="", end="")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
