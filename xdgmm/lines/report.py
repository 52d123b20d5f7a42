"""Tables of lines: observed, instrumental, intrinsic; sigma and FWHM; in the unit given and in km/s."""

import numpy as np

from xdgmm.widths.rendering import TEXT_WIDTH, brief, with_error
from xdgmm.widths.table import FWHM

from . import inputs

TINY = 1e-9
SHOWN = 20  # rows that are printed
DESCRIPTIONS = {
    "observed_{}": "{} as observed, the instrument's width in it",
    "observed_{}_error": "1-sigma error of the observed {}",
    "instrumental_{}": "{} of the instrument",
    "intrinsic_{}": "intrinsic {}; 0 where the line is not wider than the instrument",
    "intrinsic_{}_error": "1-sigma error of the intrinsic {}",
    "intrinsic_{}_low": "lower end of the {level}% interval of the intrinsic {}",
    "intrinsic_{}_high": "upper end of the {level}% interval of the intrinsic {}",
    "intrinsic_{}_limit": "{limit_level}% upper limit on the intrinsic {}",
}
DESCRIPTIONS_TOGETHER = {
    "observed_{}": "median {} as observed",
    "instrumental_{}": "median {} of the instrument",
    "intrinsic_{}": "{} of the mean intrinsic variance; 0 where that is not positive",
    "intrinsic_{}_low": "lower end of the {level}% interval of the intrinsic {}",
    "intrinsic_{}_high": "upper end of the {level}% interval of the intrinsic {}",
    "intrinsic_{}_limit": "{limit_level}% upper limit on the intrinsic {}",
    "intrinsic_{}_scatter": "scatter of the intrinsic {} between lines",
    "intrinsic_{}_scatter_limit": "{limit_level}% upper limit on this scatter",
}
WIDTHS = {"sigma": ("standard deviation", 1.0), "fwhm": ("full width at half maximum", FWHM)}


def table_of(widths, level, limit_level):
    """The QTable of `IntrinsicWidths.table`."""
    from astropy.table import QTable

    meta = {"level": level, "limit_level": limit_level, "sentence": sentence(widths)}
    table = QTable(meta=meta)
    columns = _columns(widths, level, limit_level)
    percent = {"level": f"{100 * level:.4g}", "limit_level": f"{100 * limit_level:.4g}"}
    for measure, (words, factor) in WIDTHS.items():
        for name, numbers in columns.items():
            described = DESCRIPTIONS[name].format(words, **percent)
            _add(table, name.format(measure), factor * numbers, described)
    _add(table, "intrinsic_variance", np.atleast_1d(widths.variance).ravel(), "observed less instrumental variance")
    _add(table, "intrinsic_variance_error", np.atleast_1d(widths.variance_err).ravel(), "its 1-sigma error")
    _add(table, "resolved_pvalue", np.atleast_1d(widths.resolved_pvalue).ravel(), _PVALUE)
    _add(table, "is_limit", np.atleast_1d(widths.is_limit).ravel(), "is the line consistent with no width of its own?")
    if widths.rest is not None:
        _add_velocities(table, DESCRIPTIONS, _velocity_scales(widths), widths.convention)
    return table


_PVALUE = "probability of a width as large as this from a line without width of its own"


def _columns(widths, level, limit_level):
    """Sigmas by the names of their columns, each one row per line."""
    low, high = widths.interval(level)
    quantities = {
        "observed_{}": widths.observed,
        "observed_{}_error": widths.observed_err,
        "instrumental_{}": widths.instrumental,
        "intrinsic_{}": widths.sigma,
        "intrinsic_{}_error": widths.sigma_err,
        "intrinsic_{}_low": low,
        "intrinsic_{}_high": high,
        "intrinsic_{}_limit": widths.upper_limit(limit_level),
    }
    return {name: np.atleast_1d(quantity).ravel() for name, quantity in quantities.items()}


def _add(table, name, column, description):
    from astropy.table import Column, MaskedColumn

    if getattr(column, "unit", None) is None:
        column = MaskedColumn(column) if isinstance(column, np.ma.MaskedArray) else Column(column)
    table[name] = column
    table[name].info.description = description


def _velocity_scales(widths):
    """How many km/s a width of one unit is, for each line."""
    from astropy.units import Unit

    scale = np.ravel(np.broadcast_to(inputs.velocity_scale(widths.unit, widths.rest), widths.observed_sigma.shape))
    return scale * (Unit("km/s") / widths.unit)


def _add_velocities(table, names, scales, convention):
    """Every sigma and FWHM once more, in km/s."""
    for measure in WIDTHS:
        for name in names:
            column = table[name.format(measure)]
            description = f"{column.info.description}, {convention} velocities"
            _add(table, f"{name.format(measure)}_kms", (column * scales).to("km/s"), description)


