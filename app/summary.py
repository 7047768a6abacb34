"""From what an analysis found, sample by sample and beat by beat, to the parts of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from app.report import (
    QUALITY_LETTERS,
    UNCLEAR,
    UNREADABLE,
    Beats,
    Finding,
    Hour,
    Measurement,
    Strip,
    Summary,
    Windows,
)
from app.wording import BY_WEIGHT
from signals.ecg.beat import BeatClass
from signals.ecg.ectopy import Ectopy, EctopyCounts
from signals.ecg.episode import Episode, RhythmKind
from signals.ecg.hrv import RrIntervals
from signals.ecg.intervals import IntervalSummary, Measured
from signals.ecg.qtc import QtFormula
from signals.ecg.rhythm import RhythmThresholds
from signals.ecg.ventricular import RULE as FIBRILLATION_RULE
from signals.quality import Quality, is_readable
from signals.stretches import joined, without

WINDOW_S = 10
_STRIP_S = 10.0
_LEAD_IN_S = 1.0
_N_CLASSES = len(BeatClass)
_PAUSES = (RhythmKind.PAUSE, RhythmKind.ASYSTOLE)

_LEAST_UNCLEAR_S = 2.0
_RATE_ALONE = (RhythmKind.TACHYCARDIA, RhythmKind.BRADYCARDIA)
_COUPLETS = (RhythmKind.VENTRICULAR_COUPLET, RhythmKind.SUPRAVENTRICULAR_COUPLET)
_RUNS = (
    RhythmKind.VENTRICULAR_TACHYCARDIA,
    RhythmKind.IDIOVENTRICULAR_RHYTHM,
    RhythmKind.SUPRAVENTRICULAR_TACHYCARDIA,
    RhythmKind.SUPRAVENTRICULAR_RUN,
)
_LONGEST_RR_S = RhythmThresholds().asystole_s

Stretches = Sequence[tuple[int, int]]
"""From one sample to another, each."""
Spans = Sequence[tuple[float, float]]
"""From one second to another, each."""


def unreadable_seconds(quality: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which seconds no lead can be read in, shape (seconds,)."""
    return np.asarray(~is_readable(quality).any(axis=0), np.bool_)


class ReadableTime:
    """How long stretches are without what cannot be read.

    Parameters
    ----------
    unreadable : numpy.ndarray, bool, shape (seconds,)
        What :func:`unreadable_seconds` gave.
    """

    def __init__(self, unreadable: NDArray[np.bool_]) -> None:
        self._until = np.concatenate([[0], np.cumsum(~unreadable)])

    @property
    def total(self) -> int:
        """Readable seconds of the recording."""
        return int(self._until[-1])

    def of(self, spans: Spans, start: float = 0.0, end: float = np.inf) -> float:
        """Return the readable seconds of `spans` in ``start <= t < end``, each counted once."""
        edges = np.array(joined(spans)).reshape(-1, 2).clip(start, end)
        until = np.interp(edges, np.arange(len(self._until)), self._until)
        return float((until[:, 1] - until[:, 0]).sum())


class RhythmSpans(NamedTuple):
    """Which rhythm there is when; no two overlap.

    Where more than one was told, the first of them holds: where no beat stands out there is no
    rhythm of beats, and where fibrillation passes into sinus rhythm both may be told.
    """

    ventricular_fibrillation: Spans
    unclear: Spans
    atrial_fibrillation: Spans
    sinus: Spans
    others: Spans

    @classmethod
    def of(cls, findings: Sequence[Finding], basic_rhythm: Sequence[Finding]) -> Self:
        """Return them by what was found; a rate alone is no rhythm."""
        kinds = (RhythmKind.VENTRICULAR_FIBRILLATION, UNCLEAR, RhythmKind.ATRIAL_FIBRILLATION)
        left = [f for f in findings if f.kind not in {*kinds, *_RATE_ALONE, UNREADABLE}]
        told = [*([f for f in findings if f.kind == kind] for kind in kinds), basic_rhythm, left]
        taken: list[tuple[float, float]] = []
        spans = []
        for group in told:
            own = [(f.onset, f.end) for f in group]
            spans.append(without(own, taken))
            taken += own
        return cls(*spans)


