"""WFDB records, the format of PhysioNet: a header, signal files and annotations.

Headers and annotations are read by modules of our own, which stand any bytes; samples are decoded
by the `wfdb` package. That package can also fetch records from the network: nothing but its decoder
of local signal files is called.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from signals.readers._labels import kind_of, unique_labels
from signals.readers._wfdb_annotations import read_marks
from signals.readers._wfdb_header import NULL_SEGMENT, Header, looks_like_header, read_header
from signals.readers._wfdb_samples import SignalFile, open_signal_files
from signals.recording import (
    Annotation,
    Channel,
    Patient,
    Recording,
    RecordingError,
    Unit,
    UnitError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from signals.readers._wfdb_header import Signal
    from signals.recording import DigitalArray

_NO_SAMPLE = -(1 << 31)  # where samples of several kinds are brought to one
_LAYOUT_MISMATCH = "the segments do not fit together"


def recognises(path: Path, head: bytes) -> bool:
    """Return whether the file at `path`, which begins with `head`, is a WFDB header."""
    if path.suffix == ".hea":
        return b"\0" not in head and bool(head.strip())
    return looks_like_header(head)


def open_wfdb(path: Path) -> Recording:
    """Open the record whose header is at `path`.

    Raises
    ------
    RecordingError
        If the header makes no sense or a signal file is missing or empty.
    """
    path = path.absolute()
    if "::" in str(path):
        # the file layer below `wfdb` takes what precedes a double colon for a protocol
        raise RecordingError(path, 'a WFDB record cannot be read from a path with "::" in it')
    header = read_header(path)
    repairs = list(header.repairs)
    parts = _parts_of(header, repairs) if header.segments else [_single(header, repairs)]
    layout = _layout(header, parts)
    labels, doubles = unique_labels(
        signal.label or f"signal {index}" for index, signal in enumerate(layout)
    )
    repairs += doubles

    n_frames = parts[-1].stop
    tracks = []
    channels = []
    for index, (signal, label) in enumerate(zip(layout, labels, strict=True)):
        track = _track(path, index, signal, parts)
        tracks.append(track)
        channels.append(_channel(header, label, track, n_frames))

    bare = [
        label for label, track in zip(labels, tracks, strict=True) if not track.reference.calibrated
    ]
    if bare:
        repairs.append(
            f"The header gives no gain for {', '.join(bare)}: not calibrated, "
            "200 steps a unit are assumed."
        )
    annotations = _annotations(path.with_suffix(".atr"), header.rate, n_frames, repairs)
    return _WfdbRecording(
        tuple(tracks),
        tuple(parts),
        format="WFDB",
        name=header.name,
        channels=tuple(channels),
        files=_files(path, parts),
        start=header.start,
        patient=_patient(header.comments),
        annotations=annotations,
        repairs=tuple(dict.fromkeys(repairs)),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """A stretch of the record, in frames, and the signals that were stored for it.

    A record of one segment has one part; nothing is stored for a null segment.
    """

    start: int
    stop: int
    header: Header | None
    files: dict[str, SignalFile]


@dataclass(frozen=True, slots=True)
class _Track:
    """One channel through all parts.

    Parameters
    ----------
    reference : Signal
        Whose gain, baseline and unit the channel has.
    sources : tuple of (Signal or None)
        What holds the channel in each part, None where it was not recorded.
    mixed : bool
        Whether samples are brought to the reference's gain, or are all stored in it.
    """

    reference: Signal
    sources: tuple[Signal | None, ...]
    mixed: bool

    @property
    def missing(self) -> int:
        """The integer that stands for "no sample"."""
        own = self.reference.missing
        return _NO_SAMPLE if self.mixed or own is None else own

    @property
    def is_wide(self) -> bool:
        """Whether samples need more than 16 bits."""
        return self.mixed or self.reference.stored_range[1] > np.iinfo(np.int16).max


def _single(header: Header, repairs: list[str]) -> _Part:
    files, n_frames = open_signal_files(header)
    promised = header.n_frames
    if promised is None:
        repairs.append(f"The header does not tell the length: the file holds {n_frames:,} samples.")
    elif n_frames < promised:
        repairs.append(
            f"The header promises {promised:,} samples, the file holds {n_frames:,}: read to there."
        )
    elif n_frames > promised + max(file.slack for file in files.values()):
        repairs.append(
            f"The header promises {promised:,} samples, the file holds {n_frames:,}: "
            f"{promised:,} are read, as the header says."
        )
    return _Part(0, min(n_frames, promised or n_frames), header, files)


def _parts_of(master: Header, repairs: list[str]) -> list[_Part]:
    """Open the segments of a record, the layout segment (of no length) included."""
    parts = []
    start = 0
    for number, segment in enumerate(master.segments):
        stop = start + segment.n_frames
        if segment.name == NULL_SEGMENT:
            parts.append(_Part(start, stop, None, {}))
            start = stop
            continue
        path = master.path.with_name(f"{segment.name}.hea")
        if path == master.path:
            raise RecordingError(master.path, f"line {segment.line}: the record is its own segment")
        header = read_header(path)
        if header.segments:
            raise RecordingError(path, "is a segment and has segments itself, which cannot be")
        repairs += header.repairs
        if number == 0 and segment.n_frames == 0:
            parts.append(_Part(0, 0, header, {}))
            continue
        files, held = open_signal_files(header)
        if held < segment.n_frames:
            repairs.append(
                f"Segment {segment.name}: the header promises {segment.n_frames:,} samples, "
                f"the file holds {held:,}: the rest is missing."
            )
        parts.append(_Part(start, stop, header, files))
        start = stop
    if start == 0:
        raise RecordingError(master.path, "all segments are empty")
    if master.n_frames not in {None, start}:
        repairs.append(
            f"The header promises {master.n_frames:,} samples, its segments add up to {start:,}: "
            "the segments are read."
        )
    return parts


def _layout(header: Header, parts: list[_Part]) -> tuple[Signal, ...]:
    """Return the signals that a record has, in their order."""
    first = next((part.header for part in parts if part.header is not None), None)
    if first is None:
        raise RecordingError(header.path, "no segment holds a signal")
    if len(first.signals) != header.n_signals:
        raise RecordingError(
            header.path,
            f"{_LAYOUT_MISMATCH}: {header.n_signals} signals are announced, "
            f"{first.path.name} has {len(first.signals)}",
        )
    return first.signals


def _track(path: Path, index: int, layout: Signal, parts: list[_Part]) -> _Track:
    """Find the signal `layout`, the record's number `index`, in every part."""
    fixed = parts[0].stop > 0
    sources: list[Signal | None] = []
    for part in parts:
        if part.header is None or part.stop == part.start:
            sources.append(None)
            continue
        source = _find(part.header, index, layout, fixed=fixed)
        if source is not None and source.samples_per_frame != layout.samples_per_frame:
            raise RecordingError(
                path,
                f"{_LAYOUT_MISMATCH}: line {source.line} of {part.header.path.name} stores "
                f"{source.samples_per_frame} samples per frame, {layout.samples_per_frame} "
                "were expected",
            )
        sources.append(source)
    found = [source for source in sources if source is not None]
    # The finest of several gains loses least: nothing, where the others divide it.
    reference = max(found, key=lambda signal: abs(signal.gain), default=layout)
    for source in found:
        try:
            _steps(source, reference)
        except UnitError as error:
            raise RecordingError(path, f"{_LAYOUT_MISMATCH}: {layout.label}: {error}") from error
    scales = {(signal.gain, signal.baseline, signal.unit, signal.missing) for signal in found}
    return _Track(reference, tuple(sources), mixed=len(scales) > 1)


