"""Whole fits and their reports on an emulated card: the contract of solvers, and the numbers of processors."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from xdgmm import Observations
from xdgmm.diagnostics import check
from xdgmm.fitting import Settings, StoppingRule, fit
from xdgmm.kernels import devices
from xdgmm.objects import denoise
from xdgmm.uncertainty import bootstrap, laplace, profile_interval, width_limit
from xdgmm.widths import widths


def contract(name):
    """The tests of a contract, as a module."""
    place = Path(__file__).parents[2] / "fitting" / f"{name}.py"
    spec = spec_from_file_location(f"{name}_on_cards", place)
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


solvers, selections = contract("test_contract"), contract("test_selection_contract")

# Every solver, covariance type, form of noise and extra; limits have passes of their own, on processors.
CASES = [
    ("full", "covariances", "nothing", "auto"),
    ("tied", "missing", "prior", "em"),
    ("diag", "standard errors", "t", "quasi-newton"),
    ("spherical", "projections", "fixed", "implicit"),
    ("full", "one projection", "nothing", "quasi-newton"),
    ("diag", "one for all", "background", "auto"),
    ("full", "standard errors", "memberships beside a background", "auto"),
    ("full", "covariances", "flat beside a background", "auto"),
    ("tied", "split normals", "t of one dof, background", "auto"),
    ("full", "none", "t and a Gaussian, prior", "auto"),
    ("full", "limits", "memberships", "auto"),
]
OFTEN = CASES[:1]


def some(cases):
    return [case if case in OFTEN else pytest.param(*case, marks=pytest.mark.slow) for case in cases]


@pytest.mark.parametrize(("kind", "noise", "extra", "solver"), some(CASES))
def test_every_solver_reaches_the_maximum_on_a_card(kind, noise, extra, solver, on_card):
    before = on_card.card.n_launches
    solvers.test_every_solver_reaches_a_maximum_of_the_twins_objective(kind, noise, extra, solver)
    assert on_card.card.n_launches > before + 5


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(("full", "covariances", "nothing", "box", "auto"), marks=pytest.mark.slow),
        pytest.param(("diag", "missing", "background", "box", "quasi-newton"), marks=pytest.mark.slow),
    ],
)
@pytest.mark.usefixtures("on_card")
def test_a_selection_function_is_fitted_on_a_card(case):
    selections.test_every_solver_reaches_a_maximum_of_the_twins_objective(*case)


@pytest.mark.parametrize(
    ("kind", "noise", "extra", "solver"), [case for case in CASES if case[1:3] != ("limits", "memberships")]
)
@pytest.mark.usefixtures("on_card")
def test_a_few_iterations_are_those_of_processors(kind, noise, extra, solver):
    # five steps from one start: no decision of a solver is near enough to its limit for rounding to change it
    observations, model = solvers.observed(noise, extra), solvers.model_of(kind, extra)
    settings = Settings(solver, StoppingRule(0.0, 5), start=solvers.start_of(model), model=model)
    found = fit(observations, 2, settings, rng=0)
    with devices.using_device("cpu"):
        expected = fit(observations, 2, settings, rng=0)
    np.testing.assert_allclose(found.history, expected.history, rtol=1e-10)
    for name in ("all_weights", "means", "covariances"):
        np.testing.assert_allclose(
            getattr(found.mixture, name), getattr(expected.mixture, name), rtol=0, atol=1e-8, err_msg=name
        )


@pytest.fixture(scope="module")
def fitted():
    rng, n = np.random.default_rng(3), 150
    labels = rng.random(n) < 0.4
    v = np.where(labels[:, None], [-2.0, 0.5], [2.5, 1.0]) + rng.standard_normal((n, 2)) * [0.9, 0.6]
    root = 0.3 * rng.standard_normal((n, 2, 2))
    S = root @ root.transpose(0, 2, 1) + 0.03 * np.eye(2)
    w = v + np.einsum("nij,nj->ni", np.linalg.cholesky(S), rng.standard_normal((n, 2)))
    observations = Observations.with_covariances(w, S)
    return observations, fit(observations, 2, Settings("auto", StoppingRule(1e-10, 2000)), rng=0)


REPORTS = {
    "widths": lambda o, r: [column for column in widths(r, o).itercols() if column.dtype.kind == "f"],
    "errors": lambda o, r: laplace(r.mixture, o).covariance,
    "bootstrap": lambda o, r: [each.means for each in bootstrap(r, o, n_resamples=3, rng=0).mixtures()],
    "profile": lambda o, r: [getattr(profile_interval(r.mixture, o, 0, 1), name) for name in ("value", "low", "high")],
    "limit": lambda o, r: width_limit(r.mixture, o, 0, 1).upper,
    "denoise": lambda o, r: denoise(r.mixture, o).means,
    "check": lambda o, r: check(r, o, n_simulations=19, rng=0).simulated,
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in REPORTS])
@pytest.mark.usefixtures("on_card")
def test_reports_have_the_numbers_of_processors(name, fitted):
    found = np.asarray(REPORTS[name](*fitted))
    with devices.using_device("cpu"):
        expected = np.asarray(REPORTS[name](*fitted))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