@dataclass(frozen=True, slots=True)
class Intervals:
    """The RR interval before each beat.

    Parameters
    ----------
    rr : numpy.ndarray, float64, shape (beats,)
        Seconds; NaN where there is none or something in it could not be read.
    ends : numpy.ndarray, float64, shape (beats,)
        The beats, seconds.
    """

    rr: NDArray[np.float64]
    ends: NDArray[np.float64]

    def between(self, start: float, end: float) -> Self:
        """Return those that end in ``start <= t < end``, seconds."""
        first, last = np.searchsorted(self.ends, (start, end))
        return type(self)(self.rr[first:last], self.ends[first:last])

    @property
    def longest(self) -> tuple[float, float] | None:
        """The longest one and where it begins, seconds; None without one."""
        if not np.isfinite(self.rr).any():
            return None
        at = int(np.nanargmax(self.rr))
        return float(self.rr[at]), float(self.ends[at] - self.rr[at])

    @property
    def mean_rate(self) -> float | None:
        """Mean heart rate, bpm; None without an interval."""
        count = int(np.count_nonzero(np.isfinite(self.rr)))
        return round(60.0 * count / float(np.nansum(self.rr)), 1) if count else None

    def normal(self, classes: NDArray[np.int8], fibrillation: Sequence[Finding]) -> RrIntervals:
        """Return them as heart-rate variability wants them; fibrillation has no sinus rhythm."""
        normal = (classes[:-1] == BeatClass.N) & (classes[1:] == BeatClass.N)
        rr, ends = self.rr[1:], self.ends[1:]
        for episode in fibrillation:
            normal &= (ends <= episode.onset) | (ends - rr >= episode.end)
        return RrIntervals(ends, rr, normal & np.isfinite(rr))


