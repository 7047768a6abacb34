"""``lost/``: what a repair could not keep in place, moved there and never deleted by it.

Each repair has a folder of its own, named after the time. It holds files as they were, and copies
of the index and the keyring as they were before; all of it encrypted.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.vault._files import sync_folder, write_atomically

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
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

    def place(self, path: Path) -> Path:
        """Return where a file of the vault goes, with the folders that lead there."""
        place = self.folder / path.relative_to(self._vault)
        place.parent.mkdir(0o700, parents=True, exist_ok=True)
        return place

    def move(self, path: Path, why: str) -> None:
        """Move a file of the vault here, and say why in the note."""
        path.rename(self.place(path))
        self.tell(f"{path.relative_to(self._vault)}: {why}")

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


def remove_copies(vault: Path, blob_ids: Collection[str]) -> None:
    """Delete what repairs have kept of erased recordings: these blobs, and all whole copies."""
    for path in list(_files(vault)):
        if path.name.startswith(_COPIES) or path.name.partition(".")[0] in blob_ids:
            path.unlink()
            sync_folder(path.parent)


def _files(vault: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(vault / FOLDER):
        yield from (vault.joinpath(folder, name) for name in names)
