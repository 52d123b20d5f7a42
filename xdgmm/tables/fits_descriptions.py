"""Descriptions of columns in a FITS header: ``TCOMMn`` for most readers, comments in YAML for astropy."""

from json import dumps

BEGIN, END = "--BEGIN-ASTROPY-SERIALIZED-COLUMNS--", "--END-ASTROPY-SERIALIZED-COLUMNS--"
META = "meta: {__serialized_columns__: {}}"  # astropy 6.1 fails without this key
LENGTH = 70  # of a comment; a longer one goes on in the next, after a backslash


def describe_for_astropy(header, descriptions):
    """Add descriptions, a dict by name of column, to the comments that astropy reads; make them if there are none."""
    lines = [f"- {{name: {dumps(name)}, description: {dumps(text)}}}" for name, text in descriptions.items()]
    comments = [piece for line in lines for piece in _pieces(line)]
    place = _place(header)
    if place is None:
        for comment in (BEGIN, "datatype:", *comments, META, END):
            header.add_comment(comment)
        return
    for comment in reversed(comments):
        header.insert(place, ("COMMENT", comment))


def _pieces(line):
    cut = [line[i : i + LENGTH] for i in range(0, len(line), LENGTH)]
    return [piece + "\\" for piece in cut[:-1]] + cut[-1:]


def _place(header):
    """Number of the card that ends astropy's list of columns; None where there is no such list."""
    begun = False
    for number, card in enumerate(header.cards):
        begun |= card.value == BEGIN
        if begun and str(card.value).startswith("meta:"):
            return number
    return None
