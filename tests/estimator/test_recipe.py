"""The record of a fit says how it is repeated, and this repeats it, to the last bit."""

import numpy as np
import pytest
import sklearn

import xdgmm
from xdgmm import XDGMM, Background, Fixed, GaussianMixture, datasets, select


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    X = np.r_[rng.normal(0, 1, (150, 2)), rng.normal(3, 2, (100, 2))]
    return {"X": X, "Xerr": rng.uniform(0.3, 0.9, X.shape), "sample_weight": rng.uniform(0.5, 1.5, len(X))}


def again(recipe, names):
    """The fitted estimator that the recipe gives; what it names is given by `names`."""
    code, version = recipe.split("  # ")
    assert version == f"xdgmm {xdgmm.__version__}"
    found = eval(code, {"XDGMM": XDGMM, "select": select, **names})
    return getattr(found, "estimator", found)


def assert_same_bits(one, other):
    for name in ("weights", "means", "covariances"):
        np.testing.assert_array_equal(getattr(one.mixture_, name), getattr(other.mixture_, name))


@pytest.mark.parametrize("random_state", [None, 7, "legacy"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_components": 3, "n_init": 2},
        {"n_components": 3, "covariance_type": "diag", "tol": 1e-5, "max_iter": 40, "solver": "em", "init": "random"},
        {"n_components": 2, "means_init": [[0.0, 0.0], [3.0, 3.0]]},
        {"n_components": 2, "background": Background()},
    ],
)
@pytest.mark.filterwarnings("ignore::xdgmm.ConvergenceWarning")
def test_the_call_in_the_record_gives_the_same_bits(data, random_state, options):
    random_state = np.random.RandomState(3) if random_state == "legacy" else random_state
    model = XDGMM(random_state=random_state, **options).fit(data["X"], Xerr=data["Xerr"])
    recipe = model.result_.record.recipe
    assert "random_state=" in recipe
    assert recipe.count("n_init") == ("n_init" in options)
    assert_same_bits(model, again(recipe, {**data, **options}))


def test_only_what_differs_from_the_default_is_written(data):
    model = XDGMM(1, random_state=0, progress="never", tol=1e-8).fit(data["X"], Xerr=data["Xerr"])
    assert model.mixture_.record.recipe == f"XDGMM(random_state=0).fit(X, Xerr=Xerr)  # xdgmm {xdgmm.__version__}"
    report = model.widths(data["X"], Xerr=data["Xerr"])
    assert report.meta["recipe"] == model.mixture_.record.recipe
    assert report.summary().endswith(f"the fit again: {report.meta['recipe']}")
    assert r"XDGMM(random\_state=0).fit(X, Xerr=Xerr)" in report.to_latex(style="aastex")
    weighted = XDGMM(n_components=np.int64(2), random_state=0).fit(**data)
    assert weighted.mixture_.record.recipe.startswith(
        "XDGMM(n_components=2, random_state=0).fit(X, Xerr=Xerr, sample_weight=sample_weight)"
    )


def test_what_cannot_be_written_out_stands_by_its_name(data):
    start = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [3.0, 3.0]], [np.eye(2), np.eye(2)])
    options = {"init": start, "fixed": Fixed(means=(0,)), "random_state": np.random.default_rng(1)}
    recipe = XDGMM(2, **options).fit(data["X"], Xerr=data["Xerr"]).mixture_.record.recipe
    assert recipe.startswith("XDGMM(n_components=2, init=init, fixed=fixed, random_state=random_state)")


@pytest.mark.parametrize("options", [{}, {"criterion": "cv", "n_folds": 3, "covariance_types": ("full", "diag")}])
def test_a_choice_is_repeated_too(options):
    stars = datasets.load("neutron_stars")["m", "e_m"]
    found = select(stars, n_components=range(1, 4), **options)
    recipe = found.result.record.recipe
    assert recipe.startswith("select(X, n_components=[1, 2, 3], ")
    repeated = again(recipe, {"X": stars})
    assert_same_bits(found.estimator, repeated)
    assert found.estimator.mixture_.record.recipe == recipe == repeated.mixture_.record.recipe


def test_a_request_for_metadata_is_no_parameter(data):
    with sklearn.config_context(enable_metadata_routing=True):
        model = XDGMM(random_state=0).set_fit_request(Xerr=True).fit(data["X"], Xerr=data["Xerr"])
    assert model.mixture_.record.recipe.startswith("XDGMM(random_state=0).fit(X, Xerr=Xerr)")


def test_files_keep_the_recipe_and_those_without_one_are_read(data, tmp_path):
    model = XDGMM(2, random_state=1).fit(data["X"], Xerr=data["Xerr"])
    for name in ("m.fits", "m.ecsv"):
        model.mixture_.write(tmp_path / name)
        assert GaussianMixture.read(tmp_path / name).record.recipe == model.mixture_.record.recipe
    text = (tmp_path / "m.ecsv").read_text()
    (tmp_path / "old.ecsv").write_text("\n".join(line for line in text.splitlines() if "RECIPE" not in line) + "\n")
    assert GaussianMixture.read(tmp_path / "old.ecsv").record.recipe == ""
