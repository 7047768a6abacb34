"""WFDB annotation files, in the format that PhysioNet calls MIT.

Each annotation is a 16-bit word (10 bits of time since the one before, 6 bits of code), followed by
words for what else belongs to it; see ``annot(5)`` of the WFDB Applications Guide.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from signals.readers._wfdb_annotations import ANNOTATION_SYMBOLS, AUX, NOTE, SKIP
from signals.writers._whole import written_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_CODES = {symbol: code for code, symbol in enumerate(ANNOTATION_SYMBOLS) if symbol != " "}
_LONGEST_STEP = 1023
_LONGEST_SKIP = (1 << 31) - 1
_LONGEST_NOTE = 255


def write_annotations(
    folder: Path,
    name: str,
    extension: str,
    rate: float,
    samples: NDArray[np.int64] | Sequence[int],
    symbols: Sequence[str],
    notes: Sequence[str] | None = None,
) -> Path:
    """Write the annotation file ``name.extension`` into `folder`, whole or not at all.

    Parameters
    ----------
    folder : pathlib.Path
        Must exist.
    name : str
        Of the record.
    extension : str
        Name of the annotator: ``tk``, ``atr``.
    rate : float
        Of the signal, Hz; `samples` count at it. It is written into the file.
    samples : array of int, shape (n,)
        When, ascending, from 0 on.
    symbols : sequence of str, length n
        What, in the symbols of WFDB: ``N``, ``V``, ``+`` and so on.
    notes : sequence of str, length n, optional
        Auxiliary text of each (``(AFIB``), empty where there is none; up to 255 bytes in UTF-8.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        If the annotations are not in order, or one cannot be written.
    OSError
        If the file cannot be written; an earlier one of that name is then left as it was.
    """
    if not re.fullmatch(r"[\w\-.]+", name) or not re.fullmatch(r"\w+", extension):
        raise ValueError(f"{name}.{extension} cannot be the name of an annotation file")
    content = _encoded(rate, samples, symbols, notes or [""] * len(symbols))
    target = folder / f"{name}.{extension}"
    with written_whole(target) as file:
        file.write(content)
    return target


def _encoded(
    rate: float,
    samples: NDArray[np.int64] | Sequence[int],
    symbols: Sequence[str],
    notes: Sequence[str],
) -> bytes:
    # The sampling frequency goes first, as a note at sample 0; a step back and forth ends it.
    parts = [_word(NOTE, 0), _aux(f"## time resolution: {rate:.12g}"), _skip(-1), _word(0, 1)]
    before = 0
    for sample, symbol, note in zip(map(int, samples), symbols, notes, strict=True):
        step = sample - before
        if step < 0:
            raise ValueError(f"annotations must ascend from 0: {sample} follows {before}")
        if symbol not in _CODES:
            raise ValueError(f"{symbol!r} is no WFDB annotation symbol")
        while step > _LONGEST_STEP:
            skipped = min(step, _LONGEST_SKIP)
            parts.append(_skip(skipped))
            step -= skipped
        parts.append(_word(_CODES[symbol], step))
        if note:
            parts.append(_aux(note))
        before = sample
    parts.append(_word(0, 0))
    return b"".join(parts)


def _word(code: int, step: int) -> bytes:
    return struct.pack("<H", code << 10 | step)


def _skip(step: int) -> bytes:
    high, low = divmod(step & 0xFFFFFFFF, 1 << 16)
    return _word(SKIP, 0) + struct.pack("<HH", high, low)


def _aux(text: str) -> bytes:
    raw = text.encode("utf-8")
    if len(raw) > _LONGEST_NOTE:
        raise ValueError(f"a note is {len(raw)} bytes long; {_LONGEST_NOTE} fit")
    return _word(AUX, len(raw)) + raw + b"\0" * (len(raw) % 2)
