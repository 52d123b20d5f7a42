"""Small data of every kind through public functions and commands: an answer or one of our own errors.

No warning of another package, no traceback, no "nan" in print; answers for one component follow a power of two.
"""

import warnings

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from xdgmm import XDGMM, Background, Observations, lines, selection, uncertainty
from xdgmm.cli import main
from xdgmm.diagnostics import error_scale
from xdgmm.errors import XdgmmError, XdgmmWarning
from xdgmm.objects import distances, memberships, outlyingness
from xdgmm.tables.printing import as_text
from xdgmm.widths import relations, relations_table

FUNCTIONS = {
    "outlyingness": lambda fit, data: outlyingness(fit.mixture, data),
    "distances": lambda fit, data: distances(fit.mixture, data),
    "memberships": lambda fit, data: memberships(fit.mixture, data),
    "parameter_errors": lambda fit, data: uncertainty.parameter_errors(fit.mixture, data),
    "width_limit": lambda fit, data: uncertainty.width_limit(fit.mixture, data, 0, 0),
    "simulated width_limit": lambda fit, data: uncertainty.width_limit(fit.mixture, data, 0, 0, limit="auto"),
    "principal_limit": lambda fit, data: uncertainty.principal_limit(fit.mixture, data, 0),
    "simulated principal_limit": lambda fit, data: uncertainty.principal_limit(fit.mixture, data, 0, limit="auto"),
    "conditional_limit": lambda fit, data: uncertainty.conditional_limit(fit.mixture, data, 0, 0),
    "background_limit": lambda fit, data: uncertainty.background_limit(fit.mixture, data),
    "profile_interval": lambda fit, data: uncertainty.profile_interval(fit.mixture, data, 0, 0),
    "mean_interval": lambda fit, data: uncertainty.mean_interval(fit.mixture, data, 0, 0),
    "weight_interval": lambda fit, data: uncertainty.weight_interval(fit.mixture, data, 0),
    "bootstrap": lambda fit, data: uncertainty.bootstrap(fit, data, n_resamples=4, rng=0),
    "sample_posterior": lambda fit, data: uncertainty.sample_posterior(fit, data, n_steps=4, rng=0),
    "select": lambda _, data: selection.select(data, range(1, 3)),
    "error_scale": lambda fit, data: str(error_scale(fit, data)),
    "error_scale of groups": lambda fit, data: str(error_scale(fit, data, by=np.arange(len(data)) % 2)),
    "floors": lambda fit, data: str(error_scale(fit, data, by=np.arange(len(data)) % 2, kind="jitter")),
    "condition": lambda fit, _: fit.mixture.condition({0: 0.0}),
    "relations": lambda fit, data: as_text(relations_table(relations(fit, data, method="profile"))),
}
FAST = ("outlyingness", "distances", "memberships", "parameter_errors", "conditional_limit", "bootstrap", "condition")
WITHOUT_UNITS = ("outlyingness", "distances", "memberships")


def draw(seed):
    """Values, errors and weights of some objects."""
    rng = np.random.default_rng(seed)
    n, dimensions = int(rng.integers(1, 14)), int(rng.integers(1, 4))
    values = rng.normal(0.0, 3.0, (n, dimensions)) * 10.0 ** rng.integers(-3, 4)
    errors = 10.0 ** rng.uniform(-3.0, 3.0, values.shape)
    errors[rng.random(values.shape) < 0.1] = 0.0
    values[rng.random(values.shape) < 0.15] = np.nan
    weights = rng.choice([0.0, 1.0, 1.0, 3.0], n) if rng.random() < 0.3 else None
    model = {"n_components": int(rng.integers(1, 3)), "background": Background() if rng.random() < 0.3 else None}
    return values, errors, weights, model


def check_sentence(error):
    assert len(str(error).splitlines()) == 1


def answer(name, values, errors, weights, model):
    try:
        data = Observations.with_standard_errors(values, errors, weights=weights)
        result = XDGMM(**model, random_state=0).fit(data).result_
        return result.converged, FUNCTIONS[name](result, data)
    except XdgmmError as error:
        check_sentence(error)
        return None


