"""Numbers in LaTeX: the error decides the digits, limits have those of the screen."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xdgmm import InputError
from xdgmm.tables.latex import latex_interval, latex_limit, latex_table
from xdgmm.tables.printing import upper_limit
from xdgmm.text import latex

NUMBER = r"(-?\d+(?:\.\d+)?)"
POWER = re.compile(r"^\$\((.*)\) \\times 10\^\{(-?\d+)\}\$$")
BOTH = re.compile(rf"^{NUMBER}\^\{{\+{NUMBER}\}}_\{{-{NUMBER}\}}$")
ONE = re.compile(rf"^{NUMBER} \\pm {NUMBER}$")
errors = st.floats(-8, 8).map(lambda x: 10.0**x)


def read(text):
    """Value, upper and lower error, and the smaller error as it is printed."""
    power = POWER.match(text)
    inner, scale = (power[1], 10.0 ** int(power[2])) if power else (text.strip("$"), 1.0)
    found = BOTH.match(inner)
    if found is None:
        found = ONE.match(inner)
        assert found is not None, text
        value, up, down = found[1], found[2], found[2]
    else:
        value, up, down = found.groups()
    smaller = min((up, down), key=float)
    return float(value) * scale, float(up) * scale, float(down) * scale, smaller


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((2.7251, 2.335, 3.205), "$2.73^{+0.48}_{-0.39}$"),
        ((80.5259, 79.956, 81.096), r"$80.53 \pm 0.57$"),
        ((1.0, 0.9004, 1.0996), r"$1.00 \pm 0.10$"),
        ((123456.0, 123000.0, 124000.0), "$123460^{+540}_{-460}$"),
        ((-0.001, -0.051, 0.049), r"$0.00 \pm 0.05$".replace("0.05", "0.050").replace("0.00 ", "-0.001 ")),
        ((1.23e-17, 1.18e-17, 1.28e-17), r"$(1.230 \pm 0.050) \times 10^{-17}$"),
        ((3.0, np.nan, np.nan), "$3$"),
        ((3e-9, np.nan, np.nan), r"$3 \times 10^{-9}$"),
        ((np.nan, np.nan, np.nan), ""),
    ],
)
def test_intervals_in_print(numbers, text):
    assert latex_interval(*numbers) == text


@given(st.floats(-1e6, 1e6), errors, st.floats(0.2, 5.0))
def test_two_digits_of_the_smaller_error_are_printed_and_nothing_is_off_by_more_than_half_a_digit(value, down, ratio):
    up = down * ratio
    if max(abs(value), up) > 1e13 * min(up, down):
        return
    shown, above, below, digits = read(latex_interval(value, value - down, value + up))
    exact_up, exact_down = (value + up) - value, value - (value - down)
    half = 0.5 * 10.0 ** (np.floor(np.log10(min(above, below))) - 1) * (1 + 1e-6)
    assert abs(shown - value) <= half + 1e-12 * abs(value)
    assert abs(above - exact_up) <= half * 1.0001 + 1e-9 * exact_up
    assert abs(below - exact_down) <= half * 1.0001 + 1e-9 * exact_down
    significant = digits.replace(".", "").lstrip("0")
    assert len(significant) == 2 if "." in digits else len(significant.rstrip("0")) <= 2


@given(errors)
def test_a_limit_is_the_same_number_in_a_paper_and_on_the_screen(limit):
    text = latex_limit(limit)
    found = re.match(rf"^\$<{NUMBER}(?: \\times 10\^\{{(-?\d+)\}})?\$$", text)
    assert found is not None, text
    shown = float(found[1]) * 10.0 ** int(found[2] or 0)
    on_screen = float(upper_limit(limit, 0.95).removeprefix("<").removesuffix(" (95%)"))
    assert shown == pytest.approx(on_screen, rel=1e-12)
    assert shown == pytest.approx(limit, rel=0.0051)


def test_limits_in_print():
    assert [latex_limit(limit) for limit in (0.4812, 13.05, 0.0996, 1.234e7, 2e-9, 0.0, np.nan)] == [
        "$<0.481$",
        "$<13.1$",
        "$<0.0996$",
        r"$<1.23 \times 10^{7}$",
        r"$<2 \times 10^{-9}$",
        "$<0$",
        "",
    ]


def test_characters_with_a_meaning_are_escaped():
    assert latex(r"a_b & 50% {x} $y$ #1 ~^\ ") == (
        r"a\_b \& 50\% \{x\} \$y\$ \#1 \textasciitilde{}\textasciicircum{}\textbackslash{} "
    )


def test_greek_letters_are_those_of_mathematics():
    assert latex("Δλ_0 σ\u0391ς") == r"$\Delta$$\lambda$\_0 $\sigma$$A$$\varsigma$"
    letters = [chr(code) for code in (*range(0x391, 0x3AA), *range(0x3B1, 0x3CA)) if code != 0x3A2]
    assert all(latex(letter).isascii() for letter in letters)


def test_other_styles_are_refused():
    with pytest.raises(InputError, match="`style` is 'word', but it must be one of tabular, aastex"):
        latex_table(["a"], [""], [["1"]], style="word")
