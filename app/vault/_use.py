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
    from collections.abc import Iterator
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
        give_up = time.monotonic() + _files.PATIENCE_S
        while not _files.try_lock(self._folder, fcntl.LOCK_SH):
            if time.monotonic() > give_up:
                os.close(self._folder)
                raise VaultError(
                    vault, "another program is changing the keys of the vault; try again later"
                )
            time.sleep(0.02)

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

    def close(self) -> None:
        """Give the share back. Twice does nothing."""
        if self._folder >= 0:
            # Explicitly, for a process forked meanwhile shares the descriptor and with it the lock.
            fcntl.flock(self._folder, fcntl.LOCK_UN)
            os.close(self._folder)
            self._folder = -1
