"""The third tab: does the mixture describe the data?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.models import (
    BoxAnnotation,
    Button,
    Column,
    ColumnDataSource,
    DataTable,
    Div,
    HoverTool,
    HTMLTemplateFormatter,
    PlainText,
    Range1d,
    Row,
    Select,
    Slope,
    Span,
    TableColumn,
    Whisker,
)
from bokeh.plotting import figure
from matplotlib.colors import to_hex

from xdgmm.plotting.colours import ACCENT, DATA, EXPECTED, HISTOGRAM, INTRINSIC, object_colours
from xdgmm.plotting.residual_numbers import scatter_by_error

from .boxes import CodeBox
from .code_boxes import command_of_check, python_of_check
from .downloads import check_picture, residual_file
from .escaping import as_html, as_label
from .judge_state import SIMULATIONS, Judgement, judge, judge_by_samples
from .sending import Sender

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bokeh.models import UIElement
    from bokeh.plotting import figure as Figure  # noqa: N812 - a class by its nature

    from xdgmm.diagnostics import Check

    from .downloads import Download
    from .session import Session

TITLE = "Judge"
MOST_POINTS = 20_000  # that are drawn of residuals against errors, evenly over the rows
DOT = '<span style="color: <%= colour %>">&#9679;</span> <%= value %>'
BOX = 545  # pixels of a box with code
WIDE = 5.0  # ratio of errors from which on their scale is logarithmic
SELECTING, MOVING_ONLY = "pan,wheel_zoom,box_select,tap,reset", "pan,wheel_zoom,reset"  # tools
SMALLEST_RANGE = 3.0  # of residuals
NO_MIXTURE = "Fit a mixture in the tab Fit first; this tab then says whether it describes the data."
MOVING = "The fit is still running; its result is judged when it has ended."
WAITING = "Comparing the mixture with the data ..."
HEADINGS = {
    "row": ("row", 60),
    "name": ("name", 200),
    "p": ("p-value", 80),
    "expected": ("expected", 80),
    "chi_squared": ("chi²", 70),
    "component": ("component", 85),
    "mark": ("", 80),
}


def build(session: Session) -> UIElement:
    """The layout of the tab."""
    return _JudgeTab(session).layout


class _JudgeTab:
    """Models of the tab, and what they show."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.judgement: Judgement | None = None
        self.check: Check | None = None  # against samples of the model
        self.is_stale = True
        self.words = Div(name="judge_words", text=NO_MIXTURE, disable_math=True, sizing_mode="stretch_width")
        self.verdict = Div(name="judge_verdict", disable_math=True, sizing_mode="stretch_width")
        self.button = Button(label=f"Compare with {SIMULATIONS} samples of the model", name="judge_samples", width=300)
        self.cancel = Button(label="Cancel", name="judge_cancel", width=90, visible=False)
        self.column = Select(title="residuals against the errors of", name="judge_column", width=220, visible=False)
        self.quantiles = ColumnDataSource(name="judge_quantiles", data=_empty("expected", "found", "row"))
        self.band = ColumnDataSource(name="judge_band", data=_empty("expected", "low", "high"))
        self.counts = ColumnDataSource(name="judge_counts", data=_empty("left", "right", "count"))
        self.points = ColumnDataSource(name="judge_points", data=_empty("error", "residual", "row", "value", "colour"))
        self.scatter = ColumnDataSource(name="judge_scatter", data=_empty("middle", "scatter", "low", "high"))
        self.outliers = ColumnDataSource(name="judge_outliers", data=_empty(*HEADINGS, "colour"))
        self.pictures = Row(
            self._quantile_figure(),
            self._count_figure(),
            self._error_figure(),
            name="judge_pictures",
            visible=False,
            sizing_mode="stretch_width",
        )
        self.table = _table(self.outliers)
        self.list_heading = Div(text="", name="judge_list", sizing_mode="stretch_width")
        self.lists = Column(self.list_heading, self.table, visible=False, width=720)
        self._python = CodeBox("judge_python", "Python", BOX)
        self._command = CodeBox("judge_command", "Command line", BOX)
        self._sender = Sender("judge_download")
        labels = {"table": "table with memberships and residuals", "picture": "picture of the check"}
        self.downloads = {
            name: Button(label=f"⤓ {label}", name=f"judge_download_{name}", width=260) for name, label in labels.items()
        }
        self.files = Row(*self.downloads.values(), visible=False)
        boxes = Row(self._python.layout, self._command.layout, styles={"flex-wrap": "wrap", "gap": "18px"})
        said = Column(self.words, Row(self.button, self.cancel), self.verdict, sizing_mode="stretch_width")
        self.layout = Column(
            self.pictures,
            Row(said, self.lists, sizing_mode="stretch_width"),
            self.files,
            boxes,
            tags=[self._sender.source],  # which makes it a part of the page
            name="judge_tab",
            sizing_mode="stretch_width",
        )
        self.button.visible = False
        self.button.on_click(self._compare)
        self.cancel.on_click(session.worker.cancel)
        for name, button in self.downloads.items():
            button.on_click(partial(self._download, name))
        self.column.on_change("value", lambda _attribute, _old, _new: self._show_errors())
        for source in self._with_rows:
            source.selected.on_change("indices", partial(self._selected, source))
        session.listen("mixture", self._forget)
        session.listen("tab", self._judge)
        session.listen("tick", self._judge)  # where the process was busy before
        session.listen("selection", self._show_selection)

    @property
    def _with_rows(self) -> tuple[ColumnDataSource, ...]:
        """Sources of which each element is a row of the table."""
        return self.quantiles, self.points, self.outliers

    def _forget(self) -> None:
        """The mixture has changed: what is shown is of another one."""
        self.is_stale = True
        self._judge()

    def _judge(self) -> None:
        """Compare the present mixture with the data, if anybody looks."""
        session = self.session
        if session.tab != TITLE or not self.is_stale:
            return
        if session.fit is not None:
            self._python.show(python_of_check(session.fit, SIMULATIONS))
            self._command.show(command_of_check(session.fit, SIMULATIONS))
        ready = session.mixture is not None and not session.worker.is_busy
        if not ready:
            self._hide(NO_MIXTURE if session.mixture is None else MOVING)
            return
        self.is_stale = False
        self._hide(WAITING)
        with session.reporting():
            arguments = session.mixture, session.data.observations, session.data.table
            session.worker.start(
                judge, *arguments, on_done=self._show, on_failed=self._failed, on_cancelled=self._again
            )

    def _hide(self, words: str) -> None:
        self.judgement, self.check = None, None
        for part in (self.pictures, self.lists, self.column, self.files, self.button, self.cancel):
            part.visible = False
        self.words.text, self.verdict.text = as_html(words), ""

    def _failed(self, sentence: str) -> None:
        self._hide(sentence)
        self.session.say(sentence, "error")

    def _again(self) -> None:
        self.is_stale = True
        self._hide(MOVING)

    def _show(self, judgement: Judgement) -> None:
        """Show a judgement, unless the mixture has changed meanwhile."""
        if self.is_stale:
            self._judge()
            return
        self.judgement = judgement
        _, expected, found, low, high = judgement.quantiles
        self.quantiles.data = {"expected": expected, "found": found, "row": judgement.rows}
        self._show_band(expected, low, high)
        counts = judgement.counts
        self.counts.data = {"left": counts.edges[:-1], "right": counts.edges[1:], "count": counts.counts}
        self.count_band.bottom, self.count_band.top = counts.low, counts.high
        self.count_mean.location = counts.expected
        self.count_figure.y_range.end = 1.3 * max(float(counts.counts.max()), counts.high)
        names = [as_label(name) for name in self.session.data.columns]
        self.column.options = names
        self.column.value = names[0]
        self.column.visible = len(names) > 1 and bool(judgement.errors.any())
        self._show_errors()
        self.outliers.data = judgement.outliers()
        self.table.columns = _columns(with_names=any(self.outliers.data["name"]))
        n = int(np.isfinite(judgement.residuals).any(axis=1).sum())
        self.list_heading.text = (
            f"<b>The least probable of {n} objects</b>, beside the p-values that are expected of so many"
        )
        self.words.text = _paragraphs(judgement.in_words)
        for part in (self.pictures, self.lists, self.files, self.button):
            part.visible = True
        self._show_selection()

    def _show_band(self, expected: Any, low: Any, high: Any) -> None:
        self.band.data = {"expected": expected, "low": low, "high": high}

    def _show_errors(self) -> None:
        """The residuals of the chosen column against their errors."""
        judgement = self.judgement
        if judgement is None:
            return
        i = self.column.options.index(self.column.value)
        z, errors = judgement.residuals[:, i], judgement.errors[:, i]
        seen = np.flatnonzero(np.isfinite(z))
        shown = seen[:: max(-(-seen.size // MOST_POINTS), 1)]
        mixture = self.session.mixture
        assert mixture is not None
        values = self.session.data.observations.in_units(mixture.units).values[:, i]
        colours = object_colours(mixture, self.session.data.observations.select(shown))
        self.points.data = {
            "error": errors[shown],
            "residual": z[shown],
            "row": shown,
            "value": values[shown],
            "colour": [to_hex(colour) for colour in colours],
        }
        middle, scatter, error = scatter_by_error(errors[seen], z[seen])
        both = np.r_[scatter, -scatter]
        error = np.r_[error, error]
        largest = 1.15 * max(SMALLEST_RANGE, float(np.abs(z[shown]).max(initial=0.0)))
        self.residual_range.update(start=-largest, end=largest, reset_start=-largest, reset_end=largest)
        self.scatter.data = {
            "middle": np.r_[middle, middle],
            "scatter": both,
            "low": both - error,
            "high": both + error,
        }
        unit = mixture.units[i]
        name = as_label(self.session.data.columns[i])
        label = f"error of {name}" + ("" if unit is None or str(unit) == "" else f" [{as_label(unit)}]")
        linear, logarithmic = self.error_figures
        positive = errors[seen][errors[seen] > 0]
        is_wide = 0 < positive.size == seen.size and positive.max() > WIDE * positive.min()
        have_errors = bool(errors[seen].any())
        linear.visible, logarithmic.visible = have_errors and not is_wide, have_errors and is_wide
        for each in self.error_figures:
            each.xaxis.axis_label = PlainText(text=label)

    def _compare(self) -> None:
        """Compare with samples of the model."""
        session = self.session
        fitted = session.result or session.mixture
        with session.reporting():
            session.worker.start(
                judge_by_samples,
                fitted,
                session.data.observations,
                on_done=self._show_verdict,
                on_failed=self._comparison_failed,
                on_cancelled=self._comparison_ended,
            )
            self.button.disabled, self.cancel.visible = True, True
            self.verdict.text = as_html(f"Drawing and fitting {SIMULATIONS} samples of the model ...")

    def _download(self, name: str) -> None:
        """Send a file as soon as the process has time to write it."""
        session, check = self.session, self.check
        mixture, data = session.mixture, session.data
        if mixture is None:
            return
        makers: dict[str, tuple[Any, ...]] = {
            "table": (residual_file, mixture, data),
            "picture": (check_picture, mixture, data, check),
        }

        def done(made: Download) -> None:
            self._sender.send(made)

        def failed(sentence: str) -> None:
            session.say(sentence, "error")

        session.when_idle(partial(session.worker.start, *makers[name], on_done=done, on_failed=failed))

    def _comparison_ended(self, text: str = "") -> None:
        self.button.disabled, self.cancel.visible = False, False
        self.verdict.text = text
        if self.is_stale:
            self._judge()

    def _comparison_failed(self, sentence: str) -> None:
        self._comparison_ended()
        self.session.say(sentence, "error")

    def _show_verdict(self, check: Check) -> None:
        """The verdict, and the band of samples of the model in place of that of normal numbers."""
        self.check = None if self.is_stale else check
        if not self.is_stale and check.quantiles is not None:
            table = check.quantiles
            self._show_band(*(np.asarray(table[name], dtype=float) for name in ("expected", "low", "high")))
        self._comparison_ended("" if self.is_stale else _paragraphs(check.verdict.splitlines()))

    def _selected(self, source: ColumnDataSource, _attribute: str, _old: object, new: list[int]) -> None:
        """The user has selected something in one of the pictures."""
        rows = np.asarray(source.data["row"])
        selected = {int(rows[i]) for i in new}
        if selected != set(self.session.selection) & set(rows.tolist()):
            self.session.select(selected)

    def _show_selection(self) -> None:
        """Highlight the selected rows everywhere."""
        for source in self._with_rows:
            rows = np.asarray(source.data["row"], dtype=int)
            indices = np.flatnonzero(np.isin(rows, self.session.selection)).tolist()
            if indices != source.selected.indices:
                source.selected.indices = indices

    def _quantile_figure(self) -> Figure:
        plot = _figure("judge_quantile_figure", "Quantiles of the residuals", "normal quantile", "residual")
        label = "95% if model and errors are right"
        plot.varea("expected", "low", "high", source=self.band, color=EXPECTED, legend_label=label)
        plot.add_layout(Slope(gradient=1.0, y_intercept=0.0, line_color=DATA, line_width=1))
        dots = _dots(plot, "expected", "found", self.quantiles)
        plot.add_tools(HoverTool(renderers=[dots], tooltips=[("row", "@row"), ("residual", "@found{0.00}")]))
        plot.legend.location = "top_left"
        return plot

    def _count_figure(self) -> Figure:
        title = "Probability integral transform"
        plot = _figure(
            "judge_count_figure", title, "probability of a lower value", "values in each bin", tools=MOVING_ONLY
        )
        plot.x_range.start, plot.x_range.end, plot.y_range.start = 0.0, 1.0, 0.0
        self.count_band = BoxAnnotation(fill_color=EXPECTED, fill_alpha=1.0, line_color=None, level="underlay")
        self.count_mean = Span(dimension="width", line_color=DATA, line_width=1)
        plot.add_layout(self.count_band)
        plot.add_layout(self.count_mean)
        look = {"fill_color": HISTOGRAM, "fill_alpha": 1.0, "line_color": INTRINSIC}
        plot.quad(left="left", right="right", bottom=0, top="count", source=self.counts, **look)
        self.count_figure = plot
        return plot

    def _error_figure(self) -> Column:
        """Residuals against errors: with a linear axis, or a logarithmic one."""
        self.residual_range = Range1d(-SMALLEST_RANGE, SMALLEST_RANGE)
        self.error_figures = [self._one_error_figure(scale) for scale in ("linear", "log")]
        self.error_figures[1].visible = False
        return Column(*self.error_figures, self.column, sizing_mode="stretch_width")

    def _one_error_figure(self, scale: str) -> Figure:
        y = "residual (squares: root mean square)"
        plot = _figure(f"judge_error_figure_{scale}", "Residuals against errors", "error", y, x_axis_type=scale)
        plot.y_range = self.residual_range
        for width, alpha in ((2.0, 0.45), (1.0, 1.0)):
            look = {"fill_color": EXPECTED, "fill_alpha": alpha, "line_color": None, "level": "underlay"}
            plot.add_layout(BoxAnnotation(bottom=-width, top=width, **look))
        dots = _dots(plot, "error", "residual", self.points, "colour")
        plot.add_layout(Whisker(base="middle", lower="low", upper="high", source=self.scatter, line_color=INTRINSIC))
        plot.scatter(
            "middle",
            "scatter",
            source=self.scatter,
            marker="square",
            size=7,
            color=INTRINSIC,
            line_color="white",
        )
        tips = [("row", "@row"), ("value", "@value{0.0000} ± @error{0.000}"), ("residual", "@residual{0.00}")]
        plot.add_tools(HoverTool(renderers=[dots], tooltips=tips))
        return plot


def _empty(*names: str) -> dict[str, list[Any]]:
    return {name: [] for name in names}


def _figure(name: str, title: str, x: str, y: str, *, tools: str = SELECTING, **options: Any) -> Figure:
    plot = figure(
        name=name,
        title=title,
        x_axis_label=x,
        y_axis_label=y,
        height=340,
        sizing_mode="stretch_width",
        tools=tools,
        active_drag="box_select" if tools == SELECTING else "pan",
        toolbar_location="above",
        **options,
    )
    plot.toolbar.logo = None
    return plot


def _dots(plot: Figure, x: str, y: str, source: ColumnDataSource, colour: str = ACCENT) -> Any:
    return plot.scatter(
        x,
        y,
        source=source,
        size=5,
        color=colour,
        line_color=None,
        nonselection_fill_alpha=0.25,
        selection_line_color=INTRINSIC,
    )


def _columns(*, with_names: bool) -> list[TableColumn]:
    return [
        TableColumn(field=field, title=title, width=width, sortable=False, **_formatted(field))
        for field, (title, width) in HEADINGS.items()
        if with_names or field != "name"
    ]


def _formatted(field: str) -> dict[str, Any]:
    """Components have a dot in their colour; what stands in the template are numbers and colours alone."""
    return {"formatter": HTMLTemplateFormatter(template=DOT)} if field == "component" else {}


def _table(source: ColumnDataSource) -> DataTable:
    return DataTable(
        source=source,
        columns=_columns(with_names=True),
        name="judge_table",
        width=700,
        height=300,
        index_position=None,
        autosize_mode="force_fit",
    )


def _paragraphs(sentences: Sequence[str]) -> str:
    return "".join(f'<p style="margin: 0 0 6px">{as_html(sentence)}</p>' for sentence in sentences)