def _find(header: Header, index: int, layout: Signal, *, fixed: bool) -> Signal | None:
    if fixed:
        return header.signals[index] if index < len(header.signals) else None
    return next((signal for signal in header.signals if signal.label == layout.label), None)


def _steps(source: Signal, reference: Signal) -> tuple[float, float]:
    """Return factor and summand that bring digital values of `source` to `reference`.

    Raises
    ------
    UnitError
        If they do not measure the same.
    """
    unit, wanted = Unit.named(source.unit), Unit.named(reference.unit)
    ratio = reference.gain / source.gain
    if unit != wanted:
        ratio *= unit.factor_to(wanted)
    return ratio, reference.baseline - source.baseline * ratio


def _channel(header: Header, label: str, track: _Track, n_frames: int) -> Channel:
    signal = track.reference
    unit = Unit.named(signal.unit)
    low, high = signal.digital_range
    return Channel(
        label=label,
        kind=kind_of(signal.label, unit, millivolts_are_ecg=True),
        rate=header.rate * signal.samples_per_frame,
        n_samples=n_frames * signal.samples_per_frame,
        unit=unit,
        scale=1.0 / signal.gain,
        offset=-signal.baseline / signal.gain,
        digital_min=low,
        digital_max=high,
        missing=track.missing,
    )


