"""One line at a time: the signed variance, its interval, its limit, and what is refused."""

import warnings

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.table import Column, QTable, Table
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import chi2, kstest, norm

from xdgmm import InputError, XdgmmError, lines
from xdgmm.errors import XdgmmDeprecationWarning, XdgmmWarning

FWHM = np.sqrt(8 * np.log(2))
ONE = {"lsf": 60.0, "lsf_error": 0.03}


def profile(width, error, lsf, fraction, sigma):
    """Twice the fall of the likelihood at an intrinsic sigma, the instrument's width left to choose, by brute force."""

    def deviance(log_lsf):
        true = 0.5 * np.log(sigma**2 + np.exp(2 * log_lsf))
        return ((np.log(width) - true) / (error / width)) ** 2 + ((log_lsf - np.log(lsf)) / fraction) ** 2

    about = np.log(lsf)
    return minimize_scalar(
        deviance, bounds=(about - 50 * fraction, about + 50 * fraction), method="bounded", options={"xatol": 1e-12}
    ).fun


def test_the_variance_is_signed_and_its_error_follows_by_the_delta_method():
    widths = lines.deconvolve([70.0, 58.0], [2.0, 1.0], lsf=60.0)
    assert widths.intrinsic_variance == pytest.approx([70**2 - 60**2, 58**2 - 60**2], rel=1e-14)
    assert widths.intrinsic_variance_error == pytest.approx([2 * 70 * 2, 2 * 58 * 1], rel=1e-14)
    with_lsf = lines.deconvolve(70.0, 2.0, **ONE)
    assert with_lsf.intrinsic_variance_error == pytest.approx(np.hypot(2 * 70 * 2, 2 * 60**2 * 0.03), rel=1e-14)


def test_the_error_of_a_resolved_sigma_is_70_over_36_times_the_observed_one():
    widths = lines.deconvolve(70.0, 0.7, lsf=60.0)
    assert widths.intrinsic_sigma_error / 0.7 == pytest.approx(70 / np.sqrt(70**2 - 60**2), rel=1e-12)
    low, high = widths.interval(norm.cdf(1) - norm.cdf(-1))
    # The interval is not symmetric; its half width differs from the delta method's by terms of the error squared.
    assert 0.5 * (high - low) / 0.7 == pytest.approx(70 / 36.0555, rel=0.003)


def test_a_well_resolved_line_is_what_subtraction_gives():
    widths = lines.deconvolve(300.0, 3.0, lsf=60.0, lsf_error=0.03)
    assert widths.intrinsic_sigma == pytest.approx(np.sqrt(300**2 - 60**2), rel=1e-14)
    low, high = widths.interval(0.6827)
    error = np.hypot(300 * 3, 60**2 * 0.03) / widths.intrinsic_sigma
    assert [low, high] == pytest.approx(
        [widths.intrinsic_sigma - error, widths.intrinsic_sigma + error], abs=0.01 * error
    )


@pytest.mark.filterwarnings("ignore:the width is below")
@given(st.floats(0.7, 2.5), st.floats(0.005, 0.15), st.floats(0.002, 0.15), st.sampled_from([0.5, 0.6827, 0.95]))
def test_ends_of_intervals_and_limits_are_those_of_a_brute_force_profile(width, r, fraction, level):
    error, least = r * width, 0.0
    one = lines.deconvolve(width, error, lsf=1.0, lsf_error=fraction)
    best = float(one.intrinsic_sigma)
    bottom = profile(width, error, 1.0, fraction, best)

    def fall(sigma):
        return profile(width, error, 1.0, fraction, sigma) - bottom

    def end(quantile):
        return brentq(lambda sigma: fall(sigma) - quantile, best, 20.0, xtol=1e-12)

    low, high = one.interval(level)
    # Brent's minimum is good to some 1e-8 of the deviance, which moves an end by that over its slope.
    assert high == pytest.approx(end(chi2.ppf(level, 1)), rel=1e-5)
    if low > least:
        assert fall(low) == pytest.approx(chi2.ppf(level, 1), rel=1e-4)
    else:
        assert fall(0.0) <= chi2.ppf(level, 1) * (1 + 1e-6)
    assert one.upper_limit(0.95) == pytest.approx(end(chi2.ppf(0.90, 1)), rel=1e-5)
    assert bool(one.is_limit) == (fall(0.0) <= chi2.ppf(0.90, 1) or best == 0)


