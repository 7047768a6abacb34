"""That a program has a vault open: several may, except while one of them changes its keys."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.vault import _files
from app.vault._errors import VaultError, plain_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Use:
    """A share in a vault, held until it is closed: a ``flock`` on the folder itself.

    Parameters
    ----------
    vault : pathlib.Path
        The folder.

    Raises
    ------
    VaultError
        If another program has been changing the keys for :data:`app.vault._files.PATIENCE_S`
        seconds.
    """

    def __init__(self, vault: Path) -> None:
        self._vault = vault
        with plain_errors(vault):
            self._folder = os.open(vault, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._wait(vault, self._folder, fcntl.LOCK_SH)
        except BaseException:
            os.close(self._folder)
            raise

    @staticmethod
    def _wait(
        vault: Path, folder: int, kind: int, needed: Callable[[], bool] = lambda: True
    ) -> bool:
        """Take the lock as soon as it is free, while it is needed; return whether it is taken."""
        give_up = time.monotonic() + _files.PATIENCE_S
        while needed():
            if _files.try_lock(folder, kind):
                return needed()
            if time.monotonic() > give_up:
                raise VaultError(
                    vault, "another program is changing the keys of the vault; try again later"
                )
            time.sleep(0.02)
        return False

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only program that has the vault open.

        Raises
        ------
        VaultError
            If another has it open.
        """
        if not _files.try_lock(self._folder, fcntl.LOCK_EX):
            fcntl.flock(self._folder, fcntl.LOCK_SH)  # what was held may be gone by the attempt
            raise VaultError(
                self._vault, "another program has the vault open: close it there, then try again"
            )
        try:
            yield
        finally:
            fcntl.flock(self._folder, fcntl.LOCK_SH)

    @classmethod
    def first(cls, vault: Path, needed: Callable[[], bool], act: Callable[[], None]) -> None:
        """Do what has to be done before anybody opens the vault, unless another does it first.

        Parameters
        ----------
        vault : pathlib.Path
            The folder.
        needed : callable
            Whether it has still to be done.
        act : callable
            Does it, while nobody else has the vault open.

        Raises
        ------
        VaultError
            If another program keeps the vault open for that long, and it is still to be done.
        """
        with plain_errors(vault):
            folder = os.open(vault, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if cls._wait(vault, folder, fcntl.LOCK_EX, needed):
                act()
        finally:
            os.close(folder)

    def close(self) -> None:
        """Give the share back. Twice does nothing."""
        if self._folder >= 0:
            # Explicitly, for a process forked meanwhile shares the descriptor and with it the lock.
            fcntl.flock(self._folder, fcntl.LOCK_UN)
            os.close(self._folder)
            self._folder = -1
