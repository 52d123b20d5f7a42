"""What the second tab knows: steps that are those of the package, code that repeats them, files, colours, words."""

import io
import os
import shlex
import subprocess
import sys
from base64 import b64encode
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable, Table

from xdgmm import XDGMM, GaussianMixture, Observations
from xdgmm.diagnostics import residuals
from xdgmm.errors import DegenerateError, OutputError
from xdgmm.explore import fit_tasks
from xdgmm.explore.code_boxes import command_of, command_of_check, python_of, python_of_check
from xdgmm.explore.data_sets import blobs, bundled, read_file, singular
from xdgmm.explore.downloads import check_picture, model_file, picture_file, residual_file, table_file, written
from xdgmm.explore.fit_state import (
    COLOURS,
    SINGULAR_MEANS,
    WITHOUT_MAXIMUM,
    Choices,
    FitState,
    called,
    hard_labels,
    matched,
    names_of_objects,
    soft_colours,
)
from xdgmm.explore.uploads import read_upload
from xdgmm.plotting.colours import COMPONENTS
from xdgmm.tables import write_table


class Silent:
    """A reporter that keeps what it is given."""

    def __init__(self):
        self.heard = []

    def __call__(self, value):
        self.heard.append(value)

    def check(self):
        """Never cancelled."""

    def wait(self, seconds):
        """Not for this test."""


def begun(data, n_components, solver="em", means=None, **choices):
    """A state at its start."""
    state = FitState(data, Choices(n_components, solver=solver, **choices))
    model, seed = state.choices.model, state.choices.seed
    given = None if means is None else np.array(means)
    state.means, shown = fit_tasks.begin(None, state.observations, n_components, model, given, seed)
    state.stepped = state.choices.stepper
    state.show(shown)
    return state


def stepped(state, n=1):
    """The state some steps later."""
    for _ in range(n):
        settings = state.settings(state.stepped, state.shown.mixture)
        state.show(fit_tasks.step(None, state.observations, state.shown.mixture, state.shown.passes, settings))
    return state


def run(state):
    """The state at the end of a run, and what was shown on the way."""
    report = Silent()
    settings = state.settings(state.choices.solver, state.start)
    ended = fit_tasks.run(report, state.observations, state.choices.n_components, settings, 1e-9)
    state.restart()
    for shown in report.heard:
        state.show(shown)
    state.end(ended.result, ended.shown)
    state.stepped = state.choices.solver
    return state, report.heard


CASES = [
    (lambda: blobs(error=1.0), 3, "full"),
    (lambda: blobs(error=1.0), 3, "tied"),
    (lambda: bundled("neutron_stars"), 2, "full"),
]


@pytest.mark.parametrize("solver", ["em", "implicit"])
@pytest.mark.parametrize(("make", "n_components", "covariance_type"), CASES)
def test_steps_end_where_a_fit_with_as_many_passes_does(make, n_components, covariance_type, solver):
    state = stepped(begun(make(), n_components, solver, covariance_type=covariance_type), 4)
    model = XDGMM(
        n_components, covariance_type=covariance_type, solver=solver, means_init=state.means, tol=0,
        max_iter=state.shown.passes,
    ).fit(state.observations)  # fmt: skip
    found = state.shown.mixture
    # a mixture that is taken out of the solver's coordinates and back loses the last digits
    for name in ("weights", "means", "covariances"):
        np.testing.assert_allclose(getattr(found, name), getattr(model.mixture_, name), rtol=1e-11, atol=1e-13)
    assert state.shown.log_likelihood == pytest.approx(model.result_.log_likelihood, rel=1e-13)
    assert np.all(np.diff(state.log_likelihoods) > 0)


@pytest.mark.parametrize("solver", ["em", "implicit", "auto"])
def test_a_run_shows_rising_mixtures_and_ends_at_the_maximum_of_the_estimator(solver):
    state, heard = run(begun(bundled("neutron_stars"), 2, solver))
    model = XDGMM(2, solver=solver, means_init=state.means).fit(state.observations)
    np.testing.assert_array_equal(state.shown.mixture.means, model.means_)
    assert state.result.converged
    assert len(heard) > 3
    assert np.all(np.diff([each.log_likelihood for each in heard]) >= 0)
    assert len(state.passes) == len(state.result.history)
    assert state.log_likelihoods[-1] == pytest.approx(state.result.log_likelihood, rel=1e-12)
    assert state.gains[-1] < 1e-6


