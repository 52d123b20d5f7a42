"""Expectation maximisation in one dimension, step by step, for values with errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.events import ButtonClick
from bokeh.models import (
    Button,
    Column,
    ColumnDataSource,
    Div,
    RadioButtonGroup,
    Range1d,
    Row,
    Select,
)
from bokeh.plotting import figure
from matplotlib.colors import to_rgb

from xdgmm import datasets
from xdgmm.plotting.colours import BARS, COMPONENTS, CONVOLVED, HISTOGRAM, INTRINSIC

from .layouts import WIDTH, beside
from .scripts import callback

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST = 4  # components
FRAME = 440  # screen pixels of the frame of the curves
BINS = 40
SEED = 1
SCRIPTS = ("random.js", "mixture.js", "em.js", "em_page.js")


def _two_groups() -> tuple[Floats, Floats]:
    """Two narrow groups, which errors of 0.3 to 1.2 make one: 140 simulated values."""
    rng = np.random.default_rng(4)
    true = np.concatenate([rng.normal(-1.1, 0.45, 80), rng.normal(1.3, 0.55, 60)])
    errors = rng.uniform(0.3, 1.2, true.size)
    return true + errors * rng.normal(size=true.size), errors


def _bundled(name: str, column: str) -> tuple[Floats, Floats]:
    table = datasets.load(name)
    values, errors = (np.asarray(table[each].value, dtype=float) for each in (column, f"e_{column}"))
    known = errors > 0  # the masses of some neutron stars are known only together
    return values[known], errors[known]


def _described(values: Floats, errors: Floats, label: str) -> dict[str, Any]:
    """What the page needs to know of values: themselves, where curves are drawn, and the label of their axis."""
    low, high = (values - errors).min(), (values + errors).max()
    edges = np.linspace(low, high, BINS + 1)
    return {
        "values": values.tolist(),
        "errors": errors.tolist(),
        "label": label,
        "places": np.linspace(low, high, 301).tolist(),
        "edges": edges.tolist(),
    }


def data_sets() -> dict[str, dict[str, Any]]:
    """Names of the data sets, and what the page needs to know of each: ``values`` and their ``errors``, ..."""
    return {
        "two groups behind large errors": _described(*_two_groups(), "value"),
        "masses of neutron stars": _described(*_bundled("neutron_stars", "m"), "mass [solar masses]"),
        "velocities in Hydrus I": _described(*_bundled("hydrus1", "v"), "velocity [km/s]"),
    }


def _source(name: str, *columns: str) -> ColumnDataSource:
    """A source that JavaScript fills."""
    return ColumnDataSource({column: [] for column in columns}, name=f"em_{name}")


def _figure(name: str, title: str, **options: Any) -> Any:
    drawn = figure(name=f"em_{name}", title=title, tools=[], toolbar_location=None, **options)
    drawn.grid.visible = False
    drawn.axis.minor_tick_line_color = None
    drawn.min_border_left = 58
    drawn.min_border_right = 20
    return drawn


def build_em_lesson() -> Row:
    """Figures and widgets of expectation maximisation, with the values of the first data set."""
    sets = data_sets()
    first = next(iter(sets.values()))
    sources = {
        "components": _source("components", "weight", "mean", "variance"),
        "values": _source("values", "x", "y", "left", "right", "colour"),
        "histogram": _source("histogram", "left", "right", "top"),
        "component_curves": _source("component_curves", "xs", "ys", "colour"),
        "spikes": _source("spikes", "x", "colour"),
        "curves": _source("curves", "x", "intrinsic", "measured"),
        "trace": ColumnDataSource({"step": [0], "log_likelihood": [0.0]}, name="em_trace"),
    }
    plane = _figure(
        "plane",
        "True values (black), and measured ones (dashed, histogram)",
        frame_width=FRAME,
        frame_height=230,
        x_range=Range1d(first["places"][0], first["places"][-1]),
        y_range=Range1d(0.0, 1.0),
        y_axis_label="density",
    )
    plane.quad(
        left="left",
        right="right",
        bottom=0.0,
        top="top",
        source=sources["histogram"],
        fill_color=HISTOGRAM,
        line_color="white",
    )
    plane.patches(
        "xs", "ys", source=sources["component_curves"], fill_color="colour", fill_alpha=0.12, line_color="colour"
    )
    plane.ray(
        "x",
        0,
        length=0,
        angle=np.pi / 2,
        source=sources["spikes"],
        line_color="colour",
        line_width=3,
        line_dash="dashed",
    )
    plane.line("x", "intrinsic", source=sources["curves"], line_color=INTRINSIC, line_width=2.5)
    plane.line("x", "measured", source=sources["curves"], line_color=CONVOLVED, line_width=2.5, line_dash="dashed")
    strip = _figure(
        "strip",
        "Each value with its error, coloured by its memberships",
        frame_width=FRAME,
        frame_height=130,
        x_range=plane.x_range,
        y_range=Range1d(-0.05, 1.05),
        x_axis_label=first["label"],
    )
    strip.yaxis.visible = False
    strip.segment("left", "y", "right", "y", source=sources["values"], line_color=BARS)
    strip.scatter("x", "y", source=sources["values"], size=7, color="colour", line_color=None)
    trace = _figure(
        "likelihood",
        "Log-likelihood",
        frame_width=180,
        frame_height=230,
        x_axis_label="step",
        y_axis_label="lnL",
    )
    trace.line("step", "log_likelihood", source=sources["trace"], line_color=COMPONENTS[0])
    trace.scatter("step", "log_likelihood", source=sources["trace"], size=5, color=COMPONENTS[0])
    trace.xaxis.ticker.min_interval = 1

    data_set = Select(title="data", options=list(sets), value=next(iter(sets)), width=WIDTH, name="em_data_set")
    n_components = RadioButtonGroup(
        labels=[str(k + 1) for k in range(MOST)], active=1, width=WIDTH, name="em_n_components"
    )
    used = RadioButtonGroup(labels=["errors used", "ignored"], active=0, width=WIDTH, name="em_errors")
    half = (WIDTH - 10) // 2
    buttons = {
        "step": Button(label="Step", button_type="primary", width=half, name="em_step"),
        "run": Button(label="Run", width=half, name="em_run"),
        "restart": Button(label="Restart", width=half, name="em_restart"),
        "other": Button(label="Other start", width=half, name="em_other_start"),
        "singular": Button(label="A component on one value", width=WIDTH, name="em_singular"),
    }
    words = Div(width=WIDTH, name="em_words", disable_math=True)
    table = Div(name="em_table", disable_math=True)
    on_event = callback(
        *SCRIPTS,
        **sources,
        **buttons,
        data_set=data_set,
        n_components=n_components,
        used=used,
        plane=plane,
        strip=strip,
        words=words,
        table=table,
        data_sets=sets,
        palette=list(COMPONENTS[:MOST]),
        rgb=[list(to_rgb(colour)) for colour in COMPONENTS[:MOST]],
        seed=SEED,
    )
    data_set.js_on_change("value", on_event)
    n_components.js_on_change("active", on_event)
    used.js_on_change("active", on_event)
    for button in buttons.values():
        button.js_on_event(ButtonClick, on_event)
    plane.js_on_change("inner_width", on_event)  # once it has been laid out

    choices = Column(data_set, Div(text="components"), n_components, used)
    actions = Column(
        Row(buttons["step"], buttons["run"]), Row(buttons["restart"], buttons["other"]), buttons["singular"], words
    )
    pictures = Row(Column(plane, strip), Column(trace, table))
    return beside([choices, actions], pictures, name="em_lesson")
