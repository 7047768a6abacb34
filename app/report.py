"""What an analysis found: plain, frozen values, with a versioned form in JSON.

A report says what was read (never from whom), what was found, and by which software and models. It
is a proposal until a reader confirms it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.report_gate import column_of, faults, finite, plain
from ml.adaptive import Work
from signals.ecg.beat import BeatClass
from signals.ecg.ectopy import EctopyCounts
from signals.ecg.hrv import HrvSummary
from signals.ecg.intervals import IntervalSummary
from signals.quality import Quality

SCHEMA = "tracekeep-report"
SCHEMA_VERSION = 2
NOTICE = (
    "Research use only. Decision support for trained readers, unconfirmed until reviewed; "
    "not a certified monitor and not for alarms."
)

QUALITY_LETTERS = {
    Quality.GOOD: "g",
    Quality.NOISY: "n",
    Quality.MAINS: "m",
    Quality.FLAT: "f",
    Quality.SATURATED: "s",
    Quality.LEAD_OFF: "o",
    Quality.MISSING: "x",
}
"""How :attr:`Windows.quality` writes a quality."""

UNREADABLE = "unreadable"
"""Kind of a finding: no lead can be read."""
NO_POINT = -(1 << 15)
"""In :attr:`Waves.points_ms`: there is no such point, or it cannot be told."""

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
class ModelUsed:
    """A model bundle: its id and its digest."""

    id: str
    sha256: str


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
    models : tuple of ModelUsed
        The bundles that took part.
    runtime : str
        What ran the models: name and version.
    corrections : int
        How many corrections by a reader the classes of the beats follow.
    work : Work or None
        How much was computed for the classes of the beats; None where that was not counted.
    """

    software: str
    analysed_at: str
    input_sha256: str
    models: tuple[ModelUsed, ...]
    runtime: str
    corrections: int = 0
    work: Work | None = None