def test_the_states_of_a_run_are_those_of_steps():
    state = stepped(begun(bundled("neutron_stars"), 2), 3)
    _, heard = run(begun(bundled("neutron_stars"), 2))
    assert [each.passes for each in heard[:4]] == [1, 2, 3, 4]
    np.testing.assert_allclose(heard[3].mixture.means, state.shown.mixture.means, rtol=1e-12, atol=1e-14)


def test_a_step_at_the_maximum_changes_nothing_and_counts_no_pass():
    state, _ = run(begun(blobs(), 3, "implicit"))
    passes = state.shown.passes
    stepped(state, 3)
    assert state.shown.passes <= passes + 1  # rounding may leave one
    # the likelihood is flat there: its rounding, 1e-13 of 1e3 nats, is 1e-5 standard errors of 0.1
    np.testing.assert_allclose(state.shown.mixture.means, state.result.mixture.means, atol=1e-6)


def test_errors_that_are_left_out_widen_the_components():
    data = blobs(error=1.0)
    with_errors, _ = run(begun(data, 3, "auto"))
    without = FitState(data.with_columns(data.columns, "none"))
    assert with_errors.with_errors
    assert not without.with_errors
    exact, _ = run(begun(without.data, 3, "auto", means=with_errors.means))
    wider = exact.shown.mixture.sigmas.mean() / with_errors.shown.mixture.sigmas.mean()
    assert wider > 1.2  # errors of 1 beside widths of 0.6 to 1.2


def test_one_of_two_gaussians_collapses_on_one_point_and_the_words_say_so():
    state = begun(singular(), 2, means=SINGULAR_MEANS)
    assert state.shrinking is None
    said = []
    while not said or not said[-1]:
        said.append(stepped(state).collapse_in_words)
    with pytest.raises(DegenerateError, match="component 1 collapses"):
        stepped(state, 9)
    assert "collapsing onto a single object at x = 4" in said[-1]
    assert not said[0]
    assert state.shrinking == 1
    assert np.all(np.diff(state.log_likelihoods) > 0)


def test_errors_prevent_the_collapse(tmp_path):
    table = singular().table.copy()
    table["e_x"] = 0.2
    table.write(tmp_path / "t.ecsv")
    state, _ = run(begun(read_file(tmp_path / "t.ecsv", ["x"]), 2, "auto", means=SINGULAR_MEANS))
    assert state.result.converged
    assert state.shrinking is None


def in_shell(command, cwd):
    """What a shell prints, in which ``python`` and ``xdgmm`` are those of this process."""
    tools = f'python() {{ {shlex.quote(sys.executable)} -W ignore "$@"; }}\n'
    tools += "xdgmm() { python -c 'from xdgmm.cli import main; main()' \"$@\"; }\n"
    return subprocess.run(
        ["bash", "-c", tools + command], check=False, capture_output=True, text=True, cwd=cwd, env=os.environ
    )


def repeated(state, folder):
    """The mixtures that the two boxes make."""
    code = python_of(state) + "\nmodel.mixture_.write('python.fits')\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], check=False, capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    done = in_shell(command_of(state), folder)
    assert done.returncode in (0, 1), done.stderr + command_of(state)  # 1: not at the maximum
    assert (folder / "model.fits").is_file(), done.stdout + done.stderr
    return [GaussianMixture.read(folder / name) for name in ("python.fits", "model.fits")]


def is_same(found, state):
    for name in ("weights", "means", "covariances"):
        np.testing.assert_allclose(getattr(found, name), getattr(state.shown.mixture, name), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda _: stepped(begun(blobs(), 3, "implicit", covariance_type="tied"), 3),
        lambda _: stepped(begun(singular(), 2, means=SINGULAR_MEANS), 5),
        lambda _: run(begun(bundled("hydrus1"), 1, "auto"))[0],
        lambda folder: stepped(begun(read_file(table_of_stars(folder), ["it's v"], "s v"), 2), 2),
    ],
    ids=["steps", "collapse", "maximum", "file"],
)
def test_the_boxes_repeat_the_state(make, tmp_path):
    state = make(tmp_path)
    for found in repeated(state, tmp_path):
        is_same(found, state)


def two_tables(folder):
    """A file with two tables."""
    rng = np.random.default_rng(2)
    tables = [fits.table_to_hdu(Table({"v": rng.normal(m, 1.0, 60), "e_v": np.full(60, 0.5)})) for m in (0.0, 9.0)]
    tables[0].name, tables[1].name = "A", "B"
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(folder / "two.fits")
    return folder / "two.fits"


