import sys
import warnings
from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest

from xdgmm import XDGMM, Fixed, GaussianMixture, InputError, Observations, uncertainty
from xdgmm.errors import OutputError, XdgmmDeprecationWarning
from xdgmm.uncertainty.mcmc import sample_posterior

QUICK = {"n_steps": 1500, "rng": 1}


def some_mixture(covariance_type="full", K=2):
    """Samples of a mixture of well separated groups in two columns with different units: too few to be of use."""
    rng = np.random.default_rng(0)
    centre = np.where(rng.random((120, 1)) < 0.6, [0.0, 0.0], [9.0, 4.0])
    values = centre + rng.standard_normal((120, 2))
    units = None if covariance_type == "spherical" else ["km/s", "mag"]
    obs = Observations.with_standard_errors(values, 0.3, names=["v", "m"], units=units)
    result = XDGMM(K, covariance_type=covariance_type, random_state=0).fit(obs).result_
    return result, obs


@pytest.fixture(scope="module")
def mixture_samples():
    with pytest.warns(match="50 autocorrelation times"):
        return sample_posterior(*some_mixture(), **QUICK)


NAMES = {
    "full": "mean[0, v] mean[0, m] mean[1, v] mean[1, m] sigma[0, v] sigma[0, m] sigma[1, v] sigma[1, m] "
    "correlation[0, v, m] correlation[1, v, m]",
    "tied": "mean[0, v] mean[0, m] mean[1, v] mean[1, m] sigma[v] sigma[m] correlation[v, m]",
    "diag": "mean[0, v] mean[0, m] mean[1, v] mean[1, m] sigma[0, v] sigma[0, m] sigma[1, v] sigma[1, m]",
    "spherical": "mean[0, v] mean[0, m] mean[1, v] mean[1, m] sigma[0] sigma[1]",
}


@pytest.mark.parametrize("covariance_type", NAMES)
def test_every_free_parameter_has_a_name_and_no_other(covariance_type):
    with pytest.warns(match="50 autocorrelation times"):
        samples = sample_posterior(*some_mixture(covariance_type), n_steps=20, rng=1)
    expected = ["weight[0]", "weight[1]"]
    assert " ".join(samples.parameters) == " ".join([*expected, NAMES[covariance_type]])


def test_parameters_carry_units_and_are_those_of_the_mixtures(mixture_samples):
    found = mixture_samples.parameters
    assert found["mean[1, v]"].unit == u.km / u.s
    assert found["sigma[0, m]"].unit == u.mag
    for i, mixture in enumerate(mixture_samples.mixtures()):
        assert found["weight[1]"][i] == mixture.weights[1]
        assert found["mean[1, v]"][i].value == mixture.means[1, 0]
        assert found["sigma[0, m]"][i].value == mixture.sigmas[0, 1]
        rho = mixture.covariances[1, 0, 1] / mixture.sigmas[1].prod()
        assert found["correlation[1, v, m]"][i] == pytest.approx(rho, rel=1e-12)
        assert mixture.names == ("v", "m")


def test_the_summary_holds_quantiles_and_units(mixture_samples):
    table = mixture_samples.summary(level=0.9)
    assert table.colnames == ["parameter", "unit", "median", "low", "high", "tau", "ess"]
    row = table[list(table["parameter"]).index("sigma[0, v]")]
    values = mixture_samples.parameters["sigma[0, v]"].value
    np.testing.assert_allclose([row["low"], row["median"], row["high"]], np.quantile(values, [0.05, 0.5, 0.95]))
    assert row["unit"] == "km / s"
    kept = mixture_samples.n_steps - mixture_samples.chain.burn_in
    assert row["ess"] == pytest.approx(kept * mixture_samples.n_walkers / row["tau"], rel=0.05)  # steps left over
    assert "half-Cauchy" in table.meta["prior"]
    assert "fewer than 50" in table.meta["outcome"]
    with pytest.raises(InputError, match="`level` is 68"):
        mixture_samples.summary(level=68)


def test_a_function_is_propagated_through_the_samples(mixture_samples):
    estimate = mixture_samples.propagate(lambda mixture: mixture.means[1, 0] - mixture.means[0, 0], level=0.9)
    differences = mixture_samples.means[:, 1, 0] - mixture_samples.means[:, 0, 0]
    np.testing.assert_allclose([estimate.low, estimate.high], np.quantile(differences, [0.05, 0.95]))
    assert estimate.value == pytest.approx(np.median(differences), rel=1e-6)


def test_samples_and_log_posterior_belong_together(mixture_samples):
    assert mixture_samples.log_posterior.shape == mixture_samples.weights.shape[:1] == (len(mixture_samples),)
    assert (mixture_samples.weights.sum(axis=1) == pytest.approx(1.0)) is True
    assert mixture_samples.label_switching == 0.0


def test_arviz_gets_named_dimensions(mixture_samples):
    pytest.importorskip("arviz")
    data = mixture_samples.to_arviz()
    posterior = data["posterior"]
    steps = len(mixture_samples) // mixture_samples.n_walkers
    assert dict(posterior.sizes) == {
        "chain": mixture_samples.n_walkers,
        "draw": steps,
        "component": 2,
        "coordinate": 2,
        "pair": 1,
    }
    third_of_second = posterior["mean"].sel(chain=1, draw=2, component=1, coordinate="m")
    assert float(third_of_second) == mixture_samples.means[2 * mixture_samples.n_walkers + 1, 1, 1]
    assert posterior.attrs["units"] == "km / s, mag"
    assert "half-Cauchy" in posterior.attrs["prior"]
    np.testing.assert_array_equal(data["sample_stats"]["lp"].values.T.ravel(), mixture_samples.log_posterior)


