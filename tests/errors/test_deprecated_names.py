"""An old name works for one version, and says the new one."""

import inspect
import sys
import types
from typing import NamedTuple

import pytest

from xdgmm.errors import (
    DeprecatedAlias,
    KindError,
    XdgmmDeprecationWarning,
    deprecated_arguments,
    deprecated_names,
)


@pytest.fixture
def room(monkeypatch):
    """A package of its own with one new name."""
    module = types.ModuleType("room_of_tests")
    module.__path__ = []
    module.NewClass = type("NewClass", (), {})
    monkeypatch.setitem(sys.modules, "room_of_tests", module)
    deprecated_names("room_of_tests", {"OldClass": "NewClass", "moved": "xdgmm.errors.InputError"})
    return module


class Result:
    """A class with one method, one property and one field under new names."""

    def __init__(self):
        self.field = 3

    def method(self, x):
        """Twice x."""
        return 2 * x

    @classmethod
    def made(cls):
        """Another one."""
        return cls()

    @property
    def value(self):
        """Seven."""
        return 7

    old_method = DeprecatedAlias("method")
    old_made = DeprecatedAlias("made")
    old_value = DeprecatedAlias("value")
    old_field = DeprecatedAlias("field")


class Derived(Result):
    """Inherits the old names."""


class Sums(NamedTuple):
    """A tuple whose field has a new name."""

    n_members: float
    q = DeprecatedAlias("n_members")


@deprecated_arguments(sigmas="standard_errors")
def function(x, *, standard_errors=1):
    """Both arguments."""
    return x, standard_errors


def test_an_old_name_of_a_module_gives_the_new_object_and_says_its_name(room):
    with pytest.warns(XdgmmDeprecationWarning, match=r"room_of_tests\.OldClass.*room_of_tests\.NewClass") as caught:
        old = room.OldClass
    assert old is room.NewClass
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.warns(XdgmmDeprecationWarning, match="NewClass"):
        from room_of_tests import OldClass
    assert OldClass is room.NewClass


def test_an_old_name_may_have_moved_to_another_module(room):
    from xdgmm.errors import InputError

    with pytest.warns(XdgmmDeprecationWarning, match="`xdgmm.errors.InputError`"):
        assert room.moved is InputError


def test_the_new_names_do_not_warn_and_unknown_ones_stay_attribute_errors(room):
    assert room.NewClass
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        room.nothing  # noqa: B018
    with pytest.raises(ImportError):
        from room_of_tests import nothing  # noqa: F401


@pytest.mark.parametrize("cls", [Result, Derived])
def test_old_names_of_a_class_give_what_the_new_ones_give(cls):
    result = cls()
    with pytest.warns(XdgmmDeprecationWarning, match=rf"{cls.__name__}\.old_method.*{cls.__name__}\.method") as caught:
        assert result.old_method(4) == 8
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.warns(XdgmmDeprecationWarning, match="value"):
        assert result.old_value == 7
    with pytest.warns(XdgmmDeprecationWarning, match="field"):
        assert result.old_field == 3
    with pytest.warns(XdgmmDeprecationWarning, match="made"):
        assert type(cls.old_made()) is cls


def test_a_named_tuple_can_have_an_old_name_too():
    sums = Sums(5.0)
    with pytest.warns(XdgmmDeprecationWarning, match=r"Sums\.q.*Sums\.n_members"):
        assert sums.q == 5.0
    assert sums == (5.0,)


def test_an_old_argument_is_taken_and_said():
    assert function(1) == (1, 1)
    assert function(1, standard_errors=2) == (1, 2)
    with pytest.warns(XdgmmDeprecationWarning, match=r"sigmas=.*standard_errors=") as caught:
        assert function(1, sigmas=3) == (1, 3)
    assert [warning.filename for warning in caught] == [__file__]
    assert list(inspect.signature(function).parameters) == ["x", "standard_errors"]
    assert function.__doc__ == "Both arguments."


def test_an_argument_under_both_names_is_refused():
    with (
        pytest.warns(XdgmmDeprecationWarning),
        pytest.raises(KindError, match="`sigmas` is the old name of `standard_errors`"),
    ):
        function(1, sigmas=3, standard_errors=2)
