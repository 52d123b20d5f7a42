"""Every deliberate exception and warning of xdgmm.

::

    Exception
    └── XdgmmError                      anything xdgmm raises on purpose
        ├── InputError (ValueError)     what was passed in cannot be used; the message says what to do
        │   ├── KindError (TypeError)   something of another kind belongs there
        │   ├── NotFittedError (AttributeError)  a fitted model was asked for before ``fit``
        │   └── OutputError             a result cannot be written where it was asked to go
        └── DegenerateError             the likelihood has no maximum for this model and these data
    Warning
    └── XdgmmWarning (UserWarning)
        └── ConvergenceWarning          the fit stopped before its maximum was reached
"""

__all__ = [
    "ConvergenceWarning",
    "DegenerateError",
    "InputError",
    "KindError",
    "NotFittedError",
    "OutputError",
    "XdgmmError",
    "XdgmmWarning",
]


class XdgmmError(Exception):
    """Anything xdgmm raises on purpose."""


class InputError(XdgmmError, ValueError):
    """What was passed in cannot be used; the message says what, where, and what to do."""


class KindError(InputError, TypeError):
    """What was passed is of a kind that cannot be used, or stands in another argument's place."""


class NotFittedError(InputError, AttributeError):
    """A fitted model was asked for before ``fit``."""


class OutputError(InputError):
    """A result cannot be written where it was asked to go."""


class DegenerateError(XdgmmError):
    """The likelihood has no maximum: a component collapses on objects that carry no noise."""


class XdgmmWarning(UserWarning):
    """Anything xdgmm warns about on purpose."""


class ConvergenceWarning(XdgmmWarning):
    """The fit stopped before its maximum was reached; the result says how far it came."""
