"""Heart rate: the error of measurements, as ``mxm`` has it."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from signals.ecg.ec57.reading import Reading

_LEAST_INTERVALS = 2


@dataclass(frozen=True, slots=True)
class RateErrors:
    """Sums over heart-rate measurements, which add up over records.

    Parameters
    ----------
    measured : int
        Windows that both sides have a heart rate for.
    unmeasured : int
        Windows that the reference alone has one for.
    squares : float
        Sum of the squared differences, bpm².
    reference_sum : float
        Sum of the reference's heart rates where both have one, bpm.
    """

    measured: int = 0
    unmeasured: int = 0
    squares: float = 0.0
    reference_sum: float = 0.0

    def __add__(self, other: RateErrors) -> RateErrors:
        return RateErrors(
            self.measured + other.measured,
            self.unmeasured + other.unmeasured,
            self.squares + other.squares,
            self.reference_sum + other.reference_sum,
        )

    @property
    def rms_bpm(self) -> float:
        """Root of the mean squared difference, bpm; NaN where nothing was measured."""
        return sqrt(self.squares / self.measured) if self.measured else nan

    @property
    def rms_percent(self) -> float:
        """The same as a percentage of the reference's mean, which is what EC57 reports."""
        return 100.0 * self.rms_bpm * self.measured / self.reference_sum if self.measured else nan


def windowed_heart_rate(reading: Reading, seconds: float, n_windows: int) -> NDArray[np.float64]:
    """Return the mean heart rate of a reading in windows of equal length.

    Parameters
    ----------
    reading : Reading
        What it is measured from.
    seconds : float
        Length of a window.
    n_windows : int
        How many; the last one holds whatever follows.

    Returns
    -------
    numpy.ndarray, float64, shape (n_windows,)
        bpm: 60 over the mean of the RR intervals that end in the window. NaN with fewer than two.
        No interval is taken over ventricular fibrillation or a stretch given up.
    """
    whole = np.ones(max(len(reading.beats) - 1, 0), bool)
    for first, last in (*reading.fibrillation, *reading.unreadable):
        whole &= (reading.beats[1:] < first) | (reading.beats[:-1] > last)
    rr = (np.diff(reading.beats) / reading.rate)[whole]
    window = (reading.beats[1:][whole] / reading.rate / seconds).astype(np.int64)
    window = np.minimum(window, n_windows - 1)
    count = np.bincount(window, minlength=n_windows)
    total = np.bincount(window, weights=rr, minlength=n_windows)
    measurable = count >= _LEAST_INTERVALS
    return np.where(measurable, 60.0 * count / np.where(measurable, total, 1.0), nan)


def compare_heart_rates(reference: NDArray[np.float64], test: NDArray[np.float64]) -> RateErrors:
    """Compare heart rates, bpm, NaN where there is none; both of shape (windows,)."""
    known = ~np.isnan(reference)
    both = known & ~np.isnan(test)
    return RateErrors(
        measured=int(both.sum()),
        unmeasured=int((known & ~both).sum()),
        squares=float(((test - reference)[both] ** 2).sum()),
        reference_sum=float(reference[both].sum()),
    )
