"""A stretch of one lead as segments for the rhythm network's encoder."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ml.tasks.rhythm_features import Beats
from ml.tasks.rhythm_grid import GRID_RATE, Floats
from signals.ecg.waves import PWave, Wave

SEGMENT_POINTS = 960
CHANNELS = 4
"""Signal, R peaks, intervals, P waves."""

_HEIGHT_BEFORE, _HEIGHT_POINTS = 6, 15
_LEAST_HEIGHT_MV = 0.02
_COMPRESSION, _UNIT = np.float32(8), np.float32(3)
_BUMP_POINTS = 4
_INTERVAL_UNIT = 2.0
"""Per octave that an interval is longer or shorter than the usual one."""


def segments(level: Floats, beats: Beats) -> Floats:
    """Return a stretch, cut: (segments, 1, SEGMENT_POINTS, CHANNELS), each value in -1..1.

    As many segments as cover the stretch, evenly spread from its first point to its last; one of a
    shorter stretch is filled up with zeros.

    Parameters
    ----------
    level : numpy.ndarray, shape (points,), float32
        One lead on the 100-Hz grid, band-passed, mV.
    beats : Beats
        Those in it.
    """
    n = len(level)
    rows = np.zeros((max(n, SEGMENT_POINTS), CHANNELS), np.float32)
    at = beats.times * GRID_RATE
    rows[:n, 0] = np.arcsinh(level / _height(level, at) * _COMPRESSION) / _UNIT
    rows[:n, 1] = _bumps(n, at)
    rows[:n, 2] = _interval_at_each(n, at, beats)
    has_p = np.isin(beats.p_waves, (PWave.CONDUCTED, PWave.UNRELATED))
    p_peaks = at[has_p] + beats.points[has_p, Wave.P_PEAK] * GRID_RATE
    rows[:n, 3] = _bumps(n, p_peaks[np.isfinite(p_peaks)])
    np.clip(rows, -1, 1, out=rows)
    count = -(-n // SEGMENT_POINTS)
    starts = np.linspace(0, max(0, n - SEGMENT_POINTS), max(count, 1)).astype(np.int64)
    cut: Floats = rows[starts[:, None] + np.arange(SEGMENT_POINTS)]
    return cut[:, None]


def _height(level: Floats, at: NDArray[np.float64]) -> np.float32:
    """Return the height of the usual QRS, mV."""
    first = np.rint(at).astype(np.int64) - _HEIGHT_BEFORE
    first = first[(first >= 0) & (first <= len(level) - _HEIGHT_POINTS)]
    if len(first) < 2:
        ordered = np.sort(level)
        height = ordered[round(0.98 * (len(level) - 1))] - ordered[round(0.02 * (len(level) - 1))]
    else:
        near = sliding_window_view(level, _HEIGHT_POINTS)[first]
        height = np.sort(near.max(axis=1) - near.min(axis=1))[len(first) // 2]
    return max(np.float32(height), np.float32(_LEAST_HEIGHT_MV))


def _bumps(n: int, at: NDArray[np.float64]) -> Floats:
    """Return a row with a bump of height 1 on each place, which need not lie in it."""
    row = np.zeros(n + 5 * _BUMP_POINTS, np.float32)
    base = np.floor(np.clip(at, -_BUMP_POINTS, n + _BUMP_POINTS)).astype(np.int64)
    place = base[:, None] + np.arange(1 - _BUMP_POINTS, _BUMP_POINTS + 1)
    height = np.maximum(1 - np.abs(place - at[:, None]) / _BUMP_POINTS, 0).astype(np.float32)
    np.maximum.at(row, (place + 2 * _BUMP_POINTS).ravel(), height.ravel())
    return row[2 * _BUMP_POINTS : n + 2 * _BUMP_POINTS]


def _interval_at_each(n: int, at: NDArray[np.float64], beats: Beats) -> Floats:
    """Return at each point how long the interval is that it lies in, against the usual one."""
    longer = _INTERVAL_UNIT * np.log2(beats.rr / beats.usual_rr)
    known = np.append(np.nan_to_num(longer), 0.0).astype(np.float32)
    ends = np.rint(at).astype(np.int64)
    return known[np.searchsorted(ends, np.arange(n), "right")]
