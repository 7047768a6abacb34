"""How a command ends: exit codes, and one line for whatever went wrong."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Self

import typer

from app.faults import explain, is_expected, show_trace

if TYPE_CHECKING:
    from collections.abc import Iterator


class ExitCode(IntEnum):
    """What the codes mean; they are a promise to scripts."""

    OK = 0, "all well"
    FAILED = 1, "some inputs failed, or the work could not be done"
    USAGE = 2, "wrong usage, or no passphrase given"
    LOCKED = 3, "vault locked: wrong passphrase or recovery key"
    DAMAGED = 4, "vault damaged"
    FAULT = 70, "a fault of ours"
    INTERRUPTED = 130, "stopped by Ctrl-C"
    BROKEN_PIPE = 141, "output closed"

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        """Make the code `value`, with its meaning in plain words."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code


EPILOG = "Exit codes: " + "; ".join(f"{code.value} {code.meaning}" for code in ExitCode) + "."


class CommandError(Exception):
    """The command cannot do what was asked; the message says why, in one plain sentence."""


class PassphraseError(CommandError):
    """There is no way to learn the passphrase."""


@contextmanager
def errors_to_exit_codes() -> Iterator[None]:
    """Turn whatever happens inside into one line on stderr and an exit code."""
    try:
        yield
        sys.stdout.flush()  # so that a broken pipe shows here and not when the interpreter ends
    except KeyboardInterrupt as error:
        show_trace(error)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.BROKEN_PIPE) from None
    except Exception as error:
        if _belongs_to_typer(error):
            raise
        show_trace(error)
        _complain(error)
        raise typer.Exit(_code_of(error)) from None


def _belongs_to_typer(error: Exception) -> bool:
    """Return whether it is a usage error, or a request to end, which Typer turns into a code."""
    return type(error).__module__.partition(".")[0] in {"typer", "click"}


def _complain(error: Exception) -> None:
    from app.cli.output import note

    note(f"tracekeep: {explain(error)}")
    if not is_expected(error) and not os.environ.get("TRACEKEEP_DEBUG"):
        note("Run it again with TRACEKEEP_DEBUG=1 for a trace, without patient data, to report.")


def _code_of(error: Exception) -> ExitCode:
    if isinstance(error, PassphraseError):
        return ExitCode.USAGE
    if type(error).__module__.startswith("app.vault"):
        from app.vault import VaultDamagedError, VaultLockedError

        if isinstance(error, VaultLockedError):
            return ExitCode.LOCKED
        if isinstance(error, VaultDamagedError):
            return ExitCode.DAMAGED
    return ExitCode.FAILED if is_expected(error) else ExitCode.FAULT
