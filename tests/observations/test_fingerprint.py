"""A fingerprint is that of the data, not of the way they came."""

from dataclasses import replace

import numpy as np
import pytest

from xdgmm import Observations
from xdgmm.observations import Correlated, Exact, Independent, fingerprint

RNG = np.random.default_rng(0)
VALUES = np.where(RNG.random((200, 2)) < 0.1, np.nan, RNG.standard_normal((200, 2)))
VALUES[3], VALUES[4, 0] = np.nan, 0.0
ERRORS = RNG.uniform(0.1, 1.0, (200, 2))
DATA = Observations.with_standard_errors(VALUES, ERRORS)


def test_it_is_the_same_for_what_means_the_same():
    noise = np.where(np.isnan(VALUES), 7.0, ERRORS)
    renamed = Observations.with_standard_errors(VALUES, noise, np.ones(200), ["a", "b"], ["km/s", None])
    assert fingerprint(renamed) == fingerprint(DATA)
    seen = ~np.isnan(VALUES).all(axis=1)
    assert fingerprint(DATA.select(seen)) == fingerprint(DATA)
    signed = np.where(VALUES == 0, -0.0, VALUES)
    assert fingerprint(Observations.with_standard_errors(np.asfortranarray(signed), ERRORS)) == fingerprint(DATA)


@pytest.mark.parametrize(
    "what", ["values", "noise", "weights", "memberships", "order", "fewer", "projections", "exact"]
)
def test_it_changes_with_the_smallest_change_of_the_data(what):
    other = {
        "values": lambda: replace(DATA, values=np.nextafter(VALUES, np.inf)),
        "noise": lambda: replace(DATA, noise_model=Independent(np.nextafter(ERRORS, np.inf))),
        "weights": lambda: replace(DATA, weights=np.full(200, 1 + 1e-15)),
        "memberships": lambda: DATA.with_memberships(np.full(200, 0.5)),
        "order": lambda: DATA.select(np.arange(200)[::-1]),
        "fewer": lambda: DATA.select(np.arange(199)),
        "projections": lambda: replace(DATA, projections=np.eye(2)),
        "exact": lambda: replace(DATA, noise_model=Exact(VALUES.shape)),
    }[what]()
    assert fingerprint(other) != fingerprint(DATA)


def test_covariances_of_missing_values_play_no_part():
    covariances = DATA.noise_covariances.copy()
    odd = covariances.copy()
    odd[np.isnan(VALUES[:, 0]), 0, :] = odd[np.isnan(VALUES[:, 0]), :, 0] = 0.25
    one, other = (replace(DATA, noise_model=Correlated(noise)) for noise in (covariances, odd))
    assert fingerprint(one) == fingerprint(other)


def test_large_data_are_hashed_whole():
    values = np.arange(200_000.0)
    other = values.copy()
    other[-1] += 1
    assert fingerprint(Observations.exact(values)) != fingerprint(Observations.exact(other))
