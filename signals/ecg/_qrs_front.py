"""From samples to beat candidates: the part of QRS detection that runs sample by sample.

All sums of samples run over whole microvolts and every sum of squares is made by the same
additions, so that the answer is the same, to the last bit, for any cut into blocks. The filters are
sums over short windows: they are symmetric and forget what lies further back than a third of a
second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signals.filters import moving_sum

_MICROVOLTS = 1000.0
_HIGHEST = 1e5  # µV: up to 600 Hz, every sum and its curvature stay inside int32
_SLOPE_LAG = 0.008  # s
_CURVE_LAG = 0.028
_CURVE_WEIGHT = 2
_WINDOWS = (0.09, 0.04)
_BASELINE = 0.2


@dataclass(frozen=True, slots=True)
class Traces:
    """What the front knows of the next samples, all of one length.

    Parameters
    ----------
    energy : numpy.ndarray, shape (leads, n), float64
        Height of the QRS-like activity around each sample, mV.
    deflection : numpy.ndarray, shape (leads, n), int64
        The signal, lightly smoothed, from its mean over 0.2 s, in units of its own.
    """

    energy: NDArray[np.float32]
    deflection: NDArray[np.int32]


class QrsFront:
    """Turns samples into energy and deflection, centred on the sample they belong to.

    The signal is summed over one period of 60 Hz and one of 50 Hz, which takes mains hum out and
    leaves what is below 25 Hz; its slope and its curvature over QRS-like distances are squared,
    added, and summed over about the length of a QRS. Slope is high where curvature is low and the
    other way round, so that a QRS makes one smooth hill whatever its shape and polarity, highest
    at its middle. P and T waves, slower by a factor of three and more, stay low.

    Parameters
    ----------
    rate : float
        Hz, 600 at most.
    n_leads : int
    """

    def __init__(self, rate: float, n_leads: int) -> None:
        def length(seconds: float) -> int:
            return max(1, round(seconds * rate))

        self._n_leads = n_leads
        self._smooth = (length(1 / 60), length(1 / 50))
        self._slope, self._curve = length(_SLOPE_LAG), length(_CURVE_LAG)
        self._reach = max(self._slope, self._curve)
        self._windows = (length(_WINDOWS[0]), length(_WINDOWS[1]))
        self._baseline = length(_BASELINE)
        gain = _MICROVOLTS * self._smooth[0] * self._smooth[1]
        self._energy_gain = np.float32(1 / (gain * np.sqrt(self._windows[0] * self._windows[1])))
        self._energy_span = sum(self._smooth) - 2 + 2 * self._reach + sum(self._windows) - 2
        self._span = max(self._energy_span, self._baseline - 1)
        self.delay = self._span - self._span // 2
        """Samples that a centred value lags behind the newest sample."""
        self.microvolts = 1 / (self._smooth[0] * self._baseline)
        """Of one unit of the deflection."""
        self._tail: NDArray[np.int32] | None = None

    def push(self, samples: NDArray[np.float32]) -> Traces:
        """Return the traces that `samples`, shape (leads, n), mV without gaps, complete."""
        scaled = np.clip(samples * np.float32(_MICROVOLTS), -_HIGHEST, _HIGHEST)
        counts = np.rint(scaled).astype(np.int32)
        if self._tail is None:
            # as if the first sample had always been there
            self._tail = np.repeat(counts[:, :1], self._span // 2, axis=1)
        held = np.concatenate((self._tail, counts), axis=1)
        known = held.shape[1] - self._span
        if known <= 0:
            self._tail = held if held.shape[1] else None
            return Traces(
                np.zeros((self._n_leads, 0), np.float32), np.zeros((self._n_leads, 0), np.int32)
            )
        self._tail = held[:, known:].copy()
        return Traces(self._energy(held, known), self._deflection(held, known))

    def _energy(self, held: NDArray[np.int32], known: int) -> NDArray[np.float32]:
        shape = moving_sum(moving_sum(held, self._smooth[0]), self._smooth[1])
        slope = _shifted(shape, self._reach, self._slope) - _shifted(
            shape, self._reach, -self._slope
        )
        curve = (
            2 * _shifted(shape, self._reach, 0)
            - _shifted(shape, self._reach, self._curve)
            - _shifted(shape, self._reach, -self._curve)
        )
        slope, curve = slope.astype(np.float32), curve.astype(np.float32)
        power = slope * slope + np.float32(_CURVE_WEIGHT) * curve * curve
        power = moving_sum(moving_sum(power, self._windows[0]), self._windows[1])
        first = self._span // 2 - self._energy_span // 2
        return np.asarray(np.sqrt(power[:, first : first + known]) * self._energy_gain)

    def _deflection(self, held: NDArray[np.int32], known: int) -> NDArray[np.int32]:
        near, far = self._smooth[0], self._baseline
        short, long = moving_sum(held, near), moving_sum(held, far)
        of_short = self._span // 2 - (near - 1) // 2
        of_long = self._span // 2 - (far - 1) // 2
        return (
            far * short[:, of_short : of_short + known] - near * long[:, of_long : of_long + known]
        )


def _shifted(x: NDArray[np.int32], reach: int, lag: int) -> NDArray[np.int32]:
    """Return x(t + lag), `reach` samples left off at each end."""
    return x[:, reach + lag : x.shape[1] - reach + lag]
