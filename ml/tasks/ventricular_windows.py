"""Cuts a stream of samples into windows, one to each second, as the ventricular model reads them.

All leads are brought to 64 samples a second, whatever their rate; a window is 8 s. The model is
asked about the last 4 s (:data:`JUDGED`), the seconds before are there to compare with.
"""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from signals.filters import GapFiller

Floats = NDArray[np.float32]

GRID_RATE = 64
"""Points to each second of the grid."""
WINDOW = 8
"""Seconds of a window."""
JUDGED = 4
"""Seconds at the end of a window that the answer is about."""
POINTS = WINDOW * GRID_RATE
LOOK_AHEAD_S = 0.06
"""Seconds after a window that its last points are made from."""
N_NUMBERS = 88

_CUTOFF_HZ = 25.0
_SLOWEST = 8  # cosines; half a period in the window each more: what is slower than 0.5 Hz goes
_JUDGED_POINTS = JUDGED * GRID_RATE
_LEAST_MV = 1e-4
_SPECTRUM_BANDS = 32  # of half a hertz, from 0.5 Hz on
_SPECTRUM_BINS = 4  # of 1/8 Hz in each
_VF_BINS = slice(16, 56)  # 2 to 7 Hz
_ALL_BINS = slice(4, 200)
_LAGS = slice(6, 102, 2)  # points: 0.09 to 1.6 s
_LONGEST_LAG = 128
_ENTROPY_BINS = slice(4, 264)  # 0.25 to 16.4 Hz of the window
_TINY = 1e-9


class VentricularWindows:
    """Resamples leads second by second; each second from its own samples alone.

    That, and operations of one fixed shape, make the result the same to the last bit however the
    samples were cut into blocks.

    Parameters
    ----------
    rate : float
        Hz.
    n_leads : int
    """

    def __init__(self, rate: float, n_leads: int) -> None:
        self._rate = rate
        self._half = ceil(LOOK_AHEAD_S * rate)
        self._kernel = _kernel(rate, self._half)
        self._filler = GapFiller(n_leads)
        self._samples = np.zeros((n_leads, 0), np.float32)
        self._start = -self._half  # sample that the first held one is
        self._begun = False
        self._second = 0  # to be made next
        self._points = np.zeros((n_leads, 0), np.float32)

    def push(self, samples: Floats) -> Floats:
        """Return the windows that `samples`, shape (leads, n), mV, NaN where missing, complete.

        Returns
        -------
        numpy.ndarray, shape (seconds, leads, POINTS), float32
            The window that ends with each second, mV; before the start, the first sample.
        """
        samples = self._filler.push(np.asarray(samples, np.float32))
        if samples.shape[1] and not self._begun:
            self._begun = True
            self._samples = np.repeat(samples[:, :1], self._half, axis=1)
        self._samples = np.concatenate((self._samples, samples), axis=1)
        stop = self._start + self._samples.shape[1]
        last = self._second
        while self._first(last) + len(self._kernel) <= stop:
            last += 1
        return self._windows(last)

    def finish(self) -> Floats:
        """Return the windows of whole seconds at the end, as if the last sample stayed."""
        stop = self._start + self._samples.shape[1]
        last = self._second
        while self._begun and ceil((last + 1) * self._rate) <= stop:
            last += 1
        missing = max(0, self._first(last - 1) + len(self._kernel) - stop)
        held = np.repeat(self._samples[:, -1:], missing, axis=1)
        self._samples = np.concatenate((self._samples, held), axis=1)
        return self._windows(last)

    def _first(self, second: int) -> int:
        """Return the first sample that a second is made from."""
        return int(second * self._rate) - self._half

    def _windows(self, last: int) -> Floats:
        count = last - self._second
        if count <= 0:
            return np.zeros((0, len(self._samples), POINTS), np.float32)
        firsts = [self._first(second) - self._start for second in range(self._second, last)]
        parts = sliding_window_view(self._samples, len(self._kernel), axis=1)[:, firsts]
        seconds = np.matmul(np.ascontiguousarray(parts.transpose(1, 0, 2)), self._kernel)
        if not self._points.size:
            self._points = np.repeat(seconds[0, :, :1], POINTS - GRID_RATE, axis=1)
        row = seconds.transpose(1, 0, 2).reshape(len(self._samples), -1)
        points = np.concatenate((self._points, row), axis=1)
        self._points = points[:, count * GRID_RATE :].copy()
        self._second = last
        drop = self._first(last) - self._start
        self._samples = self._samples[:, drop:].copy()
        self._start += drop
        windows = sliding_window_view(points, POINTS, axis=1)[:, ::GRID_RATE]
        return np.ascontiguousarray(windows.transpose(1, 0, 2))


def heights(windows: Floats) -> Floats:
    """Return the mean deflection of the judged part of windows, shape (n, POINTS), mV."""
    level = _level(windows)[:, -_JUDGED_POINTS:]
    mean: Floats = np.abs(level).mean(axis=1)
    return mean


