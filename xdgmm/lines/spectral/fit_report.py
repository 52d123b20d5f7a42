"""Tables and report of a fit of lines: groups in km/s, lines in the unit of the spectrum and in km/s."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.constants import FWHM
from xdgmm.lines.deconvolution import LIMIT_LEVEL
from xdgmm.tables.printing import brief, compact, empty_table, upper_limit, with_error, with_interval
from xdgmm.tables.report import Column, build_table

from .solution import Solution, Solved, observed_sigmas

if TYPE_CHECKING:
    from astropy.table import QTable
    from astropy.units import UnitBase
    from rich.table import Table

    from .line_fit import LineFit

Array = NDArray[np.float64]

TINY = 1e-9
DIGITS = ".5g"

OF_GROUPS = (
    Column("group", "name of the group"),
    Column("velocity", "velocity relative to the redshift of the group", "velocity"),
    Column("velocity_error", "its 1-sigma error", "velocity"),
    Column("variance", "intrinsic variance, signed: observed less instrumental and thermal", "variance"),
    Column("variance_error", "its 1-sigma error", "variance"),
    Column("sigma", "intrinsic sigma; 0 where the variance is not positive", "velocity"),
    Column("sigma_low", "lower end of its {level}% interval", "velocity"),
    Column("sigma_high", "upper end of its {level}% interval", "velocity", keeps_infinity=True),
    Column("sigma_limit", "{limit_level}% upper limit on it", "velocity", keeps_infinity=True),
    Column("fwhm", "intrinsic full width at half maximum", "velocity"),
    Column("resolved_pvalue", "probability of a width as large as this from lines without one"),
    Column("is_limit", "is the group consistent with no width of its own?"),
)
OF_LINES = (
    Column("spectrum", "number of the spectrum, from 0"),
    Column("group", "name of the group"),
    Column("line", "label of the line"),
    Column("rest", "rest position", "wave"),
    Column("position", "position as observed", "wave"),
    Column("position_error", "its 1-sigma error", "wave"),
    Column("flux", "flux over the line", "flux"),
    Column("flux_error", "its 1-sigma error", "flux"),
    Column("equivalent_width", "flux over continuum, positive for emission", "wave"),
    Column("equivalent_width_error", "its 1-sigma error", "wave"),
    Column("observed_sigma", "sigma as observed, instrument and heat included", "wave"),
    Column("observed_sigma_error", "its 1-sigma error", "wave"),
    Column("instrumental_sigma", "sigma of the instrument at the line", "wave"),
    Column("intrinsic_sigma", "intrinsic sigma; 0 where the variance is not positive", "wave"),
    Column("observed_fwhm", "full width at half maximum of a Gaussian of the observed sigma", "wave"),
    Column("instrumental_fwhm", "full width at half maximum of the instrument", "wave"),
    Column("intrinsic_fwhm", "intrinsic full width at half maximum", "wave"),
    Column("observed_sigma_kms", "sigma as observed", "velocity"),
    Column("instrumental_sigma_kms", "sigma of the instrument", "velocity"),
    Column("intrinsic_sigma_kms", "intrinsic sigma", "velocity"),
    Column("observed_fwhm_kms", "full width at half maximum of a Gaussian of the observed sigma", "velocity"),
    Column("instrumental_fwhm_kms", "full width at half maximum of the instrument", "velocity"),
    Column("intrinsic_fwhm_kms", "intrinsic full width at half maximum", "velocity"),
    Column("flag", "what to look at"),
)


def group_table(fit: LineFit, level: float, limit_level: float) -> QTable:
    """The QTable of `LineFit.table`."""
    table = build_table(
        with_levels(OF_GROUPS, level, limit_level),
        group_values(fit, level, limit_level),
        units=units_of(fit),
        meta=meta_of(fit, level, limit_level),
    )
    return formatted(table)


def formatted(table: QTable) -> QTable:
    """The table, which shows five digits of its numbers where it is printed; none are lost."""
    for column in table.itercols():
        if column.dtype.kind == "f":
            column.info.format = DIGITS
    return table


def group_values(fit: LineFit, level: float, limit_level: float) -> dict[str, Any]:
    """Numbers of the table of groups, in km/s."""
    low, high = (plain_array(end) for end in fit.interval(level))
    return {
        "group": np.array(fit.groups),
        "velocity": fit.solution.velocities.values,
        "velocity_error": fit.solution.velocities.errors,
        "variance": fit.solution.variances.values,
        "variance_error": fit.solution.variances.errors,
        "sigma": plain_array(fit.intrinsic_sigma),
        "sigma_low": low,
        "sigma_high": high,
        "sigma_limit": plain_array(fit.upper_limit(limit_level)),
        "fwhm": plain_array(fit.intrinsic_fwhm),
        "resolved_pvalue": fit.resolved_pvalue,
        "is_limit": fit.is_limit,
    }


def plain_array(values: Any) -> Array:
    """Numbers without their unit."""
    return np.asarray(getattr(values, "value", values))


def line_table(fit: LineFit) -> QTable:
    """The QTable of `LineFit.lines`."""
    values = line_values(fit)
    columns = [column for column in OF_LINES if column.name in values]
    return formatted(build_table(columns, values, units=units_of(fit), meta=meta_of(fit, None, None)))


def line_values(fit: LineFit) -> dict[str, Any]:
    """Numbers of the table of lines: a row for each line, and where there are several spectra for each of them."""
    solution = fit.solution
    parts = solution.of_spectra() if isinstance(solution, Solved) else [solution]
    found = [_of_spectrum(fit, part, number) for number, part in enumerate(parts)]
    values = {name: np.concatenate([each[name] for each in found]) for name in found[0]}
    if len(parts) == 1:
        del values["spectrum"]
    return values


def _of_spectrum(fit: LineFit, solution: Solution, number: int) -> dict[str, Any]:
    table = solution.table
    missing = np.full(table.group.size, np.nan)
    widths = solution.equivalent_widths
    observed = observed_sigmas(solution)
    sigmas = {
        "observed": observed.values,
        "instrumental": solution.instrument,
        "intrinsic": np.sqrt(np.maximum(solution.variances.values, 0.0))[table.group] * table.per_kms,
    }
    values = {
        "spectrum": np.full(table.group.size, number),
        "group": np.array(fit.groups)[table.group],
        "line": np.array(table.labels),
        "rest": np.concatenate([table.axis.rest_positions(group) for group in table.groups]),
        "position": solution.positions.values,
        "position_error": solution.positions.errors,
        "flux": solution.fluxes.values,
        "flux_error": solution.fluxes.errors,
        "equivalent_width": missing if widths is None else widths.values,
        "equivalent_width_error": missing if widths is None else widths.errors,
        "observed_sigma_error": observed.errors,
        "flag": np.array(fit.flags),
    }
    for name, sigma in sigmas.items():
        for measure, factor in (("sigma", 1.0), ("fwhm", FWHM)):
            values[f"{name}_{measure}"] = factor * sigma
            values[f"{name}_{measure}_kms"] = factor * sigma / table.per_kms
    return values


def units_of(fit: LineFit) -> dict[str, Any]:
    """Units that columns stand for; plain numbers where the spectrum has none."""
    return named_units(fit.solution.table.axis.unit, fit.flux_unit)


def named_units(wave: UnitBase | None, flux: UnitBase | None) -> dict[str, Any]:
    """The same from the units of the axis and of fluxes of lines."""
    from astropy.units import Unit

    kms = None if wave is None else Unit("km/s")
    return {"velocity": kms, "variance": None if kms is None else kms**2, "wave": wave, "flux": flux}


def meta_of(fit: LineFit, level: float | None, limit_level: float | None) -> dict[str, Any]:
    """What the fit assumed and how well it describes the data."""
    goodness = fit.goodness
    found = {
        "title": fit.header.title,
        "instrument": fit.header.instrument,
        "convention": fit.solution.table.axis.convention,
        "statistic": goodness.name,
        "statistic_value": goodness.statistic,
        "dof": goodness.dof,
        "probability": goodness.probability,
        "converged": bool(fit.converged),
        "remarks": "; ".join(fit.header.remarks),
    }
    return found if level is None else {**found, "level": level, "limit_level": limit_level}


def with_levels(columns: Any, level: float, limit_level: float) -> list[Column]:
    """The columns, whose descriptions name the levels."""
    from dataclasses import replace

    texts = {"{level}": f"{100 * level:.4g}", "{limit_level}": f"{100 * limit_level:.4g}"}
    result = []
    for column in columns:
        description = column.description
        for placeholder, text in texts.items():
            description = description.replace(placeholder, text)
        result.append(replace(column, description=description))
    return result


class LineReport:
    """Everything that a fit of lines found; ``print`` shows it, `write` keeps it.

    Attributes
    ----------
    fit : LineFit
    groups, lines : QTable
        A row for each group, and for each line.
    """

    def __init__(self, fit: LineFit, level: float, limit_level: float) -> None:
        self.fit, self.level, self.limit_level = fit, level, limit_level
        self.groups = group_table(fit, level, limit_level)
        self.lines = line_table(fit)

    def __repr__(self) -> str:
        """Header, groups and lines."""
        from xdgmm.tables.printing import as_text

        return "\n".join(header_lines(self.fit)) + "\n" + as_text(*self.rich_tables())

    def rich_tables(self) -> list[Table]:
        """The tables as `rich.table.Table`."""
        return [_groups_shown(self), _lines_shown(self)]

    def write(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the table of groups, or of lines beside it (`NAME_lines`), to a file (.fits, .ecsv, ...).

        Raises
        ------
        OutputError
            If a file cannot be written, or exists and `overwrite` is not set, or its suffix is not known.
        """
        write_tables(self.groups, self.lines, path, overwrite=overwrite)


