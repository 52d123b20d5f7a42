"""The command line: it parses, calls the library, prints and writes, and computes nothing itself.

Each command is a module.  `options` has the options that commands share, `fit_report` what they print of a fit,
`output_files` the files that they write, `printing` and `json_results` how results are printed, `messages` how errors
and warnings of the library are shown, and `app` the whole program.
"""

from .app import main

__all__ = ["main"]
