"""The columns of a width report, each declared once: for the table, for files and for what is printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from xdgmm.basics.constants import FWHM
from xdgmm.tables.report import Column

__all__ = ["COLUMNS", "DECLARED", "FWHM", "OF_T"]


def _with_interval(name: str, description: str, heading: str, unit: str | None) -> Iterator[Column]:
    yield Column(name, description, unit, heading=heading)
    yield Column(f"{name}_error", "half its interval at the level", unit)
    yield Column(f"{name}_low", "lower end of it", unit)
    yield Column(f"{name}_high", "upper end of it", unit)


COLUMNS = (
    Column("component", "component of the mixture, from 0", heading="\ncomp."),
    Column("axis", "named column, or principal axis (1 is the widest)", heading="\naxis"),
    Column("n_members", "sum of the objects' weights times their memberships of the component", heading="\nN"),
    Column(
        "n_informative",
        "effective number of objects that determine the width: (sum h)^2 / sum h^2, h their information",
    ),
    *_with_interval("weight", "mixing proportion", "\nweight", None),
    *_with_interval("mean", "intrinsic mean", "\nmean", "width"),
    *_with_interval("sigma", "intrinsic standard deviation, errors of measurement taken out", "intrinsic\nσ", "width"),
    *_with_interval("fwhm", "intrinsic full width at half maximum", "intrinsic\nFWHM", "width"),
    Column(
        "sigma_limit",
        "upper limit on sigma, where it is consistent with zero, or limits are simulated",
        "width",
        heading="limit\nσ",
    ),
    Column("fwhm_limit", "upper limit on the full width, likewise", "width"),
    Column("is_limit", "is sigma consistent with zero?"),
    Column(
        "observed_sigma",
        "standard deviation of the values as measured (ddof 1), weighted by membership",
        "width",
        heading="observed\ns",
    ),
    Column("observed_sigma_error", "its standard error, s / sqrt(2 (n - 1))", "width"),
    Column(
        "observed_off",
        "observed less intrinsic sigma, in standard errors of the observed one",
        heading="s off by\n[errors]",
    ),
    Column("instrumental_sigma", "median 1-sigma error of the members", "width", heading="median\nerror"),
    Column("instrumental_sigma_error", "its standard error", "width"),
    Column(
        "naive_sigma",
        "sqrt(observed_sigma^2 - mean squared error); none where that is negative",
        "width",
        heading="naive\nσ",
    ),
    Column("naive_sigma_error", "its standard error, were the naive width right", "width"),
    Column(
        "naive_off",
        "naive less intrinsic sigma, in standard errors of the naive one",
        heading="naive off by\n[errors]",
    ),
)
OF_T = (
    *_with_interval(
        "half_width", "half-width of the central 68.27% of a Student-t component", "68%\nhalf-width", "width"
    ),
    *(
        replace(column, keeps_infinity=True)
        for column in _with_interval(
            "dof", "degrees of freedom of a Student-t component, infinite of a Gaussian", "\ndof", None
        )
    ),
)
DECLARED = {column.name: column for column in COLUMNS}
