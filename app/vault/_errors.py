"""What can go wrong with a vault, each in one plain sentence that a user can act on."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class VaultError(Exception):
    """A vault cannot do what was asked.

    Parameters
    ----------
    path : pathlib.Path or str
        The vault, or the file of it that is concerned.
    problem : str
        What was found and what can be done, in plain words, never naming a patient.
    """

    def __init__(self, path: Path | str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = Path(path)
        self.problem = problem

    def __reduce__(self) -> tuple[type[VaultError], tuple[Path, str]]:
        return type(self), (self.path, self.problem)  # two arguments: pickled from worker processes


class VaultLockedError(VaultError):
    """The passphrase or the recovery key is not one of this vault."""


class TooManyGuessesError(VaultLockedError):
    """So many wrong passphrases were typed that the next has to wait."""


class UnknownUserError(VaultError):
    """The vault has no user of this name."""


class NotAllowedError(VaultError):
    """The role of whoever has the vault open does not allow this."""


class VaultDamagedError(VaultError):
    """A file of the vault is missing, cut short or not what the vault wrote."""


class VaultTooNewError(VaultError):
    """The vault was made by a newer version of the program."""


class UnknownRecordingError(VaultError):
    """No recording has this id, or more than one begins with it."""


class AlreadyStoredError(VaultError):
    """The vault holds a recording with this very content."""


_WORDS = {
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than the system allows",
    errno.EACCES: "there is no permission to use it",
    errno.EPERM: "there is no permission to use it",
    errno.EROFS: "the disk can only be read",
    errno.EIO: "the disk reports an error",
    errno.EEXIST: "a file of this name is in the way",
    errno.ENOENT: "it does not exist",
    errno.ELOOP: "this is a link, which is not followed: delete it",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
}


@contextmanager
def plain_errors(path: Path) -> Iterator[None]:
    """Turn an :class:`OSError` into a :class:`VaultError` about the file it names, or `path`.

    A full disk is about `path`: which file of the vault was the first without room says nothing.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise VaultError(path, _WORDS[error.errno]) from error
        words = _WORDS.get(error.errno or 0) or os.strerror(error.errno or 0)
        raise VaultError(os.fsdecode(error.filename or path), words) from error
