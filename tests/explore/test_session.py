"""What one page knows, and who hears of changes."""

import warnings

import pytest

from xdgmm import GaussianMixture
from xdgmm.errors import InputError, XdgmmWarning
from xdgmm.explore import blobs, bundled
from xdgmm.explore.session import CHANGES, Message, Session

MIXTURE = GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 0.0], [0.0, 1.0]]])


@pytest.fixture
def session():
    return Session(blobs())


@pytest.fixture
def heard(session):
    changes = []
    for change in CHANGES:
        session.listen(change, lambda change=change: changes.append(change))
    return changes


def test_new_data_drop_the_mixture_and_the_selection_of_the_old_ones(session, heard):
    session.set_mixture(MIXTURE)
    session.select([3, 1])
    session.set_data(bundled("hydrus1"))
    assert (session.mixture, session.result, session.selection) == (None, None, ())
    assert heard == ["mixture", "selection", "data", "mixture", "selection"]


def test_a_selection_that_is_there_already_tells_nobody(session, heard):
    session.select([3, 1, 3])
    session.select([1, 3])
    assert session.selection == (1, 3)
    assert heard == ["selection"]


def test_an_error_of_the_package_becomes_its_sentence(session, heard):
    with session.reporting():
        raise InputError("`x` is odd")
    assert session.message == Message("`x` is odd", "error")
    session.say("")
    assert session.message is None
    assert heard == ["message", "message"]


def test_warnings_of_the_package_become_one_sentence_each(session):
    with session.reporting():
        warnings.warn("it is small", XdgmmWarning, stacklevel=1)
        warnings.warn("it is small", XdgmmWarning, stacklevel=1)
    assert session.message == Message("it is small", "warning")


def test_other_errors_are_not_hidden(session):
    with pytest.raises(KeyError), session.reporting():
        raise KeyError("a defect")


def test_closing_ends_once_what_belongs_to_the_page(session):
    ended = []
    session.when_closed(lambda: ended.append(1))
    session.close()
    session.close()
    assert ended == [1]
