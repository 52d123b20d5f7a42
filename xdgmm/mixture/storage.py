"""What a file of a mixture holds, whatever its format.

A table with one row per component, which any program for tables shows: ``weight``; for every coordinate
``mean_<name>`` and ``sigma_<name>``; for every pair ``corr_<name>_<name>``; and ``cov_<name>_<name>``, the lower
triangle of the covariance.  Weights, means and covariances are the model; sigmas and correlations are computed from
them, for people who read the file.  Cards, short keys with a number or JSON text, hold the version of the format
(``XDGMMFMT``), names and units of the coordinates, the box of a background, and the record of the fit.  ``DIGEST`` is a
hash of everything that is read back, so that a truncated or edited file is refused; only the recipe (``RECIPE``) and
the device, if it was not the processors (``DEVICE``), are no part of it, since version 0.1 knows none.  The covariance
of the parameters, where it is known, is a separate matrix.

A mixture with a background of true values has format 4, which says so (``BGOF``) and whether its edges were fitted
(``BGFITTED``); version 0.1, which has only those of measured values, refuses it.  One that was chosen among candidates
has format 5, with their table (``SELECTED``).  One of Student-t components, with their degrees of freedom (``DOF``),
one with flat components (``FLAT``), one fitted with memberships known beforehand, whose weights an older version would
take for those of all objects, and one fitted with a selection function, with its edges or, of a function, its name,
have format 6.  All others have format 3.  Formats 1 and 2 (2 with a background), written before version 0.1, have
neither record nor digest.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.units import difference_unit
from xdgmm.errors import InputError, reraise_lack_of_memory
from xdgmm.kernels import unpack

from .background import Background
from .flat import Flat
from .record import FitRecord
from .selection_functions import SELECTION, described, of_description

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from astropy.units import UnitBase
    from numpy.typing import NDArray

    from .mixture import GaussianMixture

FORMAT, CHOSEN, OF_TRUE_VALUES, OF_MEASURED_VALUES = 6, 5, 4, 3
WITHOUT_BACKGROUND, WITHOUT_RECORD = 1, 2
COMPLETE = (FORMAT, CHOSEN, OF_TRUE_VALUES, OF_MEASURED_VALUES)
FLAT = "FLAT"  # the card of the flat components
DOF = "DOF"  # the card of the degrees of freedom
SELECTED = "SELECTED"  # the card of the candidates
RECIPE, DEVICE = "RECIPE", "DEVICE"  # no part of the digest, so that version 0.1 reads the file
LONGEST_LABEL = 29  # two of them and "corr_" fit into a FITS column name of 68 characters
RECORD_CARDS = {
    "model": "MODEL",
    "n_objects": "NOBJECTS",
    "total_weight": "TOTWEIGH",
    "log_likelihood": "LNLIKE",
    "log_priors": "LNPRIORS",
    "n_parameters": "NPARAMS",
    "outcome": "OUTCOME",
    "converged": "CONVERGD",
    "remarks": "REMARKS",
    "data_hash": "DATAHASH",
    "version": "CREATOR",
    "date": "FITDATE",
}


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    Attributes
    ----------
    cards : dict of str to str or int
    labels, units : tuple of str
        Of the columns; None where there is no unit.
    rows : ndarray (K, columns)
    covariance : ndarray (P, P) or None
        Of the parameters.
    """

    cards: dict[str, Any]
    labels: tuple[str, ...]
    units: tuple[str | None, ...]
    rows: NDArray[np.float64]
    covariance: NDArray[np.float64] | None = None


def contents_of(mixture: GaussianMixture) -> Contents:
    """The `Contents` of a file for this mixture."""
    of_background, of_record = _background_cards(mixture.background), _record_cards(mixture.record)
    of_dof = {} if mixture.dof is None else {DOF: json.dumps(mixture.dof.tolist())}
    cards = {
        "XDGMMFMT": _format(mixture, of_background, of_record),
        "NDIM": mixture.n_dimensions,
        "NAMES": json.dumps(mixture.names),
        "UNITS": json.dumps([_text(unit) for unit in mixture.units]),
        **of_background,
        **of_dof,
        **_flat_cards(mixture.flat),
        **of_record,
    }
    labels, units, columns = zip(*_columns(mixture), strict=True)
    covariance = None if mixture.record is None else mixture.record.covariance
    contents = Contents(cards, labels, units, np.stack(columns, axis=1), covariance)
    return replace(contents, cards={**cards, "DIGEST": _digest(contents)})


