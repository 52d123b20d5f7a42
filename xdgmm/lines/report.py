"""Tables of lines: observed, instrumental, intrinsic; sigma and FWHM; in the unit given and in km/s."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xdgmm.basics.arrays import as_floats
from xdgmm.tables.printing import brief, empty_table, plain, with_error
from xdgmm.tables.report import Column, build_table, metadata
from xdgmm.widths.columns import FWHM

from . import inputs

if TYPE_CHECKING:
    from astropy.table import QTable
    from astropy.units import UnitBase
    from rich.table import Table

    from .deconvolution import IntrinsicWidths
    from .instrument import InstrumentWidth
    from .populations import Population

TINY = 1e-9
LARGE_ERRORS = 0.1  # median relative error of widths from which a population depends on their distribution
SHOWN = 20  # rows that are printed
PRINTED = ("observed_sigma", "instrumental_sigma", "intrinsic_sigma", "intrinsic_fwhm")


class Measure(NamedTuple):
    """What a width is given as: its name, words and symbol, and how many sigmas it is."""

    name: str
    words: str
    symbol: str
    factor: float


MEASURES = (
    Measure("sigma", "standard deviation", "σ", 1.0),
    Measure("fwhm", "full width at half maximum", "FWHM", FWHM),
)

# Columns of widths, each there for every measure: {} stands for its name, its words, or its symbol.
OF_LINES = (
    Column("observed_{}", "{} as observed, which contains the instrument's", "width", heading="observed\n{}"),
    Column("observed_{}_error", "1-sigma error of the observed {}", "width"),
    Column("instrumental_{}", "{} of the instrument", "width", heading="instrumental\n{}"),
    Column(
        "intrinsic_{}",
        "intrinsic {}; 0 where the line is not wider than the instrument",
        "width",
        heading="intrinsic\n{}",
    ),
    Column("intrinsic_{}_error", "1-sigma error of the intrinsic {}", "width"),
    Column("intrinsic_{}_low", "lower end of the {level}% interval of the intrinsic {}", "width"),
    Column("intrinsic_{}_high", "upper end of the {level}% interval of the intrinsic {}", "width"),
    Column("intrinsic_{}_limit", "{limit_level}% upper limit on the intrinsic {}", "width"),
)
OF_POPULATIONS = (
    Column("observed_{}", "median {} as observed", "width"),
    Column("instrumental_{}", "median {} of the instrument", "width"),
    Column("intrinsic_{}", "{} of the mean intrinsic variance; 0 where that is not positive", "width"),
    Column("intrinsic_{}_low", "lower end of the {level}% interval of the intrinsic {}", "width"),
    Column("intrinsic_{}_high", "upper end of the {level}% interval of the intrinsic {}", "width"),
    Column("intrinsic_{}_limit", "{limit_level}% upper limit on the intrinsic {}", "width"),
    Column("intrinsic_{}_scatter", "scatter of the intrinsic {} between lines", "width"),
    Column("intrinsic_{}_scatter_limit", "{limit_level}% upper limit on this scatter", "width"),
)
BESIDE_LINES = (
    Column("intrinsic_variance", "observed less instrumental variance", "variance"),
    Column("intrinsic_variance_error", "its 1-sigma error", "variance"),
    Column(
        "resolved_pvalue",
        "probability of a width as large as this from a line without width of its own",
        heading="p-value of\nzero width",
    ),
    Column("is_limit", "is the line consistent with no width of its own?"),
)
BESIDE_POPULATIONS = (
    Column("mean_variance", "mean of the intrinsic variances, signed", "variance"),
    Column("mean_variance_error", "its 1-sigma error", "variance"),
    Column("resolved_pvalue", "probability of widths as large as these from lines of none"),
    Column("is_limit", "are the lines together consistent with no width of their own?"),
    Column("scatter", "intrinsic standard deviation of the variances", "variance"),
    Column("scatter_low", "lower end of its {level}% interval", "variance"),
    Column("scatter_high", "upper end of its {level}% interval", "variance"),
    Column("scatter_limit", "{limit_level}% upper limit on it", "variance"),
)
COUNTS = (
    Column("n_lines", "number of lines that have a width"),
    Column("n_resolved", "how many of them are resolved one by one"),
)


def line_table(widths: IntrinsicWidths, level: float, limit_level: float) -> QTable:
    """The QTable of `IntrinsicWidths.table`."""
    low, high = widths.interval(level)
    sigmas = {
        "observed_{}": widths.observed_sigma,
        "observed_{}_error": widths.observed_sigma_error,
        "instrumental_{}": widths.instrumental_sigma,
        "intrinsic_{}": widths.intrinsic_sigma,
        "intrinsic_{}_error": widths.intrinsic_sigma_error,
        "intrinsic_{}_low": low,
        "intrinsic_{}_high": high,
        "intrinsic_{}_limit": widths.upper_limit(limit_level),
    }
    others = {column.name: getattr(widths, column.name) for column in BESIDE_LINES}
    scales = None if widths.rest is None else _velocity_scales(widths)
    return _table((OF_LINES, BESIDE_LINES), sigmas, others, widths, scales, level, limit_level)


def population_table(population: Population, level: float, limit_level: float) -> QTable:
    """The QTable of `Population.table`."""
    widths, seen = population.widths, population.widths.seen
    low, high = population.interval(level)
    scatter_low, scatter_high = population.scatter_interval(level)
    sigmas = {
        "observed_{}": np.median(widths.lines.observed[seen]),
        "instrumental_{}": np.median(widths.lines.lsf[seen]),
        "intrinsic_{}": population.intrinsic_sigma,
        "intrinsic_{}_low": low,
        "intrinsic_{}_high": high,
        "intrinsic_{}_limit": population.upper_limit(limit_level),
        "intrinsic_{}_scatter": population.intrinsic_sigma_scatter,
        "intrinsic_{}_scatter_limit": population.intrinsic_sigma_scatter_limit(limit_level),
    }
    others = {
        "n_lines": len(population),
        "n_resolved": widths.n_resolved,
        **{name: getattr(population, name) for name in ("mean_variance", "mean_variance_error")},
        **{name: getattr(population, name) for name in ("resolved_pvalue", "is_limit", "scatter")},
        "scatter_low": scatter_low,
        "scatter_high": scatter_high,
        "scatter_limit": population.scatter_limit(limit_level),
    }
    one_rest = widths.rest is not None and np.ptp(widths.rest.value) == 0
    scales = _velocity_scales(widths)[:1] if one_rest else None
    declared = OF_POPULATIONS, BESIDE_POPULATIONS
    return _table(declared, sigmas, others, widths, scales, level, limit_level, first=COUNTS)


def _table(
    declared: tuple[Iterable[Column], Iterable[Column]],
    sigmas: Mapping[str, Any],
    others: Mapping[str, Any],
    widths: IntrinsicWidths,
    scales: Any,
    level: float,
    limit_level: float,
    first: Iterable[Column] = (),
) -> QTable:
    """Widths as sigma and as FWHM, what stands beside them, and the widths again in km/s where there are scales."""
    of_widths, beside = declared
    columns, values = list(first), {name: np.atleast_1d(numbers).ravel() for name, numbers in others.items()}
    in_velocity = []
    for column, template, factor in _of_every_measure(of_widths):
        columns.append(column)
        values[column.name] = factor * as_floats(np.atleast_1d(sigmas[template]).ravel(), column.name, widths.unit)[0]
        if scales is not None:
            words = f"{column.description}, {widths.convention} velocities"
            in_velocity.append(replace(column, name=f"{column.name}_kms", description=words, unit="velocity"))
            values[f"{column.name}_kms"] = values[column.name] * scales
    percent = {"{level}": f"{100 * level:.4g}", "{limit_level}": f"{100 * limit_level:.4g}"}
    columns = [_with_levels(column, percent) for column in (*columns, *beside, *in_velocity)]
    meta = metadata(None, level=level, limit_level=limit_level, sentence=sentence(widths))
    return build_table(columns, values, units=_units(widths.unit), meta=meta)


def _of_every_measure(templates: Iterable[Column]) -> Iterator[tuple[Column, str, float]]:
    """The columns of widths for every measure, with the name of their template and how many sigmas they are."""
    for name, words, symbol, factor in MEASURES:
        for template in templates:
            texts = {"name": name, "description": words, "heading": symbol}
            filled = {key: getattr(template, key).replace("{}", text) for key, text in texts.items()}
            yield replace(template, **filled), template.name, factor


def _with_levels(column: Column, percent: Mapping[str, str]) -> Column:
    """The column with the levels in its description; limits may be infinite."""
    description = column.description
    for placeholder, text in percent.items():
        description = description.replace(placeholder, text)
    return replace(column, description=description, keeps_infinity=True)


def _units(unit: UnitBase | None) -> dict[str, UnitBase | None]:
    from astropy.units import Unit

    return {"width": unit, "variance": None if unit is None else unit**2, "velocity": Unit("km/s")}


def _velocity_scales(widths: IntrinsicWidths) -> Any:
    """How many km/s a width of one unit is, for each line."""
    return np.broadcast_to(inputs.velocity_scale(widths.unit, widths.rest), widths.lines.observed.shape).ravel()


def sentence(widths: IntrinsicWidths) -> str:
    """How many lines there are, how many are resolved, and where velocities come from."""
    return "; ".join(_parts(widths))


def _parts(widths: IntrinsicWidths) -> Iterator[str]:
    seen = widths.seen
    yield f"{widths.n_resolved} of {seen.sum()} lines are resolved (p-value of zero intrinsic width below 0.05)"
    if not seen.all():
        yield f"{(~seen).sum()} without a width"
    error, scatter = np.unique(widths.lsf_error[seen]), np.unique(widths.lsf_scatter[seen])
    if error.any():
        yield f"error of the instrument's width: {_size(error)}{', shared by all lines' if widths.shared else ''}"
    if scatter.any():
        of = "its scatter between lines" if error.any() else "scatter of the instrument's width"
        yield f"{of}: {_size(scatter)}"
    if widths.rest is not None:
        yield f"velocities by the {widths.convention} convention"


def _size(fractions: Any) -> str:
    return f"{100 * fractions[0]:.3g}%" if fractions.size == 1 else "its own for each line"


def rich_table(widths: IntrinsicWidths) -> Table:
    """A `rich.table.Table`: observed, instrumental and intrinsic sigma, FWHM, p-value; limits as limits."""
    unit = "" if widths.unit is None else f"\n\\[{str(widths.unit).replace(' ', '')}]"
    columns = {column.name: column for column, *_ in _of_every_measure(OF_LINES)}
    headings = [columns[name].heading for name in PRINTED]
    velocities = [] if widths.rest is None else [f"{heading}\n\\[km/s]" for heading in headings[2:]]
    p_value = BESIDE_LINES[2].heading
    every = ["\nline", *(heading + unit for heading in headings), *velocities, p_value]
    limits = "; < marks upper limits (95%)" if np.any(widths.is_limit) else ""
    table = empty_table(every, caption=sentence(widths) + limits, caption_justify="left")
    for row in _rows_shown(len(widths)):
        table.add_row(*(["..."] * len(every) if row is None else _cells(widths, row)))
    return table


def _rows_shown(n_lines: int) -> Iterable[int | None]:
    if n_lines <= SHOWN:
        return range(n_lines)
    half = SHOWN // 2
    return [*range(half), None, *range(n_lines - half, n_lines)]


def _cells(widths: IntrinsicWidths, row: int) -> list[str]:
    one = widths.select(row)
    if not one.seen:
        return [str(row), "none"]
    sigma, error, limit = plain(one.intrinsic_sigma), plain(one.intrinsic_sigma_error), plain(one.upper_limit())
    scales = [1.0, FWHM]
    if one.rest is not None:
        kms = float(inputs.velocity_scale(one.unit, one.rest))
        scales += [kms, FWHM * kms]
    is_limit = bool(one.is_limit)
    return [
        str(row),
        with_error(plain(one.observed_sigma), plain(one.observed_sigma_error)),
        with_error(plain(one.instrumental_sigma), plain(one.instrumental_sigma_error)),
        *(_intrinsic(scale * sigma, scale * error, scale * limit, is_limit=is_limit) for scale in scales),
        _probability(float(one.resolved_pvalue)).removeprefix("= "),
    ]


def _probability(p: float) -> str:
    """A probability with its sign; below TINY only that it is below."""
    if p >= 0.001:
        return f"= {p:.3f}"
    return f"= {p:.0e}" if p >= TINY else f"< {TINY:.0e}"


def _intrinsic(value: float, error: float, limit: float, *, is_limit: bool) -> str:
    return f"<{brief(limit)} (95%)" if is_limit else with_error(value, error)


def population_text(population: Population) -> str:
    """A `Population` in a few lines: observed, instrumental, intrinsic."""
    widths = population.widths
    unit = "" if widths.unit is None else f" {str(widths.unit).replace(' ', '')}"
    seen = widths.seen
    low, high = (plain(end) for end in population.interval())
    sigma, limit = plain(population.intrinsic_sigma), plain(population.upper_limit())
    mean = _intrinsic(sigma, 0.5 * (high - low), limit, is_limit=population.is_limit)
    p = _probability(population.resolved_pvalue)
    squared = unit and f" ({unit.strip()})^2"
    fwhm = _intrinsic(FWHM * sigma, FWHM * 0.5 * (high - low), FWHM * limit, is_limit=population.is_limit)
    low, high = (plain(end) for end in population.scatter_interval())
    variance = with_error(plain(population.mean_variance), plain(population.mean_variance_error))
    scatter = f"{brief(plain(population.scatter))}, its 68% interval {brief(low)} to {brief(high)}"
    in_sigma = f"{brief(plain(population.intrinsic_sigma_scatter))}{unit}"
    if low == 0:
        scatter = f"<{brief(plain(population.scatter_limit()))} (95%)"
        in_sigma = f"<{brief(plain(population.intrinsic_sigma_scatter_limit()))}{unit} (95%)"
    said = [
        f"{len(population)} lines, {widths.n_resolved} of them resolved one by one",
        f"observed sigma      median {np.median(widths.lines.observed[seen]):.4g}{unit}",
        f"instrumental sigma  median {np.median(widths.lines.lsf[seen]):.4g}{unit}",
        f"intrinsic sigma     {mean}{unit}, FWHM {fwhm}{unit} (rms over lines)",
        f"mean of variances   {variance}{squared}: its root is the rms; signed, also where lines are not resolved",
        f"zero width          p-value {p}: the probability of these widths, had no line one of its own",
        f"intrinsic scatter   {in_sigma}; of the variances {scatter}{squared}",
    ]
    if population.mean_shift:
        part = population.mean_shift / plain(population.mean_variance_error)
        said.append(f"the error of the instrument's width makes {100 * part**2:.0f}% of the squared error of the mean")
    typical = float(np.median((widths.lines.observed_error / widths.lines.observed)[seen]))
    if typical >= LARGE_ERRORS:
        said.append(
            f"errors are {100 * typical:.0f}% of the widths (median): if intrinsic widths differ by half, mean and "
            "scatter come out too small and intervals too short"
        )
    return "\n".join(said)


def instrument_text(lsf: InstrumentWidth) -> str:
    """An `InstrumentWidth` in a few lines."""
    where = "" if lsf.position_unit is None else f" {lsf.position_unit}"
    unit = "" if lsf.unit is None else f" {lsf.unit}"
    at = []
    for place in np.linspace(*lsf.span, 3) if lsf.order else [np.mean(lsf.span)]:
        position = place if lsf.position_unit is None else place * lsf.position_unit
        value = with_error(plain(lsf(position)), plain(lsf.error(position)))
        at.append(f"{value}{unit}" + (f" at {place:.6g}{where}" if lsf.order else ""))
    said = [
        f"{lsf.observations.n_objects} lines, polynomial of degree {lsf.order}",
        f"instrumental width  {', '.join(at)}",
        f"scatter of lines    {brief(plain(lsf.scatter))}{unit}",
    ]
    fraction, excess, scatter = lsf.blends
    if fraction:
        wider = f"wider by {brief(plain(excess))}{unit}, scatter {brief(plain(scatter))}{unit}"
        said.append(f"blends              {100 * fraction:.0f}% of the lines, {wider}")
    return "\n".join(said)
