"""The header of an EDF, EDF+ or BDF file: bytes in, mended values out.

Kemp et al. 1992 (EDF), Kemp and Olivan 2003 (EDF+), BioSemi (BDF). All fields are text of a fixed
width. Writers get many of them wrong; what can be mended without guessing at time is mended, and
each time one sentence says so.
"""

from __future__ import annotations

import contextlib
import math
import re
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import TYPE_CHECKING

from signals.readers._limits import HIGHEST_RATE
from signals.recording import RecordingError

if TYPE_CHECKING:
    from pathlib import Path

FIXED = 256
"""Bytes before the signals' fields, and bytes of the fields of each signal."""

_SMALLEST_SCALE, _LARGEST = 1e-30, 1e30  # what single precision holds with room to spare
_SHORTEST_RECORD, _LONGEST_RECORD = 1e-6, 1e7  # seconds
_BDF_MAGIC = b"\xffBIOSEMI"
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_THREE_NUMBERS = re.compile(r"\s*(\d{1,2})[.:'\-/ ]\s*(\d{1,2})[.:'\-/ ]\s*(\d{1,2})")

# (name, width) of each field of all signals, in their order
_SIGNAL_FIELDS = (
    ("label", 16),
    ("transducer", 80),
    ("unit", 8),
    ("physical_min", 8),
    ("physical_max", 8),
    ("digital_min", 8),
    ("digital_max", 8),
    ("prefiltering", 80),
    ("samples", 8),
)


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal of the header.

    Parameters
    ----------
    label, unit, prefiltering : str
        As written.
    samples : int
        In each data record.
    offset : int
        Where its bytes begin in a data record.
    scale, shift : float
        physical = digital × scale + shift.
    digital_range : tuple of (int, int)
        Of the converter.
    calibrated : bool
        False where the ranges make no sense and values are the stored integers.
    is_annotations : bool
        Whether its bytes are no samples but the annotations of EDF+.
    """

    label: str
    unit: str
    prefiltering: str
    samples: int
    offset: int
    scale: float
    shift: float
    digital_range: tuple[int, int]
    calibrated: bool
    is_annotations: bool


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says, mended.

    Parameters
    ----------
    format : str
        ``EDF``, ``EDF+``, ``BDF`` or ``BDF+``.
    width : int
        Bytes of a sample.
    size, record_size : int
        Bytes of the header and of a data record.
    n_records : int
        Whole data records that the file holds.
    record_seconds : float
        Length of a data record; 0 where there are only annotations.
    is_discontinuous : bool
        Whether there may be gaps between data records (EDF+D).
    patient_field : str
        The local patient identification.
    start : datetime.datetime or None
        By the header; EDF+ adds a fraction of a second to it elsewhere.
    signals : tuple of Signal
        Annotations included.
    """

    format: str
    width: int
    size: int
    record_size: int
    n_records: int
    record_seconds: float
    is_discontinuous: bool
    patient_field: str = field(repr=False)
    start: datetime | None
    signals: tuple[Signal, ...]


def is_edf(head: bytes) -> bool:
    """Return whether a file that begins with `head` is EDF or BDF."""
    return head[:8] == _BDF_MAGIC or head[:8].rstrip(b" \0") == b"0"


def parse_header(path: Path, data: bytes, file_size: int, repairs: list[str]) -> Header:
    """Return the header; what had to be mended is added to `repairs`.

    Parameters
    ----------
    path : pathlib.Path
        For messages.
    data : bytes
        The beginning of the file, at least as long as its header.
    file_size : int
        Bytes of the whole file.
    repairs : list of str
        Is added to.

    Raises
    ------
    RecordingError
        If the header is cut off, or leaves open how samples are to be read.
    """
    if len(data) < FIXED:
        raise RecordingError(path, f"ends after {len(data)} bytes, within the header of {FIXED}")
    width = 3 if data[:8] == _BDF_MAGIC else 2
    if any(byte > 126 for byte in data[8:FIXED]):
        repairs.append(_NOT_ASCII)
    kind = _text(data[192:236])
    family = "BDF" if width == 3 else "EDF"
    is_plus = kind.upper().startswith(f"{family}+")

    n_signals = _whole(_text(data[252:256]))
    if n_signals is None or n_signals < 1:
        raise RecordingError(path, "bytes 252 to 256: expected the number of signals, at least 1")
    size = FIXED * (n_signals + 1)
    if len(data) < size:
        raise RecordingError(
            path,
            f"ends after {len(data):,} bytes, within the header of {size:,} "
            f"that {n_signals} signals need",
        )
    if _whole(_text(data[184:192])) != size:
        repairs.append(f"The header gives a wrong length of itself: {size:,} bytes are right.")

    signals = _signals(path, data[FIXED:size], n_signals, f"{family} Annotations", width, repairs)
    record_size = sum(signal.samples for signal in signals) * width
    record_seconds = _number(_text(data[244:252]), repairs) or 0.0
    if not _SHORTEST_RECORD <= record_seconds <= _LONGEST_RECORD:
        record_seconds = 0.0
    has_samples = any(signal.samples and not signal.is_annotations for signal in signals)
    if record_seconds == 0 and has_samples:
        raise RecordingError(path, "bytes 244 to 252: expected the seconds in a data record")
    for index, signal in enumerate(signals, start=1):
        if signal.samples > HIGHEST_RATE * record_seconds and not signal.is_annotations:
            raise RecordingError(
                path,
                f"signal {index} of the header: {signal.samples:,} samples in a data record of "
                f"{record_seconds:g} s; expected at most {HIGHEST_RATE:,.0f} a second",
            )
    return Header(
        format=f"{family}+" if is_plus else family,
        width=width,
        size=size,
        record_size=record_size,
        n_records=_n_records(path, data, file_size - size, record_size, repairs),
        record_seconds=record_seconds,
        is_discontinuous=is_plus and kind[4:5].upper() == "D",
        patient_field=_text(data[8:88]),
        start=_start(data, repairs),
        signals=signals,
    )


