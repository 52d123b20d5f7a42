"""What lines are in a spectrum, in counts or in events, and how wide are they without the instrument?

`fit_lines` fits profiles of `Group`s of lines, seen through an `LSF`, to fluxes with errors, `fit_counts` to counts
(`poisson`, `deviance`), and `fit_events` finds them in single events (modules `events_...`). The pieces: `groups` and
`axes` (which lines, and where they are seen), `continua`, `model` (what is expected), `likelihoods` and `scoring`
(how it is fitted), `starts`, `solution` and `variance_profile` (numbers, and the profile likelihood of a variance),
`line_fit` and `fit_report` (what users see), `curves` and `windows` (arrays for pictures). Many spectra: `plans`
(what is done with each), `sources`, `stacks`, `stack_report`.
"""

from .comparison import LineComparison
from .counts import fit_counts
from .curves import Curves, Expected, VelocityProfile
from .events_fit import fit_events
from .fit_report import LineReport
from .fitting import fit_lines
from .groups import Group, Line
from .line_fit import LineFit
from .samples import LineSamples
from .solution import Goodness
from .stacks import LineFits, fit_many

__all__ = [
    "Curves",
    "Expected",
    "Goodness",
    "Group",
    "Line",
    "LineComparison",
    "LineFit",
    "LineFits",
    "LineReport",
    "LineSamples",
    "VelocityProfile",
    "fit_counts",
    "fit_events",
    "fit_lines",
    "fit_many",
]
