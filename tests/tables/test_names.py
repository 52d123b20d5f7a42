"""Error columns are taken for what their names say, wherever in the name it stands."""

import warnings

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from xdgmm import XDGMM, InputError, Observations
from xdgmm.errors import XdgmmWarning
from xdgmm.tables import observations_from_table
from xdgmm.tables.conventions import errors_among

ERRORS = np.array([0.5, 2.0, 0.25])
WRITTEN = {"sigma": ERRORS, "ivar": ERRORS**-2, "var": ERRORS**2}

# Value, error column, kind: as SDSS, DESI, Legacy Surveys, SExtractor, DES, 2MASS, WISE and SuperCOSMOS name them.
FOUND = [
    ("FLUX_G", "FLUX_IVAR_G", "ivar"),
    ("flux_g", "flux_ivar_g", "ivar"),
    ("modelFlux_r", "modelFluxIvar_r", "ivar"),
    ("psfMag_r", "psfMagErr_r", "sigma"),
    ("MAG_AUTO", "MAGERR_AUTO", "sigma"),
    ("FLUX_AUTO_G", "FLUX_ERR_AUTO_G", "sigma"),
    ("WAVG_MAG_PSF_I", "WAVG_MAGERR_PSF_I", "sigma"),
    ("j_m", "j_msigcom", "sigma"),
    ("w1mpro", "w1sigmpro", "sigma"),
    ("pmra", "sigpmra", "sigma"),
    ("flux", "flux_variance", "var"),
    ("flux", "fluxVariance", "var"),
    ("flux", "VARFLUX", "var"),
    ("flux", "flux_invvar", "ivar"),
    ("flux", "invvar_flux", "ivar"),
    ("flux", "inverse_variance_flux", "ivar"),
    ("rv", "rv_uncertainty", "sigma"),
    ("plx_value", "plx_error", "sigma"),
    ("v_value", "v_ivar", "ivar"),
]


def columns(*names, **others):
    return Table({**{name: [1.0, 2.0, 3.0] for name in names}, **others})


@pytest.mark.parametrize("named", [False, True], ids=["found", "named by the user"])
@pytest.mark.parametrize(("name", "error", "kind"), FOUND)
def test_a_word_anywhere_in_a_name_says_what_the_column_holds(name, error, kind, named):
    table = columns(name, "other", **{error: WRITTEN[kind]})
    observations = observations_from_table(table, name, errors=error if named else "auto")
    np.testing.assert_allclose(observations.noise[:, 0], ERRORS, rtol=1e-15)
    assert error in observations.remarks[0]


@pytest.mark.parametrize(
    ("name", "error", "kind"),
    [
        ("flux", "my_ivar_2", "ivar"),
        ("flux", "VARIANCES_OF_FLUX", "var"),
        ("RV", "radialVar", "var"),
        ("RV", "InvVar", "ivar"),
        ("RV", "inverseVariance", "ivar"),
        ("flux", "noise", "sigma"),
        ("var_amplitude", "var_amplitude_err", "sigma"),
        ("var_amplitude", "e_var_amplitude", "sigma"),
        ("ivar", "e_ivar", "sigma"),
        ("weight", "weight_err", "sigma"),
    ],
)
def test_a_column_that_the_user_names_is_taken_for_what_its_name_says(name, error, kind):
    observations = observations_from_table(columns(name, **{error: WRITTEN[kind]}), name, errors=error)
    np.testing.assert_allclose(observations.noise[:, 0], ERRORS, rtol=1e-15)


UNCLEAR = ["variability", "bivar", "ivar_err", "rv_cov", "parallax_over_error", "v_err_sq", "snr", "weight"]


@pytest.mark.parametrize("error", UNCLEAR)
def test_a_column_whose_name_leaves_open_what_it_holds_is_refused(error):
    with pytest.raises(InputError, match=f"'sigma:{error}'.*'var:{error}'.*'ivar:{error}'"):
        observations_from_table(columns("v", error), "v", errors=error)