def sentence(widths):
    """How many lines there are, how many are resolved, and where velocities come from."""
    seen = widths.seen
    words = [f"{widths.n_resolved} of {seen.sum()} lines are resolved (p < 0.05)"]
    if not seen.all():
        words.append(f"{(~seen).sum()} without a width")
    error = np.unique(widths.lsf_error[seen])
    if error.any():
        size = f"{100 * error[0]:.3g}%" if error.size == 1 else "its own for each line"
        words.append(f"error of the instrument's width: {size}{', shared by all lines' if widths.shared else ''}")
    scatter = np.unique(widths.lsf_scatter[seen])
    if scatter.any():
        size = f"{100 * scatter[0]:.3g}%" if scatter.size == 1 else "its own for each line"
        words.append(
            f"its scatter between lines: {size}" if error.any() else f"scatter of the instrument's width: {size}"
        )
    if widths.rest is not None:
        words.append(f"velocities by the {widths.convention} convention")
    return "; ".join(words)


def as_text(widths):
    """The table as people read it."""
    import io

    from rich.console import Console

    stream = io.StringIO()
    console = Console(file=stream, width=TEXT_WIDTH, highlight=False, emoji=False, color_system=None)
    console.print(rich_table(widths))
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().splitlines())


def rich_table(widths):
    """A `rich.table.Table`: observed, instrumental and intrinsic sigma, FWHM, p-value; limits as limits."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    unit = "" if widths.unit is None else f"\n\\[{str(widths.unit).replace(' ', '')}]"
    table = Table(
        box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), caption=sentence(widths), caption_justify="left"
    )
    headings = [f"{words}{unit}" for words in ("observed\nσ", "instrumental\nσ", "intrinsic\nσ", "intrinsic\nFWHM")]
    velocities = [] if widths.rest is None else [f"{w}\n\\[km/s]" for w in ("intrinsic\nσ", "intrinsic\nFWHM")]
    for heading in ("\nline", *headings, *velocities, "resolved?\np"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in _rows_shown(len(widths)):
        table.add_row(*(["..."] * len(table.columns) if row is None else _cells(widths, row)))
    return table


def _rows_shown(n_lines):
    if n_lines <= SHOWN:
        return range(n_lines)
    half = SHOWN // 2
    return [*range(half), None, *range(n_lines - half, n_lines)]


def _cells(widths, row):
    one = widths.line(row)
    if not one.seen:
        return [str(row), "none"]
    lsf = float(one.instrumental_sigma)
    width, limit = (_plain(one.sigma), _plain(one.sigma_err)), _plain(one.upper_limit())
    scales = [1.0, FWHM]
    if one.rest is not None:
        kms = float(inputs.velocity_scale(one.unit, one.rest))
        scales += [kms, FWHM * kms]
    p = float(one.resolved_pvalue)
    return [
        str(row),
        with_error(float(one.observed_sigma), float(one.observed_sigma_error)),
        with_error(lsf, lsf * float(one.instrumental_error)),
        *(_intrinsic(*(scale * number for number in (*width, limit)), is_limit=bool(one.is_limit)) for scale in scales),
        _rounded(p).removeprefix("= "),
    ]


def _rounded(p):
    """A probability; far out in the tail nobody knows it better than that it is tiny."""
    if p >= 0.001:
        return f"= {p:.3f}"
    return f"= {p:.0e}" if p >= TINY else f"< {TINY:.0e}"


def _plain(quantity):
    return float(getattr(quantity, "value", quantity))


def _intrinsic(value, error, limit, *, is_limit):
    return f"<{brief(limit)} (95%)" if is_limit else with_error(value, error)


def population_table(population, level, limit_level):
    """The QTable of `Population.table`."""
    from astropy.table import QTable

    widths = population.widths
    percent = {"level": f"{100 * level:.4g}", "limit_level": f"{100 * limit_level:.4g}"}
    counts = {"n_lines": len(population), "n_resolved": widths.n_resolved}
    table = QTable(rows=[counts], meta={"level": level, "limit_level": limit_level, "sentence": sentence(widths)})
    for measure, (words, factor) in WIDTHS.items():
        for name, number in _of_population(population, level, limit_level).items():
            described = DESCRIPTIONS_TOGETHER[name].format(words, **percent)
            _add(table, name.format(measure), np.atleast_1d(factor * number), described)
    scatter = population.scatter, *population.scatter_interval(level), population.scatter_limit(limit_level)
    others = {
        "mean_variance": (population.mean_variance, "mean of the intrinsic variances, signed"),
        "mean_variance_error": (population.mean_variance_err, "its 1-sigma error"),
        "resolved_pvalue": (population.resolved_pvalue, "probability of widths as large as these from lines of none"),
        "is_limit": (population.is_limit, "are the lines together consistent with no width of their own?"),
        "scatter": (scatter[0], "intrinsic standard deviation of the variances"),
        "scatter_low": (scatter[1], f"lower end of its {percent['level']}% interval"),
        "scatter_high": (scatter[2], f"upper end of its {percent['level']}% interval"),
        "scatter_limit": (scatter[3], f"{percent['limit_level']}% upper limit on it"),
    }
    for name, (number, described) in others.items():
        _add(table, name, np.atleast_1d(number), described)
    if widths.rest is not None and np.ptp(np.atleast_1d(widths.rest).value) == 0:
        _add_velocities(table, DESCRIPTIONS_TOGETHER, _velocity_scales(widths)[:1], widths.convention)
    return table


def _of_population(population, level, limit_level):
    """Sigmas by the names of their columns."""
    widths = population.widths
    low, high = population.interval(level)
    seen = widths.seen
    unit = 1 if widths.unit is None else widths.unit
    return {
        "observed_{}": np.median(widths.observed_sigma[seen]) * unit,
        "instrumental_{}": np.median(widths.instrumental_sigma[seen]) * unit,
        "intrinsic_{}": population.sigma,
        "intrinsic_{}_low": low,
        "intrinsic_{}_high": high,
        "intrinsic_{}_limit": population.upper_limit(limit_level),
        "intrinsic_{}_scatter": population.sigma_scatter,
        "intrinsic_{}_scatter_limit": population.sigma_scatter_limit(limit_level),
    }


def population_text(population):
    """A `Population` in a few lines: observed, instrumental, intrinsic."""
    widths = population.widths
    unit = "" if widths.unit is None else f" {str(widths.unit).replace(' ', '')}"
    seen = widths.seen
    low, high = (_plain(end) for end in population.interval())
    sigma, limit = _plain(population.sigma), _plain(population.upper_limit())
    mean = _intrinsic(sigma, 0.5 * (high - low), limit, is_limit=population.is_limit)
    p = _rounded(population.resolved_pvalue)
    squared = unit and f" ({unit.strip()})^2"
    fwhm = _intrinsic(FWHM * sigma, FWHM * 0.5 * (high - low), FWHM * limit, is_limit=population.is_limit)
    low, high = (_plain(end) for end in population.scatter_interval())
    scatter = f"{brief(_plain(population.scatter))} (68%: {brief(low)} to {brief(high)})"
    in_sigma = f"{brief(_plain(population.sigma_scatter))}{unit}"
    if low == 0:
        scatter = f"<{brief(_plain(population.scatter_limit()))} (95%)"
        in_sigma = f"<{brief(_plain(population.sigma_scatter_limit()))}{unit} (95%)"
    said = [
        f"{len(population)} lines, {widths.n_resolved} of them resolved one by one",
        f"observed sigma      median {np.median(widths.observed_sigma[seen]):.4g}{unit}",
        f"instrumental sigma  median {np.median(widths.instrumental_sigma[seen]):.4g}{unit}",
        f"intrinsic sigma     {mean}{unit}, FWHM {fwhm}{unit} (of the mean variance; p {p})",
        f"intrinsic scatter   {in_sigma}; of the variances {scatter}{squared}",
    ]
    if population.mean_shift:
        part = population.mean_shift / _plain(population.mean_variance_err)
        said.append(f"the error of the instrument's width makes {100 * part**2:.0f}% of the squared error of the mean")
    return "\n".join(said)


def instrument_text(lsf):
    """An `InstrumentWidth` in a few lines."""
    where = "" if lsf.position_unit is None else f" {lsf.position_unit}"
    unit = "" if lsf.unit is None else f" {lsf.unit}"
    at = []
    for place in np.linspace(*lsf.span, 3) if lsf.order else [np.mean(lsf.span)]:
        position = place if lsf.position_unit is None else place * lsf.position_unit
        value = with_error(_plain(lsf(position)), _plain(lsf.error(position)))
        at.append(f"{value}{unit}" + (f" at {place:.6g}{where}" if lsf.order else ""))
    said = [
        f"{lsf.observations.n_objects} lines, polynomial of degree {lsf.order}",
        f"instrumental width  {', '.join(at)}",
        f"scatter of lines    {brief(_plain(lsf.scatter))}{unit}",
    ]
    fraction, excess, scatter = lsf.blends
    if fraction:
        wider = f"wider by {brief(_plain(excess))}{unit}, scatter {brief(_plain(scatter))}{unit}"
        said.append(f"blends              {100 * fraction:.0f}% of the lines, {wider}")
    return "\n".join(said)
