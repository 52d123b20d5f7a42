"""`fit_lines`: lines in one spectrum, or in many with the same pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError
from xdgmm.spectra import LSF, Spectrum

from .line_fit import warned
from .plans import Plan
from .spectra_fit import Window, as_spectra, check_errors, instruments_of
from .stacks import fit_stack

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .groups import Group


def fit_lines(
    wave: ArrayLike | Spectrum | Sequence[Spectrum] | Any,
    flux: ArrayLike | None = None,
    err: ArrayLike | None = None,
    *,
    groups: Group | Sequence[Group],
    lsf: LSF | Sequence[LSF] | None = None,
    windows: Sequence[Window] | None = None,
    continuum: Any = 1,
    ivar: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    covariance: ArrayLike | None = None,
    edges: ArrayLike | None = None,
    noise: str | None = None,
    axis: str | None = None,
    convention: str | None = None,
    thermal: Any = None,
    fluxes: str = "shared",
    medium: str | None = None,
    rest_windows: Sequence[Window] | None = None,
    z: ArrayLike | None = None,
    n_jobs: int = 1,
    progress: str = "auto",
) -> Any:
    """Fit groups of lines to a spectrum with errors: velocities, intrinsic widths without the instrument, and fluxes.

    Many spectra with the same pixels are fitted one by one; for spectra with pixels of their own there is `fit_many`.

    Parameters
    ----------
    wave : array (n,), Quantity, Spectrum, a sequence of Spectrum, or a spectrum of specutils
        Wavelengths, energies, frequencies or velocities of the pixels; or all of a spectrum, its errors included, or
        several spectra of one source, which share velocities and widths.
    flux, err : array (n,) or Quantity; of many spectra (N, n), of a cube (ny, nx, n)
        Fluxes per unit of `wave`, and their 1-sigma errors; or `ivar`, inverse variances (0 for a masked pixel).
    groups : Group or sequence of Group
        Lines that share a velocity and an intrinsic width.
    lsf : LSF, or one for each spectrum
        The instrument; by default that of the spectra.
    windows : sequence of (low, high), optional
        Observed ranges that are fitted, each with a continuum of its own; by default all of the spectrum.
    continuum : int, "exponential", None, or (function, first values)
        Degree of a polynomial; one exponential; nothing; or any ``function(x, *parameters)``.
    mask : bool array (n,), optional
        Pixels to leave out.
    covariance : array (b + 1, n), optional
        Of the fluxes, between neighbouring pixels, in place of errors: its diagonal and b lower ones, as in
        `scipy.linalg.cholesky_banded`.
    edges : array (n + 1,), optional
        Ends of the pixels; by default half way between them.
    noise : {"estimate"}, optional
        Errors are the same for all pixels, and are estimated from what the fit leaves.
    axis : {"wavelength", "energy", "frequency", "velocity"}, optional
        What plain numbers are; "wavelength" by default.
    convention : {"optical", "radio", "relativistic"}, optional
        Of velocities relative to the redshift: "optical" along wavelengths, "radio" along energies and frequencies.
    thermal : Quantity or (number, unit), optional
        Temperature (or k T) of the ions, whose thermal width is not counted as intrinsic; needs `Group(element=)`.
    fluxes : {"shared", "separate"}
        Of several spectra: has each line one flux, or one in each spectrum?
    medium : {"air", "vacuum"}, optional
        Where the wavelengths of spectrum and lines are measured.  Nothing is converted.
    rest_windows : sequence of (low, high), optional
        Ranges at rest instead of `windows`, which are moved by the redshift.
    z : float, or array of the shape of the spectra, optional
        Redshift of all groups, instead of their own.
    n_jobs : int
        Processes (joblib) for many spectra; -1 for all processors.  Results do not depend on it.
    progress : {"auto", "always", "never"}
        Whether a progress bar is shown for many spectra.

    Returns
    -------
    LineFit
        Of many spectra `LineFits`: a row for each spectrum, also for those that could not be fitted.

    Raises
    ------
    InputError
        If errors or the instrument are missing, a window has no pixels, a line is in no window, or units do not
        convert; the message says which.

    Warns
    -----
    ConvergenceWarning
        If the fit of one spectrum did not reach a maximum; of many, the report counts them.
    XdgmmWarning
        If it is not said whether optical wavelengths are in air or in vacuum.

    Notes
    -----
    Fluxes and continua are linear and are solved for at every point (variable projection, Golub & Pereyra 1973);
    velocities, intrinsic variances, bounded ratios and the instrument's scale are found by Fisher scoring with exact
    derivatives of profiles that are integrated over pixels.  Errors are from the expected information.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import lines
    >>> x = np.arange(6530.0, 6600.0, 0.8)
    >>> true = 120 * np.exp(-0.5 * ((x - 6564.61) / 1.9) ** 2) / 1.9 / 2.5066 + 5.0
    >>> flux = true + 0.5 * np.random.default_rng(1).normal(size=x.size)
    >>> lsf = lines.LSF(sigma=1.2, includes_pixel=True)
    >>> fit = lines.fit_lines(x, flux, np.full(x.size, 0.5), groups=lines.Group("Ha", [6564.61]), lsf=lsf)
    >>> bool(60 < fit.intrinsic_sigma[0] < 75)  # 1.47 Angstrom are 67 km/s
    True
    """
    given: dict[str, Any] = {"err": err, "ivar": ivar, "mask": mask, "covariance": covariance, "edges": edges}
    if flux is not None and isinstance(lsf, LSF) and lsf.matrix is not None:
        given["lsf"], lsf = lsf, None  # its rows are in the order of the pixels as given
    spectra = as_spectra(wave, flux, **given)
    for spectrum in spectra:
        check_errors(spectrum, noise)
    instruments_of(lsf, spectra)
    plan = Plan.of(
        spectra,
        groups,
        windows=windows,
        rest_windows=rest_windows,
        continuum=continuum,
        noise=noise,
        axis=axis,
        convention=convention,
        thermal=thermal,
        fluxes=fluxes,
        medium=medium,
    )
    if all(spectrum.flux.ndim == 1 for spectrum in spectra):
        return warned(plan.fit(spectra, lsf, redshift(z)))
    return fit_stack(plan, spectra, lsf, z, n_jobs, progress)


def redshift(z: Any) -> float | None:
    """One redshift, or None."""
    if z is None:
        return None
    if np.ndim(z):
        raise InputError(f"`z` has shape {np.shape(z)}, but there is one spectrum; give one redshift")
    try:
        return float(z)
    except (TypeError, ValueError):
        raise InputError(f"`z` is {z!r}, but a redshift is a number above -1") from None
