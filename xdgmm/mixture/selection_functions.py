"""`SelectionFunction`: the probability that an object is in the sample, as a function of its values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from xdgmm.basics.arrays import as_floats, as_fractions, list_rows, read_only
from xdgmm.errors import InputError
from xdgmm.kernels import NoiseMixture

from .background import OF, Of

if TYPE_CHECKING:
    from astropy.units import UnitBase
    from numpy.typing import ArrayLike, NDArray

    from xdgmm.observations import Observations

    from .importance_samples import Proposal
    from .mixture import GaussianMixture

    Floats = NDArray[np.float64]

BOX = "box"  # the name of one whose columns are not known yet
SELECTION = "selection_function"  # its name in the model of a record
ROUNDING = 1e-9  # by which a probability may exceed one
FEWEST, MOST = 64, 1 << 20  # samples of each object: fewer bias widths by more than their Monte Carlo error
EDGES = "give one number for each coordinate (None where there is no edge), or a dict of those that have one"


@dataclass(frozen=True, eq=False, repr=False, init=False)
class SelectionFunction:
    """The probability that an object is in the sample, given its values.

    A mixture fitted with it is the density of all objects, seen and unseen: the sample is what this function leaves.

    Parameters
    ----------
    function : callable
        ``function(values (n, M)) -> (n,)``: the probability that an object *measured* at these values is in the sample.
        Values are plain numbers in the units of the data, in the order of its columns; NaN where the object that is
        asked for has none.
    n_samples : int, optional
        Importance samples for each object, at least 64: with fewer the logarithm of their mean is biased, by more than
        the Monte Carlo error says.  Objects with the same noise share theirs.  By default between 64 and 32768, so that
        all objects together have up to half a million.
    name : str, optional
        What reports and files call it; by default the name of the function.
    seed : int
        Of the samples.

    Raises
    ------
    InputError
        If `function` cannot be called, or a number is out of range.

    See Also
    --------
    SelectionFunction.box : cuts along columns, without samples.

    Notes
    -----
    The density of an object in the sample is ``p(w_i) S(w_i) / Z_i`` with ``Z_i = int p(w | S_i) S(w) dw``, its own
    noise covariance S_i in the place of an average over the sample, whose errors are selected too (Loredo 2004,
    AIP Conf. Proc. 735, 195; Mandel, Farr & Gair 2019, MNRAS 486, 1086).

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import SelectionFunction
    >>> def fading(values):
    ...     return 1.0 / (1.0 + np.exp((values[:, 0] - 20.5) / 0.1))
    >>> SelectionFunction(fading)
    <SelectionFunction fading>
    >>> SelectionFunction.box(high={"g": 20.5})
    <SelectionFunction: measured g below 20.5>
    """

    function: Callable[[Floats], Any] | None
    n_samples: int | None
    name: str
    seed: int
    low: Any
    high: Any
    of: Of
    proposal: Proposal | None = field(repr=False)

    def __init__(
        self,
        function: Callable[[Floats], Any],
        n_samples: int | None = None,
        *,
        name: str | None = None,
        seed: int = 0,
    ) -> None:
        if not callable(function):
            raise InputError(
                f"`function` of the selection function is {function!r}, but it must be callable: function(values (n, "
                "D)) -> probabilities (n,)"
            )
        if n_samples is not None and not (_is_whole(n_samples) and FEWEST <= n_samples <= MOST):
            raise InputError(
                f"`n_samples` of the selection function is {n_samples!r}, but it must be a whole number from {FEWEST} "
                f"to {MOST}, since fewer samples bias the widths"
            )
        if not (_is_whole(seed) and seed >= 0):
            raise InputError(f"`seed` of the selection function is {seed!r}, but it must be a whole number, 0 or more")
        own = getattr(function, "__name__", type(function).__name__)
        self._freeze(function, n_samples, own if name is None else str(name), int(seed))

    def _freeze(
        self,
        function: Callable[[Floats], Any] | None,
        n_samples: int | None,
        name: str,
        seed: int,
        low: Any = None,
        high: Any = None,
        of: Of = "measured values",
    ) -> None:
        """Set the fields, whose values are checked."""
        given = {"function": function, "n_samples": n_samples, "name": name, "seed": seed}
        for key, value in {**given, "low": low, "high": high, "of": of, "proposal": None}.items():
            object.__setattr__(self, key, value)

    @classmethod
    def box(
        cls,
        low: ArrayLike | Mapping[str, Any] | None = None,
        high: ArrayLike | Mapping[str, Any] | None = None,
        *,
        of: Of = "measured values",
    ) -> Self:
        """Only objects inside a box are in the sample, and all of these are: cuts along one column or several.

        Parameters
        ----------
        low, high : array (D,) or mapping of column name to number, optional
            Edges, in the units of the coordinates or as Quantities: None or infinite where a column has none.
        of : {"measured values", "true values"}
            Whether the values with their noise have to lie in the box, or those without it: of a cut that was made on
            another, exact measurement of the same quantity.

        Raises
        ------
        InputError
            If there is no edge at all, one is not a number, or a lower one does not lie below the upper one.
        """
        if of not in OF:
            raise InputError(f"`of` of the selection function is {of!r}, but it must be one of {', '.join(OF)}")
        edges = [_edges(low, "low"), _edges(high, "high")]
        if all(each is None for each in edges):
            raise InputError(f"a box of a selection function needs `low` or `high`: {EDGES}")
        new = object.__new__(cls)
        new._freeze(None, None, BOX, 0, edges[0], edges[1], of)
        return new

    def __repr__(self) -> str:
        """One line: the name of the function, or the edges."""
        if self.function is not None or not self.is_box:
            return f"<SelectionFunction {self.name}>"
        return f"<SelectionFunction: {self.description}>"

    @property
    def is_box(self) -> bool:
        """Is it a box?"""
        return self.low is not None or self.high is not None

    @property
    def description(self) -> str:
        """What it selects, for reports: a name, or edges."""
        if not self.is_box or self.name != BOX:
            return self.name
        return _in_words(self.of, self.low, self.high, ())

    @property
    def edges(self) -> tuple[Floats, Floats]:
        """Lower and upper edges (M,) of a box that is resolved; infinite where there is none."""
        assert isinstance(self.low, np.ndarray), "edges are known of a resolved box only"
        assert isinstance(self.high, np.ndarray)
        return self.low, self.high

    @property
    def columns(self) -> NDArray[np.intp]:
        """Columns of a resolved box that have an edge."""
        low, high = self.edges
        return np.flatnonzero(np.isfinite(low) | np.isfinite(high))

    def with_proposal(self, proposal: Proposal) -> SelectionFunction:
        """The same, with the density from which importance samples are drawn, in the units of the observations."""
        return self._with(proposal=proposal)

    def with_seed(self, seed: int) -> SelectionFunction:
        """The same with other samples."""
        return self._with(seed=seed)

    def _with(self, **changes: Any) -> SelectionFunction:
        new = object.__new__(type(self))
        for name, value in {**vars(self), **changes}.items():
            object.__setattr__(new, name, value)
        return new

    def resolved(self, observations: Observations) -> SelectionFunction:
        """The selection function in the units of observations, with plain edges (M,); the objects are checked.

        Raises
        ------
        InputError
            If edges do not fit the columns, an object lies outside a box of measured values or has no value in a column
            that is cut, or the function gives no probability above zero for it.
        """
        if isinstance(observations.noise_model, NoiseMixture):
            raise InputError(
                "a selection function needs Gaussian errors, and these are mixtures (asymmetric errors, or samples); "
                "give standard errors or covariances"
            )
        if observations.limits is not None or observations.memberships is not None:
            what = "limits" if observations.limits is not None else "memberships that are known beforehand"
            raise InputError(f"a selection function cannot be combined with {what}; leave out one of them")
        rows = np.flatnonzero(observations.counts)
        if not self.is_box:
            self._check_objects(observations, rows)
            return self
        names, units = observations.names, observations.units
        if observations.projections is not None and (self.of == "true values" or _by_name(self)):
            raise InputError(
                "of projections a selection function can only cut the measured values: give `low` and `high` as arrays "
                "with one entry for each of them"
            )
        if observations.projections is not None:
            names = tuple(f"measured value {i}" for i in range(observations.n_measured))
            units = (None,) * len(names)
        low = _plain(self.low, -np.inf, "low", names, units)
        high = _plain(self.high, np.inf, "high", names, units)
        if not (low < high).all():
            i = int(np.argmax(low >= high))
            raise InputError(
                f"`low` of the selection function must lie below `high`, but in {names[i]} they are {low[i]:g} and "
                f"{high[i]:g}"
            )
        name = _in_words(self.of, low, high, names) if self.name == BOX else self.name
        result = self._with(low=read_only(low), high=read_only(high), name=name)
        result.check_box(observations, rows, names)
        return result

    def check_box(self, observations: Observations, rows: NDArray[np.intp], names: Sequence[str]) -> None:
        """Refuse objects, given by their rows, that the cuts of a resolved box would have left out."""
        low, high = self.edges
        for i in self.columns:
            values = observations.values[rows, i]
            missing = rows[~np.isfinite(values)]
            if missing.size and self.of == "measured values":
                raise InputError(
                    f"the selection function cuts {names[i]}, but {list_rows(missing)} {_form(missing, 'has', 'have')} "
                    f"no value there, so that the cut says nothing of {_form(missing, 'it', 'them')}; leave "
                    f"{_form(missing, 'this object', 'these objects')} out"
                )
            exact = np.zeros(rows.size, bool)
            if self.of == "true values":
                exact = observations.variances_of(int(i))[rows] > 0
            outside = rows[np.isfinite(values) & ~exact & ((values < low[i]) | (values > high[i]))]
            if outside.size:
                raise InputError(
                    f"{list_rows(outside)} {_form(outside, 'lies', 'lie')} outside the selection function's cut in "
                    f"{names[i]}, which lets no such object in; leave "
                    f"{_form(outside, 'this object', 'these objects')} out, or fit with the cut that was made"
                )

    def _check_objects(self, observations: Observations, rows: NDArray[np.intp]) -> None:
        """Refuse objects that the function would have left out."""
        probabilities = self.probabilities(observations.values[rows])
        outside = rows[probabilities == 0]
        if outside.size == rows.size:
            raise InputError(
                "the selection function is zero for every object of the sample; it is called with plain numbers in the "
                "units and the order of the columns: " + ", ".join(observations.names)
            )
        if outside.size:
            raise InputError(
                f"the selection function is zero for {list_rows(outside)}, so no such object is in a sample; leave "
                f"{_form(outside, 'this object', 'these objects')} out, or correct the function"
            )

    def probabilities(self, values: Floats) -> Floats:
        """The probability that objects with values (n, M) are in the sample (n,); a box has to be resolved.

        Raises
        ------
        InputError
            If it raises an error, or its values are no probabilities.
        """
        if self.is_box:
            low, high = (edge[self.columns] for edge in self.edges)
            inside = (values[:, self.columns] >= low) & (values[:, self.columns] <= high)
            return np.asarray(inside.all(axis=1), dtype=float)
        if self.function is None:
            raise InputError(
                f"this mixture was fitted with the selection function '{self.name}', which a file cannot hold; fit "
                "again, or pass the result of a fit in this session"
            )
        try:
            given = self.function(values.copy())
        except Exception as error:
            raise InputError(f"the selection function raised {type(error).__name__}: {error}") from error
        result = as_fractions(given, "the array that the selection function returned")
        if result.shape != (len(values),):
            raise InputError(
                f"the selection function returned shape {result.shape} for values of shape {values.shape}, but it must "
                f"return one probability for each, ({len(values)},)"
            )
        wrong = ~((result >= -ROUNDING) & (result <= 1.0 + ROUNDING))
        if wrong.any():
            i = int(np.argmax(wrong))
            missing = "; NaN stands for a missing value there" if np.isnan(values[i]).any() else ""
            raise InputError(
                f"the selection function returned {result[i]:g} at ({', '.join(f'{v:g}' for v in values[i])}), but a "
                f"probability lies between 0 and 1{missing}"
            )
        return np.clip(result, 0.0, 1.0)


def _form(rows: NDArray[np.intp], one: str, several: str) -> str:
    """The form of a word that goes with `list_rows`."""
    return one if rows.size == 1 else several


def selection_of(mixture: GaussianMixture) -> SelectionFunction | None:
    """The selection function that a mixture was fitted with, if there was one."""
    found: SelectionFunction | None = None if mixture.record is None else mixture.record.model.get(SELECTION)
    return found


def refuse_selection(mixture: GaussianMixture, what: str) -> None:
    """InputError where a mixture was fitted with a selection function, which `what` does not know."""
    selection = selection_of(mixture)
    if selection is not None:
        raise InputError(
            f"{what} of a sample that a selection function has left ({selection.description}) cannot be computed yet; "
            "compare the sample with catalogues of `simulate`, which have its selection"
        )


def described(selection: SelectionFunction) -> dict[str, Any]:
    """A resolved selection function in plain values, for the record of a fit: of a function only its name."""
    if not selection.is_box:
        return {"name": selection.name}
    low, high = ([None if np.isinf(x) else float(x) for x in edge] for edge in selection.edges)
    return {"low": low, "high": high, "of": selection.of, "description": selection.name}


def of_description(plain: dict[str, Any]) -> SelectionFunction:
    """The selection function of a record; one that cannot be called where a file held only its name."""
    new = object.__new__(SelectionFunction)
    if "name" in plain:
        new._freeze(None, None, plain["name"], 0)
        return new
    ends = [(plain["low"], -np.inf), (plain["high"], np.inf)]
    low, high = (np.array([absent if edge is None else edge for edge in edges], float) for edges, absent in ends)
    new._freeze(None, None, plain["description"], 0, low, high, plain["of"])
    return new


def _is_whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))


def _by_name(selection: SelectionFunction) -> bool:
    return isinstance(selection.low, Mapping) or isinstance(selection.high, Mapping)


def _edges(given: Any, which: str) -> Any:
    """Edges as a dict, or as a tuple of numbers, Quantities and None; None for none."""
    if given is None:
        return None
    if isinstance(given, Mapping):
        found: Any = {str(name): edge for name, edge in given.items() if edge is not None}
        return found or None
    if isinstance(given, str) or not hasattr(given, "__len__") or getattr(given, "shape", None) == ():
        raise InputError(f"`{which}` of the selection function is {given!r}; {EDGES}")
    found = tuple(given)
    return found if any(edge is not None for edge in found) else None


def _plain(edges: Any, absent: float, which: str, names: Sequence[str], units: Sequence[UnitBase | None]) -> Floats:
    """Edges as plain numbers (M,) in these units, infinite where there are none."""
    if edges is None:
        return np.full(len(names), absent)
    if isinstance(edges, Mapping):
        unknown = [name for name in edges if name not in names]
        if unknown:
            raise InputError(
                f"`{which}` of the selection function names '{unknown[0]}', but the columns are {', '.join(names)}"
            )
        edges = [edges.get(name) for name in names]
    if len(edges) != len(names):
        raise InputError(
            f"`{which}` of the selection function has {len(edges)} entries, but there are {len(names)} columns "
            f"({', '.join(names)}); {EDGES}"
        )
    every = zip(edges, names, units, strict=True)
    return np.array([absent if edge is None else _number(edge, which, name, unit) for edge, name, unit in every])


def _number(edge: Any, which: str, name: str, unit: UnitBase | None) -> float:
    own = getattr(edge, "unit", None)
    if own is not None and unit is None:
        raise InputError(
            f"`{which}` of the selection function has the unit {own}, but '{name}' has none; give a plain number"
        )
    number = as_floats(edge, which, unit)[0]
    if number.shape != () or np.isnan(number):
        raise InputError(f"`{which}` of the selection function is {edge!r} for '{name}'; {EDGES}")
    return float(number)


def _in_words(of: str, low: Any, high: Any, names: Sequence[str]) -> str:
    """A box in words, with the names of its columns if they are known."""
    edges = [*_described(low, "above", names), *_described(high, "below", names)]
    return f"{of.split(maxsplit=1)[0]} {', '.join(edges)}"


def _described(edges: Any, side: str, names: Sequence[str]) -> list[str]:
    if edges is None:
        return []
    if not isinstance(edges, Mapping):
        edges = {names[i] if names else f"value {i}": edge for i, edge in enumerate(edges)}
    return [f"{name} {side} {_text(edge)}" for name, edge in edges.items() if edge is not None and np.isfinite(edge)]


def _text(edge: Any) -> str:
    return str(edge) if getattr(edge, "unit", None) is not None else f"{edge:g}"
