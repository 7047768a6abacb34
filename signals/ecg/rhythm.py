"""From labelled beats to episodes: pauses, rates, runs, bigeminy, suspected atrial fibrillation."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from signals.ecg.beat import BeatClass
from signals.ecg.episode import WFDB_BASIC_RHYTHM, Episode, RhythmKind
from signals.ecg.fibrillation import FibrillationDetector, Interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["WFDB_BASIC_RHYTHM", "Episode", "RhythmKind", "RhythmThresholds", "RhythmTracker"]


@dataclass(frozen=True, slots=True)
class RhythmThresholds:
    """From when on a rhythm is an episode.

    Parameters
    ----------
    pause_s : float, default 2.0
        RR interval that is a pause. Holter practice reports from 2 s; the 2018 ACC/AHA/HRS
        guideline on bradycardia gives weight to pauses over 3 s.
    bradycardia_bpm : float, default 50
        A lower rate is bradycardia: same guideline.
    tachycardia_bpm : float, default 100
        A higher rate is tachycardia: 2015 ACC/AHA/HRS guideline on supraventricular tachycardia.
    ventricular_tachycardia_bpm : float, default 100
        Rate from which a ventricular run is tachycardia: 2017 AHA/ACC/HRS guideline on ventricular
        arrhythmias. A slower one is an idioventricular rhythm.
    run_beats : int, default 3
        Ectopic beats in a row that make a run, two being a couplet: ANSI/AAMI EC57, same guideline.
    allorhythmia_beats : int, default 3
        Ventricular beats, each after the same number of others, that make bigeminy or trigeminy.
        A convention of ours: two may be chance.
    rate_intervals : int, default 8
        RR intervals over which bradycardia and tachycardia are averaged.
    rate_hysteresis_bpm : float, default 5
        How far the rate must come back before they are over.
    sustained_s : float, default 30
        Shortest bradycardia and tachycardia: what the guidelines call sustained.
    fibrillation_s : float, default 30
        Shortest atrial fibrillation: 2017 HRS expert consensus statement, 2020 ESC guidelines.
    fibrillation_intervals : int, default 32
        RR intervals that are judged together.
    fibrillation_irregularity, fibrillation_over : float, default 0.10 and 0.08
        When fibrillation begins and ends; see :mod:`signals.ecg.fibrillation`. Chosen on the 24
        MIT-BIH development records: of their windows of sinus rhythm, 95 % have less than 0.07; of
        those in fibrillation (records 201 and 203), 95 % have more than 0.11.
    fibrillation_gap_s : float, default 30
        Unreadable or purely ventricular stretch that fibrillation is not followed across.
    """

    pause_s: float = 2.0
    bradycardia_bpm: float = 50.0
    tachycardia_bpm: float = 100.0
    ventricular_tachycardia_bpm: float = 100.0
    run_beats: int = 3
    allorhythmia_beats: int = 3
    rate_intervals: int = 8
    rate_hysteresis_bpm: float = 5.0
    sustained_s: float = 30.0
    fibrillation_s: float = 30.0
    fibrillation_intervals: int = 32
    fibrillation_irregularity: float = 0.10
    fibrillation_over: float = 0.08
    fibrillation_gap_s: float = 30.0


@dataclass(frozen=True, slots=True)
class _Beat:
    """A beat: its number, R peak and that of the beat before it (s), class, readable RR (s)."""

    number: int
    before: float
    time: float
    kind: BeatClass
    rr: float | None


class _Rule(Protocol):
    """Something that is told every beat and returns the episodes that are over."""

    def push(self, beat: _Beat) -> Iterable[Episode]: ...

    def finish(self) -> Iterable[Episode]: ...


class RhythmTracker:
    """Finds the episodes in a stream of labelled beats.

    The result does not depend on how the beats were cut into blocks, and memory does not grow with
    the recording. An episode is given out once it is over; supraventricular couplets and runs also
    wait until it is known that they lie outside atrial fibrillation, which has no P waves to tell
    them by. Other kinds may overlap: fibrillation may be fast, a pause may lie in it.

    Parameters
    ----------
    rate : float
        Sampling rate, Hz.
    thresholds : RhythmThresholds, optional
        From when on a rhythm is an episode.
    """

    def __init__(self, rate: float, thresholds: RhythmThresholds | None = None) -> None:
        limits = thresholds or RhythmThresholds()
        self._rate = rate
        self._breaks: deque[tuple[int, int]] = deque()
        self._n_beats = 0
        self._last_sample: int | None = None
        self._pause_s = limits.pause_s
        self._rules: tuple[_Rule, ...] = (
            _Pauses(limits.pause_s),
            _SustainedRate(RhythmKind.BRADYCARDIA, limits),
            _SustainedRate(RhythmKind.TACHYCARDIA, limits),
            _AtrialRhythms(limits),
        )
        # Beats of one pattern follow each other: no pause parts a couplet or a bigeminy.
        self._patterns: tuple[_Rule, ...] = (
            _VentricularRuns(limits),
            _Allorhythmia(RhythmKind.VENTRICULAR_BIGEMINY, 1, limits),
            _Allorhythmia(RhythmKind.VENTRICULAR_TRIGEMINY, 2, limits),
        )

    def push(
        self,
        samples: NDArray[np.int64],
        classes: NDArray[np.int8],
        breaks: Sequence[tuple[int, int]] = (),
    ) -> list[Episode]:
        """Take the next beats; return the episodes that are now known to be over.

        Parameters
        ----------
        samples : numpy.ndarray, shape (beats,), int64
            R peaks in samples from the start of the recording, ascending over all calls.
        classes : numpy.ndarray, shape (beats,), int8
            Values of :class:`signals.ecg.beat.BeatClass`.
        breaks : sequence of (start, stop)
            Stretches in samples, `stop` not included, in which beats cannot be told, in any order.
            Each comes at the latest with the first beat after its start; coming earlier does no
            harm. No rhythm is read across them.
        """
        if breaks:
            self._breaks = _merged([*self._breaks, *breaks])
        episodes: list[Episode] = []
        for sample, kind in zip(samples.tolist(), classes.tolist(), strict=True):
            if self._last_sample is None and self._is_readable_until(sample):
                episodes += self._silence(0, sample, 1)
            last = sample if self._last_sample is None else self._last_sample
            readable = last < sample and self._is_readable_until(sample)
            rr = (sample - last) / self._rate if readable else None
            beat = _Beat(self._n_beats, last / self._rate, sample / self._rate, BeatClass(kind), rr)
            self._n_beats += 1
            self._last_sample = sample
            for rule in self._rules:
                episodes += rule.push(beat)
            if rr is not None and rr >= self._pause_s:
                beat = replace(beat, rr=None)
            for rule in self._patterns:
                episodes += rule.push(beat)
        return episodes

    def finish(self, end_sample: int) -> list[Episode]:
        """Return the episodes that the end of the recording, after `end_sample` samples, closes.

        A recording that ends without beats for long enough ends with a pause of one beat; one
        without any beat is a pause of none wherever it can be read.
        """
        rules = (*self._rules, *self._patterns)
        episodes = [episode for rule in rules for episode in rule.finish()]
        if self._last_sample is not None:
            if self._is_readable_until(end_sample):
                episodes += self._silence(self._last_sample, end_sample, 1)
            return episodes
        silent_since = 0
        for start, stop in [*self._breaks, (end_sample, end_sample)]:
            episodes += self._silence(silent_since, min(start, end_sample), 0)
            silent_since = stop
        return episodes

    def _silence(self, start: int, stop: int, n_beats: int) -> list[Episode]:
        """Return the pause between two samples of which not both are beats, if it is one."""
        onset, end = start / self._rate, stop / self._rate
        if end - onset < self._pause_s:
            return []
        bpm = 60.0 / (end - onset)
        return [Episode(RhythmKind.PAUSE, onset, end, n_beats, bpm, bpm)]

    def _is_readable_until(self, sample: int) -> bool:
        """Return whether no break lies between the last beat and `sample`; forget those before."""
        while self._breaks and self._breaks[0][1] <= (self._last_sample or 0):
            self._breaks.popleft()
        return not self._breaks or self._breaks[0][0] >= sample


def _merged(breaks: list[tuple[int, int]]) -> deque[tuple[int, int]]:
    """Return the breaks in order, those that touch as one: an hour of seconds is one break."""
    merged: deque[tuple[int, int]] = deque()
    for start, stop in sorted(breaks):
        if merged and start <= merged[-1][1]:
            first, before = merged.pop()
            merged.append((first, max(before, stop)))
        else:
            merged.append((start, stop))
    return merged


class _Pauses:
    def __init__(self, shortest_s: float) -> None:
        self._shortest_s = shortest_s

    def push(self, beat: _Beat) -> list[Episode]:
        if beat.rr is None or beat.rr < self._shortest_s:
            return []
        bpm = 60.0 / beat.rr
        return [Episode(RhythmKind.PAUSE, beat.before, beat.time, 2, bpm, bpm)]

    def finish(self) -> list[Episode]:
        return []


class _Stretch:
    """Beats in a row, without a break between them."""

    def __init__(self, onset: float) -> None:
        self.onset = self.end = onset
        self.n_beats = 1
        self.shortest_rr = float("inf")

    def add(self, time: float, rr: float) -> None:
        self.end = time
        self.n_beats += 1
        self.shortest_rr = min(self.shortest_rr, rr)

    @property
    def bpm(self) -> float:
        # a run of 0.6-s intervals has 100 beats a minute, not 99.99999999999997
        return round(60.0 * (self.n_beats - 1) / (self.end - self.onset), 9)

    def episode(self, kind: RhythmKind) -> Episode:
        return Episode(kind, self.onset, self.end, self.n_beats, self.bpm, 60.0 / self.shortest_rr)


class _SustainedRate:
    """Bradycardia or tachycardia: the mean rate of a few intervals, kept up long enough.

    The episode reaches from the first beat of the first window beyond the limit to the last beat
    of the last.
    """

    def __init__(self, kind: RhythmKind, limits: RhythmThresholds) -> None:
        self._kind = kind
        self._shortest_s = limits.sustained_s
        if kind is RhythmKind.BRADYCARDIA:
            self._sign = -1
            enter, leave = limits.bradycardia_bpm, limits.rate_hysteresis_bpm
        else:
            self._sign = 1
            enter, leave = limits.tachycardia_bpm, -limits.rate_hysteresis_bpm
        self._enter_bpm, self._leave_bpm = enter, enter + leave
        self._recent: deque[_Beat] = deque(maxlen=limits.rate_intervals + 1)
        self._stretch: _Stretch | None = None

    def push(self, beat: _Beat) -> list[Episode]:
        episodes: list[Episode] = []
        if beat.rr is None:
            episodes = self.finish()
            self._recent.clear()
        self._recent.append(beat)
        if len(self._recent) < (self._recent.maxlen or 0):
            return episodes
        bpm = 60.0 * (len(self._recent) - 1) / (beat.time - self._recent[0].time)
        if self._stretch is None:
            if self._sign * (bpm - self._enter_bpm) > 0:
                self._stretch = _Stretch(self._recent[0].time)
                for past in list(self._recent)[1:]:
                    self._extend(self._stretch, past)
        elif self._sign * (bpm - self._leave_bpm) > 0:
            self._extend(self._stretch, beat)
        else:
            episodes += self.finish()
        return episodes

    def finish(self) -> list[Episode]:
        stretch, self._stretch = self._stretch, None
        if stretch is None or stretch.end - stretch.onset < self._shortest_s:
            return []
        return [stretch.episode(self._kind)]

    @staticmethod
    def _extend(stretch: _Stretch, beat: _Beat) -> None:
        if beat.rr is not None:
            stretch.add(beat.time, beat.rr)


class _Runs:
    """Beats of one class in a row, two or more."""

    def __init__(self, kind: BeatClass) -> None:
        self._kind = kind
        self._run: _Stretch | None = None

    def push(self, beat: _Beat) -> _Stretch | None:
        """Return the run that `beat` shows to be over."""
        if beat.kind == self._kind and self._run is not None and beat.rr is not None:
            self._run.add(beat.time, beat.rr)
            return None
        over = self.finish()
        if beat.kind == self._kind:
            self._run = _Stretch(beat.time)
        return over

    def finish(self) -> _Stretch | None:
        run, self._run = self._run, None
        return run if run is not None and run.n_beats >= 2 else None


class _VentricularRuns:
    def __init__(self, limits: RhythmThresholds) -> None:
        self._runs = _Runs(BeatClass.V)
        self._run_beats = limits.run_beats
        self._tachycardia_bpm = limits.ventricular_tachycardia_bpm

    def push(self, beat: _Beat) -> list[Episode]:
        return self._named(self._runs.push(beat))

    def finish(self) -> list[Episode]:
        return self._named(self._runs.finish())

    def _named(self, run: _Stretch | None) -> list[Episode]:
        if run is None:
            return []
        if run.n_beats < self._run_beats:
            return [run.episode(RhythmKind.VENTRICULAR_COUPLET)]
        if run.bpm < self._tachycardia_bpm:
            return [run.episode(RhythmKind.IDIOVENTRICULAR_RHYTHM)]
        return [run.episode(RhythmKind.VENTRICULAR_TACHYCARDIA)]


class _Allorhythmia:
    """Ventricular beats, each after the same number of others."""

    def __init__(self, kind: RhythmKind, others: int, limits: RhythmThresholds) -> None:
        self._kind = kind
        self._others = others
        self._shortest = (limits.allorhythmia_beats - 1) * (others + 1) + 1
        self._stretch: _Stretch | None = None
        self._since: list[tuple[float, float]] = []  # (time, rr) of the beats after its last one

    def push(self, beat: _Beat) -> list[Episode]:
        ventricular = beat.kind is BeatClass.V
        if beat.rr is not None and self._stretch is not None:
            in_step = len(self._since) == self._others
            if in_step == ventricular:
                self._since.append((beat.time, beat.rr))
                if ventricular:
                    for time, rr in self._since:
                        self._stretch.add(time, rr)
                    self._since.clear()
                return []
        episodes = self.finish()
        if ventricular:
            self._stretch = _Stretch(beat.time)
        return episodes

    def finish(self) -> list[Episode]:
        stretch, self._stretch = self._stretch, None
        self._since.clear()
        if stretch is None or stretch.n_beats < self._shortest:
            return []
        return [stretch.episode(self._kind)]


class _AtrialRhythms:
    """Atrial fibrillation, and the supraventricular couplets and runs outside it.

    Fibrillation is judged by the intervals of the basic rhythm: those beside a ventricular beat or
    a lone supraventricular one are left out. Supraventricular beats in a row are kept, since a
    classifier may well take the beats of fibrillation for them.
    """

    def __init__(self, limits: RhythmThresholds) -> None:
        self._runs = _Runs(BeatClass.S)
        self._run_beats = limits.run_beats
        self._fibrillation = FibrillationDetector(
            window=limits.fibrillation_intervals,
            irregularity=limits.fibrillation_irregularity,
            irregularity_over=limits.fibrillation_over,
            shortest_s=limits.fibrillation_s,
            longest_gap_s=limits.fibrillation_gap_s,
        )
        self._readable_s = 0.0
        self._readable_n = 0
        self._interval: Interval | None = None  # before the last beat
        self._kinds: tuple[BeatClass | None, BeatClass | None] = (None, None)  # of the last two
        self._basic = False  # whether the last beat but one belongs to the basic rhythm
        self._waiting: deque[Episode] = deque()

    def push(self, beat: _Beat) -> list[Episode]:
        episodes = self._judge_last_beat(beat.kind)
        if beat.rr is None:
            self._interval = None
        else:
            self._readable_s += beat.rr
            self._readable_n += 1
            self._interval = Interval(
                beat.before, beat.time, beat.number, self._readable_s, self._readable_n
            )
        episodes += self._fibrillation.pass_time(beat.time)
        self._wait(self._runs.push(beat))
        return episodes + self._settled()

    def finish(self) -> list[Episode]:
        episodes = self._judge_last_beat(None) + self._fibrillation.finish()
        self._wait(self._runs.finish())
        return episodes + self._settled()

    def _judge_last_beat(self, following: BeatClass | None) -> list[Episode]:
        before, last = self._kinds
        lone = last is BeatClass.S and before is not BeatClass.S and following is not BeatClass.S
        was_basic, self._basic = self._basic, last is not BeatClass.V and not lone
        self._kinds = (last, following)
        if self._interval is not None and was_basic and self._basic:
            return self._fibrillation.push(self._interval)
        return []

    def _wait(self, run: _Stretch | None) -> None:
        if run is not None:
            short = run.n_beats < self._run_beats
            kind = RhythmKind.SUPRAVENTRICULAR_COUPLET
            self._waiting.append(run.episode(kind if short else RhythmKind.SUPRAVENTRICULAR_RUN))

    def _settled(self) -> list[Episode]:
        episodes = []
        while self._waiting:
            run = self._waiting[0]
            in_fibrillation = self._fibrillation.overlaps(run.onset, run.end)
            if in_fibrillation is None:
                break
            self._waiting.popleft()
            if not in_fibrillation:
                episodes.append(run)
        return episodes
