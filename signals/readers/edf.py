"""EDF, EDF+ and BDF files.

Samples are read record by record straight from the file, so that one of any size, a BDF file too,
is read in little memory; the header is parsed and mended in `signals.readers._edf_header`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
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
    from collections.abc import Sequence
    from io import FileIO
    from pathlib import Path

    from numpy.typing import NDArray

    from signals.readers._edf_header import Signal
    from signals.recording import DigitalArray

_NO_SAMPLE = -(1 << 31)  # no 16-bit or 24-bit sample is that
_LARGEST_HEADER = FIXED * 10_000  # the field that counts signals has four digits
_WHOLE_RECORDS = 1 << 16  # bytes of a data record up to which all of it is read for one channel
_LONGEST_GAPS = 366 * 86400.0  # seconds that gaps may spread a recording over

# A time-stamped annotation list (EDF+, 2.2.2): onset, duration, texts.
_TAL = re.compile(rb"([+-]\d{1,15}(?:\.\d*)?)(?:\x15(\d{1,15}(?:\.\d*)?))?\x14([^\0]*)\x14(?=\0)")


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

    def bytes_of(
        self, signal: Signal, record: int, n_records: int, part: slice | None = None
    ) -> NDArray[np.uint8]:
        """Return the bytes of one signal in each of `n_records`, `part` of each record only."""
        header = self.header
        part = part or slice(0, signal.samples * header.width)
        begin, end = signal.offset + part.start, signal.offset + part.stop
        start = header.size + record * header.record_size
        try:
            with self.path.open("rb", buffering=0) as file:
                if header.record_size <= _WHOLE_RECORDS:
                    data = self._read(file, start, n_records * header.record_size)
                    return data.reshape(n_records, header.record_size)[:, begin:end]
                starts = range(start, start + n_records * header.record_size, header.record_size)
                return np.stack([self._read(file, at + begin, end - begin) for at in starts])
        except OSError as error:
            raise RecordingError(self.path, f"cannot be read: {error.strerror or error}") from error

    def _read(self, file: FileIO, start: int, length: int) -> NDArray[np.uint8]:
        file.seek(start)
        data = np.fromfile(file, np.uint8, length)
        if len(data) < length:
            raise RecordingError(
                self.path, f"byte {start + len(data):,}: the file ends here, it has become shorter"
            )
        return data

    def samples_of(self, signal: Signal, start: int, stop: int) -> NDArray[np.int16 | np.int32]:
        """Return samples of one signal, counted through all records as if there were no gap."""
        width, per_record = self.header.width, signal.samples
        first, last = start // per_record, (stop - 1) // per_record
        part = None
        if first == last:
            offset = first * per_record
            part = slice((start - offset) * width, (stop - offset) * width)
        data = np.ascontiguousarray(self.bytes_of(signal, first, last - first + 1, part))
        samples = _from_bytes(data.reshape(-1, width))
        if first == last:
            return samples
        return samples[start - first * per_record : stop - first * per_record]


def _from_bytes(data: NDArray[np.uint8]) -> NDArray[np.int16 | np.int32]:
    if data.shape[1] == 2:
        return data.view("<i2")[:, 0].astype(np.int16, copy=False)
    wide = np.zeros((len(data), 4), np.uint8)
    wide[:, 1:] = data
    return (wide.view("<i4")[:, 0] >> 8).astype(np.int32, copy=False)


def _annotations(
    file: _File, repairs: list[str]
) -> tuple[NDArray[np.float64] | None, list[tuple[float, float, str]]]:
    """Return the onset of each data record, where all tell it, and (onset, duration, text)."""
    header = file.header
    sources = [signal for signal in header.signals if signal.is_annotations and signal.samples]
    onsets = np.full(header.n_records, np.nan)
    found = []
    damaged = 0
    step = max(1, (1 << 20) // header.record_size)
    for number, signal in enumerate(sources):
        for start in range(0, header.n_records, step):
            count = min(step, header.n_records - start)
            for index, row in enumerate(file.bytes_of(signal, start, count), start):
                raw = row.tobytes()
                lists = list(_TAL.finditer(raw))
                damaged += not lists and bool(raw.strip(b"\0"))
                for position, match in enumerate(lists):
                    onset, duration = float(match[1]), float(match[2] or 0)
                    if number == 0 and position == 0 and match[3][:1] in {b"", b"\x14"}:
                        onsets[index] = onset
                    found += [
                        (onset, duration, text)
                        for text in map(_annotation_text, match[3].split(b"\x14"))
                        if text
                    ]
    if damaged:
        repairs.append(
            f"The annotations of {damaged:,} data records are damaged: they are left out."
        )
    found.sort()
    return (None if np.isnan(onsets).any() else onsets), found


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
    tolerance = min(step / 2, 1e-3)
    if not header.is_discontinuous:
        if abs(since[-1] - (header.n_records - 1) * step) > max(step, 1.0):
            repairs.append(
                "The file says that it has no gaps, its time stamps say otherwise: "
                "it is read without gaps."
            )
        return together
    if (np.diff(since) < step - tolerance).any() or since[-1] > _LONGEST_GAPS:
        repairs.append(
            "The file has gaps, but the times of its data records make no sense: "
            "it is read as if it had none."
        )
        return together
    gaps = np.flatnonzero(np.diff(since) > step + tolerance) + 1
    if not len(gaps):
        return together
    missing = since[-1] + step - header.n_records * step
    repairs.append(
        f"The recording has {len(gaps):,} gap{'s' if len(gaps) > 1 else ''}, "
        f"{missing:,.3f} s in all, where samples are missing."
    )
    firsts = [0, *gaps.tolist(), header.n_records]
    return tuple(
        _Run(float(since[first]), first, following - first) for first, following in pairwise(firsts)
    )


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
        for row, index in zip(samples, channels, strict=True):
            self._fill(row, index, start, stop)
        return samples

    def _fill(self, row: DigitalArray, index: int, start: int, stop: int) -> None:
        signal, channel = self._signals[index], self.channels[index]
        if channel.missing is not None:
            row[:] = channel.missing
        for run in self._runs:
            begin = round(run.onset * channel.rate)
            low, high = max(start, begin), min(stop, begin + run.count * signal.samples)
            if low < high:
                skip = run.first * signal.samples - begin
                row[low - start : high - start] = self._file.samples_of(
                    signal, low + skip, high + skip
                )


def _annotation(onset: float, duration: float, text: str, labels: tuple[str, ...]) -> Annotation:
    before, mark, label = text.rpartition("@@")  # EDF+ ties an annotation to one signal like that
    if mark and label in labels:
        return Annotation(onset, before, duration, channel=label)
    return Annotation(onset, text, duration)


def _patient(header: Header) -> Patient:
    text = header.patient_field
    if not header.format.endswith("+"):
        return Patient(remarks=text)
    words = [word.replace("_", " ") for word in text.split()] + ["X"] * 4
    code, sex, birth_date, name = ("" if word == "X" else word for word in words[:4])
    return Patient(
        name=name,
        code=code,
        sex=sex,
        birth_date=birth_date,
        remarks=" ".join(text.split()[4:]),
    )
