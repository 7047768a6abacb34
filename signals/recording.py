"""The one form that every file format becomes: channels of samples, read by blocks.

A :class:`Recording` is lazy: opening it reads a header, and samples come from the file when they
are asked for, so a recording larger than memory is read like any other. Samples are kept as the
integers that were stored; :meth:`Recording.read` turns them into physical values in the unit that
the channel names. Who the patient is stands apart, in :class:`Patient`, and goes its own way.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

DigitalArray = NDArray[np.signedinteger[Any]]


class RecordingError(Exception):
    """A file cannot be read as a recording.

    Parameters
    ----------
    path : pathlib.Path or str
        The file.
    problem : str
        What was found and what was expected, with the place in the file, in plain words.
    """

    def __init__(self, path: Path | str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = str(path)
        self.problem = problem

    def __reduce__(self) -> tuple[type[RecordingError], tuple[str, str]]:
        return type(self), (self.path, self.problem)  # two arguments: pickled from worker processes


class UnitError(ValueError):
    """Two units measure different things, or one of them is not known."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What one step of a channel means.

    Parameters
    ----------
    symbol : str
        As written beside a number: ``mV``, ``µV``, ``mmHg``.
    volts : float or None
        Size of one unit in volts; None where the quantity is no voltage or is not known.
    """

    symbol: str
    volts: float | None = None

    def factor_to(self, other: Unit) -> float:
        """Return what a value in this unit is multiplied by to be in `other`.

        Raises
        ------
        UnitError
            If the two are not both voltages.
        """
        if self.volts is None or other.volts is None:
            raise UnitError(f"{self.symbol} cannot be expressed in {other.symbol}")
        return self.volts / other.volts

    @classmethod
    def named(cls, text: str) -> Unit:
        """Return the unit that a file header writes as `text` (``uV``, ``μV`` and ``µV`` alike)."""
        cleaned = text.strip().replace("μ", "µ")
        if cleaned.lower() in {"uv", "µv", "microvolt", "microvolts"}:
            return MICROVOLT
        if cleaned.lower() in {"mv", "millivolt", "millivolts"}:
            return MILLIVOLT
        if cleaned.lower() in {"v", "volt", "volts"}:
            return VOLT
        if cleaned.lower() in {"nv", "nanovolt", "nanovolts"}:
            return NANOVOLT
        return cls(cleaned) if cleaned else ARBITRARY


VOLT = Unit("V", 1.0)
MILLIVOLT = Unit("mV", 1e-3)
MICROVOLT = Unit("µV", 1e-6)
NANOVOLT = Unit("nV", 1e-9)
ARBITRARY = Unit("arbitrary units")


class ChannelKind(StrEnum):
    """What a channel measures."""

    ECG = "ECG"
    EEG = "EEG"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Channel:
    """One signal of a recording.

    Parameters
    ----------
    label : str
        Unique in its recording.
    kind : ChannelKind
        What it measures.
    rate : float
        Sampling rate, Hz.
    n_samples : int
        Length.
    unit : Unit
        Of the physical values.
    scale, offset : float
        physical = digital × scale + offset.
    digital_min, digital_max : int
        The range of the converter that made the samples: values at its ends are saturated.
    missing : int or None
        The digital value that stands for "no sample"; it is read as NaN.
    prefiltering : str
        What the file says was filtered before storing.
    """

    label: str
    kind: ChannelKind
    rate: float
    n_samples: int
    unit: Unit
    scale: float
    offset: float
    digital_min: int
    digital_max: int
    missing: int | None = None
    prefiltering: str = ""

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.rate

    @property
    def physical_range(self) -> tuple[float, float]:
        """Least and greatest value that can be stored, in `unit`."""
        ends = (
            self.digital_min * self.scale + self.offset,
            self.digital_max * self.scale + self.offset,
        )
        return min(ends), max(ends)

    def to_physical(self, digital: DigitalArray) -> NDArray[np.float32]:
        """Return the physical values of `digital`, NaN where a sample is missing."""
        if digital.dtype.itemsize <= 2:
            physical = digital.astype(np.float32)
            physical *= np.float32(self.scale)
            physical += np.float32(self.offset)
        else:  # float32 holds integers up to 24 bits only, and a large offset eats some of those
            physical = (digital * self.scale + self.offset).astype(np.float32)
        if self.missing is not None:
            physical[digital == self.missing] = np.nan
        return physical


@dataclass(frozen=True, slots=True)
class Annotation:
    """A note that the file carries about a moment or a stretch.

    Parameters
    ----------
    onset : float
        Seconds from the start of the recording.
    text : str
        What it says. For a WFDB beat: its symbol (``N``, ``V``, ``+`` ...).
    duration : float, default 0
        Seconds.
    note : str, default ""
        What hangs on it: the auxiliary text of a WFDB annotation (``(AFIB``).
    channel : str, default ""
        Label of the one channel it belongs to; empty where it belongs to all.
    """

    onset: float
    text: str
    duration: float = 0.0
    note: str = ""
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """Who a recording is from, as the file tells. Never printed: its repr hides every value."""

    name: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    sex: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)
    remarks: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of several channels of one rate.

    Parameters
    ----------
    start : int
        Index of the first sample, from the start of the recording.
    samples : numpy.ndarray, shape (channels, samples), float32
        Physical values, NaN where missing.
    """

    start: int
    samples: NDArray[np.float32]


class Recording(ABC):
    """A recording that is open for reading. Use it as a context manager, or close it.

    Parameters
    ----------
    format : str
        ``WFDB``, ``EDF+``, ``BDF`` and so on.
    name : str
        What to call it where no patient is named: the record's or the file's name without ending.
    channels : tuple of Channel
        In the file's order.
    files : tuple of pathlib.Path
        What it is read from, and what :meth:`sha256` covers.
    start : datetime.datetime or None
        When it was recorded, by the clock of the recorder; without a zone, as files have none.
    patient : Patient
        Who it is from.
    annotations : tuple of Annotation
        Ordered by onset.
    repairs : tuple of str
        What was wrong with the file and how it was read all the same, in plain words.
    """

    def __init__(
        self,
        *,
        format: str,  # noqa: A002 (the word that users and files have for it)
        name: str,
        channels: tuple[Channel, ...],
        files: tuple[Path, ...] = (),
        start: datetime | None = None,
        patient: Patient | None = None,
        annotations: tuple[Annotation, ...] = (),
        repairs: tuple[str, ...] = (),
    ) -> None:
        self.format = format
        self.name = name
        self.channels = channels
        self.files = files
        self.start = start
        self.patient = patient or Patient()
        self.annotations = annotations
        self.repairs = repairs

    @property
    def duration(self) -> float:
        """Length of the longest channel, in seconds."""
        return max((channel.duration for channel in self.channels), default=0.0)

    @abstractmethod
    def read_digital(self, channels: Sequence[int], start: int, stop: int) -> DigitalArray:
        """Return stored integers, shape (len(channels), stop - start).

        `channels` are indices into :attr:`channels` and share one rate and length;
        0 <= start <= stop <= n_samples, counted at that rate.

        Raises
        ------
        RecordingError
            If the file ends early or cannot be read there.
        """

    def read(self, channels: Sequence[int], start: int, stop: int) -> NDArray[np.float32]:
        """Return physical values, shape (len(channels), stop - start), NaN where missing.

        Each row is in the unit of its channel. Arguments and errors as for :meth:`read_digital`.
        """
        digital = self.read_digital(channels, start, stop)
        physical = np.empty(digital.shape, np.float32)
        for row, index in enumerate(channels):
            physical[row] = self.channels[index].to_physical(digital[row])
        return physical

    def blocks(self, channels: Sequence[int], seconds: float = 60.0) -> Iterator[Block]:
        """Yield the recording in order, `seconds` at a time; arguments as for :meth:`read`."""
        first = self.channels[channels[0]]
        step = max(1, round(seconds * first.rate))
        for start in range(0, first.n_samples, step):
            stop = min(start + step, first.n_samples)
            yield Block(start, self.read(channels, start, stop))

    def sha256(self) -> str:
        """Return the SHA-256 of the input, in hexadecimal digits.

        For one file it is that file's own; for several, that of the lines ``<sha256>  <name>``
        which ``sha256sum`` prints for them in the order of :attr:`files`.

        Raises
        ------
        RecordingError
            If one of them cannot be read any more.
        """
        digests = []
        for path in self.files:
            try:
                with path.open("rb") as file:
                    digests.append((hashlib.file_digest(file, "sha256").hexdigest(), path.name))
            except OSError as error:
                raise RecordingError(path, f"cannot be read: {error.strerror or error}") from error
        if len(digests) == 1:
            return digests[0][0]
        lines = "".join(f"{digest}  {name}\n" for digest, name in digests)
        return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()

    def close(self) -> None:  # noqa: B027 (most recordings hold nothing open)
        """Let go of the files. Closing twice does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class ArrayRecording(Recording):
    """A recording whose samples are in memory: what simulators and tests make.

    Parameters
    ----------
    samples : sequence of numpy.ndarray, integer, shape (n_samples,)
        Digital values, one array a channel.
    **facts
        As for :class:`Recording`.
    """

    def __init__(self, samples: Sequence[DigitalArray], **facts: Any) -> None:  # noqa: ANN401
        super().__init__(**facts)
        self._samples = tuple(samples)

    def read_digital(self, channels: Sequence[int], start: int, stop: int) -> DigitalArray:
        """Return stored integers; see :meth:`Recording.read_digital`."""
        return np.stack([self._samples[index][start:stop] for index in channels])

    def sha256(self) -> str:
        """Return the SHA-256 of the samples, channel after channel, as little-endian int32."""
        digest = hashlib.sha256()
        for samples in self._samples:
            digest.update(np.ascontiguousarray(samples, "<i4").tobytes())
        return digest.hexdigest()
