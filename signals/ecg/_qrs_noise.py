"""Beats in noise: what this patient's beats look like, and when they come.

Where noise has risen, artifacts are as high as beats and as steep. Two things still tell them
apart: a beat looks like those before the noise, and comes about when it is due. Candidates are
weighed by both, and the likeliest chain of beats over the next two seconds decides. Where no chain
of known beats covers the time (a tachycardia, another lead position), nothing is refused.
"""

from __future__ import annotations

from collections import deque
from math import exp, inf, log, pi, sqrt
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Window = NDArray[np.int32]

REACH = 0.156
"""Seconds on either side of a candidate that its shape is read from."""

_SHAPE = 0.12  # s on either side of the middle
_BEND = 0.014  # s; curvature over it leaves little of what electrodes do, and most of a QRS
_SHIFT = 0.02  # s that noise moves the middle of a hill
_POINTS_PER_SECOND = 180
_KEPT = 32  # beats
_LEAST_BEATS = 8
_ALIKE = 2  # so many kept beats must be alike: one alone may be an artifact
_STALE = 60.0  # s without a beat that could be learned

# Log odds that a candidate is a beat, by logistic regression on the candidates of noisy stretches:
# the development parts of mitdb and svdb, and records of mitdb with the electrode motion of nstdb
# and the muscle noise `ma` added at 6 and 0 dB.
_ODDS = -1.1
_ODDS_OF_LIKENESS = 1.35  # of -log(1 - correlation)
_ODDS_OF_SMALL_GAIN = 1.7  # of log gain, below 1
_ODDS_OF_LOW = 2.95  # of log height, below the usual
_ODDS_OF_TALL = -1.65  # of log height, above the usual
_ODDS_OF_NOISE = -0.87  # of log noise to the usual height
_SURE_ODDS = 2.0
_HOPELESS_ODDS = -4.0

# The rest was chosen on the same recordings, each on a plateau.
_NOISY = 0.09  # of the usual height
_MORE_THAN_HABIT = 1.5  # times the noise this recording has where it is calm
_SLOW = 1 / 32
_REGULAR = 0.15  # of the usual interval
_REGULAR_AT_FIRST, _MOST_REGULAR, _LEAST_REGULAR = 0.7, 0.9, 0.6
_FAST = 1 / 8
_MOST_CONTESTED = 0.6
_LEAST_SPREAD = 0.05  # of the usual interval
_SHORTEST = 0.25  # s
_COVERED = 1.7  # usual intervals
_NEVER_ODDS = -50.0


