"""Every picture of docs/gallery.md, made by the code that stands there.

Run it:  python examples/gallery.py [FOLDER]     (writes the pictures there)
"""

import contextlib
import io
import re
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from xdgmm.plotting import save

PAGE = Path(__file__).parents[1] / "docs" / "gallery.md"
PARTS = re.compile(r"```(?P<language>\w+)\n(?P<text>.*?)```|!\[[^]]*\]\(pictures/(?P<picture>\w+\.png)\)", re.DOTALL)


def main(folder):
    """Run the blocks of the page; returns the picture of each file, and what was printed beside what the page says."""
    names: dict[str, Any] = {}
    printed, pictures, texts = "", {}, []
    for part in PARTS.finditer(PAGE.read_text(encoding="utf-8")):
        if part["picture"]:
            pictures[part["picture"]] = picture = names["picture"]
            save(picture, folder / part["picture"], overwrite=True)
            plt.close("all")
        elif part["language"] == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(part["text"], names)
            printed = output.getvalue()
        elif part["language"] == "text":
            texts.append((printed, part["text"]))
    return pictures, texts


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path())
