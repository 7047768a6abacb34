"""What is said to a user when something goes wrong: one plain sentence, never a stack trace."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

_HOUSE = ("app", "ml", "signals")
_ROOT = Path(__file__).resolve().parent.parent


class UnexpectedError(Exception):
    """A fault of the program itself, in words: what :func:`explain` says about it."""


def is_expected(error: BaseException) -> bool:
    """Return whether `error` tells of the world (a bad file, a full disk), not of a fault of ours.

    By the rule of the house every exception class that the project defines carries one plain
    sentence; and what the system refuses is no fault of ours.
    """
    ours = type(error).__module__.partition(".")[0] in _HOUSE
    return ours or isinstance(error, (OSError, MemoryError))


def explain(error: BaseException) -> str:
    """Return one plain sentence about `error`, without what the message of an unexpected one says.

    Messages from other packages may quote the content of a file, and with it a patient.
    """
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if isinstance(error, OSError) and error.strerror:
        place = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        return f"{place}{error.strerror}"
    if is_expected(error):
        return str(error)
    return f"a fault of ours, not of yours ({type(error).__name__}{_place(error)})"


def show_trace(error: BaseException) -> None:
    """Write to stderr where `error` came from, without messages, if TRACEKEEP_DEBUG is set."""
    if not os.environ.get("TRACEKEEP_DEBUG"):
        return
    while True:
        lines = traceback.format_tb(error.__traceback__)
        sys.stderr.write(f"{''.join(lines)}{type(error).__module__}.{type(error).__qualname__}\n")
        earlier = error.__cause__ or error.__context__
        if earlier is None:
            return
        sys.stderr.write("came from\n")
        error = earlier


def _place(error: BaseException) -> str:
    """Return the last line of our own code that `error` passed through: `` at app/x.py:12``."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(_ROOT) and path.relative_to(_ROOT).parts[0] in _HOUSE:
            return f" at {path.relative_to(_ROOT)}:{frame.lineno}"
    return ""
