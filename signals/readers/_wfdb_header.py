"""The header of a WFDB record: bytes in, checked values out.

The text is laid down in the WFDB Applications Guide, section ``header(5)``: one record line, then
a line for each signal, or for each segment of a multi-segment record; comments start with ``#``.
Everything a header can get wrong is found here, with the number of its line.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from signals.readers._limits import HIGHEST_RATE
from signals.recording import RecordingError

if TYPE_CHECKING:
    from pathlib import Path

NULL_SEGMENT = "~"

_LARGEST_HEADER = 8 << 20  # a master header of 100,000 segments takes 3 MB
_MOST_SIGNALS = 4096
_MOST_FRAMES = 10**11  # more than three years at 1 kHz
_MOST_SAMPLES_PER_FRAME = 1 << 19
_LONGEST_LABEL = 200

_DEFAULT_RATE = 250.0
_DEFAULT_GAIN = 200.0

# Names that lead out of the folder, or that a file-system layer could take for an address, are
# refused: a header from elsewhere must not choose what is opened.
_FILE_NAME = re.compile(r"[\w\-][\w\-.]*", re.ASCII)
_RECORD_LINE_START = re.compile(rb"[\w\-.]+(?:/\d+)?[ \t]+\d+(?:[ \t]|$)")
_FORMAT = re.compile(r"(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?")
_GAIN = re.compile(r"([^(/]*)(?:\(([^)]*)\))?(?:/(.*))?")

# What an integer of each storage format can be; the least value means "no sample" in all but 8.
_BITS = {
    "8": 32,
    "16": 16,
    "24": 24,
    "32": 32,
    "61": 16,
    "80": 8,
    "160": 16,
    "212": 12,
    "310": 10,
    "311": 10,
    "508": 8,
    "516": 16,
    "524": 24,
}


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal line.

    Parameters
    ----------
    file : str
        Name of the signal file, in the header's folder; ``~`` in the layout of a record.
    format : str
        Storage format, ``212`` and so on.
    samples_per_frame, skew, offset : int
        Samples in each frame; frames by which the signal lags in the file; where it begins there
        (bytes; samples in a FLAC file).
    gain : float
        Steps of the converter in one `unit`, never 0.
    baseline : int
        The digital value of 0 `unit`.
    unit, label : str
        As the header writes them; `label` is empty where it names none.
    calibrated : bool
        False where the header gives no gain, and the customary 200 stands in.
    resolution, zero : int
        Bits of the converter, 0 where not told, and the middle of its range.
    first : int
        The value before which differences (format 8) begin.
    line : int
        Where it stands in the header.
    """

    file: str
    format: str
    samples_per_frame: int
    skew: int
    offset: int
    gain: float
    baseline: int
    unit: str
    calibrated: bool
    resolution: int
    zero: int
    first: int
    label: str
    line: int

    @property
    def stored_range(self) -> tuple[int, int]:
        """Least and greatest integer that the storage format holds."""
        half = 1 << (_BITS[self.format] - 1)
        return -half, half - 1

    @property
    def missing(self) -> int | None:
        """The integer that stands for "no sample"."""
        return None if self.format == "8" else self.stored_range[0]

    @property
    def digital_range(self) -> tuple[int, int]:
        """The range of the converter, or of the storage format where the header is silent."""
        least, greatest = self.stored_range
        if not self.resolution:
            return least, greatest
        half = 1 << (self.resolution - 1)
        low, high = max(least, self.zero - half), min(greatest, self.zero + half - 1)
        # nstdb tells 11 bits around 0 with the zero line at 1024, and holds samples up to 3465
        return (low, high) if low <= self.baseline <= high else (least, greatest)


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment line: `name` is ``~`` where nothing was recorded; `n_frames` long."""

    name: str
    n_frames: int
    line: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says.

    Parameters
    ----------
    path : pathlib.Path
        The header file.
    name : str
        Name of the record: the file's, as the WFDB library takes it.
    rate : float
        Frames a second.
    n_frames : int or None
        Length, None where the header does not tell.
    start : datetime.datetime or None
        When it began; None where date or time is not told.
    signals : tuple of Signal
        Empty in the header of a multi-segment record.
    segments : tuple of Segment
        Empty in the header of a single segment.
    n_signals : int
        As the record line counts them.
    comments : tuple of str
        Without their ``#``.
    repairs : tuple of str
        What was mended while reading.
    """

    path: Path
    name: str
    rate: float
    n_frames: int | None
    start: datetime | None
    signals: tuple[Signal, ...]
    segments: tuple[Segment, ...]
    n_signals: int
    comments: tuple[str, ...] = field(repr=False)  # they tell of the patient
    repairs: tuple[str, ...]