def _format(mixture: GaussianMixture, of_background: dict[str, str], of_record: dict[str, str]) -> int:
    """The oldest format that holds all there is."""
    fitted = {} if mixture.record is None else mixture.record.model
    of_new_parts = mixture.dof is not None or mixture.flat is not None
    if of_new_parts or "memberships" in fitted or SELECTION in fitted:
        return FORMAT
    if SELECTED in of_record:
        return CHOSEN
    return OF_TRUE_VALUES if "BGOF" in of_background else OF_MEASURED_VALUES


def mixture_of(contents: Contents, path: Path, cls: type[GaussianMixture]) -> GaussianMixture:
    """The mixture, of this class, in what was read from `path`.

    Raises
    ------
    InputError
        If the format is newer than this version knows, or the parts contradict each other.
    """
    version = contents.cards["XDGMMFMT"]
    if isinstance(version, int) and version > FORMAT:
        raise InputError(f"'{path}' has format {version}, newer than this xdgmm knows; upgrade xdgmm")
    try:
        return _mixture(contents, version, cls)
    except Exception as error:
        reraise_lack_of_memory(error)
        raise InputError(f"'{path}' is damaged ({error}); write it again") from error


def _mixture(contents: Contents, version: object, cls: type[GaussianMixture]) -> GaussianMixture:
    cards, rows = contents.cards, contents.rows
    if version not in (*COMPLETE, WITHOUT_BACKGROUND, WITHOUT_RECORD):
        raise ValueError(f"format {version!r} does not exist")
    D = int(cards["NDIM"])
    triangle = D * (D + 1) // 2
    complete = version in COMPLETE
    if rows.shape[1] != 1 + D + triangle + (triangle if complete else 0):
        raise ValueError(f"{rows.shape[1]} columns do not fit {D} coordinates")
    if complete and cards["DIGEST"] != _digest(contents):
        raise ValueError("its numbers are not those that were written")
    names, units = json.loads(cards["NAMES"]), json.loads(cards["UNITS"])
    if not (isinstance(names, list) and isinstance(units, list)):
        raise TypeError("names and units are no lists")
    flat = _flat(cards) if FLAT in cards else None
    background = _background(cards) if version == WITHOUT_RECORD or "BGLOW" in cards else None
    covariances = unpack(rows[:, rows.shape[1] - triangle :], D)
    dof = json.loads(cards[DOF]) if DOF in cards else None
    mixture = cls(rows[:, 0], rows[:, 1 : 1 + D], covariances, names, units, background, dof, flat)
    return mixture.with_record(_record(cards, contents.covariance)) if "MODEL" in cards else mixture


def _columns(mixture: GaussianMixture) -> Iterator[tuple[str, str | None, NDArray[np.float64]]]:
    """Label, unit and numbers (K,) of each column."""
    labels, units, sigmas = labels_of(mixture.names), mixture.units, mixture.sigmas
    yield "weight", None, mixture.weights
    for i, label in enumerate(labels):
        yield f"mean_{label}", _text(units[i]), mixture.means[:, i]
    for i, label in enumerate(labels):
        yield f"sigma_{label}", _difference(units[i]), sigmas[:, i]
    pairs = [(i, j) for i in range(mixture.n_dimensions) for j in range(i + 1)]
    for i, j in pairs:
        if i != j:
            with np.errstate(all="ignore"):
                correlations = mixture.covariances[:, i, j] / sigmas[:, i] / sigmas[:, j]
            yield f"corr_{labels[j]}_{labels[i]}", None, correlations
    for i, j in pairs:
        yield f"cov_{labels[j]}_{labels[i]}", _product(units[i], units[j]), mixture.covariances[:, i, j]


def labels_of(names: Sequence[str]) -> list[str]:
    """Column labels of letters, digits and underscores; x1, x2, ... where names do not give distinct short ones."""
    labels = ["".join(c if c.isascii() and c.isalnum() else "_" for c in name) for name in names]
    columns = [f"{a}_{b}".lower() for i, b in enumerate(labels) for a in labels[: i + 1]]
    readable = all(label.strip("_") for label in labels) and max(map(len, labels)) <= LONGEST_LABEL
    if readable and len(set(columns)) == len(columns) and len({label.lower() for label in labels}) == len(labels):
        return labels
    return [f"x{i + 1}" for i in range(len(names))]