def write_tables(groups: QTable, lines: QTable, path: str | Path, *, overwrite: bool) -> list[Path]:
    """Write both tables, of lines to `NAME_lines`, or none of them."""
    from xdgmm.files import atomic_writes, check_output
    from xdgmm.tables import REPORT_SUFFIXES, write_table

    paths = [check_output(each, overwrite=overwrite, suffixes=REPORT_SUFFIXES) for each in (path, lines_path(path))]
    with atomic_writes(paths, overwrite=overwrite) as temporaries:
        for table, temporary in zip((groups, lines), temporaries, strict=True):
            write_table(table, temporary, overwrite=True)
    return paths


def lines_path(path: str | Path) -> Path:
    """Where the table of lines is written, beside that of groups."""
    path = Path(path)
    return path.with_name(f"{path.stem}_lines{path.suffix}")


def header_lines(fit: LineFit) -> list[str]:
    """What the fit assumed, and how well it describes the data."""
    goodness = fit.goodness
    probability = "" if np.isnan(goodness.probability) else f", probability {_probability(goodness.probability)}"
    said = [fit.header.title, f"instrument  {fit.header.instrument}"]
    if np.isfinite(goodness.statistic):
        said.append(f"{goodness.name:<11} {goodness.statistic:.5g} for {goodness.dof} degrees of freedom{probability}")
    said.append(f"velocities  relative to the redshift, {_convention(fit)}")
    scale = fit.solution.log_scale
    if scale is not None:
        factors = [with_error(float(np.exp(v)), float(np.exp(v) * e)) for v, e in zip(*scale, strict=True)]
        said.append(f"its width   times {', '.join(factors)}, fitted with its error")
    said += [f"note        {remark}" for remark in fit.header.remarks]
    if not fit.converged:
        said.append("note        the fit has not converged: errors and limits may be wrong")
    return said


