"""Command line: ``python -m benchmarks WHAT``; ``--help`` lists what there is."""

import argparse
import sys
from pathlib import Path

from xdgmm.errors import InputError

from . import (
    backgrounds,
    calibration,
    chains,
    coverage,
    explore,
    fits,
    gpu,
    lines,
    optima,
    optimum,
    passes,
    peers,
    pixels,
    scale,
    selection,
    spectra,
)
from .report import write

WHAT = {
    "pass": (passes.measure, "time and memory of one pass over the data, by dimensions, form of noise and threads"),
    "fits": (fits.measure, "CPU seconds of whole default fits, and how much of them is outside compiled code"),
    "optimum": (optimum.measure, "likelihood, passes and seconds of default fits of the standard problems"),
    "optima": (optima.measure, "how often default fits of random problems end in a lower maximum than from the truth"),
    "calibration": (
        calibration.measure,
        "ranks of true parameters among samples of their posteriors",
    ),
    "mcmc": (chains.measure, "CPU seconds until chains of the posterior have converged, for several seeds"),
    "lines": (lines.measure, "intrinsic widths of simulated spectral lines: bias of averages, coverage of intervals"),
    "pixels": (pixels.measure, "coverage of intrinsic widths from spectra that are simulated pixel by pixel"),
    "spectra": (spectra.measure, "CPU seconds of fits of lines to spectra, beside SciPy, and of stacks"),
    "peers": (peers.measure, "xdgmm beside astroML, pygmmis and scikit-learn; needs pip install -e '.[benchmarks]'"),
    "backgrounds": (backgrounds.measure, "the width of a line on a continuum: bias and coverage, by background"),
    "selection": (selection.measure, "how often the true number of components is found, and what a table costs"),
    "gpu": (gpu.measure, "passes and fits on a graphics card; no row begins after four minutes"),
    "scale": (scale.measure, "time and memory of fits of files by number of rows, by source, threads and workers"),
    "explore": (
        explore.measure,
        "the page of `xdgmm explore`: first paint, frames of a drag, first iteration of a fit",
    ),
    "coverage": (
        coverage.measure,
        "how often intervals of sigma hold the truth, by method, noise and number of objects",
    ),
}
# Options that a benchmark has alone: what adds them, what reads them.
OPTIONS = {"scale": (scale.add_arguments, scale.options_of), "gpu": (gpu.add_arguments, gpu.options_of)}


def main():
    """Measure what is asked for; print tables and write them as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    for name, (_, explanation) in WHAT.items():
        command = commands.add_parser(name, help=explanation, description=explanation)
        command.add_argument("--output", type=Path, default=Path(f"benchmark-{name}.json"), help="JSON file to write")
        command.add_argument("--quick", action="store_true", help="small problems only: to see that it works")
        if name in OPTIONS:
            OPTIONS[name][0](command)
    chosen = parser.parse_args()
    options = OPTIONS[chosen.what][1](chosen) if chosen.what in OPTIONS else {}
    try:
        write(WHAT[chosen.what][0](quick=chosen.quick, **options), chosen.output)
    except InputError as error:  # what it needs is not here
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
