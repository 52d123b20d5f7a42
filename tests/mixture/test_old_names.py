"""Names of version 0.1 still work, and say the new ones."""

import numpy as np
import pytest

from xdgmm import Background, Observations, mixture
from xdgmm.errors import InputError, XdgmmDeprecationWarning


@pytest.mark.parametrize(
    ("old", "new"), [("conditioned", "condition_gaussian"), ("Conditioned", "ConditionedGaussian")]
)
def test_old_names_of_the_room(old, new):
    with pytest.warns(XdgmmDeprecationWarning, match=rf"mixture\.{new}"):
        assert getattr(mixture, old) is getattr(mixture, new)


def test_the_old_name_of_the_number_of_directions_without_width():
    result = mixture.condition_gaussian(np.zeros(1), np.zeros((1, 1)), np.zeros((2, 1)), np.zeros((1, 1, 1)))
    with pytest.warns(XdgmmDeprecationWarning, match="n_degenerate"):
        assert result.n_flat.tolist() == [1]
    assert result.n_degenerate.tolist() == [1]


def test_old_names_of_the_background():
    background = Background([0.0, 0.0], [2.0, 4.0])
    with pytest.warns(XdgmmDeprecationWarning, match="log_densities"):
        assert background.log_density_of_seen(np.ones((1, 2))) == background.log_density
    projected = Observations.with_covariances([[1.0]], [[[1.0]]], [[1.0, 0.0]])
    with (
        pytest.warns(XdgmmDeprecationWarning, match="check_no_projections"),
        pytest.raises(InputError, match="projections"),
    ):
        background.check_measured(projected)
