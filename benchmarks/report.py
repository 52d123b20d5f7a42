"""Tables on the terminal, and the same figures as JSON."""

import json
import platform
import sys
from dataclasses import asdict, dataclass, field
from importlib.metadata import version

from rich.box import MARKDOWN, SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable


@dataclass
class Table:
    """One table: a title, a sentence on what the figures are, and rows of named figures; to be pasted or to be read."""

    title: str
    about: str
    rows: list = field(default_factory=list)
    markdown: bool = False
    complete: bool = True  # or will further rows come?

    def show(self, console):
        """Print it."""
        table = RichTable(box=MARKDOWN if self.markdown else SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
        console.print(f"[b]{self.title}[/b]")
        console.print(self.about)
        for name in self.rows[0]:
            table.add_column(name, no_wrap=True, justify="left" if isinstance(self.rows[0][name], str) else "right")
        for row in self.rows:
            table.add_row(*(_readable(value) for value in row.values()))
        console.print(table)
        console.print()


def _readable(value):
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def machine():
    """What was measured on what."""
    packages = ("xdgmm", "numpy", "numba", "scikit-learn")
    return {
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def _processor():
    import llvmlite.binding as llvm

    return llvm.get_host_cpu_name()


def _write_json(about, tables, path):
    text = json.dumps({"machine": about, "tables": [asdict(table) for table in tables]}, indent=1)
    new = path.with_name(f"{path.name}.new")
    new.write_text(f"{text}\n", encoding="utf-8")
    new.replace(path)


def write(tables, path):
    """Print tables when they are complete; all that is there is written to a JSON file whenever one comes.

    A table may come after each of its rows, not complete: so nothing is lost where the next row takes too long.
    """
    console, come = Console(width=None if sys.stdout.isatty() else 100), {}
    about = machine()
    console.print(", ".join(f"{name} {value}" for name, value in about.items()), soft_wrap=True)
    console.print()
    for table in tables:
        if table.complete:
            table.show(console)
        come[id(table)] = table
        _write_json(about, come.values(), path)
    console.print(f"written to {path}")
