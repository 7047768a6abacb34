"""What a program does while it waits for another one that writes to the same vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SILENT_S = 2.0
"""How long a wait may last before somebody has to be told of it."""

_LISTENERS: list[Callable[[], object]] = []


def wait_and_tell(tell: Callable[[], object]) -> None:
    """Let this process wait for as long as it takes, since its user is told and can stop it.

    Without this a wait is silent, and ends with an error after a while.

    Parameters
    ----------
    tell : callable
        Called once in each wait, when it has lasted for :data:`SILENT_S` seconds.
    """
    _LISTENERS[:] = [tell]


def listener() -> Callable[[], object] | None:
    """Return what is to be told of a wait; None in a process that does not wait for long."""
    return _LISTENERS[0] if _LISTENERS else None
