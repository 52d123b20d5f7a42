"""Which device makes passes: the processors of this machine, or a graphics card."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from xdgmm.errors import InputError

from .processors import Processors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .engines import Engine

Device: TypeAlias = Literal["cpu", "cuda", "cuda-float32", "auto"]
DEVICES: tuple[str, ...] = get_args(Device)
VARIABLE = "XDGMM_DEVICE"


class _Choice:
    """The device that `set_device` chose for this process."""

    device: str | None = None


_of_call: ContextVar[str | None] = ContextVar("xdgmm_device", default=None)


def set_device(device: Device | None) -> None:
    """Make the passes of this process on a device from now on; None returns to the default.

    Parameters
    ----------
    device : {"cpu", "cuda", "cuda-float32", "auto"} or None
        "cpu": threads of this machine's processors.  "cuda": an NVIDIA card, in double precision.  "cuda-float32": the
        same, with elimination in single and sums in double precision, for cards that are slow in double precision.
        "auto": the card for passes over many objects, if there is one.  The default is the environment variable
        XDGMM_DEVICE, else "cpu".

    Raises
    ------
    InputError
        If there is no such device, saying what was found.

    Notes
    -----
    A device that a model was given, ``XDGMM(device=...)``, goes before this one.
    """
    if device is not None:
        engine(checked_device(device, "`device`"))
    _Choice.device = device


def get_device() -> str:
    """The device of passes that begin now; see `set_device`."""
    chosen = _of_call.get() or _Choice.device
    if chosen is not None:
        return chosen
    given = os.environ.get(VARIABLE)
    return checked_device(given, f"the environment variable {VARIABLE}") if given else "cpu"


@contextmanager
def using_device(device: str | None) -> Iterator[None]:
    """Make the passes of this thread on a device meanwhile; None changes nothing.

    Raises
    ------
    InputError
        If there is no such device.
    """
    if device is None:
        yield
        return
    engine(checked_device(device, "`device`"))
    token = _of_call.set(device)
    try:
        yield
    finally:
        _of_call.reset(token)


@dataclass(frozen=True)
class OnDevice:
    """A function whose passes are made on a device, in whatever thread or process it is called; see `using_device`."""

    function: Callable[..., Any]
    device: str

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call the function."""
        with using_device(self.device):
            return self.function(*arguments, **options)


def on_same_device(function: Callable[..., Any]) -> OnDevice:
    """A function for another process, which makes its passes there on the device of passes that begin here now."""
    return OnDevice(function, get_device())


def current_engine() -> Engine:
    """What makes a pass that begins now."""
    return engine(get_device())


def device_in_words(device: str) -> str:
    """What makes the passes of a device, with the name of the card if there is one: "cuda (NVIDIA H200)".

    Raises
    ------
    InputError
        If there is no such device.
    """
    made = engine(device)
    card = getattr(made, "card", None)
    return made.name if card is None else f"{made.name} ({card.name})"


class DeviceWatch:
    """What makes the passes of this process from now on, until it is asked."""

    def __init__(self) -> None:
        self.device = get_device()
        self.before = self._n_on_card()

    def in_words(self) -> str:
        """The device; of "auto" it is "cpu" if no pass since then was made on a card."""
        now = self._n_on_card()
        return "cpu" if now is not None and now == self.before else device_in_words(self.device)

    def _n_on_card(self) -> int | None:
        """Passes that "auto" has made on a card; None for devices that do not choose."""
        return getattr(engine(self.device), "n_on_card", None)


def checked_device(device: object, name: str) -> str:
    """A device's name, as it is.

    Raises
    ------
    InputError
        If it is none.
    """
    if not isinstance(device, str) or device not in DEVICES:
        given = " ".join(shortened(device).split())
        raise InputError(f"{name} is {given}, but it must be one of {', '.join(DEVICES)}")
    return device


class Engines:
    """Those of a process: each is made once, also where threads begin together, so that they share a card's memory.

    Parameters
    ----------
    make : callable
        Makes the engine of a device.
    """

    def __init__(self, make: Callable[[str], Engine]) -> None:
        self.make = make
        self.made: dict[str, Engine] = {}
        self.lock = threading.RLock()

    def of(self, device: str) -> Engine:
        """The engine of a device."""
        if device not in self.made:
            with self.lock:
                if device not in self.made:
                    self.made[device] = self.make(device)
        return self.made[device]


def _make(device: str) -> Engine:
    if device == "cpu":
        return Processors()
    from .cuda import make_engine  # a processor needs nothing of it

    return make_engine(device)


_engines = Engines(_make)


def engine(device: str) -> Engine:
    """The engine of a device, one for the process.

    Raises
    ------
    InputError
        If there is no such device.
    """
    return _engines.of(device)