def windows_of(intervals: Intervals, quality: NDArray[np.uint8]) -> Windows:
    """Return heart rate and quality in windows of ten seconds.

    An interval belongs to the window of its middle, so most of it lies there, and a rate takes two.
    Asystole has no rate: intervals so long are left out, lest one of 30 s makes a rate of 2 bpm.
    """
    n_seconds = quality.shape[1]
    n_windows = -(-n_seconds // WINDOW_S)
    there = intervals.rr < _LONGEST_RR_S  # false where it is NaN
    rr, ends = intervals.rr[there], intervals.ends[there]
    window = np.minimum(((ends - rr / 2) / WINDOW_S).astype(np.int64), n_windows - 1)
    count = np.bincount(window, minlength=n_windows)
    total = np.bincount(window, weights=rr, minlength=n_windows)
    starts = np.arange(0, n_seconds, WINDOW_S)
    unreadable = unreadable_seconds(quality).astype(int)
    return Windows(
        seconds=WINDOW_S,
        heart_rate=tuple(
            round(60.0 * n / s, 1) if n >= 2 else None
            for n, s in zip(count.tolist(), total.tolist(), strict=True)
        ),
        unreadable_s=tuple(np.add.reduceat(unreadable, starts).tolist()),
        quality=tuple(_letters(lead, starts) for lead in quality),
    )


def _letters(lead: NDArray[np.uint8], starts: NDArray[np.int64]) -> str:
    """Return for each window the letter of what most of its seconds are, of equals the worse."""
    letters = []
    for start in starts.tolist():
        held = np.bincount(lead[start : start + WINDOW_S], minlength=len(Quality))
        worst_of_most = len(held) - 1 - int(np.argmax(held[::-1]))
        letters.append(QUALITY_LETTERS[Quality(worst_of_most)])
    return "".join(letters)


def finding_of(episode: Episode) -> Finding:
    """Return an episode as a report has it."""
    return Finding(
        episode.kind.value,
        episode.onset,
        episode.end,
        episode.n_beats,
        round(episode.rate_bpm, 1),
        episode.rule,
    )


def findings_of(
    rate: float,
    episodes: Sequence[Episode],
    fibrillation: Stretches,
    unclear: Stretches,
    unreadable: NDArray[np.bool_],
) -> tuple[Finding, ...]:
    """Return what a reader should look at, in order of time."""
    found = [finding_of(episode) for episode in episodes if not episode.kind.is_basic]
    found += [
        Finding(
            RhythmKind.VENTRICULAR_FIBRILLATION,
            start / rate,
            stop / rate,
            0,
            None,
            FIBRILLATION_RULE,
        )
        for start, stop in fibrillation
    ]
    found += [
        Finding(UNCLEAR, start / rate, stop / rate, 0, None, "no beat stands out of it for 2 s")
        for start, stop in without(unclear, fibrillation)
        if stop - start >= _LEAST_UNCLEAR_S * rate
    ]
    edges = np.diff(np.concatenate([[0], unreadable.astype(np.int8), [0]]))
    for start, stop in zip(np.flatnonzero(edges > 0), np.flatnonzero(edges < 0), strict=True):
        found.append(Finding(UNREADABLE, float(start), float(stop), 0, None, "no lead is readable"))
    return tuple(sorted(found, key=lambda finding: (finding.onset, finding.end, finding.kind)))


def hours_of(
    beats: Beats,
    intervals: Intervals,
    windows: Windows,
    quality: NDArray[np.uint8],
    findings: Sequence[Finding],
    ventricular: Ectopy,
    supraventricular: Ectopy,
    by_hour: Sequence[IntervalSummary],
) -> tuple[Hour, ...]:
    """Return the recording hour by hour, as the intervals were measured."""
    readable = ReadableTime(unreadable_seconds(quality))
    fibrillation = RhythmSpans.of(findings, ()).atrial_fibrillation

    def hour(measured: IntervalSummary) -> Hour:
        start, end = measured.start_s, measured.end_s
        own = intervals.between(start, end)
        first, last = np.searchsorted(intervals.ends, (start, end))
        rates = windows.heart_rate[int(start) // WINDOW_S : -int(-end // WINDOW_S)]
        known = [rate for rate in rates if rate is not None]
        seconds = quality[:, int(start) : int(np.ceil(end))]
        longest = own.longest
        return Hour(
            start_s=start,
            end_s=end,
            beats=tuple(np.bincount(beats.classes[first:last], minlength=_N_CLASSES).tolist()),
            heart_rate_mean=own.mean_rate,
            heart_rate_min=min(known, default=None),
            heart_rate_max=max(known, default=None),
            longest_rr_s=round(longest[0], 3) if longest else None,
            pauses=sum(f.kind in _PAUSES and start <= f.onset < end for f in findings),
            ventricular=ventricular.counts(start, end),
            supraventricular=supraventricular.counts(start, end),
            af_s=round(readable.of(fibrillation, start, end), 1),
            unreadable_s=int(np.count_nonzero(unreadable_seconds(seconds))),
            lead_unreadable_s=tuple(np.count_nonzero(~is_readable(seconds), axis=1).tolist()),
            intervals=measured,
        )

    return tuple(hour(measured) for measured in by_hour)


def strips_of(
    duration_s: float,
    beats: Beats,
    windows: Windows,
    findings: Sequence[Finding],
    ventricular: EctopyCounts,
    supraventricular: EctopyCounts,
) -> tuple[Strip, ...]:
    """Return the stretches that a reader should see, ten seconds and more each.

    The longest finding of each kind (of runs that with the most beats, of couplets the fastest),
    the fastest run, the slowest and the fastest heart rate, and an example of each kind of ectopic
    beat that makes no episode.
    """
    strips = []
    for kind in BY_WEIGHT:
        alike = [finding for finding in findings if finding.kind == kind]
        if alike:
            which, chosen = _most_telling(kind, alike)
            strips.append(_strip(f"{which} {kind}", chosen.onset, chosen.end, duration_s))
    for name, counts in (("ventricular", ventricular), ("supraventricular", supraventricular)):
        run = counts.fastest_run
        if run is not None and run != counts.longest_run:
            strips.append(_strip(f"fastest {name} run", run.onset, run.end, duration_s))
    measured = [(rate, index) for index, rate in enumerate(windows.heart_rate) if rate is not None]
    if measured:
        for name, (_, index) in (("slowest", min(measured)), ("fastest", max(measured))):
            start = index * windows.seconds
            strips.append(_strip(f"{name} heart rate", start, start + WINDOW_S, duration_s))
    for beat_class, name in _ECTOPIC.items():
        found = np.flatnonzero(beats.classes == beat_class)
        if len(found):
            best = found[np.argmax(beats.percent[found])]
            at = float(beats.times[best])
            strips.append(_strip(f"{name} beat", at, at, duration_s))
    return tuple(strips)


def _most_telling(kind: str, alike: Sequence[Finding]) -> tuple[str, Finding]:
    if kind in _COUPLETS:
        return "fastest", max(alike, key=lambda finding: finding.rate_bpm or 0.0)
    if kind in _RUNS:
        return "longest", max(alike, key=lambda finding: finding.n_beats)
    return "longest", max(alike, key=lambda finding: finding.end - finding.onset)


_ECTOPIC = {
    BeatClass.V: "ventricular ectopic",
    BeatClass.S: "supraventricular ectopic",
    BeatClass.F: "fusion",
}


def _strip(criterion: str, onset: float, end: float, duration_s: float) -> Strip:
    """Return ten seconds with the middle of what is to be seen, or with its beginning if longer."""
    seen_whole = end - onset <= _STRIP_S - 2 * _LEAD_IN_S
    start = (onset + end - _STRIP_S) / 2 if seen_whole else onset - _LEAD_IN_S
    start = max(0.0, min(start, duration_s - _STRIP_S))
    return Strip(criterion, round(start, 2), round(min(start + _STRIP_S, duration_s), 2))


def measurements_of(
    beats: Beats,
    intervals: Intervals,
    windows: Windows,
    unreadable: NDArray[np.bool_],
    findings: Sequence[Finding],
    summary: Summary,
) -> tuple[Measurement, ...]:
    """Return the numbers that stand for the recording."""
    readable = ReadableTime(unreadable)
    rhythm = RhythmSpans.of(findings, summary.basic_rhythm)
    counts = beats.counts()
    measured = [(rate, index) for index, rate in enumerate(windows.heart_rate) if rate is not None]
    length, at = intervals.longest or (None, None)

    def share(name: str, part: float, whole: float) -> Measurement:
        return Measurement(name, round(100.0 * part / whole, 2) if whole else None, "%")

    def time_in(name: str, spans: Spans) -> Measurement:
        return share(name, readable.of(spans), readable.total)

    def window_rate(name: str, extreme: tuple[float, int] | None) -> Measurement:
        if extreme is None:
            return Measurement(name, None, "bpm")
        return Measurement(name, extreme[0], "bpm", extreme[1] * windows.seconds)

    intervals_found = summary.intervals
    undetermined_s = readable.total - sum(map(readable.of, rhythm))

    def interval(name: str, found: Measured | None) -> Measurement:
        return Measurement(name, round(1000 * found.value) if found else None, "ms")

    axis = intervals_found.axis
    return (
        Measurement("heart_rate_mean", intervals.mean_rate, "bpm"),
        window_rate("heart_rate_min", min(measured, default=None)),
        window_rate("heart_rate_max", max(measured, default=None)),
        Measurement("longest_rr", None if length is None else round(length, 3), "s", at),
        interval("pr", intervals_found.pr),
        interval("qrs", intervals_found.qrs),
        interval("qt", intervals_found.qt),
        interval("qtc_bazett", intervals_found.qtc[QtFormula.BAZETT]),
        interval("qtc_fridericia", intervals_found.qtc[QtFormula.FRIDERICIA]),
        Measurement("frontal_axis", round(axis.value) if axis else None, "°"),
        share("ventricular_burden", counts[BeatClass.V], len(beats)),
        share("supraventricular_burden", counts[BeatClass.S], len(beats)),
        time_in("sinus_rhythm", rhythm.sinus),
        time_in("af_burden", rhythm.atrial_fibrillation),
        time_in("vf_burden", rhythm.ventricular_fibrillation),
        time_in("unclear", rhythm.unclear),
        share("undetermined", max(0.0, undetermined_s), readable.total),
        share("unreadable", len(unreadable) - readable.total, len(unreadable)),
    )
