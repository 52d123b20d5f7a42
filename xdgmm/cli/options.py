"""Options that several commands share, and the parsing of their values."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xdgmm.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.units import Quantity

MOST_CANDIDATES = 100
NUMBER_AND_UNIT = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*([^\W\d].*)")
CUT = re.compile(r"(.*\S)\s*([<>])\s*(\S+)")
SIMILAR = re.compile(r"Did you mean ([^?]+)\?")  # in the messages of astropy


class CovarianceType(StrEnum):
    """Which covariances the components may have."""

    FULL = "full"
    TIED = "tied"
    DIAG = "diag"
    SPHERICAL = "spherical"


class Family(StrEnum):
    """What the components are."""

    GAUSSIAN = "gaussian"
    T = "t"


class Criterion(StrEnum):
    """How the number of components is chosen."""

    BIC = "bic"
    AIC = "aic"
    AICC = "aicc"
    ICL = "icl"
    CV = "cv"
    BOOTSTRAP = "bootstrap"


class Solver(StrEnum):
    """How the likelihood is maximised."""

    AUTO = "auto"
    EM = "em"
    IMPLICIT = "implicit"
    QUASI_NEWTON = "quasi-newton"


class Method(StrEnum):
    """How the errors of a report are found."""

    INFORMATION = "information"
    SANDWICH = "sandwich"
    PROFILE = "profile"
    BOOTSTRAP = "bootstrap"
    MCMC = "mcmc"


class Kind(StrEnum):
    """Which picture of a model and its table; the trace of a fit is none of them, since files keep no passes."""

    FIT = "fit"
    DENSITY = "density"
    ERROR_BARS = "error_bars"
    ELLIPSES = "ellipses"
    CORNER = "corner"
    MEMBERSHIPS = "memberships"
    DENOISING = "denoising"
    RELATION = "relation"
    RESIDUALS = "residuals"
    QUANTILES = "quantiles"
    PIT = "pit"
    WIDTHS = "widths"
    CHECK = "check"
    CANDIDATES = "candidates"


class Limit(StrEnum):
    """What limits are based on."""

    AUTO = "auto"
    LIKELIHOOD = "likelihood"
    SIMULATED = "simulated"


class Device(StrEnum):
    """Where passes over the data are made."""

    CPU = "cpu"
    CUDA = "cuda"
    CUDA_FLOAT32 = "cuda-float32"
    AUTO = "auto"


class Convention(StrEnum):
    """Which Doppler formula."""

    OPTICAL = "optical"
    RADIO = "radio"
    RELATIVISTIC = "relativistic"


class OnBad(StrEnum):
    """What to do with a value whose error is zero, negative or missing."""

    RAISE = "raise"
    DROP = "drop"
    MISSING = "missing"
    EXACT = "exact"


class OnLimit(StrEnum):
    """What to do with a value that a column of flags (l_X) marks as a limit."""

    MISSING = "missing"
    USE = "use"
    DROP = "drop"
    KEEP = "keep"
    RAISE = "raise"


class Asymmetric(StrEnum):
    """What upper and lower errors become."""

    MOMENTS = "moments"
    MIXTURE = "mixture"


class CacheNoise(StrEnum):
    """With how many bits a packed cache holds noise."""

    FLOAT64 = "float64"
    FLOAT32 = "float32"


class Correlations(StrEnum):
    """Whether correlations of errors are searched for by their names."""

    AUTO = "auto"
    NONE = "none"


def flag(*names: str, **settings: Any) -> Any:
    """An option without a value; the help shows no type behind it."""
    return typer.Option(*names, metavar=" ", **settings)


Model = Annotated[Path, typer.Argument(help="Model that `xdgmm fit` wrote (.fits or .ecsv).")]
FittedTable = Annotated[
    Path, typer.Argument(help="The table it was fitted to, or a folder or pattern of Parquet or FITS files.")
]
ModelColumns = Annotated[
    str | None,
    typer.Option(help="Its columns, if their names differ from those in the model.", metavar="NAME[,NAME...]"),
]
Errors = Annotated[
    str,
    typer.Option(
        help="Error columns, one for each: NAME, sigma:NAME, var:NAME, ivar:NAME, pair:UPPER:LOWER; "
        "[b]none[/b] for exact values."
    ),
]
CorrelationsChoice = Annotated[Correlations, typer.Option(help="Find the correlations of errors, or ignore them.")]
Hdu = Annotated[
    str | None, typer.Option(help="Number or name of the table, in a file that holds several.", metavar="N|NAME")
]
Weights = Annotated[str | None, typer.Option(help="Column of the object weights.", metavar="NAME")]
Memberships = Annotated[
    str | None,
    typer.Option(
        "--membership",
        help="Columns of the probability of each component, where they are known beforehand; one column alone: of the "
        "first of two.",
        metavar="NAME[,NAME...]",
    ),
]
OnBadChoice = Annotated[OnBad, typer.Option(help="What to do with a value without a usable error.")]
OnLimitChoice = Annotated[
    OnLimit,
    typer.Option("--on-limit", "--limits", help="What to do with a value that is marked as a limit: use it as one?"),
]
AsymmetricChoice = Annotated[
    Asymmetric,
    typer.Option(help="Take mean and standard deviation of unequal upper and lower errors, or keep their skewness."),
]
Readme = Annotated[
    Path | None, typer.Option(help="ReadMe of the CDS that describes the columns of a text file.", metavar="FILE")
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        help="Read Parquet or FITS in parts, of which so much is held at once: 1GB. Patterns and folders always are.",
        metavar="BYTES",
    ),
]
Report = Annotated[
    Path | None, typer.Option(help="Write the width report here (.ecsv or .fits; .tex: the table of a paper).")
]
DeviceChoice = Annotated[
    Device | None,
    typer.Option(
        "--device",
        envvar="XDGMM_DEVICE",
        help="Where passes are made: on the processors, on an NVIDIA card, or where it is faster.",
    ),
]
LimitChoice = Annotated[
    Limit, typer.Option(help="What limits rest on: the likelihood ratio of many objects, or simulations.")
]
Prefix = Annotated[str, typer.Option(help="Prefix of the names of the new columns.")]
OverwriteColumns = Annotated[
    bool, flag("--overwrite-columns", help="Replace columns of the table that have the names of new ones.")
]
Overwrite = Annotated[bool, flag("--overwrite", help="Replace outputs that exist.")]
Full = Annotated[bool, flag("--full", help="Print every row of a long report, not only what fits a screen.")]
Json = Annotated[bool, flag("--json", help="Print the results as one JSON object.")]
Quiet = Annotated[bool, flag("--quiet", "-q", help="Print no progress, and results only as --json.")]


def make_passes_on(device: Device | None) -> None:
    """Make the passes of this command on a device.

    Raises
    ------
    InputError
        If there is no such device.
    """
    if device is not None:
        from xdgmm.kernels import set_device

        set_device(device.value)


def parse_dof(text: str | None) -> float | tuple[float, ...] | str | None:
    """Degrees of freedom: 'fit', 'shared', a number, or numbers separated by commas; None stays None.

    Raises
    ------
    InputError
        If it is something else.
    """
    if text is None or text in ("fit", "shared"):
        return text
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"--dof is '{text}', but it must be fit, shared, a number, or one for each component"
        ) from None
    return numbers if len(numbers) > 1 else numbers[0]


def parse_cuts(texts: Sequence[str]) -> tuple[dict[str, float], dict[str, float]]:
    """Lower and upper edges by the names of columns, from texts like 'g < 20.5'.

    Raises
    ------
    InputError
        If a text is something else, or repeats an edge.
    """
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    for text in texts:
        found = CUT.fullmatch(text.strip())
        try:
            name, sign, edge = found.group(1, 2, 3) if found else ("", "", "")
            number = float(edge)
        except ValueError:
            raise InputError(f"--cut is '{text}', but it must be a column and a number, as 'g < 20.5'") from None
        edges = high if sign == "<" else low
        if name in edges:
            raise InputError(f"--cut gives column '{name}' two edges on one side; keep the one that was used")
        edges[name] = number
    return low, high


def parse_components(text: str) -> list[int]:
    """Numbers of components from '2' or '1:4'."""
    first, colon, last = text.partition(":")
    try:
        low = int(first)
        high = int(last) if colon else low
    except ValueError:
        raise InputError(f"--components is '{text}', but it must be a number like 2, or a range like 1:4") from None
    if high - low >= MOST_CANDIDATES:
        raise InputError(f"--components is '{text}', which is more than {MOST_CANDIDATES} numbers; narrow the range")
    if low < 1 or high < low:
        raise InputError(f"--components is '{text}', but it must be at least 1, and a range must not run backwards")
    return list(range(low, high + 1))


def parse_means(text: str | None) -> list[list[float]] | None:
    """Means from '1,2;3,4', one component behind each semicolon; None stays None.

    Raises
    ------
    InputError
        If it is something else, or the components have different numbers of columns.
    """
    if text is None:
        return None
    try:
        means = [[float(number) for number in mean.split(",")] for mean in text.split(";")]
    except ValueError:
        means = []
    if not means or len({len(mean) for mean in means}) > 1:
        raise InputError(
            f"--means is '{text}', but it must be numbers, columns separated by commas and components by semicolons, "
            "as '1.5,2;3,4'"
        )
    return means


def parse_names(text: str) -> list[str]:
    """Column names from 'v' or 'a,b'."""
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise InputError(f"'{text}' holds an empty name; separate column names by single commas")
    return names


def parse_errors(text: str) -> str | list[str] | None:
    """The argument `errors` of `Observations.from_table`: 'auto', None or names."""
    if text == "auto":
        return "auto"
    return None if text == "none" else parse_names(text)


def parse_quantity(text: str | None, option: str, example: str) -> Quantity | None:
    """A number with a unit; `option` and an example of its value are for the message if it is not one."""
    if text is None:
        return None
    from astropy.units import Quantity

    try:
        return Quantity(text)
    except (TypeError, ValueError) as error:
        if found := NUMBER_AND_UNIT.fullmatch(text):
            similar = SIMILAR.search(str(error))
            meant = f" (did you mean {similar[1]}?)" if similar else ""
            raise InputError(
                f"{option} is '{text}', but astropy knows no unit '{found[1].rstrip()}'{meant}; give a number with a "
                f"unit, as '{example}'"
            ) from error
        raise InputError(f"{option} is '{text}', but it must be a number with a unit, as '{example}'") from error


def reading_options(
    errors: str,
    correlations: Correlations,
    weights: str | None,
    memberships: str | None,
    on_bad: OnBad,
    on_limit: OnLimit,
    asymmetric: Asymmetric,
) -> dict[str, Any]:
    """The options of a command that say how columns are read, as `Observations.from_table` and sources take them."""
    return {
        "errors": parse_errors(errors),
        "correlations": correlations.value,
        "weights": weights,
        "memberships": memberships and parse_names(memberships),
        "on_bad": on_bad.value,
        "on_limit": on_limit.value,
        "asymmetric": asymmetric.value,
    }