def _patient(comments: tuple[str, ...]) -> Patient:
    """Take what the comments tell: free text, by custom ``75 F ...`` or ``<age>: 75 <sex>: F``."""
    text = "\n".join(comments)
    sex = re.search(r"^\d{1,3} ([MF])\b|<?\bsex\b>?:? *([MF])", text, re.MULTILINE | re.IGNORECASE)
    return Patient(sex=(sex[1] or sex[2]).upper() if sex else "", remarks=text)


def _files(path: Path, parts: list[_Part]) -> tuple[Path, ...]:
    files = [path]
    for part in parts:
        if part.header is not None:
            files.append(part.header.path)
            files += [file.path for file in part.files.values()]
    return tuple(dict.fromkeys(files))


def _annotations(
    path: Path, rate: float, n_frames: int, repairs: list[str]
) -> tuple[Annotation, ...]:
    """Read the reference annotations at `path`, if there are any."""
    if not path.is_file():
        return ()
    try:
        marks = read_marks(path, rate)
    except OSError as error:
        repairs.append(f"The annotations ({path.name}) cannot be read: {error.strerror or error}.")
        return ()
    if not marks.is_complete:
        repairs.append(f"The annotations ({path.name}) are cut off: they are read to there.")
    inside = [mark for mark in marks.found if 0 <= mark[0] / marks.rate <= n_frames / rate]
    if left_out := marks.unknown + len(marks.found) - len(inside):
        repairs.append(
            f"{left_out:,} annotations ({path.name}) are of no known kind or lie outside of the "
            "recording: they are left out."
        )
    return tuple(
        Annotation(when / marks.rate, symbol, note=note) for when, symbol, note in sorted(inside)
    )


class _WfdbRecording(Recording):
    def __init__(self, tracks: tuple[_Track, ...], parts: tuple[_Part, ...], **facts: Any) -> None:  # noqa: ANN401
        super().__init__(**facts)
        self._tracks = tracks
        self._parts = parts
        self._stops = [part.stop for part in parts]

    def read_digital(self, channels: Sequence[int], start: int, stop: int) -> DigitalArray:
        """Return stored integers; see :meth:`Recording.read_digital`."""
        tracks = [self._tracks[index] for index in channels]
        wide = any(track.is_wide for track in tracks)
        samples = np.empty((len(channels), stop - start), np.int32 if wide else np.int16)
        samples[:] = np.array([[track.missing] for track in tracks])
        per_frame = tracks[0].reference.samples_per_frame
        for number in range(bisect_right(self._stops, start // per_frame), len(self._parts)):
            part = self._parts[number]
            begin, end = part.start * per_frame, part.stop * per_frame
            if begin >= stop:
                break
            low, high = max(start, begin), min(stop, end)
            for row, track in zip(samples, tracks, strict=True):
                found = _stored(track, number, part, low - begin, high - begin)
                row[low - start : low - start + len(found)] = found
            if stop >= end and number + 1 < len(self._parts):
                for file in part.files.values():
                    file.forget()  # a record of ten thousand segments would fill the memory
        return samples


def _stored(track: _Track, number: int, part: _Part, start: int, stop: int) -> DigitalArray:
    """Return samples of one part, as many of those asked for as it holds."""
    source = track.sources[number]
    if source is None or source.file not in part.files:
        return np.empty(0, np.int16)
    samples = part.files[source.file].read(source, start, stop)
    return _brought(samples, source, track.reference) if track.mixed else samples


def _brought(samples: DigitalArray, source: Signal, reference: Signal) -> DigitalArray:
    factor, summand = _steps(source, reference)
    limit = np.iinfo(np.int32)
    values = np.rint(samples * factor + summand).clip(limit.min + 1, limit.max)
    if source.missing is not None:
        values[samples == source.missing] = _NO_SAMPLE
    converted: NDArray[np.int32] = values.astype(np.int32)
    return converted
