"""What an analysis found: plain, frozen values, with a versioned form in JSON.

A report says what was read (never from whom), what was found, and by which software and model. It
is a proposal until a reader confirms it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from signals.ecg.beat import BeatClass

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

SCHEMA = "tracekeep-report"
SCHEMA_VERSION = 1
NOTICE = (
    "Research use only. Decision support for trained readers, unconfirmed until reviewed; "
    "not a certified monitor and not for alarms."
)

UNREADABLE = "unreadable"
"""Kind of a finding: no lead can be read."""
UNCLEAR = "activity without clear beats"
"""Kind of a finding: see :class:`signals.ecg.qrs.QrsBatch`."""


class ReportError(ValueError):
    """A text is not a report that this version can read; the message says why."""


@dataclass(frozen=True, slots=True)
class Lead:
    """A channel that was analysed: its label and sampling rate in Hz."""

    label: str
    rate: float


@dataclass(frozen=True, slots=True)
class Subject:
    """The recording that a report is about, without the patient.

    Parameters
    ----------
    name : str
        The record's or the file's name.
    format : str
        Of the file: ``WFDB``, ``EDF+`` and so on.
    duration_s : float
        Length.
    start : datetime.datetime or None
        By the recorder's clock.
    leads : tuple of Lead
        What was analysed.
    repairs : tuple of str
        What was wrong with the file and how it was read all the same.
    """

    name: str
    format: str
    duration_s: float
    start: datetime | None
    leads: tuple[Lead, ...]
    repairs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a report came to be, enough to repeat it.

    Parameters
    ----------
    software : str
        Name and version.
    analysed_at : str
        ISO 8601, UTC.
    input_sha256 : str
        As :meth:`signals.recording.Recording.sha256` defines it.
    model_id, model_sha256 : str
        The bundle that classified the beats.
    runtime : str
        What ran the model: name and version.
    """

    software: str
    analysed_at: str
    input_sha256: str
    model_id: str
    model_sha256: str
    runtime: str