def looks_like_header(head: bytes) -> bool:
    """Return whether the first bytes of a file read like a WFDB header's."""
    if b"\0" in head:
        return False
    for line in head.splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith(b"#"):
            return _RECORD_LINE_START.match(stripped) is not None
    return False


def read_header(path: Path) -> Header:
    """Read and check the header at `path`.

    Raises
    ------
    RecordingError
        If the file cannot be read or is no header that makes sense.
    """
    try:
        if path.exists() and not path.is_file():
            raise OSError("no regular file")  # one may wait for ever on a pipe
        with path.open("rb") as file:
            data = file.read(_LARGEST_HEADER + 1)
    except OSError as error:
        raise RecordingError(path, f"cannot be read: {error.strerror or error}") from error
    if len(data) > _LARGEST_HEADER:
        raise RecordingError(path, f"is larger than any header ({_LARGEST_HEADER >> 20} MiB)")
    if b"\0" in data:
        raise RecordingError(path, "holds binary data, not the text of a WFDB header")
    return _parse(path, data)


def _parse(path: Path, data: bytes) -> Header:
    repairs: list[str] = []
    lines, comments = _split(path, data, repairs)
    if not lines:
        raise RecordingError(path, "holds no record line: it is empty or all comments")
    record = lines[0]
    fields = record.text.split()
    if len(fields) < 2:
        raise record.error("expected a record name and a number of signals")
    _, slash, count = fields[0].partition("/")
    n_signals = record.integer(fields[1], "number of signals", 1, _MOST_SIGNALS)
    expected = record.integer(count, "number of segments", 1, 10**6) if slash else n_signals
    n_frames = None
    if len(fields) > 3:
        n_frames = record.integer(fields[3], "number of samples", 0, _MOST_FRAMES) or None
    start = _start(fields[4:], repairs)
    body = lines[1:]
    if len(body) < expected:
        raise record.error(
            f"promises {expected:,} {'segments' if slash else 'signals'}, "
            f"{len(body):,} are described"
        )
    if len(body) > expected:
        repairs.append(f"The header has lines after the {expected:,} it announces: they are left.")
        body = body[:expected]
    return Header(
        path=path,
        name=path.stem,
        rate=_rate(record, fields[2]) if len(fields) > 2 else _DEFAULT_RATE,
        n_frames=n_frames,
        start=start,
        signals=() if slash else tuple(map(_signal, body)),
        segments=tuple(map(_segment, body)) if slash else (),
        n_signals=n_signals,
        comments=comments,
        repairs=tuple(repairs),
    )