@pytest.mark.parametrize("covariance_type", NAMES)
@pytest.mark.parametrize("K", [1, 2])
def test_arviz_gets_no_constants_and_every_free_parameter_once(covariance_type, K):
    pytest.importorskip("arviz")
    with pytest.warns(match="50 autocorrelation times"):
        samples = sample_posterior(*some_mixture(covariance_type, K), n_steps=20, rng=1)
    posterior = samples.to_arviz()["posterior"]
    rows = [
        row
        for name in posterior
        for row in np.moveaxis(posterior[name].values, (0, 1), (-1, -2)).reshape(-1, len(samples))
    ]
    expected = [getattr(each, "value", each) for each in samples.parameters.values()]
    assert all(np.ptp(row) > 0 for row in rows)
    np.testing.assert_allclose(np.sort(rows, axis=0), np.sort(expected, axis=0), rtol=1e-12)


def test_arviz_gets_what_is_free_beside_what_is_fixed():
    pytest.importorskip("arviz")
    _, obs = some_mixture()
    start = GaussianMixture([0.6, 0.4], [[0.0, 0.0], [9.0, 4.0]], np.tile(np.eye(2), (2, 1, 1)))
    model = XDGMM(2, init=start, fixed=Fixed(means=(0,), covariances=(0,))).fit(obs)
    with pytest.warns(match="50 autocorrelation times"):
        samples = sample_posterior(model.result_, obs, n_steps=20, rng=1)
    posterior = samples.to_arviz()["posterior"]
    assert posterior["mean"].dims[2:] == ("component_mean", "coordinate")
    assert posterior["component_mean"].values.tolist() == [1]
    second = posterior["sigma"].sel(component_sigma=1, coordinate="m").values
    np.testing.assert_array_equal(second.T.ravel(), samples.parameters["sigma[1, m]"].value)
    assert posterior["weight"].dims[2:] == ("component",)


def test_arviz_1_gets_its_groups_in_one_dictionary(mixture_samples, monkeypatch):
    """Its signature is ``from_dict(data, *, coords, dims, ...)``, and it returns a tree of datasets."""
    seen = {}

    def from_dict(data, *, coords=None, dims=None):
        warnings.warn("Found chain dimension to be longer than draw dimension, check ...", stacklevel=2)
        seen.update(data=data, coords=coords, dims=dims)
        return {group: SimpleNamespace(attrs={}) for group in data}

    monkeypatch.setitem(sys.modules, "arviz", SimpleNamespace(__version__="1.2.0", from_dict=from_dict))
    tree = mixture_samples.to_arviz()
    assert set(tree) == set(seen["data"]) == {"posterior", "sample_stats"}
    walkers = mixture_samples.n_walkers
    steps = len(mixture_samples) // walkers
    assert seen["data"]["posterior"]["mean"].shape == (walkers, steps, 2, 2)
    assert seen["dims"]["correlation"] == ["component", "pair"]
    assert tree["posterior"].attrs["units"] == "km / s, mag"


def test_arviz_1_makes_a_tree_of_the_same_samples(mixture_samples, monkeypatch):
    base = pytest.importorskip("arviz_base", reason="arviz_base is what ArviZ 1.x makes its trees with")
    monkeypatch.setitem(sys.modules, "arviz", SimpleNamespace(__version__="1.2.0", from_dict=base.from_dict))
    tree = mixture_samples.to_arviz()
    assert type(tree).__name__ == "DataTree"
    third_of_second = tree["posterior"]["mean"].sel(chain=1, draw=2, component=1, coordinate="m")
    assert float(third_of_second) == mixture_samples.means[2 * mixture_samples.n_walkers + 1, 1, 1]
    assert tree["posterior"].attrs["units"] == "km / s, mag"
    np.testing.assert_array_equal(tree["sample_stats"]["lp"].values.T.ravel(), mixture_samples.log_posterior)


@pytest.mark.parametrize(("package", "extra", "call"), [("arviz", "mcmc", "to_arviz"), ("corner", "plot", "corner")])
def test_a_missing_package_is_named_with_its_extra(mixture_samples, monkeypatch, package, extra, call):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"pip install 'xdgmm\[{extra}\]'"):
        getattr(mixture_samples, call)()


def test_the_corner_plot_shows_every_pair_and_is_written(mixture_samples, tmp_path):
    pytest.importorskip("corner")
    path = tmp_path / "corner.png"
    figure = mixture_samples.corner(path)
    size = len(mixture_samples.parameters)
    assert len(figure.axes) == size**2
    assert figure.axes[-1].get_xlabel() == "correlation[1, v, m]"
    assert path.stat().st_size > 10_000
    with pytest.raises(OutputError, match="exists"):
        mixture_samples.corner(path)


@pytest.mark.parametrize(("old", "new"), [("exchanged", "label_switching"), ("labels", "free")])
def test_old_names_still_work(mixture_samples, old, new):
    with pytest.warns(XdgmmDeprecationWarning, match=new):
        assert getattr(mixture_samples, old) is getattr(mixture_samples, new)


def test_refine_is_another_name_of_sample_posterior():
    assert uncertainty.refine is uncertainty.sample_posterior
    assert XDGMM.refine is XDGMM.sample_posterior