@given(st.floats(1e-6, 1e6), st.floats(0.8, 3.0))
def test_units_do_not_matter(scale, ratio):
    here = lines.deconvolve(ratio, 0.1, lsf=1.0, lsf_error=0.05)
    there = lines.deconvolve(scale * ratio, scale * 0.1, lsf=scale, lsf_error=0.05)
    assert there.upper_limit() == pytest.approx(scale * here.upper_limit(), rel=1e-9)
    assert there.interval()[1] == pytest.approx(scale * here.interval()[1], rel=1e-9)
    assert there.resolved_pvalue == pytest.approx(here.resolved_pvalue, abs=1e-9)


def test_a_less_certain_instrument_widens_every_interval():
    tight, loose = (lines.deconvolve(65.0, 1.0, lsf=60.0, lsf_error=f) for f in (0.0, 0.05))
    assert loose.interval(0.95)[1] > tight.interval(0.95)[1]
    assert loose.interval(0.95)[0] < tight.interval(0.95)[0]
    assert loose.upper_limit() > tight.upper_limit()
    assert loose.resolved_pvalue > tight.resolved_pvalue


@pytest.mark.filterwarnings("ignore:.*as large as the width:xdgmm.errors.XdgmmWarning")
def test_nothing_is_nan_and_no_zero_is_bare():
    observed = np.concatenate([np.geomspace(0.3, 30, 200), [1.0]])
    for r in (1e-6, 0.05, 1.0, 30.0):
        widths = lines.deconvolve(observed, r * observed, lsf=np.ones(201), lsf_error=0.05)
        assert not np.isnan(widths.intrinsic_variance).any()
        for numbers in (
            widths.intrinsic_sigma,
            widths.intrinsic_sigma_error,
            *widths.interval(),
            widths.upper_limit(),
            widths.resolved_pvalue,
        ):
            assert np.isfinite(numbers).all()
        assert (widths.upper_limit() > 0).all()
        assert (widths.interval()[1] > widths.intrinsic_sigma).all()
        assert (widths.intrinsic_sigma_error > 0).all()


def test_p_values_of_unresolved_lines_are_uniform_and_those_of_resolved_ones_are_not(simulation):
    rng = np.random.default_rng(4)
    p = [
        lines.deconvolve(*simulation.fitted_lines(np.full(2000, s), 100, rng), lsf=1.0).resolved_pvalue
        for s in (1.0, np.hypot(1.0, 0.2))
    ]
    assert kstest(p[0], "uniform").pvalue > 0.01
    assert kstest(p[1], "uniform").pvalue < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("peak", [15, 50])
@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.5, 1.0])
def test_intervals_cover(simulation, peak, ratio):
    covered = simulation.coverages(peak, ratio, 8000)  # binomial error 0.25%
    assert 0.94 < covered["known"] < 0.99
    assert 0.94 < covered["LSF, told"] < 0.99


@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.5, 1.0])
def test_intervals_that_are_not_told_of_the_instruments_error_do_not_cover(simulation, ratio):
    assert simulation.coverages(100, ratio, 2000)["LSF, not told"] < 0.8


def test_the_instrument_is_the_same_as_sigma_as_fwhm_as_resolving_power_and_in_other_units():
    rest = 6562.8 * u.AA
    sigma, error, lsf = 2.5 * u.AA, 0.1 * u.AA, 1.2 * u.AA
    R = (rest / (FWHM * lsf)).to_value("")
    same = [
        lines.deconvolve(sigma, error, lsf=lsf),
        lines.deconvolve(sigma, error, lsf=0.12 * u.nm),
        lines.deconvolve(sigma, error, fwhm=FWHM * lsf),
        lines.deconvolve(sigma, error, R=R, rest=rest),
        lines.deconvolve(sigma, error, lsf=lsf / rest * 299792.458 * u.km / u.s, rest=rest),
        lines.deconvolve(FWHM * sigma, FWHM * error, fwhm=FWHM * lsf, measure="fwhm"),
        lines.deconvolve(FWHM * sigma, FWHM * error, lsf=lsf, measure="fwhm"),
    ]
    for one in same:
        assert one.intrinsic_sigma.to_value("AA") == pytest.approx(np.sqrt(2.5**2 - 1.2**2), rel=1e-12)
        assert one.intrinsic_sigma.unit == u.AA
    velocity = lines.deconvolve(100 * u.km / u.s, 5 * u.km / u.s, R=2000)
    assert velocity.instrumental_sigma.to_value("km/s") == pytest.approx(299792.458 / 2000 / FWHM, rel=1e-12)


