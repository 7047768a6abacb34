"""The QRS detector: on a beat train with known truth, on what is no ECG, and on real recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from signals.ecg.matching import compare_beats
from signals.ecg.qrs import QrsDetector
from signals.quality import Quality

if TYPE_CHECKING:
    from collections.abc import Sequence

Signal = NDArray[np.float32]
RAILS = (-5.0, 5.0)


def beat_train(
    times: Sequence[float],
    rate: float,
    duration: float,
    *,
    heights: Sequence[float] | float = 1.0,
    t_wave: float = 0.25,
    noise: float = 0.01,
) -> Signal:
    """Return one lead of beats with P, Q, R, S and T as Gaussian bumps, R at `times`."""
    t = np.arange(int(duration * rate)) / rate
    signal = np.random.default_rng(7).normal(0, noise, len(t))
    for time, height in zip(times, np.broadcast_to(heights, len(times)), strict=True):
        for lag, width, size in (
            (-0.17, 0.022, 0.12),
            (-0.03, 0.010, -0.12),
            (0.0, 0.011, 1.0),
            (0.03, 0.010, -0.2),
            (0.28, 0.05, t_wave),
        ):
            signal += height * size * np.exp(-0.5 * ((t - time - lag) / width) ** 2)
    return signal.astype(np.float32)


def detect(
    leads: Signal | Sequence[Signal], rate: float, cuts: Sequence[int] = ()
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    samples = np.atleast_2d(np.asarray(leads, np.float32))
    detector = QrsDetector(rate, [RAILS] * len(samples))
    edges = [0, *sorted(cuts), samples.shape[1]]
    batches = [detector.push(samples[:, a:b]) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    batches.append(detector.finish())
    return (
        np.concatenate([batch.peaks for batch in batches]),
        np.concatenate([batch.quality for batch in batches], axis=1),
    )


def assert_found(peaks: NDArray[np.int64], times: Sequence[float], rate: float) -> None:
    assert len(peaks) == len(times)
    np.testing.assert_allclose(peaks / rate, times, atol=0.012)


REGULAR = list(np.arange(0.5, 29.5, 0.8))


@pytest.mark.parametrize("rate", [100, 128, 250, 257.5, 360, 500, 512, 1000, 2000, 10000])
def test_finds_every_beat_at_any_rate(rate: float) -> None:
    peaks, quality = detect(beat_train(REGULAR, rate, 30), rate)
    assert_found(peaks, REGULAR, rate)
    assert quality.shape == (1, 30)
    assert (quality == Quality.GOOD).all()
