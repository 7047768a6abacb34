from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lombscargle

from signals.ecg._hrv_artifacts import NnSeries
from signals.ecg._hrv_spectrum import band_powers, ulf_power


def swinging(seconds: float, *swings: tuple[float, float], mean: float = 800.0) -> NnSeries:
    """Return NN intervals with swings of the given frequency (Hz) and amplitude (ms)."""
    nn, now = [], 0.0
    while now < seconds:
        nn.append(mean + sum(a * np.sin(2 * np.pi * hz * now) for hz, a in swings))
        now += nn[-1] / 1000
    lengths = np.array(nn)
    ones = np.ones(len(nn), bool)
    return NnSeries(np.cumsum(lengths) / 1000, lengths, ones, ones)


@pytest.mark.parametrize(("hz", "band"), [(0.02, 0), (0.1, 1), (0.25, 2)])
@pytest.mark.parametrize("mean", [600.0, 800.0, 1100.0])
def test_a_swing_is_in_its_band_with_half_its_amplitude_squared(
    hz: float, band: int, mean: float
) -> None:
    powers = band_powers(swinging(300, (hz, 40.0), mean=mean))
    assert powers[band] == pytest.approx(800, rel=0.05)
    assert sum(powers) - powers[band] < 0.05 * 800


def test_the_powers_are_those_of_lomb_and_scargle() -> None:
    rng = np.random.default_rng(0)
    nn = rng.normal(900, 30, 320)
    ones = np.ones(len(nn), bool)
    window = NnSeries(np.cumsum(nn) / 1000, nn, ones, ones)
    times = window.ends
    slope, level = np.polyfit(times, nn, 1)
    hz = np.arange(2, 241) / 600
    power = lombscargle(times, nn - slope * times - level, 2 * np.pi * hz)
    density = 2 * nn.mean() / 1000 * power / 600
    for got, (low, high) in zip(
        band_powers(window), [(0, 23.5), (23.5, 89.5), (89.5, 241)], strict=True
    ):
        inside = (hz * 600 > low) & (hz * 600 < high)
        assert got == pytest.approx(density[inside].sum(), rel=1e-6)


def test_the_power_of_noise_is_its_variance() -> None:
    def mean_power(keep: float) -> NDArray[np.float64]:
        rng = np.random.default_rng(1)
        found = []
        for _ in range(60):
            nn = rng.normal(800, 30, 375)
            kept = rng.random(375) < keep
            ends = (np.cumsum(nn) / 1000)[kept]
            found.append(band_powers(NnSeries(ends, nn[kept], kept[kept], kept[kept])))
        return np.mean(found, axis=0)

    # To half the heart rate, 0.625 Hz, there are 900 ms²; the trend takes a little of the lowest.
    expected = 900 * np.array([0.0375, 0.11, 0.25]) / 0.625
    for keep in (1.0, 0.85):
        np.testing.assert_allclose(mean_power(keep), expected, rtol=0.1)
        assert mean_power(keep).sum() == pytest.approx(expected.sum(), rel=0.05)


def test_a_trend_is_no_variability() -> None:
    nn = np.linspace(700, 900, 375)
    ones = np.ones(375, bool)
    powers = band_powers(NnSeries(np.cumsum(nn) / 1000, nn, ones, ones))
    assert sum(powers) < 0.01 * np.var(nn)


def test_mirror_images_beyond_half_the_heart_rate_do_not_count() -> None:
    # At 40 /min only frequencies up to 0.33 Hz can be told; 0.27 Hz is mirrored at 0.4 Hz.
    slow = swinging(300, (0.27, 40.0), mean=1500.0)
    assert band_powers(slow)[2] == pytest.approx(800, rel=0.1)


def test_equal_intervals_have_no_power() -> None:
    assert band_powers(swinging(300, mean=1250.0)) == pytest.approx((0, 0, 0), abs=1e-9)


def test_the_swing_of_a_day_is_ultra_low() -> None:
    day = swinging(86_400, (1 / 86_400, 100.0), (1 / 3600, 40.0), (0.1, 50.0), mean=900.0)
    assert ulf_power(day) == pytest.approx(5000 + 800, rel=0.03)
