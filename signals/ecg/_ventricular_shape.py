"""The shape of a lead over three seconds: what tells fibrillation from beats.

Nothing here looks for beats. All sums run over whole microvolts, at some 60 samples a second, so
that the shapes are the same, to the last bit, for any cut into blocks.
"""

from __future__ import annotations

from math import ceil, cos, pi

import numpy as np
from numpy.typing import NDArray

from signals.filters import GapFiller, moving_sum

Sums = NDArray[np.int64]
Shapes = NDArray[np.float64]

WINDOW = 3
"""Seconds that a shape looks at."""

N_SHAPES = 3

_INNER_RATE = 60.0  # Hz, about: a mean over 1/60 s takes that mains out and keeps a QRS steep
_HUM = 50.0  # Hz, of the other mains; folded down by the mean, it would look like fibrillation
_LOWEST_WITH_HUM = 75.0  # Hz; below, 50 Hz lies where fibrillation does
_MICROVOLTS = 1000.0
_HIGHEST = 2e4  # µV; keeps every sum of a window below 2**53
_BASELINE = 0.5  # s; what is slower than 2 Hz goes
_SHORT = 0.1  # s; short minus long lets 2 to 7 Hz pass, where fibrillation lies
_LONG = 0.3
_FAR = 0.8  # s; what is faster than 1 Hz stays
_N_SUMS = 6


class ShapeMeter:
    """Tells the shape of each lead, second by second.

    Three numbers between 0 and 1 or little above, whatever the amplitude. How even the heights
    are: the square of their mean over the mean of their squares, 0.81 for a sine, 0.64 for noise,
    0.3 for beats with rest between them. How even the slopes are, in the same way: a QRS is steep
    for a tenth of a second, fibrillation at all times. And the share that lies between 2 and 7 Hz.

    Parameters
    ----------
    rate : float
        Hz.
    n_leads : int
    """

    def __init__(self, rate: float, n_leads: int) -> None:
        self._sums = _ShapeSums(rate, n_leads)
        self._last = np.zeros((_N_SUMS, n_leads, WINDOW - 1), np.int64)

    def push(self, samples: NDArray[np.float32]) -> tuple[Shapes, Shapes]:
        """Take samples, shape (leads, n), mV; return the shapes of the seconds they complete.

        Returns
        -------
        shapes : numpy.ndarray, shape (3, leads, seconds)
            Of the window that ends with each second; 0 where nothing moves.
        heights : numpy.ndarray, shape (leads, seconds)
            Root mean square of the signal above 2 Hz, mV.
        """
        return self._shapes(self._sums.push(samples))

    def finish(self) -> tuple[Shapes, Shapes]:
        """Return what is left at the end, as if the last sample stayed."""
        return self._shapes(self._sums.finish())

    def _shapes(self, sums: Sums) -> tuple[Shapes, Shapes]:
        held = np.concatenate((self._last, sums), axis=2)
        count = sums.shape[2]
        self._last = held[:, :, count:].copy()
        window = np.zeros(sums.shape, np.int64)
        for i in range(WINDOW):
            window += held[:, :, i : i + count]
        height, power, slope, steepness, band, wide = window.astype(np.float64)
        n = WINDOW * self._sums.length
        shapes = np.zeros((N_SHAPES, *power.shape))
        np.divide(height * height, n * power, out=shapes[0], where=power > 0)
        np.divide(slope * slope, n * steepness, out=shapes[1], where=steepness > 0)
        np.divide(band, wide, out=shapes[2], where=wide > 0)
        shapes[2] *= self._sums.band_unit
        return shapes, np.sqrt(power / n) * self._sums.height_unit