def _convention(fit: LineFit) -> str:
    axis = fit.solution.table.axis
    if axis.is_velocity:
        return "along the axis"
    return f"{axis.convention} convention"


def _probability(p: float) -> str:
    if p < TINY:
        return "< 1e-09"
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def _groups_shown(report: LineReport) -> Table:
    from rich.markup import escape

    fit = report.fit
    kms = "" if fit.solution.table.axis.unit is None else "\n\\[km/s]"
    squared = "" if not kms else "\n\\[(km/s)²]"
    limit = f"{100 * report.limit_level:.4g}% limit"
    headings = [
        "\ngroup",
        f"velocity{kms}",
        f"variance{squared}",
        f"intrinsic σ{kms}",
        f"{limit}{kms}",
        f"intrinsic FWHM{kms}",
        "p-value of\nzero width",
    ]
    table = empty_table(headings, left=headings[:1], title="Groups", title_justify="left")
    values = group_values(fit, report.level, report.limit_level)
    for g, name in enumerate(fit.groups):
        sigma, low, high = (float(values[key][g]) for key in ("sigma", "sigma_low", "sigma_high"))
        at_limit = bool(values["is_limit"][g])
        top = float(values["sigma_limit"][g])
        error = 0.5 * (high - low)
        table.add_row(
            escape(name),
            with_error(float(values["velocity"][g]), float(values["velocity_error"][g])),
            with_error(float(values["variance"][g]), float(values["variance_error"][g])),
            upper_limit(top, report.limit_level) if at_limit else with_interval(sigma, error, low, high, 0.1),
            f"<{brief(top)}" if np.isfinite(top) else "none",
            upper_limit(FWHM * top, report.limit_level)
            if at_limit
            else with_interval(FWHM * sigma, FWHM * error, FWHM * low, FWHM * high, 0.1),
            _probability(float(values["resolved_pvalue"][g])),
        )
    return table


def _lines_shown(report: LineReport) -> Table:
    from rich.markup import escape

    fit = report.fit
    units = units_of(fit)
    wave = "" if units["wave"] is None else f"\n\\[{compact(units['wave'])}]"
    flux = "" if units["flux"] is None else f"\n\\[{compact(units['flux'])}]"
    flagged = any(fit.flags)
    values = line_values(fit)
    several = "spectrum" in values
    headings = [
        "\nline",
        *(["\nspectrum"] if several else []),
        f"position{wave}",
        f"flux{flux}",
        f"equivalent\nwidth{wave}",
        f"observed\nσ{wave}",
        f"instrumental\nσ{wave}",
    ]
    headings += ["look at"] if flagged else []
    table = empty_table(
        headings, left=[headings[0], headings[-1]] if flagged else headings[:1], title="Lines", title_justify="left"
    )
    for i, label in enumerate(values["line"]):
        observed = with_error(*(float(values[key][i]) for key in ("observed_sigma", "observed_sigma_error")))
        width = float(values["equivalent_width"][i])
        cells = [
            escape(str(label)),
            *([str(values["spectrum"][i])] if several else []),
            with_error(*(float(values[key][i]) for key in ("position", "position_error"))),
            with_error(*(float(values[key][i]) for key in ("flux", "flux_error"))),
            with_error(width, float(values["equivalent_width_error"][i])) if np.isfinite(width) else "none",
            observed,
            f"{values['instrumental_sigma'][i]:.4g}",
        ]
        table.add_row(*cells, *([escape(str(values["flag"][i]))] if flagged else []))
    return table


__all__ = ["LIMIT_LEVEL", "LineReport", "group_table", "line_table"]
