"""Velocity dispersion of a dwarf galaxy: from a catalogue to a number with an error, and a picture.

Run it:  python examples/velocity_dispersion.py [FOLDER]     (writes hydrus1.png and hydrus1.ecsv there)
"""

import sys
from pathlib import Path

import numpy as np

from xdgmm import XDGMM, Observations, datasets
from xdgmm.plotting import plot_fit, save


def main(folder):
    """Fit, print, draw."""
    table = datasets.load("hydrus1")
    stars = Observations.from_table(table, "v")
    model = XDGMM().fit(stars)
    report = model.widths(stars)
    row = report[0]
    print(f"mean velocity          {row['mean']:.2f} +- {row['mean_error']:.2f}")
    print(f"intrinsic dispersion   {row['sigma']:.2f} +- {row['sigma_error']:.2f}")
    print(f"as measured            {np.std(table['v'], ddof=1):.2f}")

    # Which star is least likely to belong to this Gaussian, its own error taken into account?
    least = np.argmin(model.score_samples(stars))
    print(f"most unusual star      ID {table['ID'][least]}, {table['v'][least]:.1f} +- {table['e_v'][least]:.1f}")

    report.write(folder / "hydrus1.ecsv", overwrite=True)
    save(plot_fit(model, stars, "Hydrus I"), folder / "hydrus1.png", overwrite=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path())