@pytest.mark.parametrize("error", [*UNCLEAR, "v_ivar", "flux_variance"])
@pytest.mark.parametrize(
    ("prefix", "kind"),
    [
        ("sigma", "sigma"),
        ("error", "sigma"),
        ("var", "var"),
        ("variance", "var"),
        ("ivar", "ivar"),
        ("invvar", "ivar"),
        ("IVAR", "ivar"),
    ],
)
def test_a_kind_before_the_name_overrides_the_name(error, prefix, kind):
    table = columns("v", **{error: WRITTEN[kind]})
    observations = observations_from_table(table, "v", errors=f"{prefix}:{error}")
    np.testing.assert_allclose(observations.noise[:, 0], ERRORS, rtol=1e-15)


@pytest.mark.parametrize(
    ("names", "value"),
    [
        (("flux_i", "flux_ivar"), "flux_i"),  # the inverse variance of a flux, not the variance of flux_i
        (("flux", "flux_sig"), "flux"),  # its significance
        (("b", "B", "sigB"), "b"),
        (("j_m", "j_cmsig"), "j_m"),  # without the error of the zero point
    ],
)
def test_names_that_only_look_alike_are_not_found(names, value):
    with pytest.raises(InputError, match="no error column"):
        observations_from_table(columns(*names), value)


def test_two_columns_with_words_in_the_name_are_both_named():
    with pytest.raises(InputError, match="'FLUX_IVAR_G' and 'FLUX_ERR_G' may both"):
        observations_from_table(columns("FLUX_G", "FLUX_IVAR_G", "FLUX_ERR_G"), "FLUX_G")


def test_a_convention_goes_before_a_word_in_the_name():
    table = columns("FLUX_G", "FLUX_IVAR_G", "e_FLUX_G")
    assert observations_from_table(table, "FLUX_G").remarks == ("errors of FLUX_G taken from e_FLUX_G",)


def test_data_frames_with_words_in_their_names_are_warned_of():
    assert errors_among(["FLUX_G", "FLUX_IVAR_G"]) == [("FLUX_IVAR_G", "FLUX_G")]
    with pytest.warns(XdgmmWarning, match="'MAGERR_AUTO' is named like the errors of 'MAG_AUTO'"):
        XDGMM(1).fit(pd.DataFrame({"MAG_AUTO": [1.0, 2.0, 4.0, 3.0], "MAGERR_AUTO": [0.1, 0.2, 0.1, 0.3]}))


@pytest.mark.parametrize(("value", "error"), [("e_v", "v"), ("FLUX_IVAR_G", "FLUX_G"), ("v_err", "v")])
def test_values_and_errors_that_are_exchanged_are_warned_of(value, error):
    with pytest.warns(XdgmmWarning, match=f"by its name '{value}' holds the errors of '{error}'.*exchanged"):
        observations_from_table(columns("v", value, error), value, errors=error)


@pytest.mark.parametrize("error", ["flux_ivar", "FLUX_VARIANCE", "invvar"])
@pytest.mark.parametrize("single", [False, True])
def test_frames_of_errors_that_are_named_as_variances_are_refused(error, single):
    frame = pd.DataFrame({"flux": [1.0, 2.0, 4.0, 3.0], error: [4.0, 1.0, 2.0, 2.0]})
    X, Xerr = (frame["flux"], frame[error]) if single else (frame[["flux"]], frame[[error]])
    with pytest.raises(InputError, match=rf"'{error}' in Xerr holds (inverse )?variances.*Xerr.to_numpy\(\)"):
        XDGMM(1).fit(X, Xerr=Xerr)
    assert XDGMM(1).fit(X, Xerr=Xerr.to_numpy()).n_features_in_ == 1
    assert XDGMM(1).fit(X, Xerr=Xerr.rename(columns={error: "e_flux"}) if not single else Xerr.rename("flux"))


def test_values_and_errors_in_their_places_give_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        observations_from_table(columns("v", "e_v"), "v", errors="e_v")


def test_negative_errors_of_positive_values_are_asked_about():
    table = Table({"v": [5.0, 6.0, 7.0], "e_v": [-1.0, 2.0, 3.0]})
    with pytest.raises(InputError, match=r"'e_v' has invalid errors.*exchanged"):
        observations_from_table(table, "v")
    with pytest.raises(InputError, match=r"negative.*exchanged"):
        Observations.with_standard_errors([5.0, 6.0, 7.0], [-1.0, 2.0, 3.0])
