"""Making the disk fail, or the process die, at a chosen step: files by ``os``, the index by a VFS.

The VFS lies below the cipher (``multipleciphers-faulty``), where the real disk is.
"""

from __future__ import annotations

import errno
import os
import signal
from functools import cache, partial
from typing import TYPE_CHECKING

import apsw

from app.vault import _index

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

_STEPS = ("write", "fsync", "replace", "rename", "mkdir", "unlink")
NEVER = 1 << 30


class Fault:
    """Counts the steps that change the disk, and strikes at one of them.

    Parameters
    ----------
    at : int
        The step, counted from 0.
    kill : bool
        Die there by SIGKILL; otherwise the disk is full from there on.
    """

    def __init__(self, at: int, *, kill: bool) -> None:
        self.at = at
        self.kill = kill
        self.count = 0

    def step(self) -> bool:
        """Count a step; return whether it fails."""
        self.count += 1
        if self.count <= self.at:
            return False
        if self.kill:
            os.kill(os.getpid(), signal.SIGKILL)
        return True


class _File(apsw.VFSFile):
    def __init__(self, fault: Fault, name: str, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._fault = fault

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._fault.step():
            raise apsw.FullError("no space")
        super().xWrite(data, offset)

    def xSync(self, _flags: int) -> None:  # noqa: N802
        self._fault.step()  # and no more: what the kernel has, outlives the process

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._fault.step()
        super().xTruncate(size)


class _Vfs(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("faulty", "unix")
        self.fault = Fault(NEVER, kill=False)

    def xOpen(self, name: str, flags: list[int]) -> _File:  # noqa: N802
        return _File(self.fault, name, flags)


@cache
def _vfs() -> _Vfs:
    return _Vfs()  # one for the life of the process: the cipher's VFS keeps a pointer to it


def install(fault: Fault, patch: pytest.MonkeyPatch) -> None:
    """Put the fault between the vault and the disk."""

    def faulty(real: Callable[..., object], name: str) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            # Deleting, and giving back a lock, need no space.
            if fault.step() and name != "unlink":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return None if name == "fsync" else real(*args, **kwargs)

        return call

    for name in _STEPS:
        patch.setattr(os, name, faulty(getattr(os, name), name))
    _vfs().fault = fault
    connect = partial(apsw.Connection, vfs="multipleciphers-faulty")
    patch.setattr(_index.apsw, "Connection", connect)
