"""The spectrum of NN intervals: Lomb–Scargle, of what is there, nothing resampled.

N. R. Lomb, Astrophys. Space Sci. 39 (1976) 447; J. D. Scargle, Astrophys. J. 263 (1982) 835.
Powers are scaled so that the whole spectrum up to half the sampling rate (half the mean heart rate)
adds up to the variance, as the Task Force asks of a spectrum in ms².
"""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import NDArray

from signals.ecg._hrv_artifacts import NnSeries

VLF_HZ = 0.003
LF_HZ = 0.04
HF_HZ = 0.15
TOP_HZ = 0.40
GRID_HZ = 1 / 600
BIN_S = 10.0
DAY_S = 86_400.0
_DEGENERATE = 1e-9


def band_powers(window: NnSeries) -> tuple[float, float, float]:
    """Return the power of a window in the VLF, LF and HF bands, ms².

    The mean and the linear trend are removed; no taper. The density is taken every 1/600 Hz and
    summed over each band, lower edge in, upper edge out (0.4 Hz in). Beyond half the mean heart
    rate there are only mirror images, which count as nothing.

    Parameters
    ----------
    window : NnSeries
        Of three intervals or more.
    """
    times: NDArray[np.float64] = window.ends - window.ends.mean()
    nn: NDArray[np.float64] = window.nn - window.nn.mean()
    nn -= times * float(times @ nn / (times @ times))
    spacing_s = float(window.nn.mean()) / 1000.0
    n = round(TOP_HZ / GRID_HZ)
    power = _density(times, nn, spacing_s, GRID_HZ, n) * GRID_HZ
    power[np.arange(1, n + 1) * GRID_HZ > 0.5 / spacing_s] = 0.0
    # The edges LF_HZ and HF_HZ lie on the grid; VLF_HZ lies between its first two frequencies.
    first = [int(np.ceil(VLF_HZ / GRID_HZ)), round(LF_HZ / GRID_HZ), round(HF_HZ / GRID_HZ)]
    vlf, lf, hf = np.add.reduceat(power, np.asarray(first) - 1).tolist()
    return vlf, lf, hf


def ulf_power(day: NnSeries) -> float:
    """Return the power of up to 24 h under 0.003 Hz, ms².

    Of the means of 10 s, those without an interval left out, at every 1/24 h; a mean of 10 s keeps
    99.7 % of the power at 0.003 Hz. Only the mean is removed, for a trend over the day is of this
    band.
    """
    place = ((day.ends - day.ends[0]) / BIN_S).astype(np.int64)
    count = np.bincount(place)
    filled = np.flatnonzero(count)
    means: NDArray[np.float64] = np.bincount(place, weights=day.nn)[filled] / count[filled]
    means -= means.mean()
    grid_hz = 1 / DAY_S
    n = int(VLF_HZ / grid_hz)
    density = _density(np.asarray(filled, np.float64) * BIN_S, means, BIN_S, grid_hz, n)
    return float(density.sum()) * grid_hz


def _density(
    times: NDArray[np.float64],
    values: NDArray[np.float64],
    spacing_s: float,
    grid_hz: float,
    n: int,
) -> NDArray[np.float64]:
    """Return the one-sided power density at ``grid_hz`` times 1 to n, unit² per Hz, shape (n,)."""
    # exp(i w t) at all frequencies is the product of two short tables of powers: sums over the
    # samples become one small matrix product, without a sine for each sample and frequency.
    side = isqrt(n) + 1
    turn = np.exp(2j * np.pi * grid_hz * times)
    fine = _powers(turn, side)
    coarse = _powers(fine[-1] * turn, side)
    sums = (coarse @ (fine * values).T).ravel()[1 : n + 1]
    doubled = ((coarse * coarse) @ (fine * fine).T).ravel()[1 : n + 1]

    # Scargle's shift of time that makes sine and cosine orthogonal, as a turn of the sums.
    size = np.abs(doubled)
    turned = sums * np.exp(-0.5j * np.angle(doubled))
    sine_weight = len(times) - size
    power: NDArray[np.float64] = turned.real**2 / (len(times) + size)
    power += np.divide(
        turned.imag**2,
        sine_weight,
        out=np.zeros(n),
        where=sine_weight > _DEGENERATE * len(times),
    )
    power *= 2.0 * spacing_s
    return power


def _powers(base: NDArray[np.complex128], n: int) -> NDArray[np.complex128]:
    """Return the powers 0 to n - 1, shape (n, len(base))."""
    table = np.empty((n, len(base)), np.complex128)
    table[0] = 1.0
    for exponent in range(1, n):
        np.multiply(table[exponent - 1], base, out=table[exponent])
    return table
