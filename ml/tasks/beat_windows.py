"""Cuts the window of each beat out of a band-passed stream of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.tasks.band_pass import BandPass

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float32]

GRID_RATE = 128.0
"""Rate of the grid on which every beat is laid, Hz."""
GRID_POINTS = 112
R_INDEX = 51
"""Grid point on which the middle of the QRS comes to lie."""
MAX_DELAY_S = 10.0
"""How long after its samples a peak may be pushed, seconds."""

BAND_HZ = (0.67, 35.0)
_ALIGN_POINTS = 15
_MARGIN_S = 1.5
_MOST_BEATS = 1024
_GRID_S = (np.arange(GRID_POINTS) - R_INDEX) / GRID_RATE
_ALIGN_S = np.arange(-_ALIGN_POINTS, _ALIGN_POINTS + 1) / GRID_RATE
_ALIGN_WEIGHT = np.cos(0.5 * np.pi * np.arange(0.5 - _ALIGN_POINTS, _ALIGN_POINTS) / _ALIGN_POINTS)
_ALIGN_SHIFT_S = (np.arange(0.5 - _ALIGN_POINTS, _ALIGN_POINTS) / GRID_RATE).astype(np.float32)
_RAMP = (
    (np.arange(GRID_POINTS) - (GRID_POINTS - 1) / 2) / np.sqrt((GRID_POINTS**3 - GRID_POINTS) / 12)
).astype(np.float32)
_AFTER_S = float(_GRID_S[-1] + _ALIGN_S[-1]) + 0.02


class Windows(NamedTuple):
    """Beats cut out of the stream.

    Parameters
    ----------
    peaks : numpy.ndarray, shape (n,), int64
    shapes : numpy.ndarray, shape (n, leads, GRID_POINTS), float32
        mV, band-passed.
    known : numpy.ndarray, shape (n, leads), bool
        False where samples of the window were missing.
    """

    peaks: NDArray[np.int64]
    shapes: Floats
    known: NDArray[np.bool_]

    def joined(self, others: Sequence[Windows]) -> Windows:
        """Return these beats and those of `others` after them."""
        parts = (self, *others)
        return Windows(
            np.concatenate([part.peaks for part in parts]),
            np.concatenate([part.shapes for part in parts]),
            np.concatenate([part.known for part in parts]),
        )

    def first(self, n: int) -> Windows:
        """Return the first `n` beats."""
        return Windows(self.peaks[:n], self.shapes[:n], self.known[:n])


class BeatWindows:
    """Band-pass, then a window around each peak by cubic interpolation.

    A window is laid on the middle of the QRS (the centre of its squared slope within 0.12 s of the
    peak), so that detectors and annotators that put the peak elsewhere give the same window.

    Parameters
    ----------
    rate : float
        Sampling rate, Hz.
    leads : int
        Number of leads used.
    """

    def __init__(self, rate: float, leads: int) -> None:
        self._rate = rate
        self._leads = leads
        self._band_pass = BandPass(rate, leads, BAND_HZ)
        self._filtered = np.zeros((leads, 0), np.float32)
        self._known = np.zeros((leads, 0), np.bool_)
        self._start = 0
        self._stop = 0
        self._peaks = np.zeros(0, np.int64)
        self._last_peak = -1
        self._ended = False

    def push(self, samples: Floats, peaks: NDArray[np.int64]) -> None:
        """Take samples, shape (at least leads, n), mV, NaN where missing, and ascending peaks.

        Raises
        ------
        ValueError
            If the peaks do not ascend, or one comes more than MAX_DELAY_S after its samples.
        """
        peaks = np.asarray(peaks, np.int64)
        oldest = self._stop - round(MAX_DELAY_S * self._rate)
        if len(peaks):
            if peaks[0] <= self._last_peak or (np.diff(peaks) <= 0).any():
                raise ValueError("R peaks must ascend from push to push")
            if peaks[0] < oldest:
                raise ValueError(
                    f"an R peak came more than {MAX_DELAY_S:g} s after the samples it lies in"
                )
            self._last_peak = int(peaks[-1])
            self._peaks = np.concatenate((self._peaks, peaks))
        keep = oldest - round(_MARGIN_S * self._rate)
        if len(self._peaks):
            keep = min(keep, int(self._peaks[0]) - round(_MARGIN_S * self._rate))
        drop = max(0, keep - self._start)
        filtered, known = self._band_pass.push(np.asarray(samples[: self._leads], np.float32))
        self._filtered = np.concatenate((self._filtered[:, drop:], filtered), axis=1)
        self._known = np.concatenate((self._known[:, drop:], known), axis=1)
        self._start += drop
        self._stop += samples.shape[1]

    def finish(self) -> None:
        """Tell that no more samples come: windows that reach past the end hold its last value."""
        self._ended = True

    def take(self) -> Windows | None:
        """Return the next beats whose samples are all there, None where there are none."""
        complete = self._stop - round(_AFTER_S * self._rate) - 2
        n = len(self._peaks)
        if not self._ended:
            n = int(np.searchsorted(self._peaks, complete))
        n = min(n, _MOST_BEATS)
        if n == 0 or self._stop == 0:
            return None
        peaks, self._peaks = self._peaks[:n], self._peaks[n:]
        centres = peaks / self._rate
        coarse = self._interpolate(centres, _ALIGN_S)
        energy = (np.square(np.diff(coarse, axis=2)) * _ALIGN_WEIGHT.astype(np.float32)).sum(axis=1)
        total = energy.sum(axis=1) + np.float32(1e-9)
        centres += (energy * _ALIGN_SHIFT_S).sum(axis=1) / total
        first = np.rint((centres + _GRID_S[0]) * self._rate).astype(np.int64) - self._start
        length = round(GRID_POINTS / GRID_RATE * self._rate)
        known = np.ones((n, self._leads), np.bool_)
        if not self._known.all():
            index = np.clip(first[:, None] + np.arange(length), 0, self._known.shape[1] - 1)
            known[:] = self._known[:, index].all(axis=2).T
        return Windows(peaks, _level(self._interpolate(centres, _GRID_S)), known)

    def _interpolate(self, centres: NDArray[np.float64], offsets: NDArray[np.float64]) -> Floats:
        """Return the filtered signal at `centres` + `offsets` seconds: (beats, leads, offsets)."""
        at = (centres[:, None] + offsets) * self._rate - self._start
        base = np.floor(at)
        t = (at - base).astype(np.float32)
        half = np.float32(0.5) * t
        index = base.astype(np.int64)
        points = [index + k for k in (-1, 0, 1, 2)]
        out = np.empty((len(centres), self._leads, len(offsets)), np.float32)
        for lead, signal in enumerate(self._filtered):
            a, b, c, d = (signal.take(p, mode="clip") for p in points)
            # b + t/2 (c - a + t (2a - 5b + 4c - d + t (3 (b - c) + d - a))), in place: every new
            # array of this size costs more than the arithmetic
            cubic = b - c
            cubic *= 3
            cubic += d
            cubic -= a
            cubic *= t
            square = 5 * b
            np.subtract(2 * a, square, out=square)
            square += 4 * c
            square -= d
            square += cubic
            square *= t
            c -= a
            c += square
            c *= half
            np.add(b, c, out=out[:, lead])
        return out


def _level(shapes: Floats) -> Floats:
    """Return windows without offset and slope: what the filter leaves of a drifting baseline."""
    shapes = shapes - shapes.sum(axis=2, keepdims=True) / np.float32(GRID_POINTS)
    slope = (shapes * _RAMP).sum(axis=2, keepdims=True)
    shapes -= slope * _RAMP
    return shapes
