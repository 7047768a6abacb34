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


class WfdbAnnotation(NamedTuple):
    """One annotation: its sample, its symbol, and the rhythm that begins (``(AFIB``)."""

    sample: int
    symbol: str
    note: str


def wfdb_annotations(report: Report) -> list[WfdbAnnotation]:
    """Return the beats and rhythm changes of a report, in order of time.

    A rhythm begins one sample before its first beat and the basic rhythm, ``(N``, one sample after
    its last, so that no rhythm change falls on a beat. Where rhythms lie in one another, say a
    ventricular tachycardia within atrial fibrillation, the one that began last is written. Of a
    recording without beats nothing is said.
    """
    beats = [
        WfdbAnnotation(sample, BeatClass(cls).symbol, "")
        for sample, cls in zip(
            report.beats.samples.tolist(), report.beats.classes.tolist(), strict=True
        )
    ]
    # RHYTHM_CHANGE sorts before every letter: at sample 0 the rhythm is told before the beat.
    return sorted(beats + _rhythm_changes(report))


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
        latest = max(going, key=lambda finding: (finding.onset, -finding.end), default=None)
        rhythm = _rhythm(latest) if latest else WFDB_BASIC_RHYTHM
        if rhythm != told:
            changes.append(WfdbAnnotation(sample, RHYTHM_CHANGE, rhythm))
            told = rhythm
    return changes


def _rhythm(finding: Finding) -> str:
    """Return what WFDB calls a finding, empty where it is no rhythm or has no name there."""
    return RhythmKind(finding.kind).wfdb if finding.kind in _KINDS else ""
