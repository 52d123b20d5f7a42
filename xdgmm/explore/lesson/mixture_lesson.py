"""A mixture in the plane that is moved by hand: proportions, means, widths, and the error of the measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.events import ButtonClick, Pan, PanEnd, PanStart
from bokeh.models import (
    Button,
    Column,
    ColumnDataSource,
    Div,
    LinearColorMapper,
    Row,
    SaveTool,
    Slider,
)
from bokeh.palettes import Greys256
from bokeh.plotting import figure

from xdgmm.mixture import GaussianMixture
from xdgmm.plotting.colours import COMPONENTS, CONVOLVED, HISTOGRAM, INTRINSIC, NOISE

from .layouts import WIDTH, beside
from .scripts import callback

HALF = 5.0  # of the side of both planes, which are squares around zero
PIXELS = 101  # of the images, along each side
FRAME = 320  # screen pixels of each side
BORDER = (58, 16)  # screen pixels on the left and on the right of each frame
DOT = 3  # screen pixels of the side of a draw
BINS = 60
CORNER = -3.9  # where, in x and y, the circle of the error is centred
PLANES = ("intrinsic", "observed")
MOST_DRAWS = 5000
SEED = 1
NAMES = ("weight", "x", "y", "first", "second", "angle")
START = ((0.45, -1.9, -0.9, 1.1, 0.45, 0.5), (0.35, 1.9, 0.4, 0.9, 0.35, -0.7), (0.2, -0.3, 2.6, 0.5, 0.5, 0.0))
ADDED = ((-2.8, 2.4), (2.6, -2.6), (3.0, 3.0))  # means of the components beyond
MOST = len(START) + len(ADDED)
SCRIPTS = ("random.js", "mixture.js", "mixture_page.js")


@dataclass(frozen=True, eq=False)
class MixtureLesson:
    """Figures and widgets of a mixture that is moved by hand.

    Attributes
    ----------
    layout : Row
        All of them.
    components : ColumnDataSource
        What they show: ``weight``, ``x``, ``y`` (the mean), ``first``, ``second`` (standard deviations along the
        principal axes) and ``angle`` (of the first axis, in radians).  A server sees it change when a drag ends.
    error : Slider
        Standard deviation of the measurement, in x and y.
    n_draws : Slider
        How many objects are drawn.
    """

    layout: Row
    components: ColumnDataSource
    error: Slider
    n_draws: Slider

    @property
    def mixture(self) -> GaussianMixture:
        """The intrinsic distribution that is shown, in the columns ``x`` and ``y``."""
        columns = self.components.data
        weights, x, y, first, second, angle = (np.asarray(columns[name], dtype=float) for name in NAMES)
        cos, sin = np.cos(angle), np.sin(angle)
        axes = np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=-2)
        variances = np.stack([first, second], axis=-1)[:, None, :] ** 2
        covariances = (axes * variances) @ np.swapaxes(axes, 1, 2)
        return GaussianMixture(weights / weights.sum(), np.stack([x, y], axis=-1), covariances, names=["x", "y"])


def _source(name: str, *columns: str) -> ColumnDataSource:
    """A source that JavaScript fills."""
    return ColumnDataSource({column: [] for column in columns}, name=f"mixture_{name}")


def _image(name: str) -> ColumnDataSource:
    whole = {"x": [-HALF], "y": [-HALF], "dw": [2 * HALF], "dh": [2 * HALF]}
    return ColumnDataSource({"image": [np.zeros((PIXELS, PIXELS))], **whole}, name=f"mixture_{name}")


def _figure(name: str, title: str, **options: Any) -> Any:
    """A figure without tools that would take the drags for themselves."""
    drawn = figure(name=f"mixture_{name}", title=title, tools=[SaveTool()], x_axis_label="x", **options)
    drawn.toolbar.logo = None
    drawn.toolbar.autohide = True
    drawn.grid.visible = False
    drawn.min_border_left, drawn.min_border_right = BORDER
    drawn.axis.minor_tick_line_color = None
    return drawn


def _plane(name: str, title: str, **ranges: Any) -> Any:
    square = {"frame_width": FRAME, "frame_height": FRAME, "y_axis_label": "y", "toolbar_location": None}
    return _figure(name, title, **square, **ranges)


def build_mixture_lesson() -> MixtureLesson:
    """Figures and widgets of a mixture of three components."""
    start = dict(zip(NAMES, map(list, zip(*START, strict=True)), strict=True))
    components = ColumnDataSource(start, name="mixture_components")
    sources = {
        "handles": _source("handles", "x", "y", "k", "part", "marker", "colour", "size"),
        "stalks": _source("stalks", "x0", "y0", "x1", "y1", "colour"),
        "noise": _source("noise", "x", "y"),
        "draws": _source("draws", "true_x", "true_y", "x", "y", "component"),
        "curves": _source("curves", "x", "intrinsic", "observed"),
        "component_curves": _source("component_curves", "xs", "ys", "colour"),
    }
    images = [_image(f"{name}_density") for name in PLANES]
    ellipses = [_source(f"{name}_ellipses", "xs", "ys", "colour", "width") for name in PLANES]
    dots = [[_source(f"{name}_dots_{k}", "x", "y") for k in range(MOST)] for name in PLANES]
    edges = np.linspace(-HALF, HALF, BINS + 1)
    histogram = ColumnDataSource(
        {"left": edges[:-1].tolist(), "right": edges[1:].tolist(), "top": [0.0] * BINS}, name="mixture_histogram"
    )
    colours = LinearColorMapper(palette=Greys256[:80:-1], low=0.0, high=1.0)
    plane = _plane("plane", "True values: drag circles and squares", x_range=(-HALF, HALF), y_range=(-HALF, HALF))
    observed = _plane(
        "observed", "Observed values (grey circle: error, 1σ)", x_range=plane.x_range, y_range=plane.y_range
    )
    for panel, image, of_components, ellipse in zip((plane, observed), images, dots, ellipses, strict=True):
        panel.image("image", source=image, color_mapper=colours)
        for k, dot in enumerate(of_components):
            panel.line("x", "y", source=dot, line_color=COMPONENTS[k], line_width=DOT, line_alpha=0.55)
        panel.multi_line("xs", "ys", source=ellipse, line_color="colour", line_width="width")
    observed.multi_line(
        "xs", "ys", source=ellipses[0], line_color="colour", line_width="width", line_dash="dotted", alpha=0.7
    )
    observed.patch("x", "y", source=sources["noise"], fill_color=NOISE, fill_alpha=0.25, line_color=NOISE)
    plane.segment("x0", "y0", "x1", "y1", source=sources["stalks"], line_color="colour", line_width=1.2)
    plane.scatter(
        "x",
        "y",
        source=sources["handles"],
        size="size",
        marker="marker",
        fill_color="colour",
        line_color="white",
        line_width=1.5,
    )
    along = _figure(
        "along_x",
        "Along x: true (black), observed (dashed, histogram of the draws)",
        x_range=plane.x_range,
        frame_width=2 * FRAME + sum(BORDER),
        frame_height=170,
        y_axis_label="density",
        y_range=(0.0, 0.25),
        toolbar_location=None,
    )
    along.quad(
        left="left", right="right", bottom=0.0, top="top", source=histogram, fill_color=HISTOGRAM, line_color="white"
    )
    along.multi_line("xs", "ys", source=sources["component_curves"], line_color="colour", line_width=1.5)
    along.line("x", "intrinsic", source=sources["curves"], line_color=INTRINSIC, line_width=2.5)
    along.line("x", "observed", source=sources["curves"], line_color=CONVOLVED, line_width=2.5, line_dash="dashed")

    sliders = [
        Slider(
            title=f"P({k + 1})",
            start=0.0,
            end=1.0,
            step=0.01,
            value=start["weight"][k] if k < len(START) else 0.0,
            format="0.000",
            bar_color=COMPONENTS[k],
            visible=k < len(START),
            width=WIDTH,
            name=f"mixture_proportion_{k + 1}",
        )
        for k in range(MOST)
    ]
    error = Slider(
        title="measurement error σ, in x and y",
        start=0.0,
        end=2.0,
        step=0.05,
        value=0.6,
        width=WIDTH,
        name="mixture_error",
    )
    n_draws = Slider(title="draws", start=0, end=MOST_DRAWS, step=100, value=1000, width=WIDTH, name="mixture_n_draws")
    half = (WIDTH - 10) // 2
    more = Button(label="One more", width=half, name="mixture_more")
    fewer = Button(label="One fewer", width=half, name="mixture_fewer")
    seed = Button(label="Other draws", width=half, tags=[SEED], name="mixture_other_draws")
    again = Button(label="Start again", width=half, name="mixture_again")
    words = Div(width=WIDTH, name="mixture_words", disable_math=True)
    table = Div(name="mixture_table", disable_math=True)
    first, second = 0.7, 0.4
    added = [
        {"weight": 0.0, "x": x, "y": y, "first": first, "second": second, "angle": 0.0}
        for x, y in ((0.0, 0.0), (0.0, 0.0), *ADDED)
    ]
    on_event = callback(
        *SCRIPTS,
        **sources,
        components=components,
        images=images,
        dots=dots,
        ellipses=ellipses,
        histogram=histogram,
        colours=colours,
        plane=plane,
        along=along,
        sliders=sliders,
        error=error,
        n_draws=n_draws,
        more=more,
        fewer=fewer,
        seed=seed,
        again=again,
        words=words,
        table=table,
        grid=_centres(PIXELS).tolist(),
        places=np.linspace(-HALF, HALF, 301).tolist(),
        edges=edges.tolist(),
        palette=list(COMPONENTS[:MOST]),
        start=[dict(zip(NAMES, row, strict=True)) for row in START],
        added=added,
        corner=CORNER,
        dash=DOT * 2 * HALF / FRAME,
    )
    for widget in (*sliders, error, n_draws):
        widget.js_on_change("value", on_event)
    for button in (more, fewer, seed, again):
        button.js_on_event(ButtonClick, on_event)
    for event in (PanStart, Pan, PanEnd):
        plane.js_on_event(event, on_event)
    components.js_on_change("data", on_event)
    plane.js_on_change("inner_width", on_event)  # once it has been laid out

    heading = Div(text="<b>Proportions</b>: they always add up to 1", width=WIDTH)
    proportions = Column(heading, *sliders, Row(more, fewer))
    layout = beside(
        [proportions, Column(error, n_draws, Row(seed, again), words)],
        Column(Row(plane, observed), along, table),
        name="mixture_lesson",
    )
    return MixtureLesson(layout, components, error, n_draws)


def _centres(n: int) -> Any:
    """Centres of n equal pixels along one side."""
    edges = np.linspace(-HALF, HALF, n + 1)
    return (edges[:-1] + edges[1:]) / 2
