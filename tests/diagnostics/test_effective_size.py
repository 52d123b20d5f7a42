"""How many values of equal weight some values with weights count as."""

import numpy as np
import pytest

from xdgmm.diagnostics.weighted_tests import effective_size


def test_equal_weights_count_each_value_and_none_where_no_value_has_weight():
    assert effective_size(np.full(7, 0.3)) == pytest.approx(7)
    assert effective_size(np.full(7, 2.0)) == pytest.approx(14)
    assert effective_size(np.zeros(7)) == 0  # the objects of a component that one object alone has
