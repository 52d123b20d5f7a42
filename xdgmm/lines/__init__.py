"""Is a spectral line resolved, and how wide is it by itself?

`deconvolve` takes the instrument out of observed widths, one line at a time; `population` fits the mean and the
intrinsic scatter of many of them; `measure_lsf` measures the instrument on lines that have no width of their own.
"""

from xdgmm.spectra import LSF, Counts, Spectrum

from .deconvolution import IntrinsicWidths, deconvolve
from .instrument import InstrumentWidth, measure_lsf
from .populations import Population, population
from .report import rich_table
from .spectral import (
    Curves,
    Expected,
    Goodness,
    Group,
    LineComparison,
    LineFit,
    LineFits,
    LineReport,
    LineSamples,
    VelocityProfile,
    fit_counts,
    fit_events,
    fit_lines,
    fit_many,
)

__all__ = [
    "LSF",
    "Counts",
    "Curves",
    "Expected",
    "Goodness",
    "Group",
    "InstrumentWidth",
    "IntrinsicWidths",
    "LineComparison",
    "LineFit",
    "LineFits",
    "LineReport",
    "LineSamples",
    "Population",
    "Spectrum",
    "VelocityProfile",
    "deconvolve",
    "fit_counts",
    "fit_events",
    "fit_lines",
    "fit_many",
    "measure_lsf",
    "population",
    "rich_table",
]
