"""Remarks on parts as remarks on the whole: counts with which they begin add."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

COUNT = re.compile(r"(?P<before>in all, )?(?P<count>\d+)(?: of (?P<whole>\d+))?(?P<what> \D.*)", re.DOTALL)
ONE = re.compile(r"\b(row|value|error|limit)\b")  # what is counted, where it is one


class CountedRemarks:
    """Remarks of the parts of a catalogue, in the order in which they came.

    A remark that begins with a number, as "3 of 100 values of v missing", counts rows: those of all parts are one, with
    the sum.  Where some parts have none, what it counts is not known of the whole, and " of 100" is left out.
    """

    def __init__(self) -> None:
        self.n_parts = 0
        self.counts: dict[tuple[str, str, bool], list[int]] = {}
        self.originals: dict[tuple[str, str, bool], str] = {}
        self.others: dict[str, None] = {}

    def add(self, remarks: Iterable[str]) -> None:
        """Add those of the next part."""
        self.n_parts += 1
        for remark in remarks:
            found = COUNT.fullmatch(remark)
            if found is None:
                self.others[remark] = None
                continue
            what = ONE.sub(r"\1s", found["what"], count=1) if found["count"] == "1" else found["what"]
            key = found["before"] or "", what, found["whole"] is not None
            self.originals.setdefault(key, remark)
            sums = self.counts.setdefault(key, [0, 0, 0])
            for place, number in enumerate((found["count"], found["whole"] or 0, 1)):
                sums[place] += int(number)

    def joined(self) -> tuple[str, ...]:
        """The remarks on the whole."""
        return (*self.others, *map(self._counted, self.counts))

    def _counted(self, key: tuple[str, str, bool]) -> str:
        before, what, has_whole = key
        count, whole, n_parts = self.counts[key]
        if n_parts == 1 and (self.n_parts == 1 or not has_whole):
            return self.originals[key]
        return f"{before}{count}{f' of {whole}' if has_whole and n_parts == self.n_parts else ''}{what}"