def test_velocities_are_those_at_the_rest_wavelength_or_energy():
    widths = lines.deconvolve(5.0 * u.eV, 0.2 * u.eV, lsf=2.0 * u.eV, rest=6.7 * u.keV, convention="relativistic")
    table = widths.table()
    expected = np.sqrt(21.0) / 6700 * 299792.458
    assert table["intrinsic_sigma_kms"][0].to_value("km/s") == pytest.approx(expected, rel=1e-12)
    assert table["intrinsic_fwhm_kms"][0].to_value("km/s") == pytest.approx(FWHM * expected, rel=1e-12)
    assert "relativistic" in table["intrinsic_sigma_kms"].info.description
    assert "relativistic convention" in repr(widths)
    several = lines.deconvolve([2.0, 2.0] * u.AA, 0.1 * u.AA, lsf=1 * u.AA, rest=[5000.0, 10000.0] * u.AA).table()
    assert several["intrinsic_sigma_kms"][0] == 2 * several["intrinsic_sigma_kms"][1]


def test_missing_widths_are_masked_and_need_no_error():
    widths = lines.deconvolve(np.ma.masked_invalid([70.0, np.nan, 58.0]), [2.0, np.nan, 2.0], lsf=60.0)
    assert widths.intrinsic_sigma.mask.tolist() == [False, True, False]
    assert widths.upper_limit()[2] == lines.deconvolve(58.0, 2.0, lsf=60.0).upper_limit()
    assert widths.n_resolved == 1
    with_unit = lines.deconvolve([70.0, np.nan] * u.km / u.s, 2.0 * u.km / u.s, lsf=60.0 * u.km / u.s)
    assert with_unit.intrinsic_variance.unit == u.km**2 / u.s**2
    assert with_unit.intrinsic_variance.mask.tolist() == [False, True]


def test_nothing_is_asked_of_the_instrument_where_there_is_no_width():
    observed = [7.0, np.nan, 6.5] * u.AA
    for unused in (np.nan, 0.0):
        several = {"lsf_error": [0.02, np.nan, 0.03], "rest": np.array([5000.0, unused, 6000.0]) * u.AA}
        widths = lines.deconvolve(observed, 0.1 * u.AA, lsf=np.array([6.0, unused, 6.0]) * u.AA, **several)
        by_power = lines.deconvolve(observed, 0.1 * u.AA, R=np.array([500.0, unused, 400.0]), **several)
        for found in (widths, by_power):
            table = found.table()
            for name in set(table.colnames) - {"is_limit"}:
                assert table[name].mask.tolist() == [False, True, False]
            assert "none" in repr(found)
    with pytest.raises(InputError, match=r"`lsf`.*row 2"):
        lines.deconvolve(observed, 0.1 * u.AA, lsf=np.array([6.0, np.nan, np.nan]) * u.AA)
    masked = np.ma.array([6.0, 6.0, 6.0], mask=[False, True, False])
    assert len(lines.deconvolve([7.0, np.nan, 6.5], 0.1, lsf=masked)) == 3


def test_an_instrument_in_wavelength_goes_with_widths_in_velocity():
    velocities = lines.deconvolve(90.0 * u.km / u.s, 2.0 * u.km / u.s, lsf=1.0 * u.AA, rest=5000.0 * u.AA)
    assert velocities.instrumental_sigma.to_value("km/s") == pytest.approx(299792.458 / 5000)
    assert "intrinsic_sigma_kms" not in velocities.table().colnames  # they are in km/s as they are
    in_fwhm = lines.deconvolve(90.0 * u.km / u.s, 2.0 * u.km / u.s, fwhm=FWHM * u.AA, rest=5000.0 * u.AA)
    assert in_fwhm.instrumental_sigma.to_value("km/s") == pytest.approx(299792.458 / 5000)


