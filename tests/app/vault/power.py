"""A disk that loses power: of what was not synced a part is lost, torn, or there out of order.

:class:`Recorder` notes every change that this process makes below a folder: files by ``os``, the
index by a VFS below the cipher. From that, :meth:`Recorder.image` builds what a loss of power at
a moment could leave, in the manner of SQLite's ``test6.c`` and of ALICE, pessimistically:

- written and not synced: each sector of 512 bytes is there or not, or is garbage where the write
  was to go; a change of length is there or not;
- entries of folders (made, renamed, deleted) last when their folder was synced. Of the others
  either a beginning is there, as journalling file systems keep them, or any of them that do not
  follow from a lost one: two entries of one folder are then lost apart.

``index.db-shm`` is never in an image: it is memory, and made anew.
"""

from __future__ import annotations

import os
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from app.vault import _index

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    import pytest

SECTOR = 512
_JOURNALS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL
_ROOT = 0


class Recorder:
    """The changes below `root`, in their order, from now on.

    Parameters
    ----------
    root : pathlib.Path
        The folder, of which nothing is open now.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.steps: list[tuple[Any, ...]] = []
        self.folders: dict[int, dict[str, int]] = {_ROOT: {}}
        self._files: dict[int, bytes] = {}  # as they were at the beginning
        self._descriptors: dict[int, int] = {}
        self._next = _ROOT + 1
        self._take(self.root, _ROOT)
        self._base = {number: dict(names) for number, names in self.folders.items()}

    def _take(self, folder: Path, number: int) -> None:
        for path in sorted(folder.iterdir()):
            child = self._number()
            self.folders[number][path.name] = child
            if path.is_dir():
                self.folders[child] = {}
                self._take(path, child)
            else:
                self._files[child] = path.read_bytes()

    def _number(self) -> int:
        self._next += 1
        return self._next

    def note(self, what: object) -> None:
        """Put a mark among the steps: what has been acknowledged by now."""
        self.steps.append(("mark", what))

    def where(self, path: Any, folder: int | None = None) -> tuple[int, str] | None:  # noqa: ANN401
        """Return the folder's number and the name of a path; None if it is not below the root."""
        if isinstance(path, int):
            return None
        if folder is not None:
            number = self._descriptors.get(folder)
            return None if number is None else (number, os.fspath(path))
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 (links are not followed)
        if self.root not in absolute.parents:
            return None
        number = _ROOT
        for part in absolute.parent.relative_to(self.root).parts:
            if part not in self.folders[number]:
                return None
            number = self.folders[number][part]
        return number, absolute.name

    def _set(self, *changes: tuple[tuple[int, str], int | None]) -> None:
        for (folder, name), number in changes:
            if number is None:
                self.folders[folder].pop(name, None)
            else:
                self.folders[folder][name] = number
        self.steps.append(("entries", changes))

    def opened(self, path: Any, folder: int | None, *, truncated: bool) -> int | None:  # noqa: ANN401
        """Return the number of a file that was opened, and may have been made by that."""
        if folder is None and Path(os.path.abspath(path)) == self.root:  # noqa: PTH100
            return _ROOT
        place = self.where(path, folder)
        if place is None:
            return None
        number = self.folders[place[0]].get(place[1])
        if number is None:
            number = self._number()
            self._files[number] = b""
            self._set((place, number))
        elif truncated:
            self.steps.append(("size", number, 0))
        return number

    def deleted(self, path: Any, folder: int | None = None) -> None:  # noqa: ANN401
        place = self.where(path, folder)
        if place:
            self._set((place, None))

    def written(self, number: int, offset: int, data: bytes) -> None:
        self.steps.append(("data", number, offset, bytes(data)))

    def cut(self, number: int, size: int) -> None:
        self.steps.append(("size", number, size))

    def synced(self, number: int) -> None:
        self.steps.append(("sync folder" if number in self.folders else "sync", number))

    # What takes the place of the functions of `os`.

    def open(self, real: Callable[..., int], path: Any, flags: int, *a: Any, **k: Any) -> int:  # noqa: ANN401
        file = real(path, flags, *a, **k)
        number = self.opened(path, k.get("dir_fd"), truncated=bool(flags & os.O_TRUNC))
        if number is not None:
            self._descriptors[file] = number
        return file

    def close(self, real: Callable[..., None], file: int) -> None:
        self._descriptors.pop(file, None)
        real(file)

    def write(self, real: Callable[..., int], file: int, data: Any) -> int:  # noqa: ANN401
        written = real(file, data)
        if file in self._descriptors:
            start = os.lseek(file, 0, os.SEEK_CUR) - written
            self.written(self._descriptors[file], start, bytes(data[:written]))
        return written

    def ftruncate(self, real: Callable[..., None], file: int, size: int) -> None:
        real(file, size)
        if file in self._descriptors:
            self.cut(self._descriptors[file], size)

    def fsync(self, _real: Callable[..., None], file: int) -> None:
        if file in self._descriptors:
            self.synced(self._descriptors[file])

    def mkdir(self, real: Callable[..., None], path: Any, *a: Any, **k: Any) -> None:  # noqa: ANN401
        real(path, *a, **k)
        place = self.where(path, k.get("dir_fd"))
        if place:
            number = self._number()
            self.folders[number] = {}
            self._set((place, number))

    def unlink(self, real: Callable[..., None], path: Any, *a: Any, **k: Any) -> None:  # noqa: ANN401
        real(path, *a, **k)
        self.deleted(path, k.get("dir_fd"))

    rmdir = unlink

    def replace(self, real: Callable[..., None], source: Any, to: Any, **k: Any) -> None:  # noqa: ANN401
        real(source, to, **k)
        before, after = self.where(source), self.where(to)
        if before and after:
            self._set((before, None), (after, self.folders[before[0]][before[1]]))

    rename = replace

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Note from now on what happens."""
        for name in (
            "open", "close", "write", "ftruncate", "fsync", "mkdir", "unlink", "rmdir", "replace",
            "rename",
        ):  # fmt: skip
            patch.setattr(os, name, partial(getattr(self, name), getattr(os, name)))
        _vfs().recorder = self
        connect = partial(apsw.Connection, vfs="multipleciphers-recorded")
        patch.setattr(_index.apsw, "Connection", connect)

    def image(self, at: int, place: Path, random: Random) -> None:
        """Write into a new folder what a loss of power after so many steps could leave."""
        disk = _Disk(self._base, self._files, ordered=random.random() < 0.5)
        for step in self.steps[:at]:
            disk.do(step)
        disk.lose(random)
        disk.write(place)


class _Disk:
    """What lasts, and what waits to."""

    def __init__(
        self, folders: dict[int, dict[str, int]], files: dict[int, bytes], *, ordered: bool
    ) -> None:
        self._folders = {number: dict(names) for number, names in folders.items()}
        self._base = files
        self._files: dict[int, bytearray] = {}
        self._ordered = ordered
        self._data: dict[int, list[tuple[Any, ...]]] = {}
        self._entries: list[tuple[tuple[tuple[int, str], int | None], ...]] = []

    def do(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("data" | "size", number, *_):
                self._data.setdefault(number, []).append(step)
            case ("sync", number):
                for change in self._data.pop(number, []):
                    self._apply(change)
            case ("entries", changes):
                self._entries.append(changes)
            case ("sync folder", number):
                self._sync_folder(number)

    def _file(self, number: int) -> bytearray:
        return self._files.setdefault(number, bytearray(self._base[number]))

    def _apply(self, change: tuple[Any, ...]) -> None:
        file = self._file(change[1])
        if change[0] == "size":
            size = change[2]
            del file[size:]
            file.extend(bytes(size - len(file)))
            return
        _, _, offset, data = change
        file.extend(bytes(max(0, offset + len(data) - len(file))))
        file[offset : offset + len(data)] = data

    def _sync_folder(self, number: int) -> None:
        concerned = [i for i, c in enumerate(self._entries) if any(p[0] == number for p, _ in c)]
        if not concerned:
            return
        last = set(range(concerned[-1] + 1)) if self._ordered else set(concerned)
        for at in reversed(range(len(self._entries))):  # and what these follow from
            if any(self._follows(self._entries[later], self._entries[at]) for later in last
                   if later > at):  # fmt: skip
                last.add(at)
        for at in sorted(last):
            self._rename(self._entries[at])
        self._entries = [c for at, c in enumerate(self._entries) if at not in last]

    @staticmethod
    def _follows(later: Any, earlier: Any) -> bool:  # noqa: ANN401
        """Return whether one change of entries cannot be there without another before it."""
        names = {place for place, _ in earlier}
        return any(place in names for place, _ in later)

    def _rename(self, changes: tuple[tuple[tuple[int, str], int | None], ...]) -> None:
        for (folder, name), number in changes:
            names = self._folders.setdefault(folder, {})
            if number is None:
                names.pop(name, None)
            else:
                names[name] = number

    def lose(self, random: Random) -> None:
        """Decide what of the waiting changes is there after the loss of power."""
        share = random.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        torn = random.random() < 0.5
        for changes in self._data.values():
            for change in changes:
                for part in _sectors(change):
                    if random.random() < share:
                        self._apply(part)
                    elif torn and part[0] == "data" and random.random() < 0.2:
                        self._apply((*part[:3], random.randbytes(len(part[3]))))
        kept = random.choice((0.0, 0.2, 0.5, 0.8, 1.0))
        if self._ordered:
            for changes in self._entries[: random.randint(0, len(self._entries))]:
                self._rename(changes)
            return
        lost: list[Any] = []
        for changes in self._entries:
            if random.random() < kept and not any(self._follows(changes, one) for one in lost):
                self._rename(changes)
            else:
                lost.append(changes)

    def write(self, place: Path, number: int = _ROOT) -> None:
        place.mkdir()
        for name, child in self._folders.get(number, {}).items():
            if child in self._base:
                (place / name).write_bytes(self._files.get(child, self._base[child]))
            else:
                self.write(place / name, child)


def _sectors(change: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    if change[0] != "data":
        return [change]
    _, number, offset, data = change
    edges = [*range(offset - offset % SECTOR + SECTOR, offset + len(data), SECTOR)]
    starts = [offset, *edges]
    ends = [*edges, offset + len(data)]
    return [
        ("data", number, start, data[start - offset : end - offset])
        for start, end in zip(starts, ends, strict=True)
    ]


class _File(apsw.VFSFile):
    def __init__(self, recorder: Recorder | None, name: Any, flags: list[int]) -> None:  # noqa: ANN401
        super().__init__("unix", name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._recorder = recorder
        self._number = recorder.opened(path, None, truncated=False) if recorder else None
        is_new_journal = flags[0] & _JOURNALS and flags[0] & apsw.SQLITE_OPEN_CREATE
        self._folder = None  # to be synced with the first sync of a new journal, as SQLite does
        if recorder and is_new_journal:
            place = recorder.where(path)
            self._folder = place[0] if place else None

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        if self._recorder and self._number is not None:
            self._recorder.written(self._number, offset, bytes(data))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        super().xTruncate(size)
        if self._recorder and self._number is not None:
            self._recorder.cut(self._number, size)

    def xSync(self, _flags: int) -> None:  # noqa: N802
        if self._recorder and self._number is not None:
            self._recorder.synced(self._number)
            if self._folder is not None:
                self._recorder.synced(self._folder)
                self._folder = None


class _Vfs(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("recorded", "unix")
        self.recorder: Recorder | None = None

    def xOpen(self, name: Any, flags: list[int]) -> _File:  # noqa: ANN401, N802
        return _File(self.recorder, name, flags)

    def xDelete(self, name: str, sync_folder: bool) -> None:  # noqa: FBT001, N802
        super().xDelete(name, sync_folder)
        if self.recorder:
            place = self.recorder.where(name)
            self.recorder.deleted(name)
            if place and sync_folder:
                self.recorder.synced(place[0])


@cache
def _vfs() -> _Vfs:
    return _Vfs()  # one for the life of the process: the cipher's VFS keeps a pointer to it
