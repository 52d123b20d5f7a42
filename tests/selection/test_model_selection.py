"""The choice among candidates: by every criterion, what is said of it, and what cannot be chosen from."""

import signal
import warnings

import numpy as np
import pytest

import xdgmm.selection
from xdgmm import DegenerateError, GaussianMixture, InputError, Observations, Prior, datasets
from xdgmm.errors import XdgmmDeprecationWarning
from xdgmm.fitting import Fixed, InverseWishart, Model, Settings, StoppingRule
from xdgmm.selection import ModelSelection, aic, bic, select

KINDS = ("full", "diag", "spherical")


@pytest.fixture(scope="module")
def masses():
    return Observations.from_table(datasets.load("neutron_stars"), "m")


@pytest.fixture(scope="module")
def three():
    """Three clumps far apart."""
    rng = np.random.default_rng(3)
    values = rng.normal(10.0 * rng.integers(3, size=90), 1.0)
    return Observations.with_standard_errors(values, 0.5)


@pytest.fixture(scope="module")
def found(masses):
    return select(masses, range(1, 4), rng=0)


def test_bcg_has_the_published_criteria():
    table = datasets.load("bcg")
    trials = Observations.with_standard_errors(np.asarray(table["y"]), np.sqrt(np.asarray(table["var_y"])))
    selection = select(trials, [1])
    assert selection.table["bic"][0] == pytest.approx(30.4601, abs=5.1e-5)
    assert selection.table["aic"][0] == pytest.approx(29.3302, abs=5.1e-5)


def test_neutron_star_masses_are_two_populations(found):
    assert found.n_components == 2
    assert found.table["bic"][1] == pytest.approx(5.14, abs=0.005)
    assert found.result.mixture.means[:, 0] == pytest.approx([1.3457, 1.7821], abs=5.1e-5)


def test_the_table_has_a_row_for_each_candidate(found, masses):
    table = found.table
    assert table.colnames == [
        "n_components", "covariance_type", "log_likelihood", "n_parameters", "bic", "aic", "aicc", "icl", "cv",
        "cv_error", "p_value", "evidence_weight", "smallest_component", "narrowest_width", "status",
    ]  # fmt: skip
    assert table["n_components"].tolist() == [1, 2, 3]
    assert table["status"].tolist() == ["converged"] * 3
    assert np.isnan(table["cv"]).all()
    assert np.isnan(table["cv_error"]).all()
    assert table["evidence_weight"].sum() == pytest.approx(1.0)
    for row, result in zip(table, found.results, strict=True):
        lnL, p = result.log_likelihood, result.n_parameters
        assert (row["log_likelihood"], row["n_parameters"]) == (lnL, p)
        assert (row["aic"], row["bic"]) == (aic(lnL, p), bic(lnL, p, masses.n_objects))
        assert row["smallest_component"] == pytest.approx(result.mixture.weights.min() * masses.n_objects)


@pytest.mark.parametrize(
    "criterion", ["bic", "aic", "aicc", "icl", "cv", pytest.param("bootstrap", marks=pytest.mark.slow)]
)
def test_every_criterion_finds_clumps_that_are_far_apart(three, criterion):
    found = select(three, range(1, 5), rng=1, criterion=criterion, n_simulations=19, n_folds=3)
    assert found.n_components == 3
    assert found.criterion == criterion
    assert found.decisiveness.startswith("3 components: ")
    assert np.isnan(found.table["cv"]).all() == (criterion != "cv")
    assert np.isnan(found.table["p_value"]).all() == (criterion != "bootstrap")


def test_how_decisive_the_choice_is_stands_in_a_sentence(three, masses):
    for criterion, said in {
        "bic": "BIC lower by .* than with 4 (strong)",
        "aic": "AIC lower by .* than with 4",
        "icl": "ICL lower by .* than with",
    }.items():
        before, after = said.split(".*")
        sentence = select(three, range(2, 5), rng=1, criterion=criterion).decisiveness
        assert before in sentence
        assert after in sentence
    assert "no other candidate" in select(masses, 2).decisiveness
    assert "than with 2, full" in select(masses, 2, covariance_types=["full", "tied"], rng=0).decisiveness


