"""Where do catalogues come from that are larger than memory?

A source (`BlockSource`) yields tables of a bounded size, always the same ones in the same order; each becomes
`Observations` by the rules of `xdgmm.tables`.  ``XDGMM(...).fit(source)`` reads it once for totals, a random sample and
the hash of the data (`xdgmm.observations.StreamedObservations`), and then once for each pass over all objects.

To add one, write a class with `blocks`; of files, a class with `rows_and_kept`.
"""

from .arrow_source import ArrowSource
from .columnar_source import ColumnarSource
from .dask_source import DaskSource
from .files import FileSource
from .fits_source import FitsSource
from .memory import parse_memory
from .opening import open_source
from .parquet_source import ParquetSource
from .partitions import Partition, Rows
from .source import Block, BlockSource, name_of_partition
from .table_files import TableFileSource
from .table_source import TableSource

__all__ = [
    "ArrowSource",
    "Block",
    "BlockSource",
    "ColumnarSource",
    "DaskSource",
    "FileSource",
    "FitsSource",
    "ParquetSource",
    "Partition",
    "Rows",
    "TableFileSource",
    "TableSource",
    "name_of_partition",
    "open_source",
    "parse_memory",
]