def _split(path: Path, data: bytes, repairs: list[str]) -> tuple[list[_Line], tuple[str, ...]]:
    """Return the lines that say something, and the comments."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        repairs.append("The header is not in UTF-8: it is read as Latin-1.")
    lines = []
    comments = []
    # str.splitlines would also split at characters that Latin-1 text may hold, such as U+0085
    for number, raw in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        content = raw.strip(" \t\f\v")
        if content.startswith("#"):
            comments.append(content.strip("# \t"))
        elif content:
            lines.append(_Line(path, number, content))
    return lines, tuple(filter(None, comments))


@dataclass(frozen=True, slots=True)
class _Line:
    path: Path
    number: int
    text: str

    def error(self, problem: str) -> RecordingError:
        return RecordingError(self.path, f"line {self.number}: {problem}")

    def integer(self, text: str, what: str, least: int, greatest: int) -> int:
        if not re.fullmatch(r"[+-]?\d{1,20}", text, re.ASCII):
            raise self.error(f"the {what} is no whole number")
        value = int(text)
        if not least <= value <= greatest:
            raise self.error(f"the {what} is {value:,}; {least:,} to {greatest:,} was expected")
        return value

    def number_of(self, text: str, what: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise self.error(f"the {what} is no number") from None
        if not math.isfinite(value):
            raise self.error(f"the {what} is not finite")
        return value


def _rate(line: _Line, field: str) -> float:
    rate = line.number_of(field.partition("/")[0], "sampling frequency")
    if not 0 < rate <= HIGHEST_RATE:
        raise line.error(
            f"the sampling frequency is {rate:g} Hz; "
            f"it must be above 0 and at most {HIGHEST_RATE:,.0f}"
        )
    return rate


def _start(fields: list[str], repairs: list[str]) -> datetime | None:
    if len(fields) < 2:
        return None  # a time of day without its date
    try:
        clock = [float(part) for part in fields[0].split(":")]
        seconds = sum(part * 60.0**power for power, part in enumerate(reversed(clock)))
        day, month, year = (int(part) for part in fields[1].split("/"))
        if len(clock) > 3 or not 0 <= seconds < 86400:
            raise ValueError
        midnight = datetime.combine(date(year, month, day), time())
        return midnight + timedelta(microseconds=round(seconds * 1e6))
    except (ValueError, OverflowError):
        repairs.append("The header's date or time makes no sense: the start is unknown.")
        return None


def _signal(line: _Line) -> Signal:
    fields = line.text.split(None, 8)
    if len(fields) < 2:
        raise line.error("expected the name of a signal file and a storage format")
    file = fields[0]
    if file != NULL_SEGMENT and not _FILE_NAME.fullmatch(file):
        raise line.error("the signal file must be a plain name in the header's own folder")
    match = _FORMAT.fullmatch(fields[1])
    if match is None or (match[1] not in _BITS and not (file == NULL_SEGMENT and match[1] == "0")):
        raise line.error(f"the storage format is none of {', '.join(_BITS)}")
    storage = match[1] if match[1] in _BITS else "16"  # the layout of a record stores nothing
    fields += ["0"] * (8 - len(fields))

    gain_match = _GAIN.fullmatch(fields[2])
    if gain_match is None:
        raise line.error("the gain is written in no known way")
    gain = line.number_of(gain_match[1], "gain")
    calibrated = gain != 0
    if calibrated and not 1e-15 < abs(gain) < 1e15:
        raise line.error(f"the gain is {gain:g}")
    wide = 1 << 31
    # a resolution that no converter has is as good as none
    resolution = line.integer(fields[3], "resolution", -wide, wide)
    zero = line.integer(fields[4], "ADC zero", -wide, wide)
    baseline = zero
    if gain_match[2] is not None:
        baseline = line.integer(gain_match[2], "baseline", -wide, wide)
    return Signal(
        file=file,
        format=storage,
        samples_per_frame=line.integer(
            match[2] or "1", "number of samples per frame", 1, _MOST_SAMPLES_PER_FRAME
        ),
        skew=line.integer(match[3] or "0", "skew", 0, _MOST_FRAMES),
        offset=line.integer(match[4] or "0", "byte offset", 0, 1 << 50),
        gain=gain if calibrated else _DEFAULT_GAIN,
        baseline=baseline,
        unit=gain_match[3] or "mV",
        calibrated=calibrated,
        resolution=resolution if 1 <= resolution <= 32 else 0,
        zero=zero,
        first=line.integer(fields[5], "initial value", -wide, wide),
        label=fields[8].strip()[:_LONGEST_LABEL] if len(fields) > 8 else "",
        line=line.number,
    )


def _segment(line: _Line) -> Segment:
    fields = line.text.split()
    if len(fields) < 2:
        raise line.error("expected the name of a segment and its length")
    if fields[0] != NULL_SEGMENT and not _FILE_NAME.fullmatch(fields[0]):
        raise line.error("a segment must be a plain record name in the header's own folder")
    n_frames = line.integer(fields[1], "length of the segment", 0, _MOST_FRAMES)
    return Segment(fields[0], n_frames, line.number)
