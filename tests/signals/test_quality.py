"""Signal quality by the second: each verdict where it is due, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.quality import Quality, QualityMeter, is_readable

RATES = [100.0, 128.0, 250.0, 360.0, 500.0, 1000.0]
RAILS = (-5.0, 5.0)


def codes(*leads: np.ndarray, rate: float, cuts: tuple[int, ...] = ()) -> np.ndarray:
    samples = np.array(leads, np.float32)
    meter = QualityMeter(rate, [RAILS] * len(samples))
    parts = [meter.push(part) for part in np.split(samples, sorted(cuts), axis=1)]
    return np.concatenate([*parts, meter.finish()], axis=1)


def clock(rate: float, seconds: float = 12) -> np.ndarray:
    return np.arange(int(seconds * rate)) / rate


def quiet_skin(rate: float, seconds: float = 12) -> np.ndarray:
    """What is left of an ECG when the heart stands still."""
    t = clock(rate, seconds)
    return np.random.default_rng(5).normal(0, 0.01, len(t)) + 0.1 * np.sin(2 * np.pi * 0.25 * t)


def beats(rate: float, seconds: float = 12) -> np.ndarray:
    t = clock(rate, seconds)
    phase = (t + 0.4) % 0.8 - 0.4
    return quiet_skin(rate, seconds) + np.exp(-0.5 * (phase / 0.012) ** 2)


@pytest.mark.parametrize("rate", RATES)
def test_beats_and_a_heart_that_stands_still_can_be_read(rate: float) -> None:
    assert (codes(beats(rate), quiet_skin(rate), rate=rate) == Quality.GOOD).all()


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frequency", [4.0, 6.0])
def test_ventricular_fibrillation_is_no_noise(rate: float, frequency: float) -> None:
    wave = 0.8 * np.sin(2 * np.pi * frequency * clock(rate)) + quiet_skin(rate)
    assert (codes(wave, rate=rate) == Quality.GOOD).all()


@pytest.mark.parametrize("rate", RATES)
def test_white_noise_at_full_scale_is_unreadable(rate: float) -> None:
    rng = np.random.default_rng(1)
    uniform = rng.uniform(*RAILS, int(30 * rate))
    clipped = rng.normal(0, 5, int(30 * rate)).clip(*RAILS)
    found = codes(uniform, clipped, rate=rate)
    assert not is_readable(found).any()
    assert (found[0] == Quality.NOISY).all()


@pytest.mark.parametrize("rate", [128.0, 250.0, 360.0, 500.0, 1000.0])
@pytest.mark.parametrize("frequency", [49.9, 50.0, 60.0, 60.1])
def test_hum_is_named_and_readable(rate: float, frequency: float) -> None:
    hum = 0.2 * np.sin(2 * np.pi * frequency * clock(rate))
    assert (codes(beats(rate) + hum, rate=rate) == Quality.MAINS).all()


def test_a_little_hum_is_good() -> None:
    hum = 0.01 * np.sin(2 * np.pi * 50 * clock(360))
    assert (codes(beats(360) + hum, rate=360) == Quality.GOOD).all()


@pytest.mark.parametrize("value", [0.0, 1.3])
def test_a_line_is_flat_and_after_five_seconds_a_lead_that_is_off(value: float) -> None:
    line = np.full(360 * 8, value)
    line[::7] += 0.005  # the last bit of the converter
    assert codes(line, rate=360)[0].tolist() == [Quality.FLAT] * 5 + [Quality.LEAD_OFF] * 3


def test_the_count_of_flat_seconds_starts_again_after_beats() -> None:
    signal = beats(360)
    signal[: 4 * 360] = 0
    signal[6 * 360 : 10 * 360] = 0
    assert codes(signal, rate=360)[0].tolist() == [3] * 4 + [0] * 2 + [3] * 4 + [0] * 2


def test_a_signal_at_the_rail_is_saturated() -> None:
    signal = beats(360)
    signal[3 * 360 : 3 * 360 + 180] = 5.0
    signal[5 * 360 : 6 * 360] = -5.0
    found = codes(signal, rate=360)[0]
    assert found[3] == Quality.SATURATED
    assert found[5] == Quality.SATURATED
    assert (np.delete(found, [3, 5]) == Quality.GOOD).all()


def test_a_beat_that_touches_the_rail_is_no_saturation() -> None:
    signal = np.clip(beats(360) * 8, *RAILS)
    assert (codes(signal, rate=360) == Quality.GOOD).all()


def test_a_square_wave_is_unreadable() -> None:
    square = np.sign(np.sin(2 * np.pi * 1.3 * clock(360)))
    assert (codes(square, rate=360) == Quality.SATURATED).all()


def test_a_runaway_baseline_is_a_lead_that_is_off() -> None:
    drift = beats(360) + 12 * (clock(360) - 6)
    samples = drift.astype(np.float32)[np.newaxis]
    found = QualityMeter(360, [(-100, 100)]).push(samples)
    assert (found == Quality.LEAD_OFF).all()


def test_missing_samples() -> None:
    signal = beats(360)
    signal[360:720] = np.nan
    signal[720:730] = np.nan  # less than a quarter: the rest can be read
    signal[1440:1540] = np.inf
    assert codes(signal, rate=360)[0, :5].tolist() == [0, Quality.MISSING, 0, 0, Quality.MISSING]


def test_an_unfinished_second_is_judged_and_a_scrap_is_like_the_one_before() -> None:
    half = codes(np.concatenate((beats(360, 2), np.zeros(180))), rate=360)
    assert half.tolist() == [[0, 0, Quality.FLAT]]
    scrap = codes(np.concatenate((beats(360, 2), np.zeros(40))), rate=360)
    assert scrap.tolist() == [[0, 0, 0]]
    nothing_yet = codes(np.full(3, np.nan), rate=360)
    assert nothing_yet.tolist() == [[Quality.MISSING]]


def test_no_samples_no_codes() -> None:
    assert codes(np.zeros(0), np.zeros(0), rate=360).shape == (2, 0)


def test_seconds_of_a_rate_that_is_no_whole_number() -> None:
    rate = 257.4
    signal = beats(rate, 10)
    signal[int(np.ceil(3 * rate)) : int(np.ceil(4 * rate))] = np.nan
    found = codes(signal, rate=rate)
    assert found.shape == (1, 10)
    assert found[0].tolist() == [0, 0, 0, Quality.MISSING, 0, 0, 0, 0, 0, 0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 4000), max_size=8), st.sampled_from([128.0, 250.3, 360.0]))
def test_codes_are_the_same_for_any_cut(cuts: list[int], rate: float) -> None:
    rng = np.random.default_rng(9)
    signal = beats(rate, 16)[:4000] if rate < 300 else beats(rate, 12)[:4000]
    signal[500:900] += rng.normal(0, 2, 400)
    signal[1100:1600] = 5.0
    signal[1700:1900] = np.nan
    other = signal[::-1] * 0.3
    whole = codes(signal, other, rate=rate)
    np.testing.assert_array_equal(codes(signal, other, rate=rate, cuts=tuple(cuts)), whole)
