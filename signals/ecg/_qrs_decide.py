"""Which candidates are beats: the part of QRS detection that runs candidate by candidate."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from signals.ecg._qrs_noise import NoiseJudge

LOOK_AHEAD = 2.0
"""Seconds after a candidate that must be known before it is decided."""
REFRACTORY = 0.2
"""Seconds that two beats are apart at least."""

# Times in seconds, heights as a share of the usual beat unless said otherwise. Chosen on the
# development parts of mitdb (360 Hz) and svdb (128 Hz); none is at the edge of its plateau.
_BEAT = 0.35
_SLOPE = 0.15  # of the usual slope
_CROWDED, _CROWDED_SHARE = 0.26, 0.8  # so soon after a beat, this share of its height is needed
_T_WAVE, _T_WAVE_SHARE, _T_WAVE_SLOPE = 0.36, 0.65, 0.6
# So close before a higher hill, a low one is the P wave of that beat: of lower share, further off.
_P_WAVES = ((0.24, 0.9), (0.3, 0.7))
_P_HIGHEST = 0.85
_MISSED = 0.18
_MISSED_GAP = 1.4  # usual intervals
_OVERDUE = 0.8  # usual intervals
_RIVAL = 1.5  # times as high as a missed beat
_PAUSE = 2.0
_LOST = 6.0
_LOST_NOISE = 5.0  # times the noise
# Broad fast beats leave no calm between them to stand out of: a row of hills may be alike instead.
# Chosen on vfdb: 418 has such beats, the fibrillation of 430 has none.
_ALIKE_BEATS = 4
_ALIKE_HEIGHT = 0.15  # mV; P waves of a heart that stands still are lower
_ALIKE_NOISE = 2.5  # times the noise
_ALIKE_SHARE = 0.75  # of the higher one
_ALIKE_INTERVAL = 0.06  # of the first interval
_ALIKE_LEAST_INTERVAL = 0.33  # s; flutter is faster
_HISTORY = 8  # beats
_TALLEST = 2.0
_NEVER = -(1 << 60)
_SEEN_AHEAD = 1.9  # seconds; the shape of a candidate so far ahead is known as a whole
_KNOWN_SHAPE = 0.95  # correlation from which a beat in noise is learned from


@dataclass(frozen=True, slots=True)
class Candidates:
    """Hills of the energy, in time order; arrays of one length.

    Parameters
    ----------
    times : numpy.ndarray of int64
        Samples.
    heights, noises : numpy.ndarray of float64
        Height of the hill, and of the activity between beats in its second, mV.
    slopes : numpy.ndarray of float64
        Steepest slope of the signal around the hill, in a unit of its own.
    lulls : numpy.ndarray of float64
        The activity between beats in the calmer ones of the last seconds, mV.
    trust : numpy.ndarray of float64, shape (n, leads)
        What one mV of each lead counts for there: the inverse of its noise, 0 where unreadable.
    """

    times: NDArray[np.int64]
    heights: NDArray[np.float64]
    noises: NDArray[np.float64]
    slopes: NDArray[np.float64]
    lulls: NDArray[np.float64]
    trust: NDArray[np.float64]


class BeatDecider:
    """Chooses beats among candidates in time order, each by what lies up to 2 s after it.

    The usual height of a beat and the usual RR interval are medians of the last eight, so that one
    giant ventricular beat or one artifact moves neither. A candidate is a beat

    - when it is a third as high as usual; soon after a beat, when it is also nearly as high or as
      steep as that one, which a T wave is not;
    - or, lower, when without it the gap to the next sure beat would be too long (search-back);
    - never within the refractory period of a higher one, nor low and just before a higher one,
      where P waves lie, nor low and of a seventh of the usual slope, as artifacts are.

    After a pause of two seconds the expected height halves every second; a beat after one, and
    the candidates ahead after six seconds without a beat, set it afresh. Then a beat must stand
    out of the noise, or begin a row of four that are alike and evenly apart, so that none is
    invented where the heart stands still.

    Where noise has risen, :class:`~signals.ecg._qrs_noise.NoiseJudge` has the last word.

    Parameters
    ----------
    rate : float
        Of the sample numbers, Hz.
    judge : NoiseJudge
    """

    def __init__(self, rate: float, judge: NoiseJudge) -> None:
        self._rate = rate
        self._judge = judge
        self._times: list[int] = []
        self._heights: list[float] = []
        self._noises: list[float] = []
        self._slopes: list[float] = []
        self._lulls: list[float] = []
        self._trust: list[NDArray[np.float64]] = []
        # of the candidates seen in noise, by their samples
        self._odds: dict[int, float] = {}
        self._likeness: dict[int, float] = {}
        self._last = _NEVER
        self._last_height = 0.0
        self._last_slope = 0.0
        self._recent_slopes: list[float] = []
        self._usual_slope = 0.0
        self._usual = 0.0
        self._recent_heights: list[float] = []
        self._recent_intervals: list[float] = []
        self._interval = 0.8 * rate

    def push(self, candidates: Candidates) -> None:
        """Take the next candidates, later than all before."""
        self._times += candidates.times.tolist()
        self._heights += candidates.heights.tolist()
        self._noises += candidates.noises.tolist()
        self._slopes += candidates.slopes.tolist()
        self._lulls += candidates.lulls.tolist()
        self._trust += list(candidates.trust)

    def decide(self, known_to: float) -> list[int]:
        """Return the samples of the beats that can now be told.

        Parameters
        ----------
        known_to : float
            Sample up to which every candidate has been pushed; infinity at the end.
        """
        beats: list[int] = []
        ahead = LOOK_AHEAD * self._rate
        done = 0
        for i, time in enumerate(self._times):
            if time + ahead > known_to:
                break
            done = i + 1
            is_beat = self._is_beat(i)
            noisy = self._lulls[i] > self._judge.limit and self._is_noisy(i)
            if noisy:
                is_beat = self._is_beat_in_noise(i, would_be=is_beat)
            if is_beat:
                self._accept(i, noisy=noisy)
                beats.append(time)
        for time in self._times[:done] if self._odds else ():
            self._odds.pop(time, None)
            self._likeness.pop(time, None)
        del self._times[:done], self._heights[:done], self._noises[:done]
        del self._slopes[:done], self._lulls[:done], self._trust[:done]
        return beats

    def _is_noisy(self, i: int) -> bool:
        """Tell whether the noise of the last seconds lasts: a broad beat fills one or two alone."""
        if self._last == _NEVER or self._judge.is_stale(self._times[i]):
            return False
        if not self._recent_intervals:  # beats too far apart to tell when one is due
            return False
        last = self._seen_from(i) - 1
        return (self._noises[i] + self._noises[last]) / 2 > self._judge.limit

    def _seen_from(self, i: int) -> int:
        """Return the index after the last candidate that can be weighed with candidate `i`."""
        return bisect_left(self._times, self._times[i] + _SEEN_AHEAD * self._rate, i)

    def _is_beat_in_noise(self, i: int, *, would_be: bool) -> bool:
        end = self._seen_from(i)
        times = self._times[i:end]
        new = [j for j in range(i, end) if self._times[j] not in self._odds]
        if new:
            chosen = [self._times[j] for j in new]
            odds, likeness = self._judge.weigh(
                chosen,
                [self._heights[j] for j in new],
                [self._noises[j] for j in new],
                [self._trust[j] for j in new],
            )
            self._odds.update(zip(chosen, odds, strict=True))
            self._likeness.update(zip(chosen, likeness, strict=True))
        return self._judge.decide(
            times,
            [self._odds[time] for time in times],
            self._last,
            self._recent_intervals,
            times[0] + _SEEN_AHEAD * self._rate,
            would_be=would_be,
        )

    def _is_beat(self, i: int) -> bool:
        time, height = self._times[i], self._heights[i]
        since = time - self._last
        if since < REFRACTORY * self._rate:
            return False
        if since <= _PAUSE * self._rate and height < _MISSED * self._usual:
            return False
        is_clear = height >= _LOST_NOISE * self._noises[i]
        if since > _PAUSE * self._rate and not (is_clear or self._begins_row(i)):
            return False
        if since > _LOST * self._rate:
            self._learn(i)
        usual = self._usual
        if since <= _LOST * self._rate:
            usual *= min(1.0, 0.5 ** (since / self._rate - _PAUSE))
        if since <= _PAUSE * self._rate and height < usual and self._is_slow(i):
            return False
        if self._higher_within(i, REFRACTORY, height) or self._is_p_wave(i, usual):
            return False
        if height >= max(_BEAT * usual, self._needed_after_beat(i, usual)):
            return True
        return since >= _T_WAVE * self._rate and self._was_missed(i, usual)

    def _begins_row(self, i: int) -> bool:
        """Tell whether hills follow that are as high and one as far from the next."""
        height = self._heights[i]
        if height < max(_ALIKE_HEIGHT, _ALIKE_NOISE * self._noises[i]):
            return False
        last, interval, found = self._times[i], 0, 1
        for j in range(i + 1, len(self._times)):
            if self._heights[j] < _ALIKE_SHARE * height:
                continue
            since = self._times[j] - last
            interval = interval or since
            if (
                height < _ALIKE_SHARE * self._heights[j]
                or since < _ALIKE_LEAST_INTERVAL * self._rate
                or abs(since - interval) > _ALIKE_INTERVAL * interval
                or self._times[j] - self._times[i] > LOOK_AHEAD * self._rate
            ):
                return False
            last, found = self._times[j], found + 1
            if found == _ALIKE_BEATS:
                return True
        return False

    def _is_slow(self, i: int) -> bool:
        return self._slopes[i] < _SLOPE * self._usual_slope

    def _needed_after_beat(self, i: int, usual: float) -> float:
        """Return the height that tells a candidate from the T wave of the beat before it."""
        since = self._times[i] - self._last
        before = min(self._last_height, 1.5 * usual)
        if since < _CROWDED * self._rate:
            return _CROWDED_SHARE * before
        if since < _T_WAVE * self._rate and self._slopes[i] < _T_WAVE_SLOPE * self._last_slope:
            return _T_WAVE_SHARE * before
        return 0.0

    def _is_p_wave(self, i: int, usual: float) -> bool:
        height = self._heights[i]
        return height < _P_HIGHEST * usual and any(
            self._higher_within(i, ahead, height / share) for ahead, share in _P_WAVES
        )

    def _was_missed(self, i: int, usual: float) -> bool:
        """Tell whether a low candidate is a beat by its place, the best one of a long gap."""
        time, height = self._times[i], self._heights[i]
        if height < _MISSED * usual:
            return False
        for j in range(i + 1, len(self._times)):
            ahead = self._times[j] - time
            if ahead >= LOOK_AHEAD * self._rate:
                break
            if self._heights[j] >= _BEAT * usual and ahead >= REFRACTORY * self._rate:
                gap = self._times[j] - self._last
                return gap > _MISSED_GAP * self._interval and ahead > _T_WAVE * self._rate
            if self._heights[j] > _RIVAL * height:
                return False
        return time - self._last > _OVERDUE * self._interval

    def _higher_within(self, i: int, seconds: float, height: float) -> bool:
        end = self._times[i] + seconds * self._rate
        for j in range(i + 1, len(self._times)):
            if self._times[j] >= end:
                return False
            if self._heights[j] > height:
                return True
        return False

    def _learn(self, i: int) -> None:
        """Learn the usual height from the two highest candidates ahead."""
        end = self._times[i] + LOOK_AHEAD * self._rate
        last = bisect_left(self._times, end, i)
        ahead = sorted(self._heights[i:last])
        self._usual = max([0.5 * ahead[-1], *ahead[-2:-1]])
        self._recent_heights = [self._usual] * 3
        self._last = _NEVER
        self._recent_slopes.clear()
        self._usual_slope = 0.0

    def _accept(self, i: int, *, noisy: bool) -> None:
        time, height = self._times[i], self._heights[i]
        if self._last != _NEVER:
            since = float(time - self._last)
            if not noisy:
                self._judge.learn_interval(since / self._interval)
            if since > _PAUSE * self._rate:
                self._usual = height
                self._recent_heights = [height] * 2
                self._recent_slopes.clear()
            usual = self._interval
            self._recent_intervals.append(min(max(since, 0.5 * usual), 1.6 * usual))
            del self._recent_intervals[:-_HISTORY]
            self._interval = _median(self._recent_intervals)
        self._last, self._last_height, self._last_slope = time, height, self._slopes[i]
        self._recent_heights.append(min(height, _TALLEST * self._usual))
        del self._recent_heights[:-_HISTORY]
        self._usual = _median(self._recent_heights)
        self._recent_slopes.append(self._last_slope)
        del self._recent_slopes[:-_HISTORY]
        self._usual_slope = _median(self._recent_slopes)
        if not noisy or self._likeness.get(time, 0.0) >= _KNOWN_SHAPE:
            self._judge.learn(time, self._usual, self._noises[i], noisy=noisy)


def _median(values: list[float]) -> float:
    """Return the median; :func:`statistics.median` takes three times as long for eight beats."""
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
