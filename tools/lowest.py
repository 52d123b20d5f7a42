"""Constraints for pip that take every dependency at its lower bound in setup.cfg, those of all extras too.

python tools/lowest.py > lowest.txt && python -m pip install -c lowest.txt '.[test,benchmarks]'
"""

import configparser
import re
from pathlib import Path

SETUP = Path(__file__).parent.parent / "setup.cfg"
BOUNDED = re.compile(r"(?P<name>[A-Za-z0-9-]+)>=(?P<version>[0-9.]+)")


def requirements():
    """All requirements of the package and of its extras; an extra that names another extra adds none of its own."""
    config = configparser.ConfigParser()
    config.read(SETUP, encoding="utf-8")
    lists = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    return sorted({line for lines in lists for line in lines.split() if not line.startswith("xdgmm[")})


def pinned(requirement):
    """``name==version`` from ``name>=version``."""
    found = BOUNDED.fullmatch(requirement)
    if found is None:
        raise ValueError(f"setup.cfg requires {requirement!r}, but a requirement must read name>=version")
    return f"{found['name']}=={found['version']}"


if __name__ == "__main__":
    for requirement in requirements():
        print(pinned(requirement))
