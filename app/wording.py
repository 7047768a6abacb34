"""What the values of a report are called, in words for the people who read it."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from app.report import UNCLEAR, UNREADABLE
from signals.ecg.beat import BeatClass
from signals.ecg.episode import RhythmKind

if TYPE_CHECKING:
    from app.report import Finding, Measurement

_CLASS = {
    BeatClass.N: "normal",
    BeatClass.S: "supraventricular ectopic",
    BeatClass.V: "ventricular ectopic",
    BeatClass.F: "fusion",
    BeatClass.Q: "paced or not classified",
}

_MEASUREMENT = {
    "heart_rate_mean": "Mean heart rate",
    "heart_rate_min": "Slowest heart rate (10 s)",
    "heart_rate_max": "Fastest heart rate (10 s)",
    "longest_rr": "Longest RR interval",
    "pr": "PR interval",
    "qrs": "QRS duration",
    "qt": "QT interval",
    "qtc_bazett": "QTc (Bazett)",
    "qtc_fridericia": "QTc (Fridericia)",
    "frontal_axis": "Frontal QRS axis",
    "ventricular_burden": "Ventricular ectopic beats",
    "supraventricular_burden": "Supraventricular ectopic beats",
    "sinus_rhythm": "Sinus rhythm",
    "af_burden": "Suspected atrial fibrillation",
    "vf_burden": "Suspected ventricular fibrillation or flutter",
    "unclear": "Activity without clear beats",
    "undetermined": "Rhythm not determined",
    "unreadable": "Unreadable signal",
}

_KIND = {
    # The machine sees irregular RR intervals; that they are fibrillation is for a reader to say.
    RhythmKind.ATRIAL_FIBRILLATION.value: "Suspected atrial fibrillation",
    RhythmKind.VENTRICULAR_FIBRILLATION.value: "Suspected ventricular fibrillation or flutter",
    # A line without beats may be the heart's or the cable's.
    RhythmKind.ASYSTOLE.value: "Asystole (look: standstill, or an electrode off)",
    # It may be ventricular fibrillation or only motion: a reader has to look.
    UNCLEAR: "Activity without clear beats (look: arrhythmia or noise)",
}

_SHORT = {
    RhythmKind.ATRIAL_FIBRILLATION.value: "suspected atrial fibrillation",
    RhythmKind.VENTRICULAR_FIBRILLATION.value: "suspected ventricular fibrillation",
    RhythmKind.FIRST_DEGREE_BLOCK.value: "first-degree AV block",
    RhythmKind.TYPE_1_BLOCK.value: "second-degree AV block",
    RhythmKind.TYPE_2_BLOCK.value: "second-degree AV block",
    RhythmKind.TWO_TO_ONE_BLOCK.value: "2:1 AV block",
    RhythmKind.ADVANCED_BLOCK.value: "advanced AV block",
    RhythmKind.DISSOCIATION.value: "AV dissociation",
}

_LEAST_TOLD = {"vf_burden": 0.01, "undetermined": 1.0}
"""Percent from which these are told: before the first and after the last beat there is always a
moment of which nothing is known."""
_MOSTLY = 70.0  # percent of the readable time
MORE_THAN_NOT = 50.0
"""Percent of the readable time from which it is worth a word that the rhythm was not determined."""
_LEAST_S, _LEAST_BEATS = 10.0, 3  # that a rhythm can be judged by

BY_WEIGHT: tuple[str, ...] = (
    RhythmKind.VENTRICULAR_FIBRILLATION,
    RhythmKind.ASYSTOLE,
    RhythmKind.VENTRICULAR_TACHYCARDIA,
    UNCLEAR,
    RhythmKind.DISSOCIATION,
    RhythmKind.ADVANCED_BLOCK,
    RhythmKind.TYPE_2_BLOCK,
    RhythmKind.TWO_TO_ONE_BLOCK,
    RhythmKind.PAUSE,
    RhythmKind.ATRIAL_FIBRILLATION,
    RhythmKind.IDIOVENTRICULAR_RHYTHM,
    RhythmKind.SUPRAVENTRICULAR_TACHYCARDIA,
    RhythmKind.TYPE_1_BLOCK,
    RhythmKind.SUPRAVENTRICULAR_RUN,
    RhythmKind.VENTRICULAR_COUPLET,
    RhythmKind.VENTRICULAR_BIGEMINY,
    RhythmKind.VENTRICULAR_TRIGEMINY,
    RhythmKind.TACHYCARDIA,
    RhythmKind.BRADYCARDIA,
    RhythmKind.FIRST_DEGREE_BLOCK,
    RhythmKind.SUPRAVENTRICULAR_COUPLET,
    UNREADABLE,
)
"""Kinds of findings, that first which a reader should look at first."""


def kind_name(kind: str) -> str:
    """Return what a kind of finding is called: ``Suspected atrial fibrillation``."""
    return _KIND.get(kind, kind[0].upper() + kind[1:])


def weightiest(headline: dict[str, Any], most: int) -> str:
    """Return the `most` weightiest kinds of findings, and how often each was found.

    Parameters
    ----------
    headline : dict
        Of a report: :meth:`app.report.Report.headline`.
    most : int
        How many kinds at most.
    """
    found = headline["findings"]
    kinds = [kind for kind in BY_WEIGHT if kind in found and kind != UNREADABLE]
    if not sum(headline["beats"].values()) and not kinds:
        return "No beats found"
    if kinds:
        shown = [_SHORT.get(kind, kind) for kind in kinds[:most]]
        counts = [f" ×{found[kind]}" if found[kind] > 1 else "" for kind in kinds[:most]]
        line = ", ".join(name + count for name, count in zip(shown, counts, strict=True))
        return line[0].upper() + line[1:]
    ectopic = sum(headline["beats"].get(cls, 0) for cls in "SVF")
    told = f"{ectopic} ectopic beat{'s' * (ectopic > 1)}" if ectopic else ""
    # a list holds headlines of earlier versions too, which tell neither
    if headline.get("duration_s", _LEAST_S) < _LEAST_S:
        return ", ".join(filter(None, ("Too short to judge", told)))
    if sum(headline["beats"].values()) < _LEAST_BEATS:
        return ", ".join(filter(None, ("Too few beats to judge", told)))
    told = told or "no findings"
    if (headline["measurements"].get("sinus_rhythm") or 0.0) >= _MOSTLY:
        return f"Sinus rhythm, {told}"
    if (headline["measurements"].get("undetermined") or 0.0) > MORE_THAN_NOT:
        return f"Rhythm not determined, {told}"
    return told[0].upper() + told[1:]


def class_name(beat_class: BeatClass) -> str:
    """Return what beats of a class are called: ``ventricular ectopic``."""
    return _CLASS[beat_class]


def is_worth_telling(measurement: Measurement) -> bool:
    """Return whether a measurement is to stand among the others."""
    return (measurement.value or 0.0) >= _LEAST_TOLD.get(measurement.name, -inf)


def measurement_name(measurement: Measurement) -> str:
    """Return what a measurement is called: ``Mean heart rate``."""
    return _MEASUREMENT[measurement.name]


def measurement_value(measurement: Measurement) -> str:
    """Return a measurement's value with its unit, or that there is none."""
    if measurement.value is None:
        return "not measurable"
    digits = {"bpm": 0, "s": 2, "%": 1, "ms": 0, "°": 0}[measurement.unit]
    return f"{measurement.value:.{digits}f} {measurement.unit}"


