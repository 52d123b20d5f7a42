"""The compiled passes: log-likelihood and all its derivatives, eight objects at a time.

`reference.py` computes the same in plain NumPy; parametrised tests compare the two.

A *vector* is eight numbers, one for each of eight objects (a *block*).  All calculations use this number type:
arithmetic on it is ordinary arithmetic, and `smaller`, `larger`, `where_above`, `square_root`, `nearest`, `mantissa`,
`exponent` and `power_of_two` act on each number separately.  The first third of this file defines the type for numba;
the mathematics begins at *The sweep*.  For a block and a component k the passes work on the packed lower triangle of
the augmented matrix::

    [ T  .  ]      T = R_i V_k R_i' + S_i      (element (i, j <= i) in row i (i + 1) / 2 + j, M (M + 1) / 2 rows)
    [ d' -Q ]      d = w_i - R_i m_k           (the M rows below),      -Q = -d' T^-1 d in the last row

of the M measured values.  Without projections R is the identity and M = D; the same R for all objects is applied to
the mixture beforehand (`passes.py`).  A pass loads the matrix (one function for each form of noise), eliminates T from
it, which gives the density, computes the responsibilities from the densities of all components, and completes the
inversion of T, which gives the moments ``u = R' T^-1 d`` and ``P = R' T^-1 R`` in the D coordinates.

Type and kernels share this file because numba compiles a kernel again only when the file of the kernel changes: it
would not notice edits in an imported module (after a change of the options in `compiling.py`, touch this file).
"""

from __future__ import annotations

import math
import operator
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.imputils import lower_cast
from numba.core.typeconv import Conversion
from numba.extending import intrinsic, models, overload, register_jitable, register_model

from .compiling import OPTIONS, inlined, kernel, reduction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LANES = 8
UNROLLED = 10  # up to this many dimensions loops over coordinates are unrolled: 20 to 50% faster, slow to compile
FEW = 6  # the same for functions with loops over three coordinates
SMALLEST_PIVOT = 1e-300  # the reciprocal of a smaller one overflows
LOWEST_POWER = -1020.0  # 2**LOWEST_POWER is still a normal number
LOG2_ZERO = -1e300  # stands for log2 of a density of zero; finite, so that no difference of two logarithms is NaN
HALF_LOG2E = 0.7213475204444817
TILE = 8  # blocks
SIDE = 4  # rows and columns of the matrix whose elements are held in registers at once
WHOLE = (0,) * SIDE
ROUNDING = 1e-13  # of a variance: a pivot below it is zero, where posteriors are concerned
BESIDE = 1e-6  # sigmas that a value may lie beside a covariance without width: the root of ROUNDING, with room


# --- A vector of eight numbers, as a numba type ----------------------------------------------------------------------

_REAL, _INT, _INDEX = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
_REALS, _INTS, _INDICES = (ir.VectorType(element, LANES) for element in (_REAL, _INT, _INDEX))
_FLAGS = ("contract", "nsz", "arcp")  # multiply-adds are fused; sums keep their order, NaN and infinity their meaning
_EXPONENT_BIAS, _MANTISSA_BITS = 1023, 52


class _Vector(types.Type):
    """Eight doubles in one or more registers of the processor; a number becomes eight equal ones."""

    def __init__(self):
        super().__init__(name=f"vector{LANES}")

    def can_convert_from(self, _, other):
        return Conversion.safe if isinstance(other, types.Number) else None


class _Rows(types.Type):
    """Vectors one after the other in memory, with any alignment."""

    def __init__(self):
        super().__init__(name=f"rows{LANES}")


VECTOR, ROWS, NUMBERS = _Vector(), _Rows(), types.CPointer(types.float64)


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, _REALS)


@register_model(_Rows)
class _RowsModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, _REALS.as_pointer())


def _reals(value):
    return ir.Constant(_REALS, [ir.Constant(_REAL, float(value))] * LANES)


def _ints(value, kind=_INTS):
    return ir.Constant(kind, [ir.Constant(kind.element, value)] * LANES)