def test_the_boxes_read_the_table_of_a_file_that_was_named(tmp_path):
    data = read_file(two_tables(tmp_path), hdu="B", readme=None, correlations="auto")
    state, _ = run(begun(data.with_columns(["v"]), 1))
    assert "correlations" not in python_of(state)
    for found in repeated(state, tmp_path):
        is_same(found, state)


@pytest.mark.parametrize("name", ["hydrus1", "blobs", "neutron_stars"])
def test_a_file_that_is_called_like_a_bundled_table_is_a_file(name):
    content = b64encode(b"v,e_v\n1,0.1\n2,0.1\n4,0.2\n").decode()
    state = FitState(read_upload(None, name, 30, content), Choices(1))
    assert f"read_table('{name}')" in python_of(state)
    assert f"fit {name} " in command_of(state)


def test_the_boxes_say_that_a_fit_has_no_maximum():
    state = begun(singular(), 2, "auto", means=SINGULAR_MEANS)
    assert "no maximum" not in python_of(state) + command_of(state)
    state.stepped, state.ended = "auto", WITHOUT_MAXIMUM
    assert "no maximum" in python_of(state)
    assert "no maximum" in command_of(state)


def test_the_boxes_of_the_check_repeat_it(tmp_path):
    state, _ = run(begun(bundled("hydrus1"), 1))
    code = python_of_check(state, 19) + "import numpy as np\nnp.save('z.npy', z)\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "z.npy"), residuals(state.result, state.observations), rtol=1e-9)
    done = in_shell(command_of_check(state, 19), tmp_path)
    assert done.returncode in (0, 1), done.stderr
    assert (tmp_path / "check.png").is_file(), done.stdout + done.stderr


def table_of_stars(folder):
    """A file whose name and columns need quotes."""
    rng = np.random.default_rng(1)
    table = Table({"it's v": rng.normal([-3.0, 4.0] * 30, 1.5), "s v": np.full(60, 0.8)})
    path = folder / "my $stars.ecsv"
    table.write(path)
    return path


def test_the_model_is_the_file_of_the_package_with_the_errors_of_its_parameters(tmp_path):
    state, _ = run(begun(bundled("hydrus1"), 1))
    made = model_file(None, state.result, state.data)
    (tmp_path / made.name).write_bytes(made.content)
    read = GaussianMixture.read(tmp_path / "model.fits")
    np.testing.assert_array_equal(read.means, state.shown.mixture.means)
    assert read.record.covariance is not None


def test_the_table_has_its_own_columns_and_the_memberships_of_the_mixture_on_its_way():
    state = stepped(begun(bundled("neutron_stars"), 2), 2)
    table = QTable.read(io.BytesIO(table_file(None, state.shown.mixture, state.data).content), format="fits")
    assert set(state.data.table.colnames) <= set(table.colnames)
    measured = np.isfinite(state.data.table["m"].value)
    of_one = np.ma.filled(np.ma.asarray(table["xd_membership_1"]), np.nan)
    np.testing.assert_allclose(of_one[measured], state.shown.objects.memberships[measured, 1], rtol=1e-12)


def test_the_table_of_the_third_tab_has_the_residuals():
    state = begun(bundled("hydrus1"), 1)
    mixture = state.shown.mixture
    table = QTable.read(io.BytesIO(residual_file(None, mixture, state.data).content), format="fits")
    z = np.column_stack([np.asarray(table[f"xd_residual_{name}"]) for name in mixture.names])
    np.testing.assert_allclose(z, residuals(mixture, state.observations), rtol=1e-12)


def test_a_table_that_fits_cannot_hold_is_sent_as_ecsv(tmp_path):
    Table({"λ": [1.0, 2.0, 4.0], "e_λ": [0.1, 0.1, 0.1]}).write(tmp_path / "t.ecsv")
    state = begun(read_file(tmp_path / "t.ecsv", ["λ"]), 1)
    made = table_file(None, state.shown.mixture, state.data)
    assert made.name == "members.ecsv"
    table = QTable.read(made.content.decode(), format="ascii.ecsv")
    assert table["λ"].tolist() == [1.0, 2.0, 4.0]
    assert "xd_λ" in table.colnames


def test_a_file_that_cannot_be_written_is_called_by_its_name():
    table = QTable({"λ": [1.0]})
    with pytest.raises(OutputError, match=r"'t\.fits'") as caught:
        written("t.fits", "application/fits", lambda path: write_table(table, path))
    assert "/" not in str(caught.value).split("(")[0]


