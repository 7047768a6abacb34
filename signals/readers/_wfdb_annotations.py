"""Annotation files of WFDB in the format that PhysioNet calls MIT; see its ``annot(5)``.

They are read here, not by `wfdb.rdann` (4.3.1): that one never comes back from a file whose first
note begins with ``## `` and is none that it knows, and takes nothing from a file that is cut off.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ANNOTATION_SYMBOLS = ' NLRaVFJASEj/Q~ | sT*D"=pB^t+u?![]en@xf()r'
"""By code; what a blank stands for means nothing."""

NOTE, SKIP, AUX = 22, 59, 63
_LARGEST_FILE = 16 << 20  # some eight million annotations
_RATE = re.compile(r"## time resolution: (\d+(?:\.\d*)?)", re.ASCII)
_DEFINITION = re.compile(r"(\d{1,2}) (\S+) ", re.ASCII)


@dataclass(slots=True)
class Mark:
    """One annotation: `tick` counts from the start, `note` is what hangs on it."""

    tick: int
    code: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Marks:
    """What an annotation file holds.

    Parameters
    ----------
    rate : float
        Ticks in a second.
    found : tuple of (int, str, str)
        Tick, symbol and note of each annotation, in the file's order.
    unknown : int
        How many others have a code that means nothing.
    is_complete : bool
        Whether the end was reached, as opposed to a cut.
    """

    rate: float
    found: tuple[tuple[int, str, str], ...]
    unknown: int
    is_complete: bool


def read_marks(path: Path, rate: float) -> Marks:
    """Read the annotation file at `path`.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    rate : float
        Ticks in a second, unless the file has its own: finer than the signal's samples, say.

    Raises
    ------
    OSError
        If it cannot be read, or is larger than any of its kind.
    """
    with path.open("rb") as file:
        data = file.read(_LARGEST_FILE + 1)
    if len(data) > _LARGEST_FILE:
        raise OSError("larger than any annotation file")
    marks: list[Mark] = []
    is_complete = _decode(data, marks)
    symbols = dict(enumerate(ANNOTATION_SYMBOLS))
    found = []
    unknown = 0
    for mark in marks:
        if mark.tick == 0 and mark.code == NOTE and mark.note:
            if match := _RATE.match(mark.note):
                rate = float(match[1]) or rate
            elif match := _DEFINITION.match(mark.note):
                symbols[int(match[1])] = match[2]
            if mark.note.startswith("##") or match:
                continue
        symbol = symbols.get(mark.code, " ")
        if symbol != " ":
            found.append((mark.tick, symbol, mark.note))
        elif mark.code:
            unknown += 1
    return Marks(rate, tuple(found), unknown, is_complete)


def _decode(data: bytes, marks: list[Mark]) -> bool:
    """Add the annotations in `data`; return whether their end was reached."""
    tick = position = 0
    while position + 2 <= len(data):
        (word,) = struct.unpack_from("<H", data, position)
        position += 2
        code, value = word >> 10, word & 1023
        if word == 0:
            return True
        if code == SKIP:
            if position + 4 > len(data):
                return False
            high, low = struct.unpack_from("<hH", data, position)
            tick += (high << 16) + low
            position += 4
        elif code == AUX:
            raw = data[position : position + value]
            position += value + value % 2
            if marks:
                marks[-1].note = _text(raw)
            if position > len(data):
                return False
        elif code < SKIP:
            tick += value
            marks.append(Mark(tick, code))
    return False


def _text(raw: bytes) -> str:
    raw = raw.rstrip(b"\0")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
