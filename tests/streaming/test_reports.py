"""Reports on a catalogue in parts are those on the same table in memory, or of a random sample, or refused."""

import functools
import re
import warnings

import numpy as np
import pytest
from astropy.table import Table

from xdgmm import XDGMM, Background, Flat, GaussianMixture, Observations, select
from xdgmm.diagnostics import influence, quick_checks, residuals, simulate
from xdgmm.errors import DegenerateError, InputError
from xdgmm.fitting import fit
from xdgmm.kernels import StreamedData
from xdgmm.observations import streamed
from xdgmm.prediction import doubts_about_samples
from xdgmm.streaming import TableSource
from xdgmm.uncertainty import (
    background_limit,
    bootstrap,
    function_interval,
    mean_interval,
    parameter_errors,
    profile_interval,
    sample_posterior,
    width_limit,
)
from xdgmm.widths import relations, widths

N, SAMPLE = 600, 200
COLUMNS = ["v", "c"]
OF_SAMPLE = ("observed_", "instrumental_", "naive_", "n_informative")


def catalogue(*columns):
    """Two groups in two columns, with some of further columns: upper errors E_v, flags of limits l_c."""
    rng = np.random.default_rng(4)
    group = rng.random(N) < 0.4
    v = np.where(group[:, None], [-20.0, 0.3], [15.0, 1.2]) + rng.standard_normal((N, 2)) * [6.0, 0.2]
    errors = rng.uniform([1.0, 0.05], [8.0, 0.3], (N, 2))
    w = v + errors * rng.standard_normal((N, 2))
    table = Table({"v": w[:, 0], "c": w[:, 1], "e_v": errors[:, 0], "e_c": errors[:, 1], "n": rng.integers(0, 3, N)})
    table["p"] = np.where(group, 0.9, 0.1)
    more = {"l_c": np.where(rng.random(N) < 0.1, "<", ""), "E_v": 1.5 * errors[:, 0]}
    for name in columns:
        table[name] = more[name]
    return table


FORMS = {
    "weights": ({}, {"weights": "n"}),
    "t": ({"family": "t", "dof": "shared"}, {}),
    "background": ({"background": Background([-60.0, -3.0], [60.0, 4.0])}, {}),
    "flat": ({"flat": Flat("c", -3.0, 4.0)}, {}),
    "diag": ({"covariance_type": "diag"}, {}),
    "limits": ({}, {"on_limit": "use"}),
    "memberships": ({}, {"memberships": "p"}),
    "mixtures of errors": ({}, {"asymmetric": "mixture"}),
}
MORE = {"limits": ["l_c"], "mixtures of errors": ["E_v"]}


@pytest.fixture(autouse=True)
def _small_samples(monkeypatch):
    monkeypatch.setattr(streamed, "SAMPLE", SAMPLE)


@functools.cache
def fitted(form):
    """The fit, the observations in memory, and the same in parts."""
    options, columns = FORMS[form]
    table = catalogue(*MORE.get(form, ()))
    whole = Observations.from_table(table, COLUMNS, **columns)
    source = TableSource([table[i : i + 130] for i in range(0, N, 130)], COLUMNS, **columns)
    assert len(source.observations().sample) == SAMPLE
    return XDGMM(2, random_state=1, tol=1e-10, **options).fit(whole), whole, source


def in_parts(observations, size=130):
    return streamed.discover(
        lambda: (observations.select(slice(i, i + size)) for i in range(0, len(observations), size)), 1e6
    )


def numbers(table, name):
    column = table[name]
    return np.asarray(getattr(column.filled(np.nan) if hasattr(column, "filled") else column, "value", column), float)