def check(name, seed):
    values, errors, weights, model = draw(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", XdgmmWarning)
        found = answer(name, values, errors, weights, model)
        if isinstance(found and found[1], str):
            assert "nan" not in found[1]
        if name not in WITHOUT_UNITS or model["n_components"] > 1:
            return
        scaled = answer(name, values * 2.0**20, errors * 2.0**20, weights, model)
    assert (found is None) == (scaled is None)
    if found and found[0] and scaled[0]:
        np.testing.assert_allclose(scaled[1], found[1], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("name", FAST)
def test_a_few_data(name):
    for seed in range(3):
        check(name, seed)


@pytest.mark.slow
@given(st.sampled_from(list(FUNCTIONS)), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_an_answer_or_an_error_of_ours(name, seed):
    check(name, seed)


# 44762: the limit on a line 1500 times narrower than the instrument was NaN by rounding
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 44762])
def test_widths_of_lines(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 8))
    observed, errors = 10.0 ** rng.uniform(-2.0, 2.0, n), 10.0 ** rng.uniform(-4.0, 2.0, n)
    observed[rng.random(n) < 0.1] = np.nan
    lsf, lsf_error = 10.0 ** rng.uniform(-2.0, 2.0), rng.choice([0.0, 0.1])

    def sigmas(scale):
        try:
            found = lines.deconvolve(observed * scale, errors * scale, lsf=lsf * scale, lsf_error=lsf_error)
            numbers = np.array([found.intrinsic_sigma, found.upper_limit(0.95)]) / scale
        except XdgmmError as error:
            check_sentence(error)
            return None
        try:
            lines.population(found)
        except XdgmmError as error:
            check_sentence(error)
        return numbers

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", XdgmmWarning)
        found, scaled = sigmas(1.0), sigmas(2.0**20)
    assert (found is None) == (scaled is None)
    if found is not None:
        # digits cancel where the instrument is much wider: V is a difference of squares
        np.testing.assert_allclose(scaled, found, rtol=1e-5, atol=1e-5 * lsf)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 8))])
def test_commands(seed, tmp_path, monkeypatch, capsys):
    """Each ends with a report or with one sentence; what it warns of are sentences of ours."""
    monkeypatch.setattr(warnings, "filters", list(warnings.filters))
    values, errors, _, _ = draw(seed)
    names = [f"c{i}" for i in range(values.shape[1])]
    table = Table([*values.T, *errors.T], names=[*names, *(f"e_{name}" for name in names)])
    table.write(tmp_path / "t.csv", format="ascii.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    for arguments in (
        ["fit", "t.csv", "--columns", ",".join(names), "--starts", "1", "--output", "m.fits"],
        ["widths", "m.fits", "t.csv"],
        ["apply", "m.fits", "t.csv", "--output", "o.fits"],
        ["info", "t.csv"],
        ["lines", "deconvolve", "t.csv", "--sigma", "c0", "--error", "e_c0", "--lsf", "1.0"],
    ):
        monkeypatch.setattr("sys.argv", ["xdgmm", *arguments])
        warnings.simplefilter("always")
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert (ended.value.code or 0) in (0, 1, 2), arguments
        assert "nan" not in said.out.split(), arguments
        sentences = said.err.splitlines()
        assert all(each.startswith(("error: ", "warning: ", "xdgmm compiles")) for each in sentences), sentences


def drawn_spectrum(rng):
    """Arguments of a spectrum, of which some are wrong now and then."""
    n = int(rng.integers(1, 9))
    wave = np.cumsum(rng.choice([0.0, 0.5, 1.0, 7.0], n, p=[0.05, 0.3, 0.5, 0.15])) + rng.choice([0.0, 5000.0])
    shape = (n,) if rng.random() < 0.7 else (2, n)
    flux = np.where(rng.random(shape) < 0.1, np.nan, rng.normal(size=shape))
    noise = rng.choice([-1.0, 0.0, np.nan, 1.0, 2.0, np.inf], shape, p=[0.01, 0.04, 0.2, 0.55, 0.1, 0.1])
    banded = np.vstack([noise.reshape(-1, n)[:1], rng.uniform(-0.4, 0.4, (1, n))])
    errors = [{}, {"err": noise}, {"ivar": noise}, {"covariance": banded}][rng.integers(4)]
    matrix = lines.LSF(matrix=rng.normal(size=(n, n)), includes_pixel=True)
    lsf = [None, lines.LSF(R=1000, includes_pixel=True), matrix][rng.integers(3)]
    return wave, flux, {"mask": rng.random(shape) < 0.2, "lsf": lsf, **errors}


@pytest.mark.parametrize("order", [1, -1])
@given(seed=st.integers(0, 2**32 - 1))
def test_spectra(order, seed):
    rng = np.random.default_rng(seed)
    wave, flux, arguments = drawn_spectrum(rng)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            spectrum = lines.Spectrum(wave[::order], flux, **arguments)
            low, high = np.sort(rng.choice(spectrum.wave, 2))
            part = spectrum.window(low, high)
            assert "nan" not in f"{spectrum} {part}"
        except XdgmmError as error:
            check_sentence(error)
            return
    assert (part.low < part.wave).all()
    assert (part.wave < part.high).all()
    assert (np.diff(part.wave) > 0).all()
    assert (part.high[:-1] <= part.low[1:] * (1 + 1e-15)).all()
    assert np.isfinite(part.flux[part.good]).all()
    assert part.err is None or (part.err[part.good] > 0).all()
