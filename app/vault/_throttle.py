"""Guessing slowed: who has guessed wrongly too often waits, and the longer the oftener.

The count lies outside the vault, in the state folder of the user, so that neither a new start of
the program nor a copy of the vault put back resets it. It slows somebody who sits at this program.
Whoever has a copy of the vault and a program of their own is slowed by the passphrase and by
Argon2id alone.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from app.settings import state_folder
from app.vault._errors import TooManyGuessesError
from app.vault._files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FREE = 3  # wrong guesses that cost no wait
LONGEST_S = 900.0
_COUNTED = range(1 << 31)  # what a count of guesses can be


def delay_after(failures: int) -> float:
    """Return for how many seconds nobody may guess after so many wrong guesses in a row."""
    return min(2.0 ** min(failures - FREE, 30), LONGEST_S) if failures >= FREE else 0.0


class Guesses:
    """The wrong guesses at the passphrases of one vault.

    Parameters
    ----------
    vault : pathlib.Path
        The folder, for messages.
    vault_id : str
        Of the vault.
    """

    def __init__(self, vault: Path, vault_id: str) -> None:
        self._vault = vault
        self._folder = state_folder() / "guesses"
        self._file = self._folder / f"{vault_id}.json"

    def begin(self, whom: Sequence[str]) -> list[str]:
        """Count a guess as wrong, before it is made: to be killed over it resets nothing.

        Parameters
        ----------
        whom : sequence of str
            Ids of the users at whose passphrases the guess is.

        Returns
        -------
        list of str
            Those of them at whose passphrase one may guess now.

        Raises
        ------
        TooManyGuessesError
            If that is nobody.
        """
        now = time.time()
        with self._counts() as counts:
            for who in set(whom) & set(counts):
                # A guess of the future was made by a clock that was wrong: the wait is from now.
                counts[who] = counts[who][0], min(counts[who][1], now)
            waits = {who: _wait(*counts.get(who, (0, 0.0)), now) for who in whom}
            allowed = [who for who in whom if waits[who] <= 0]
            for who in allowed:
                counts[who] = counts.get(who, (0, 0.0))[0] + 1, now
        if whom and not allowed:
            seconds = math.ceil(min(waits.values()))
            raise TooManyGuessesError(
                self._vault,
                "too many wrong guesses: wait "
                + (f"{seconds} s" if seconds < 100 else f"{math.ceil(seconds / 60)} minutes")
                + " before the next",
            )
        return allowed

    def right(self, who: str, tried: Sequence[str]) -> None:
        """Forget the wrong guesses of one who guessed right, and that it was tried on others."""
        with self._counts() as counts:
            for other in tried:
                failures, last = counts.get(other, (0, 0.0))
                counts[other] = max(failures - 1, 0), last
            counts.pop(who, None)

    @contextmanager
    def _counts(self) -> Iterator[dict[str, tuple[int, float]]]:
        """Give the count and the last time by user, and keep what becomes of it.

        Where nothing can be written nobody is slowed: a full disk must not keep anyone out.
        """
        lock = -1
        with suppress(OSError):
            self._folder.mkdir(0o700, parents=True, exist_ok=True)
            lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            before = self._read()
            counts = dict(before)
            yield counts
            if counts != before:
                with suppress(OSError):
                    write_atomically(self._file, json.dumps(counts).encode("ascii"))
        finally:
            if lock >= 0:
                os.close(lock)

    def _read(self) -> dict[str, tuple[int, float]]:
        try:
            values = json.loads(self._file.read_bytes())
            counts = {str(who): (int(n), float(last)) for who, (n, last) in values.items()}
            if not all(n in _COUNTED and math.isfinite(last) for n, last in counts.values()):
                raise ValueError("count")
            return counts
        except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return {}  # whoever can write there could delete it as well


def _wait(failures: int, last: float, now: float) -> float:
    return last + delay_after(failures) - now