def model_input(windows: Floats) -> tuple[Floats, Floats]:
    """Return what the model reads of windows of one lead each.

    Parameters
    ----------
    windows : numpy.ndarray, shape (n, POINTS), float32
        mV.

    Returns
    -------
    strip : numpy.ndarray, shape (n, 1, POINTS, 1)
        Without what is slower than 0.5 Hz, in mean deflections, softly limited to -1..1.
    numbers : numpy.ndarray, shape (n, 88)
        -1..1: how even heights and slopes are in both halves (:mod:`signals.ecg.ventricular`), the
        share between 2 and 7 Hz, growth, height and disorder of the spectrum; the spectrum of the
        judged part up to 16 Hz, and its autocorrelation.
    """
    level = _level(windows)
    height = np.abs(level).mean(axis=1, keepdims=True) + np.float32(_LEAST_MV)
    scaled = level / (2 * height)
    strip = scaled / (1 + np.abs(scaled))
    judged = level[:, -_JUDGED_POINTS:]
    judged = judged - judged.mean(axis=1, keepdims=True)
    power = np.square(np.abs(np.fft.rfft(judged * _TAPER, POINTS, axis=1)))
    numbers = np.concatenate(
        (_scalars(level, power), _spectrum(power), _autocorrelation(judged)), axis=1
    )
    return strip[:, None, :, None], np.clip(numbers, -1, 1).astype(np.float32)


def _scalars(level: Floats, power: Floats) -> Floats:
    slope = np.diff(level, axis=1)
    halves = level[:, :-_JUDGED_POINTS], level[:, -_JUDGED_POINTS:]
    before, after = (np.abs(half).mean(axis=1) + 1e-3 for half in halves)
    size = np.abs(np.fft.rfft(level, axis=1))[:, _ENTROPY_BINS]
    share = size / (size.sum(axis=1, keepdims=True) + _TINY)
    disorder = -(share * np.log(share + _TINY)).sum(axis=1) / np.log(size.shape[1])
    return np.stack(
        (
            _evenness(halves[0]),
            _evenness(slope[:, :_JUDGED_POINTS]),
            _evenness(halves[1]),
            _evenness(slope[:, _JUDGED_POINTS:]),
            power[:, _VF_BINS].sum(axis=1) / (power[:, _ALL_BINS].sum(axis=1) + _TINY),
            np.log2(after / before) / 2,
            np.log10(after) + 1,
            2 * disorder - 1,
        ),
        axis=1,
    )


def _evenness(values: Floats) -> Floats:
    size = np.abs(values)
    even: Floats = np.square(size.mean(axis=1)) / (np.square(size).mean(axis=1) + _TINY)
    return even


def _spectrum(power: Floats) -> Floats:
    first, n = _SPECTRUM_BINS, _SPECTRUM_BANDS * _SPECTRUM_BINS
    bands = power[:, first : first + n].reshape(len(power), _SPECTRUM_BANDS, -1).sum(axis=2)
    spectrum: Floats = 2 * np.sqrt(bands / (bands.sum(axis=1, keepdims=True) + _TINY)) - 0.5
    return spectrum


def _autocorrelation(judged: Floats) -> Floats:
    power = np.square(np.abs(np.fft.rfft(judged, POINTS, axis=1)))
    sums = np.fft.irfft(power, axis=1)[:, :_LONGEST_LAG]
    return np.asarray((sums / (sums[:, :1] + _TINY) / _OVERLAP)[:, _LAGS], np.float32)


def _level(windows: Floats) -> Floats:
    """Return windows without their slow part, each by itself."""
    slow = np.matmul(np.matmul(windows[:, None], _COSINES), _COSINES.T)
    level: Floats = windows - slow[:, 0]
    return level


def _cosines() -> Floats:
    phase = np.pi * (np.arange(POINTS)[:, None] + 0.5) / POINTS
    cosines = np.cos(phase * np.arange(_SLOWEST))
    return np.asarray(cosines / np.sqrt(np.square(cosines).sum(axis=0)), np.float32)


def _kernel(rate: float, half: int) -> Floats:
    """Return the weights of a second's grid points on its samples, shape (samples, GRID_RATE)."""
    at = half + (np.arange(GRID_RATE) + 0.5) * rate / GRID_RATE
    distance = (np.arange(ceil(rate) + 2 * half + 1)[:, None] - at) / rate
    cutoff = min(_CUTOFF_HZ, 0.4 * rate)
    window = np.where(
        np.abs(distance) < LOOK_AHEAD_S, 1 + np.cos(np.pi * distance / LOOK_AHEAD_S), 0
    )
    weights = np.sinc(2 * cutoff * distance) * window
    return np.asarray(weights / weights.sum(axis=0), np.float32)


_COSINES = _cosines()
_TAPER = np.hanning(_JUDGED_POINTS).astype(np.float32)
_OVERLAP = np.asarray(1 - np.arange(_LONGEST_LAG) / _JUDGED_POINTS, np.float32)
