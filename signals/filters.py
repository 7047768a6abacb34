"""Streaming filters: what they answer does not depend on how the samples were cut into blocks.

Two kinds keep that promise to the last bit. Recursive filters carry their state and run sample by
sample (:func:`scipy.signal.sosfilt`). Moving sums make every sum by the same additions, and cost
the logarithm of their length.
"""

from __future__ import annotations

from math import ceil
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.signal import cheby2, freqz_sos, sosfilt, sosfilt_zi

Signal = NDArray[np.float32]
_Number = TypeVar("_Number", np.int32, np.int64, np.float32)

_STOPBAND_DB = 60.0
_SPIKE_SECONDS = 0.0025
_SPIKE_RATE = 200.0
_SPIKE_MV = 0.3
_SPIKE_FLAT = 0.3  # of the spike; beside the top of a QRS it is more than its fall


def moving_sum(samples: NDArray[_Number], length: int) -> NDArray[_Number]:
    """Return the sums of `length` neighbouring samples along the last axis.

    Sums of 2, 4, 8, ... samples are made from each other and put together, so that every sum is
    made by the same additions: floats too give the same bits wherever a block begins.

    Parameters
    ----------
    samples : numpy.ndarray, shape (..., n)
    length : int
        Samples added up, at least 1.

    Returns
    -------
    numpy.ndarray, shape (..., n - length + 1)
        Item i adds up ``samples[..., i : i + length]``.
    """
    count = max(0, samples.shape[-1] - length + 1)
    total: NDArray[_Number] | None = None
    done, width, doubled = 0, 1, samples
    while count and done < length:
        if length & width:
            part = doubled[..., done : done + count]
            total = part if total is None else total + part
            done += width
        if done < length:
            doubled = doubled[..., :-width] + doubled[..., width:]
            width *= 2
    return samples[..., :0] if total is None else total


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


class SpikeRemover:
    """Takes out spikes of a pacemaker: too short and too steep for any heart.

    A spike rises by 0.3 mV and more out of a signal that is flat beside it, and is over within
    2.5 ms. What lies on both sides takes its place. Below 200 Hz a spike cannot be told from a
    narrow QRS, and nothing is taken out. Spikes that a recorder has smeared over more than 2.5 ms
    stay.

    Parameters
    ----------
    rate : float
        Hz.
    n_leads : int
    """

    def __init__(self, rate: float, n_leads: int) -> None:
        self._reach = ceil(_SPIKE_SECONDS * rate) if rate >= _SPIKE_RATE else 0
        self.delay = 2 * self._reach
        """Samples that must follow one before it is given out."""
        self._tail: Signal = np.zeros((n_leads, 0), np.float32)
        self._begun = False

    def push(self, samples: Signal) -> Signal:
        """Return the samples that are known after `samples`, shape (leads, n), without gaps."""
        if self._reach == 0 or samples.shape[1] == 0:
            return samples
        if not self._begun:
            self._begun = True
            self._tail = np.repeat(samples[:, :1], self.delay, axis=1)
        held = np.concatenate((self._tail, samples), axis=1)
        known = held.shape[1] - 2 * self.delay
        if known <= 0:
            self._tail = held
            return samples[:, :0]
        self._tail = held[:, known:].copy()
        before, middle, after = (
            held[:, (1 + side) * self._reach :][:, :known] for side in range(3)
        )
        bend = middle + middle
        bend -= before
        bend -= after
        if max(bend.max(), -bend.min()) <= 2 * _SPIKE_MV:  # as nearly always: no spike at all
            return middle
        rise, fall = middle - before, middle - after
        steep = (np.abs(rise) > _SPIKE_MV) & (np.abs(fall) > _SPIKE_MV)
        height = np.minimum(np.abs(rise), np.abs(fall))
        first, last = held[:, :known], held[:, 2 * self.delay :]
        beside = np.maximum(np.abs(before - first), np.abs(after - last))
        beside = np.maximum(beside, np.abs(after - before))
        spike = steep & (rise * fall > 0) & (beside < _SPIKE_FLAT * height)
        return np.where(spike, (before + after) / 2, middle)


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