class _Columns:
    """A frozen dataclass of numpy arrays and plain values, equal where all its values are."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and all(
            np.array_equal(getattr(self, field.name), getattr(other, field.name))
            for field in fields(self)  # type: ignore[arg-type]
        )


@dataclass(frozen=True, slots=True, eq=False)
class Waves(_Columns):
    """The waves of every beat, by consensus of the leads.

    Parameters
    ----------
    p_waves : numpy.ndarray, int8, shape (beats,)
        :class:`signals.ecg.waves.PWave`.
    points_ms : numpy.ndarray, int16, shape (8, beats)
        Each :class:`signals.ecg.waves.Wave` in milliseconds from the R peak; :data:`NO_POINT`
        where there is none.
    lone_p_s : tuple of float
        Peaks of P waves that no QRS follows, seconds from the start of the recording.
    lead_points_ms : numpy.ndarray, int16, shape (leads, 8, beats), or None
        As `points_ms`, lead by lead: of recordings up to a minute, which are read so.
    """

    p_waves: NDArray[np.int8]
    points_ms: NDArray[np.int16]
    lone_p_s: tuple[float, ...]
    lead_points_ms: NDArray[np.int16] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Family(_Columns):
    """Beats of one shape.

    Parameters
    ----------
    id : int
        As :attr:`Beats.families` names it.
    n_beats : int
        How many they are.
    template_uv : numpy.ndarray, int16, shape (leads, points)
        Their mean beat, µV, in the leads that it was told by; 128 points a second.
    """

    id: int
    n_beats: int
    template_uv: NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Beats(_Columns):
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
    families : numpy.ndarray, int16, shape (beats,), or None
        :attr:`Family.id` of each; None in a report of version 1.
    waves : Waves or None
        None in a report of version 1.
    unsure : numpy.ndarray, int64, shape (k,), or None
        Numbers of the beats whose class the model does not know well enough; None where it was not
        asked.
    """

    rate: float
    samples: NDArray[np.int64]
    classes: NDArray[np.int8]
    percent: NDArray[np.uint8]
    families: NDArray[np.int16] | None = None
    waves: Waves | None = None
    unsure: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.samples)

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
        For each lead, one letter a window: see :data:`QUALITY_LETTERS`.
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
    rule : str
        What made it one, in words, with the limits that held.
    """

    kind: str
    onset: float
    end: float
    n_beats: int
    rate_bpm: float | None
    rule: str = ""


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
class Hour:
    """One hour of the recording, counted from its start; the last one may be shorter.

    Parameters
    ----------
    start_s, end_s : float
        Where it lies.
    beats : tuple of int
        Beats of each :class:`signals.ecg.beat.BeatClass`, in its order.
    heart_rate_mean, heart_rate_min, heart_rate_max : float or None
        bpm; the extremes by windows of 10 s.
    longest_rr_s : float or None
        Its longest readable RR interval.
    pauses : int
        Pauses that begin in it, asystole among them.
    ventricular, supraventricular : EctopyCounts
        Its ectopic beats; a run belongs whole to the hour that it begins in.
    af_s, unreadable_s : float
        Seconds of suspected atrial fibrillation that can be read; seconds without a readable lead.
    lead_unreadable_s : tuple of int
        Lead by lead.
    intervals : IntervalSummary
        Intervals and ST.
    """

    start_s: float
    end_s: float
    beats: tuple[int, ...]
    heart_rate_mean: float | None
    heart_rate_min: float | None
    heart_rate_max: float | None
    longest_rr_s: float | None
    pauses: int
    ventricular: EctopyCounts
    supraventricular: EctopyCounts
    af_s: float
    unreadable_s: int
    lead_unreadable_s: tuple[int, ...]
    intervals: IntervalSummary


@dataclass(frozen=True, slots=True)
class Strip:
    """A stretch of tracing that a reader should see, and by which criterion it was chosen."""

    criterion: str
    onset: float
    end: float


@dataclass(frozen=True, slots=True)
class StripRhythm:
    """What the rhythm model takes a short recording for, as a whole.

    Parameters
    ----------
    percent : dict of str to int
        Probability of each kind of rhythm, 0 to 100, the most probable first.
    unsure : bool
        Whether the most probable one is not probable enough to count as known.
    """

    percent: dict[str, int]
    unsure: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """What a reader looks at first, beside findings and measurements: the Holter summary.

    Parameters
    ----------
    basic_rhythm : tuple of Finding
        Stretches of sinus rhythm.
    intervals : IntervalSummary
        Of the whole recording; of a short one, on its median beat.
    ventricular, supraventricular : EctopyCounts
        Of the whole recording.
    variability : HrvSummary
        Heart-rate variability.
    hours : tuple of Hour
        Hour by hour.
    strips : tuple of Strip
        Weightiest first.
    families : tuple of Family
        Beats by shape, the dominant family first.
    rhythm : StripRhythm or None
        Of a short recording.
    """

    basic_rhythm: tuple[Finding, ...]
    intervals: IntervalSummary
    ventricular: EctopyCounts
    supraventricular: EctopyCounts
    variability: HrvSummary
    hours: tuple[Hour, ...]
    strips: tuple[Strip, ...]
    families: tuple[Family, ...]
    rhythm: StripRhythm | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that an analysis found in one recording.

    `summary` is None in a report of version 1.
    """

    subject: Subject
    provenance: Provenance
    beats: Beats
    windows: Windows
    findings: tuple[Finding, ...]
    measurements: tuple[Measurement, ...]
    summary: Summary | None = None

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
            "duration_s": self.subject.duration_s,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values; the schema is this module's dataclasses."""
        values: dict[str, Any] = msgspec.to_builtins(self, enc_hook=plain)
        values["beats"]["classes"] = "".join(BeatClass(c).name for c in values["beats"]["classes"])
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "notice": NOTICE,
            "state": "proposed",
            **values,
        }

    def to_json(self) -> str:
        """Return the report as one line of JSON."""
        # not by msgspec, which writes NaN as null and refuses file names that are no UTF-8
        return json.dumps(
            self.to_dict(), ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the report that :meth:`to_json` wrote, in this version or an earlier one.

        Raises
        ------
        ReportError
            If `text` is no report, or one of a newer version.
        """
        try:
            values = json.loads(text, parse_float=finite, parse_constant=finite)
            if values["schema"] != SCHEMA:
                raise ReportError(f"not a Tracekeep report: schema {values['schema']!r}")
            version = values["schema_version"]
            if type(version) is not int or version < 1:
                raise ReportError(f"not a Tracekeep report: version {version!r}")
            if version > SCHEMA_VERSION:
                raise ReportError(
                    f"report of version {version}; "
                    f"this program reads up to {SCHEMA_VERSION}: update it"
                )
            if version == 1:
                _bring_to_version_2(values)
            values["beats"]["classes"] = [BeatClass[c] for c in values["beats"]["classes"]]
            report = msgspec.convert(values, cls, dec_hook=column_of)
            for fault in faults(report, QUALITY_LETTERS.values()):
                raise ReportError(f"not a whole Tracekeep report: {fault}")
        except ReportError:
            raise
        except (LookupError, ArithmeticError, TypeError, ValueError, RecursionError) as error:
            raise ReportError(f"not a whole Tracekeep report: {error}") from error
        return report


def _bring_to_version_2(values: dict[str, Any]) -> None:
    """Version 1 knew one model, no rules, and none of what has a default since."""
    made = values["provenance"]
    made["models"] = [{"id": made["model_id"], "sha256": made["model_sha256"]}]
