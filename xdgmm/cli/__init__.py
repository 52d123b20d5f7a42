"""The command line.  No mathematics here: it reads, calls, prints and writes.

One module for each command; `options` is what is parsed from the line, `outputs` the files that are written,
`reporting` what is said about a fit, `consoles` where it is said, `documents` the same for machines, and `app` brings
them together.
"""

from .app import main

__all__ = ["main"]