class NoiseJudge:
    """Learns beats and rhythm where the signal is calm, and judges candidates where it is not.

    Parameters
    ----------
    rate : float
        Of the sample numbers, Hz.
    window_at : callable
        Returns the deflection `REACH` seconds around a sample, shape (leads, 2 * reach + 1).
    microvolts : float
        Of one unit of the deflection.
    """

    def __init__(
        self, rate: float, window_at: Callable[[int], Window], microvolts: float = 1.0
    ) -> None:
        self._rate = rate
        self._window_at = window_at
        self._microvolts = microvolts
        self._bend = max(1, round(_BEND * rate))
        self._stride = max(1, round(rate / _POINTS_PER_SECOND))
        self._shift = max(1, round(_SHIFT * rate / self._stride))
        self._half = round(_SHAPE * rate / self._stride)
        self._windows: deque[Window] = deque(maxlen=_KEPT)
        self._shapes: NDArray[np.float64] | None = None
        self._height = 0.0
        self._learned = 0
        self._habit = 0.0
        self.limit = inf
        """Noise, mV, above which candidates want judging."""
        self._regular = _REGULAR_AT_FIRST
        # how often there is a good candidate between two beats of the chain: at half of the true
        # rate, which is as regular, nearly always
        self._contested = 0.0
        self._is_contested = False

    def is_stale(self, time: int) -> bool:
        """Forget all and return True if what was learned is too old to judge by at `time`."""
        stale = time - self._learned > _STALE * self._rate
        if stale:
            self._windows.clear()
            self._habit = 0.0
            self.limit = inf
        return stale

    def learn(self, time: int, height: float, noise: float, *, noisy: bool) -> None:
        """Take the beat at `time`.

        Parameters
        ----------
        time : int
            Its sample.
        height, noise : float
            The usual height and the noise there, mV.
        noisy : bool
            Whether it was judged; then its noise is no habit.
        """
        if not self._windows:
            self._habit = noise
        self._windows.append(self._window_at(time))
        self._shapes = None
        self._height = height
        self._learned = time
        if not noisy:
            self._habit += _SLOW * (noise - self._habit)
        if len(self._windows) >= _LEAST_BEATS:
            self.limit = max(_NOISY * height, _MORE_THAN_HABIT * self._habit)

    def learn_interval(self, ratio: float) -> None:
        """Take an interval, as a multiple of the usual one."""
        regular = abs(ratio - 1) < _REGULAR
        self._regular += _SLOW * (regular - self._regular)

    def weigh(
        self,
        times: Sequence[int],
        heights: Sequence[float],
        noises: Sequence[float],
        trust: Sequence[NDArray[np.float64]],
    ) -> tuple[list[float], list[float]]:
        """Return the log odds that each candidate is a beat, and how alike it is (correlation).

        Parameters
        ----------
        times : sequence of int
            Samples.
        heights, noises : sequence of float
            mV.
        trust : sequence of numpy.ndarray, shape (leads,)
            What one unit of each lead counts for.
        """
        windows = self._bent(np.stack([self._window_at(time) for time in times]))
        likeness, gain = self._likeness(windows, np.stack(trust))
        height = np.log(np.array(heights) / self._height)
        noise = np.log(np.clip(np.array(noises) / self._height, 0.007, 7.0))
        odds = (
            _ODDS
            - _ODDS_OF_LIKENESS * np.log(np.clip(1 - likeness, 0.01, 1.2))
            + _ODDS_OF_SMALL_GAIN * np.log(np.clip(gain, 0.05, 1))
            + _ODDS_OF_LOW * np.minimum(height, 0)
            + _ODDS_OF_TALL * np.maximum(height, 0)
            + _ODDS_OF_NOISE * noise
        )
        return odds.tolist(), likeness.tolist()

    def _bent(self, windows: Window) -> NDArray[np.float64]:
        """Return the curvature of windows, whole µV: their products add up alike in any order."""
        middle = windows.shape[-1] // 2
        reach = (self._half + self._shift) * self._stride

        def part(lag: int) -> Window:
            first = middle - reach + lag
            return windows[..., first : first + 2 * reach + 1 : self._stride]

        bent = 2 * part(0) - part(-self._bend) - part(self._bend)
        return np.asarray(np.rint(bent * self._microvolts), np.float64)

    def _likeness(
        self, windows: NDArray[np.float64], trust: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the correlation of windows with the kept beats where they fit best, and gain."""
        if self._shapes is None:
            kept = self._bent(np.stack(self._windows))
            self._shapes = kept[..., self._shift : -self._shift]
        shapes = self._shapes
        slid = np.lib.stride_tricks.sliding_window_view(windows, shapes.shape[2], axis=2)
        dot, size, own = (np.zeros((1, 1, 1)) for _ in range(3))
        for lead in range(shapes.shape[1]):
            weight = (trust[:, lead] ** 2)[:, np.newaxis, np.newaxis]
            shape, window = shapes[:, lead], np.ascontiguousarray(slid[:, lead])
            dot = dot + weight * (window @ shape.T)
            size = size + weight * (window * window).sum(axis=2, keepdims=True)
            own = own + weight * (shape * shape).sum(axis=1)
        tiny = np.finfo(float).tiny
        correlation = dot / np.sqrt(np.maximum(size, tiny)) / np.sqrt(np.maximum(own, tiny))
        rank = correlation.shape[2] - _ALIKE
        which = np.argsort(correlation, axis=2, kind="stable")[:, :, rank, np.newaxis]
        best = np.take_along_axis(correlation, which, axis=2)[:, :, 0]
        gain = np.take_along_axis(dot / np.maximum(own, tiny), which, axis=2)[:, :, 0]
        at = np.argmax(best, axis=1)[:, np.newaxis]
        return np.take_along_axis(best, at, 1)[:, 0], np.take_along_axis(gain, at, 1)[:, 0]

    def decide(
        self,
        times: Sequence[int],
        odds: Sequence[float],
        last: int,
        intervals: Sequence[float],
        horizon: float,
        *,
        would_be: bool,
    ) -> bool:
        """Tell whether the first of the candidates is a beat.

        Parameters
        ----------
        times : sequence of int
            Samples of the candidate and of those after it, up to `horizon`.
        odds : sequence of float
            Their log odds.
        last : int
            Sample of the beat before them.
        intervals : sequence of float
            The latest RR intervals, samples.
        horizon : float
            Sample up to which candidates are known.
        would_be : bool
            What the rules for calm stretches say.
        """
        usual = median(intervals)
        apart = 1.4826 * median([abs(interval - usual) for interval in intervals])
        rhythm = _Rhythm(usual, max(apart, _LEAST_SPREAD * usual), self._regular, self._rate)
        first = rhythm.first_of_likeliest_chain(times, odds, last, horizon)
        if first == 0:
            self._contested += _FAST * (self._is_contested - self._contested)
            self._is_contested = False
            return True
        if would_be and odds[0] > 0:
            self._is_contested = True
            if self._contested > _MOST_CONTESTED:
                return True
        if would_be and (odds[0] > _SURE_ODDS or self._regular < _LEAST_REGULAR):
            return True
        following = horizon if first is None else times[first]
        return would_be and following - last > _COVERED * usual


class _Rhythm:
    """How likely the intervals of a chain of beats are, beside beats at random."""

    def __init__(self, usual: float, spread: float, regular: float, rate: float) -> None:
        self._usual = usual
        self._spread = spread
        regular = min(_MOST_REGULAR, regular)
        self._peak = regular * usual / (spread * sqrt(2 * pi))
        self._flat = (1 - regular) / 1.6
        self._shortest = _SHORTEST * rate

    def first_of_likeliest_chain(
        self, times: Sequence[int], odds: Sequence[float], last: int, horizon: float
    ) -> int | None:
        """Return the index of the first candidate of the likeliest chain; None: it has none."""
        best, first = self._open(horizon - last), None
        ends: list[tuple[int, float, int]] = []  # sample, log likelihood and first of chains
        for index, (time, odd) in enumerate(zip(times, odds, strict=True)):
            if odd <= _HOPELESS_ODDS:
                continue
            value, start = self._interval(time - last), index
            for end, of_chain, its_first in ends:
                longer = of_chain + self._interval(time - end)
                if longer > value:
                    value, start = longer, its_first
            value += odd
            ends.append((time, value, start))
            closed = value + self._open(horizon - time)
            if closed > best:
                best, first = closed, start
        return first

    def _interval(self, length: float) -> float:
        if length < self._shortest:
            return _NEVER_ODDS
        away = (length - self._usual) / self._spread
        flat = self._flat
        if length > 1.85 * self._usual:
            flat *= exp(-2 * (length / self._usual - 1.85))
        return log(self._peak * exp(-0.5 * away * away) + flat + 1e-9)

    def _open(self, length: float) -> float:
        """Return what a stretch without a beat at the end of the chain costs."""
        return -min(6.0, 2.0 * max(0.0, length / self._usual - 1.0))
