"""Where do catalogues come from that are larger than memory?

A source (`BlockSource`) yields tables of a bounded size, always the same ones in the same order; each becomes
`Observations` by the rules of `xdgmm.tables`.  ``XDGMM(...).fit(source)`` reads it once for totals, a random sample and
the hash of the data (`xdgmm.observations.StreamedObservations`), and then once for each pass over all objects.

To add one, write a class with `blocks`.
"""

from .memory import parse_memory
from .source import Block, BlockSource
from .table_source import TableSource

__all__ = ["Block", "BlockSource", "TableSource", "parse_memory"]
