"""The log files of `extreme_deconvolution`: which steps it made, and how likely the data were before each.

``NAME_loglike.log`` has the mean log-likelihood before every step of the runs that were kept, one to a line and an
empty line after each run; it is written anew.  ``NAME_c.log`` has every run, also those of split and merge that did not
help, between the first and the last parameters; it is appended to.  The names and these meanings are the original's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from xdgmm.files import atomic_writes, check_output
from xdgmm.fitting.split_merge import SMALLEST_RISE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xdgmm.mixture import GaussianMixture


def log_paths(logfile: str | os.PathLike[str]) -> tuple[Path, Path]:
    """The two files of a name.

    Raises
    ------
    OutputError
        If one of them cannot be written.
    """
    name = os.fspath(logfile)
    return check_output(f"{name}_c.log", overwrite=True), check_output(f"{name}_loglike.log", overwrite=True)


@dataclass(frozen=True)
class Log:
    """The runs of EM: of each the mean log-likelihoods before its steps."""

    runs: list[list[float]] = field(default_factory=list)

    def new_run(self) -> list[float]:
        """The list of a run that begins, to which it appends."""
        self.runs.append([])
        return self.runs[-1]

    def write(self, paths: tuple[Path, Path], n_rows: int, parts: tuple[str, str]) -> None:
        """Write the two files; `parts` says what the first run began with, and what came out."""
        before = paths[0].read_text(encoding="utf-8") if paths[0].exists() else ""
        accepted = list(self._accepted(n_rows))
        begun, ended = parts
        with atomic_writes(paths, overwrite=True) as (of_every, of_kept):
            of_every.write_text(before + begun + self._every_run(accepted) + ended, encoding="utf-8")
            of_kept.write_text(_lines(run for run, is_kept in zip(self.runs, accepted, strict=True) if is_kept) + "\n")

    def _accepted(self, n_rows: int) -> Iterator[bool]:
        """Which runs were kept: the first, and those of split and merge that ended higher by more than rounding."""
        best = -float("inf")
        for number, run in enumerate(self.runs):
            is_kept = number == 0 or (bool(run) and run[-1] > best + SMALLEST_RISE / n_rows)
            best = run[-1] if is_kept else best
            yield is_kept

    def _every_run(self, accepted: list[bool]) -> str:
        text = ""
        for number, (run, is_kept) in enumerate(zip(self.runs, accepted, strict=True)):
            text += "# EM from the start\n" if number == 0 else "# EM after split and merge\n"
            text += _lines([run])
            text += "" if number == 0 else "# accepted\n" if is_kept else "# no higher likelihood\n"
        return text


def described(title: str, mixture: GaussianMixture) -> str:
    """The parameters of a mixture as comments."""
    text = f"# {title}\n"
    for k in range(mixture.n_components):
        text += f"# component {k}\n# amp {float(mixture.weights[k])!r}\n"
        text += f"# mean {mixture.means[k].tolist()}\n# covar {mixture.covariances[k].tolist()}\n"
    return text + "\n"


def heading(n_components: int, w: float) -> str:
    """What a part of the file that is appended to begins with."""
    return f"# {datetime.now().astimezone().isoformat(timespec='seconds')}\n# {n_components} Gaussians, w = {w!r}\n"


def _lines(runs: Iterator[list[float]] | list[list[float]]) -> str:
    """Numbers one to a line, with all their digits, and an empty line after each run."""
    return "".join("".join(f"{value!r}\n" for value in run) + "\n" for run in runs)
