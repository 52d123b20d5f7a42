"""The linked panels of the second tab: one source of objects, which every panel draws in its own way."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.models import (
    BoxSelectTool,
    CDSView,
    Column,
    ColumnDataSource,
    HoverTool,
    IndexFilter,
    Legend,
    LegendItem,
    PointDrawTool,
    Range1d,
    Row,
    Spacer,
)
from bokeh.plotting import figure

from xdgmm.plotting.colours import CONVOLVED, HISTOGRAM, INTRINSIC, component_colour
from xdgmm.plotting.densities import sharp_components
from xdgmm.plotting.inputs import typical_noise
from xdgmm.plotting.labels import is_right_ascension
from xdgmm.plotting.two_dimensions import ellipse

from . import views
from .escaping import as_label
from .fit_state import called, hard_colours, hard_labels, matched, names_of_objects, soft_colours, standard_errors
from .fit_tasks import MANY

if TYPE_CHECKING:
    from collections.abc import Callable

    from bokeh.models import GlyphRenderer, LayoutDOM
    from numpy.typing import NDArray

    from xdgmm.mixture import GaussianMixture

    from .fit_state import FitState

    Floats = NDArray[np.float64]

WIDTH, HEIGHT = 350, 326  # pixels of a panel of two columns; those of one column are wider and lower
WIDE, LOW = 528, 290
BORDER = 58  # left of the frames of one column, so that they stand below each other
MOST_BARS = 400  # objects whose error bars are drawn in the plane
MOST_MOVING = 5000  # objects that are drawn while a fit runs
MARK_AT = 0.045  # of the height: where means of one column are dragged
HEADROOM, CROPPED = 1.18, 2.5  # above the highest curve; of measured values, beyond which intrinsic ones are cut off
TOOLS = "pan,wheel_zoom,box_select,lasso_select,tap,reset"
GREY, SELECTED, BAD = 0x969696FF, "#D81B60", "#C2185B"
CHOICES = ("soft", "hard")  # how objects are coloured
OF_FIT = "as measured, coloured by component"
OF_TRUTH = "true values, as the mixture expects them"
OF_KMEANS = "k-means beside it: no errors, no widths"


class Panels:
    """The panels of one data set and two of its columns, or of its only one.

    Parameters
    ----------
    state : FitState
    places : tuple of int
        The columns that are shown: one or two.
    on_means : callable
        Is given the means (K, n) in these columns while the user drags them.
    on_selection : callable
        Is given the rows that the user selects.

    Attributes
    ----------
    layout : LayoutDOM
    objects : ColumnDataSource
        One row for each object, which all panels share; only a number where there are too many to be drawn.
    """

    def __init__(
        self,
        state: FitState,
        places: tuple[int, ...],
        on_means: Callable[[Floats], None],
        on_selection: Callable[[list[int]], None],
    ) -> None:
        self.state, self.places, self._on_means = state, places, on_means
        self.coloured = "soft"
        observations = state.observations
        self.many = observations.n_objects > MANY
        self._columns = [views.measured(observations, place) for place in places]
        self._selected = np.empty(0, dtype=np.intp)
        self._on_selection = on_selection
        n = observations.n_objects
        self._has_bars = len(places) == 1 or (n <= MOST_BARS and self._noise() is not None)
        self.objects = ColumnDataSource(name="fit_objects", data={} if self.many else self._measured())
        self._some = np.sort(np.random.default_rng(0).permutation(n)[:MOST_MOVING]).tolist()
        self._drawn = IndexFilter()  # which draws all
        self._view = CDSView(filter=self._drawn)
        self._sent: dict[str, Any] = {}  # what the objects were coloured by
        self.means = ColumnDataSource(name="fit_means", data={"x": [], "y": [], "colour": [], "k": []})
        self.bad = ColumnDataSource(data={"x": [], "y": []})
        self._quiet = False
        self._figures: list[Any] = []
        self._hovers: list[HoverTool] = []
        self._images: dict[str, ColumnDataSource] = {}
        self._sides: tuple[tuple[float, float], tuple[float, float]] = (0.0, 1.0), (0.0, 1.0)
        self._of_images: dict[str, tuple[list[Floats], Any]] = {}
        self.layout = self._plane() if len(places) == 2 else self._line()
        self.means.on_change("data", self._dragged)
        self.objects.selected.on_change("indices", self._taken)

    def discard(self) -> None:
        """Give up names and objects: the browser may keep the models of panels that are not shown any more."""
        for model in self.layout.references():
            model.name = None
            if isinstance(model, ColumnDataSource):
                model.data = {name: [] for name in model.data}

    # What was measured.

    def _measured(self) -> dict[str, Any]:
        """The columns of the source that no mixture changes."""
        state, observations = self.state, self.state.observations
        n, errors = len(observations), standard_errors(self.state.observations)
        data: dict[str, Any] = {"name": [as_label(name) for name in names_of_objects(state.data)]}
        for i in range(observations.n_dimensions):
            data[f"v{i}"] = views.measured(observations, i)
            data[f"e{i}"] = errors[:, i]
        for axis, place in zip("xy", self.places, strict=False):
            data[axis], data[f"t{axis}"] = self._columns["xy".index(axis)], np.full(n, np.nan)
            if self._has_bars:
                data[f"{axis}low"], data[f"{axis}high"] = data[axis] - errors[:, place], data[axis] + errors[:, place]
                data[f"t{axis}low"] = data[f"t{axis}high"] = data[f"t{axis}"]
        if len(self.places) == 1:
            order = np.argsort(self._columns[0], kind="stable")
            rank = np.empty(n)
            rank[order] = np.arange(n)
            data["y"] = data["ty"] = rank
        return {**data, "fit": np.full(n, GREY, np.uint32), "kmeans": np.full(n, GREY, np.uint32)}

    def _label(self, place: int) -> str:
        name, unit = self.state.observations.names[place], self.state.observations.units[place]
        return as_label(name if unit is None or not str(unit) else f"{name} [{unit}]")

    def _range(self, place: int, values: Floats) -> Range1d:
        low, high = views.range_of(values)
        if is_right_ascension(self.state.observations.names[place], self.state.observations.units[place]):
            low, high = high, low
        return Range1d(low, high, bounds=None)

    # Figures.

    def _figure(self, name: str, title: str, **options: Any) -> Any:
        panel = figure(
            name=name, title=title, tools=TOOLS, toolbar_location="right", output_backend="canvas", **options
        )
        panel.toolbar.logo = None
        panel.title.text_font_style = "normal"
        panel.grid.grid_line_color = "#EEEEEE"
        panel.min_border_left = BORDER if len(self.places) == 1 else None
        panel.toolbar.active_drag = panel.select_one(BoxSelectTool)
        self._figures.append(panel)
        return panel

    def _points(self, panel: Any, x: str, y: str, colour: str, size: float) -> GlyphRenderer:
        """The objects in a panel, with what is said of them under the mouse."""
        points = panel.scatter(
            x, y, source=self.objects, view=self._view, size=size, color=colour, fill_alpha=0.8, line_color=None,
            nonselection_fill_alpha=0.12, selection_line_color="#111111", selection_fill_alpha=1.0,
        )  # fmt: skip
        hover = HoverTool(renderers=[points], point_policy="snap_to_data", attachment="right")
        panel.add_tools(hover)
        self._hovers.append(hover)
        return points

    def _bars(
        self, panel: Any, low: str, high: str, at: str, *, vertical: bool = False, colour: Any = "#BDBDBD"
    ) -> Any:
        ends = (at, low, at, high) if vertical else (low, at, high, at)
        line = {"line_color": colour, "line_width": 1.0, "line_alpha": 0.75}
        bars = panel.segment(*ends, source=self.objects, view=self._view, **line)
        bars.nonselection_glyph = bars.glyph.clone(line_alpha=0.15)
        return bars

    def _plane(self) -> LayoutDOM:
        """Three panels of two columns: as measured, as expected, and what k-means makes of them."""
        x, y = (self._range(place, each) for place, each in zip(self.places, self._columns, strict=True))
        self._sides = (x.start, x.end), (y.start, y.end)
        shared = {"x_range": x, "y_range": y, "width": WIDTH, "height": HEIGHT}
        named = {"measured": OF_FIT, "true": OF_TRUTH, "clusters": OF_KMEANS}
        panels = {name: self._figure(name, title, **shared) for name, title in named.items()}
        for panel in panels.values():
            panel.xaxis.axis_label, panel.yaxis.axis_label = (self._label(place) for place in self.places)
        sources = {"measured": ("x", "y", "fit"), "true": ("tx", "ty", "fit"), "clusters": ("x", "y", "kmeans")}
        n = self.state.observations.n_objects
        for name, (across, up, colour) in sources.items():
            panel = panels[name]
            if self.many:
                self._images[name] = self._image(panel, x, y)
                continue
            if name != "clusters" and self._has_bars:
                self._bars(panel, f"{across}low", f"{across}high", up)
                self._bars(panel, f"{up}low", f"{up}high", across, vertical=True)
            self._points(panel, across, up, colour, 7 if n < 1000 else 5 if n < 10_000 else 3)
        self.ellipses = {name: self._ellipses(panels[name]) for name in ("measured", "true")}
        self._typical_error(panels["measured"], x, y)
        self._draggable(panels["measured"])
        return Row(children=list(panels.values()), spacing=6)

    def _image(self, panel: Any, x: Range1d, y: Range1d) -> ColumnDataSource:
        """An image of many objects, over one of those that are selected."""
        empty = np.zeros((2, 2), dtype=np.uint32)
        source = ColumnDataSource(data={"all": [empty], "selected": [empty]})
        place = {"x": min(x.start, x.end), "y": min(y.start, y.end), "dw": abs(x.end - x.start)}
        place["dh"] = abs(y.end - y.start)
        for which in ("all", "selected"):
            panel.image_rgba(which, source=source, level="image", **place)
        panel.on_event("selectiongeometry", partial(self._taken_from_image, panel.name))
        return source

    def _noise(self) -> Floats | None:
        observations = self.state.observations
        if observations.projections is not None:
            return None
        return typical_noise(observations.select(observations.counts), self.places)

    def _typical_error(self, panel: Any, x: Range1d, y: Range1d) -> None:
        """The ellipse of a typical object's noise, in a corner."""
        noise = self._noise()
        if noise is None:
            return
        reach = np.sqrt(np.diagonal(noise))
        corner = np.array([x.start, y.start]) + np.sign([x.end - x.start, y.end - y.start]) * 1.35 * reach
        if (2 * reach > 0.3 * np.abs([x.end - x.start, y.end - y.start])).any():
            return
        edge = ellipse(corner, noise)
        patch = panel.patch(*edge, fill_color="#444444", fill_alpha=0.35, line_color="#444444")
        self._legend(panel, [("typical error", [patch])], "top_right")

    def _ellipses(self, panel: Any) -> ColumnDataSource:
        source = ColumnDataSource(data={"xs": [], "ys": [], "colour": [], "width": []})
        panel.multi_line("xs", "ys", source=source, line_color="colour", line_width="width")
        return source

    def _draggable(self, panel: Any) -> None:
        """The means, which can be dragged, and a mark around components that collapse."""
        marks = panel.scatter(
            "x", "y", source=self.means, marker="circle_cross", size=17, fill_color="colour", fill_alpha=0.9,
            line_color="white", line_width=1.8, nonselection_fill_alpha=0.9, nonselection_line_alpha=1.0,
        )  # fmt: skip
        panel.scatter(
            "x", "y", source=self.bad, marker="circle", size=34, fill_color=None, line_color=BAD, line_width=3.5
        )
        tool = PointDrawTool(renderers=[marks], add=False, description="drag the means")
        panel.add_tools(tool)
        panel.toolbar.active_drag, panel.toolbar.active_multi = None, tool

    def _line(self) -> LayoutDOM:
        """Four panels of one column: densities, objects with error bars as measured and as expected, and k-means."""
        x = self._range(self.places[0], self._columns[0])
        label, n = self._label(self.places[0]), self.state.observations.n_objects
        shared = {"x_range": x, "width": WIDE}
        density = self._figure("measured", "densities; drag a mean to start there", height=LOW + 40, **shared)
        density.y_range = Range1d(0.0, 1.0)
        density.yaxis.axis_label = "density"
        self._densities(density)
        rank = Range1d(-0.04 * n - 0.5, 1.04 * n - 0.5)
        titles = {"bars": f"objects, {OF_FIT}", "true": OF_TRUTH, "clusters": OF_KMEANS}
        sources = {"bars": ("x", "fit"), "true": ("tx", "fit"), "clusters": ("x", "kmeans")}
        panels = [density]
        for name, title in {} if self.many else titles.items():
            panel = self._figure(name, title, y_range=rank, height=LOW + 40 if name == "bars" else LOW, **shared)
            panel.yaxis.visible, panel.ygrid.visible = False, False
            across, colour = sources[name]
            low, high = ("tx", "tx") if name == "true" else ("x", "x")
            self._bars(panel, f"{low}low", f"{high}high", "y", colour="fit" if name == "true" else "#BDBDBD")
            self._points(panel, across, "y", colour, 8 if n < 80 else 5 if n < 1000 else 3)
            panels.append(panel)
        for panel in panels:
            panel.xaxis.axis_label = label
        rows = [Row(children=panels[i : i + 2], spacing=6) for i in range(0, len(panels), 2)]
        return Column(children=rows)

    def _densities(self, panel: Any) -> None:
        """Histogram, that of the selected objects, and curves."""
        self._ends = views.range_of(self._columns[0])
        self._histogram = views.histogram(self.state.observations, self.places[0], self._ends)
        edges, heights = self._histogram
        sides = {"left": edges[:-1], "right": edges[1:], "bottom": 0}
        bars = panel.quad(top=heights, fill_color=HISTOGRAM, line_color=None, **sides)
        nothing = np.zeros(len(heights))
        self._part = ColumnDataSource(name="fit_part", data={"left": edges[:-1], "right": edges[1:], "top": nothing})
        panel.quad("left", "right", "top", 0, source=self._part, fill_color=SELECTED, fill_alpha=0.45, line_color=None)
        self._curves = ColumnDataSource(name="fit_curves", data={"x": [], "intrinsic": [], "observed": []})
        self._parts = ColumnDataSource(name="fit_parts", data={"xs": [], "ys": [], "colour": []})
        parts = panel.multi_line("xs", "ys", source=self._parts, line_color="colour", line_width=1.8)
        observed = panel.line("x", "observed", source=self._curves, line_color=CONVOLVED, line_dash="6 4", line_width=2)
        intrinsic = panel.line("x", "intrinsic", source=self._curves, line_color=INTRINSIC, line_width=2.2)
        self.widths = ColumnDataSource(data={"low": [], "high": [], "y": [], "colour": []})
        panel.segment("low", "y", "high", "y", source=self.widths, line_color="colour", line_width=4, line_alpha=0.8)
        items = [
            ("as measured", [bars]),
            ("mixture with the errors", [observed]),
            ("intrinsic mixture", [intrinsic]),
            ("its components", [parts]),
        ]
        self._of_parts = self._legend(panel, items)[-1]
        self._draggable(panel)
        panel.on_event("selectiongeometry", self._taken_from_histogram)

    def _legend(self, panel: Any, items: list[tuple[str, Any]], location: str = "") -> list[LegendItem]:
        """A legend inside the frame, or above it."""
        entries = [LegendItem(label=label, renderers=renderers) for label, renderers in items]
        legend = Legend(items=entries, label_text_font_size="11px", padding=3, spacing=8, margin=2)
        legend.border_line_color, legend.background_fill_alpha = None, 0.6
        if location:
            legend.location = location
            panel.add_layout(legend)
        else:
            legend.orientation, legend.location = "horizontal", "top_left"
            legend.glyph_width, legend.label_standoff = 16, 3
            panel.add_layout(legend, "above")
        return entries

    # What a mixture changes.

    def show_mixture(self, mixture: GaussianMixture | None, bad: int | None = None) -> None:
        """Draw a mixture; `bad` is the component that collapses."""
        if mixture is None:
            return
        colours = [component_colour(k) for k in range(mixture.n_components)]
        if len(self.places) == 2:
            x, y = self.places
            edges = [*views.ellipses(mixture, x, y, 1.0), *views.ellipses(mixture, x, y, 2.0)]
            of_lines = {"colour": colours * 2, "width": [2.4] * len(colours) + [1.2] * len(colours)}
            lines = {"xs": [edge[0] for edge in edges], "ys": [edge[1] for edge in edges]}
            for source in self.ellipses.values():
                source.data = {**lines, **of_lines}
            up = mixture.means[:, y]
        else:
            up = self._show_curves(mixture, colours)
        means: dict[str, Any] = {
            "x": mixture.means[:, self.places[0]],
            "y": up,
            "colour": colours,
            "k": list(range(len(colours))),
        }
        self._show_means(means)
        marked = [] if bad is None else [bad]
        self.bad.data = {axis: [means[axis][k] for k in marked] for axis in "xy"}

    def _show_means(self, means: dict[str, Any]) -> None:
        self._quiet = True
        self.means.data = {name: list(each) for name, each in means.items()}
        self._quiet = False

    def _show_curves(self, mixture: GaussianMixture, colours: list[str]) -> Floats:
        """The curves of one column; returns the height at which its means are dragged."""
        place, K = self.places[0], mixture.n_components
        found = views.curves(mixture, self.state.observations, place, self._ends)
        self._curves.data = {"x": found.x, "intrinsic": found.intrinsic, "observed": found.observed}
        alone = K == 1
        measured = self._histogram.heights.max(initial=0.0)
        if self.state.with_errors:
            measured = max(measured, found.observed.max(initial=0.0))
        measured = measured or 1.0
        lines = [] if alone else [(found.x, y, colours[k]) for k, y in enumerate(found.components)]
        top = np.array([0.0, 2.0 * HEADROOM * CROPPED * measured])  # of lines, as the package's pictures have them
        sharp = np.flatnonzero(sharp_components(mixture, place, self._ends))
        lines += [(np.full(2, mixture.means[k, place]), top, colours[k]) for k in sharp]
        xs, ys, of_lines = ([line[i] for line in lines] for i in range(3))
        self._of_parts.visible = bool(lines)
        self._parts.data = {"xs": xs, "ys": ys, "colour": of_lines}
        highest = max(measured, min(found.intrinsic.max(initial=0.0), CROPPED * measured))
        panel = self._figures[0]
        panel.y_range.end = HEADROOM * highest
        foot = np.full(K, MARK_AT * HEADROOM * highest)
        mean, sigma = mixture.means[:, place], mixture.sigmas[:, place]
        self.widths.data = {"low": mean - sigma, "high": mean + sigma, "y": foot, "colour": colours}
        return foot

    def draw_some(self, *, some: bool) -> None:
        """Draw some of the objects, chosen at random, where there are many: a picture that moves must be quick."""
        if not self.many and self.state.observations.n_objects > MOST_MOVING and some != self.draws_some:
            self._drawn.indices = self._some if some else None

    @property
    def draws_some(self) -> bool:
        """Are only some of the objects drawn now?"""
        return self._drawn.indices is not None

    @property
    def drawn_in_words(self) -> str:
        """Which objects are drawn, where these are not all."""
        if not self.draws_some:
            return ""
        n = self.state.observations.n_objects
        return f"{MOST_MOVING} of {n} objects are drawn, and can be selected, until it stops"

    def show_objects(self, *, details: bool) -> None:
        """Colour the objects by the mixture on its way; with details also what the mouse says of each."""
        shown, state = self.state.shown, self.state
        if shown is None or shown.objects is None:
            return
        objects = shown.objects
        given = {"objects": objects, "labels": state.labels, "coloured": self.coloured}
        if not details and all(self._sent.get(name) is each for name, each in given.items()):
            return  # nothing is new
        self._sent = given
        K, labels = shown.mixture.n_components, hard_labels(objects.memberships)
        colours = soft_colours(objects.memberships) if self.coloured == "soft" else hard_colours(labels, K)
        beside = None
        if state.labels is not None:
            clusters = matched(state.labels, state.observations.values, shown.mixture.means)
            beside = hard_colours(clusters, K)
        true = [objects.true_values[:, place] for place in self.places]
        if self.many:
            self._show_images(colours, beside, true)
            return
        data: dict[str, Any] = {"fit": views.packed(colours)}
        if beside is not None and not np.array_equal(of_clusters := views.packed(beside), self.objects.data["kmeans"]):
            data["kmeans"] = of_clusters
        for axis, place, each in zip("xy", self.places, true, strict=False):
            data[f"t{axis}"] = each
            if self._has_bars:
                error = objects.true_errors[:, place]
                data |= {f"t{axis}low": each - error, f"t{axis}high": each + error}
        if details:
            for i in range(state.observations.n_dimensions):
                data |= {f"true{i}": objects.true_values[:, i], f"trueerror{i}": objects.true_errors[:, i]}
            data |= {f"m{k}": objects.memberships[:, k] for k in range(K)}
            self._describe(K)
        self.objects.data.update(data)

    def _describe(self, n_components: int) -> None:
        """What the mouse shows of an object: its values with their errors, and what the mixture says of it."""
        names = [as_label(name) for name in self.state.observations.names]
        rows, formats = [("object", "@name")], dict[str, str]()
        for i, name in enumerate(names):
            rows.append((name, f"@v{i}{{%.5g}} ± @e{i}{{%.2g}}"))
            rows.append((f"true {name}", f"@true{i}{{%.5g}} ± @trueerror{i}{{%.2g}}"))
            formats |= {f"@{column}{i}": "printf" for column in ("v", "e", "true", "trueerror")}
        rows.append(("membership", ", ".join(f"{called(k)}: @m{k}{{0.00}}" for k in range(n_components))))
        for hover in self._hovers:
            hover.tooltips, hover.formatters = rows, formats

    def _show_images(self, colours: Any, beside: Any, true: list[Floats]) -> None:
        """Images of many objects."""
        self._of_images = {"measured": (self._columns, colours), "true": (true, colours)}
        if beside is not None:
            self._of_images["clusters"] = (self._columns, beside)
        for name, (points, colour) in self._of_images.items():
            self._draw_image(name, "all", points, colour)
        self._draw_selection()

    def _draw_image(self, name: str, which: str, points: Any, colours: Any) -> None:
        if name in self._images:
            image = views.image_of((points[0], points[1]), self._sides, colours)
            self._images[name].data.update({which: [image]})

    # The selection.

    def _taken(self, _attribute: str, _old: object, new: list[int]) -> None:
        if not self._quiet:
            self._on_selection(list(new))

    def show_selection(self, rows: tuple[int, ...]) -> None:
        """Highlight rows in every panel."""
        self._selected = np.array(rows, dtype=np.intp)
        if not self.many:
            self._quiet = True
            self.objects.selected.indices = list(rows)
            self._quiet = False
        if len(self.places) == 1:
            edges = self._histogram.edges
            part = views.histogram_of(self._selected, self.state.observations, self.places[0], edges)
            self._part.data = {"left": edges[:-1], "right": edges[1:], "top": part.heights}
        elif self.many:
            self._draw_selection()

    def _taken_from_histogram(self, event: Any) -> None:
        """A box in the panel of densities selects the objects between its sides."""
        if not event.final:
            return
        x = event.geometry.get("x0"), event.geometry.get("x1")
        if None in x:
            return
        rows = np.flatnonzero((self._columns[0] >= min(x)) & (self._columns[0] <= max(x)))
        self._on_selection(rows.tolist())

    def _taken_from_image(self, name: str, event: Any) -> None:
        """A box in an image selects the objects inside."""
        if not event.final or event.geometry.get("type") != "rect":
            return
        columns = self._of_images[name][0] if name in self._of_images else self._columns
        sides = [sorted((event.geometry[f"{axis}0"], event.geometry[f"{axis}1"])) for axis in "xy"]
        inside = [(each >= low) & (each <= high) for each, (low, high) in zip(columns, sides, strict=True)]
        self._on_selection(np.flatnonzero(np.all(inside, axis=0)).tolist())

    def _draw_selection(self) -> None:
        rows = self._selected
        colour = np.tile(np.array([[0xD8, 0x1B, 0x60]], dtype=np.uint8), (rows.size, 1))
        for name, (points, _) in self._of_images.items():
            self._draw_image(name, "selected", [each[rows] for each in points], colour)

    # The means.

    def _dragged(self, _attribute: str, _old: object, new: dict[str, Any]) -> None:
        if self._quiet or self.state.means is None or not new["x"]:
            return
        K = len(self.state.means)
        if len(new["x"]) != K:  # one was deleted with a key
            shown = self.state.shown
            if shown is not None:
                self.show_mixture(shown.mixture)
            return
        moved = np.array([new[axis] for axis in "xy"[: len(self.places)]], dtype=float).T
        if np.isfinite(moved).all():
            self._on_means(moved)


def empty() -> LayoutDOM:
    """What stands where the panels will be."""
    return Spacer(width=3 * WIDTH, height=HEIGHT)
