"""Making the disk fail, or the process die, at a chosen step: files by ``os``, the index by a VFS.

The VFS lies below the cipher (``multipleciphers-faulty``), where the real disk is.
"""

from __future__ import annotations

import errno
import io
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
_LOOKS = ("open", "pread", "listdir", "read", "size")  # these fail by EIO only
_NEED_NO_SPACE = ("unlink", "sync", "truncate")
NEVER = 1 << 30


class Fault:
    """Counts the steps that change the disk, and strikes at one of them.

    Parameters
    ----------
    at : int
        The step, counted from 0.
    kill : bool
        Die there by SIGKILL; otherwise the disk fails from there on.
    error : int
        How: ``ENOSPC``, the disk is full; with ``EIO`` looking at the disk counts as a step too.
    once : bool
        Fail at that one step only.
    """

    def __init__(
        self, at: int, *, kill: bool, error: int = errno.ENOSPC, once: bool = False
    ) -> None:
        self.at = at
        self.kill = kill
        self.error = error
        self.once = once
        self.count = 0
        self.struck = ""  # the step that failed first

    def step(self, name: str) -> bool:
        """Count a step; return whether it fails."""
        if self.error != errno.EIO and name in _LOOKS:
            return False
        self.count += 1
        if self.count <= self.at or (self.once and self.count > self.at + 1):
            return False
        if self.kill:
            os.kill(os.getpid(), signal.SIGKILL)
        fails = self.error == errno.EIO or name not in _NEED_NO_SPACE
        self.struck = self.struck or (name if fails else "")
        return fails

    def strike(self, name: str) -> None:
        """Count a step of SQLite's; raise if it fails."""
        if self.step(name):
            if self.error == errno.EIO:
                raise apsw.IOError(f"the disk fails at {name}")
            raise apsw.FullError("no space")


class _File(apsw.VFSFile):
    def __init__(self, fault: Fault, name: str, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._fault = fault

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        self._fault.strike("read")
        return super().xRead(amount, offset)

    def xFileSize(self) -> int:  # noqa: N802
        self._fault.strike("size")
        return super().xFileSize()

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._fault.strike("write")
        super().xWrite(data, offset)

    def xSync(self, _flags: int) -> None:  # noqa: N802
        self._fault.strike("sync")  # and no more: what the kernel has, outlives the process

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._fault.strike("truncate")
        super().xTruncate(size)


class _Vfs(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("faulty", "unix")
        self.fault = Fault(NEVER, kill=False)

    def xOpen(self, name: str, flags: list[int]) -> _File:  # noqa: N802
        self.fault.strike("open")
        return _File(self.fault, name, flags)


@cache
def _vfs() -> _Vfs:
    return _Vfs()  # one for the life of the process: the cipher's VFS keeps a pointer to it


def install(fault: Fault, patch: pytest.MonkeyPatch) -> None:
    """Put the fault between the vault and the disk."""

    def faulty(real: Callable[..., object], name: str) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            # Deleting, and giving back a lock, need no space.
            if fault.step(name):
                raise OSError(fault.error, os.strerror(fault.error))
            return None if name == "fsync" else real(*args, **kwargs)

        return call

    for name in _STEPS:
        patch.setattr(os, name, faulty(getattr(os, name), name))
    if fault.error == errno.EIO:
        for name in ("open", "pread", "listdir"):
            patch.setattr(os, name, faulty(getattr(os, name), name))
        patch.setattr(io, "open", faulty(io.open, "open"))
    _vfs().fault = fault
    connect = partial(apsw.Connection, vfs="multipleciphers-faulty")
    patch.setattr(_index.apsw, "Connection", connect)
