"""What is no ECG, hardly one, or a paced one: no exception, no invented beat, linear time."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from signals.ecg.qrs import QrsDetector
from signals.simulate import EcgScenario, NoiseLevels, simulate_ecg

RAILS = (-10.0, 10.0)
RATES = [250, 500, 1000, 2000]
BEATS = np.arange(0.6, 29.4, 0.8)


def found(*leads: NDArray[np.float64], rate: float) -> NDArray[np.int64]:
    detector = QrsDetector(rate, [RAILS] * len(leads))
    samples = np.array(leads, np.float32)
    return np.concatenate([detector.push(samples).peaks, detector.finish().peaks])


def bumps(rate: float, *waves: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return 30 s with Gaussian waves (lag s, width s, mV) around each of the beats."""
    t = np.arange(30 * rate) / rate
    signal = np.random.default_rng(1).normal(0, 0.005, len(t))
    for lag, width, size in waves:
        distance = (t[:, np.newaxis] - BEATS - lag) / width
        signal += (size * np.exp(-0.5 * distance * distance)).sum(axis=1)
    return signal


QRS = ((-0.03, 0.01, -0.1), (0.0, 0.011, 1.0), (0.03, 0.01, -0.25))
BROAD = ((0.0, 0.03, 1.0), (0.09, 0.04, -0.5))


def spikes(rate: float, lag: float, seconds: float, size: float) -> NDArray[np.float64]:
    signal = np.zeros(30 * int(rate))
    for beat in BEATS:
        first = round((beat + lag) * rate)
        signal[first : first + max(1, round(seconds * rate))] = size
    return signal


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("width", [0.0005, 0.001, 0.002])
@pytest.mark.parametrize("size", [2.0, -4.0])
def test_a_spike_before_a_paced_beat_is_part_of_it(rate: int, width: float, size: float) -> None:
    signal = bumps(rate, *BROAD) + spikes(rate, -0.05, width, size)
    peaks = found(signal, rate=rate)
    assert len(peaks) == len(BEATS)
    np.testing.assert_allclose(peaks / rate, BEATS, atol=0.06)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("width", [0.0005, 0.001, 0.002])
@pytest.mark.parametrize("size", [2.0, -8.0])
def test_a_spike_without_capture_is_no_beat(rate: int, width: float, size: float) -> None:
    assert found(bumps(rate) + spikes(rate, 0.0, width, size), rate=rate).size == 0
    between = bumps(rate, *QRS, (0.28, 0.05, 0.25)) + spikes(rate, 0.45, width, size)
    np.testing.assert_allclose(found(between, rate=rate) / rate, BEATS, atol=0.012)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("t_wave", [1.0, 1.3, -1.0, -1.3])
def test_a_t_wave_as_tall_as_r_is_no_beat(rate: int, t_wave: float) -> None:
    peaks = found(bumps(rate, *QRS, (0.3, 0.05, t_wave)), rate=rate)
    assert len(peaks) == len(BEATS)
    np.testing.assert_allclose(peaks / rate, BEATS, atol=0.012)


def test_a_gap_within_noise_and_leads_that_are_swapped() -> None:
    rate = 250
    signal = bumps(rate, *QRS)
    half = len(signal) // 2
    other = np.concatenate((-0.6 * signal[:half], signal[half:]))
    swapped = np.concatenate((signal[:half], -0.6 * signal[half:]))
    assert len(found(swapped, other, rate=rate)) == len(BEATS)
    signal[half : half + rate] = np.nan
    peaks = found(signal, rate=rate)
    assert len(BEATS) - 2 <= len(peaks) <= len(BEATS)


def test_asystole_of_half_a_minute_between_beats_holds_no_beat() -> None:
    scenario = EcgScenario(duration=90, rate=250, leads=("MLII",), pauses=((20.0, 30.0),), seed=2)
    simulated = simulate_ecg(scenario).recording
    peaks = found(simulated.read([0], 0, 90 * 250)[0].astype(float), rate=250)
    assert np.diff(peaks).max() / 250 == pytest.approx(30, abs=0.2)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_rate_that_is_wrong_by_two_does_no_harm(factor: float) -> None:
    peaks = found(bumps(500, *QRS), rate=500 * factor)
    assert 0.9 * len(BEATS) <= len(peaks) <= len(BEATS)
    assert (np.diff(peaks) > 0).all()


def test_beats_ride_on_a_drift_a_thousand_times_as_large() -> None:
    rate = 250
    t = np.arange(30 * rate) / rate
    drift = 5 * np.sin(2 * np.pi * 0.05 * t)
    tiny = found(0.05 * bumps(rate, *QRS) + drift, rate=rate)
    assert all(np.abs(BEATS - peak / rate).min() < 0.02 for peak in tiny)
    assert len(found(bumps(rate, *QRS) + drift, rate=rate)) == len(BEATS)


def test_time_is_linear_in_noise_too() -> None:
    noise = NoiseLevels(motion_mv=1.5, motion_per_hour=400, muscle_mv=0.05)
    scenario = EcgScenario(duration=600, rate=250, leads=("MLII",), noise=noise, seed=3)
    minutes = simulate_ecg(scenario).recording.read([0], 0, 600 * 250)[0].astype(float)

    def cpu(times: int) -> float:
        signal = np.tile(minutes, times)
        begin = time.process_time()
        found(signal, rate=250)
        return time.process_time() - begin

    cpu(1)
    assert cpu(6) < 12 * cpu(1) + 0.2
