"""What the tests of the command are typed with."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

from typer.testing import Result

from app.vault import Vault

PASSPHRASE = "correct horse"


class Run(Protocol):
    """The command, in this process: ``tracekeep("list", "--json")``."""

    def __call__(self, *arguments: object) -> Result: ...


class Place(NamedTuple):
    """A vault, what opens it, and the options that say so."""

    path: Path
    passphrase_file: Path
    recovery_key: str

    @property
    def options(self) -> list[str]:
        return ["--vault", str(self.path), "--passphrase-file", str(self.passphrase_file)]

    def open(self) -> Vault:
        return Vault.open(self.path, PASSPHRASE)