@dataclass(frozen=True, slots=True, eq=False)
class Beats:
    """Every beat, in order of time.

    Parameters
    ----------
    rate : float
        Hz; what `samples` count at.
    samples : numpy.ndarray, int64, shape (beats,)
        R peaks, from the start of the recording.
    classes : numpy.ndarray, int8, shape (beats,)
        :class:`signals.ecg.beat.BeatClass`.
    percent : numpy.ndarray, uint8, shape (beats,)
        Probability that the model gives the class, 0 to 100.
    """

    rate: float
    samples: NDArray[np.int64]
    classes: NDArray[np.int8]
    percent: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.samples)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Beats) and (
            self.rate == other.rate
            and np.array_equal(self.samples, other.samples)
            and np.array_equal(self.classes, other.classes)
            and np.array_equal(self.percent, other.percent)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def times(self) -> NDArray[np.float64]:
        """R peaks in seconds, shape (beats,)."""
        return self.samples / self.rate

    def counts(self) -> dict[BeatClass, int]:
        """Return how many beats there are of each class."""
        found = np.bincount(self.classes, minlength=len(BeatClass))
        return {cls: int(found[cls]) for cls in BeatClass}


@dataclass(frozen=True, slots=True)
class Windows:
    """Heart rate and signal quality in windows of equal length, from the start of the recording.

    Parameters
    ----------
    seconds : float
        Length of a window; the last one may be shorter.
    heart_rate : tuple of float or None
        Beats a minute in each window; None where it is not measurable.
    unreadable_s : tuple of int
        Seconds of each window in which no lead could be read.
    quality : tuple of str
        For each lead, one letter a window: see :data:`app.analysis.QUALITY_LETTERS`.
    """

    seconds: float
    heart_rate: tuple[float | None, ...]
    unreadable_s: tuple[int, ...]
    quality: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in the recording that a reader should look at.

    Parameters
    ----------
    kind : str
        :class:`signals.ecg.rhythm.RhythmKind`, :data:`UNREADABLE` or :data:`UNCLEAR`.
    onset, end : float
        Seconds from the start of the recording.
    n_beats : int
        Beats that make it.
    rate_bpm : float or None
        Mean heart rate in it; None where it has none.
    """

    kind: str
    onset: float
    end: float
    n_beats: int
    rate_bpm: float | None


@dataclass(frozen=True, slots=True)
class Measurement:
    """A number with its unit, where in the recording it was taken, and None if not measurable.

    Parameters
    ----------
    name : str
        ``heart_rate_mean``, ``heart_rate_max``, ``longest_rr``, ``af_burden`` and so on.
    value : float or None
        None: not measurable.
    unit : str
        ``bpm``, ``s``, ``%``.
    at : float or None
        Seconds from the start of the recording, where it belongs to a moment.
    """

    name: str
    value: float | None
    unit: str
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that an analysis found in one recording."""

    subject: Subject
    provenance: Provenance
    beats: Beats
    windows: Windows
    findings: tuple[Finding, ...]
    measurements: tuple[Measurement, ...]

    def measurement(self, name: str) -> Measurement:
        """Return the measurement called `name`; KeyError if there is none."""
        for measurement in self.measurements:
            if measurement.name == name:
                return measurement
        raise KeyError(name)

    def headline(self) -> dict[str, Any]:
        """Return the few values that a list of recordings shows, ready for JSON."""
        kinds: dict[str, int] = {}
        for finding in self.findings:
            kinds[finding.kind] = kinds.get(finding.kind, 0) + 1
        return {
            "beats": {cls.name: count for cls, count in self.beats.counts().items()},
            "findings": kinds,
            "measurements": {m.name: m.value for m in self.measurements},
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values; the schema is this module's dataclasses."""
        subject = asdict(self.subject)
        subject["start"] = self.subject.start.isoformat() if self.subject.start else None
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "notice": NOTICE,
            "state": "proposed",
            "subject": subject,
            "provenance": asdict(self.provenance),
            "measurements": [asdict(m) for m in self.measurements],
            "findings": [asdict(f) for f in self.findings],
            "windows": asdict(self.windows),
            "beats": {
                "rate": self.beats.rate,
                "samples": self.beats.samples.tolist(),
                "classes": "".join(BeatClass(c).name for c in self.beats.classes.tolist()),
                "percent": self.beats.percent.tolist(),
            },
        }

    def to_json(self) -> str:
        """Return the report as one line of JSON."""
        return json.dumps(
            self.to_dict(), ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the report that :meth:`to_json` wrote.

        Raises
        ------
        ReportError
            If `text` is no report, or one of a newer version.
        """
        try:
            values = json.loads(text)
            if values["schema"] != SCHEMA:
                raise ReportError(f"not a Tracekeep report: schema {values['schema']!r}")
            if values["schema_version"] > SCHEMA_VERSION:
                raise ReportError(
                    f"report of version {values['schema_version']}; "
                    f"this program reads up to {SCHEMA_VERSION}: update it"
                )
            return cls._from_dict(values)
        except (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            OverflowError,
            RecursionError,
        ) as error:
            if isinstance(error, ReportError):
                raise
            raise ReportError(f"not a whole Tracekeep report: {error}") from error

    @classmethod
    def _from_dict(cls, values: dict[str, Any]) -> Self:
        subject = values["subject"]
        beats = values["beats"]
        windows = values["windows"]
        report = cls(
            subject=Subject(
                name=subject["name"],
                format=subject["format"],
                duration_s=subject["duration_s"],
                start=datetime.fromisoformat(subject["start"]) if subject["start"] else None,
                leads=tuple(_plain(Lead, lead) for lead in subject["leads"]),
                repairs=tuple(subject["repairs"]),
            ),
            provenance=_plain(Provenance, values["provenance"]),
            beats=Beats(
                rate=beats["rate"],
                samples=np.asarray(beats["samples"], np.int64),
                classes=np.asarray([BeatClass[c] for c in beats["classes"]], np.int8),
                percent=np.asarray(beats["percent"], np.uint8),
            ),
            windows=Windows(
                seconds=windows["seconds"],
                heart_rate=tuple(windows["heart_rate"]),
                unreadable_s=tuple(windows["unreadable_s"]),
                quality=tuple(windows["quality"]),
            ),
            findings=tuple(_plain(Finding, finding) for finding in values["findings"]),
            measurements=tuple(_plain(Measurement, m) for m in values["measurements"]),
        )
        if not len(report.beats.samples) == len(report.beats.classes) == len(report.beats.percent):
            raise ReportError("not a whole Tracekeep report: the columns of beats differ in length")
        return report


def _plain(cls: type[T], values: dict[str, Any]) -> T:
    return cls(**{field.name: values[field.name] for field in fields(cls)})
