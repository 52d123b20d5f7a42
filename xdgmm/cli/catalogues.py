"""Catalogues that commands read in parts: patterns, folders, and tables with a bound on the memory."""

from __future__ import annotations

from dataclasses import replace
from glob import has_magic
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

    from xdgmm.fitting.problem import AnyObservations
    from xdgmm.observations import Observations, StreamedObservations
    from xdgmm.streaming import FileSource

Measured = TypeVar("Measured", bound="Observations | StreamedObservations")


def is_read_in_parts(table: Path, memory: str | None) -> bool:
    """Is this a pattern or a folder of files, or is the memory bounded?"""
    return memory is not None or (has_magic(str(table)) and not table.is_file()) or table.is_dir()


def opened(
    table: Path, columns: Any, memory: str | None, *, hdu: str | None, readme: Path | None, **options: Any
) -> FileSource:
    """The source of a catalogue; options are those of `Observations.from_table`.

    Raises
    ------
    InputError
        If it cannot be read in parts.
    """
    from xdgmm.streaming import open_source

    return open_source(table, columns, memory=memory, hdu=hdu, readme=readme, **options)


def sampled(observations: AnyObservations, title: str) -> tuple[Any, str]:
    """The observations in memory, and a title that says so where these are a random sample."""
    n, of = observations.sample.n_objects, observations.n_objects
    return observations.sample, title if n == of else f"{title} (random sample of {n} of {of} objects)".strip()


def with_remarks(observations: Measured, *sentences: str) -> Measured:
    """The observations with further remarks."""
    return replace(observations, remarks=(*observations.remarks, *sentences))