def test_the_picture_of_the_third_tab_is_one():
    state = begun(blobs(1.0), 3)
    assert check_picture(None, state.shown.mixture, state.data, None).content.startswith(b"\x89PNG")


def test_the_picture_is_one():
    state = begun(blobs(), 3)
    assert picture_file(None, state.shown.mixture, state.data).content.startswith(b"\x89PNG")


def test_components_are_called_by_their_numbers_and_colours():
    assert len(COLOURS) == len(COMPONENTS)
    assert [called(k) for k in (0, 1, 7)] == ["0 (blue)", "1 (vermilion)", "7 (blue)"]


def test_colours_are_mixed_by_memberships():
    colours = soft_colours(np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))
    assert colours[0].tolist() == [0x00, 0x72, 0xB2]
    assert colours[2].tolist() == [0xD5, 0x5E, 0x00]
    np.testing.assert_allclose(colours[1], colours[[0, 2]].astype(float).mean(axis=0), atol=1)
    assert hard_labels(np.array([[0.4, 0.6], [0.9, 0.1]])).tolist() == [1, 0]


def test_clusters_of_k_means_get_the_numbers_of_the_components_beside_them():
    state, _ = run(begun(blobs(), 3))
    labels = fit_tasks.kmeans(None, state.observations, 3, 5)
    same = matched(labels, state.observations.values, state.shown.mixture.means)
    assert np.mean(same == hard_labels(state.shown.objects.memberships)) > 0.95
    assert sorted(np.bincount(same)) == sorted(np.bincount(labels))


def test_k_means_leaves_out_what_has_a_missing_value():
    data = bundled("neutron_stars")
    labels = fit_tasks.kmeans(None, data.observations, 2, 0)
    assert np.array_equal(labels == -1, ~data.observations.present[:, 0])


def test_means_are_rounded_to_what_can_be_read():
    state = begun(blobs(), 3)
    assert all(len(repr(number)) <= 7 for number in state.means.ravel().tolist())
    assert np.abs(state.means - fit_tasks.kmeans_means(state.observations, 3, 0)).max() < 1e-3 * 4


def test_objects_are_called_by_the_column_of_their_names_or_by_their_rows():
    assert names_of_objects(blobs())[2] == "row 2"
    assert len(set(names_of_objects(bundled("hydrus1")))) == 31


def test_the_report_of_widths_escapes_what_files_say(tmp_path):
    Table({"<b>v</b>": [1.0, 2.0, 4.0], "e": [0.1, 0.1, 0.1]}).write(tmp_path / "t.ecsv")
    state, _ = run(begun(read_file(tmp_path / "t.ecsv", ["<b>v</b>"], "e"), 1))
    report = fit_tasks.width_report(None, state.result, state.observations, "<i>")
    assert "&lt;b&gt;v" in report
    assert "<b>v" not in report
    assert "<i>" not in report


def test_a_run_that_uses_up_its_passes_says_which_control_of_the_page_helps():
    state, _ = run(begun(blobs(error=1.0), 3))
    assert not state.result.converged
    assert state.in_words.endswith("not converged: its passes are used up; choose 'auto' under iterations")


def test_the_history_of_a_fit_that_begins_with_samples_begins_with_the_start():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(mean, 1.0, (50_000, 2)) for mean in (-2.0, 2.0)])
    table = QTable({"x": values[:, 0], "y": values[:, 1]})
    state = begun(replace(blobs(), table=table, observations=Observations.exact(values)), 2, "auto")
    start = state.shown.log_likelihood
    state, heard = run(state)
    assert state.result.converged
    assert state.log_likelihoods[0] == start < state.log_likelihoods[-1]
    assert np.all(np.diff(state.log_likelihoods) >= 0)
    assert heard[0].passes == 2  # samples are not counted
    assert len(state.passes) == len(state.result.history) + 1
    assert np.isfinite(state.gains).sum() >= 2
    assert np.isfinite(state.gains[0])


def test_no_gain_is_predicted_while_a_component_collapses():
    state = begun(singular(), 2, means=SINGULAR_MEANS)
    assert "nats predicted to remain" in state.in_words
    while state.shrinking is None:
        stepped(state)
    assert state.in_words.endswith("no gain is predicted, because the likelihood has no bound")
    assert np.isnan(state.gains[-1])
    assert np.isfinite(state.gains[0])
