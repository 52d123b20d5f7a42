"""Tables on the terminal, and the same figures as JSON."""

import json
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import version

from rich.console import Console
from rich.table import Table as RichTable


@dataclass
class Table:
    """One table: a title, a sentence on what the figures are, and rows of named figures."""

    title: str
    about: str
    rows: list = field(default_factory=list)

    def show(self, console):
        """Print it."""
        table = RichTable()
        console.print(f"[b]{self.title}[/b]")
        console.print(self.about)
        for name in self.rows[0]:
            table.add_column(name, justify="left" if isinstance(self.rows[0][name], str) else "right")
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


def write(tables, path):
    """Print tables as they come, and write them all to a JSON file."""
    console, done = Console(), []
    about = machine()
    console.print(", ".join(f"{name} {value}" for name, value in about.items()), soft_wrap=True)
    console.print()
    for table in tables:
        table.show(console)
        done.append(asdict(table))
    path.write_text(json.dumps({"machine": about, "tables": done}, indent=1) + "\n", encoding="utf-8")
    console.print(f"written to {path}")