@pytest.mark.slow
def test_how_decisive_a_test_is_stands_in_a_sentence(three):
    tested = select(three, range(2, 5), rng=1, criterion="bootstrap", n_simulations=19).decisiveness
    assert tested.startswith("3 components: 4 are not needed (p = ")
    assert tested.endswith("2 do not suffice (p = 0.05)")


def test_covariance_types_are_candidates_too():
    rng = np.random.default_rng(0)
    round_ones = Observations.with_standard_errors(rng.normal(size=(80, 2)), 0.2)
    found = select(round_ones, [1, 2], covariance_types=KINDS, rng=0)
    assert (found.n_components, found.covariance_type) == (1, "spherical")
    assert found.table["covariance_type"].tolist() == [*KINDS, *KINDS]
    assert found.table["n_parameters"].tolist() == [5, 4, 3, 11, 9, 7]
    assert found.result.model.covariance_type == "spherical"
    assert "1 component, spherical: BIC lower by" in str(found)


@pytest.mark.parametrize("criterion", ["bic", "cv"])
def test_candidates_that_are_the_same_model_do_not_compete(three, criterion):
    types = ["full", "tied", "diag", "spherical"]
    found = select(three, [1, 3], covariance_types=types, criterion=criterion, rng=0)
    assert (found.n_components, found.covariance_type) == (3, "tied")
    assert found.decisiveness.endswith("3, full") or "than with 3, full" in found.decisiveness
    one = select(three, 1, covariance_types=types, criterion=criterion, rng=0)
    assert one.covariance_type == "full"  # the first of equal ones
    assert one.decisiveness == "1 component, full: all candidates are the same model"
    np.testing.assert_array_equal(one.table["evidence_weight"], [1.0, np.nan, np.nan, np.nan])  # counted once
    distinct = found.table["bic"][~np.isnan(found.table["evidence_weight"])]
    expected = np.exp(-0.5 * (distinct - distinct.min()))
    np.testing.assert_allclose(
        found.table["evidence_weight"][~np.isnan(found.table["evidence_weight"])], expected / expected.sum(), rtol=1e-9
    )
    assert len(distinct) == 3
    assert select(three, 3, covariance_types=types[2:], criterion=criterion, rng=0).covariance_type == "diag"


def test_it_prints_itself(found):
    for text in (str(found), repr(found), found._repr_html_()):
        assert "converged, chosen" in text
        assert "2 components: BIC lower by" in text
    assert "<table" in found._repr_html_()
    assert "type" not in str(found)  # there is one
    assert "cv" not in str(found)
    assert max(map(len, str(found).splitlines())) <= 120


def test_a_number_without_a_maximum_is_marked():
    x = np.r_[np.zeros(5), np.random.default_rng(0).normal(5, 1, 5)]
    selection = select(Observations.exact(x), [1, 10], rng=0)
    assert selection.n_components == 1
    assert selection.table["status"].tolist() == ["converged", "degenerate"]
    assert selection.table["evidence_weight"].tolist() == [1.0, 0.0]
    assert np.isnan(selection.table["bic"][1])
    assert selection.results[1] is None
    assert "degenerate" in str(selection)


def test_an_unconverged_fit_is_marked(masses):
    selection = select(masses, [1, 2], Settings(stopping=StoppingRule(max_passes=2)), rng=0)
    assert selection.table["status"].tolist() == ["unconverged", "unconverged"]


@pytest.mark.parametrize(
    ("candidates", "said"),
    [([1, 2], "2 components are the most"), ([2, 3], "2 components are the fewest"), ([1, 2, 3], ""), ([2], "")],
)
def test_a_choice_at_the_end_of_the_range_is_said(masses, candidates, said):
    selection = select(masses, candidates, rng=0)
    assert selection.n_components == 2
    assert [remark.startswith(said) for remark in selection.remarks] == ([True] if said else [])