@pytest.mark.filterwarnings("ignore:.*as large as the width:xdgmm.errors.XdgmmWarning")
def test_errors_far_larger_than_the_widths_leave_no_limit_and_no_warning_of_numpy():
    widths = lines.deconvolve([70.0, 58.0, 70.0], [2.0, 1e6, 1e9], lsf=60.0)
    assert np.isinf(widths.upper_limit()[1:]).all()
    assert np.isinf(widths.interval()[1][1:]).all()
    assert (widths.interval()[0][1:] == 0).all()
    assert "inf" in repr(widths)


def test_shapes_are_kept():
    assert lines.deconvolve(70.0, 2.0, lsf=60.0).intrinsic_sigma.shape == ()
    grid = lines.deconvolve(np.full((2, 3), 70.0), 2.0, lsf=np.full((2, 3), 60.0))
    assert grid.interval()[0].shape == (2, 3)
    assert len(grid.table()) == 6


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"observed_error": [0.0, 2.0]}, ["`observed_error`", "zero", "row 0", "1-sigma error"]),
        ({"observed_error": [np.nan, 2.0]}, ["`observed_error`", "missing", "row 0"]),
        ({"observed_error": None}, ["`observed_error` is missing"]),
        ({"observed": [-70.0, 60.0]}, ["`observed`", "negative", "row 0"]),
        ({"observed": [0.0, 60.0]}, ["`observed`", "zero", "row 0"]),
        ({"observed": [np.nan, np.nan]}, ["every value of `observed` is missing"]),
        (
            {"observed": [70.0, 60.0] * u.km / u.s, "observed_error": 2.0 * u.AA},
            ["`observed_error`", "Angstrom", "km / s"],
        ),
        ({"observed_error": 2.0 * u.AA}, ["`observed_error` has the unit Angstrom", "`observed` has none"]),
        ({"lsf": -1.0}, ["`lsf`", "positive"]),
        ({"lsf": [60.0, 61.0, 62.0]}, ["`lsf` has shape (3,)", "(2,)"]),
        ({"lsf": None}, ["`lsf`", "`fwhm`", "`R`", "none was given"]),
        ({"fwhm": 3.0}, ["lsf and fwhm were given"]),
        ({"lsf": 60.0 * u.AA}, ["`lsf` has the unit Angstrom", "`observed` has none"]),
        ({"lsf_error": 3.0}, ["`lsf_error`", "fraction", "0.03"]),
        ({"lsf_error": -0.1}, ["`lsf_error`"]),
        ({"lsf": None, "R": 2000}, ["`R`", "unit"]),
        ({"rest": 5000.0 * u.AA}, ["`rest`", "no unit"]),
        ({"observed": [7.0, 6.0] * u.AA, "observed_error": 1 * u.AA, "lsf": 60 * u.km / u.s}, ["convert", "`rest`"]),
        ({"observed": [7.0, 6.0] * u.AA, "observed_error": 1 * u.AA, "rest": 5.0}, ["`rest` is 5.0", "Angstrom"]),
        (
            {"observed": [7.0, 6.0] * u.AA, "observed_error": 1 * u.AA, "rest": [5.0, 6.0, 7.0] * u.um},
            ["`rest` has shape (3,)", "(2,)"],
        ),
        (
            {"observed": [70.0, 60.0] * u.km / u.s, "rest": 5 * u.um},
            ["`rest` turns", "has the unit km / s"],
        ),
        ({"convention": "radial"}, ["`convention`", "optical"]),
        ({"measure": "hwhm"}, ["`measure`", "fwhm"]),
    ],
)
def test_what_cannot_be_used_gets_one_sentence(change, parts):
    given = {"observed": [70.0, 65.0], "observed_error": [2.0, 2.0], "lsf": 60.0} | change
    with pytest.raises(InputError) as caught:
        lines.deconvolve(**given)
    sentence = str(caught.value)
    assert "\n" not in sentence
    for part in parts:
        assert part in sentence


