"""The second tab: data, and a mixture that is fitted to them step by step."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.models import Column, CustomJS, Div, InlineStyleSheet, Row

from xdgmm.errors import InputError

from . import data_sets, fit_tasks, tasks
from .code_boxes import command_of, python_of
from .downloads import model_file, picture_file, table_file
from .escaping import as_html
from .fit_controls import Controls, Results, apart
from .fit_panels import Panels, empty
from .fit_state import SINGULAR_MEANS, WITHOUT_MAXIMUM, Choices, FitState, names_of_objects
from .frames import Frames

if TYPE_CHECKING:
    from collections.abc import Callable

    from bokeh.models import UIElement
    from numpy.typing import NDArray

    from .data_sets import DataSet
    from .downloads import Download
    from .session import Session

TITLE = "Fit"
LISTED = 12  # selected objects that are named
CANDIDATES = 6  # numbers of components that the curve of AIC and BIC has at least
SLOWLY = 0.5  # seconds between the iterations of the singular case
# The browser looks for models that are not shown any more half a minute after the last change; here it does at once.
FORGET = "const {document} = cb_obj; setTimeout(() => document.freeze_all_models(() => null))"
WARNING = """
:host { padding: 8px 12px; border-left: 5px solid #C2185B; background: #FBEAF1; font-size: 14px; max-width: 1020px; }
"""


def build(session: Session) -> UIElement:
    """The layout of the tab."""
    return FitTab(session).layout


class FitTab:
    """The tab: turns what the user does into states, and states into what is seen.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    layout : Row
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.state = session.fit = FitState(session.data, Choices(_components_for(session.data)))
        self.controls, self.results = Controls(), Results()
        self._queue: list[Callable[[], None]] = []
        self._wanted_errors = session.data.errors
        self._dirty, self._frames = False, Frames("fit_frames")
        self._quiet = False
        self._busy_with = ""
        self._n_begun = 0  # how often all began again; what was asked for before is of an older state
        self._wanted_run: Callable[[], None] | None = None
        self._ask_again = False
        self._kept: Choices | None = None  # choices that belong to the next data
        self.words = Div(name="data_in_words", disable_math=True, width=256)
        self.progress = Div(name="progress", disable_math=True, width=1050)
        warning = [InlineStyleSheet(css=WARNING)]
        self.collapse = Div(name="collapse", disable_math=True, visible=False, stylesheets=warning)
        self.chosen = Div(name="selected", disable_math=True, width=1050)
        self.place = Column(empty(), name="panels")  # which bokeh wants not to be empty
        self.place.js_on_change("children", CustomJS(code=FORGET))
        self.panels: Panels
        self._is_drawn = False
        self._is_awake = False  # has anybody looked at these data?
        parts = Column(self.progress, self.collapse), self.place, self.chosen
        main = Column(*map(apart, parts), self.results.layout, name="fit_main", spacing=4)
        tags = list(self._frames.sources)  # which makes them a part of the page
        self.layout = Row(self.controls.layout(self.words), main, name="fit_tab", spacing=14, tags=tags)
        self._connect()
        session.listen("data", self._take_data)
        session.listen("tab", self._wake)
        session.listen("tick", self._tick)
        session.listen("selection", self._show_selection)
        self._show_choices()

    # What the user does.

    def _connect(self) -> None:
        controls = self.controls
        controls.data_set.on_change("value", self._on("data_set", self._choose_data))
        controls.columns.on_change("value", self._on("columns", self._choose_columns))
        controls.errors.on_change("value", self._on("errors", self._choose_columns))
        controls.use_errors.on_change("active", self._on("use_errors", self._choose_columns))
        controls.across.on_change("value", self._on("across", self._make_panels))
        controls.up.on_change("value", self._on("up", self._make_panels))
        for widget in (controls.components, controls.covariances, controls.solver):
            widget.on_change("value", self._on(widget.name, self._choose_model))
        controls.colours.on_change("active", self._on("colours", self._colour))
        controls.kmeans.on_click(self._start_anew)
        controls.back.on_click(lambda: self._begin(self.state.means))
        controls.step.on_click(self._step)
        controls.run.on_click(self._run)
        controls.cancel.on_click(self._cancel)
        controls.singular.on_click(self._show_singular)
        self.results.criteria.on_click(self._compare)
        for name, button in self.results.downloads.items():
            button.on_click(partial(self._download, name))

    def _on(self, _name: str | None, do: Callable[[], None]) -> Callable[[str, Any, Any], None]:
        """What hears of a change that the user has made, and not the tab itself."""

        def hear(_attribute: str, _old: Any, _new: Any) -> None:
            if not self._quiet:
                with self.session.reporting():
                    do()

        return hear

    def _choose_data(self) -> None:
        self.session.say("")
        self.session.set_data(data_sets.choices()[self.controls.data_set.value]())

    def _choose_columns(self) -> None:
        """Other columns or errors of the same table."""
        controls, data = self.controls, self.session.data
        columns = controls.chosen_columns(data)
        if not columns:
            self.session.say("choose at least one column", "error")
            self._show_choices()
            return
        self.session.say("")
        if columns != list(data.columns) and self._wanted_errors not in ("auto", "none"):
            self._wanted_errors = "auto"  # those that were named were of other columns
        elif controls.errors.value != self._wanted_errors and controls.errors.value != "none":
            self._wanted_errors = controls.errors.value.strip() or "auto"
        errors = self._wanted_errors if controls.use_errors.active else "none"
        try:
            found = data.with_columns(columns, errors)
        except InputError:
            self._wanted_errors = self.state.data.errors if self.state.with_errors else "auto"
            self._show_choices()  # of the data that stay
            raise
        self.session.set_data(found)

    def _choose_model(self) -> None:
        controls, choices = self.controls, self.state.choices
        chosen = Choices(
            min(int(controls.components.value), self.state.observations.n_objects),  # which the page can say late
            controls.covariances.value,
            controls.solver.value,
            choices.seed,
        )
        same = chosen.n_components == choices.n_components
        self.state.choices = chosen
        if not same:
            self.state.labels = None
        self._begin(self.state.means if same else None)

    def _start_anew(self) -> None:
        """k-means++ again, with another seed after the first."""
        choices = self.state.choices
        again = self.state.means is not None
        self.state.choices = Choices(
            choices.n_components, choices.covariance_type, choices.solver, choices.seed + int(again)
        )
        self._begin(None)

    def _show_singular(self) -> None:
        """Two Gaussians, one of which shrinks onto one point: slowly, so that it is seen."""
        self.session.say("")
        self.state.choices = self._kept = Choices(2, solver="em")
        self.session.set_data(data_sets.singular())
        self._begin(np.array(SINGULAR_MEANS))
        self._submit(partial(self._start_run, SLOWLY))

    # The process.

    def _submit(self, start: Callable[[], None], *, at_once: bool = False) -> None:
        """Start something in the process when it is free; `at_once`: before what waits already."""
        if at_once:
            self._queue.insert(0, start)
        else:
            self._queue.append(start)
        self._pump()

    def _make_room(self) -> None:
        """End what another tab computes: the user wants something here."""
        if self.session.worker.is_busy and not self._busy_with:
            self.session.worker.cancel()

    def _pump(self) -> None:
        worker = self.session.worker
        while self._queue and not worker.is_busy:
            with self.session.reporting():
                self._queue.pop(0)()
        self._show_buttons()

    def _start(self, what: str, task: Callable[..., Any], *arguments: Any, **told: Callable[..., Any]) -> None:
        """Run a task in the process; what it is called is shown meanwhile."""
        self._busy_with, n_begun = what, self._n_begun

        def failed(sentence: str) -> None:
            if n_begun == self._n_begun:
                told.get("on_failed", self._failed)(sentence)

        def ended(then: Callable[..., Any] | None, *values: Any) -> None:
            self._busy_with = ""
            with self.session.reporting():
                if then is not None:
                    then(*values)
            self._pump()

        self.session.worker.start(
            task,
            *arguments,
            on_report=told.get("on_report", lambda _: None),
            on_done=partial(ended, told.get("on_done")),
            on_failed=partial(ended, failed),
            on_cancelled=partial(ended, told.get("on_cancelled")),
        )

    def _tick(self) -> None:
        if self._queue:
            self._pump()
        if self._dirty and self._frames.are_due:
            self._draw(details=False)

    def _begin(self, means: NDArray[np.float64] | None) -> None:
        """Start again: from these means, or from those of k-means++."""
        state = self.state
        self._drop_waiting()
        state.begin_again(means)
        state.stepped = state.choices.stepper
        self.results.show_history(state)
        choices = state.choices

        def done(found: tuple[NDArray[np.float64], fit_tasks.Shown]) -> None:
            if state is not self.state or state.choices != choices or state.means is not means:
                return
            state.means = found[0]
            state.forget()
            state.show(found[1])
            self.session.set_mixture(found[1].mixture)
            self._draw(details=True)
            state.prepare()

        def start() -> None:
            given = state.observations, choices.n_components, choices.model, means, choices.seed
            self._start("the start", fit_tasks.begin, *given, on_done=done)

        self._submit(start)
        if state.labels is None:
            self._submit(self._cluster)
        self._show_words()

    def _drop_waiting(self) -> None:
        """Forget what waits, and end what runs: it is of an older state."""
        self._n_begun += 1
        self._queue.clear()
        if self._busy_with in ("a fit", "widths", "AIC and BIC"):
            self.session.worker.cancel()
        self.results.forget()

    def _cluster(self) -> None:
        state, choices = self.state, self.state.choices

        def done(labels: NDArray[np.intp]) -> None:
            if state is self.state and state.choices.n_components == choices.n_components:
                state.labels = labels
                self._draw(details=True)

        given = state.observations, choices.n_components, choices.seed
        self._start("k-means", fit_tasks.kmeans, *given, on_done=done)

    def _step(self) -> None:
        state, n_begun = self.state, self._n_begun

        def done(shown: fit_tasks.Shown) -> None:
            if n_begun == self._n_begun:
                before = len(state.passes)
                state.show(shown)
                state.ended = "" if len(state.passes) > before else "no further step raises the likelihood"
                self._draw(details=True)
                self.session.set_mixture(shown.mixture)

        def start() -> None:
            if state is not self.state or state.shown is None:
                return
            settings = state.settings(state.stepped, state.shown.mixture)
            given = state.observations, state.shown.mixture, state.shown.passes, settings
            self._start("a step", fit_tasks.step, *given, on_done=done)

        self._make_room()
        self._submit(start)

    def _run(self) -> None:
        """One fit, however often it is asked for."""
        if self._busy_with == "a fit" or self._wanted_run in self._queue:
            return
        self._make_room()
        self._wanted_run = partial(self._start_run, float(self.controls.pace.value))
        self._submit(self._wanted_run)

    def _start_run(self, pace: float) -> None:
        """A fit from its start, whatever has been stepped; its first iterations are those steps."""
        state, n_begun = self.state, self._n_begun
        start = state.start
        if start is None:
            return
        state.restart()
        state.ended, state.stepped = "", state.choices.solver

        def heard(shown: fit_tasks.Shown) -> None:
            if n_begun == self._n_begun:
                state.show(shown)
                self._dirty = shown.passes > 1  # the start is seen already

        def done(ended: fit_tasks.Ended) -> None:
            if n_begun != self._n_begun:
                return
            state.end(ended.result, ended.shown)
            self._draw(details=True)
            self.session.set_mixture(ended.result.mixture, ended.result)
            self._submit(self._report_widths, at_once=True)

        def failed(sentence: str) -> None:
            state.ended = WITHOUT_MAXIMUM
            self._draw(details=True)
            self._failed(sentence)

        def cancelled() -> None:
            if n_begun == self._n_begun:
                state.ended = "cancelled"
                self._draw(details=True)
                if state.shown is not None:
                    self.session.set_mixture(state.shown.mixture)

        self._frames.begin()
        self.panels.draw_some(some=True)  # while the first iteration is computed
        given = state.observations, state.choices.n_components, state.settings(state.stepped, start), pace
        told: dict[str, Callable[..., Any]] = {
            "on_report": heard,
            "on_done": done,
            "on_failed": failed,
            "on_cancelled": cancelled,
        }
        self._start("a fit", fit_tasks.run, *given, **told)

    def _failed(self, sentence: str) -> None:
        self.session.say(sentence, "error")

    def _cancel(self) -> None:
        self._queue.clear()
        if self._busy_with:
            self.session.worker.cancel()

    def _report_widths(self) -> None:
        state = self.state
        if state.result is None:
            return

        def done(report: str) -> None:
            if state is self.state and state.result is not None:
                self.results.show_widths(report)

        given = state.result, state.observations, state.data.name
        self._start("widths", fit_tasks.width_report, *given, on_done=done)

    def _compare(self) -> None:
        """AIC and BIC of 1, 2, ... components."""
        state = self.state
        most = min(max(CANDIDATES, state.choices.n_components + 2), state.observations.n_objects)
        numbers = list(range(1, most + 1))

        def done(selection: Any) -> None:
            if state is self.state:
                self.results.show_criteria(selection)

        def start() -> None:
            from xdgmm.fitting import Settings
            from xdgmm.selection import N_INIT

            settings = Settings(model=state.choices.model, n_init=N_INIT)
            self._start("AIC and BIC", tasks.candidates, state.observations, numbers, settings, 0, on_done=done)

        self._submit(start)

    def _download(self, name: str) -> None:
        state = self.state
        if state.shown is None:
            return
        mixture = state.shown.mixture if state.result is None else state.result.mixture
        makers: dict[str, tuple[Any, Any]] = {
            "model": (model_file, state.result or mixture),
            "table": (table_file, mixture),
            "picture": (picture_file, mixture),
        }
        make, of = makers[name]

        def done(made: Download) -> None:
            self.results.send(made)

        self._submit(lambda: self._start(f"the {name}", make, of, state.data, on_done=done))

    # What is seen.

    def _take_data(self) -> None:
        """Other data: all begins again."""
        data, choices = self.session.data, self.state.choices
        if data.table is not self.state.data.table and choices is not self._kept:
            choices = Choices(_components_for(data), choices.covariance_type, choices.solver)
        self._kept = None
        choices = replace(choices, n_components=min(choices.n_components, data.observations.n_objects))
        if data.errors != "none":
            self._wanted_errors = data.errors
        elif data.table is not self.state.data.table:
            self._wanted_errors = "auto"
        self.state = self.session.fit = FitState(data, choices)
        self._show_choices()
        self._is_awake = False
        self._wake()

    def _wake(self) -> None:
        """Draw and begin where somebody looks: a page is opened faster without."""
        if self.session.tab == TITLE and not self._is_awake:
            self._is_awake = True
            self._make_panels()
            self._begin(None)

    def _show_choices(self) -> None:
        self._quiet = True
        self.controls.show(self.state, self._wanted_errors)
        self.words.text = as_html(self.state.data.in_words)
        self._quiet = False

    def _make_panels(self) -> None:
        columns = self.state.data.columns
        places: tuple[int, ...] = (0,)
        if len(columns) > 1:
            shown = self.controls.shown_columns(len(columns))
            self._quiet = True
            self.controls.across.value, self.controls.up.value = shown
            self._quiet = False
            places = int(shown[0]), int(shown[1])
        if self._is_drawn:
            self.panels.discard()
        self._is_drawn = True
        self.panels = Panels(self.state, places, self._drag, self.session.select)
        self.place.children = [self.panels.layout]
        self._show_selection()
        if self.state.shown is not None:
            self._draw(details=True)

    def _drag(self, moved: NDArray[np.float64]) -> None:
        """The user drags the means in the columns that are shown: the fit starts there."""
        state = self.state
        if state.means is None:
            return
        means = state.means.copy()
        means[:, list(self.panels.places)] = moved
        means = fit_tasks.rounded(means, state.observations)
        if np.array_equal(means, state.means):
            return
        if self._busy_with:
            self._drop_waiting()
        state.begin_again(means)
        state.stepped = state.choices.stepper
        with self.session.reporting():
            self.panels.show_mixture(state.start)
        self._show_words()
        self._begin_soon()

    def _begin_soon(self) -> None:
        """Look at the start that is being dragged, once for all moves that come meanwhile."""
        if not self._ask_again:
            self._ask_again = True

            def start() -> None:
                self._ask_again = False
                self._begin(self.state.means)

            self._submit(start, at_once=True)

    def _colour(self) -> None:
        self.panels.coloured = ("soft", "hard")[self.controls.colours.active]
        self.panels.show_objects(details=False)

    def _draw(self, *, details: bool) -> None:
        """Show the mixture on its way."""
        state = self.state
        self._dirty = False
        self.panels.draw_some(some=not details)
        self.results.show_history(state)
        self._show_words()
        if state.shown is not None:
            self.panels.show_mixture(state.shown.mixture, state.shrinking)
            self.panels.show_objects(details=details)
        self._frames.sent()

    def _show_words(self) -> None:
        state = self.state
        drawn = self.panels.drawn_in_words
        self.progress.text = f"<b>{as_html(state.in_words)}</b>" + (f" &emsp;{drawn}" if drawn else "")
        self.collapse.text = as_html(state.collapse_in_words)
        self.collapse.visible = bool(self.collapse.text)
        self.results.show_code(python_of(state), command_of(state))
        self._show_buttons()

    def _show_buttons(self) -> None:
        """Buttons wait for a fit alone: what takes less time comes before what they ask for."""
        state, fits = self.state, self._busy_with == "a fit"
        ready = state.shown is not None and not fits
        self.controls.step.disabled = not ready or state.choices.solver == "auto" or state.result is not None
        self.controls.run.disabled = not ready
        self.controls.cancel.disabled = not (self._busy_with or self._queue)
        self.controls.busy.text = f"computing: {as_html(self._busy_with)} …" if self._busy_with else ""
        for button in (self.results.criteria, *self.results.downloads.values()):
            button.disabled = not ready

    def _show_selection(self) -> None:
        if not self._is_awake:
            return
        rows = self.session.selection
        self.panels.show_selection(rows)
        if not rows:
            self.chosen.text = "Select objects with a box or a lasso in any panel: they are marked in all."
            return
        names = names_of_objects(self.state.data)
        listed = ", ".join(as_html(names[i]) for i in rows[:LISTED])
        more = f" and {len(rows) - LISTED} more" if len(rows) > LISTED else ""
        self.chosen.text = f"<b>{len(rows)} selected</b>: {listed}{more}"


def _components_for(data: DataSet) -> int:
    """How many components are shown first: few for few objects."""
    return min(3 if data.observations.n_dimensions > 1 else 2, 1 + data.observations.n_objects // 40)
