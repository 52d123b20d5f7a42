"""Arrays of users converted to float64; an error says why one cannot be converted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from xdgmm.errors import InputError, KindError

if TYPE_CHECKING:
    from astropy.units import UnitBase
    from numpy.typing import ArrayLike, NDArray

Scalar = TypeVar("Scalar", bound=np.generic)
FIRST = 5  # how many offending rows a message lists
CHUNK = 100_000  # rows checked at a time
LARGEST = 1e150  # so that squares and their sums are finite
SMALLEST = 1e-150  # so that squares keep their digits
IN_THIS_MEMORY = (1, 3)  # devices of DLPack: the processor, and memory of it that is page-locked for a card


def list_rows(rows: ArrayLike) -> str:
    """'row 3', or 'rows 0, 4, 7, 8, 9, ... (12 in all)', counting from 0."""
    rows = np.asarray(rows)
    shown = ", ".join(str(row) for row in rows[:FIRST])
    if rows.size == 1:
        return f"row {shown}"
    return f"rows {shown}" + (f", ... ({rows.size} in all)" if rows.size > FIRST else "")


def in_any_column(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows (N,) in which a column of flags (N, M) is set; column by column, because rows are short and many."""
    result = np.zeros(len(flags), bool)
    for column in flags.T:
        result |= column
    return result


def label(name: str) -> str:
    """The name of an array in messages: an argument in backquotes, a phrase such as "column 'v'" unchanged."""
    return f"`{name}`" if name.isidentifier() else name


def as_floats(array: ArrayLike, name: str, unit: UnitBase | None = None) -> tuple[NDArray[np.float64], UnitBase | None]:
    """Float64 array and unit from an array, masked array or Quantity; masked elements become NaN.

    Parameters
    ----------
    array : array_like
    name : str
        The array's name in messages (see `label`).
    unit : astropy unit, optional
        A Quantity is converted to it; by default it keeps its own.

    Raises
    ------
    InputError
        If it holds no numbers, its unit does not convert, or it is in another memory that it cannot be copied from.
    """
    array = as_numpy(array, name)
    own_unit = getattr(array, "unit", None)
    if own_unit is not None:
        unit = own_unit if unit is None else unit
        array = _converted(array, own_unit, unit, name)
    elements, mask = _unmasked(array)
    numbers = _as_float(elements, name)
    if mask is not None and np.any(mask):
        numbers = np.where(mask, np.nan, numbers)
    return numbers, unit


def as_numpy(array: Any, name: str) -> Any:
    """An array of another library (PyTorch, CuPy, JAX) as NumPy's; anything else is unchanged.

    Arrays in the memory of this machine are not copied; those in the memory of a card are, once.

    Raises
    ------
    InputError
        If it is in a memory from which it cannot be copied.
    """
    if isinstance(array, np.ndarray) or not hasattr(array, "__dlpack_device__"):
        return array
    array = array.detach() if hasattr(array, "detach") else array  # of PyTorch: without what derivatives need
    if array.__dlpack_device__()[0] in IN_THIS_MEMORY:
        try:
            return np.from_dlpack(array)
        except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
            return array  # what NumPy takes another way, or refuses: nulls, booleans, types that it does not have
    for method in ("get", "cpu"):  # CuPy's, and PyTorch's
        if hasattr(array, method):
            return np.asarray(getattr(array, method)())
    try:
        return np.asarray(array)
    except (RuntimeError, TypeError, ValueError):
        raise KindError(
            f"{label(name)} is in the memory of another device, which NumPy cannot read; copy it to this machine first"
        ) from None


def _unmasked(array: Any) -> tuple[Any, Any]:
    """Elements and mask (None where there is none) of numpy's masked arrays, astropy's, and others."""
    if isinstance(array, np.ma.MaskedArray):
        return array.data, array.mask
    mask = getattr(array, "mask", None)
    return getattr(array, "unmasked", array), None if callable(mask) else mask  # a data frame has a method `mask`


