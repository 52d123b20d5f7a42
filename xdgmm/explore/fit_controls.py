"""The widgets of the second tab: what the user chooses, and what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.models import (
    Button,
    Checkbox,
    Column,
    ColumnDataSource,
    CustomJS,
    Div,
    InlineStyleSheet,
    MultiChoice,
    Pane,
    RadioButtonGroup,
    Row,
    Select,
    Spinner,
    TextInput,
)
from bokeh.plotting import figure

from . import data_sets
from .boxes import CodeBox
from .escaping import as_html, as_label
from .fit_state import COVARIANCES, MOST_COMPONENTS, SOLVERS
from .sending import Sender

if TYPE_CHECKING:
    from bokeh.models import LayoutDOM, UIElement

    from .data_sets import DataSet
    from .fit_state import FitState

WIDTH = 256  # pixels of the column of controls
PLOT, LOW = 350, 240  # pixels of a plot below the panels
BOX = 518  # and of a box with code
PACES = [("0", "fast"), ("0.1", "10 a second"), ("0.5", "2 a second")]
FILE = "a file of yours"
TABLES = """
.bk-clearfix { display: flex !important; flex-wrap: wrap; column-gap: 40px; align-items: flex-start; }
table { border-collapse: collapse; font-size: 12.5px; }
th { border-bottom: 1px solid #BDBDBD; vertical-align: bottom; }
th, td { padding: 1px 7px; white-space: nowrap; }
p { margin: 4px 0; flex-basis: 100%; }
"""
SMALLEST_GAIN = 1e-12


def apart(part: UIElement) -> Pane:
    """A part of the page whose layout is computed apart.

    Where a part changes that is not in a pane, the browser measures all of the page anew, which takes far longer.
    """
    return Pane(elements=[part], styles={"flex": "none"})


class Controls:
    """What the user chooses."""

    def __init__(self) -> None:
        wide = {"width": WIDTH}
        half = {"width": (WIDTH - 10) // 2}
        names = list(data_sets.choices())
        self.data_set = Select(name="data_set", title="data", options=names, value=names[0], **wide)
        self.file = Button(name="open_file", label="Open a file, or drop one here …", **wide)
        self.file.js_on_click(CustomJS(code='document.getElementById("file").click()'))
        self.columns = MultiChoice(name="columns", title="columns", search_option_limit=30, **wide)
        self.errors = TextInput(name="errors", title="errors: auto, none, or their columns", **wide)
        self.use_errors = Checkbox(name="use_errors", label="use the errors", active=True)
        self.across = Select(name="across", title="shown: across", **half)
        self.up = Select(name="up", title="up", **half)
        self.components = Spinner(
            name="n_components", title="components K", low=1, high=MOST_COMPONENTS, step=1, value=3, **half
        )
        self.covariances = Select(name="covariance_type", title="covariances", options=list(COVARIANCES), **half)
        self.solver = Select(name="solver", title="iterations", options=list(SOLVERS.items()), **wide)
        self.kmeans = Button(name="kmeans_start", label="k-means++ again", **half)
        self.back = Button(name="to_start", label="to the start", **half)
        self.step = Button(name="step", label="Step", button_type="primary", **half)
        self.run = Button(name="run", label="Run", button_type="success", **half)
        self.cancel = Button(name="cancel", label="Cancel", button_type="danger", disabled=True, **half)
        self.pace = Select(name="pace", options=PACES, value="0", **half)
        self.busy = Div(name="busy", text="", **wide)
        self.colours = RadioButtonGroup(name="colours", labels=["soft: mixed", "hard: most probable"], active=0, **wide)
        self.singular = Button(name="singular", label="The singular case: one on a point", **wide)
        self._pair = Row(self.across, self.up, visible=False)

    def layout(self, words: Div) -> UIElement:
        """All of them, one below the other."""
        column = Column(
            self.data_set,
            self.file,
            self.columns,
            self.errors,
            self.use_errors,
            words,
            self._pair,
            Row(self.components, self.covariances),
            self.solver,
            _heading("Start: drag the means in the first panel, or"),
            Row(self.kmeans, self.back),
            Row(self.step, self.run),
            Row(self.cancel, self.pace),
            self.busy,
            _heading("Colours of objects"),
            self.colours,
            self.singular,
            name="fit_controls",
            width=WIDTH + 20,
        )
        return apart(column)

    def show(self, state: FitState, errors: str) -> None:
        """Show the choices of a state."""
        data, choices = state.data, state.choices
        names = list(data_sets.choices())
        known = data.origin != "file"
        self.data_set.options = names if known else [*names, FILE]
        self.data_set.value = data.name if known else FILE
        # The widget shows its labels as HTML.
        self.columns.options = [(str(i), as_html(name)) for i, name in enumerate(data.numeric_columns)]
        self.columns.value = [str(data.numeric_columns.index(name)) for name in data.columns]
        self.errors.value = errors
        self.use_errors.active = data.errors != "none"
        self.use_errors.disabled = errors == "none"
        several = len(data.columns) > 2
        options = [(str(i), as_label(name)) for i, name in enumerate(data.columns)]
        self.across.options = self.up.options = options
        self.across.value, self.up.value = "0", str(min(1, len(options) - 1))
        self._pair.visible = several
        self.components.value, self.covariances.value = choices.n_components, choices.covariance_type
        self.components.high = min(MOST_COMPONENTS, data.observations.n_objects)
        self.solver.value = choices.solver

    def chosen_columns(self, data: DataSet) -> list[str]:
        """The columns that are chosen, in the order of the choice."""
        return [data.numeric_columns[int(i)] for i in self.columns.value]

    def shown_columns(self, n_columns: int) -> tuple[str, str]:
        """The places of the two columns that are shown, never the same."""
        across, up = self.across.value, self.up.value
        if across == up:
            up = str((int(across) + 1) % n_columns)
        return across, up


class Results:
    """What comes out: the history, criteria, widths, code, files.

    Attributes
    ----------
    layout : LayoutDOM
    criteria : Button
    downloads : dict of Button
    """

    def __init__(self) -> None:
        self._history = ColumnDataSource(name="history", data={"passes": [], "likelihood": []})
        self._gain = ColumnDataSource(name="gain", data={"passes": [], "gain": []})
        self._table = ColumnDataSource(name="candidates", data={"k": [], "aic": [], "bic": []})
        self.criteria = Button(name="criteria", label="Compare numbers of components", width=PLOT)
        self._said = Div(name="decisiveness", disable_math=True, width=PLOT)
        tables = [InlineStyleSheet(css=TABLES)]
        self._widths = Div(name="widths", disable_math=True, width=3 * PLOT, stylesheets=tables)
        self._python = CodeBox("python", "Python", BOX)
        self._command = CodeBox("command", "Command line", BOX)
        labels = {"model": "model (FITS)", "table": "table with memberships", "picture": "picture"}
        self.downloads = {
            name: Button(name=f"download_{name}", label=f"⤓ {label}", width=180) for name, label in labels.items()
        }
        self._sender = Sender("fit_download")
        self.send = self._sender.send
        self.layout = Column(
            Row(*map(apart, (self._likelihoods(), self._gains(), self._candidates())), spacing=6),
            apart(self._widths),
            apart(Row(*self.downloads.values())),
            apart(Row(self._python.layout, self._command.layout)),
            tags=[self._sender.source],  # which makes it a part of the page
        )

    def _plot(self, name: str, title: str, label: str, **options: Any) -> Any:
        plot = figure(name=name, title=title, width=PLOT, height=LOW, tools="wheel_zoom,pan,reset", **options)
        plot.toolbar.logo = None
        plot.toolbar_location = None
        plot.title.text_font_style = "normal"
        plot.xaxis.axis_label = label
        plot.grid.grid_line_color = "#EEEEEE"
        return plot

    def _likelihoods(self) -> LayoutDOM:
        plot: Any = self._plot("likelihoods", "log-likelihood [nats]", "passes over the data")
        plot.line("passes", "likelihood", source=self._history, line_color="#0072B2", line_width=2)
        plot.scatter("passes", "likelihood", source=self._history, size=5, color="#0072B2")
        return plot

    def _gains(self) -> LayoutDOM:
        title = "predicted gain [nats]"
        plot: Any = self._plot("gains", title, "passes over the data", y_axis_type="log")
        plot.line("passes", "gain", source=self._gain, line_color="#D55E00", line_width=2)
        plot.scatter("passes", "gain", source=self._gain, size=5, color="#D55E00")
        return plot

    def _candidates(self) -> LayoutDOM:
        plot = self._plot("criteria_plot", "AIC and BIC above their lowest", "components K")
        for name, colour in (("aic", "#009E73"), ("bic", "#CC79A7")):
            plot.line("k", name, source=self._table, line_color=colour, line_width=2, legend_label=name.upper())
            plot.scatter("k", name, source=self._table, size=7, color=colour, legend_label=name.upper())
        plot.legend.border_line_color, plot.legend.padding, plot.legend.margin = None, 4, 4
        plot.legend.background_fill_alpha = 0.5
        plot.visible = False
        self._plot_of_criteria = plot
        return Column(self.criteria, plot, self._said)

    def forget(self) -> None:
        """Show no results of an older state."""
        self._widths.text = "<p>The report of intrinsic widths comes at the maximum: press <i>Run</i>.</p>"
        self._said.text = ""
        self._table.data = {"k": [], "aic": [], "bic": []}
        self._plot_of_criteria.visible = False

    def show_history(self, state: FitState) -> None:
        """The history of the fit."""
        self._history.data = {"passes": state.passes, "likelihood": state.log_likelihoods}
        known = [(n, max(gain, SMALLEST_GAIN)) for n, gain in zip(state.passes, state.gains, strict=True) if gain >= 0]
        self._gain.data = {"passes": [pair[0] for pair in known], "gain": [pair[1] for pair in known]}

    def show_code(self, python: str, command: str) -> None:
        """Code that repeats the state."""
        self._python.show(python)
        self._command.show(command)

    def show_widths(self, report: str) -> None:
        """The report of widths, HTML in which texts are escaped."""
        self._widths.text = report

    def show_criteria(self, selection: Any) -> None:
        """The table of candidates, and what is chosen."""
        table = selection.table
        fitted = np.isfinite(np.asarray(table["bic"], float))
        numbers = {name: np.asarray(table[name], float)[fitted] for name in ("n_components", "aic", "bic")}
        self._table.data = {
            "k": numbers["n_components"],
            **{name: numbers[name] - numbers[name].min() for name in ("aic", "bic")},
        }
        self._plot_of_criteria.visible = True
        self._said.text = as_html("; ".join((selection.decisiveness, *selection.remarks)))


def _heading(text: str) -> Div:
    return Div(text=f"<b>{text}</b>", margin=(8, 5, 0, 5))