def test_one_component_has_no_smaller_number_and_all_objects_no_larger_one():
    hydrus = Observations.from_table(datasets.load("hydrus1"), "v")
    assert select(hydrus, [1, 2], rng=0).remarks == ()
    two = Observations.with_standard_errors([0.0, 100.0], 0.1)
    selection = select(two, [1, 2], rng=0)
    assert selection.n_components == 2
    assert selection.remarks == ()


def test_numbers_come_in_any_order_and_once(masses):
    one, other = select(masses, [3, 1, 2, 1], rng=0), select(masses, range(1, 4), rng=0)
    np.testing.assert_array_equal(one.table["bic"], other.table["bic"])
    assert one.table["n_components"].tolist() == [1, 2, 3]


def test_no_maximum_at_all_is_an_error():
    with pytest.raises(DegenerateError, match="no maximum; give errors"):
        select(Observations.exact(np.zeros(5)), [1, 2])


@pytest.mark.parametrize("candidates", [[], [0], [1, 58], [1.5], ["two"], 0, 2.5, True])
def test_numbers_that_cannot_be_are_refused(masses, candidates):
    with pytest.raises(InputError, match="n_components"):
        select(masses, candidates)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"criterion": "bics"}, "must be one of bic, aic"),
        ({"criterion": None}, "must be one of bic, aic"),
        ({"criterion": "cv", "n_folds": 1}, "`n_folds` is 1, .* at least 2"),
        ({"criterion": "cv", "n_folds": 58}, "only 57 objects"),
        ({"n_folds": 2.5}, "`n_folds`"),
        ({"n_jobs": 0}, "`n_jobs`"),
        ({"n_simulations": 18}, "`n_simulations` is 18"),
        ({"covariance_types": []}, "no covariance type"),
        ({"covariance_types": ["full", "round"]}, "'round', but it must be one of"),
        ({"criterion": "bootstrap", "covariance_types": KINDS}, "one covariance type"),
        ({"settings": Settings(model=Model(fixed=Fixed(means=(0,))))}, "`fixed` names components"),
        ({"settings": Settings(start=GaussianMixture([1.0], [[1.0]], [[[1.0]]]))}, "a start has one number"),
    ],
)
def test_options_that_do_not_fit_are_refused(masses, options, said):
    with pytest.raises(InputError, match=said):
        select(masses, [1, 2], **options)


def test_a_start_serves_several_covariance_types_of_one_number():
    rng = np.random.default_rng(1)
    observations = Observations.with_standard_errors(rng.normal(size=(60, 2)) * [1, 3], 0.3)
    start = GaussianMixture([0.5, 0.5], [[0.0, 2.0], [0.0, -2.0]], [np.eye(2)] * 2)
    chosen = Settings(start=start, model=Model(fixed=Fixed(means=(0,))))
    found = select(observations, 2, chosen, covariance_types=["diag", "spherical"])
    for result in found.results:
        assert [0.0, 2.0] in result.mixture.means.tolist()


def test_a_prior_is_no_part_of_the_criteria(masses):
    prior = Prior(covariances=InverseWishart(0.01))
    found = select(masses, [1, 2], Settings(n_init=2, model=Model(prior=prior)), rng=0)
    for row, result in zip(found.table, found.results, strict=True):
        assert result.log_priors
        assert row["bic"] == bic(result.log_likelihood, result.n_parameters, 57)


def test_weights_count_as_numbers_of_objects(three):
    doubled = Observations.with_standard_errors(three.values, three.noise, weights=np.full(90, 2.0))
    twice = Observations.with_standard_errors(np.tile(three.values, (2, 1)), np.tile(three.noise, (2, 1)))
    one, other = (select(each, [1, 2], rng=0).table for each in (doubled, twice))
    for name in ("log_likelihood", "bic", "aicc", "icl", "smallest_component"):
        assert one[name] == pytest.approx(other[name], rel=1e-7)


