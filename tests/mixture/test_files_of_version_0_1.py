"""Models that version 0.1 wrote are read with the same bits, and still say what was fitted.

The files in ``data`` were written by version 0.1.0; ``contents.json`` holds the numbers that went into them, as
hexadecimal floats.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.units import Unit

from xdgmm import Fixed, GaussianMixture
from xdgmm.fitting import model_of

DATA = Path(__file__).parent / "data"
CONTENTS = json.loads((DATA / "contents.json").read_text(encoding="utf-8"))
every_file = pytest.mark.parametrize("path", sorted(DATA.glob("*.[fe][ic]*")), ids=lambda path: path.name)


def exact(numbers):
    return [exact(each) for each in numbers] if isinstance(numbers, list) else float.fromhex(numbers)


def test_every_model_is_there_in_both_formats():
    assert {path.name for path in DATA.iterdir()} == {"contents.json"} | {
        f"{name}.{ending}" for name in CONTENTS for ending in ("fits", "ecsv")
    }


@every_file
def test_parameters_names_and_units_are_read_as_they_were(path):
    mixture, contents = GaussianMixture.read(path), CONTENTS[path.stem]
    for name in ("weights", "means", "covariances"):
        assert getattr(mixture, name).tolist() == exact(contents[name])
    assert mixture.names == tuple(contents["names"])
    assert mixture.units == tuple(unit and Unit(unit) for unit in contents["units"])


@every_file
def test_a_background_is_read_as_it_was(path):
    background, contents = GaussianMixture.read(path).background, CONTENTS[path.stem]["background"]
    assert (background is None) == (contents is None)
    if contents is not None:
        assert [corner.tolist() for corner in background.box] == [exact(contents["low"]), exact(contents["high"])]
        assert background.fraction == exact(contents["fraction"])


@every_file
def test_the_record_of_the_fit_is_read_as_it_was(path):
    record, contents = GaussianMixture.read(path).record, CONTENTS[path.stem]
    assert (record is None) == (contents["record"] is None)
    for name, value in (contents["record"] or {}).items():
        kept = getattr(record, name)
        assert (list(kept) if name == "remarks" else kept) == value
    covariance = record and record.covariance
    assert (covariance is None) == (contents["parameter_covariance"] is None)
    if covariance is not None:
        assert covariance.tolist() == exact(contents["parameter_covariance"])


@every_file
def test_what_is_read_can_be_written_and_read_again(path, tmp_path):
    mixture = GaussianMixture.read(path)
    mixture.write(tmp_path / path.name)
    again = GaussianMixture.read(tmp_path / path.name)
    assert again.covariances.tobytes() == mixture.covariances.tobytes()
    assert (again.record and again.record.model) == (mixture.record and mixture.record.model)


@pytest.mark.parametrize("ending", ["fits", "ecsv"])
def test_what_was_fitted_is_known_from_the_file(ending):
    model = model_of(GaussianMixture.read(DATA / f"tied.{ending}"))
    assert model.covariance_type == "tied"
    assert model.fixed == Fixed(means=(0,))
    assert model.background is None
    assert np.array_equal(np.broadcast_to(model.prior.weights.concentration, 2), [2.0, 2.0])
    assert np.array_equal(model.prior.means.covariance, [100.0 * np.eye(3)] * 2)
    assert np.array_equal(model.prior.covariances.scale, [0.1 * np.eye(3)] * 2)


@pytest.mark.parametrize("ending", ["fits", "ecsv"])
def test_a_background_is_part_of_what_was_fitted(ending):
    mixture = GaussianMixture.read(DATA / f"background.{ending}")
    assert model_of(mixture).background is mixture.background