def _spread(builder, number):
    first = builder.insert_element(ir.Constant(_REALS, ir.Undefined), number, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(first, ir.Constant(_REALS, ir.Undefined), _ints(0, _INDICES))


@lower_cast(types.Float, VECTOR)
def _from_float(_context, builder, _from, _to, number):
    return _spread(builder, number)


@lower_cast(types.Integer, VECTOR)
def _from_integer(_context, builder, _from, _to, number):
    return _spread(builder, builder.sitofp(number, _REAL))


def _library(name):
    def emit(builder, x):
        function = ir.FunctionType(_REALS, [_REALS])
        return builder.call(cgutils.get_or_insert_function(builder.module, function, f"llvm.{name}.v{LANES}f64"), [x])

    return emit


def _mantissa(builder, x):
    bits = builder.and_(builder.bitcast(x, _INTS), _ints((1 << _MANTISSA_BITS) - 1))
    return builder.bitcast(builder.or_(bits, _ints(_EXPONENT_BIAS << _MANTISSA_BITS)), _REALS)


def _exponent(builder, x):
    biased = builder.trunc(builder.lshr(builder.bitcast(x, _INTS), _ints(_MANTISSA_BITS)), _INDICES)
    return builder.sitofp(builder.sub(biased, _ints(_EXPONENT_BIAS, _INDICES)), _REALS)


def _power_of_two(builder, n):
    # Adding 1.5 * 2**52 leaves the whole number n in the low bits, from where it is moved into the exponent.
    shifted = builder.bitcast(builder.fadd(n, _reals(1.5 * 2**52 + _EXPONENT_BIAS)), _INTS)
    return builder.bitcast(builder.shl(shifted, _ints(_MANTISSA_BITS)), _REALS)


_INSTRUCTIONS = {
    "add": lambda builder, x, y: builder.fadd(x, y, flags=_FLAGS),
    "sub": lambda builder, x, y: builder.fsub(x, y, flags=_FLAGS),
    "mul": lambda builder, x, y: builder.fmul(x, y, flags=_FLAGS),
    "truediv": lambda builder, x, y: builder.fdiv(x, y, flags=_FLAGS),
    "smaller": lambda builder, x, y: builder.select(builder.fcmp_ordered("<", x, y), x, y),
    "larger": lambda builder, x, y: builder.select(builder.fcmp_ordered(">", x, y), x, y),
    "where_above": lambda builder, x, limit, value, other: builder.select(
        builder.fcmp_ordered(">", x, limit), value, other
    ),
    "square_root": _library("sqrt"),
    "nearest": _library("rint"),
    "mantissa": _mantissa,
    "exponent": _exponent,
    "power_of_two": _power_of_two,
}


class _Llvm:
    """The language in which functions of rows write themselves for the processor."""

    def __init__(self, builder):
        self.builder = builder

    def number(self, value):
        """Eight equal numbers."""
        return _reals(value)

    def instruction(self, name, *values):
        """The value of one operation."""
        return _INSTRUCTIONS[name](self.builder, *values)

    def memory(self, count):
        """Memory for so many vectors."""
        return _EmittedRows(self, _allocate(self.builder, count), ROWS)


class Emitted:
    """A vector during code generation: arithmetic on it writes an instruction in its language.

    A language has the methods of `_Llvm`; another one is in `cuda/c_language.py`.
    """

    def __init__(self, language: Any, value: Any) -> None:
        self.language, self.value = language, value

    def __add__(self, y):
        return _emit("add", self, y)

    def __radd__(self, x):
        return _emit("add", x, self)

    def __sub__(self, y):
        return _emit("sub", self, y)

    def __rsub__(self, x):
        return _emit("sub", x, self)

    def __mul__(self, y):
        return _emit("mul", self, y)

    def __rmul__(self, x):
        return _emit("mul", x, self)

    def __truediv__(self, y):
        return _emit("truediv", self, y)

    def __rtruediv__(self, x):
        return _emit("truediv", x, self)


def _emit(name, *operands):
    language = next(operand.language for operand in operands if isinstance(operand, Emitted))
    values = (operand.value if isinstance(operand, Emitted) else language.number(operand) for operand in operands)
    return Emitted(language, language.instruction(name, *values))


class _EmittedIndex:
    """An index that is known only when the code runs, during code generation: numbers can be added to it."""

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    def __add__(self, number):
        return _EmittedIndex(self.builder, self.builder.add(self.value, ir.Constant(_INT, number)))


class _EmittedRows:
    """Vectors in memory (or numbers, each read as eight equal ones) during code generation."""

    def __init__(self, language, pointer, kind):
        self.language, self.pointer, self.kind = language, pointer, kind

    def _at(self, row):
        place = row.value if isinstance(row, _EmittedIndex) else ir.Constant(_INT, row)
        return self.language.builder.gep(self.pointer, [place])

    def __getitem__(self, row):
        builder = self.language.builder
        value = builder.load(self._at(row), align=8)
        return Emitted(self.language, _spread(builder, value) if self.kind == NUMBERS else value)

    def __setitem__(self, row, vector):
        self.language.builder.store(_value(vector), self._at(row), align=8)


def _intrinsic(name):
    """The instruction as a function that compiled code can call with a tuple of vectors and numbers."""

    @intrinsic
    def instruction(_typing, operands):
        def generate(context, builder, signature, arguments):
            kinds, values = signature.args[0].types, cgutils.unpack_tuple(builder, arguments[0])
            vectors = (context.cast(builder, v, kind, VECTOR) for v, kind in zip(values, kinds, strict=True))
            return _INSTRUCTIONS[name](builder, *vectors)

        return VECTOR(operands), generate

    return instruction


def _is_vectorial(*kinds):
    return VECTOR in kinds and all(kind == VECTOR or isinstance(kind, types.Number) for kind in kinds)


def _operator(function, name):
    instruction = _intrinsic(name)

    @overload(function)
    def choose(x, y):
        return (lambda x, y: instruction((x, y))) if _is_vectorial(x, y) else None


for _name in ("add", "sub", "mul", "truediv"):
    _operator(getattr(operator, _name), _name)


def _vectorial(function):
    """The instruction with the function's name, for compiled code and for code generation."""
    name = function.__name__
    instruction = _intrinsic(name)

    def emitted(*operands):
        return _emit(name, *operands)

    @overload(emitted, strict=False)
    def choose(*operands):
        return (lambda *operands: instruction(operands)) if _is_vectorial(*operands) else None

    return emitted


@_vectorial
def smaller(x, y):
    """``x if x < y else y``: y where x is not a number."""


@_vectorial
def larger(x, y):
    """``x if x > y else y``: y where x is not a number."""


@_vectorial
def where_above(x, limit, value, other):
    """``value if x > limit else other``."""


@_vectorial
def square_root(x):
    """Square root."""


@_vectorial
def nearest(x):
    """The nearest whole number."""


@_vectorial
def mantissa(x):
    """The m of ``x = m 2**e`` with 1 <= m < 2, for positive normal x."""


@_vectorial
def exponent(x):
    """The e of ``x = m 2**e`` with 1 <= m < 2, for positive normal x."""


@_vectorial
def power_of_two(n):
    """``2**n`` for whole n from -1022 to 1023, by its exponent alone."""


@intrinsic
def total(_typing, x):
    """Sum of the eight numbers, always in the same order."""

    def generate(_context, builder, _signature, arguments):
        parts = [builder.extract_element(arguments[0], ir.Constant(_INDEX, lane)) for lane in range(LANES)]
        while len(parts) > 1:
            parts = [builder.fadd(x, y) for x, y in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]

    return types.float64(x), generate


@intrinsic
def _read(_typing, of, _row):
    def generate(_context, builder, _signature, arguments):
        return builder.load(builder.gep(arguments[0], [arguments[1]]), align=8)

    return VECTOR(of, types.intp), generate


@intrinsic
def _write(_typing, to, _row, _vector):
    def generate(context, builder, _signature, arguments):
        builder.store(arguments[2], builder.gep(arguments[0], [arguments[1]]), align=8)
        return context.get_dummy_value()

    return types.none(to, types.intp, VECTOR), generate


@intrinsic
def scatter(_typing, to, _stride, _vector):
    """Write the eight numbers to memory, each so many places after the one before: scatter(numbers(...), stride, x)."""

    def generate(context, builder, _signature, arguments):
        for lane in range(LANES):
            place = builder.gep(arguments[0], [builder.mul(arguments[1], ir.Constant(_INT, lane))])
            builder.store(builder.extract_element(arguments[2], ir.Constant(_INDEX, lane)), place)
        return context.get_dummy_value()

    return types.none(to, types.intp, VECTOR), generate


@overload(operator.getitem)
def _get(of, row):  # noqa: ARG001
    return (lambda of, row: _read(of, row)) if of == ROWS else None  # noqa: PLW0108 - numba needs a function


@overload(operator.setitem)
def _set(to, row, vector):  # noqa: ARG001
    return (lambda to, row, vector: _write(to, row, vector)) if to == ROWS else None  # noqa: PLW0108


def _pointer(kind, item):
    @intrinsic
    def pointer(_typing, array, _first):
        def generate(context, builder, signature, arguments):
            data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            return builder.gep(builder.bitcast(data, item.as_pointer()), [arguments[1]])

        return kind(array, types.intp), generate

    return pointer


rows = _pointer(ROWS, _REALS)  # rows(array, i): the vectors of a contiguous array, from the i-th one on
numbers = _pointer(NUMBERS, _REAL)  # numbers(array, i): its numbers, from the i-th one on


@intrinsic
def scratch(_typing, layout):
    """Memory for one augmented matrix and, with projections, for M D rows more.

    It stands on the stack of the calling function, which must not return it.
    """

    def generate(_context, builder, signature, _arguments):
        of = _layout(signature.args[0])
        D, M = len(of.dimensions), len(of.measured)
        return _allocate(builder, element(M, M) + 1 + (M * D if _is_projected(of) else 0))

    return ROWS(layout), generate


@intrinsic
def latent_scratch(_typing, t, layout):
    """Memory for the moments of the D coordinates: separate memory with projections, otherwise t itself."""

    def generate(_context, builder, signature, arguments):
        of = _layout(signature.args[1])
        D = len(of.dimensions)
        return _allocate(builder, element(D, D)) if _is_projected(of) else arguments[0]

    return ROWS(t, layout), generate


def _memory(count):
    """Make a function of the layout that returns memory for so many vectors, on the stack of the calling function."""

    @intrinsic
    def memory(_typing, layout):
        def generate(_context, builder, signature, _arguments):
            return _allocate(builder, count(_layout(signature.args[0])))

        return ROWS(layout), generate

    return memory


moments_memory = _memory(lambda of: element(len(of.dimensions), len(of.dimensions)))


@_memory
def gain_memory(layout):
    """Memory for G (D M rows), 1 - G R (D D rows), and a row of a product of matrices."""
    D, M = len(layout.dimensions), len(layout.measured)
    return D * M + D * D + max(D, M)


def _memory_beside(count):
    """Make a function of rows t and the layout that returns memory for so many vectors more; `of_rows` can call it."""

    def memory(t, layout):
        return t.language.memory(count(layout))

    @intrinsic
    def allocate(_typing, t, layout):
        def generate(_context, builder, signature, _arguments):
            return _allocate(builder, count(_layout(signature.args[1])))

        return ROWS(t, layout), generate

    @overload(memory)
    def choose(t, layout):  # noqa: ARG001
        return lambda t, layout: allocate(t, layout)  # noqa: PLW0108 - numba needs a function

    return memory


tile_memory = _memory_beside(lambda layout: SIDE * SIDE)  # noqa: ARG005 - one tile
columns_memory = _memory_beside(lambda layout: SIDE * len(layout.measured))  # SIDE columns of a matrix, row by row


def _allocate(builder, count):
    memory = cgutils.alloca_once(builder, ir.ArrayType(_REALS, count))
    memory.align = 64
    return builder.bitcast(memory, _REALS.as_pointer())


# --- Functions of rows, unrolled or compiled as loops ----------------------------------------------------------------


class Layout(NamedTuple):
    """What a kernel is compiled for, given by the lengths of tuples, which are part of their type.

    dimensions: D; noise: COMMON, DIAGONAL, FULL or PROJECTED; missing: 1 where some values have a mask, else 0;
    measured: M, equal to D unless PROJECTED; background: 1 where the last component is a background, else 0;
    memberships: 1 where each object has a factor on the weight of each Gaussian, else 0.
    """

    dimensions: tuple[int, ...]
    noise: tuple[int, ...]
    missing: tuple[int, ...]
    measured: tuple[int, ...]
    background: tuple[int, ...]
    memberships: tuple[int, ...]

    @classmethod
    def of(
        cls, n_dimensions: int, noise: int, missing: int, n_measured: int, background: int, memberships: int = 0
    ) -> Layout:
        """The layout with these lengths."""
        return cls(*((0,) * length for length in (n_dimensions, noise, missing, n_measured, background, memberships)))


COMMON, DIAGONAL, FULL, PROJECTED = range(4)


def _layout(kind):
    """The layout that has this numba type."""
    return Layout.of(*(lengths.count for lengths in kind.types))


def _has_common_noise(layout):
    return len(layout.noise) == COMMON


def _has_independent_errors(layout):
    return len(layout.noise) == DIAGONAL


def _has_covariances(layout):
    return len(layout.noise) == FULL


def _is_projected(layout):
    return len(layout.noise) == PROJECTED


def _is_eliminated(layout):
    return len(layout.noise) != COMMON


def _measures_coordinates(layout):
    return len(layout.noise) in (DIAGONAL, FULL)


def _has_mask(layout):
    return len(layout.missing) > 0


def _always(layout):  # noqa: ARG001
    return True


def of_rows(returns=0, where=_always, unrolled_to=UNROLLED):
    """Make a function of rows (layout last) that returns so many vectors callable by kernels.

    For few dimensions (`unrolled_to`) it runs while a kernel is compiled and generates instructions without loops or
    indices, whose values the compiler can hold in registers; for many it is compiled with its loops.  The layout
    decides between the two, so even functions that do not use it otherwise take one.  Functions of rows can call each
    other.  One that returns nothing does nothing for layouts to which it does not apply (`where`), and takes no time to
    compile there.
    """
    result = {0: types.none, 1: VECTOR}.get(returns) or types.UniTuple(VECTOR, returns)

    def decorate(function):
        @wraps(function)
        def applied(*arguments):
            return function(*arguments) if where(arguments[-1]) else None

        @intrinsic
        def unrolled(_typing, arguments):
            def generate(context, builder, signature, values):
                kinds = signature.args[0].types
                values = cgutils.unpack_tuple(builder, values[0])
                readable = (_readable(context, builder, v, kind) for v, kind in zip(values, kinds, strict=True))
                vectors = applied(*readable)
                if returns == 0:
                    return context.get_dummy_value()
                if returns == 1:
                    return _value(vectors)
                return context.make_tuple(builder, result, [_value(vector) for vector in vectors])

            return result(arguments), generate

        looped = njit(**OPTIONS)(function)

        @overload(applied, strict=False, jit_options={"forceinline": True})
        def choose(*arguments):
            layout = _layout(arguments[-1])
            if not where(layout):
                return lambda *arguments: None  # noqa: ARG005
            if max(len(layout.dimensions), len(layout.measured)) <= unrolled_to:
                return lambda *arguments: unrolled(arguments)
            return lambda *arguments: looped(*arguments)  # noqa: PLW0108

        return applied

    return decorate


def of_tiles(returns=0):
    """`of_rows` for functions of a few rows, which are unrolled for any number of dimensions."""
    return of_rows(returns, unrolled_to=math.inf)


def _value(vector):
    return vector.value if isinstance(vector, Emitted) else _reals(vector)


def _readable(context, builder, value, kind):
    if kind in (ROWS, NUMBERS):
        return _EmittedRows(_Llvm(builder), value, kind)
    if isinstance(kind, types.BaseNamedTuple):
        return _layout(kind)
    if isinstance(kind, types.UniTuple):
        return [_readable(context, builder, part, kind.dtype) for part in cgutils.unpack_tuple(builder, value)]
    if isinstance(kind, types.Integer):
        return _EmittedIndex(builder, context.cast(builder, value, kind, types.intp))
    return Emitted(_Llvm(builder), context.cast(builder, value, kind, VECTOR))


@register_jitable
def element(i: int, j: int) -> int:
    """Row of element (i, j <= i) of a packed lower triangle."""
    return ((i * (i + 1)) >> 1) + j  # a shift: in loops, division of signed numbers is slow


# --- The sweep: Gauss's elimination, forward and backward (Goodnight 1979, Am. Stat. 33, 149) ------------------------
#
# Both directions work on *tiles* of SIDE x SIDE elements, which stay in registers while the products of all earlier
# columns are subtracted (Golub & Van Loan 2013, section 4.2: 8 numbers are loaded for 16 multiply-adds, where an
# elimination of one column after the other loads two and stores one for each).  The matrix is divided into blocks of
# SIDE rows, the first of them smaller where SIDE does not divide M.  s holds SIDE numbers for each column p, from row
# SIDE p on: the rows of one block, each element divided by the pivot of its column.


@register_jitable
def _first_size(M):
    return (M - 1) % SIDE + 1


def first_block(layout):
    """The size of the first block, as the length of a tuple; later blocks have that of WHOLE."""
    return (0,) * _first_size(len(layout.measured))


@overload(first_block)
def _first_block(layout):
    size = first_block(_layout(layout))
    return lambda layout: size  # noqa: ARG005


def places(size, i, j):
    """Where the elements (i, j), (i + 1, j) ... of a block of rows are."""
    return [element(i + k, j) for k in range(len(size))]


@overload(places)
def _places(size, i, j):  # noqa: ARG001
    return lambda size, i, j: _places_of(size, i, j)  # noqa: PLW0108


@intrinsic
def _places_of(_typing, size, _i, _j):
    result = types.UniTuple(types.intp, size.count)

    def generate(context, builder, signature, arguments):
        found = []
        for k in range(size.count):
            row = builder.add(arguments[1], ir.Constant(_INT, k))
            twice = builder.mul(row, builder.add(row, ir.Constant(_INT, 1)))
            found.append(builder.add(builder.ashr(twice, ir.Constant(_INT, 1)), arguments[2]))
        return context.make_tuple(builder, signature.return_type, found)

    return result(size, types.intp, types.intp), generate


@of_rows(returns=3)
def eliminate(t, layout):
    """Eliminate T from the augmented matrix: its last row becomes -Q.  Returns 1 / det T as m, e; and the lowest pivot.

    ``1 / det T = m 2**e``: the exponents are added separately, so no determinant overflows, whatever M and the units.
    Afterwards t holds the *factor*: the inverse of each pivot in its place, and the column below, not divided by it.
    """
    M = len(layout.measured)
    s, first = columns_memory(t, layout), first_block(layout)
    m, e, lowest = eliminate_block(t, s, 0, first, 1.0, 0.0, 1e300, layout)
    for j in range(len(first), M, SIDE):
        m, e, lowest = eliminate_block(t, s, j, WHOLE, m, e, lowest, layout)
    return m, e, lowest


@of_rows(returns=3)
def eliminate_block(t, s, j, size, m, e, lowest, layout):
    """Eliminate the columns from j on: those of one block of rows."""
    M = len(layout.measured)
    x, here, last = tile_memory(t, layout), places(size, j, j), element(M, j)
    load_triangle(x, t, here, last, layout)
    for p in range(j):
        subtract_squares(x, t, s, places(size, j, p), element(M, p), element(p, p), SIDE * p, layout)
    m, e, lowest = factor_triangle(x, t, s, here, last, element(M, M), SIDE * j, m, e, lowest, layout)
    for i in range(j + len(size), M, SIDE):
        load_tile(x, t, places(WHOLE, i, j), size, layout)
        for p in range(j):
            subtract_columns(x, t, s, places(WHOLE, i, p), SIDE * p, size, layout)
        solve_tile(x, t, s, places(WHOLE, i, j), SIDE * j, size, layout)
    return m, e, lowest


@of_tiles()
def load_triangle(x, t, here, last, layout):  # noqa: ARG001
    """A block on the diagonal, and below it its part of the last row d'."""
    n = len(here)
    for i in range(n):
        for j in range(i + 1):
            x[element(i, j)] = t[here[i] + j]
        x[element(n, i)] = t[last + i]


@of_tiles()
def subtract_squares(x, t, s, column, last, pivot, place, layout):  # noqa: ARG001
    """Subtract the products of an earlier column from a block on the diagonal; write the column, divided, to s."""
    n, inverse = len(column), t[pivot]
    for j in range(n):
        scaled = t[column[j]] * inverse
        s[place + j] = scaled
        for i in range(j, n):
            x[element(i, j)] = x[element(i, j)] - t[column[i]] * scaled
        x[element(n, j)] = x[element(n, j)] - t[last] * scaled


@of_tiles(returns=3)
def factor_triangle(x, t, s, here, last, corner, place, m, e, lowest, layout):  # noqa: ARG001
    """Eliminate the columns of a block on the diagonal from each other, from d and from -Q."""
    n = len(here)
    for p in range(n):
        pivot = x[element(p, p)]
        lowest = smaller(pivot, lowest)  # a pivot below zero stays the lowest even where later ones are NaN
        inverse = 1.0 / pivot
        x[element(p, p)] = inverse
        m = m * mantissa(inverse)
        e = e + exponent(inverse)
        for j in range(p + 1, n):
            scaled = x[element(j, p)] * inverse
            s[place + SIDE * p + j] = scaled
            for i in range(j, n + 1):
                x[element(i, j)] = x[element(i, j)] - x[element(i, p)] * scaled
        d = x[element(n, p)]
        t[corner] = t[corner] - d * (d * inverse)
    for i in range(n):
        for j in range(i + 1):
            t[here[i] + j] = x[element(i, j)]
        t[last + i] = x[element(n, i)]
    return m, e, lowest


@of_tiles()
def load_tile(x, t, there, size, layout):  # noqa: ARG001
    """The elements of SIDE rows in the columns of one block."""
    for i in range(SIDE):
        for j in range(len(size)):
            x[SIDE * i + j] = t[there[i] + j]


@of_tiles()
def store_tile(x, t, there, size, layout):  # noqa: ARG001
    """Write a tile to its place."""
    for i in range(SIDE):
        for j in range(len(size)):
            t[there[i] + j] = x[SIDE * i + j]


@of_tiles()
def subtract_columns(x, t, s, column, place, size, layout):  # noqa: ARG001
    """Subtract the products of an earlier column from a tile."""
    for j in range(len(size)):
        for i in range(SIDE):
            x[SIDE * i + j] = x[SIDE * i + j] - t[column[i]] * s[place + j]


@of_tiles()
def solve_tile(x, t, s, there, place, size, layout):
    """Eliminate the columns of a tile from each other, and write it to its place."""
    n = len(size)
    for p in range(n):
        for j in range(p + 1, n):
            for i in range(SIDE):
                x[SIDE * i + j] = x[SIDE * i + j] - x[SIDE * i + p] * s[place + SIDE * p + j]
    store_tile(x, t, there, size, layout)


@of_rows(where=_measures_coordinates)
def finish(t, layout):
    """After `eliminate`: the triangle becomes -T^-1, and the M rows below u = T^-1 d.

    With ``T = L E L'``, pivots E, first ``W = L^-1`` in the place of L, one block of rows after the other, and then
    ``T^-1 = W' E^-1 W`` in the place of W; the negative sign is that of the sweep.
    """
    M = len(layout.measured)
    s, first = columns_memory(t, layout), first_block(layout)
    invert_triangle(t, s, places(first, 0, 0), 0, layout)
    for i in range(len(first), M, SIDE):
        for p in range(i):
            divide_column(t, s, places(WHOLE, i, p), element(p, p), SIDE * p, layout)
        invert_triangle(t, s, places(WHOLE, i, i), SIDE * i, layout)
        invert_tile(t, s, i, 0, first, layout)
        for j in range(len(first), i, SIDE):
            invert_tile(t, s, i, j, WHOLE, layout)
    square_triangle(t, s, 0, first, layout)
    for i in range(len(first), M, SIDE):
        square_triangle(t, s, i, WHOLE, layout)
        square_tile(t, s, i, 0, first, layout)
        for j in range(len(first), i, SIDE):
            square_tile(t, s, i, j, WHOLE, layout)


@of_tiles()
def divide_column(t, s, column, pivot, place, layout):  # noqa: ARG001
    """Write a column of L, in one block of rows, to s."""
    inverse = t[pivot]
    for k in range(SIDE):
        s[place + k] = t[column[k]] * inverse


@of_tiles()
def invert_triangle(t, s, here, place, layout):  # noqa: ARG001
    """W below a block on the diagonal, by substitution; s keeps L."""
    n = len(here)
    for p in range(n):
        for i in range(p + 1, n):
            s[place + SIDE * p + i] = t[here[i] + p] * t[here[p] + p]
    for j in range(n):
        for i in range(j + 1, n):
            w = 0.0 - s[place + SIDE * j + i]
            for p in range(j + 1, i):
                w = w - s[place + SIDE * p + i] * t[here[p] + j]
            t[here[i] + j] = w


@of_rows()
def invert_tile(t, s, i, j, size, layout):
    """W in the rows from i on and the columns from j on: ``L_ii W_ij = -sum_p L_ip W_pj``."""
    x = tile_memory(t, layout)
    start_inverse(x, t, s, places(size, j, j), SIDE * j, layout)
    for p in range(j + len(size), i):
        subtract_rows(x, t, s, element(p, j), SIDE * p, size, layout)
    finish_inverse(x, t, s, places(WHOLE, i, j), SIDE * i, size, layout)


@of_tiles()
def start_inverse(x, t, s, here, place, layout):  # noqa: ARG001
    """The terms of the rows p of the block of the columns, whose W has ones on its diagonal."""
    n = len(here)
    for i in range(SIDE):
        for j in range(n):
            w = 0.0 - s[place + SIDE * j + i]
            for p in range(j + 1, n):
                w = w - s[place + SIDE * p + i] * t[here[p] + j]
            x[SIDE * i + j] = w


@of_tiles()
def subtract_rows(x, t, s, row, place, size, layout):  # noqa: ARG001
    """Subtract the products of one row of W from a tile."""
    for j in range(len(size)):
        for i in range(SIDE):
            x[SIDE * i + j] = x[SIDE * i + j] - s[place + i] * t[row + j]


@of_tiles()
def finish_inverse(x, t, s, there, place, size, layout):
    """Solve with the block of L on the diagonal, and write the tile to its place."""
    for p in range(SIDE):
        for i in range(p + 1, SIDE):
            for j in range(len(size)):
                x[SIDE * i + j] = x[SIDE * i + j] - s[place + SIDE * p + i] * x[SIDE * p + j]
    store_tile(x, t, there, size, layout)


@of_rows()
def square_triangle(t, s, i, size, layout):
    """-T^-1 in a block on the diagonal, and u: sums over the rows p of W from i on, which s keeps, divided."""
    M = len(layout.measured)
    x, here, last = tile_memory(t, layout), places(size, i, i), element(M, i)
    start_squares(x, t, s, here, last, SIDE * i, layout)
    for p in range(i + len(size), M):
        subtract_square(x, t, s, element(p, i), element(p, p), element(M, p), SIDE * p, size, layout)
    store_triangle(x, t, here, last, layout)


@of_tiles()
def start_squares(x, t, s, here, last, place, layout):  # noqa: ARG001
    """The terms of the rows of the block itself."""
    n = len(here)
    for i in range(n):
        for j in range(i + 1):
            x[element(i, j)] = 0.0
        x[element(n, i)] = 0.0
    for p in range(n):
        inverse = t[here[p] + p]
        for i in range(p + 1):
            scaled = inverse if i == p else t[here[p] + i] * inverse
            s[place + SIDE * p + i] = scaled
            for j in range(i + 1):
                x[element(i, j)] = x[element(i, j)] - (scaled if j == p else scaled * t[here[p] + j])
            x[element(n, i)] = x[element(n, i)] + scaled * t[last + p]


@of_tiles()
def subtract_square(x, t, s, row, pivot, d, place, size, layout):  # noqa: ARG001
    """The terms of one row of W."""
    n, inverse = len(size), t[pivot]
    for i in range(n):
        scaled = t[row + i] * inverse
        s[place + i] = scaled
        for j in range(i + 1):
            x[element(i, j)] = x[element(i, j)] - scaled * t[row + j]
        x[element(n, i)] = x[element(n, i)] + scaled * t[d]


@of_tiles()
def store_triangle(x, t, here, last, layout):  # noqa: ARG001
    """Write a block on the diagonal, and its part of the last row, to their places."""
    n = len(here)
    for i in range(n):
        for j in range(i + 1):
            t[here[i] + j] = x[element(i, j)]
        t[last + i] = x[element(n, i)]


@of_rows()
def square_tile(t, s, i, j, size, layout):
    """-T^-1 in the rows from i on and the columns from j on."""
    x = tile_memory(t, layout)
    start_products(x, t, s, places(WHOLE, i, j), SIDE * i, size, layout)
    for p in range(i + SIDE, len(layout.measured)):
        subtract_rows(x, t, s, element(p, j), SIDE * p, size, layout)
    store_tile(x, t, places(WHOLE, i, j), size, layout)


@of_tiles()
def start_products(x, t, s, there, place, size, layout):  # noqa: ARG001
    """The terms of the rows of the tile itself."""
    for j in range(len(size)):
        for i in range(SIDE):
            product = 0.0 - s[place + SIDE * i + i] * t[there[i] + j]
            for p in range(i + 1, SIDE):
                product = product - s[place + SIDE * p + i] * t[there[p] + j]
            x[SIDE * i + j] = product


@of_rows(where=_is_projected)
def pull_back(latent, t, block, layout):
    """After `eliminate`: in latent -P for the D coordinates, and u in the D rows below, as `finish` does without R.

    The elimination factored ``T = L E L'`` with pivots E and computed ``L^-1 d``.  With ``Z = L^-1 R``, computed row by
    row and stored below the augmented matrix, ``P = Z' E^-1 Z`` and ``u = Z' E^-1 (L^-1 d)``.
    """
    D, M = len(layout.dimensions), len(layout.measured)
    for row in range(element(D, D)):
        latent[row] = 0.0
    for p in range(M):
        z, inverse = element(M, M) + 1 + p * D, t[element(p, p)]
        for i in range(D):
            t[z + i] = block[element(M, 0) + p * D + i]
        for q in range(p):
            factor = t[element(p, q)] * t[element(q, q)]
            for i in range(D):
                t[z + i] = t[z + i] - factor * t[element(M, M) + 1 + q * D + i]
        for i in range(D):
            scaled = t[z + i] * inverse
            latent[element(D, i)] = latent[element(D, i)] + scaled * t[element(M, p)]
            for j in range(i + 1):
                latent[element(i, j)] = latent[element(i, j)] - scaled * t[z + j]


# --- Forms of noise: loading the augmented matrix of a block and a component -----------------------------------------
#
# theta holds the packed triangle of V and then -m.  A block holds noise, projections, values, the weights of the
# objects, where values are missing a mask (1 present, 0 missing), and the density of a background.  To add a form of
# noise, add a function that loads it.


@of_rows(where=_has_covariances)
def load_full(t, block, theta, layout):
    """A covariance matrix for each object: rows S (D (D + 1) / 2), w (D)."""
    D = len(layout.dimensions)
    for row in range(element(D, D)):
        t[row] = block[row] + theta[row]
    t[element(D, D)] = 0.0


@of_rows(where=_has_independent_errors)
def load_diagonal(t, block, theta, layout):
    """Independent errors: rows e^2 (D), w (D)."""
    D = len(layout.dimensions)
    for i in range(D):
        for j in range(i):
            t[element(i, j)] = theta[element(i, j)]
        t[element(i, i)] = block[i] + theta[element(i, i)]
        t[element(D, i)] = block[D + i] + theta[element(D, i)]
    t[element(D, D)] = 0.0


@of_rows(where=_is_projected)
def load_projected(t, block, theta, layout):
    """A covariance matrix and a projection for each object: rows S (M (M + 1) / 2), R (M D), w (M).

    A missing value needs no mask: its row of R and its w are 0, its row of S is that of the identity.
    """
    D, M = len(layout.dimensions), len(layout.measured)
    R, w, y = element(M, 0), element(M, 0) + M * D, element(M, M) + 1
    for a in range(M):
        for i in range(D):  # y = R_a V, in the memory below the augmented matrix
            product = block[R + a * D] * theta[element(i, 0)]
            for j in range(1, D):
                product = product + block[R + a * D + j] * theta[element(max(i, j), min(i, j))]
            t[y + i] = product
        d = block[w + a]
        for i in range(D):
            d = d + block[R + a * D + i] * theta[element(D, i)]
        t[element(M, a)] = d
        for b in range(a + 1):
            covariance = block[element(a, b)]
            for i in range(D):
                covariance = covariance + t[y + i] * block[R + b * D + i]
            t[element(a, b)] = covariance
    t[element(M, M)] = 0.0


@of_rows(where=_has_mask)
def mask(t, block, layout):
    """Missing values: their rows and columns of T become those of the identity, their d zero.

    This is exact marginalisation: the density is that of the values that are present, and missing values contribute
    nothing to u and to the sums.
    """
    D = len(layout.dimensions)
    first = weight_row(layout) + 1
    for i in range(D):
        present = block[first + i]
        for j in range(i):
            t[element(i, j)] = t[element(i, j)] * (present * block[first + j])
        t[element(i, i)] = t[element(i, i)] * present + (1.0 - present)
        t[element(D, i)] = t[element(D, i)] * present


@of_rows(where=_has_mask)
def clear_missing(t, block, layout):
    """After `finish`: remove the identity of missing values from -T^-1."""
    D = len(layout.dimensions)
    first = weight_row(layout) + 1
    for i in range(D):
        t[element(i, i)] = t[element(i, i)] * block[first + i]


@of_rows(where=_has_common_noise)
def whiten(t, block, theta, layout):
    """No noise, or the same for all objects: rows w (D).  T = L L' is factored beforehand; theta holds L^-1, -m.

    The D rows below the triangle become z = L^-1 d, the last one -Q = -z'z; the triangle is not used.
    """
    D = len(layout.dimensions)
    for i in range(D):
        t[element(D, i)] = block[i] + theta[element(D, i)]
    quadratic = 0.0
    for i in range(D - 1, -1, -1):
        z = t[element(D, 0)] * theta[element(i, 0)]
        for j in range(1, i + 1):
            z = z + t[element(D, j)] * theta[element(i, j)]
        t[element(D, i)] = z
        quadratic = quadratic - z * z
    t[element(D, D)] = quadratic


@register_jitable
def value_row(layout: Layout) -> int:
    """Row of the first value in a block: those before it hold noise and projections."""
    D, M = len(layout.dimensions), len(layout.measured)
    return (0, M, element(M, 0), element(M, 0) + M * D)[len(layout.noise)]


@register_jitable
def weight_row(layout: Layout) -> int:
    """Row of the weights of the objects in a block."""
    return value_row(layout) + len(layout.measured)


@register_jitable
def background_row(layout: Layout) -> int:
    """Row of the density of the background in a block."""
    return weight_row(layout) + 1 + len(layout.missing) * len(layout.measured)


@register_jitable
def membership_row(layout: Layout) -> int:
    """First of the rows of the factors on the weights in a block: the last rows."""
    return background_row(layout) + len(layout.background)


# --- Densities and their weights -------------------------------------------------------------------------------------


@of_rows(returns=3)
def density(t, block, theta, layout):
    """Density of one Gaussian at the objects of a block, without its weight; t then holds the factor.

    ``N(w | R m, T) (2 pi)^(M/2) = scale 2**power``.  Returns power, scale and the lowest pivot.  Where noise is COMMON
    det T is the same for all objects and is included in the amplitude.
    """
    M = len(layout.measured)
    if len(layout.noise) == COMMON:
        whiten(t, block, theta, layout)
        power, scale, lowest = 0.0, 1.0, 1.0
    else:
        load_diagonal(t, block, theta, layout)
        load_full(t, block, theta, layout)
        load_projected(t, block, theta, layout)
        mask(t, block, layout)
        m, e, lowest = eliminate(t, layout)
        power, scale = 0.5 * e, square_root(m)
    return HALF_LOG2E * t[element(M, M)] + power, scale, lowest


@inlined
def membership_power(block, k, n_gaussians, n_rows, layout):
    """log2 of the factor that each object has on the weight of Gaussian k of all.

    A block of n_rows rows has G rows of factors; each serves as many Gaussians, one after the other.
    """
    if len(layout.memberships) == 0:
        return 0.0
    first = membership_row(layout)
    return block[first + k * (n_rows - first) // n_gaussians]


@of_rows(returns=1)
def place_background(powers, block, amplitude, highest, layout):
    """Write power and scale of the uniform background, if there is one, as those of the Gaussians are written.

    Returns the highest power of all components.
    """
    if len(layout.background) == 0:
        return highest
    log2_density = block[background_row(layout)]
    power = where_above(log2_density, LOG2_ZERO, log2_density + amplitude[1], LOG2_ZERO)
    power = where_above(amplitude[0], 0.0, power, LOG2_ZERO)
    powers[0] = power
    powers[1] = where_above(power, LOG2_ZERO, amplitude[0], 0.0)
    return larger(power, highest)


@of_rows(returns=1)
def exp2(y, layout):  # noqa: ARG001
    """``2**y`` for y <= 0, to one unit of rounding; 0 below 2**LOWEST_POWER."""
    clipped = larger(y, LOWEST_POWER)
    whole = nearest(clipped)
    r = clipped - whole
    # Interpolates 2**r in the Chebyshev points of |r| <= 1/2: relative error 2e-17.
    p = r * 4.4558179083360645e-10 + 7.074194297288521e-09
    p = p * r + 1.0178057087733941e-07
    p = p * r + 1.3215432535912375e-06
    p = p * r + 1.5252733841556773e-05
    p = p * r + 0.00015403530463724353
    p = p * r + 0.001333355814640647
    p = p * r + 0.009618129107587256
    p = p * r + 0.055504108664821625
    p = p * r + 0.24022650695910158
    p = p * r + 0.6931471805599453
    p = p * r + 1.0
    return where_above(y, LOWEST_POWER, p * power_of_two(whole), 0.0)


@of_rows(returns=1)
def log2(x, layout):  # noqa: ARG001
    """``log2 x`` for positive normal x, to 2e-16 or one unit of rounding."""
    # ln m = 2 artanh z with z = (m - s) / (m + s) after division by s = sqrt 2: |z| < 0.172, first term left out 8e-18.
    m = mantissa(x)
    z = (m - 1.4142135623730951) / (m + 1.4142135623730951)
    zz = z * z
    p = zz * (2 / 19) + (2 / 17)
    p = p * zz + (2 / 15)
    p = p * zz + (2 / 13)
    p = p * zz + (2 / 11)
    p = p * zz + (2 / 9)
    p = p * zz + (2 / 7)
    p = p * zz + (2 / 5)
    p = p * zz + (2 / 3)
    p = p * zz + 2.0
    return p * z * 1.4426950408889634 + (exponent(x) + 0.5)


@of_rows(returns=1)
def weighted_log2(p, highest, omega, layout):
    """``omega log2(p 2**highest)``: minus infinity where p is zero, and zero in the padding."""
    log2_density = where_above(p, 0.0, log2(p, layout) + highest, -math.inf)
    return where_above(omega, 0.0, omega * log2_density, 0.0)


# --- Moments ---------------------------------------------------------------------------------------------------------


@of_rows(where=_is_eliminated)
def add_moments(sums, t, r, layout):
    """Add r, r u and r (u u' - P): the derivatives with respect to ln alpha, m and (twice) V."""
    D = len(layout.dimensions)
    sums[0] = sums[0] + r
    for i in range(D):
        ru = r * t[element(D, i)]
        sums[1 + i] = sums[1 + i] + ru
        for j in range(i + 1):
            row = 1 + D + element(i, j)
            sums[row] = sums[row] + ru * t[element(D, j)]
            sums[row] = sums[row] + r * t[element(i, j)]


@of_rows(where=_has_common_noise)
def add_whitened_moments(sums, t, r, layout):
    """Add r, r z and r z z', from which `passes.py` computes the moments: T is the same for all objects."""
    D = len(layout.dimensions)
    sums[0] = sums[0] + r
    for i in range(D):
        rz = r * t[element(D, i)]
        sums[1 + i] = sums[1 + i] + rz
        for j in range(i + 1):
            row = 1 + D + element(i, j)
            sums[row] = sums[row] + rz * t[element(D, j)]


@of_rows(where=_is_eliminated)
def add_information(sums, t, r, layout):
    """Add r P, the information on the mean; and in one dimension r P^2, twice that on the variance."""
    D = len(layout.dimensions)
    first = 1 + D + element(D, 0)
    for row in range(element(D, 0)):
        sums[first + row] = sums[first + row] - r * t[row]
    if D == 1:
        sums[first + 1] = sums[first + 1] + r * (t[0] * t[0])


@of_rows()
def copy(t, source, layout):
    """Copy the factor that `density` computed, which the moments need."""
    M = len(layout.measured)
    for row in range(element(M, 0) if len(layout.noise) == COMMON else 0, element(M, M)):
        t[row] = source[row]


# --- Passes over blocks ----------------------------------------------------------------------------------------------
#
# data (blocks, rows, LANES), of which n_blocks are used, every few-th one: taken = (n_blocks, every).  A mixture is
# theta (K, D (D + 1) / 2 + D) and amplitude (K, 2): its weights as ``scale 2**power``, times 1 / sqrt(det T) where
# noise is COMMON.  The background is the last of the K, and its row of theta is not used.  Components of weight zero
# are skipped: they may be singular.  A *chunk* is `size` successive blocks of those used.  Sums are formed for each
# chunk, so that they do not depend on the number of threads.


@kernel
def accumulate(
    data: Floats,
    taken: tuple[int, int],
    first: int,
    last: int,
    size: int,
    amplitude: Floats,
    theta: Floats,
    layout: Layout,
    factors: Floats,
    running: Floats,
    sums: Floats,
    likelihoods: Floats,
    object_weights: Floats,
) -> None:
    """One pass over the chunks first .. last - 1: sums (chunks, K, R), and likelihoods (chunks, 2, LANES).

    The latter are the log2-likelihood and the lowest pivot.  object_weights (n_blocks, LANES) stand in the place of
    those of the blocks, if they have rows.  Work space: factors (K, M (M + 1) / 2 + M + 2, LANES) for
    the factor of each component, its power and its scale; running (K, n, LANES) for the sums of the chunk, where n is
    1 + D + D (D + 1) / 2 or, if the information is wanted, D (D + 1) / 2 more (and in one dimension one more).
    """
    D, K = len(layout.dimensions), amplitude.shape[0]
    n_gaussians = K - len(layout.background)
    n_theta, n_factor, n_sums = theta.shape[1], factors.shape[1], running.shape[1]
    POWER, SCALE = n_factor - 2, n_factor - 1
    with_information = n_sums > 1 + element(D, D)
    t, accumulated = scratch(layout), rows(running, 0)
    latent = latent_scratch(t, layout)
    for chunk in range(first, last):
        for row in range(K * n_sums):
            accumulated[row] = 0.0
        log_likelihood, lowest = 0.0, 1e300
        for b in range(chunk * size, min((chunk + 1) * size, taken[0])):
            block = rows(data, b * taken[1] * data.shape[1])
            highest = -1e300
            for k in range(n_gaussians):
                if amplitude[k, 0] > 0.0:
                    power, scale, pivot = density(t, block, numbers(theta, k * n_theta), layout)
                    factor = rows(factors, k * n_factor)
                    copy(factor, t, layout)
                    own = membership_power(block, k, n_gaussians, data.shape[1], layout)
                    factor[POWER] = power + amplitude[k, 1] + own
                    factor[SCALE] = scale * amplitude[k, 0]
                    highest = larger(factor[POWER], highest)
                    lowest = smaller(pivot, lowest)
            uniform = rows(factors, (K - 1) * n_factor + POWER)
            highest = place_background(uniform, block, numbers(amplitude, 2 * (K - 1)), highest, layout)
            p = 0.0
            for k in range(K):
                if amplitude[k, 0] > 0.0:
                    factor = rows(factors, k * n_factor)
                    factor[SCALE] = factor[SCALE] * exp2(factor[POWER] - highest, layout)
                    p = p + factor[SCALE]
            omega = block[weight_row(layout)]
            if object_weights.shape[0] > 0:
                omega = rows(object_weights, b)[0]
            log_likelihood = log_likelihood + weighted_log2(p, highest, omega, layout)
            normalisation = where_above(p, 0.0, omega / p, 0.0)
            for k in range(n_gaussians):
                if amplitude[k, 0] > 0.0:
                    factor, target = rows(factors, k * n_factor), rows(running, k * n_sums)
                    r = factor[SCALE] * normalisation
                    copy(t, factor, layout)
                    add_whitened_moments(target, t, r, layout)
                    finish(t, layout)
                    clear_missing(t, block, layout)
                    pull_back(latent, t, block, layout)
                    add_moments(target, latent, r, layout)
                    if with_information:
                        add_information(target, latent, r, layout)
            if n_gaussians < K and amplitude[K - 1, 0] > 0.0:
                accumulated[(K - 1) * n_sums] = accumulated[(K - 1) * n_sums] + uniform[1] * normalisation
        rows(likelihoods, 2 * chunk)[0] = log_likelihood
        rows(likelihoods, 2 * chunk)[1] = lowest
        for k in range(K):
            for row in range(n_sums):
                sums[chunk, k, row] = total(accumulated[k * n_sums + row])


@inlined
def mixture_density(t, block, n_rows, amplitude, theta, first, K, work, layout):
    """Density of a mixture, the K components from `first` on, as ``p 2**highest`` (times (2 pi)^(-M/2)).

    A block has n_rows rows.

    Writes to work (2 K, LANES) for each component its power and, in the row below, its part of p; p is 0 where all are
    singular.  Returns p, highest and the lowest pivot.
    """
    powers = rows(work, 0)
    highest, lowest = -1e300, 1e300
    n_gaussians = K - len(layout.background)
    for k in range(n_gaussians):
        if amplitude[first + k, 0] > 0.0:
            power, scale, pivot = density(t, block, numbers(theta, (first + k) * theta.shape[1]), layout)
            power = power + amplitude[first + k, 1] + membership_power(block, k, n_gaussians, n_rows, layout)
            power = where_above(pivot, SMALLEST_PIVOT, power, -1e300)
            powers[2 * k] = power
            powers[2 * k + 1] = where_above(pivot, SMALLEST_PIVOT, scale * amplitude[first + k, 0], 0.0)
            highest = larger(power, highest)
            lowest = smaller(pivot, lowest)
    uniform = rows(work, 2 * (K - 1))
    highest = place_background(uniform, block, numbers(amplitude, 2 * (first + K - 1)), highest, layout)
    p = 0.0
    for k in range(K):
        if amplitude[first + k, 0] > 0.0:
            powers[2 * k + 1] = powers[2 * k + 1] * exp2(powers[2 * k] - highest, layout)
            p = p + powers[2 * k + 1]
    return p, highest, lowest


@kernel
def responsibilities(
    data: Floats,
    taken: tuple[int, int],
    first: int,
    last: int,
    size: int,
    amplitude: Floats,
    theta: Floats,
    layout: Layout,
    work: Floats,
    component: int,
    out: Floats,
) -> None:
    """Responsibilities of the components from `component` on, to out (n_blocks LANES, components).

    They are ratios of densities relative to the highest one, so that they do not underflow however far an object is
    from all components.  Work space: work (2 K, LANES).
    """
    K, n_out = amplitude.shape[0], out.shape[1]
    t, powers = scratch(layout), rows(work, 0)
    for b in range(first * size, min(last * size, taken[0])):
        block = rows(data, b * taken[1] * data.shape[1])
        p, _, _ = mixture_density(t, block, data.shape[1], amplitude, theta, 0, K, work, layout)
        for k in range(n_out):
            r = 0.0
            if amplitude[component + k, 0] > 0.0:
                r = powers[2 * (component + k) + 1] / p
            scatter(numbers(out, b * LANES * n_out + k), n_out, where_above(p, 0.0, r, math.nan))


@kernel
def log_likelihoods(
    data: Floats,
    taken: tuple[int, int],
    first: int,
    last: int,
    size: int,
    amplitude: Floats,
    theta: Floats,
    layout: Layout,
    work: Floats,
    out: Floats,
) -> None:
    """log2 of the density of every object under one mixture, to out (n_blocks, LANES).

    Work space: work (2 K, LANES).
    """
    t = scratch(layout)
    for b in range(first * size, min(last * size, taken[0])):
        block = rows(data, b * taken[1] * data.shape[1])
        p, highest, _ = mixture_density(t, block, data.shape[1], amplitude, theta, 0, amplitude.shape[0], work, layout)
        rows(out, b)[0] = where_above(p, 0.0, log2(p, layout) + highest, -math.inf)


@kernel
def total_log_likelihoods(
    data: Floats,
    taken: tuple[int, int],
    first: int,
    last: int,
    size: int,
    amplitude: Floats,
    theta: Floats,
    layout: Layout,
    work: Floats,
    running: Floats,
    likelihoods: Floats,
) -> None:
    """log2-likelihoods of many mixtures of K components, amplitude (W K, 2), to likelihoods (chunks, W, 2).

    Beside each of them stands for how many objects a component was singular.  Work space: work (2 K, LANES) and running
    (W, 2, LANES).
    """
    K, W = work.shape[0] // 2, running.shape[0]
    t, accumulated = scratch(layout), rows(running, 0)
    for chunk in range(first, last):
        start, end = chunk * size, min((chunk + 1) * size, taken[0])
        for w in range(W):
            accumulated[2 * w] = 0.0
            accumulated[2 * w + 1] = 0.0
        for tile in range(start, end, TILE):  # a few blocks stay in the fastest cache while all mixtures are evaluated
            for w in range(W):
                log_likelihood, singular = accumulated[2 * w], accumulated[2 * w + 1]
                for b in range(tile, min(tile + TILE, end)):
                    block = rows(data, b * taken[1] * data.shape[1])
                    p, highest, pivot = mixture_density(
                        t, block, data.shape[1], amplitude, theta, w * K, K, work, layout
                    )
                    omega = block[weight_row(layout)]
                    log_likelihood = log_likelihood + weighted_log2(p, highest, omega, layout)
                    singular = where_above(pivot, SMALLEST_PIVOT, singular, singular + 1.0)
                accumulated[2 * w] = log_likelihood
                accumulated[2 * w + 1] = singular
        for w in range(W):
            likelihoods[chunk, w, 0] = total(accumulated[2 * w])
            likelihoods[chunk, w, 1] = total(accumulated[2 * w + 1])


# --- Posteriors of true values ---------------------------------------------------------------------------------------
#
# One Gaussian given what was measured, as in `conditioning.py`: with the gain G = V R' T^-1 the mean m + G d and the
# covariance (1 - G R) V (1 - G R)' + G S G', a sum of squares.  Moments are D rows of the mean and then the packed
# triangle of the covariance.  prior holds the packed triangle of V and then -m, as theta does; where noise is COMMON,
# the gain and the covariance are those of all objects, and it holds what `recall` reads.


@of_rows(returns=1)
def eliminate_widths(t, widths, block, layout):
    """As `eliminate`, without directions in which T has no width: the inverse of such a pivot is zero.

    Returns ``Q = d' T^-1 d`` of the other directions, infinite where d does not vanish in those without width.
    """
    M = len(layout.measured)
    first, beside = value_row(layout), 0.0
    for p in range(M):
        widths[p] = t[element(p, p)]
    for p in range(M):
        pivot, d, w = t[element(p, p)], t[element(M, p)], block[first + p]
        excess = larger(larger(d, 0.0 - d) - larger(w, 0.0 - w) * ROUNDING, 0.0)
        lowest = widths[p] * ROUNDING
        excess = where_above(pivot, lowest, 0.0, excess * excess - widths[p] * (BESIDE * BESIDE))
        beside = larger(excess, beside)  # squares are compared: a root takes as long as all the rest
        inverse = where_above(pivot, lowest, 1.0 / pivot, 0.0)
        t[element(p, p)] = inverse
        for i in range(p + 1, M + 1):
            factor = t[element(i, p)] * inverse
            for j in range(p + 1, i + 1):
                t[element(i, j)] = t[element(i, j)] - factor * t[element(j, p)]
    return where_above(beside, 0.0, math.inf, 0.0 - t[element(M, M)])


@of_rows(where=_measures_coordinates)
def sweep(t, layout):
    """As `finish`, for posteriors: where noise is small against V, ``1 - V T^-1`` keeps more of its digits so.

    For each pivot the rows above it are eliminated as those below were, and its own row and column are divided by it;
    the negative sign keeps the matrix symmetric.
    """
    M = len(layout.measured)
    for p in range(M):
        inverse = t[element(p, p)]
        for i in range(p):
            factor = t[element(p, i)] * inverse
            for j in range(i + 1):
                t[element(i, j)] = t[element(i, j)] - factor * t[element(p, j)]
        for i in range(p + 1, M + 1):
            factor = t[element(i, p)] * inverse
            for j in range(p):
                t[element(i, j)] = t[element(i, j)] - factor * t[element(p, j)]
            t[element(i, p)] = factor
        for j in range(p):
            t[element(p, j)] = t[element(p, j)] * inverse
        t[element(p, p)] = 0.0 - inverse


@of_rows(where=_measures_coordinates, unrolled_to=FEW)
def find_gain(g, t, prior, layout):
    """After `sweep`: G = V T^-1, and 1 - G."""
    D = len(layout.dimensions)
    for i in range(D):
        for a in range(D):
            negative = prior[element(i, 0)] * t[element(a, 0)]
            for j in range(1, D):
                negative = negative + prior[element(max(i, j), min(i, j))] * t[element(max(a, j), min(a, j))]
            g[i * D + a] = 0.0 - negative
            g[D * D + i * D + a] = (1.0 if i == a else 0.0) + negative


@of_rows(where=_is_projected, unrolled_to=FEW)
def find_gain_of_projections(g, t, latent, prior, layout):
    """After `pull_back`: ``G = V R' T^-1``, and ``1 - G R = 1 - V P``.

    ``T^-1 R = L'^-1 E^-1 Z`` by substitution from the last row to the first, in the place of Z.
    """
    D, M = len(layout.dimensions), len(layout.measured)
    first = element(M, M) + 1
    for p in range(M - 1, -1, -1):
        for i in range(D):
            solved = t[first + p * D + i]
            for q in range(p + 1, M):
                solved = solved - t[element(q, p)] * t[first + q * D + i]
            t[first + p * D + i] = solved * t[element(p, p)]
    for i in range(D):
        for a in range(M):
            gain = prior[element(i, 0)] * t[first + a * D]
            for j in range(1, D):
                gain = gain + prior[element(max(i, j), min(i, j))] * t[first + a * D + j]
            g[i * M + a] = gain
        for j in range(D):
            remainder = 1.0 if i == j else 0.0
            for k in range(D):
                remainder = remainder + prior[element(max(i, k), min(i, k))] * latent[element(max(j, k), min(j, k))]
            g[D * M + i * D + j] = remainder


@of_rows(where=_is_eliminated, unrolled_to=FEW)
def find_moments(moments, g, latent, block, prior, layout):
    """Posterior mean ``m + V u`` and covariance of one Gaussian."""
    D, M = len(layout.dimensions), len(layout.measured)
    rest, product = D * M, D * M + D * D
    for i in range(D):
        moments[i] = 0.0 - prior[element(D, i)]
        for j in range(D):
            moments[i] = moments[i] + prior[element(max(i, j), min(i, j))] * latent[element(D, j)]
        for k in range(D):
            g[product + k] = g[rest + i * D] * prior[element(k, 0)]
            for j in range(1, D):
                g[product + k] = g[product + k] + g[rest + i * D + j] * prior[element(max(j, k), min(j, k))]
        for j in range(i + 1):
            row = D + element(i, j)
            moments[row] = g[product] * g[rest + j * D]
            for k in range(1, D):
                moments[row] = moments[row] + g[product + k] * g[rest + j * D + k]
        for b in range(M):
            if len(layout.noise) == DIAGONAL:
                g[product + b] = g[i * M + b] * block[b]
            else:
                g[product + b] = g[i * M] * block[element(b, 0)]
                for a in range(1, M):
                    g[product + b] = g[product + b] + g[i * M + a] * block[element(max(a, b), min(a, b))]
        for j in range(i + 1):
            row = D + element(i, j)
            for b in range(M):
                moments[row] = moments[row] + g[product + b] * g[j * M + b]
        variance = moments[D + element(i, i)]
        moments[D + element(i, i)] = larger(variance, 0.0)  # V may be negative by rounding where it has no width


@of_rows(returns=1, unrolled_to=FEW)
def recall(moments, t, block, prior, layout):
    """Posterior of one Gaussian where noise is COMMON, and Q as `eliminate_widths` returns it.

    prior holds the covariance (D (D + 1) / 2) and then -m, G (D D), the packed triangle of ``T^-1``, ``1 - T T^-1``
    (D D), and the tolerance in each direction without width, infinite in the others (D).
    """
    D = len(layout.dimensions)
    gain = element(D, D)
    inverse = gain + D * D
    outside = inverse + element(D, 0)
    tolerance = outside + D * D
    quadratic, beside = 0.0, -1.0
    for i in range(D):
        t[i] = block[i] + prior[element(D, i)]
    for i in range(D):
        mean, solved, left = 0.0 - prior[element(D, i)], 0.0, 0.0
        for j in range(D):
            mean = mean + prior[gain + i * D + j] * t[j]
            solved = solved + prior[inverse + element(max(i, j), min(i, j))] * t[j]
            left = left + prior[outside + i * D + j] * t[j]
        quadratic = quadratic + solved * t[i]
        w = block[i]
        allowed = larger(w, 0.0 - w) * ROUNDING + prior[tolerance + i]
        beside = larger(larger(left, 0.0 - left) - allowed, beside)
        moments[i] = mean
        for j in range(i + 1):
            moments[D + element(i, j)] = prior[element(i, j)]
    return where_above(beside, 0.0, math.inf, quadratic)


@of_rows()
def add_weighted(sums, moments, r, layout):
    """Add r times the moments of a component to those of the mixture."""
    D = len(layout.dimensions)
    for row in range(element(D, D)):
        sums[row] = sums[row] + r * moments[row]


@of_rows()
def add_spread(sums, mean, r, layout):
    """Add what the mean of a component adds to the covariance of the mixture, whose mean is known."""
    D = len(layout.dimensions)
    for i in range(D):
        weighted = r * (mean[i] - sums[i])
        for j in range(i + 1):
            sums[D + element(i, j)] = sums[D + element(i, j)] + weighted * (mean[j] - sums[j])


@inlined
def condition(moments, t, latent, g, block, prior, layout):
    """Write the posterior moments of one Gaussian; returns Q, the square of the distance in sigmas."""
    if len(layout.noise) == COMMON:
        return recall(moments, t, block, prior, layout)
    load_diagonal(t, block, prior, layout)
    load_full(t, block, prior, layout)
    load_projected(t, block, prior, layout)
    mask(t, block, layout)
    squares = eliminate_widths(t, g, block, layout)
    sweep(t, layout)
    clear_missing(t, block, layout)
    pull_back(latent, t, block, layout)
    find_gain(g, t, prior, layout)
    find_gain_of_projections(g, t, latent, prior, layout)
    find_moments(moments, g, latent, block, prior, layout)
    return squares


@inlined
def scatter_moments(means, covariances, place, moments, layout):
    """Write moments to row (place + lane stride) ... of means (n, D) and covariances (n, D, D)."""
    D, first, stride = len(layout.dimensions), place[0], place[1]
    for i in range(D):
        scatter(numbers(means, first * D + i), stride * D, moments[i])
        for j in range(i + 1):
            covariance = moments[D + element(i, j)]
            scatter(numbers(covariances, first * D * D + i * D + j), stride * D * D, covariance)
            if i > j:
                scatter(numbers(covariances, first * D * D + j * D + i), stride * D * D, covariance)


@kernel
def posteriors(
    data: Floats,
    taken: tuple[int, int],
    first: int,
    last: int,
    size: int,
    amplitude: Floats,
    theta: Floats,
    layout: Layout,
    weights: Floats,
    prior: Floats,
    work: Floats,
    centres: Floats,
    log_likelihoods: Floats,
    responsibilities: Floats,
    distances: Floats,
    means: Floats,
    covariances: Floats,
    means_of_each: Floats,
    covariances_of_each: Floats,
) -> None:
    """What is known of every object, in one pass.

    The log2 of its density (n_blocks LANES); responsibilities (n_blocks LANES, K), which are the weights where every
    component has density zero; the distance in sigmas from the most probable Gaussian; mean (n_blocks LANES, D) and
    covariance (n_blocks LANES, D, D) of its true value if it belongs to one of the G Gaussians; and those of each of
    these, (n_blocks LANES, G, D) and (n_blocks LANES, G, D, D), or nothing where these have no rows.  weights (K, 2)
    are those of the mixture, and those relative to all Gaussians.  Work space: work (2 K, LANES) and centres (G D,
    LANES).
    """
    D, K, n_prior = len(layout.dimensions), amplitude.shape[0], prior.shape[1]
    n_gaussians = K - len(layout.background)
    t, moments, sums, powers = scratch(layout), moments_memory(layout), moments_memory(layout), rows(work, 0)
    latent, g = latent_scratch(t, layout), gain_memory(layout)
    for b in range(first * size, min(last * size, taken[0])):
        block = rows(data, b * taken[1] * data.shape[1])
        p, highest, _ = mixture_density(t, block, data.shape[1], amplitude, theta, 0, K, work, layout)
        scatter(numbers(log_likelihoods, b * LANES), 1, where_above(p, 0.0, log2(p, layout) + highest, -math.inf))
        of_gaussians, inverse = 0.0, 1.0 / p
        for k in range(K):
            part = 0.0
            if amplitude[k, 0] > 0.0:
                part = powers[2 * k + 1]
            powers[2 * k + 1] = part
            if k < n_gaussians:
                of_gaussians = of_gaussians + part
            r = where_above(p, 0.0, part * inverse, weights[k, 0])
            scatter(numbers(responsibilities, b * LANES * K + k), K, r)
        for row in range(element(D, D)):
            sums[row] = 0.0
        inverse = 1.0 / of_gaussians
        squares, highest_r = 0.0, -1.0
        for k in range(n_gaussians):
            r = where_above(of_gaussians, SMALLEST_PIVOT, powers[2 * k + 1] * inverse, weights[k, 1])
            own = condition(moments, t, latent, g, block, numbers(prior, k * n_prior), layout)
            squares = where_above(r, highest_r, own, squares)
            highest_r = larger(r, highest_r)
            powers[2 * k + 1] = r
            add_weighted(sums, moments, r, layout)
            for i in range(D):
                rows(centres, k * D)[i] = moments[i]
            if means_of_each.shape[0] > 0:
                place = b * LANES * n_gaussians + k, n_gaussians
                scatter_moments(means_of_each, covariances_of_each, place, moments, layout)
        for k in range(n_gaussians):
            add_spread(sums, rows(centres, k * D), powers[2 * k + 1], layout)
        scatter(numbers(distances, b * LANES), 1, square_root(larger(squares, 0.0)))
        scatter_moments(means, covariances, (b * LANES, 1), sums, layout)


@reduction
def implicit_profile(
    values: Floats, variances: Floats, weights: Floats, variance: float
) -> tuple[float, float, float, float]:
    """One-dimensional likelihood of one component with variance s^2, maximised over its mean.

    Returns the mean ``mu = sum w x/T / sum w/T``, ``sum w/T``, ``sum w (x - mu)^2/T^2`` (equal at the root of the
    implicit sigma equation) and ``-1/2 sum w (ln T + (x - mu)^2/T)``, with T = s^2 + e_i^2.
    """
    precision, weighted = 0.0, 0.0
    for i in range(values.size):
        p = weights[i] / (variance + variances[i])
        precision += p
        weighted += p * values[i]
    mean = weighted / precision
    squares, log_density = 0.0, 0.0
    for i in range(values.size):
        total_variance = variance + variances[i]
        residual = (values[i] - mean) ** 2 / total_variance
        squares += weights[i] * residual / total_variance
        log_density -= 0.5 * weights[i] * (math.log(total_variance) + residual)
    return mean, precision, squares, log_density