_NOT_ASCII = "The header holds letters beyond ASCII: they are read as UTF-8 or Latin-1."


def _text(field: bytes) -> str:
    try:
        text = field.decode("utf-8")
    except UnicodeDecodeError:
        text = field.decode("latin-1")
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[+-]?\d{1,9}", text, re.ASCII) else None


def _number(text: str, repairs: list[str]) -> float | None:
    if re.fullmatch(r"[^,]*\d,\d*[^,]*", text):
        text = text.replace(",", ".")
        repairs.append("The header writes decimal commas: they are read as points.")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _n_records(
    path: Path, data: bytes, body_size: int, record_size: int, repairs: list[str]
) -> int:
    if record_size == 0:
        raise RecordingError(path, "no signal has samples")
    held, rest = divmod(max(0, body_size), record_size)
    if held == 0:
        raise RecordingError(path, "holds no whole data record after its header")
    promised = _whole(_text(data[236:244]))
    if promised is None or promised < 0:
        repairs.append(
            f"The header does not tell how many data records follow: there are {held:,}."
        )
    elif promised != held:
        repairs.append(
            f"The header promises {promised:,} data records, the file holds {held:,}: "
            "these are read."
        )
    if rest:
        repairs.append(f"The last data record is cut off: its {rest:,} bytes are left out.")
    return held


def _signals(
    path: Path, data: bytes, n_signals: int, annotations: str, width: int, repairs: list[str]
) -> tuple[Signal, ...]:
    if any(byte > 126 for byte in data) and _NOT_ASCII not in repairs:
        repairs.append(_NOT_ASCII)
    columns: dict[str, list[str]] = {}
    position = 0
    for name, length in _SIGNAL_FIELDS:
        columns[name] = [
            _text(data[start : start + length])
            for start in range(position, position + length * n_signals, length)
        ]
        position += length * n_signals
    signals = []
    offset = 0
    for index in range(n_signals):
        fields = {name: texts[index] for name, texts in columns.items()}
        label = fields["label"] or f"signal {index + 1}"
        samples = _whole(fields["samples"])
        if samples is None or samples < 0:
            raise RecordingError(
                path, f"signal {index + 1} of the header: expected its samples in a data record"
            )
        is_annotations = label == annotations
        calibration = None if is_annotations else _calibration(fields, width, repairs)
        if calibration is None and not is_annotations:
            repairs.append(
                f"{label}: the header's physical and digital ranges make no sense; "
                "values are the stored numbers, without a unit."
            )
        half = 1 << (8 * width - 1)
        scale, shift, digital_range = calibration or (1.0, 0.0, (-half, half - 1))
        signals.append(
            Signal(
                label=label,
                unit=fields["unit"],
                prefiltering=fields["prefiltering"],
                samples=samples,
                offset=offset,
                scale=scale,
                shift=shift,
                digital_range=digital_range,
                calibrated=calibration is not None,
                is_annotations=is_annotations,
            )
        )
        offset += samples * width
    return tuple(signals)


def _calibration(
    fields: dict[str, str], width: int, repairs: list[str]
) -> tuple[float, float, tuple[int, int]] | None:
    """Return scale, shift and digital range, None where the header's make no sense."""
    names = ("physical_min", "physical_max", "digital_min", "digital_max")
    ends = [end for name in names if (end := _number(fields[name], repairs)) is not None]
    if len(ends) < len(names):
        return None
    low, high, least, greatest = ends
    half = 1 << (8 * width - 1)
    first, last = max(-half, int(min(least, greatest))), min(half - 1, int(max(least, greatest)))
    if first >= last:
        return None
    scale = (high - low) / (greatest - least)
    shift = low - least * scale
    if not _SMALLEST_SCALE < abs(scale) < _LARGEST or not abs(shift) < _LARGEST:
        return None
    return scale, shift, (first, last)


def _start(data: bytes, repairs: list[str]) -> datetime | None:
    """Return the start: the day of EDF+ where it is told, or else that of EDF."""
    words = _text(data[88:168]).split()
    day = None
    is_told = len(words) > 1 and words[0].lower() == "startdate"
    if is_told:
        with contextlib.suppress(ValueError):
            number, month, year = words[1].split("-")
            day = date(int(year), _MONTHS.index(month.upper()) + 1, int(number))
    if day is None:
        match = _THREE_NUMBERS.fullmatch(_text(data[168:176]))
        with contextlib.suppress(ValueError):
            if match is not None:
                year_2 = int(match[3])  # 85 to 99 are of the last century: the EDF+ clipping date
                day = date(year_2 + (1900 if year_2 >= 85 else 2000), int(match[2]), int(match[1]))
        if is_told and words[1] == "X" and day == date(1985, 1, 1):
            return None  # taken out, so that nobody is recognised by it
    match = _THREE_NUMBERS.fullmatch(_text(data[176:184]))
    if day is not None and match is not None:
        with contextlib.suppress(ValueError):
            return datetime.combine(day, time(int(match[1]), int(match[2]), int(match[3])))
    repairs.append("The header's date or time makes no sense: the start is unknown.")
    return None
