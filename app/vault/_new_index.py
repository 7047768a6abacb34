"""``index.new``: the index that a repair makes, until it takes the place of the old one.

One that stays is of a repair that was killed. It names patients, encrypted under the vault's key,
and an erasure in the index does not reach it: whoever opens the vault next deletes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.vault._errors import plain_errors
from app.vault._files import sync_folder

if TYPE_CHECKING:
    from pathlib import Path

FILE = "index.new"
SIDES = ("-wal", "-shm", "-journal")  # files that SQLite makes beside a database


def found(vault: Path) -> list[Path]:
    """Return the files of a new index that are there, finished or not."""
    paths = (vault / (FILE + side) for side in ("", *SIDES))
    return [path for path in paths if path.exists() or path.is_symlink()]


def remove(vault: Path) -> None:
    """Delete what is there; the caller has the vault open, so that nobody is repairing it.

    Raises
    ------
    VaultError
        If it cannot be deleted.
    """
    paths = found(vault)
    with plain_errors(vault):
        for path in paths:
            path.unlink(missing_ok=True)
        if paths:
            sync_folder(vault)
