"""Lays a stream of samples, band-passed, on a 100-Hz grid, whatever its rate and its cut."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ml.tasks.band_pass import BandPass

Floats = NDArray[np.float32]

GRID_RATE = 100.0
"""Hz."""
BAND_HZ = (0.5, 40.0)
_AHEAD = 3  # samples that a grid point waits for
_HIGHEST = 0.4
"""Of the sampling rate: the filter's upper edge stays below it."""


class RhythmGrid:
    """Band-pass from the first sample on, then cubic interpolation at multiples of 10 ms.

    Missing samples hold the last value; a lead is zero before its first one.

    Parameters
    ----------
    rate : float
        Sampling rate, Hz.
    leads : int
        Number of leads.
    """

    def __init__(self, rate: float, leads: int) -> None:
        edges = BAND_HZ[0], min(BAND_HZ[1], _HIGHEST * rate)
        self._band_pass = BandPass(rate, leads, edges)
        self._per_point = rate / GRID_RATE
        self._filtered = np.zeros((leads, 0), np.float32)
        self._start = 0  # sample that `_filtered` begins with
        self._next = 0  # grid point

    def push(self, samples: Floats) -> Floats:
        """Take samples, shape (leads, n), mV, NaN where missing; return the next grid points."""
        self._filtered = np.concatenate((self._filtered, self._band_pass.push(samples)[0]), axis=1)
        stop = self._start + self._filtered.shape[1]
        return self._interpolate(int(max(stop - _AHEAD, 0) / self._per_point))

    def finish(self) -> Floats:
        """Return the last grid points, for which the last value is held."""
        stop = self._start + self._filtered.shape[1]
        return self._interpolate(int((stop - 1) / self._per_point) + 1 if stop else 0)

    def _interpolate(self, stop: int) -> Floats:
        """Return the points from the next one up to `stop`; forget what no later one needs."""
        at = np.arange(self._next, max(stop, self._next)) * self._per_point
        base = np.floor(at)
        t = (at - base).astype(np.float32)
        index = base.astype(np.int64) - self._start
        a, b, c, d = (self._filtered.take(index + k, axis=1, mode="clip") for k in (-1, 0, 1, 2))
        half = np.float32(0.5)
        points: Floats = b + half * t * (
            c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))
        )
        self._next += len(at)
        drop = max(0, int(self._next * self._per_point) - 1 - self._start)
        drop = min(drop, self._filtered.shape[1])
        self._filtered = self._filtered[:, drop:]
        self._start += drop
        return points
