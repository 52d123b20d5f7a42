"""What each test says to a reader: what was measured, what it does to the widths, and what to try."""

from __future__ import annotations

NAMES = {
    "kurtosis": "excess kurtosis",
    "skewness": "skewness",
    "error size": "correlation",
    "values and errors": "rank correlation",
    "trend": "rank correlation",
    "scatter": "rank correlation of the squares",
}


def shown(p_value: float) -> str:
    """A p-value with one digit."""
    return f"p = {p_value:.1g}" if p_value >= 1e-9 else "p < 1e-9"


def sentence_of(
    kind: str,
    effect: float,
    p_value: float,
    column: str = "",
    component: int | None = None,
    against: str = "",
    *,
    background: bool = False,
) -> str:
    """The sentence of a `Measure`, with a p-value that may come from elsewhere."""
    measured = f"{NAMES[kind]} {effect:.2g}, {shown(p_value)}"
    of = "" if component is None else f" of component {component}"
    if kind == "kurtosis" and effect > 0:
        wide = "components too wide" if component is None else "its width too large"
        return f"residuals{of} ({measured}) have heavier tails than the model: outliers make {wide}; try " + (
            "more components" if background else "`background=Background()`, or more components"
        )
    if kind == "kurtosis":
        one = "one component" if component is None else "it"
        return (
            f"residuals{of} ({measured}) are too evenly spread: {one} may stand for several clumps; try more components"
        )
    if kind == "skewness":
        return f"residuals{of} are lopsided ({measured}): try more components" + (
            "" if background else ", or a background"
        )
    if kind == "error size":
        change, size, width = ("grow", "small", "large") if effect > 0 else ("shrink", "large", "small")
        return (
            f"residuals {change} with the errors of {column} ({measured}): these may be too {size}, and its width too "
            f"{width}; `xdgmm.diagnostics.error_scale` fits a factor on them"
        )
    if kind == "trend":
        direction = "rise" if effect > 0 else "fall"
        return (
            f"residuals of {column} {direction} with {against} ({measured}): its mean depends on {against}, which "
            f"makes its width too large; fit {against} as a column too, or take the trend out of the values"
        )
    if kind == "scatter":
        direction = "grows" if effect > 0 else "shrinks"
        return (
            f"the scatter of {column} about the model {direction} with {against} ({measured}): its errors or its width "
            f"depend on {against}, and one width is a mean of several; look at the errors, or fit ranges of {against}"
        )
    return (
        f"the errors of {column} follow its values ({measured}): means and widths are biased where errors depend on "
        "the measured value"
    )


def sentence_of_distribution(name: str, effect: float, p_value: float) -> str:
    """The sentence of a test of the distribution of all residuals, or of the chi-squared of the objects."""
    if name == "chi-squared of objects":
        return (
            f"chi-squared of the objects is not distributed as in the model ({shown(p_value)}): tails or correlations "
            "of the components, or of the errors, are wrong, and principal widths with them"
        )
    what = "tails" if name.startswith("tails") else f"largest distance of the distribution functions {effect:.2g}"
    return (
        f"residuals are not normal ({what}, {shown(p_value)}): the widths are those of components that do not have the "
        "shape of the data"
    )
