"""Recordings from files: :func:`open_recording`, :func:`find_recordings`.

:func:`read_annotations` reads the annotations of a WFDB record that are not opened with it.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from signals.readers import edf, wfdb
from signals.readers._wfdb_annotations import Marks, read_marks
from signals.readers._wfdb_header import read_header
from signals.recording import RecordingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from signals.recording import Recording

__all__ = ["Marks", "find_recordings", "open_recording", "read_annotations"]

_FORMATS = "WFDB, EDF, EDF+ and BDF"
_ENDINGS = {".edf", ".bdf"}
_HEAD = 4096


def open_recording(path: Path) -> Recording:
    """Open a recording of any format that is read; what it is, its content tells.

    Parameters
    ----------
    path : pathlib.Path
        The file. For a WFDB record its header, any file beside it that has the same name before
        the ending (``.dat``, ``.atr``), or the name of the record without ending.

    Raises
    ------
    RecordingError
        If there is no such file, it cannot be read, or is in no format that is read.
    """
    header = path.with_name(f"{path.name}.hea")
    if not os.path.lexists(path) and _is_file(header):
        path = header
    head = _head(path)
    if edf.recognises(path, head):
        return edf.open_edf(path)
    if wfdb.recognises(path, head):
        return wfdb.open_wfdb(path)
    header = path.with_suffix(".hea")
    if path != header and _is_file(header) and wfdb.recognises(header, _head(header)):
        return wfdb.open_wfdb(header)
    raise RecordingError(path, f"is in no format that is read ({_FORMATS})")


def find_recordings(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the recordings among files and folders, each once, in the order of their names.

    Parameters
    ----------
    paths : iterable of pathlib.Path
        Files, WFDB record names, and folders, which are searched with all folders below them.
        Hidden files are passed over. A file that is named here is yielded whatever it is, and so is
        a folder that cannot be read, so that opening it tells what is wrong.
    """
    seen: set[str] = set()
    for path in paths:
        for found in _walk(path, set()) if _is_folder(path) else [_named(path)]:
            identity = os.path.realpath(found)
            if identity not in seen:
                seen.add(identity)
                yield found


def read_annotations(header: Path, annotator: str) -> Marks:
    """Read an annotation file of a WFDB record.

    Parameters
    ----------
    header : pathlib.Path
        The ``.hea`` file of the record.
    annotator : str
        Ending of the annotation file beside it, without the dot.

    Raises
    ------
    RecordingError
        If one of the two is not there, or cannot be read.
    """
    path = header.with_suffix(f".{annotator}")
    rate = read_header(header).rate
    try:
        return read_marks(path, rate)
    except OSError as error:
        raise RecordingError(path, f"cannot be read: {error.strerror or error}") from error


def _named(path: Path) -> Path:
    """Return the header that `path` stands for, or `path` itself."""
    for header in (path.with_name(f"{path.name}.hea"), path.with_suffix(".hea")):
        if _is_file(header) and not _is_other_recording(path):
            return header
    return path


def _walk(folder: Path, above: set[tuple[int, int]]) -> Iterator[Path]:
    try:
        status = folder.stat()
        entries = sorted(folder.iterdir())
    except OSError:
        yield folder
        return
    identity = (status.st_dev, status.st_ino)
    if identity in above:  # a link back to a folder that is being searched
        return
    headers = (entry for entry in entries if entry.suffix == ".hea" and _is_file(entry))
    segments = set[str]().union(*map(_segments, headers))
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _is_folder(entry):
            yield from _walk(entry, above | {identity})
        elif _is_other_recording(entry) or (entry.suffix == ".hea" and entry.stem not in segments):
            yield entry


def _segments(header: Path) -> set[str]:
    """Return the names of the segments that `header` lists, none where it cannot be read."""
    try:
        return {segment.name for segment in read_header(header).segments}
    except RecordingError:
        return set()


def _is_other_recording(path: Path) -> bool:
    """Return whether `path` is a recording in one file, by its content or else by its ending."""
    if path.suffix.lower() in _ENDINGS:
        return True
    try:
        return edf.recognises(path, _head(path))
    except RecordingError:
        return False


def _is_folder(path: Path) -> bool:
    """Return whether `path` is a folder, False too where that cannot be known."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _is_file(path: Path) -> bool:
    """Return whether `path` is a file, False too where that cannot be known."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _head(path: Path) -> bytes:
    """Return the first bytes of the file.

    Raises
    ------
    RecordingError
        If there is no such file, or it cannot be read, or is empty.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            next(path.iterdir(), None)
            raise RecordingError(path, "is a folder, not a recording")
        if not stat.S_ISREG(mode):
            raise RecordingError(path, "is no regular file")
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError as error:
        raise RecordingError(path, "there is no such file") from error
    except PermissionError as error:
        raise RecordingError(path, "may not be read: permission is denied") from error
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or "the name makes no sense"
        raise RecordingError(path, f"cannot be read: {problem}") from error
    if not head:
        raise RecordingError(path, "is empty")
    return head
