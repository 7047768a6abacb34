"""The salt of ``index.db``, found again where a loss of power has spoiled it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LOG_HEAD, _FRAME_HEAD, _PAGE, _SALT = 32, 24, 4096, 16  # bytes, of a write-ahead log
_FIRST = (1).to_bytes(4, "big")


def salt_in_log(index: Path) -> bytes | None:
    """Return the salt as the write-ahead log has it; None if that does not hold the first page.

    A loss of power while the log is emptied into the database may spoil its first sector. SQLite
    reads that page from the log then; the cipher looks for the salt nowhere else. It is no secret.
    """
    try:
        with index.with_name(f"{index.name}-wal").open("rb") as log:
            log.seek(_LOG_HEAD)
            while len(head := log.read(_FRAME_HEAD)) == _FRAME_HEAD:
                if head.startswith(_FIRST):
                    salt = log.read(_SALT)
                    return salt if len(salt) == _SALT else None
                log.seek(_PAGE, os.SEEK_CUR)
    except FileNotFoundError:
        pass
    return None
