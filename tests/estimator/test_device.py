"""Every method of a model makes its passes on its device, and says in one sentence that there is none."""

import inspect
import pickle
import threading

import joblib
import numpy as np
import pytest
from sklearn.base import clone

import xdgmm
from xdgmm import (
    XDGMM,
    GaussianMixture,
    InputError,
    Observations,
    diagnostics,
    fitting,
    objects,
    prediction,
    select,
    selection,
    widths,
)
from xdgmm.compat.bovy import extreme_deconvolution
from xdgmm.errors import ConvergenceWarning, XdgmmWarning
from xdgmm.kernels import devices, using_device
from xdgmm.kernels.processors import Processors
from xdgmm.uncertainty import bootstrap, sample_posterior, width_limit

RNG = np.random.default_rng(0)
ERRORS = RNG.uniform(0.2, 1.0, (60, 2))
VALUES = RNG.normal(3.0, np.sqrt(1.0 + ERRORS**2))
DATA = Observations.with_standard_errors(VALUES, ERRORS)
METHODS = {
    "fit": {},
    "partial_fit": {},
    "fit_predict": {},
    "score_samples": {},
    "score": {},
    "predict_proba": {},
    "predict": {},
    "denoise": {},
    "outlyingness": {},
    "outlier_weights": {},
    "aic": {},
    "bic": {},
    "widths": {},
    "check": {"n_simulations": 19, "rng": 0},
    "plot": {"kind": "widths"},
    "simulate": {},
    "relations": {},
    "sample_posterior": {"n_steps": 20, "n_walkers": 16},
}


@pytest.fixture(scope="module")
def fitted():
    return XDGMM(random_state=0).fit(DATA)


def call(model, method):
    data = Observations.with_standard_errors(VALUES, ERRORS)  # new ones, which keep nothing of earlier passes
    return getattr(model, method)(data, **METHODS[method])


def test_every_method_that_takes_data_is_among_these():
    takes_data = {
        name
        for name, method in inspect.getmembers(XDGMM, inspect.isfunction)
        if not name.startswith("_") and "X" in inspect.signature(method).parameters
    }
    assert takes_data == {*METHODS, "refine"}


@pytest.mark.filterwarnings("ignore:the `n_steps` steps")  # a short chain will do
@pytest.mark.parametrize("method", METHODS)
def test_every_method_makes_its_passes_on_the_device_of_the_model(card, fitted, method):
    model = clone(fitted) if method in ("fit", "fit_predict") else pickle.loads(pickle.dumps(fitted))
    call(model.set_params(device="cpu"), method)
    assert not card
    model = clone(fitted) if method in ("fit", "fit_predict") else model.set_params(device="cuda")
    call(model.set_params(device="cuda"), method)
    assert card
    assert xdgmm.get_device() == "cpu"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_says_in_one_sentence_that_there_is_no_card(no_card, fitted, method):
    model = pickle.loads(pickle.dumps(fitted)).set_params(device="cuda")
    with pytest.raises(InputError) as refused:
        call(model, method)
    assert str(refused.value) == no_card