class _HumRemover:
    """Takes out 50 Hz, at any rate from 75 Hz on, and leaves a QRS steep.

    The weighted mean of three samples, a third of a period of the hum apart or little more, that
    cancels it would blunt a QRS as well. So the mean of what it took out is given back (Kaiser and
    Hamming 1977): twice the mean, less the mean of the mean. What is answered lags by four thirds
    of a period at most.

    Parameters
    ----------
    rate : float
        Hz.
    """

    def __init__(self, rate: float) -> None:
        self._lag = ceil(rate / (3 * _HUM))
        middle = -2 * cos(2 * pi * _HUM * self._lag / rate)
        self._middle = np.float32(middle)
        self._gain = np.float32(1 / (2 + middle))
        self._tail: NDArray[np.float32] | None = None

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return as many samples as are given, shape (leads, n), mV without gaps."""
        if samples.shape[1] == 0:
            return samples
        if self._tail is None:
            # as if the first sample had always been there
            self._tail = np.repeat(samples[:, :1], 4 * self._lag, axis=1)
        held = np.concatenate((self._tail, samples), axis=1)
        self._tail = held[:, samples.shape[1] :].copy()
        once = self._mean(held)
        return once[:, self._lag : -self._lag] * np.float32(2) - self._mean(once)

    def _mean(self, held: NDArray[np.float32]) -> NDArray[np.float32]:
        total = held[:, self._lag : -self._lag] * self._middle
        total += held[:, : -2 * self._lag]
        total += held[:, 2 * self._lag :]
        total *= self._gain
        return total


class _ShapeSums:
    """Adds up, second by second, what the shape of a lead is told by.

    Parameters
    ----------
    rate : float
        Hz.
    n_leads : int
    """

    def __init__(self, rate: float, n_leads: int) -> None:
        self._n_leads = n_leads
        self._factor = max(1, round(rate / _INNER_RATE))
        self._rate = rate / self._factor
        self.length = int(self._rate)
        """Samples of each second that are added up."""
        self._filler = GapFiller(n_leads)
        self._hum = _HumRemover(rate) if rate >= _LOWEST_WITH_HUM else None
        self._part = np.zeros((n_leads, 0), np.float32)  # of the next inner sample
        lengths = [_odd(seconds * self._rate) for seconds in (_BASELINE, _SHORT, _LONG, _FAR)]
        self._baseline, self._short, self._long, self._far = lengths
        self.height_unit = 1 / (4 * self._baseline * _MICROVOLTS)  # mV
        self.band_unit = (self._far / (self._short * self._long)) ** 2
        self._reach = max(self._far, self._baseline) // 2
        self._tail: Sums | None = None
        self._rows: Sums = np.zeros((_N_SUMS, n_leads, 0), np.int64)
        self._second = 0

    def push(self, samples: NDArray[np.float32]) -> Sums:
        """Return the sums of the seconds that `samples`, shape (leads, n), mV, complete.

        Returns
        -------
        numpy.ndarray, shape (6, leads, seconds), int64
            Of the signal without its baseline: heights, squared heights, slopes, squared slopes;
            then squared heights of what lies between 2 and 7 Hz, and of all above 1 Hz. Each pair
            has a unit of its own.
        """
        samples = self._filler.push(samples)
        if self._hum is not None:
            samples = self._hum.push(samples)
        held = np.concatenate((self._part, samples), axis=1)
        whole = held.shape[1] // self._factor * self._factor
        self._part = held[:, whole:].copy()
        total = held[:, 0 : whole : self._factor].copy()
        for i in range(1, self._factor):
            total += held[:, i : whole : self._factor]
        mean = total * np.float32(_MICROVOLTS / self._factor)
        return self._push_counts(np.rint(np.clip(mean, -_HIGHEST, _HIGHEST)).astype(np.int64))

    def finish(self) -> Sums:
        """Return the sums of what the filters hold, as if the last sample stayed."""
        if self._tail is None:
            return np.zeros((_N_SUMS, self._n_leads, 0), np.int64)
        # one more than the filters hold: the last second may lack a part of an inner sample
        return self._push_counts(np.repeat(self._tail[:, -1:], self._reach + 2, axis=1))

    def _push_counts(self, counts: Sums) -> Sums:
        if self._tail is None:
            # as if the first sample had always been there
            self._tail = np.repeat(counts[:, :1], self._reach + 1, axis=1)
        held = np.concatenate((self._tail, counts), axis=1)
        known = held.shape[1] - 2 * self._reach - 2
        if known <= 0:
            self._tail = held if held.shape[1] else None
            return np.zeros((_N_SUMS, self._n_leads, 0), np.int64)
        self._tail = held[:, known:].copy()
        self._rows = np.concatenate((self._rows, self._traces(held, known)), axis=2)
        return self._by_second()

    def _traces(self, held: Sums, known: int) -> Sums:
        """Return what is added up, one row for each sum, of `known` samples."""

        def mean_of(length: int, margin: int) -> Sums:
            """Return the moving sums of `length` around the samples and `margin` on each side."""
            first = self._reach + 1 - margin - length // 2
            return moving_sum(held[:, first : first + known + 2 * margin + length - 1], length)

        centre = held[:, self._reach : self._reach + known + 2]
        height = self._baseline * centre - mean_of(self._baseline, 1)
        smooth = height[:, :-2] + 2 * height[:, 1:-1] + height[:, 2:]
        slope = height[:, 2:] - height[:, :-2]
        band = self._long * mean_of(self._short, 0) - self._short * mean_of(self._long, 0)
        wide = self._far * centre[:, 1:-1] - mean_of(self._far, 0)
        return np.stack(
            (
                np.abs(smooth),
                smooth * smooth,
                np.abs(slope),
                slope * slope,
                band * band,
                wide * wide,
            )
        )

    def _by_second(self) -> Sums:
        start = self._edge(self._second)
        last = self._second
        while self._edge(last + 1) <= start + self._rows.shape[2]:
            last += 1
        starts = np.array([self._edge(k) for k in range(self._second, last)], np.int64) - start
        seconds: Sums = self._rows[:, :, starts[:, np.newaxis] + np.arange(self.length)].sum(axis=3)
        drop = self._edge(last) - start
        self._rows = self._rows[:, :, drop:].copy()
        self._second = last
        return seconds

    def _edge(self, second: int) -> int:
        return int(np.ceil(second * self._rate))


def _odd(length: float) -> int:
    return max(1, round((length - 1) / 2)) * 2 + 1
