"""Arrays of other libraries: those in the memory of this machine are shared, those on a card are copied from it."""

import importlib

import numpy as np
import pytest

from xdgmm import XDGMM
from xdgmm.basics.arrays import as_floats, as_numpy
from xdgmm.errors import KindError
from xdgmm.observations import Observations

RNG = np.random.default_rng(4)
X, ERRORS, WEIGHTS = RNG.normal(size=(60, 2)), RNG.uniform(0.1, 0.3, (60, 2)), RNG.uniform(0.5, 1.5, 60)


class Foreign:
    """An array that only DLPack reads."""

    device = (1, 0)

    def __init__(self, array):
        self.array, self.shape, self.ndim = array, array.shape, array.ndim

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __len__(self):
        return len(self.array)


class OnCard(Foreign):
    device = (2, 0)

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")


class OfCuPy(OnCard):
    def get(self):
        return self.array.copy()


class OfPyTorch(OnCard):
    def __init__(self, array, *, requires_grad=True):
        super().__init__(array)
        self.requires_grad = requires_grad

    def detach(self):
        return OfPyTorch(self.array, requires_grad=False)

    def cpu(self):
        assert not self.requires_grad
        return self.array.copy()


def test_an_array_in_this_memory_is_not_copied():
    array = np.arange(6.0).reshape(3, 2)
    assert np.shares_memory(as_numpy(Foreign(array), "x"), array)
    assert np.shares_memory(as_floats(Foreign(array), "x")[0], array)


@pytest.mark.parametrize("kind", [Foreign, OfCuPy, OfPyTorch])
def test_a_fit_takes_values_errors_and_weights_of_any_library(kind):
    expected = XDGMM(2, random_state=0).fit(X, Xerr=ERRORS, sample_weight=WEIGHTS)
    found = XDGMM(2, random_state=0).fit(kind(X), Xerr=kind(ERRORS), sample_weight=kind(WEIGHTS))
    np.testing.assert_array_equal(found.means_, expected.means_)
    np.testing.assert_array_equal(
        found.predict_proba(kind(X), Xerr=kind(ERRORS)), expected.predict_proba(X, Xerr=ERRORS)
    )


@pytest.mark.parametrize("kind", [Foreign, OfCuPy, OfPyTorch])
def test_observations_take_covariances_projections_and_masks_of_any_library(kind):
    covariances = np.tile(0.04 * np.eye(2), (60, 1, 1))
    made = Observations.with_covariances(kind(X), kind(covariances), projections=kind(np.ones((60, 2, 3))))
    np.testing.assert_array_equal(made.values, X)
    upper = X > 1.0
    limited = Observations.with_limits(kind(X[:, :1]), kind(ERRORS[:, :1]), upper=kind(upper[:, :1]))
    known = Observations.with_limits(X[:, :1], ERRORS[:, :1], upper=upper[:, :1])
    np.testing.assert_array_equal(limited.limits, known.limits)


def test_an_array_on_another_device_says_what_to_do():
    with pytest.raises(KindError, match=r"`X` is in the memory of another device.*copy it to this machine"):
        XDGMM(1).fit(OnCard(X))


@pytest.mark.parametrize("library", ["torch", "cupy", "jax"])
def test_arrays_of_the_libraries_themselves_are_taken(library):
    module = pytest.importorskip(library)
    make = {"torch": "from_numpy", "jax": "numpy.asarray", "cupy": "asarray"}[library]
    for part in make.split(".")[:-1]:
        module = importlib.import_module(f"{module.__name__}.{part}")
    try:
        given = getattr(module, make.rpartition(".")[2])(X)
    except RuntimeError as error:
        pytest.skip(f"{library} does not run here: {error}")
    found = XDGMM(1, random_state=0).fit(given, Xerr=ERRORS)
    expected = XDGMM(1, random_state=0).fit(X, Xerr=ERRORS)
    # JAX holds 32 bits, if it is not told otherwise
    np.testing.assert_allclose(found.means_, expected.means_, rtol=1e-5 if library == "jax" else 1e-13, atol=1e-6)
