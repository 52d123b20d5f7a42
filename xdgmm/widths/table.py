"""`WidthReport`: the table of a report, with its columns, units and descriptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import registry
from astropy.table import QTable
from astropy.units import Unit
from numpy.typing import NDArray

from xdgmm.basics.units import difference_unit
from xdgmm.mixture import GaussianMixture
from xdgmm.tables.printing import as_html, as_text
from xdgmm.tables.report import Column, build_table

from .columns import COLUMNS, DECLARED, FWHM, OF_T
from .latex import report_as_latex, summary_of, write_report
from .printing import comparison_table, rich_table
from .rows import Row

if TYPE_CHECKING:
    from astropy.units import UnitBase

    from .velocity import ToVelocity


class WidthReport(QTable):  # type: ignore[misc]
    """A QTable of widths; ``print(report)`` shows values with their errors, and limits as limits."""

    def __str__(self) -> str:
        """The report as text, or the plain table where columns were taken away."""
        return self._text() if set(DECLARED) <= set(self.colnames) else super().__str__()

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        if not set(DECLARED) <= set(self.colnames):
            return str(super()._repr_html_())
        return as_html(rich_table(self), comparison_table(self))

    def to_latex(self, *, style: str = "tabular", columns: Sequence[str] | None = None) -> str:
        r"""The report as a paper prints it, in LaTeX.

        Parameters
        ----------
        style : {"tabular", "aastex"}
            A ``tabular`` of plain LaTeX, or a ``deluxetable`` of AASTeX.
        columns : sequence of str, optional
            Among component, axis, n_members, weight, mean, sigma, fwhm, observed_sigma, instrumental_sigma and
            naive_sigma, and half_width and dof of Student-t components; by default the first six and these two, of a
            single component without component and weight.

        Returns
        -------
        str
            ``$2.73^{+0.48}_{-0.39}$``: two significant digits of the error (of the smaller one, unless it is ten times
            smaller) decide how many of the value are shown; ``$80.50 \pm 0.57$`` where both errors are printed alike.
            Limits are ``$<13.1$``, with three digits, as they are in ``print(report)``.  Units stand in the head, or in
            a column where rows have different ones.  ``report[:2].to_latex()`` has the first two rows.

        Raises
        ------
        InputError
            If the style or a column is another one.

        Examples
        --------
        >>> from xdgmm import XDGMM, datasets
        >>> stars = datasets.load("hydrus1")["v", "e_v"]
        >>> report = XDGMM().fit(stars).widths(stars)
        >>> print(report.to_latex(columns=["mean", "sigma"]).splitlines()[-3])
        $80.53 \pm 0.57$ & $2.73 \pm 0.43$ \\
        """
        return report_as_latex(self, style, columns)

    def summary(self) -> str:
        """The short form: one line for each row, with mean and sigma or its limit; and how to repeat the fit."""
        return summary_of(self)

    def _text(self) -> str:
        return as_text(rich_table(self), comparison_table(self))


def width_report(
    rows: Sequence[Row], mixture: GaussianMixture, meta: Mapping[str, Any], velocity: ToVelocity | None
) -> WidthReport:
    """A `WidthReport` of rows; in km/s where a velocity conversion is given."""
    if velocity is not None:
        rows = [_in_velocity(row, velocity, mixture) for row in rows]
    columns = [*COLUMNS, *_of_directions(mixture)]
    names = list(DECLARED)
    if mixture.dof is not None:
        columns[len(COLUMNS) : len(COLUMNS)] = OF_T
        names += [column.name for column in OF_T]
    values: dict[str, NDArray[Any]] = {name: np.array([_numbers(row)[name] for row in rows]) for name in names}
    values |= {f"along_{name}": np.array([row.direction[i] for row in rows]) for i, name in enumerate(mixture.names)}
    if len(set(mixture.units)) > 1:
        columns.append(Column("unit", "unit of the mean and of every width in the row"))
        named = dict(zip(mixture.names, mixture.units, strict=True))
        values["unit"] = np.array([str(named.get(row.axis) or "") for row in rows])
    return build_table(columns, values, units={"width": _unit(mixture, velocity)}, meta=meta, kind=WidthReport)


def _unit(mixture: GaussianMixture, velocity: ToVelocity | None) -> UnitBase | None:
    """The unit of all widths; None where there is none, or columns have different ones."""
    if velocity is not None:
        return Unit("km/s")
    unit, *others = dict.fromkeys(mixture.units)
    return None if others or unit is None else difference_unit(unit)


def _of_directions(mixture: GaussianMixture) -> Iterator[Column]:
    if mixture.n_dimensions > 1:
        for name in mixture.names:
            yield Column(f"along_{name}", f"direction of the axis: its part along {name}")


def _numbers(row: Row) -> dict[str, Any]:
    """The numbers of one row by the names of their columns."""
    result: dict[str, Any] = {
        name: getattr(row, name) for name in ("component", "axis", "n_members", "n_informative", "is_limit")
    }
    of_gaussian = np.isnan(row.fwhm.value)
    fwhm = type(row.sigma)(*(FWHM * number for number in row.sigma)) if of_gaussian else row.fwhm
    of_sigma = FWHM if of_gaussian or not row.sigma.value > 0 else row.fwhm.value / row.sigma.value
    intervals = {"weight": row.weight, "mean": row.mean, "sigma": row.sigma, "fwhm": fwhm, "half_width": row.half_width}
    for name, interval in intervals.items():
        value, low, high = interval
        error = 0.5 * (high - low)
        known = np.isfinite(error) and error > 0
        if name != "mean":  # intervals that assume a normal distribution may leave what is possible
            low, high = max(low, 0.0), min(high, 1.0 if name == "weight" else np.inf)
        ends = (error, low, high) if known else (np.nan,) * 3
        result |= dict(zip((name, f"{name}_error", f"{name}_low", f"{name}_high"), (value, *ends), strict=True))
    result |= {"sigma_limit": row.sigma_limit, "fwhm_limit": of_sigma * row.sigma_limit, **_of_dof(row)}
    core = row.sigma.value if of_gaussian else row.half_width.value
    for name in ("observed", "instrumental", "naive"):
        width, error = getattr(row.observed, name), getattr(row.observed, f"{name}_error")
        result[f"{name}_sigma"], result[f"{name}_sigma_error"] = width, error
        result[f"{name}_off"] = (width - core) / error if error > 0 else np.nan
    return result


def _of_dof(row: Row) -> dict[str, float]:
    """Degrees of freedom with their interval, whose upper end is infinite where a Gaussian lies within it."""
    value, low, high = row.dof
    if not high > low:
        low = high = np.nan
    error = 0.5 * (high - low) if np.isfinite(high) else np.nan
    return {"dof": value, "dof_error": error, "dof_low": low, "dof_high": high}


def _in_velocity(row: Row, velocity: ToVelocity, mixture: GaussianMixture) -> Row:
    about = float(mixture.means[row.component] @ row.direction**2)  # of a principal axis: between the columns
    scale = velocity.scale(about)
    return row._replace(
        mean=row.mean if np.isnan(row.mean.value) else type(row.mean)(*velocity.mean(*row.mean)),
        sigma=type(row.sigma)(*velocity.width(*row.sigma, about)),
        sigma_limit=row.sigma_limit * scale,
        half_width=type(row.sigma)(*velocity.width(*row.half_width, about)),
        fwhm=type(row.sigma)(*velocity.width(*row.fwhm, about)),
        observed=type(row.observed)(*(scale * number for number in row.observed)),
    )


def _write_as_latex(style: str, report: WidthReport, output: Any, *, overwrite: bool = False, **_: Any) -> None:
    """``report.write("widths.tex")``, to a path or an open file."""
    if hasattr(output, "write"):
        output.write(report.to_latex(style=style) + "\n")
    else:
        write_report(report, output, overwrite=overwrite, style=style)


for name, style in (("latex", "tabular"), ("ascii.latex", "tabular"), ("aastex", "aastex"), ("ascii.aastex", "aastex")):
    registry.register_writer(name, WidthReport, partial(_write_as_latex, style))
