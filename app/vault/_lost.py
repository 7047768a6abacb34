"""``lost/``: what a repair could not keep in place, moved there and never deleted by it.

Each repair has a folder of its own, named after the time. It holds files as they were, and copies
of the index and the keyring as they were before; all of it encrypted.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.vault._files import create, sync_folder, write_atomically

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

FOLDER = "lost"
NOTE = "README.txt"
_COPIES = ("index.db", "keyring.bin")  # of files that tell of several recordings


class Lost:
    """The folder of one repair; it is made when the first thing is moved.

    Parameters
    ----------
    vault : pathlib.Path
        The vault.
    """

    def __init__(self, vault: Path) -> None:
        self._vault = vault
        moment = datetime.now(UTC).strftime("%Y-%m-%d-%H%M%S-%f")
        self.folder = vault / FOLDER / moment
        self._told: list[str] = []

    def _place(self, path: Path, recording_id: str = "") -> Path:
        """Return where a file of the vault goes, with the folders that lead there."""
        place = self.folder / recording_id / path.relative_to(self._vault)
        place.parent.mkdir(0o700, parents=True, exist_ok=True)
        return place

    def copy(self, path: Path) -> None:
        """Keep a file of the vault here as it is now, if it is there."""
        if path.exists():
            with path.open("rb") as file, os.fdopen(create(self._place(path)), "wb") as copy:
                shutil.copyfileobj(file, copy)

    def move(self, path: Path, what: str, recording_id: str = "") -> None:
        """Move a file of the vault, or of a recording, here; say in the note what it is."""
        path.rename(self._place(path, recording_id))
        of = f" of recording {recording_id}" if recording_id else ""
        self.tell(f"{path.relative_to(self._vault)}: {what}{of}")

    def tell(self, line: str) -> None:
        """Add a line to the note. It must name no patient."""
        self._told.append(line)
        self.folder.mkdir(0o700, parents=True, exist_ok=True)
        head = (
            "A repair of this vault moved these files here, as they were, because they cannot be\n"
            "read or belong to nothing. They are encrypted. What is known of each:\n\n"
        )
        write_atomically(self.folder / NOTE, (head + "\n".join(self._told) + "\n").encode())
        sync_folder(self._vault)


def remove_copies(vault: Path, recording_ids: Collection[str]) -> None:
    """Delete what repairs have kept of erased recordings: their files, and all whole copies."""
    for repair in _entries(vault / FOLDER):
        for entry in _entries(repair):
            if entry.name in recording_ids:
                shutil.rmtree(entry)
            elif entry.name.startswith(_COPIES):
                entry.unlink()
            else:
                continue
            sync_folder(repair)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
