"""EDF, EDF+ and BDF files.

Samples are read record by record straight from the file, so that one of any size, a BDF file too,
is read in little memory; the header is parsed and mended in `signals.readers._edf_header`.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np

from signals.readers._edf_header import FIXED, Header, is_edf, parse_header
from signals.readers._labels import kind_of, unique_labels
from signals.recording import (
    ARBITRARY,
    Annotation,
    Channel,
    Patient,
    Recording,
    RecordingError,
    Unit,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import FileIO
    from pathlib import Path

    from numpy.typing import NDArray

    from signals.readers._edf_header import Signal
    from signals.recording import DigitalArray

_NO_SAMPLE = -(1 << 31)  # no 16-bit or 24-bit sample is that
_LARGEST_HEADER = FIXED * 10_000  # the field that counts signals has four digits
_WHOLE_RECORD = 1 << 18  # bytes up to which a data record is read whole
_SHORT_RECORD = 1 << 14  # bytes up to which reading all is quicker than seeking annotations
_CHUNK = 1 << 22  # bytes read at once
_MOST_ANNOTATIONS = 1_000_000  # more than a week of beats
_ROUNDING = 1e-3  # seconds by which the time of a data record, written as text, may be off
_LONGEST_GAPS = 366 * 86400.0  # seconds that gaps may spread a recording over

# A time-stamped annotation list (EDF+, 2.2.2): onset, duration, texts. Lists are cut apart first,
# so that no byte is looked at more than a few times, whatever the file holds.
_LIST = re.compile(rb"[^\0]+\0?")
_NUMBER = rb"\d{1,15}(?:\.\d{0,30})?"
_TAL = re.compile(rb"([+-]%b)(?:\x15(%b))?\x14(.*)\x14\0" % (_NUMBER, _NUMBER), re.DOTALL)


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 (readers are asked alike)
    """Return whether a file that begins with `head` is EDF or BDF."""
    return is_edf(head)


def open_edf(path: Path) -> Recording:
    """Open the EDF, EDF+ or BDF file at `path`.

    Raises
    ------
    RecordingError
        If it cannot be read, or its header cannot be mended.
    """
    path = path.absolute()
    repairs: list[str] = []
    try:
        with path.open("rb") as opened:
            head = opened.read(_LARGEST_HEADER)
            size = os.fstat(opened.fileno()).st_size
    except OSError as error:
        raise RecordingError(path, f"cannot be read: {error.strerror or error}") from error
    header = parse_header(path, head, size, repairs)
    file = _File(path, header)
    onsets, annotations = _annotations(file, repairs)
    runs = _runs(header, onsets, repairs)
    return _EdfRecording(file, runs, onsets, annotations, repairs)


@dataclass(frozen=True, slots=True)
class _Run:
    """Data records that follow each other without a gap, from `onset` (s) of the recording on."""

    onset: float
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    header: Header

    def texts_of(self, signals: Sequence[Signal]) -> Iterator[tuple[int, Signal, bytes]]:
        """Yield (data record, signal, its first `_CHUNK` bytes there) of annotation signals."""
        header = self.header
        lengths = [min(signal.samples * header.width, _CHUNK) for signal in signals]
        with self._opened() as file:
            if header.record_size <= _SHORT_RECORD:
                for first, n_records in self._chunks(0, header.n_records):
                    rows = self._records(file, first, n_records)
                    for record, row in enumerate(rows, start=first):
                        for signal, length in zip(signals, lengths, strict=True):
                            at = signal.offset
                            yield record, signal, row[at : at + length].tobytes()
            else:
                for record in range(header.n_records):
                    start = header.size + record * header.record_size
                    for signal, length in zip(signals, lengths, strict=True):
                        text = self._read(file, start + signal.offset, length).tobytes()
                        yield record, signal, text

    def read_into(
        self, rows: DigitalArray, signals: Sequence[Signal], start: int, stop: int
    ) -> None:
        """Read samples, counted through all records as if there were no gap.

        Parameters
        ----------
        rows : numpy.ndarray, shape (len(signals), stop - start)
            Is filled.
        signals : sequence of Signal
            Of one rate.
        start, stop : int
            0 <= start < stop.
        """
        width, per_record = self.header.width, signals[0].samples
        with self._opened() as file:
            for first, n_records in self._chunks(start // per_record, -(-stop // per_record)):
                begin = first * per_record
                low, high = max(start, begin), min(stop, begin + n_records * per_record)
                if self._has_small_records:
                    records = self._records(file, first, n_records)
                for row, signal in zip(rows, signals, strict=True):
                    if self._has_small_records:
                        data = records[:, signal.offset : signal.offset + per_record * width]
                        samples = _from_bytes(data, width)[low - begin : high - begin]
                    else:
                        place = first * self.header.record_size + signal.offset
                        at = self.header.size + place + (low - begin) * width
                        samples = _from_bytes(self._read(file, at, (high - low) * width), width)
                    row[low - start : high - start] = samples

    @property
    def _has_small_records(self) -> bool:
        """Whether data records are read whole; of larger ones, only what is asked for is."""
        return self.header.record_size <= _WHOLE_RECORD

    def _chunks(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield (first data record, how many): as many as are read at once."""
        step = max(1, _CHUNK // self.header.record_size) if self._has_small_records else 1
        for record in range(first, last, step):
            yield record, min(step, last - record)

    @contextmanager
    def _opened(self) -> Iterator[FileIO]:
        try:
            with self.path.open("rb", buffering=0) as file:
                yield file
        except OSError as error:
            raise RecordingError(self.path, f"cannot be read: {error.strerror or error}") from error

    def _records(self, file: FileIO, first: int, n_records: int) -> NDArray[np.uint8]:
        size = self.header.record_size
        data = self._read(file, self.header.size + first * size, n_records * size)
        return data.reshape(n_records, size)

    def _read(self, file: FileIO, start: int, length: int) -> NDArray[np.uint8]:
        file.seek(start)
        data = np.fromfile(file, np.uint8, length)
        if len(data) < length:
            raise RecordingError(
                self.path, f"byte {start + len(data):,}: the file ends here, it has become shorter"
            )
        return data


def _from_bytes(data: NDArray[np.uint8], width: int) -> NDArray[np.int16 | np.int32]:
    flat = np.ascontiguousarray(data).reshape(-1, width)
    if width == 2:
        return flat.view("<i2")[:, 0].astype(np.int16, copy=False)
    wide = np.zeros((len(flat), 4), np.uint8)
    wide[:, 1:] = flat
    return (wide.view("<i4")[:, 0] >> 8).astype(np.int32, copy=False)


def _annotations(
    file: _File, repairs: list[str]
) -> tuple[NDArray[np.float64] | None, list[tuple[float, float, str]]]:
    """Return the onset of each data record, where all tell it, and (onset, duration, text)."""
    header = file.header
    sources = [signal for signal in header.signals if signal.is_annotations and signal.samples]
    if not sources:
        return None, []
    onsets = np.full(header.n_records, np.nan)
    found: list[tuple[float, float, str]] = []
    damaged = np.zeros(header.n_records, np.bool_)
    for record, signal, raw in file.texts_of(sources):
        may_keep_time = signal is sources[0]
        for piece in _LIST.finditer(raw):
            match = _TAL.fullmatch(piece[0])
            if match is None:
                damaged[record] = True
                continue
            if may_keep_time and match[3][:1] in {b"", b"\x14"}:
                onsets[record] = float(match[1])
            may_keep_time = False
            found += islice(_texts(match), _MOST_ANNOTATIONS + 1 - len(found))
    if damaged.any():
        repairs.append(
            f"The annotations of {damaged.sum():,} data records are damaged: "
            "those that cannot be read are left out."
        )
    if any(signal.samples * header.width > _CHUNK for signal in sources):
        repairs.append(
            f"The header gives more than {_CHUNK:,} bytes of annotations to a data record: "
            "only that many are read."
        )
    if len(found) > _MOST_ANNOTATIONS:
        del found[_MOST_ANNOTATIONS:]
        repairs.append(f"Only the first {_MOST_ANNOTATIONS:,} annotations are read.")
    found.sort()
    return (None if np.isnan(onsets).any() else onsets), found


def _texts(match: re.Match[bytes]) -> Iterator[tuple[float, float, str]]:
    """Yield (onset, duration, text) of a list, one by one, as there may be very many."""
    onset, duration = float(match[1]), float(match[2] or 0)
    for part in re.finditer(rb"[^\x14]+", match[3]):
        if text := _annotation_text(part[0]):
            yield onset, duration, text


def _annotation_text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        return raw.decode("latin-1").strip()


def _runs(
    header: Header, onsets: NDArray[np.float64] | None, repairs: list[str]
) -> tuple[_Run, ...]:
    """Return where the data records lie in time."""
    together = (_Run(0.0, 0, header.n_records),)
    if header.record_seconds == 0:
        return together
    if onsets is None:
        if header.is_discontinuous:
            repairs.append(
                "The file says that it has gaps, but not where: it is read as if it had none."
            )
        return together
    step = header.record_seconds
    since = onsets - onsets[0]
    if not header.is_discontinuous:
        if abs(since[-1] - (header.n_records - 1) * step) > max(step, 1.0):
            repairs.append(
                "The file says that it has no gaps, its time stamps say otherwise: "
                "it is read without gaps."
            )
        return together
    samples = [signal.samples for signal in header.signals if not signal.is_annotations]
    half_a_sample = step / max([1, *samples]) / 2
    tolerance = min(step / 2, max(half_a_sample, _ROUNDING))
    if (np.diff(since) < step - tolerance).any() or since[-1] > _LONGEST_GAPS:
        repairs.append(
            "The file has gaps, but the times of its data records make no sense: "
            "it is read as if it had none."
        )
        return together
    runs, behind = _placed(since.tolist(), step, tolerance)
    n_gaps = len(runs) - 1
    if n_gaps:
        last = runs[-1]
        missing = last.onset + last.count * step - header.n_records * step
        repairs.append(
            f"The recording has {n_gaps:,} gap{'s' if n_gaps > 1 else ''}, "
            f"{missing:,.3f} s in all, where samples are missing."
        )
    if behind > tolerance:
        repairs.append(
            "The data records are longer than the times between them: "
            f"samples lie up to {behind:,.3f} s later than the file says."
        )
    return runs


def _placed(since: list[float], step: float, tolerance: float) -> tuple[tuple[_Run, ...], float]:
    """Return runs of data records, and by how much the samples run behind the records' times.

    A record that begins later than `tolerance` (s) after the samples before it end begins a run.
    Its time is compared with where counting from the begin of the run puts it, so that small
    deviations cannot add up unseen.

    Parameters
    ----------
    since : list of float
        Seconds from the first data record to the begin of each.
    step : float
        Seconds of a data record.
    tolerance : float
        Seconds.
    """
    firsts = [0]
    behind = 0.0
    for record, onset in enumerate(since):
        late = onset - (since[firsts[-1]] + (record - firsts[-1]) * step)
        behind = max(behind, -late)
        if late > tolerance:
            firsts.append(record)
    ends = pairwise([*firsts, len(since)])
    return tuple(_Run(since[first], first, end - first) for first, end in ends), behind


class _EdfRecording(Recording):
    def __init__(
        self,
        file: _File,
        runs: tuple[_Run, ...],
        onsets: NDArray[np.float64] | None,
        annotations: list[tuple[float, float, str]],
        repairs: list[str],
    ) -> None:
        header = file.header
        signals = [signal for signal in header.signals if not signal.is_annotations]
        empty = [signal.label for signal in signals if not signal.samples]
        repairs += [f"{label}: the signal has no samples and is left out." for label in empty]
        self._signals = [signal for signal in signals if signal.samples]
        labels, doubles = unique_labels(signal.label for signal in self._signals)
        repairs += doubles
        self._file = file
        self._runs = runs
        # The first data record begins a fraction of a second after the header's whole second.
        began = float(onsets[0]) if onsets is not None else 0.0
        start = header.start
        if start is not None and abs(began) < 86400:
            start += timedelta(seconds=began)
        super().__init__(
            format=header.format,
            name=file.path.stem,
            channels=tuple(map(self._channel, self._signals, labels)),
            files=(file.path,),
            start=start,
            patient=_patient(header),
            annotations=tuple(
                _annotation(onset - began, duration, text, labels)
                for onset, duration, text in annotations
            ),
            repairs=tuple(dict.fromkeys(repairs)),
        )

    def _channel(self, signal: Signal, label: str) -> Channel:
        unit = Unit.named(signal.unit) if signal.calibrated else ARBITRARY
        rate = signal.samples / self._file.header.record_seconds
        last = self._runs[-1]
        return Channel(
            label=label,
            kind=kind_of(signal.label, unit),
            rate=rate,
            n_samples=round(last.onset * rate) + last.count * signal.samples,
            unit=unit,
            scale=signal.scale,
            offset=signal.shift,
            digital_min=signal.digital_range[0],
            digital_max=signal.digital_range[1],
            missing=_NO_SAMPLE if len(self._runs) > 1 else None,
            prefiltering=signal.prefiltering,
        )

    def read_digital(self, channels: Sequence[int], start: int, stop: int) -> DigitalArray:
        """Return stored integers; see :meth:`Recording.read_digital`."""
        wide = self._file.header.width == 3 or len(self._runs) > 1
        samples = np.empty((len(channels), stop - start), np.int32 if wide else np.int16)
        first = self.channels[channels[0]]
        if first.missing is not None:
            samples[:] = first.missing
        signals = [self._signals[index] for index in channels]
        per_record = signals[0].samples

        def begin_of(run: _Run) -> int:
            return round(run.onset * first.rate)

        holds_start = bisect_right(self._runs, start, key=begin_of) - 1
        for run in islice(self._runs, holds_start, None):
            begin = begin_of(run)
            if begin >= stop:
                break
            low, high = max(start, begin), min(stop, begin + run.count * per_record)
            if low < high:
                skip = run.first * per_record - begin
                rows = samples[:, low - start : high - start]
                self._file.read_into(rows, signals, low + skip, high + skip)
        return samples


def _annotation(onset: float, duration: float, text: str, labels: tuple[str, ...]) -> Annotation:
    before, mark, label = text.rpartition("@@")  # EDF+ ties an annotation to one signal like that
    if mark and label in labels:
        return Annotation(onset, before, duration, channel=label)
    return Annotation(onset, text, duration)


def _patient(header: Header) -> Patient:
    text = header.patient_field
    if not header.format.endswith("+"):
        is_told = set(text.split()) != {"X"}  # X is EDF+ for "not known", but EDF writes it too
        return Patient(remarks=text if is_told else "")
    words = [word.replace("_", " ") for word in text.split()] + ["X"] * 4
    code, sex, birth_date, name = ("" if word == "X" else word for word in words[:4])
    return Patient(
        name=name,
        code=code,
        sex=sex,
        birth_date=birth_date,
        remarks=" ".join(text.split()[4:]),
    )
