"""Simulate the spectrum of a star-forming galaxy as SDSS would keep it, and write its source table.

The truth stands in the metadata.  Fluxes are integrated over pixels, seen through an instrument whose sigma changes
along the spectrum, with noise that is larger in sky lines; a few pixels have no information.

Usage: python tools/simulate_spectrum.py, and then python tools/build_datasets.py
"""

from pathlib import Path

import numpy as np
from astropy.table import Column, Table
from scipy.special import erf

LIGHT = 299792.458
Z, VELOCITY = 0.0231, 12.0
TARGET = Path(__file__).resolve().parents[1] / "xdgmm" / "datasets" / "source" / "simulated_sdss.ecsv"
# vacuum wavelength, flux, intrinsic sigma in km/s
LINES = [
    (4862.69, 62.0, 58.0),
    (4960.30, 24.0, 84.0),
    (5008.24, 72.0, 84.0),
    (5877.25, 7.5, 58.0),
    (6302.05, 7.0, 25.0),
    (6365.54, 2.3, 25.0),
    (6549.86, 21.6, 58.0),
    (6564.61, 190.0, 58.0),
    (6585.27, 66.0, 58.0),
    (6718.29, 31.0, 58.0),
    (6732.67, 23.0, 58.0),
]


def simulated(seed=20):
    """Columns loglam, flux, ivar, wdisp."""
    rng = np.random.default_rng(seed)
    loglam = np.round(np.arange(np.log10(4930.0), np.log10(6930.0), 1e-4), 4)
    edges = 10 ** np.append(loglam - 5e-5, loglam[-1] + 5e-5)
    wave = 10**loglam
    wdisp = np.round(1.02 + 0.10 * (wave - 5900) / 1000, 3)
    flux = 11.0 - 1.2 * (wave - 5900) / 1000 + 0.15 * np.sin(wave / 140.0)
    for rest, amount, sigma in LINES:
        centre = rest * (1 + Z) * (1 + VELOCITY / LIGHT)
        own = np.interp(centre, wave, wdisp) * np.log(10) * 1e-4 * centre
        width = np.hypot(sigma / LIGHT * rest * (1 + Z), own)
        flux += amount * np.diff(0.5 * erf((edges - centre) / (width * np.sqrt(2)))) / np.diff(edges)
    error = 0.42 * np.sqrt(flux / 10.0) * (1 + 0.3 * rng.gamma(0.5, 1.0, wave.size) * (wave > 6200))
    error[np.abs(wave - 5579) < 6] *= 6.0
    ivar = error**-2
    flux = flux + error * rng.standard_normal(wave.size)
    ivar[[310, 311, 900, 1133]] = 0.0
    return [loglam, np.round(flux, 3), np.round(ivar, 4), wdisp]


def main():
    """Write the source table."""
    descriptions = {
        "loglam": ("logarithm (base 10) of the vacuum wavelength in Angstrom", None),
        "flux": ("flux density in units of 1e-17 erg/s/cm2/Angstrom", None),
        "ivar": ("inverse variance of the flux; 0 where the pixel is bad", None),
        "wdisp": ("sigma of the instrument in pixels of 1e-4 in loglam, before integration over the pixel", None),
    }
    columns = [
        Column(values, name, description=text, unit=unit)
        for values, (name, (text, unit)) in zip(simulated(), descriptions.items(), strict=True)
    ]
    meta = {
        "title": "Spectrum of a star-forming galaxy, simulated in the format of SDSS",
        "citation": "none: these are no measurements",
        "source": "tools/simulate_spectrum.py of this package",
        "licence": "BSD-3-Clause, as the package",
        "notes": (
            "Redshift 0.0231, lines moved by another 12 km/s. Intrinsic sigma 58 km/s for the recombination lines, "
            "[N II] and [S II] (flux of [N II] 6585 over 6550: 3.05), 84 km/s for [O III] (the same ratio: 3), "
            "25 km/s for [O I], which is below what the spectrum can show. Line fluxes in 1e-17 erg/s/cm2: H beta 62, "
            "[O III] 24 and 72, He I 7.5, [O I] 7 and 2.3, [N II] 21.6 and 66, H alpha 190, [S II] 31 and 23."
        ),
        "extname": "COADD",
    }
    Table(columns, meta=meta).write(TARGET, format="ascii.ecsv", delimiter=",", overwrite=True)


if __name__ == "__main__":
    main()