@pytest.mark.parametrize("kind", ["column", "quantity", "frame"])
def test_messages_name_the_columns_of_the_user(kind):
    numbers = {"s": [70.0, -65.0], "e_s": [2.0, 2.0], "l": [60.0, 60.0], "f": [0.1, 3.0]}
    kms = u.km / u.s
    if kind == "frame":
        table = pd.DataFrame(numbers)
    elif kind == "quantity":
        table = QTable({name: values if name == "f" else values * kms for name, values in numbers.items()})
    else:
        table = Table(numbers)
    with pytest.raises(InputError, match=r"^column 's' is zero, negative or infinite in row 1; "):
        lines.deconvolve(table["s"], table["e_s"], lsf=table["l"])
    with pytest.raises(InputError, match=r"^column 's' is zero, .* in row 1; give each width its 1-sigma error"):
        lines.deconvolve(table["l"], table["s"], lsf=table["l"])
    with pytest.raises(InputError, match=r"^column 's' is not positive and finite in row 1; give the instrument"):
        lines.deconvolve(table["l"], table["e_s"], lsf=table["s"])
    with pytest.raises(InputError, match=r"^column 'f' is not between 0 and 1 in row 1"):
        lines.deconvolve(table["l"], table["e_s"], lsf=table["l"], lsf_error=table["f"])
    with pytest.raises(InputError, match=r"^column 's' is zero, negative or infinite in row 1; "):
        lines.measure_lsf(np.arange(2.0), table["s"], table["e_s"])


FULL = ["fwhm", "FWHM_obs", "fwhm_obs", "Ha_FWHM", "fullWidth", "full_width", "W50", "w_50"]
SIGMAS = ["sigma", "Sigma_Ha", "sig", "sig_v", "std", "stddev", "vdisp", "disp", "velocity_dispersion", "st_dev"]
NEITHER = ["s", "width", "w", "signal", "fwhm_sigma", "standard", "W500", "snow50", "display", "hwhm", "insignificant"]


