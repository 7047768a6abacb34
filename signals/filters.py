"""Streaming filters: what they answer does not depend on how the samples were cut into blocks.

Two kinds keep that promise to the last bit. Recursive filters carry their state and run sample by
sample (:func:`scipy.signal.sosfilt`). Moving sums run over integers, where every order of adding
gives the same answer, and cost the same at any length.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import cheby2, freqz_sos, sosfilt, sosfilt_zi

Signal = NDArray[np.float32]
Counts = NDArray[np.int64]

_STOPBAND_DB = 60.0


def moving_sum(samples: Counts, length: int) -> Counts:
    """Return the sums of `length` neighbouring samples along the last axis.

    Parameters
    ----------
    samples : numpy.ndarray, shape (..., n), int64
    length : int
        Samples added up, at least 1.

    Returns
    -------
    numpy.ndarray, shape (..., n - length + 1), int64
        Item i adds up ``samples[..., i : i + length]``.
    """
    total = np.zeros((*samples.shape[:-1], samples.shape[-1] + 1), np.int64)
    np.cumsum(samples, axis=-1, out=total[..., 1:])
    return total[..., length:] - total[..., :-length]


class GapFiller:
    """Puts the last sample that was there in the place of missing ones (NaN, infinity).

    A filter that met a NaN would never answer again; where samples are missing, the quality says
    so. A channel reads 0 until its first sample.

    Parameters
    ----------
    n_leads : int
    """

    def __init__(self, n_leads: int) -> None:
        self._last: Signal = np.zeros(n_leads, np.float32)

    def push(self, samples: Signal) -> Signal:
        """Return `samples`, shape (leads, n), without gaps; the argument is left as it is."""
        if samples.shape[1] == 0:
            return samples
        present = np.isfinite(samples)
        if not present.all():
            padded = np.column_stack((self._last, samples))
            source = np.where(present, np.arange(1, padded.shape[1]), 0)
            np.maximum.accumulate(source, axis=1, out=source)
            samples = np.take_along_axis(padded, source, axis=1)
        self._last = samples[:, -1].copy()
        return samples


class Decimator:
    """Keeps every n-th sample after taking out what the lower rate cannot hold.

    A Chebyshev filter of the second kind, 60 dB down from the new Nyquist frequency on. Its delay
    at 10 Hz, where most of a QRS lies, is taken off: sample k of the output stands for sample
    ``k * factor`` of the input.

    Parameters
    ----------
    rate : float
        Of the input, Hz.
    factor : int
        How many samples become one.
    n_leads : int
    """

    def __init__(self, rate: float, factor: int, n_leads: int) -> None:
        self._factor = factor
        self._sos = cheby2(8, _STOPBAND_DB, rate / factor / 2, fs=rate, output="sos")
        self._unit_state = sosfilt_zi(self._sos)[:, np.newaxis, :]
        self._state: NDArray[np.float64] = np.zeros((len(self._sos), n_leads, 2))
        self.delay = _delay(self._sos, 10.0, rate)
        """Samples of the input that the filter lags; so much later is an output sample known."""
        self._seen = 0

    def push(self, samples: Signal) -> Signal:
        """Return the output samples that are known after `samples`, shape (leads, n)."""
        if samples.shape[1] == 0:
            return samples
        if self._seen == 0:
            # as if the first sample had been there for ever: no step at the start
            self._state = self._unit_state * samples[:, :1].astype(np.float64)[np.newaxis]
        filtered, self._state = sosfilt(self._sos, samples, axis=-1, zi=self._state)
        first = (self.delay - self._seen) % self._factor
        if self._seen < self.delay:
            first = self.delay - self._seen
        self._seen += samples.shape[1]
        return np.asarray(filtered[:, first :: self._factor], np.float32)


def _delay(sos: NDArray[np.float64], frequency: float, rate: float) -> int:
    """Return the phase delay of a filter at `frequency`, in whole samples."""
    _, response = freqz_sos(sos, [frequency], fs=rate)
    return round(float(-np.angle(response[0])) * rate / (2 * np.pi * frequency))
