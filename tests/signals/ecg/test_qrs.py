"""The QRS detector: on a beat train with known truth, on what is no ECG, and on real recordings."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from signals.ecg.beat import beat_class_of
from signals.ecg.ec57.beats import EC57_LEARNING, compare_beats
from signals.ecg.qrs import QrsDetector
from signals.quality import Quality, is_readable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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
    batches = [detector.push(samples[:, a:b]) for a, b in pairwise(edges)]
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


@pytest.mark.parametrize("rate", [128, 360, 1000])
@pytest.mark.parametrize("t_wave", [0.7, -0.7])
@pytest.mark.parametrize("polarity", [1, -1])
def test_neither_polarity_nor_tall_t_waves_matter(rate: int, t_wave: float, polarity: int) -> None:
    signal = polarity * beat_train(REGULAR, rate, 30, t_wave=t_wave)
    assert_found(detect(signal, rate)[0], REGULAR, rate)


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 360 * 25), max_size=12),
    rate=st.sampled_from([128.0, 257.5, 360.0, 1000.0]),
)
def test_the_result_is_the_same_for_any_cut(cuts: list[int], rate: float) -> None:
    seconds = 25
    first = beat_train(list(np.arange(0.3, 24.9, 0.73)), rate, seconds, noise=0.08)
    second = -0.4 * beat_train(list(np.arange(0.31, 24.9, 0.73)), rate, seconds, noise=0.05)
    first[int(8 * rate) : int(11.3 * rate)] = np.nan
    second[int(10 * rate) : int(14 * rate)] = 0.2
    leads = [first, second, first[::-1].copy()]
    peaks, quality = detect(leads, rate)
    cut_peaks, cut_quality = detect(leads, rate, [min(cut, first.size) for cut in cuts])
    np.testing.assert_array_equal(cut_peaks, peaks)
    np.testing.assert_array_equal(cut_quality, quality)


def test_sample_by_sample_is_the_same_as_at_once() -> None:
    signal = beat_train([0.4, 1.1, 1.9, 2.6, 3.3, 4.4, 5.1], 128, 6)
    np.testing.assert_array_equal(
        detect(signal, 128, range(len(signal)))[0], detect(signal, 128)[0]
    )


@pytest.mark.parametrize("rate", [128.0, 360.0, 1000.0, 2500.0])
def test_a_beat_is_given_out_within_the_look_ahead(rate: float) -> None:
    signal = beat_train(REGULAR, rate, 30)[np.newaxis]
    detector = QrsDetector(rate, [RAILS])
    step = max(1, int(0.05 * rate))
    given: list[int] = []
    for start in range(0, signal.shape[1], step):
        given += detector.push(signal[:, start : start + step]).peaks.tolist()
        known = (min(start + step, signal.shape[1])) / rate - detector.look_ahead
        assert sum(time < known - 0.012 for time in REGULAR) <= len(given)
    assert detector.look_ahead < 3.5


def test_peaks_ascend_and_memory_does_not_grow() -> None:
    rate, detector = 250, QrsDetector(250, [RAILS, RAILS])
    minute = beat_train(list(np.arange(0.4, 60, 0.6)), rate, 60)
    held = []
    last = -1
    for _ in range(6):
        peaks = detector.push(np.stack((minute, -minute))).peaks
        assert (np.diff(peaks) > 0).all()
        assert peaks[0] > last
        last = peaks[-1]
        held.append(_numbers_held(detector))
    assert max(held[1:]) <= held[0] * 1.2 < 20 * rate * 2 * 3


def _numbers_held(thing: object) -> int:
    """Count the numbers in arrays and lists that an object and its parts hold."""
    if isinstance(thing, np.ndarray):
        return thing.size
    if isinstance(thing, list):
        return len(thing)
    if hasattr(thing, "__dict__"):
        return sum(_numbers_held(value) for value in vars(thing).values())
    return 0


def test_small_beats_among_giant_ones() -> None:
    times = list(np.arange(0.5, 59, 0.7))
    heights = np.where(np.arange(len(times)) % 5 == 4, 3.0, 0.6)
    assert_found(detect(beat_train(times, 360, 60, heights=heights), 360)[0], times, 360)


@pytest.mark.parametrize("factor", [5.0, 0.2])
def test_a_fivefold_change_of_amplitude_costs_no_more_than_a_beat(factor: float) -> None:
    times = list(np.arange(0.5, 59, 0.8))
    heights = np.where(np.arange(len(times)) < 30, 0.6, 0.6 * factor)
    peaks, _ = detect(beat_train(times, 360, 60, heights=heights), 360)
    found = compare_beats(np.rint(np.array(times) * 360).astype(np.int64), peaks, 360).counts
    assert found.extra == 0
    assert found.missed <= 1


@pytest.mark.parametrize("interval", [0.21, 0.3, 1.5, 3.1])
def test_fast_and_slow_hearts(interval: float) -> None:
    times = list(np.arange(0.5, 29.5, interval))
    signal = beat_train(times, 360, 30, t_wave=0.0 if interval < 0.4 else 0.25)
    assert_found(detect(signal, 360)[0], times, 360)


def test_a_long_pause_holds_no_beat_and_is_readable() -> None:
    times = [time for time in np.arange(0.5, 59, 0.8) if not 15 < time < 47]
    peaks, quality = detect(beat_train(times, 360, 60), 360)
    assert_found(peaks, times, 360)
    assert (quality == Quality.GOOD).all()


def test_one_beat_alone_is_found() -> None:
    assert_found(detect(beat_train([3.0], 360, 10), 360)[0], [3.0], 360)


def test_one_qrs_without_any_other_wave_is_found() -> None:
    t = np.arange(10 * 360) / 360
    bare = np.exp(-0.5 * ((t - 4) / 0.012) ** 2).astype(np.float32)
    bare += np.random.default_rng(0).normal(0, 0.005, len(t)).astype(np.float32)
    assert_found(detect(bare, 360)[0], [4.0], 360)


def test_the_first_p_wave_is_no_beat() -> None:
    signal = beat_train(REGULAR, 360, 30)
    t = np.arange(len(signal)) / 360
    for time in REGULAR:
        signal += (0.2 * np.exp(-0.5 * ((t - time + 0.21) / 0.018) ** 2)).astype(np.float32)
    assert_found(detect(signal, 360)[0], REGULAR, 360)


def test_beats_at_the_very_ends_are_found() -> None:
    times = [0.06, 0.86, 1.66, 2.46, 3.26, 4.06, 4.86, 5.66]
    assert_found(detect(beat_train(times, 360, 5.72), 360)[0], times, 360)


@pytest.mark.parametrize("length", [0, 1, 50, 359])
def test_less_than_a_second(length: int) -> None:
    peaks, quality = detect(np.zeros((2, length), np.float32), 360)
    assert peaks.size == 0
    assert quality.shape == (2, min(length, 1))


def _nothing(kind: str, rate: int) -> Signal:
    rng = np.random.default_rng(2)
    t = np.arange(30 * rate) / rate
    signal = {
        "flat": np.zeros(len(t)),
        "at the rail": np.full(len(t), 5.0),
        "missing": np.full(len(t), np.nan),
        "square wave": np.sign(np.sin(2 * np.pi * 1.2 * t)),
        "white noise at full scale": rng.uniform(-5, 5, len(t)),
        "clipped white noise": rng.normal(0, 5, len(t)).clip(-5, 5),
        "asystole": rng.normal(0, 0.01, len(t)) + 0.2 * np.sin(2 * np.pi * 0.3 * t),
        "asystole, noisy": rng.normal(0, 0.03, len(t)),
        "60 dB of baseline drift": 1000 * np.sin(2 * np.pi * 0.1 * t).clip(-0.005, 0.005),
    }
    return signal[kind].astype(np.float32)


@pytest.mark.parametrize("rate", [128, 360, 1000])
@pytest.mark.parametrize(
    ("kind", "readable"),
    [
        ("flat", False),
        ("at the rail", False),
        ("missing", False),
        ("square wave", False),
        ("white noise at full scale", False),
        ("clipped white noise", False),
        ("asystole", True),
        ("asystole, noisy", True),
        ("60 dB of baseline drift", False),
    ],
)
def test_no_beat_is_invented(kind: str, rate: int, readable: bool) -> None:  # noqa: FBT001
    peaks, quality = detect(_nothing(kind, rate), rate)
    assert peaks.size == 0
    assert is_readable(quality).all() == readable
    assert is_readable(quality).any() == readable


@pytest.mark.parametrize("kind", ["flat", "missing", "white noise at full scale"])
def test_a_lead_that_tells_nothing_has_no_vote(kind: str) -> None:
    good = beat_train(REGULAR, 360, 30)
    for leads in ([_nothing(kind, 360), good], [good, _nothing(kind, 360)]):
        assert_found(detect(leads, 360)[0], REGULAR, 360)


def test_a_lead_that_falls_off_halfway_costs_nothing() -> None:
    first, second = beat_train(REGULAR, 360, 30), 0.5 * beat_train(REGULAR, 360, 30)
    first[int(12.3 * 360) : 21 * 360] = 5.0
    second[21 * 360 :] = np.nan
    assert_found(detect([first, second], 360)[0], REGULAR, 360)


@pytest.mark.parametrize("small", [0.3, 0.1])
@pytest.mark.parametrize("away", [3, 5, 10])
def test_beats_of_the_smaller_lead_are_found_while_the_larger_is_away(
    away: int, small: float
) -> None:
    rate, times = 250.0, np.arange(0.5, 60, 0.8).tolist()
    leads = [beat_train(times, rate, 60, heights=height) for height in (1.5, small)]
    leads[0][int(40 * rate) : int((40 + away) * rate)] = np.nan
    assert_found(detect(leads, rate)[0], times, rate)


def test_beats_that_leave_no_calm_between_them_are_found_after_flutter() -> None:
    rate = 250.0
    t = np.arange(int(20 * rate)) / rate
    flutter = 1.5 * np.sin(2 * np.pi * 5 * t)
    broad = sum(
        height * np.sin(2 * np.pi * k * t / 0.52)
        for k, height in enumerate((0.7, 0.4, 0.3, 0.3), 1)
    )
    noise = np.random.default_rng(3).normal(0, 0.01, 2 * t.size)
    peaks, _ = detect((np.concatenate([flutter, broad]) + noise).astype(np.float32), rate)
    intervals = np.diff(peaks[peaks > 24 * rate]) / rate
    assert len(intervals) > 25
    assert np.median(intervals) == pytest.approx(0.52, abs=0.01)


@pytest.mark.parametrize("interval", [6.5, 10.0, 14.0])
@pytest.mark.parametrize("after", ["noise", "flicker"])
def test_beats_too_far_apart_for_a_rhythm_before_noise(interval: float, after: str) -> None:
    rate, times = 250.0, np.arange(3, 120, interval).tolist()
    signal = beat_train(times, rate, 160, noise=0.004)
    rest = signal[int((times[-1] + 0.5) * rate) :]
    rest += np.random.default_rng(2).normal(0, 0.1, rest.size).astype(np.float32)
    if after == "flicker":
        rest[np.arange(rest.size) // int(rate) % 2 == 0] = np.nan
    peaks, _ = detect(signal, rate)
    assert_found(peaks[peaks < (times[-1] + 0.2) * rate], times, rate)


def test_beats_come_back_at_once_after_a_gap() -> None:
    signal = beat_train(REGULAR, 360, 30)
    signal[8 * 360 : 20 * 360] = np.nan
    expected = [time for time in REGULAR if not 8 <= time < 20]
    assert_found(detect(signal, 360)[0], expected, 360)


def test_no_peak_lies_in_an_unreadable_second() -> None:
    signal = beat_train(REGULAR, 360, 30)
    for start in (3.02, 9.5, 15.97):
        signal[int(start * 360) : int((start + 1.6) * 360)] = 5.0
    peaks, quality = detect(signal, 360)
    assert is_readable(quality[0, peaks // 360]).all()


def test_hum_moves_no_peak() -> None:
    hum = 0.2 * np.sin(2 * np.pi * 50 * np.arange(30 * 360) / 360).astype(np.float32)
    peaks, quality = detect(beat_train(REGULAR, 360, 30) + hum, 360)
    assert_found(peaks, REGULAR, 360)
    assert (quality == Quality.MAINS).all()


@pytest.mark.parametrize("rate", [0.0, 1.0, 99.9, float("nan")])
def test_a_rate_that_tells_nothing_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="100 Hz and more"):
        QrsDetector(rate, [RAILS])


def test_no_lead_is_refused() -> None:
    with pytest.raises(ValueError, match="without a lead"):
        QrsDetector(360, [])


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("record", "sensitivity", "predictivity"),
    [
        ("101", 0.995, 0.995),
        ("108", 0.990, 0.983),
        ("119", 0.999, 0.999),
        ("203", 0.987, 0.988),
        ("208", 0.994, 0.996),
        ("223", 0.998, 0.998),
    ],
)
def test_real_recordings(
    recordings: Path, record: str, sensitivity: float, predictivity: float
) -> None:
    signal = wfdb.rdrecord(str(recordings / "mitdb" / record))
    notes = wfdb.rdann(str(recordings / "mitdb" / record), "atr")
    is_beat = [beat_class_of(symbol) is not None for symbol in notes.symbol]
    reference = notes.sample[is_beat].astype(np.int64)
    detector = QrsDetector(signal.fs, [(-5.12, 5.115)])
    samples = signal.p_signal.T[:1].astype(np.float32)
    peaks = np.concatenate([detector.push(samples).peaks, detector.finish().peaks])
    found = compare_beats(reference, peaks, signal.fs, start=EC57_LEARNING)
    assert found.counts.sensitivity >= sensitivity
    assert found.counts.positive_predictivity >= predictivity
    assert abs(np.median(found.offsets)) <= 0.006
