"""What commands have in common on their line: choices, and the parsing of words."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from xdgmm.errors import InputError

MOST_CANDIDATES = 100


class CovarianceType(StrEnum):
    """Which covariances the components may have."""

    FULL = "full"
    TIED = "tied"
    DIAG = "diag"
    SPHERICAL = "spherical"


class Method(StrEnum):
    """Where the errors of a report come from."""

    INFORMATION = "information"
    SANDWICH = "sandwich"
    PROFILE = "profile"
    BOOTSTRAP = "bootstrap"
    MCMC = "mcmc"


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


class Correlations(StrEnum):
    """Whether correlations of errors are looked for."""

    AUTO = "auto"
    NONE = "none"


def flag(*names, **settings):
    """An option that is there or not, and takes no value: none is shown in the help."""
    return typer.Option(*names, metavar=" ", **settings)


Errors = Annotated[
    str,
    typer.Option(
        help="Error columns, one for each: NAME, var:NAME, ivar:NAME, pair:UPPER:LOWER; [b]none[/b] for exact values."
    ),
]
CorrelationsChoice = Annotated[Correlations, typer.Option(help="Find the correlations of errors, or ignore them.")]
Hdu = Annotated[
    str | None, typer.Option(help="Number or name of the table, in a file that holds several.", metavar="N|NAME")
]
Weights = Annotated[str | None, typer.Option(help="Column of the object weights.", metavar="NAME")]
OnBadChoice = Annotated[OnBad, typer.Option(help="What to do where a value has no usable error.")]
Report = Annotated[Path | None, typer.Option(help="Write the width report here (.ecsv or .fits).")]
Prefix = Annotated[str, typer.Option(help="What the names of the new columns begin with.")]
OverwriteColumns = Annotated[
    bool, flag("--overwrite-columns", help="Replace columns of the table that have the new names.")
]
Overwrite = Annotated[bool, flag("--overwrite", help="Replace outputs that exist.")]
Json = Annotated[bool, flag("--json", help="Print the results as one JSON object, for machines.")]
Quiet = Annotated[bool, flag("--quiet", "-q", help="Print no progress, and no results but those of --json.")]


def parse_components(text):
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


def names_of(text):
    """Column names from 'v' or 'a,b'."""
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise InputError(f"'{text}' holds an empty name; separate column names by single commas")
    return names


def errors_of(text):
    """What `Observations.from_table` wants to know of errors: 'auto', None or names."""
    if text == "auto":
        return "auto"
    return None if text == "none" else names_of(text)


def quantity_of(text, option):
    """A number with a unit, as '30 kpc'."""
    if text is None:
        return None
    from astropy.units import Quantity

    try:
        return Quantity(text)
    except (TypeError, ValueError) as error:
        raise InputError(f"{option} is '{text}', but it must be a number with a unit, as '30 kpc'") from error
