"""`xdgmm info`."""

from pathlib import Path
from typing import Annotated

import typer

from .consoles import Voice, escaped
from .model_info import tell_model
from .options import Hdu, Json
from .table_info import tell_table


def info(
    file: Annotated[Path, typer.Argument(help="A model that `xdgmm fit` wrote, or a table.")],
    hdu: Hdu = None,
    *,
    json: Json = False,
):
    """Show a model and what it was fitted to, or the columns of a table and the errors found for them.

    Example: xdgmm info model.fits
    """
    from xdgmm.errors import InputError
    from xdgmm.mixture import GaussianMixture

    voice = Voice(json)
    title = f"[b]{escaped(file.name)}[/b]"
    try:
        mixture = GaussianMixture.read(file)
    except InputError:
        if _says_it_is_a_model(file):
            raise
        voice.tell(tell_table(file, hdu, title, voice))
    else:
        voice.tell(tell_model(mixture, title, voice))


def _says_it_is_a_model(file):
    """Does a file that cannot be read as a model say that it is one?"""
    try:
        with file.open("rb") as stream:
            return b"XDGMMFMT" in stream.read(50_000)
    except OSError:
        return False