def test_relative_weights_are_said(three):
    for scale, said in ((0.01, "the 90 weights sum to 0.9, and criteria count"), (1.0, None)):
        weighted = Observations.with_standard_errors(three.values, three.noise, weights=np.full(90, scale))
        remarks = " ".join(select(weighted, [2, 3, 4], rng=0).remarks)
        assert ("weights" in remarks) is (said is not None)
        assert said is None or said in remarks


@pytest.mark.parametrize(
    ("n_objects", "said"),
    [
        (3, "1 component: AICc is infinite for every candidate, since the objects are too few"),
        (5, "1 component: AICc is infinite for every other candidate"),
    ],
)
def test_too_few_objects_for_aicc_are_said(three, n_objects, said):
    found = select(three.select(np.arange(n_objects)), [1, 2], rng=0, criterion="aicc")
    assert said in found.decisiveness


@pytest.fixture
def default_interrupts():
    """Ctrl-C raises KeyboardInterrupt also where the tests run in the background, where shells ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("default_interrupts")
def test_ctrl_c_keeps_what_is_done(three):
    def press(progress):
        if progress.mixture.n_components == 2:
            signal.raise_signal(signal.SIGINT)

    found = select(three, range(1, 5), Settings(callback=press), rng=0, criterion="cv")
    assert found.table["status"].tolist() == ["converged", "interrupted", "not fitted", "not fitted"]
    assert found.criterion == "bic"
    assert "ended before all candidates" in found.remarks[0]


@pytest.mark.usefixtures("default_interrupts")
@pytest.mark.parametrize("criterion", ["cv", "bootstrap"])
def test_ctrl_c_during_the_comparison_lets_bic_choose(three, criterion):
    passes = []
    select(three, [1, 2, 3], Settings(callback=lambda progress: passes.append(progress) and False), rng=0)
    made = len(passes)

    def press(progress):
        passes.append(progress)
        if len(passes) == 2 * made + 3:
            signal.raise_signal(signal.SIGINT)

    found = select(three, [1, 2, 3], Settings(callback=press), rng=0, criterion=criterion)
    assert found.criterion == "bic"
    assert "interrupted" in found.remarks[0]
    assert found.n_components == 3


def test_a_callback_can_end_it(three):
    found = select(three, range(1, 4), Settings(callback=lambda p: p.mixture.n_components == 3), rng=0)
    assert found.table["status"].tolist()[:2] == ["converged", "converged"]
    assert found.table["status"][2] in ("stopped", "not fitted")


def test_a_bar_shows_the_fits(three, capsys):
    select(three, [1, 2], Settings(progress="always"), rng=0, criterion="cv", n_folds=2)
    shown = capsys.readouterr().err
    assert "2/2" in shown
    assert "4/4" in shown


def test_old_names_work_with_a_warning(masses):
    with pytest.warns(XdgmmDeprecationWarning, match="ModelSelection"):
        assert xdgmm.selection.Selection is ModelSelection
    with pytest.warns(XdgmmDeprecationWarning, match="xdgmm.selection.select"):
        search = xdgmm.selection.search
    with pytest.warns(XdgmmDeprecationWarning, match="n_components="):
        found = search(masses, candidates=[1, 2], rng=0)
    for old, new, value in (
        ("chosen", "n_components", 2),
        ("bic", r"table\['bic'\]", found.table["bic"].tolist()),
        ("degenerate", r"table\['status'\]", ()),
    ):
        with pytest.warns(XdgmmDeprecationWarning, match=new):
            result = getattr(found, old)
        assert (result.tolist() if old == "bic" else result) == value


def test_nothing_warns_of_a_usual_choice(masses):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        select(masses, [1, 2, 3], rng=0, criterion="cv")