def _converted(array: Any, own_unit: UnitBase, unit: UnitBase, name: str) -> Any:
    from astropy.units import Unit, UnitConversionError

    try:
        factor = 1.0 if own_unit == unit else own_unit.to(Unit(unit))
    except UnitConversionError:
        raise InputError(
            f"{label(name)} has the unit {own_unit}, which does not convert to {unit}; give both in convertible units"
        ) from None
    value = array.value
    return value if factor == 1.0 else value * factor


def _as_float(array: Any, name: str) -> NDArray[np.float64]:
    if hasattr(array, "toarray"):
        raise KindError(f"{label(name)} is sparse, and sparse data are not supported; give a dense array: .toarray()")
    try:
        raw = np.asarray(array)
    except ValueError:
        raise InputError(f"{label(name)} is ragged: its rows have different lengths; make them equal") from None
    if raw.dtype.kind == "O":
        _check_objects(raw, name)
    elif raw.dtype.kind not in "fiu":
        raise InputError(f"{_kind(raw, name)}, but numbers belong there; convert it to float")
    return np.ascontiguousarray(raw, dtype=np.float64).reshape(raw.shape)


def _check_objects(raw: NDArray[Any], name: str) -> None:
    """KindError unless all Python objects in the array are numbers."""
    others = {type(each).__name__ for each in raw.flat if not isinstance(each, (int, float, np.floating, np.integer))}
    if others:
        raise KindError(
            f"{label(name)} holds values of type object ({', '.join(sorted(others))}); the argument must be numeric: "
            "without strings and other objects, a number each; convert it to float"
        )


def _kind(raw: NDArray[Any], name: str) -> str:
    """What is not supported, in the words of scikit-learn, whose checks of estimators expect them."""
    if raw.dtype.kind == "c":
        return f"Complex data not supported: {label(name)} holds complex numbers"
    kinds = {"U": "strings", "S": "strings", "b": "booleans", "M": "dates"}
    return f"{label(name)} holds {kinds.get(raw.dtype.kind, f'values of type {raw.dtype}')}"


def as_fractions(array: ArrayLike, name: str) -> NDArray[np.float64]:
    """`as_dimensionless` of fractions or probabilities; booleans are ones and zeros."""
    booleans = n_axes(array) > 0 and np.asarray(array).dtype.kind == "b"
    return as_dimensionless(np.asarray(array, dtype=float) if booleans else array, name)


def as_dimensionless(array: ArrayLike, name: str) -> NDArray[np.float64]:
    """Float64 array of plain numbers; a Quantity with a dimensionless unit (percent, km / m) is converted."""
    unit = getattr(array, "unit", None)
    if unit is None:
        return as_floats(array, name)[0]
    from astropy.units import dimensionless_unscaled

    if not unit.is_equivalent(dimensionless_unscaled):
        raise InputError(
            f"{label(name)} has the unit {unit}, but plain numbers belong there; divide by the unit of the coordinates"
        )
    return as_floats(array, name, dimensionless_unscaled)[0]


def n_axes(value: Any) -> int:
    """Number of axes of an array, or of nested lists that may hold Quantities."""
    if isinstance(value, (list, tuple)):
        return 1 + max((n_axes(entry) for entry in value), default=0)
    return np.ndim(value)


@overload
def read_only(array: NDArray[Scalar]) -> NDArray[Scalar]: ...


@overload
def read_only(array: None) -> None: ...


def read_only(array: NDArray[Scalar] | None) -> NDArray[Scalar] | None:
    """A view whose elements cannot be set."""
    if array is None:
        return None
    view = array.view()
    view.flags.writeable = False
    return view


def too_large(values: NDArray[np.float64]) -> str:
    """Words for a message on values of which some are above LARGEST: infinite, or too large."""
    return "infinite" if np.isinf(values).any() else f"beyond {LARGEST:g}"
