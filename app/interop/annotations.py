"""A report as WFDB annotations: every beat, and every change of rhythm."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from signals.ecg.beat import BeatClass
from signals.ecg.rhythm import WFDB_BASIC_RHYTHM, RhythmKind

if TYPE_CHECKING:
    from app.report import Finding, Report

RHYTHM_CHANGE = "+"
_KINDS = frozenset(RhythmKind)
_FIRST = (
    RhythmKind.VENTRICULAR_FIBRILLATION,
    RhythmKind.VENTRICULAR_TACHYCARDIA,
    RhythmKind.IDIOVENTRICULAR_RHYTHM,
    RhythmKind.ATRIAL_FIBRILLATION,
)


class WfdbAnnotation(NamedTuple):
    """One annotation: its sample, its symbol, and the rhythm that begins (``(AFIB``)."""

    sample: int
    symbol: str
    note: str


def wfdb_annotations(report: Report) -> list[WfdbAnnotation]:
    """Return the beats and rhythm changes of a report, in order of time.

    Ventricular flutter and fibrillation also have their brackets, ``[`` and ``]``.

    A rhythm begins one sample before its first beat and the basic rhythm, ``(N``, one sample after
    its last, so that no rhythm change falls on a beat. Where rhythms lie in one another, a
    ventricular one goes before atrial fibrillation, and that before any other, such as the
    bradycardia or the bigeminy within it; of equals the one that began last is written. Of a
    recording without beats nothing is said, unless it fibrillates.
    """
    beats = [
        WfdbAnnotation(sample, BeatClass(cls).symbol, "")
        for sample, cls in zip(
            report.beats.samples.tolist(), report.beats.classes.tolist(), strict=True
        )
    ]
    # RHYTHM_CHANGE sorts before every letter: at sample 0 the rhythm is told before the beat.
    return sorted(beats + _rhythm_changes(report) + _brackets(report))


def _brackets(report: Report) -> list[WfdbAnnotation]:
    """Return the marks by which EC57 tools leave fibrillation out of beat-by-beat figures."""
    return [
        WfdbAnnotation(round(second * report.beats.rate), symbol, "")
        for finding in report.findings
        if finding.kind == RhythmKind.VENTRICULAR_FIBRILLATION
        for second, symbol in ((finding.onset, "["), (finding.end, "]"))
    ]


def _rhythm_changes(report: Report) -> list[WfdbAnnotation]:
    beginning: dict[int, list[Finding]] = defaultdict(list)
    ending: dict[int, list[Finding]] = defaultdict(list)
    for finding in report.findings:
        if _rhythm(finding):
            beginning[max(0, round(finding.onset * report.beats.rate) - 1)].append(finding)
            ending[round(finding.end * report.beats.rate) + 1].append(finding)
    if not beginning and not len(report.beats):
        return []
    changes = []
    going: list[Finding] = []
    told = ""
    for sample in sorted({0, *beginning, *ending}):
        going = [finding for finding in going if finding not in ending[sample]]
        going += beginning[sample]
        foremost = max(going, key=_precedence, default=None)
        rhythm = _rhythm(foremost) if foremost else WFDB_BASIC_RHYTHM
        if rhythm != told:
            changes.append(WfdbAnnotation(sample, RHYTHM_CHANGE, rhythm))
            told = rhythm
    return changes


def _precedence(finding: Finding) -> tuple[int, float, float]:
    rank = _FIRST.index(finding.kind) if finding.kind in _FIRST else len(_FIRST)
    return -rank, finding.onset, -finding.end


def _rhythm(finding: Finding) -> str:
    """Return what WFDB calls a finding, empty where it is no rhythm or has no name there."""
    return RhythmKind(finding.kind).wfdb if finding.kind in _KINDS else ""
