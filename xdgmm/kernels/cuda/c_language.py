"""The second language of the functions of rows: straight-line C for one object, which one thread of a card computes.

Every operation becomes one line with a name of its own, without loops or indices, so that the compiler can hold all in
registers.  The functions themselves are those of `compiled.py`, unchanged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from xdgmm.kernels.compiled import Emitted

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST_FLOAT32 = 3.4e38


@dataclass(frozen=True)
class Value:
    """A name or a number in C.

    Attributes
    ----------
    text : str
    number : float or None
        What it is, where that is known.
    is_whole : bool
        Is it an int?
    shifted : str
        Of what `nearest` found, and of its power of two: the name of the sum that has the whole number in its low bits.
    is_power : bool
        Is it such a power?
    """

    text: str
    number: float | None = None
    is_whole: bool = False
    shifted: str = ""
    is_power: bool = False


@dataclass
class CLanguage:
    """Writes lines of C; `real` is the type of their numbers, "double" or "float".

    The functions that it calls (`reciprocal`, `square_root`, `mantissa`, ...) are in `passes.cu`.
    """

    real: str = "double"
    lines: list[str] = field(default_factory=list)
    n_names: int = 0

    def number(self, value: float) -> Value:
        """A number, of the type of the code."""
        value = float(value)
        if math.isnan(value):
            return Value(f"{self.real}(NAN)", value)
        if math.isinf(value) or (self.real == "float" and abs(value) > LARGEST_FLOAT32):
            return Value(f"{'-' if value < 0 else ''}{self.real}(INFINITY)", value)
        return Value(f"{self.real}({value!r})", value)

    def named(self, text: str) -> Emitted:
        """What C has under a name."""
        return Emitted(self, Value(text))

    def memory(self, count: int) -> Registers:  # noqa: ARG002 - registers need no number
        """Registers for vectors."""
        return Registers(self)

    def instruction(self, name: str, *values: Value) -> Value:
        """The value of one operation."""
        written = getattr(self, f"_{name}", None)
        return written(*values) if written is not None else self._put(f"{name}({_listed(values)})")

    def take(self) -> list[str]:
        """The lines so far, which are then forgotten."""
        lines, self.lines = self.lines, []
        return lines

    def _put(self, expression: str, *, is_whole: bool = False) -> Value:
        name = f"v{self.n_names}"
        self.n_names += 1
        self.lines.append(f"const {'int' if is_whole else self.real} {name} = {expression};")
        return Value(name, is_whole=is_whole)

    def _add(self, x: Value, y: Value) -> Value:
        for number, other in ((x, y), (y, x)):
            if number.number == 0.0:
                return other
            if other.is_whole and (number.is_whole or _is_whole(number)):
                return self._put(f"{_as_int(number)} + {other.text}", is_whole=True)
        return self._put(f"{x.text} + {y.text}")

    def _sub(self, x: Value, y: Value) -> Value:
        if x.number == 0.0:
            return self._put(f"-{y.text}")
        return x if y.number == 0.0 else self._put(f"{x.text} - {y.text}")

    def _mul(self, x: Value, y: Value) -> Value:
        for number, other in ((x, y), (y, x)):
            if number.number == 1.0:
                return other
            if number.shifted and number.is_power:
                return self._put(f"scaled({other.text}, {number.shifted})")
        return self._put(f"{x.text} * {y.text}")

    def _truediv(self, x: Value, y: Value) -> Value:
        inverse = self._put(f"reciprocal({y.text})")
        return inverse if x.number == 1.0 else self._put(f"{x.text} * {inverse.text}")

    def _smaller(self, x: Value, y: Value) -> Value:
        return self._put(f"lower({x.text}, {y.text})")

    def _larger(self, x: Value, y: Value) -> Value:
        return self._put(f"{self._is_above(x, y)} ? {x.text} : {y.text}")

    def _where_above(self, x: Value, limit: Value, value: Value, other: Value) -> Value:
        return self._put(f"{self._is_above(x, limit)} ? {value.text} : {other.text}")

    def _is_above(self, x: Value, limit: Value) -> str:
        is_known = limit.number is not None and limit.number < 0.0 and _is_short(limit.number)
        return f"is_above({x.text}, {limit.text})" if is_known else f"{x.text} > {limit.text}"

    def _nearest(self, x: Value) -> Value:
        shifted = self._put(f"{x.text} + TO_WHOLE").text
        return Value(self._put(f"{shifted} - TO_WHOLE").text, shifted=shifted)

    def _power_of_two(self, n: Value) -> Value:
        shifted = n.shifted or self._put(f"{n.text} + TO_WHOLE").text
        return Value(f"power_of_two({shifted})", shifted=shifted, is_power=True)

    def _exponent(self, x: Value) -> Value:
        return self._put(f"exponent({x.text})", is_whole=True)


def _listed(values: Iterable[Value]) -> str:
    return ", ".join(value.text for value in values)


def _is_short(number: float) -> bool:
    """Are the lower 32 bits zero?"""
    return int(np.float64(number).view(np.uint64)) % 2**32 == 0


def _is_whole(value: Value) -> bool:
    return value.number is not None and value.number.is_integer()


def _as_int(value: Value) -> str:
    return value.text if value.is_whole or value.number is None else str(int(value.number))


class Registers(dict[int, "Emitted | float"]):
    """Vectors that the lines hold under names: `t` of a function of rows."""

    def __init__(self, language: CLanguage) -> None:
        super().__init__()
        self.language = language


class Rows:
    """Numbers in memory, which lines read by an index that is known: ``x[3]``."""

    def __init__(self, language: CLanguage, name: str) -> None:
        self.language, self.name = language, name

    def __getitem__(self, row: int) -> Emitted:
        return self.language.named(f"{self.name}[{row}]")


def text_of(value: Emitted | float, language: CLanguage) -> str:
    """A value as C."""
    found: Value = value.value if isinstance(value, Emitted) else language.number(value)
    return found.text