def _text(unit: UnitBase | None) -> str | None:
    """Unit in FITS notation; in astropy's own where FITS has none; None stays None."""
    if unit is None:
        return None
    try:
        return str(unit.to_string("fits"))
    except ValueError:
        return str(unit.to_string())


def _difference(unit: UnitBase | None) -> str | None:
    return None if unit is None else _text(difference_unit(unit))


def _product(one: UnitBase | None, other: UnitBase | None) -> str | None:
    """Unit of a covariance; None where there is none, or astropy does not know one of the two."""
    from astropy.units import UnrecognizedUnit

    if one is None or other is None or isinstance(one, UnrecognizedUnit) or isinstance(other, UnrecognizedUnit):
        return None
    return _text(difference_unit(one) * difference_unit(other))


def _background_cards(background: Background | None) -> dict[str, str]:
    if background is None:
        return {}
    low, high = background.box
    cards: dict[str, Any] = {"BGLOW": low.tolist(), "BGHIGH": high.tolist(), "BGFRAC": background.fraction}
    if background.of != "measured values":
        cards |= {"BGOF": background.of, "BGFITTED": background.fitted_edges}
    return {key: json.dumps(value) for key, value in cards.items()}


def _background(cards: dict[str, Any]) -> Background:
    low, high, fraction = (json.loads(cards[key]) for key in ("BGLOW", "BGHIGH", "BGFRAC"))
    if not (isinstance(low, list) and isinstance(high, list) and isinstance(fraction, float)):
        raise TypeError("the background is no box with a fraction")
    of, fitted = json.loads(cards.get("BGOF", '"measured values"')), json.loads(cards.get("BGFITTED", "false"))
    background = Background(low, high, of=of).with_fraction(fraction)
    return background.with_fitted_edges() if fitted else background


def _flat_cards(flat: Flat | None) -> dict[str, str]:
    if flat is None:
        return {}
    low, high = flat.box
    described = {"columns": flat.columns, "low": low.tolist(), "high": high.tolist(), "components": flat.n_components}
    return {FLAT: json.dumps(described)}


def _flat(cards: dict[str, Any]) -> Flat:
    described = json.loads(cards[FLAT])
    return Flat(described["columns"], described["low"], described["high"], described["components"])


def _record_cards(record: FitRecord | None) -> dict[str, str]:
    if record is None:
        return {}
    selection = record.model.get(SELECTION)
    model = record.model if selection is None else {**record.model, SELECTION: described(selection)}
    values = {name: getattr(record, name) for name in RECORD_CARDS} | {"model": model}
    cards = {card: json.dumps(values[name]) for name, card in RECORD_CARDS.items()}
    if record.recipe:
        cards[RECIPE] = json.dumps(record.recipe)
    if record.device != "cpu":
        cards[DEVICE] = json.dumps(record.device)
    return cards if record.selection is None else {**cards, SELECTED: json.dumps(record.selection)}


def _record(cards: dict[str, Any], covariance: NDArray[np.float64] | None) -> FitRecord:
    values = {name: json.loads(cards[card]) for name, card in RECORD_CARDS.items()}
    if SELECTION in values["model"]:
        values["model"][SELECTION] = of_description(values["model"][SELECTION])
    others: dict[str, Any] = {"selection": (SELECTED, None), "recipe": (RECIPE, ""), "device": (DEVICE, "cpu")}
    for name, (card, if_missing) in others.items():
        others[name] = json.loads(cards[card]) if card in cards else if_missing
    return FitRecord(**values, covariance=covariance, **others)


def _digest(contents: Contents) -> str:
    """Hash of all that is read back, but for recipe and device."""
    digest = hashlib.blake2b(digest_size=16)
    cards = {key: value for key, value in contents.cards.items() if key not in ("DIGEST", RECIPE, DEVICE)}
    digest.update(json.dumps(cards, sort_keys=True).encode())
    for array in (contents.rows, contents.covariance):
        if array is not None:
            exact = np.where(np.isnan(array), np.nan, array)  # NaN has many bit patterns, which formats do not keep
            digest.update(np.ascontiguousarray(exact, dtype="<f8").data)
    return digest.hexdigest()


CARDS = {
    "XDGMMFMT",
    "NDIM",
    "NAMES",
    "UNITS",
    "BGLOW",
    "BGHIGH",
    "BGFRAC",
    "BGOF",
    "BGFITTED",
    "DIGEST",
    DOF,
    FLAT,
    SELECTED,
    RECIPE,
    DEVICE,
    *RECORD_CARDS.values(),
}
