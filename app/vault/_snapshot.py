"""The index as it is at one moment, while others go on writing to it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import apsw

from app.vault._blobs import BlobFile
from app.vault._errors import plain_errors
from app.vault._files import sync_folder
from app.vault._index import FILE, index_errors, open_copy, open_index
from app.vault._keys import Purpose, derive

if TYPE_CHECKING:
    from pathlib import Path

    from app.vault._index import Index

_PAGES = 1000  # copied at a time


class Snapshot:
    """What the index says now, whatever is written from now on. Close it soon.

    Parameters
    ----------
    vault : pathlib.Path
        The folder.
    vault_id : str
        As in the header.
    vault_key : bytes
        What the header's stanzas give.
    index : Index, optional
        The vault's own, used where it is open for itself alone: on a full disk.
    """

    def __init__(
        self, vault: Path, vault_id: str, vault_key: bytes, index: Index | None = None
    ) -> None:
        self._path = vault / FILE
        self._key = derive(vault_key, Purpose.INDEX, vault_id)
        self._at_last = ExitStack()
        if index and index.is_alone:
            self._connection = self._at_last.enter_context(index._use())
        else:
            self._connection = open_index(self._path, self._key, vault_id)
            self._at_last.callback(self._connection.close)
        try:
            with index_errors(self._path):
                self._connection.execute("BEGIN")
                self._at_last.callback(self._connection.execute, "ROLLBACK")
                self._connection.execute("SELECT count(*) FROM fact").fetchall()  # reading begins
        except BaseException:
            self._at_last.close()
            raise

    def blobs(self) -> list[BlobFile]:
        """Return the encrypted files of all recordings."""
        with index_errors(self._path):
            rows = self._connection.execute("SELECT id, recording_id, kind, size FROM blob")
            return [BlobFile(str(a), str(b), str(c), int(str(d))) for a, b, c, d in rows]

    def count(self) -> int:
        """Return how many recordings there are."""
        with index_errors(self._path):
            return int(str(self._connection.execute("SELECT count(*) FROM recording").get))

    def copy_to(self, path: Path, key: bytes | None = None) -> None:
        """Write the index into a new file, under the same key or another, and make it last."""
        with index_errors(path):
            copy = open_copy(path, key or self._key)
            try:
                with copy.backup("main", self._connection, "main") as backup:
                    while not backup.done:
                        backup.step(_PAGES)
                copy.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            finally:
                copy.close()
        with plain_errors(path):
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(file)
            finally:
                os.close(file)
            sync_folder(path.parent)

    def close(self) -> None:
        """Let go of the index."""
        self._at_last.close()
