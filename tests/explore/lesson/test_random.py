"""Random numbers in JavaScript."""

import numpy as np
import pytest

FILES = ["random.js"]


@pytest.mark.parametrize("seed", [0, 1, 42, 2**32 - 1])
def test_random_numbers_are_those_of_numpy(javascript, seed):
    uniforms, normals = javascript(
        FILES,
        """(seed) => {
          const random = new RandomState(seed)
          const uniforms = Array.from({length: 1001}, () => random.uniform())
          return [uniforms, Array.from({length: 1001}, () => random.normal())]
        }""",
        seed,
    )
    of_numpy = np.random.RandomState(seed)
    assert uniforms == of_numpy.random_sample(1001).tolist()
    np.testing.assert_allclose(normals, of_numpy.standard_normal(1001), rtol=1e-14)
