"""A band-pass that is fed block by block and minds where samples are missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt, sosfilt_zi

Floats = NDArray[np.float32]


class BandPass:
    """Butterworth band-pass of the second order, lead by lead from its first sample on.

    Missing samples hold the last value; a lead is zero before its first one.

    Parameters
    ----------
    rate : float
        Sampling rate, Hz.
    leads : int
        Number of leads.
    band_hz : (float, float)
        Its edges.
    """

    def __init__(self, rate: float, leads: int, band_hz: tuple[float, float]) -> None:
        self._sections = butter(2, band_hz, "bandpass", fs=rate, output="sos")
        self._states: list[NDArray[np.float64] | None] = [None] * leads
        self._held = np.zeros(leads, np.float32)

    def push(self, samples: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Take samples, shape (leads, n), NaN where missing; return them filtered.

        Returns
        -------
        numpy.ndarray, shape (leads, n), float32
            Filtered.
        numpy.ndarray, shape (leads, n), bool
            False where a sample was missing.
        """
        known = np.isfinite(samples)
        filtered = np.zeros(samples.shape, np.float32)
        for lead, (row, there) in enumerate(zip(samples, known, strict=True)):
            state, begin = self._states[lead], 0
            if state is None:
                if not there.any():
                    continue
                begin = int(there.argmax())
                state = sosfilt_zi(self._sections) * float(row[begin])
            if not there.all():
                last = np.where(there, np.arange(len(row)), -1)
                np.maximum.accumulate(last, out=last)
                row = np.where(last < 0, self._held[lead], row[last])
            if len(row):
                filtered[lead, begin:], self._states[lead] = sosfilt(
                    self._sections, row[begin:], zi=state
                )
                self._held[lead] = row[-1]
        return filtered, known