def duration(seconds: float) -> str:
    """Return a length of time as it is read aloud: ``4.2 s``, ``3 min 20 s``, ``1 h 05 min``."""
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def clock(seconds: float) -> str:
    """Return a moment of a recording as hours, minutes and seconds from its start."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def exact_clock(seconds: float) -> str:
    """Return a moment of a recording to a hundredth of a second: ``0:01:02.50``."""
    whole, hundredths = divmod(round(seconds * 100), 100)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}.{hundredths:02d}"


def describe(finding: Finding) -> str:
    """Return a finding in one line: ``Ventricular tachycardia, 5 beats, 164 bpm``."""
    kind = kind_name(finding.kind)
    length = duration(finding.end - finding.onset)
    if finding.rate_bpm is None or finding.kind in (RhythmKind.PAUSE, RhythmKind.ASYSTOLE):
        return f"{kind}, {length}"
    if "couplet" in finding.kind:
        return f"{kind}, {finding.rate_bpm:.0f} bpm"
    if finding.kind.endswith(("run", "rhythm")) or finding.kind == "ventricular tachycardia":
        return f"{kind}, {finding.n_beats} beats, {finding.rate_bpm:.0f} bpm"
    return f"{kind}, {length}, {finding.rate_bpm:.0f} bpm"
