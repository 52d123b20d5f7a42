"""Every deliberate exception and warning of xdgmm, and old names that still work for one version.

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
        ├── ConvergenceWarning          the fit stopped before its maximum was reached
        └── XdgmmDeprecationWarning (DeprecationWarning)  a public name has changed; the message says the new one

A public name that changes stays usable for one version, with a warning that says the new name.  There is one way for
each kind of name::

    deprecated_names(__name__, {"OldClass": "NewClass"})     # in a module or a room's __init__

    class Result:
        old_method = DeprecatedAlias("new_method")           # a method, a property or a field

    @deprecated_arguments(old="new")                         # keyword arguments of a function
    def function(x, *, new=1): ...

A test of an old name uses ``pytest.warns(XdgmmDeprecationWarning, match="new_name")``.
"""

from __future__ import annotations

import sys
import warnings
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from .text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

P = ParamSpec("P")
T = TypeVar("T")

__all__ = [
    "ConvergenceWarning",
    "DegenerateError",
    "DeprecatedAlias",
    "InputError",
    "KindError",
    "NotFittedError",
    "OutputError",
    "XdgmmDeprecationWarning",
    "XdgmmError",
    "XdgmmWarning",
    "deprecated_arguments",
    "deprecated_names",
    "import_late",
    "reraise_lack_of_memory",
]


class XdgmmError(Exception):
    """Anything xdgmm raises on purpose."""

    def __str__(self) -> str:
        """The message, with control characters of names and files as escapes."""
        return printable(super().__str__())


class InputError(XdgmmError, ValueError):
    """What was passed in cannot be used; the message says what, where, and what to do."""


class KindError(InputError, TypeError):
    """What was passed is of a kind that cannot be used, or stands in another argument's place."""


class NotFittedError(InputError, AttributeError):
    """A fitted model was asked for before ``fit``."""


class OutputError(InputError):
    """A result cannot be written where it was asked to go."""


class DegenerateError(XdgmmError):
    """The likelihood has no maximum: a component collapses on objects without noise."""


class XdgmmWarning(UserWarning):
    """Anything xdgmm warns about on purpose."""

    def __str__(self) -> str:
        """The message, with control characters of names and files as escapes."""
        return printable(super().__str__())


class ConvergenceWarning(XdgmmWarning):
    """The fit stopped before its maximum was reached; the result says how far it came."""


class XdgmmDeprecationWarning(XdgmmWarning, DeprecationWarning):
    """A public name has changed: the old one works in this version only, and the message says the new one."""


def import_late(module: str) -> ModuleType:
    """Import a module within a ``__getattr__``.

    Raises
    ------
    ImportError
        For an `AttributeError` inside the module too, which Python would take for a name that does not exist.
    """
    try:
        return import_module(module)
    except AttributeError as error:
        raise ImportError(f"importing {module} failed: {error}") from error


def reraise_lack_of_memory(error: BaseException) -> None:
    """Raise the `MemoryError` behind another exception, if there is one: astropy tells of a `ValueError` instead.

    To be called where an exception of another package is taken to mean that its input is wrong.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError):
            raise cause from None
        cause = cause.__cause__ or cause.__context__


def deprecated_names(module: str, names: Mapping[str, str]) -> None:
    """Keep old names of a module usable: each gives what the new name gives, with a warning.

    Parameters
    ----------
    module : str
        Its ``__name__``.
    names : dict of str to str
        Old name to new name: of this module, or with the whole path (``"xdgmm.room.name"``), which is imported when
        the old name is used.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807 - PEP 562
        if name not in names:
            raise AttributeError(f"module '{module}' has no attribute '{name}'", name=name, obj=sys.modules[module])
        path, _, new = names[name].rpartition(".")
        _warn_renamed(f"{module}.{name}", names[name] if path else f"{module}.{new}")
        return getattr(import_late(path or module), new)

    vars(sys.modules[module])["__getattr__"] = __getattr__


class DeprecatedAlias:
    """An old name of a method, property or field: gives what the new name gives, with a warning.

    Parameters
    ----------
    new : str
        The new name, in the same class; or an expression that gives the same.
    value : callable, optional
        Takes the instance and gives the value, where `new` is an expression.
    """

    def __init__(self, new: str, value: Callable[[Any], Any] | None = None) -> None:
        self.new, self.value = new, value

    def __get__(self, instance: object | None, owner: type) -> Any:
        old = next(name for each in owner.__mro__ for name, value in vars(each).items() if value is self)
        _warn_renamed(f"{owner.__name__}.{old}", f"{owner.__name__}.{self.new}")
        if self.value is not None and instance is not None:
            return self.value(instance)
        return getattr(owner if instance is None else instance, self.new)


def deprecated_arguments(**names: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a function that has renamed keyword arguments, ``old="new"``: the old ones are still taken.

    The function raises `KindError` where both names of one argument are given.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def with_old_names(*args: P.args, **kwargs: P.kwargs) -> T:
            for old in names.keys() & kwargs.keys():
                new = names[old]
                _warn_renamed(f"{function.__qualname__}(..., {old}=)", f"{new}=")
                if new in kwargs:
                    raise KindError(f"`{old}` is the old name of `{new}`, and both were given; give `{new}` alone")
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return with_old_names

    return decorate


def _warn_renamed(old: str, new: str) -> None:
    message = f"`{old}` has a new name, `{new}`; the old one works in this version only"
    warnings.warn(message, XdgmmDeprecationWarning, stacklevel=3)
