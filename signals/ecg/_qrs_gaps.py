"""What lies between two beats that are far apart: a heart that rests, or activity without beats.

A detector that finds no beat in ventricular fibrillation, in a tachycardia of broad waves or in a
burst of motion must not let it pass for a pause. The heart at rest leaves less activity than it
does between its beats; those three leave more. What is usual between beats says nothing once a
tachycardia has made it high: above a bound, activity is activity.
"""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable

_GAP = 2.0  # s; shorter ones are intervals
_LEAST = 0.05  # mV; asystole of vfdb stays below, save in its noisiest record
_MORE = 1.5  # times the usual activity
_MOST = 0.075  # mV; asystole of vfdb stays below, save in single seconds, whatever was usual
_SHARE = 1 / 3  # of the seconds of a gap
_USUAL = 30  # seconds
_KEPT = 60  # seconds


class BeatlessActivity:
    """Tells which gaps between beats are full of activity, second by second.

    Parameters
    ----------
    rate : float
        Of the sample numbers, Hz.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._last = 0
        self._usual: deque[float] = deque(maxlen=_USUAL)
        self._limit: float | None = None  # of this gap, once a second of it is counted
        # activity of the seconds from `_first` on; those before it, of this gap, are counted
        self._seconds: deque[float] = deque()
        self._first = 0
        self._active = self._readable = self._unreadable = 0

    def push(self, activity: NDArray[np.float64], beats: Iterable[int]) -> list[tuple[int, int]]:
        """Take the next seconds and beats; return the gaps that are full of activity.

        Parameters
        ----------
        activity : numpy.ndarray, shape (seconds,)
            mV; infinite where no lead can be read.
        beats : iterable of int
            Samples, ascending, none after the last second pushed.

        Returns
        -------
        list of (int, int)
            Samples from the beat before the gap to the one after it.
        """
        self._seconds.extend(activity.tolist())
        gaps = [gap for beat in beats for gap in self._close(beat)]
        while len(self._seconds) > _KEPT:
            self._count(self._seconds.popleft())
            self._first += 1
        return gaps

    def finish(self, end: int) -> list[tuple[int, int]]:
        """Return the last gap, up to the sample `end`, if it is full of activity."""
        return self._close(end)

    def _close(self, beat: int) -> list[tuple[int, int]]:
        """End the stretch since the last beat; return it if it is a gap full of activity."""
        start, self._last = self._last, beat
        passed = min(int(beat / self._rate) - self._first, len(self._seconds))
        is_gap = beat - start >= _GAP * self._rate
        for _ in range(passed):
            second = self._seconds.popleft()
            self._first += 1
            if is_gap:
                self._count(second)
            elif second < np.inf:
                self._usual.append(second)
        if not is_gap:
            return []
        full = self._readable > self._unreadable and self._active > _SHARE * self._readable
        self._active = self._readable = self._unreadable = 0
        self._limit = None
        return [(start, beat)] if full else []

    def _count(self, second: float) -> None:
        if self._limit is None:
            usual = median(self._usual) if self._usual else 0.0
            self._limit = min(max(_LEAST, _MORE * usual), _MOST)
        if second == np.inf:
            self._unreadable += 1
        else:
            self._readable += 1
            self._active += second >= self._limit