@pytest.mark.parametrize("name", FULL + SIGMAS + NEITHER)
@pytest.mark.parametrize("measure", ["sigma", "fwhm"])
def test_a_name_that_says_another_width_is_asked_about(name, measure):
    says = "fwhm" if name in FULL else "sigma" if name in SIGMAS else measure
    scale = {"sigma": 1.0, "fwhm": FWHM}[measure]
    observed = Column([70.0 * scale, 80.0 * scale], name=name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        widths = lines.deconvolve(observed, 1.0, lsf=60.0, measure=measure)
    assert widths.observed_sigma == pytest.approx([70.0, 80.0])  # asked about, not changed
    if says == measure:
        assert caught == []
        return
    (warning,) = caught
    assert warning.filename == __file__
    assert str(warning.message).startswith(f"column '{name}' is given as a ")
    assert f"give it as `measure='{says}'`" in str(warning.message)


def test_the_name_of_the_instruments_width_is_asked_about_too():
    full, sigma = Column([FWHM * 60.0], name="lsf_fwhm"), Column([60.0], name="sigma_lsf")
    with pytest.warns(XdgmmWarning, match="column 'lsf_fwhm' is given as a standard deviation.*give it as `fwhm`"):
        lines.deconvolve([170.0], 1.0, lsf=full)
    with pytest.warns(XdgmmWarning, match="column 'sigma_lsf' is given as a full width.*give it as `lsf`"):
        lines.deconvolve([70.0], 1.0, fwhm=sigma)
    lines.deconvolve([70.0], 1.0, fwhm=full)
    lines.deconvolve([70.0], 1.0, lsf=sigma)


def test_levels_are_checked():
    widths = lines.deconvolve(70.0, 2.0, lsf=60.0)
    for call in (lambda: widths.interval(1.5), lambda: widths.upper_limit(0.3), lambda: widths.table(limit_level=2)):
        with pytest.raises(XdgmmError, match="between"):
            call()


def test_a_fwhm_given_for_a_sigma_is_suspected():
    observed = np.linspace(58.0, 75.0, 10)
    with pytest.warns(XdgmmWarning, match=r"2\.355.*give it as `fwhm`"):
        lines.deconvolve(observed, 1.0, lsf=FWHM * 60.0)
    with pytest.warns(XdgmmWarning, match="instrument"):
        lines.deconvolve(observed, 1.0, lsf=90.0)
    with pytest.warns(XdgmmWarning, match="below"):
        lines.deconvolve(50.0, 1.0, lsf=60.0)
    lines.deconvolve(observed, 1.0, lsf=60.0)  # some lines below the instrument are what noise does: no warning


def test_scatter_of_the_instrument_and_its_error_are_both_in_every_interval():
    both = lines.deconvolve([70.0, 61.0], 2.0, lsf=60.0, lsf_error=0.03, lsf_scatter=0.04)
    one = lines.deconvolve([70.0, 61.0], 2.0, lsf=60.0, lsf_error=0.05)
    assert both.upper_limit() == pytest.approx(one.upper_limit())
    assert both.intrinsic_variance_error == pytest.approx(one.intrinsic_variance_error)
    assert both.lsf_total_error == pytest.approx(0.05)
    text = " ".join(repr(both).split())
    assert "error of the instrument's width: 3%, shared by all lines; its scatter between lines: 4%" in text
    text = " ".join(repr(lines.deconvolve([70.0, 61.0], 2.0, lsf=60.0, lsf_scatter=[0.01, 0.04])).split())
    assert "scatter of the instrument's width: its own for each line" in text
    with pytest.raises(InputError, match=r"`lsf_scatter`.*0 and 1"):
        lines.deconvolve([70.0, 61.0], 2.0, lsf=60.0, lsf_scatter=1.5)


def test_errors_as_large_as_the_width_are_warned_of():
    with pytest.warns(XdgmmWarning, match="2 of 3 errors"):
        lines.deconvolve([70.0, 71.0, 72.0], [70.0, 200.0, 1.0], lsf=60.0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("observed", "observed_sigma"),
        ("observed_err", "observed_sigma_error"),
        ("instrumental", "instrumental_sigma"),
        ("instrumental_error", "lsf_total_error"),
        ("variance", "intrinsic_variance"),
        ("variance_err", "intrinsic_variance_error"),
        ("sigma", "intrinsic_sigma"),
        ("sigma_err", "intrinsic_sigma_error"),
        ("fwhm", "intrinsic_fwhm"),
    ],
)
def test_old_names_still_work(old, new):
    widths = lines.deconvolve([70.0, 61.0] * u.km / u.s, 2.0 * u.km / u.s, lsf=60.0 * u.km / u.s, lsf_error=0.03)
    with pytest.warns(XdgmmDeprecationWarning, match=new):
        assert (getattr(widths, old) == getattr(widths, new)).all()


def test_old_arguments_still_work():
    with pytest.warns(XdgmmDeprecationWarning, match="observed"):
        old = lines.deconvolve(sigma_obs=70.0, sigma_err=2.0, lsf=60.0)
    assert old.intrinsic_sigma == lines.deconvolve(70.0, 2.0, lsf=60.0).intrinsic_sigma


def test_the_error_of_the_instrument_has_the_unit_of_the_widths():
    widths = lines.deconvolve([70.0, np.nan] * u.km / u.s, 2.0, lsf=60.0, lsf_error=0.03, lsf_scatter=0.04)
    assert widths.instrumental_sigma_error[0] == 60.0 * 0.05 * u.km / u.s
    assert widths.instrumental_sigma_error.mask.tolist() == [False, True]


def test_some_lines_are_those_lines():
    widths = lines.deconvolve([70.0, np.nan, 61.0], [2.0, 1.0, 3.0], lsf=[60.0, 50.0, 40.0], lsf_error=0.03)
    some = widths.select([2, 0])
    assert some.intrinsic_sigma.tolist() == widths.intrinsic_sigma[[2, 0]].tolist()
    assert some.upper_limit().tolist() == widths.upper_limit()[[2, 0]].tolist()