FUNCTIONS = {
    "fit": lambda _, data: fitting.fit(data),
    "fit_from": lambda of, data: fitting.fit_from(data, 2, [of.mixture_], fitting.Settings(), 0),
    "fit_above": lambda of, data: fitting.fit_above(data, 2, of.mixture_, fitting.Settings()),
    "select": lambda _, data: select(data, n_components=[1, 2]),
    "selection.select": lambda _, data: selection.select(data, [1, 2]),
    "widths": lambda of, data: widths.widths(of.result_, data),
    "relations": lambda of, data: widths.relations(of.result_, data),
    "denoise": lambda of, data: objects.denoise(of.mixture_, data),
    "memberships": lambda _, data: objects.memberships(GaussianMixture([0.5, 0.5], np.eye(2), [np.eye(2)] * 2), data),
    "log_likelihoods": lambda of, data: objects.log_likelihoods(of.mixture_, data),
    "total_log_likelihood": lambda of, data: prediction.total_log_likelihood(of.mixture_, data),
    "check": lambda of, data: diagnostics.check(of.result_, data, n_simulations=19, rng=0),
    "error_scale": lambda of, data: diagnostics.error_scale(of.result_, data),
    "bootstrap": lambda of, data: bootstrap(of.result_, data, n_resamples=4, rng=0),
    "width_limit": lambda of, data: width_limit(of.mixture_, data, component=0, axis=0),
    "sample_posterior": lambda of, data: sample_posterior(of.result_, data, rng=0),
    "extreme_deconvolution": lambda *_: extreme_deconvolution(
        VALUES, ERRORS**2, np.ones(1), np.zeros((1, 2)), np.eye(2)[None]
    ),
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_says_in_one_sentence_that_there_is_no_card(no_card, fitted, monkeypatch, function):
    data = Observations.with_standard_errors(VALUES, ERRORS)
    monkeypatch.setenv("XDGMM_DEVICE", "cuda")
    with pytest.raises(InputError) as refused:
        FUNCTIONS[function](fitted, data)
    assert str(refused.value) == no_card


@pytest.mark.parametrize("device", ["gpu", "", 1, ["cuda"]])
def test_a_device_that_there_is_not_is_refused(device):
    with pytest.raises(InputError, match=r"`device` is .*, but it must be one of cpu, cuda, cuda-float32, auto"):
        XDGMM(device=device).fit(DATA)


def test_the_device_of_the_model_goes_before_that_of_the_process(card):
    xdgmm.set_device("cuda")
    XDGMM(device="cpu").fit(DATA)
    assert not card
    XDGMM().fit(DATA)
    assert card


def test_the_device_is_a_parameter_like_others():
    model = XDGMM(device="cuda")
    assert model.get_params()["device"] == "cuda"
    assert clone(model).device == "cuda"
    assert clone(model).set_params(device=None).device is None
    assert "device='cuda'" in repr(model)


def test_the_fit_is_that_of_processors_and_its_record_and_recipe_say_where_it_was_made(card, fitted):
    model = XDGMM(random_state=0, device="cuda").fit(DATA)
    np.testing.assert_array_equal(model.means_, fitted.means_)
    assert model.result_.record.device == "cuda"
    assert "device='cuda'" in model.result_.record.recipe
    assert fitted.result_.record.device == "cpu"
    assert "device" not in fitted.result_.record.recipe
    assert card


def test_the_candidates_of_a_selection_are_fitted_on_the_device(card):
    found = select(DATA, n_components=[1, 2], random_state=0, device="cuda")
    assert card
    assert found.estimator.device == "cuda"
    assert found.result.record.device == "cuda"


def test_a_selection_without_a_card_is_refused(no_card):
    with pytest.raises(InputError, match="no card was found"):
        select(DATA, n_components=[1, 2], device="cuda")
    assert no_card


def two_groups(device=None):
    """A fit of two components in one column, and its observations."""
    data = Observations.with_standard_errors(np.append(VALUES[:, 0], VALUES[:, 0] + 9.0), np.tile(ERRORS[:, 0], 2))
    return XDGMM(2, random_state=0, device=device).fit(data), data


TASKS = {
    "bootstrap": lambda model, data: bootstrap(model.result_, data, n_resamples=4, rng=0, n_jobs=2),
    "check": lambda model, data: model.check(data, n_simulations=19, rng=0, n_jobs=2),
    "select": lambda _, data: select(data, n_components=[1, 2], n_jobs=2, random_state=0),
    "limit": lambda model, data: width_limit(
        model.mixture_, data, component=0, axis=0, limit="simulated", rng=0, n_jobs=2
    ),
}


@pytest.mark.parametrize("task", TASKS)
def test_other_jobs_make_their_passes_on_the_device_too(card, monkeypatch, task):
    model, data = two_groups("cuda")
    elsewhere, original = set(), Processors.sums

    def sums(engine, *arguments, **given):
        if threading.current_thread() is not threading.main_thread():
            elsewhere.add(engine.name)
        return original(engine, *arguments, **given)

    monkeypatch.setattr(Processors, "sums", sums)
    with joblib.parallel_config("threading"), using_device("cuda"):
        TASKS[task](model, data)
    assert elsewhere == {"cuda"}
    assert card


def test_a_fit_begun_on_processors_is_resumed_on_a_card(engines_of_cards, monkeypatch, tmp_path):
    original = devices.engine
    monkeypatch.setattr(devices, "engine", lambda device: engines_of_cards.get(device) or original(device))
    start = GaussianMixture([0.5, 0.5], [[2.0, 3.0], [4.0, 3.0]], [np.eye(2)] * 2)
    passes = []
    model = XDGMM(2, init=start, callback=lambda progress: len(passes) > 5 or passes.append(progress))
    with pytest.warns(ConvergenceWarning):
        model.fit(DATA, checkpoint=tmp_path / "fit.passes")
    model.set_params(callback=None, device="cuda").fit(DATA, checkpoint=tmp_path / "fit.passes", resume=True)
    whole = XDGMM(2, init=start).fit(DATA)
    assert model.converged_
    assert model.result_.record.device.startswith("cuda")
    assert model.result_.log_likelihood == pytest.approx(whole.result_.log_likelihood, abs=1e-7)  # tol is 1e-8 nats


@pytest.mark.parametrize("device", devices.DEVICES)
def test_workers_of_an_executor_choose_their_own_device(card, device):
    refused = rf"`device` is '{device}', .*XDGMM_DEVICE={device} .*leave `device` out"
    with pytest.raises(InputError, match=refused):
        XDGMM(device=device).fit(DATA, executor=object())
    with pytest.raises(InputError, match=r"`device` is .*must be one of cpu"):
        XDGMM(device=np.array(["cpu", "cuda"])).fit(DATA, executor=object())
    assert not card


def test_warnings_of_a_fit_are_shown_where_it_was_called():
    with pytest.warns(XdgmmWarning) as shown:
        XDGMM(max_iter=1, solver="em", n_init=1).fit(DATA)
    assert shown[0].filename == __file__