def same_table(one, other, *, rtol, without=()):
    assert len(one) == len(other)
    assert one.colnames == other.colnames
    for name in one.colnames:
        if one[name].dtype.kind in "fi" and not name.startswith(without):
            values = (np.ma.filled(np.ma.masked_invalid(numbers(each, name)), -1.0) for each in (one, other))
            np.testing.assert_allclose(*values, rtol=rtol, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("form", FORMS)
class TestForms:
    """Every form of the data beside every report that is exact."""

    def test_scores_are_those_of_all_objects(self, form):
        model, whole, source = fitted(form)
        for name in ("score", "aic", "bic"):
            assert getattr(model, name)(source) == pytest.approx(getattr(model, name)(whole), rel=1e-12)

    @pytest.mark.parametrize("kind", ["information", "sandwich"])
    def test_errors_are_those_of_all_objects(self, form, kind):
        model, whole, source = fitted(form)
        expected, found = (parameter_errors(model.mixture_, each, kind=kind) for each in (whole, source))
        for name in ("weights", "means", "variances"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(found.covariance, expected.covariance, rtol=1e-5, atol=1e-8)

    def test_widths_are_those_of_all_objects(self, form):
        model, whole, source = fitted(form)
        expected, found = (widths(model.result_, each, method="sandwich") for each in (whole, source))
        same_table(expected, found, rtol=1e-7, without=OF_SAMPLE)
        assert f"a random sample of {SAMPLE} of the {whole.n_objects} objects" in str(found.meta["remarks"])
        assert "random sample" not in str(expected.meta["remarks"])

    def test_relations_are_those_of_all_objects(self, form):
        model, whole, source = fitted(form)
        same_table(relations(model.result_, whole), relations(model.result_, source), rtol=1e-6)


@pytest.mark.parametrize(
    "form", [form if form in ("diag", "limits") else pytest.param(form, marks=pytest.mark.slow) for form in FORMS]
)
def test_a_check_says_that_it_is_of_a_sample(form):
    model, whole, source = fitted(form)
    check = model.check(source, n_simulations=19)
    assert (check.n_objects, check.sampled_from) == (SAMPLE, whole.n_objects)
    assert f"a random sample of {SAMPLE} of {whole.n_objects} objects" in str(check)
    assert set(check.unusual["row"]) <= set(source.observations().sample_rows)
    assert check.unusual.meta["n_objects"] == SAMPLE


def test_rows_of_a_checked_sample_are_those_of_the_catalogue():
    # a value far from all others is the first of the unusual ones, wherever it is
    values = np.random.default_rng(1).standard_normal(3 * SAMPLE)
    whole = Observations.with_standard_errors(values, 0.1)
    found = in_parts(whole)
    row = int(found.sample_rows[SAMPLE // 2])
    values[row] = 3.9
    whole = Observations.with_standard_errors(values, 0.1)
    found = in_parts(whole)
    check = XDGMM().fit(whole).check(found, n_simulations=19)
    assert check.unusual["row"][0] == check.influence["row"][0] == row


def test_what_was_observed_is_that_of_the_sample():
    model, _, source = fitted("diag")
    sample = source.observations().sample
    found = widths(model.mixture_, source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the mixture is not the maximum for the sample alone
        expected = widths(model.mixture_, sample)
    for name in OF_SAMPLE[:3]:
        column = f"{name}sigma"
        np.testing.assert_allclose(numbers(found, column), numbers(expected, column), rtol=1e-12)
    ratio = numbers(found, "n_informative") / numbers(expected, "n_informative")
    np.testing.assert_allclose(ratio, N / SAMPLE)


@functools.cache
def unresolved():
    """Values with a scatter smaller than their errors: in memory, and in parts."""
    rng = np.random.default_rng(3)
    errors = rng.uniform(1.0, 2.0, N)
    whole = Observations.with_standard_errors(5.0 + errors * rng.standard_normal(N), errors)
    found = in_parts(whole)
    return XDGMM(1, tol=1e-10).fit(whole), whole, found


def test_profiles_and_limits_are_those_of_all_objects():
    model, whole, source = unresolved()
    assert len(source.sample) == SAMPLE
    mixture = model.mixture_
    expected, found = (width_limit(mixture, each, 0, 0) for each in (whole, source))
    assert found.upper == pytest.approx(expected.upper, rel=1e-6)
    assert found.deviance == pytest.approx(expected.deviance, rel=1e-6, abs=1e-6)
    for interval in (
        lambda each: profile_interval(mixture, each, 0, 0),
        lambda each: function_interval(lambda m: m.means[0, 0], mixture, each),
    ):
        expected, found = interval(whole), interval(source)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-5, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["weights", "t", "background"])
def test_a_profile_beside_a_second_column_is_that_of_all_objects(form):
    model, whole, source = fitted(form)
    expected, found = (
        profile_interval(model.mixture_, each, 0, 0, model=model.result_.model) for each in (whole, source)
    )
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-4)


def test_the_limit_of_a_background_is_that_of_all_objects():
    _, whole, source = unresolved()
    model = XDGMM(1, background=Background(-20.0, 30.0)).fit(whole)
    expected, found = (background_limit(model.mixture_, each) for each in (whole, source))
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_expected_information_is_that_of_all_objects():
    model, whole, source = unresolved()
    expected, found = (parameter_errors(model.mixture_, each, "expected") for each in (whole, source))
    np.testing.assert_allclose(found.means, expected.means, rtol=1e-12)


def test_quick_checks_are_of_the_sample():
    model, _, source = fitted("diag")
    assert quick_checks(model, source, 1.1) == quick_checks(model, source.observations().sample, 1.1)


def test_a_choice_by_criteria_is_that_of_all_objects():
    _, whole, source = fitted("diag")
    options = {"n_components": [1, 2], "covariance_types": "diag", "random_state": 1, "n_init": 2}
    expected, found = (select(each, **options) for each in (whole, source))
    assert found.n_components == expected.n_components
    for name in ("log_likelihood", "bic", "aic", "aicc", "icl"):
        np.testing.assert_allclose(found.table[name], expected.table[name], rtol=1e-9)


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (lambda model, source: model.score_samples(source), "objects.apply"),
        (lambda model, source: model.predict(source), "objects.apply"),
        (lambda model, source: model.predict_proba(source), "objects.apply"),
        (lambda model, source: model.denoise(source), "objects.apply"),
        (lambda model, source: model.outlyingness(source), "objects.apply"),
        (lambda model, source: model.outlier_weights(source), "objects.apply"),
        (lambda model, source: bootstrap(model.result_, source), "bootstrap draws"),
        (lambda model, source: widths(model.result_, source, method="bootstrap"), "bootstrap draws"),
        (lambda model, source: sample_posterior(model.result_, source), "thousands of passes"),
        (lambda model, source: model.widths(source, method="mcmc"), "thousands of passes"),
        (lambda model, source: width_limit(model.mixture_, source, 0, 0, limit="simulated"), "simulations are of all"),
        (lambda model, source: model.widths(source, limit="simulated"), "simulations are of all"),
        (lambda _, source: select(source, criterion="cv", n_components=[1, 2]), "'cv'` divides all objects"),
        (lambda _, source: select(source, criterion="bootstrap", n_components=[1, 2]), "simulates all objects"),
        (lambda model, source: model.simulate(source), "all objects in memory"),
        (lambda model, source: simulate(model, source, 1), "all objects in memory"),
        (residuals, "all objects in memory"),
        (influence, "all objects in memory"),
        (lambda model, source: model.check(source, against={"m": np.arange(N)}), "`against` holds something for each"),
        (lambda model, source: model.check(source, object_names=list("abc")), "`object_names` holds something"),
        (lambda model, source: model.plot(source), "all objects in memory"),
        (lambda model, source: model.score(source, Xerr=1.0), "name columns of the catalogue"),
    ],
)
def test_what_needs_single_objects_is_refused_in_one_sentence(report, message):
    model, _, source = fitted("diag")
    with pytest.raises(InputError, match=message) as error:
        report(model, source)
    assert ". " not in str(error.value)


def test_a_small_catalogue_in_parts_has_every_report():
    table = catalogue()[: SAMPLE - 20]
    columns = ["v", "c"]
    whole = Observations.from_table(table, columns)
    source = TableSource([table[:100], table[100:]], columns)
    model = XDGMM(1).fit(whole)
    expected, found = (
        bootstrap(model.result_, each, n_resamples=3, rng=1, progress="never") for each in (whole, source)
    )
    np.testing.assert_array_equal(found.means, expected.means)
    same_table(widths(model.result_, whole), widths(model.result_, source), rtol=1e-8)
    check = model.check(source, n_simulations=19)
    assert check.sampled_from is None
    assert str(check) == str(model.check(whole, n_simulations=19))


def test_a_collapse_is_explained_by_the_sample_that_was_looked_at():
    values = np.repeat([0.0, 5.0], [N // 2, N // 2])
    with pytest.raises(DegenerateError, match=f"{SAMPLE} of {SAMPLE} objects in a random sample have such values"):
        fit(in_parts(Observations.exact(values)), 2)


def test_a_column_of_which_the_sample_has_no_value_is_refused():
    rng = np.random.default_rng(5)
    values = rng.standard_normal((N, 2))
    rows = in_parts(Observations.exact(values)).sample_rows
    values[rows, 1] = np.nan
    with pytest.raises(InputError, match=f"no object in the random sample of {SAMPLE} has a value of y"):
        fit(in_parts(Observations.exact(values, names=["x", "y"])), 1)


@pytest.mark.filterwarnings("ignore:fewer than 50 effective samples")
def test_doubts_about_posterior_samples_are_those_of_all_objects():
    rng = np.random.default_rng(0)
    truth = rng.normal(0.0, 1.0, N)
    samples = truth[:, None, None] + rng.standard_normal((N, 1, 1)) + rng.standard_normal((N, 20, 1))
    whole = Observations.from_samples(samples, lambda values: np.zeros(values.shape[:2]))
    mixture = GaussianMixture([1.0], [[0.0]], [[[1.0]]], whole.names)
    (expected,), (found,) = (list(doubts_about_samples(mixture, each)) for each in (whole, in_parts(whole)))
    errors = (float(re.search(r"error of ([0-9.]+) nats", each)[1]) for each in (expected, found))
    assert next(errors) == pytest.approx(next(errors), rel=0.1)  # of the sample: sqrt(3) times less


def test_a_profile_makes_few_passes_over_a_catalogue_in_parts(monkeypatch):
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(0.0, 1.0, 2000), rng.normal(5.0, 1.0, 2000)])
    stars = Observations.with_standard_errors(rng.permutation(values)[:, None], 0.5)
    result = fit(stars, 2)
    whole = mean_interval(result.mixture, stars, 0, 0)
    passes = []
    each = StreamedData.each
    monkeypatch.setattr(StreamedData, "each", lambda self, ask: (passes.append(ask), each(self, ask))[1])
    parts = mean_interval(result.mixture, in_parts(stars, 1000), 0, 0)
    assert len(passes) < 250  # ten times as many without the curvature of the sample
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high), abs=1e-5 * whole.error)
