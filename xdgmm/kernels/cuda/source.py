"""The source of a module for a card: `passes.cu` with the mathematics of a layout written into it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from xdgmm.kernels import compiled
from xdgmm.kernels.compiled import COMMON, LANES, PROJECTED, Layout, element

from .c_language import CLanguage, Registers, Rows, text_of
from .tuning import Tuning

OF_SUMS, OF_OBJECTS = 0, 1
MOST_VALUES = 12  # dimensions or values: 20 take minutes to compile, and posteriors 100 kB of each thread
IN_CONSTANT_MEMORY = 6000  # numbers of a mixture: 64 kB hold 8000


@dataclass(frozen=True)
class Module:
    """What a module is compiled for.

    Attributes
    ----------
    layout : Layout
    n_memberships : int
        Rows of memberships in a block.
    part : int
        OF_SUMS or OF_OBJECTS.
    real : {"double", "float"}
        Type of the numbers of an object; sums are always double.
    tuning : Tuning
    information : bool
        Are sums of the information wanted?
    squared : bool
        Are, in the place of moments, the sums of shares and of their squares wanted?
    """

    layout: Layout
    n_memberships: int
    part: int
    real: str
    tuning: Tuning
    information: bool = False
    squared: bool = False

    @property
    def n_sums(self) -> int:
        """How many sums a component has."""
        return n_sums(self.layout, information=self.information, squared=self.squared)

    @property
    def source(self) -> str:
        """CUDA C++."""
        return _written(self)


def is_written_out(layout: Layout) -> bool:
    """Are there passes on a card for this layout?"""
    return max(len(layout.dimensions), len(layout.measured)) <= MOST_VALUES


def n_sums(layout: Layout, *, information: bool = False, squared: bool = False) -> int:
    """How many sums a component has."""
    D = len(layout.dimensions)
    if squared:
        return 2
    return _size(D, D) + 1 + (_size(D, 0) + (D == 1) if information else 0)


def n_theta(layout: Layout) -> int:
    """Numbers of a component beside its weight."""
    D = len(layout.dimensions)
    return _size(D, D)


def used_rows(layout: Layout) -> int:
    """Rows of a block that each component needs: those before the memberships."""
    return int(compiled.membership_row(layout))


def n_prior(layout: Layout) -> int:
    """Numbers of a Gaussian that posteriors need, see `passes._priors`."""
    D = len(layout.dimensions)
    return _size(D, D) + (2 * D * D + _size(D, 0) + D if len(layout.noise) == COMMON else 0)


def _size(i: int, j: int) -> int:
    return int(element(i, j))


@cache
def _written(module: Module) -> str:
    layout, tuning = module.layout, module.tuning
    D = len(layout.dimensions)
    macros = {
        "REAL": module.real,
        "IS_FLOAT32": int(module.real == "float"),
        "PART": module.part,
        "D": D,
        "LANES": LANES,
        "N_ROWS": used_rows(layout) + module.n_memberships,
        "USED_ROWS": used_rows(layout),
        "WEIGHT_ROW": compiled.weight_row(layout),
        "MEMBERSHIPS": module.n_memberships,
        "BACKGROUNDS": len(layout.background),
        "N_THETA": n_theta(layout),
        "N_SUMS": module.n_sums,
        "N_MOMENTS": element(D, D),
        "N_PRIOR": n_prior(layout),
        "INFORMATION": int(module.information),
        "SQUARED": int(module.squared),
        "THREADS": tuning.threads,
        "BLOCKS": tuning.blocks,
        "PER_THREAD": tuning.per_thread,
        "UNROLLED": tuning.unrolled,
        "STAGED": int(tuning.staged),
        "STORED": int(tuning.stored),
        "IN_CONSTANT": int(tuning.in_constant),
        "MOST_COMPONENTS": IN_CONSTANT_MEMORY // (n_theta(layout) + 2),
    }
    text = files(__package__).joinpath("passes.cu").read_text(encoding="utf-8")
    for name, lines in _lines(module).items():
        text = text.replace(f"@{name}@", lines)
    text = re.sub(r"#pragma unroll UNROLLED", f"#pragma unroll {tuning.unrolled}", text)
    return "".join(f"#define {name} {value}\n" for name, value in macros.items()) + text


def _lines(module: Module) -> dict[str, str]:
    """What stands between the @ signs."""
    layout, real = module.layout, module.real
    lines = {}
    for name, function, argument, of in (("EXP2", compiled.exp2, "y", real), ("LOG2", compiled.log2, "x", "double")):
        language = CLanguage(of)
        result = function(language.named(argument), layout)
        lines[name] = _joined([*language.take(), f"return {text_of(result, language)};"])
    lines |= _density_and_moments(layout, real) | _background(layout, real)
    if module.part == OF_OBJECTS:
        lines |= _posterior(layout, real)
    return lines


def _density_and_moments(layout: Layout, real: str) -> dict[str, str]:
    language = CLanguage(real)
    t = Registers(language)
    x, theta, r = Rows(language, "x"), Rows(language, "th"), language.named("r")
    power, scale, pivot = (text_of(each, language) for each in compiled.density(t, x, theta, layout))
    lines = {"DENSITY": _joined(language.take()), "POWER": power, "SCALE": scale, "PIVOT": pivot}
    latent = Registers(language) if len(layout.noise) == PROJECTED else t
    sums = _running(language, "a", n_sums(layout, information=True))
    compiled.add_whitened_moments(sums, t, r, layout)
    compiled.finish(t, layout)
    compiled.clear_missing(t, x, layout)
    compiled.pull_back(latent, t, x, layout)
    compiled.add_moments(sums, latent, r, layout)
    lines["MOMENTS"] = _joined([*language.take(), *_assigned(sums, "a", n_sums(layout), language)])
    compiled.add_information(sums, latent, r, layout)
    written = range(n_sums(layout), n_sums(layout, information=True)) if len(layout.noise) != COMMON else range(0)
    lines["INFORMATION"] = _joined([*language.take(), *(_assignment(sums, "a", j, language) for j in written)])
    return lines


def _background(layout: Layout, real: str) -> dict[str, str]:
    language = CLanguage(real)
    powers = Registers(language)
    powers[0], powers[1] = compiled.LOG2_ZERO, 0.0
    lowest = language.named("BOTTOM")
    compiled.place_background(powers, Rows(language, "x"), Rows(language, "amplitude"), lowest, layout)
    return {
        "BACKGROUND": _joined(language.take()),
        "BACKGROUND_POWER": text_of(powers[0], language),
        "BACKGROUND_SCALE": text_of(powers[1], language),
    }


def _posterior(layout: Layout, real: str) -> dict[str, str]:
    """One Gaussian given what was measured: the steps of `compiled.condition`."""
    D, language = len(layout.dimensions), CLanguage(real)
    x, prior = Rows(language, "x"), Rows(language, "prior")
    t, g, moments = Registers(language), Registers(language), Registers(language)
    latent = Registers(language) if len(layout.noise) == PROJECTED else t
    if len(layout.noise) == COMMON:
        squares = compiled.recall(moments, t, x, prior, layout)
    else:
        for load in (compiled.load_diagonal, compiled.load_full, compiled.load_projected):
            load(t, x, prior, layout)
        compiled.mask(t, x, layout)
        squares = compiled.eliminate_widths(t, g, x, layout)
        compiled.sweep(t, layout)
        compiled.clear_missing(t, x, layout)
        compiled.pull_back(latent, t, x, layout)
        compiled.find_gain(g, t, prior, layout)
        compiled.find_gain_of_projections(g, t, latent, prior, layout)
        compiled.find_moments(moments, g, latent, x, prior, layout)
    found = [*language.take(), *_assigned(moments, "m", element(D, D), language)]
    lines = {"CONDITION": _joined([*found, f"own = {text_of(squares, language)};"])}
    m, r = Rows(language, "m"), language.named("r")
    for name, add in (("WEIGHTED", compiled.add_weighted), ("SPREAD", compiled.add_spread)):
        sums = _running(language, "s", element(D, D))
        add(sums, m, r, layout)
        lines[name] = _joined([*language.take(), *_assigned(sums, "s", element(D, D), language)])
    return lines


def _running(language: CLanguage, name: str, count: int) -> Registers:
    """Sums so far, which are held in an array."""
    sums = Registers(language)
    for j in range(count):
        sums[j] = language.named(f"{name}[{j}]")
    return sums


def _assigned(values: Registers, name: str, count: int, language: CLanguage) -> list[str]:
    return [_assignment(values, name, j, language) for j in range(count)]


def _assignment(values: Registers, name: str, j: int, language: CLanguage) -> str:
    return f"{name}[{j}] = {text_of(values[j], language)};"


def _joined(lines: list[str]) -> str:
    return "\n".join(f"        {line}" for line in lines)
