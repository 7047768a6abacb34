"""The content of a waveform blob: a header in JSON, then the samples as they were stored.

Channels of one rate and length form a group. A group is cut into blocks of a fixed number of
samples, and a block holds its channels one after another, so that writing needs one pass over the
recording, and ten seconds of all its channels lie together.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.vault._blobs import blob_errors
from signals.envelope import Envelope, EnvelopeBuilder
from signals.recording import (
    Annotation,
    Channel,
    ChannelKind,
    DigitalArray,
    Patient,
    Recording,
    RecordingError,
    Unit,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from app.vault._chunked import Reader, Writer

LENGTH = struct.Struct("<I")
BLOCK = 8192  # samples
_AT_ONCE = 4 << 20  # bytes of samples held while writing


class TooWideError(Exception):
    """A sample does not fit the integers that were chosen for its group."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Channels that are stored together, and where.

    Parameters
    ----------
    channels : tuple of int
        Indices into the recording's channels.
    n_samples : int
        Of each.
    block : int
        Samples of each channel in one block.
    sample : str
        numpy's name of the stored integers: ``<i2`` or ``<i4``.
    """

    channels: tuple[int, ...]
    n_samples: int
    block: int
    sample: str

    @property
    def width(self) -> int:
        return np.dtype(self.sample).itemsize

    @property
    def size(self) -> int:
        return len(self.channels) * self.n_samples * self.width


def _grouped(channels: Sequence[Channel], *, wide: bool) -> tuple[_Group, ...]:
    alike: dict[tuple[float, int], list[int]] = {}
    for index, channel in enumerate(channels):
        alike.setdefault((channel.rate, channel.n_samples), []).append(index)
    narrow = np.iinfo(np.int16)
    groups = []
    for (_, n_samples), indices in alike.items():
        values = [
            value
            for index in indices
            for value in (channels[index].digital_min, channels[index].digital_max)
        ]
        values += [m for index in indices if (m := channels[index].missing) is not None]
        fits = narrow.min <= min(values) and max(values) <= narrow.max and not wide
        groups.append(_Group(tuple(indices), n_samples, BLOCK, "<i2" if fits else "<i4"))
    return tuple(groups)


def write_waveform(
    writer: Writer, recording: Recording, progress: Callable[[float], None], *, wide: bool
) -> tuple[Envelope, ...]:
    """Write a recording; return the envelope of each channel.

    Parameters
    ----------
    writer : Writer
        Of an empty blob.
    recording : Recording
        Read once, in order, a few megabytes at a time.
    progress : callable
        Told the share that is done.
    wide : bool
        Store 32-bit integers even where the header of the recording promises that 16 will do.

    Raises
    ------
    TooWideError
        If a sample does not fit after all.
    RecordingError
        From reading the recording.
    """
    groups = _grouped(recording.channels, wide=wide)
    header = json.dumps(
        {
            "format": recording.format,
            "name": recording.name,
            "start": recording.start.isoformat() if recording.start else None,
            "repairs": recording.repairs,
            "channels": [asdict(channel) for channel in recording.channels],
            "groups": [asdict(group) for group in groups],
            "annotations": [
                [note.onset, note.duration, note.text, note.note, note.channel]
                for note in recording.annotations
            ],
        }
    ).encode("ascii")
    writer.write(LENGTH.pack(len(header)) + header)
    builders = [EnvelopeBuilder(channel.missing) for channel in recording.channels]
    total = sum(group.size for group in groups) or 1
    done = 0
    for group in groups:
        for samples in _read(recording, group):
            for start in range(0, samples.shape[1], group.block):
                writer.write(samples[:, start : start + group.block].tobytes())
            for row, index in zip(samples, group.channels, strict=True):
                builders[index].push(row)
            done += samples.nbytes
            progress(done / total)
    return tuple(builder.finish() for builder in builders)


def envelopes_of(recording: Recording) -> tuple[Envelope, ...]:
    """Return the envelope of each channel of a recording, which is read once.

    Raises
    ------
    RecordingError
        From reading the recording.
    """
    builders = [EnvelopeBuilder(channel.missing) for channel in recording.channels]
    for group in _grouped(recording.channels, wide=True):
        for samples in _read(recording, group):
            for row, index in zip(samples, group.channels, strict=True):
                builders[index].push(row)
    return tuple(builder.finish() for builder in builders)


def _read(recording: Recording, group: _Group) -> Iterator[DigitalArray]:
    """Yield the samples of a group, shape (channels, whole blocks of samples), as stored."""
    limits = np.iinfo(group.sample)
    per_block = len(group.channels) * group.block * 4
    step = max(1, _AT_ONCE // per_block) * group.block
    for start in range(0, group.n_samples, step):
        stop = min(start + step, group.n_samples)
        samples = recording.read_digital(group.channels, start, stop)
        if samples.shape != (len(group.channels), stop - start):
            raise RecordingError(recording.name, f"samples {start} to {stop} cannot be read")
        if samples.min() < limits.min or samples.max() > limits.max:
            raise TooWideError
        yield samples.astype(group.sample)


class VaultRecording(Recording):
    """A recording in a vault, of which only the chunks asked for are decrypted.

    Several threads may read it.

    Parameters
    ----------
    path : pathlib.Path
        Of the blob, for messages.
    reader : Reader
        Of the blob; closed with the recording.
    patient : Patient
        Who it is from, as the index says.
    input_sha256 : str
        Of the file that it came from.
    """

    def __init__(self, path: Path, reader: Reader, patient: Patient, input_sha256: str) -> None:
        self._path = path
        self._reader = reader
        self._input_sha256 = input_sha256
        with blob_errors(path):
            (length,) = LENGTH.unpack(reader.read(0, LENGTH.size))
            header = json.loads(bytes(reader.read(LENGTH.size, length)))
        super().__init__(
            format=header["format"],
            name=header["name"],
            channels=tuple(_channel(values) for values in header["channels"]),
            start=datetime.fromisoformat(header["start"]) if header["start"] else None,
            patient=patient,
            annotations=tuple(
                Annotation(onset, text, duration, note, channel)
                for onset, duration, text, note, channel in header["annotations"]
            ),
            repairs=tuple(header["repairs"]),
        )
        self._places: dict[int, tuple[_Group, int, int]] = {}  # group, its offset, row in it
        offset = LENGTH.size + length
        for values in header["groups"]:
            group = _Group(**{**values, "channels": tuple(values["channels"])})
            for row, index in enumerate(group.channels):
                self._places[index] = (group, offset, row)
            offset += group.size

    def read_digital(self, channels: Sequence[int], start: int, stop: int) -> DigitalArray:
        """Return stored integers; see :meth:`signals.recording.Recording.read_digital`.

        Raises
        ------
        VaultDamagedError
            If a part that is needed was changed.
        """
        group, offset, _ = self._places[channels[0]]
        rows = [self._places[index][2] for index in channels]
        samples: NDArray[Any] = np.empty((len(channels), stop - start), group.sample)
        with blob_errors(self._path):
            for block in range(start - start % group.block, stop, group.block):
                length = min(group.block, group.n_samples - block)
                first, last = max(start, block), min(stop, block + length)
                # One stretch of the file from the first row wanted to the last one.
                base = offset + block * len(group.channels) * group.width
                begin = (min(rows) * length + first - block) * group.width
                end = (max(rows) * length + last - block) * group.width
                stored = np.frombuffer(self._reader.read(base + begin, end - begin), group.sample)
                for place, row in enumerate(rows):
                    at = (row - min(rows)) * length
                    samples[place, first - start : last - start] = stored[at : at + last - first]
        return samples

    @property
    def wide(self) -> bool:
        """Whether some channel is stored in 32 bits."""
        return any(group.sample == "<i4" for group, _, _ in self._places.values())

    def sha256(self) -> str:
        """Return the SHA-256 of the input that was stored."""
        return self._input_sha256

    def close(self) -> None:
        """Close the file. Closing twice does nothing."""
        self._reader.close()


def _channel(values: dict[str, Any]) -> Channel:
    return Channel(
        **{**values, "kind": ChannelKind(values["kind"]), "unit": Unit(**values["unit"])}
    )


def write_envelopes(writer: Writer, envelopes: tuple[Envelope, ...]) -> None:
    """Write the envelopes of all channels: a header in JSON, then minima and maxima of each."""
    header = json.dumps(
        [
            {
                "bucket": envelope.bucket,
                "buckets": len(envelope.minima),
                "sample": envelope.minima.dtype.str,
            }
            for envelope in envelopes
        ]
    ).encode("ascii")
    writer.write(LENGTH.pack(len(header)) + header)
    for envelope in envelopes:
        writer.write(envelope.minima.tobytes())
        writer.write(envelope.maxima.tobytes())


def read_envelopes(content: memoryview) -> tuple[Envelope, ...]:
    """Return what :func:`write_envelopes` wrote."""
    (length,) = LENGTH.unpack_from(content)
    offset = LENGTH.size + length
    envelopes = []
    for values in json.loads(bytes(content[LENGTH.size : offset])):
        count, sample = values["buckets"], np.dtype(values["sample"])
        both = np.frombuffer(content, sample, 2 * count, offset)
        envelopes.append(Envelope(values["bucket"], both[:count], both[count:]))
        offset += both.nbytes
    return tuple(envelopes)
