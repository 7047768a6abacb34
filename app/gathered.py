"""Everything that an analyzer gave out, put together into what a report holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.report import (
    NO_POINT,
    Beats,
    Family,
    Finding,
    Measurement,
    StripRhythm,
    Summary,
    Waves,
    Windows,
)
from app.summary import (
    Intervals,
    finding_of,
    findings_of,
    hours_of,
    measurements_of,
    strips_of,
    unreadable_seconds,
    windows_of,
)
from ml.tasks.beats import ClassifiedBeats
from ml.tasks.rhythm import Rhythm
from signals.ecg.beat import BeatClass
from signals.ecg.ectopy import find_ectopy
from signals.ecg.episode import Episode, RhythmKind
from signals.ecg.hrv import heart_rate_variability
from signals.ecg.intervals import IntervalMeter, IntervalSummary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.analysis import Events
    from ml.tasks.rhythm import RhythmWindow
    from signals.ecg.families import FamilyTable

_MICROVOLTS = 1000.0
_LEAST_STRIP_S = 9.0
"""Shorter ones the rhythm model was not trained on."""


class Parts(NamedTuple):
    """What of a report says what was found; see :class:`app.report.Report`."""

    beats: Beats
    windows: Windows
    findings: tuple[Finding, ...]
    measurements: tuple[Measurement, ...]
    summary: Summary


class Gathered:
    """Takes events as they come; memory grows with beats and seconds, not with samples.

    Parameters
    ----------
    rate : float
        Sampling rate, Hz.
    labels : sequence of str
        Of the leads that are analysed.
    is_strip : bool
        Whether the recording is so short that it is read lead by lead and has one rhythm.
    """

    def __init__(self, rate: float, labels: Sequence[str], *, is_strip: bool) -> None:
        self._rate = rate
        self._meter = IntervalMeter(labels)
        self._beats: list[ClassifiedBeats] = []
        self._rr: list[NDArray[np.float64]] = []
        self._p_waves: list[NDArray[np.int8]] = []
        self._points_ms: list[NDArray[np.int16]] = []
        self._is_strip = is_strip
        self._strip_rhythm: StripRhythm | None = None
        self._lead_points_ms: list[NDArray[np.int16]] = []
        self._lone_p: list[float] = []
        self._quality: list[NDArray[np.uint8]] = []
        self._episodes: list[Episode] = []
        self._fibrillation: list[tuple[int, int]] = []
        self._unclear: list[tuple[int, int]] = []

    def add(self, events: Events) -> None:
        """Take what became known."""
        beats, waves = events.beats, events.waves
        times = beats.samples / self._rate
        self._meter.push(times, beats.classes, beats.families, waves, events.rr)
        self._beats.append(beats)
        self._rr.append(events.rr)
        self._p_waves.append(waves.p_waves)
        self._points_ms.append(_milliseconds(waves.points.T))
        if self._is_strip:
            self._lead_points_ms.append(_milliseconds(waves.lead_points.transpose(1, 2, 0)))
        self._lone_p += (waves.lone_p / self._rate).tolist()
        self._quality.append(events.quality)
        self._episodes += events.episodes
        self._fibrillation += events.fibrillation
        self._unclear += events.unclear
        if self._is_strip and events.rhythm:
            self._take_rhythm(events.rhythm[0])

    def _take_rhythm(self, strip: RhythmWindow) -> None:
        """Take what the whole of a strip is taken for."""
        if strip.end_s - strip.onset_s < _LEAST_STRIP_S:
            return
        percent = {
            rhythm.name.lower(): round(100 * probability)
            for rhythm, probability in zip(Rhythm, strip.probabilities, strict=True)
        }
        by_probability = sorted(percent.items(), key=lambda item: -item[1])
        self._strip_rhythm = StripRhythm(dict(by_probability), strip.unsure)
        rr = np.concatenate(self._rr)
        rr = rr[np.isfinite(rr)]
        if strip.rhythm is not Rhythm.FIBRILLATION or strip.unsure or not len(rr):
            return
        rule = f"a model of the whole strip names it, with {percent['fibrillation']} %"
        self._episodes.append(
            Episode(
                RhythmKind.ATRIAL_FIBRILLATION,
                strip.onset_s,
                strip.end_s,
                sum(len(beats.samples) for beats in self._beats),
                float(60 / rr.mean()),
                float(60 / rr.min()),
                rule,
            )
        )

    def parts(
        self,
        duration_s: float,
        beats: Beats,
        families: FamilyTable,
        on_median_beat: IntervalSummary | None,
    ) -> Parts:
        """Return what was found.

        Parameters
        ----------
        duration_s : float
            Of the recording.
        beats : Beats
            What :meth:`report_beats` gave.
        families : FamilyTable
            Of these beats.
        on_median_beat : IntervalSummary or None
            Of a short recording, what its median beat shows; it goes before the beats' medians.
        """
        quality = np.concatenate(self._quality, axis=1)
        unreadable = unreadable_seconds(quality)
        findings = findings_of(
            self._rate, self._episodes, self._fibrillation, self._unclear, unreadable
        )
        intervals = Intervals(np.concatenate(self._rr), beats.times)
        windows = windows_of(intervals, quality)
        by_hour = self._meter.finish(duration_s)
        ectopy_v = find_ectopy(beats.times, intervals.rr, beats.classes, BeatClass.V)
        ectopy_s = find_ectopy(beats.times, intervals.rr, beats.classes, BeatClass.S)
        ventricular, supraventricular = ectopy_v.counts(), ectopy_s.counts()
        fibrillation = [f for f in findings if f.kind == RhythmKind.ATRIAL_FIBRILLATION]
        summary = Summary(
            basic_rhythm=tuple(finding_of(e) for e in self._episodes if e.kind.is_basic),
            intervals=on_median_beat or self._meter.whole(duration_s),
            ventricular=ventricular,
            supraventricular=supraventricular,
            variability=heart_rate_variability(intervals.normal(beats.classes, fibrillation)),
            hours=hours_of(
                beats, intervals, windows, quality, findings, ectopy_v, ectopy_s, by_hour
            ),
            strips=strips_of(duration_s, beats, windows, findings, ventricular, supraventricular),
            families=tuple(
                Family(
                    family.id,
                    family.count,
                    np.rint(family.template * _MICROVOLTS).astype(np.int16),
                )
                for family in families.families
            ),
            rhythm=self._strip_rhythm,
        )
        return Parts(
            beats=beats,
            windows=windows,
            findings=findings,
            measurements=measurements_of(beats, intervals, windows, unreadable, findings, summary),
            summary=summary,
        )

    def report_beats(
        self, families: FamilyTable, by_reader: NDArray[np.int64] | None = None
    ) -> Beats:
        """Return the beats as they are reported.

        In atrial fibrillation no beat comes early, for there is no rhythm that it could come
        before: what the model takes for supraventricular ectopy there is reported as N.

        Parameters
        ----------
        families : FamilyTable
            Of these beats.
        by_reader : numpy.ndarray, int64, optional
            R peaks of beats whose class a reader gave: they keep it.
        """
        beats = ClassifiedBeats.joined(self._beats)
        times = beats.samples / self._rate
        classes = beats.classes.copy()
        unsure = beats.unsure.copy()
        not_early = in_fibrillation(times, self._episodes) & (classes == BeatClass.S)
        if by_reader is not None:
            not_early &= ~np.isin(beats.samples, by_reader)
        classes[not_early] = BeatClass.N
        unsure[not_early] = False
        given = beats.probabilities[np.arange(len(classes)), classes]
        return Beats(
            self._rate,
            beats.samples,
            classes,
            np.round(given * 100).astype(np.uint8),
            families.settled(beats.samples, beats.families),
            Waves(
                np.concatenate(self._p_waves),
                np.concatenate(self._points_ms, axis=1),
                tuple(round(time, 3) for time in self._lone_p),
                np.concatenate(self._lead_points_ms, axis=2) if self._is_strip else None,
            ),
            np.flatnonzero(unsure),
        )


def in_fibrillation(
    times: NDArray[np.float64], found: Iterable[Episode | Finding]
) -> NDArray[np.bool_]:
    """Return which of the times, s, lie in an episode of atrial fibrillation."""
    inside = np.zeros(len(times), np.bool_)
    for one in found:
        if one.kind == RhythmKind.ATRIAL_FIBRILLATION:
            inside |= (times >= one.onset) & (times <= one.end)
    return inside


def _milliseconds(points: NDArray[np.float32]) -> NDArray[np.int16]:
    rounded = np.rint(1000 * points)
    rounded[np.isnan(rounded)] = NO_POINT
    return rounded.astype(np.int16)
