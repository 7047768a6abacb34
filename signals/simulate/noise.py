"""What disturbs an ECG, at a stated strength."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 1 << 16

_WANDER_HZ = 8.0
"""Rate at which baseline wander is drawn before it is interpolated."""

_MOTION_S = (2.0, 8.0)
_MOTION_BAND_HZ = (0.5, 8.0)
_MUSCLE_BAND_HZ = (20.0, 120.0)


def narrowband(
    n: int, rate: float, centre_hz: float, width_hz: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return `n` samples of noise whose power spectrum is a Gaussian around `centre_hz`.

    Zero mean, unit variance; `width_hz` is the standard deviation of the spectrum.
    """
    length = int(fft.next_fast_len(n, real=True))
    frequencies = np.fft.rfftfreq(length, 1 / rate)
    power = np.exp(-0.5 * ((frequencies - centre_hz) / width_hz) ** 2)
    power[0] = 0.0
    phases = rng.uniform(0, 2 * np.pi, frequencies.size)
    spectrum = np.sqrt(power) * np.exp(1j * phases)
    return _with_rms(fft.irfft(spectrum, length)[:n], 1.0)


def _with_rms(samples: NDArray[np.float64], rms: float) -> NDArray[np.float64]:
    centred: NDArray[np.float64] = samples - samples.mean()
    spread = np.sqrt(np.mean(np.square(centred)))
    if spread:  # a burst of a sample or two is all mean
        centred *= rms / spread
    return centred


def add_wander(
    lead: NDArray[np.float32], rate: float, rms: float, rng: np.random.Generator
) -> None:
    """Add wander of `rms` to `lead`: breathing and slower drift, below 0.5 Hz."""
    coarse_n = int(lead.size / rate * _WANDER_HZ) + 2
    breathing = narrowband(coarse_n, _WANDER_HZ, 0.25, 0.05, rng)
    drift = narrowband(coarse_n, _WANDER_HZ, 0.0, 0.08, rng)
    wander = _with_rms(breathing + 1.5 * drift, rms)
    knots = np.arange(coarse_n)
    for index in _blocks(lead.size):
        lead[index] += np.interp(index * (_WANDER_HZ / rate), knots, wander)


def add_mains(
    lead: NDArray[np.float32], rate: float, hertz: float, rms: float, rng: np.random.Generator
) -> None:
    """Add mains hum of `rms` to `lead`, slowly swelling, with its third harmonic if it fits."""
    third = 0.15 if 3 * hertz < rate / 2 else 0.0
    swing = 0.2
    height = np.float32(rms / np.sqrt((1 + third**2) / 2 * (1 + swing**2 / 2)))
    start, swell_start = rng.uniform(0, 1, 2)
    for index in _blocks(lead.size):
        phase = _turns(index * (hertz / rate) + start)
        hum = np.sin(phase) + np.float32(third) * np.sin(3 * phase)
        swell = np.sin(_turns(index / (37.0 * rate) + swell_start))
        lead[index] += height * hum * (1 + np.float32(swing) * swell)


def add_muscle(
    lead: NDArray[np.float32], rate: float, rms: float, rng: np.random.Generator
) -> None:
    """Add muscle noise of `rms` to `lead`, 20 to 120 Hz, coming and going over seconds."""
    high = min(_MUSCLE_BAND_HZ[1], 0.45 * rate)
    band = signal.butter(2, (_MUSCLE_BAND_HZ[0], high), "bandpass", fs=rate, output="sos")
    state = np.zeros((band.shape[0], 2))
    impulse = np.zeros(round(rate))
    impulse[0] = 1.0
    gain = np.sqrt(np.sum(np.square(signal.sosfilt(band, impulse))))
    knots = np.arange(0, lead.size + 5 * rate, 5 * rate)
    tension = np.exp(0.5 * rng.standard_normal(knots.size))
    between = np.interp(np.arange(0, lead.size, rate / 2), knots, tension)
    tension *= rms / gain / np.sqrt(np.mean(np.square(between)))
    for index in _blocks(lead.size):
        activity, state = signal.sosfilt(band, rng.standard_normal(index.size), zi=state)
        lead[index] += activity * np.interp(index, knots, tension)


def _blocks(n: int) -> Iterator[NDArray[np.int64]]:
    """Yield the indices of `n` samples in pieces: a day of them at once would fill the memory."""
    for first in range(0, n, _BLOCK):
        yield np.arange(first, min(first + _BLOCK, n))


def _turns(turns: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the angle of a number of turns, reduced while it is still exact."""
    return (2 * np.pi * (turns % 1.0)).astype(np.float32)


def motion_bursts(
    duration: float, per_hour: float, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Return when motion disturbs a recording of `duration` seconds: (onset, end), in order."""
    count = rng.poisson(per_hour * duration / 3600.0)
    onsets = np.sort(rng.uniform(0, duration, count))
    lengths = rng.uniform(*_MOTION_S, count)
    ends = np.minimum(onsets + lengths, duration)
    return list(zip(onsets.tolist(), ends.tolist(), strict=True))


def motion(n: int, rate: float, rms: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return one burst of `n` samples of electrode motion of `rms`, swelling up and dying away."""
    band = signal.butter(2, _MOTION_BAND_HZ, "bandpass", fs=rate, output="sos")
    warm_up = round(rate)
    shaken = signal.sosfilt(band, rng.standard_normal(n + warm_up))[warm_up:]
    jumps = np.cumsum(rng.standard_normal(n) * (rng.random(n) < 1.5 / rate))
    scale = float(shaken.std()) or 1.0
    return _with_rms((shaken + 0.7 * scale * jumps) * np.hanning(n), rms)
