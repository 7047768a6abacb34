"""Rhythm of a stretch of ECG: sinus, atrial fibrillation, another one, or unreadable."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.tasks.rhythm_features import Beats, features
from ml.tasks.rhythm_grid import GRID_RATE, Floats, RhythmGrid
from ml.tasks.rhythm_segments import segments
from signals.ecg.fibrillation import EVERYWHERE, Suspicion
from signals.ecg.waves import BeatWaves
from signals.quality import is_readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.bundle import Bundle

TASK = "rhythm"
MODELS = ("encoder", "model")
LEADS = 2
"""The first leads, which are read one by one; their answers are averaged."""
WINDOW_S = 28.8
STEP_S = 19.2
LEAST_S = 4.0
"""Of a shorter recording nothing is said."""
LEAST_READABLE = 0.4
"""Share of its seconds from which a lead is asked about a stretch."""
_LOWEST_RATE = 100.0
_WINDOW, _STEP, _LEAST = (round(seconds * GRID_RATE) for seconds in (WINDOW_S, STEP_S, LEAST_S))


class Rhythm(IntEnum):
    """What a stretch is taken for; columns of the probabilities."""

    SINUS = 0
    """Normal: no rhythm to report."""
    FIBRILLATION = 1
    OTHER = 2
    """Neither of the two: many ectopic beats, too slow, too fast, blocks."""
    UNREADABLE = 3


LABELS = tuple(rhythm.name.lower() for rhythm in Rhythm)


@dataclass(frozen=True, slots=True)
class RhythmWindow:
    """What a stretch was taken for.

    Parameters
    ----------
    onset_s, end_s : float
        From the start of the recording.
    probabilities : tuple of float
        Calibrated, one for each :class:`Rhythm`.
    rhythm : Rhythm
    unsure : bool
        Whether the rhythm that is named is not probable enough to count as known.
    """

    onset_s: float
    end_s: float
    probabilities: tuple[float, ...]
    rhythm: Rhythm
    unsure: bool


class _Stretch(NamedTuple):
    """A stretch that waits for its beats: grid points, and the leads that can be read."""

    begin: int
    end: int
    levels: Floats
    readable: tuple[float, ...]


class RhythmClassifier:
    """Names the rhythm of windows of one recording as it comes, or of a short recording as a whole.

    Windows last 28.8 s and begin every 19.2 s; the last one ends with the recording. A window is
    given out when its samples, their quality and its beats were pushed, and it is known that
    fibrillation is suspected in it; others are passed over. What is given out, in the end, does not
    depend on how all that was cut into blocks. Memory does not grow with the recording, as long as
    readable stretches do not wait for what is known of them.

    Where no lead can be read for most of the time the network is not asked.

    Parameters
    ----------
    bundle : Bundle
        For the task ``rhythm``.
    rate : float
        Sampling rate, Hz; at least 100.
    n_leads : int
        Number of leads that will be pushed; the first two are used.
    whole : bool
        Whether the recording is a strip, 9 to 60 s, that has one answer.

    Raises
    ------
    ValueError
        If the rate is below 100 Hz, there is no lead, or the bundle is for another task.
    """

    def __init__(self, bundle: Bundle, rate: float, n_leads: int, *, whole: bool = False) -> None:
        if rate < _LOWEST_RATE:
            raise ValueError(f"rhythm is read from {_LOWEST_RATE:g} Hz on, not at {rate:g} Hz")
        if n_leads < 1:
            raise ValueError("rhythm cannot be read without a lead")
        if bundle.task != TASK or bundle.labels != LABELS or set(bundle.models) != set(MODELS):
            raise ValueError(f"the bundle {bundle.id} does not tell {', '.join(LABELS)}")
        self._encoder, self._head = map(bundle.ready, MODELS)
        self._decision = bundle.decision
        self._rate = rate
        self._leads = min(n_leads, LEADS)
        self._whole = whole
        self._grid = RhythmGrid(rate, self._leads)
        self._level = np.zeros((self._leads, 0), np.float32)
        self._level_start = 0
        self._readable = np.zeros((self._leads, 0), np.bool_)
        self._readable_start = 0
        self._beats = BeatWaves.none(n_leads)
        self._rr = np.zeros(0, np.float64)
        self._settled = 0.0  # grid point before which all beats were pushed
        self._suspicion = EVERYWHERE
        self._next = 0  # begin of the next stretch to be cut
        self._waiting: list[_Stretch] = []

    @property
    def runtime(self) -> str:
        """Name and version of what runs the models."""
        return self._head.runtime

    def push(
        self,
        samples: Floats,
        quality: NDArray[np.uint8],
        beats: BeatWaves,
        rr: NDArray[np.float64],
        settled: int,
        suspicion: Suspicion = EVERYWHERE,
    ) -> list[RhythmWindow]:
        """Take what became known; return the windows that became ready.

        Parameters
        ----------
        samples : numpy.ndarray, shape (leads, n), float32
            The next samples, mV, NaN where missing.
        quality : numpy.ndarray, shape (leads, seconds), uint8
            :class:`signals.quality.Quality` of the next whole seconds.
        beats : BeatWaves
            The next beats and their waves.
        rr : numpy.ndarray, shape (beats,), float64
            The interval before each, s; NaN where it cannot be read.
        settled : int
            The sample before which all beats were pushed.
        suspicion : Suspicion
            Where to look. From :attr:`until_s` on, all suspected stretches are to be named each
            time. A recording as a whole is looked at in any case.
        """
        self._suspicion = EVERYWHERE if self._whole else suspicion
        self._append(self._grid.push(samples[: self._leads]), quality)
        self._beats = BeatWaves.joined([self._beats, beats])
        self._rr = np.concatenate((self._rr, rr))
        self._settled = settled / self._rate * GRID_RATE
        if self._whole:
            return []
        while (end := self._next + _WINDOW) <= self._level_stop and self._is_judged(end):
            self._cut(self._next, end)
            self._next += _STEP
        self._forget_level()
        return self._ready()

    def finish(self) -> list[RhythmWindow]:
        """Return what is left when all samples, qualities and beats were pushed."""
        self._append(self._grid.finish(), np.zeros((self._leads, 0), np.uint8))
        stop = self._level_stop
        self._settled = np.inf
        if stop < _LEAST:
            return []
        if self._whole or stop <= _WINDOW:
            if not self._next:
                self._cut(0, stop)
        else:
            while self._next + _WINDOW <= stop:
                self._cut(self._next, self._next + _WINDOW)
                self._next += _STEP
            if self._next - _STEP + _WINDOW < stop:
                self._cut(stop - _WINDOW, stop)
        return self._ready()

    @property
    def _level_stop(self) -> int:
        return self._level_start + self._level.shape[1]

    def _is_judged(self, end: int) -> bool:
        return self._readable_start + self._readable.shape[1] >= end / GRID_RATE

    @property
    def until_s(self) -> float:
        """No window will be given out that begins before, s."""
        # the last one, which ends with the recording, may begin before the next one
        begins = [self._next - _STEP, *(stretch.begin for stretch in self._waiting[:1])]
        return min(begins) / GRID_RATE

    def _append(self, level: Floats, quality: NDArray[np.uint8]) -> None:
        self._level = np.concatenate((self._level, level), axis=1)
        readable = is_readable(quality[: self._leads])
        self._readable = np.concatenate((self._readable, readable), axis=1)

    def _cut(self, begin: int, end: int) -> None:
        first, last = int(begin / GRID_RATE), -int(-end // GRID_RATE)
        inside = self._readable[:, first - self._readable_start : last - self._readable_start]
        share = inside.mean(axis=1) if inside.shape[1] else np.zeros(self._leads)
        asked = share >= LEAST_READABLE
        level = self._level[asked, begin - self._level_start : end - self._level_start]
        self._waiting.append(_Stretch(begin, end, level, tuple(share[asked].tolist())))

    def _forget_level(self) -> None:
        # the last window, which ends with the recording, may begin before the next one
        oldest = max(min(self._next, self._level_stop - _WINDOW), self._level_start)
        self._level = self._level[:, oldest - self._level_start :]
        self._level_start = oldest
        second = int(oldest / GRID_RATE)
        self._readable = self._readable[:, second - self._readable_start :]
        self._readable_start = second

    def _ready(self) -> list[RhythmWindow]:
        ready, n = [], 0
        for stretch in self._waiting:
            wanted = self._suspicion.overlaps(stretch.begin / GRID_RATE, stretch.end / GRID_RATE)
            if stretch.end > self._settled or wanted is None:
                break
            if wanted:
                ready.append(stretch)
            n += 1
        self._waiting = self._waiting[n:]
        windows = self._classify(ready)
        begins = self._waiting[0].begin if self._waiting else self._level_start
        oldest = min(begins, self._level_start) / GRID_RATE * self._rate
        passed = int(np.searchsorted(self._beats.samples, oldest))
        self._beats = self._beats.parted(passed)[1]
        self._rr = self._rr[passed:]
        return windows

    def _classify(self, stretches: Sequence[_Stretch]) -> list[RhythmWindow]:
        known = [self._beats_in(stretch) for stretch in stretches]
        asked = [
            (index, level, beats, readable)
            for index, (stretch, beats) in enumerate(zip(stretches, known, strict=True))
            for level, readable in zip(stretch.levels, stretch.readable, strict=True)
        ]
        logits = np.zeros((len(stretches), len(LABELS)), np.float32)
        n_asked = np.zeros(len(stretches), np.int64)
        if asked:
            index = np.array([one[0] for one in asked])
            n_asked = np.bincount(index, minlength=len(stretches))
            np.add.at(logits, index, self._logits([one[1:] for one in asked]))
            logits /= np.maximum(n_asked, 1).astype(np.float32)[:, None]
        probabilities = self._decision.probabilities(logits)
        classes = self._decision.classes(logits)
        unsure = self._decision.unsure(logits)
        unread = n_asked == 0
        probabilities[unread] = np.eye(len(LABELS), dtype=np.float32)[Rhythm.UNREADABLE]
        classes[unread] = Rhythm.UNREADABLE
        unsure[unread] = False
        return [
            RhythmWindow(
                stretch.begin / GRID_RATE,
                stretch.end / GRID_RATE,
                tuple(row),
                Rhythm(rhythm),
                doubt,
            )
            for stretch, row, rhythm, doubt in zip(
                stretches, probabilities.tolist(), classes.tolist(), unsure.tolist(), strict=True
            )
        ]

    def _beats_in(self, stretch: _Stretch) -> Beats:
        onset, end = (point / GRID_RATE for point in (stretch.begin, stretch.end))
        samples = self._beats.samples
        first, last = np.searchsorted(samples, (onset * self._rate, end * self._rate))
        inside = slice(int(first), int(last))
        rr = self._rr[inside].copy()
        rr[:1] = np.nan
        # what follows the last beat may not have come yet
        until = samples[last - 1] if last > first else 0
        lone = np.searchsorted(self._beats.lone_p, (onset * self._rate, until))
        return Beats(
            samples[inside] / self._rate - onset,
            rr,
            self._beats.points[inside],
            self._beats.p_waves[inside],
            int(max(lone[1] - lone[0], 0)),
        )

    def _logits(self, asked: Sequence[tuple[Floats, Beats, float]]) -> Floats:
        rows = np.stack([features(*one) for one in asked])
        cut = [segments(level, beats) for level, beats, _ in asked]
        means, peaks = self._encoder.run(np.concatenate(cut))
        starts = np.cumsum([0, *(len(one) for one in cut[:-1])])
        counts = np.array([[len(one)] for one in cut], np.float32)
        mean = (np.add.reduceat(means, starts) / counts).astype(np.float32)
        peak = np.maximum.reduceat(peaks, starts)
        (logits,) = self._head.run(rows, mean, peak)
        return logits
