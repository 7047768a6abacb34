from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from signals.ecg.ventricular import VentricularDetector
from signals.quality import QualityMeter, is_readable
from signals.readers import open_recording

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Signal = NDArray[np.float32]
Stretches = list[tuple[int, int]]

RAILS = (-5.0, 5.0)


def beats(times: Iterable[float], rate: float, seconds: float, *, width: float = 0.012) -> Signal:
    """Return beats with T waves and a little noise, mV."""
    t = np.arange(round(seconds * rate)) / rate
    signal = np.random.default_rng(1).normal(0, 0.01, t.size)
    for time in times:
        signal += np.exp(-0.5 * ((t - time) / width) ** 2)
        signal -= 0.3 * np.exp(-0.5 * ((t - time - 2.5 * width) / width) ** 2)
        signal += 0.25 * np.exp(-0.5 * ((t - time - 0.28) / 0.05) ** 2)
    return signal.astype(np.float32)


def sinus(rate: float, seconds: float) -> Signal:
    return beats(np.arange(0.4, seconds, 0.8), rate, seconds)


def fibrillation(rate: float, seconds: float, *, height: float = 0.5) -> Signal:
    """Return waves that wander between 3.5 and 5.5 Hz and wax and wane, mV."""
    t = np.arange(round(seconds * rate)) / rate
    frequency = 4.5 + np.sin(2 * np.pi * 0.23 * t)
    phase = 2 * np.pi * np.cumsum(frequency) / rate
    swell = 1 + 0.5 * np.sin(2 * np.pi * 0.31 * t)
    return (height * swell * np.sin(phase)).astype(np.float32)


def readable_of(leads: Signal, rate: float) -> NDArray[np.bool_]:
    meter = QualityMeter(rate, [RAILS] * len(leads))
    return is_readable(meter.push(leads))


def detect(
    signal: Signal | list[Signal], rate: float, cuts: Iterable[int] = (), *, ahead: int = 0
) -> Stretches:
    """Return what is found in samples that are cut, with a quality `ahead` seconds early."""
    leads = np.atleast_2d(np.asarray(signal, np.float32))
    readable = readable_of(leads, rate)
    detector = VentricularDetector(rate, len(leads))
    edges = [0, *sorted(cuts), leads.shape[1]]
    found: Stretches = []
    given_out = 0
    for start, end in pairwise(edges):
        until = max(given_out, min(int(end / rate) + ahead, readable.shape[1]))
        found += detector.push(leads[:, start:end], readable[:, given_out:until])
        given_out = until
    found += detector.push(leads[:, :0], readable[:, given_out:])
    return found + detector.finish()


def assert_one(found: Stretches, rate: float, start: float, end: float, within: float) -> None:
    assert len(found) == 1
    assert found[0][0] / rate == pytest.approx(start, abs=within)
    assert found[0][1] / rate == pytest.approx(end, abs=within)


@pytest.mark.parametrize("rate", [100.0, 128.0, 250.0, 257.5, 360.0, 500.0, 2000.0])
def test_fibrillation_between_beats(rate: float) -> None:
    signal = sinus(rate, 60)
    begin, end = round(20 * rate), round(35 * rate)
    signal[begin:end] = fibrillation(rate, 15)[: end - begin]
    assert_one(detect(signal, rate), rate, 20, 35, 1.5)


@pytest.mark.parametrize("height", [0.1, 0.5, 2.0])
def test_neither_amplitude_nor_polarity_matters(height: float) -> None:
    for sign in (1, -1):
        found = detect(sign * fibrillation(250, 20, height=height), 250)
        assert_one(found, 250, 0, 20, 1.5)


@pytest.mark.parametrize("frequency", [3.2, 4.0, 5.5])
def test_flutter(frequency: float) -> None:
    t = np.arange(20 * 250) / 250
    signal = np.sin(2 * np.pi * frequency * t) + 0.2 * np.sin(4 * np.pi * frequency * t)
    assert_one(detect(signal, 250), 250, 0, 20, 1.5)


def test_two_episodes_a_few_beats_apart() -> None:
    signal = sinus(250, 60)
    signal[10 * 250 : 20 * 250] = fibrillation(250, 10)
    signal[28 * 250 : 40 * 250] = fibrillation(250, 12)
    (first, second) = detect(signal, 250)
    assert first[1] < 22 * 250
    assert second[0] > 26 * 250


def test_a_moment_that_looks_otherwise_does_not_split() -> None:
    signal = fibrillation(250, 30)
    signal[15 * 250 : 15 * 250 + 60] += 1.5
    assert_one(detect(signal, 250), 250, 0, 30, 1.5)


def test_drift_hides_nothing() -> None:
    t = np.arange(30 * 250) / 250
    drift = 1.5 * np.sin(2 * np.pi * 0.15 * t)
    assert_one(detect(fibrillation(250, 30) + drift, 250), 250, 0, 30, 2.5)


def _other(kind: str, rate: int) -> Signal:
    seconds = 60
    rng = np.random.default_rng(3)
    t = np.arange(seconds * rate) / rate
    irregular = np.cumsum(rng.uniform(0.35, 1.1, 200))
    flat = np.zeros(t.size)
    signals = {
        "sinus": lambda: sinus(rate, seconds),
        "tachycardia": lambda: beats(np.arange(0.3, seconds, 0.33), rate, seconds),
        "atrial fibrillation": lambda: (
            beats(irregular[irregular < seconds], rate, seconds)
            + 0.06 * np.sin(2 * np.pi * 6 * t + np.sin(2 * np.pi * 0.4 * t))
        ),
        "broad QRS, irregular": lambda: beats(
            irregular[irregular < seconds], rate, seconds, width=0.03
        ),
        "ventricular run": lambda: beats(
            [*np.arange(0.4, 20, 0.8), *np.arange(20, 25, 0.45), *np.arange(25.8, 60, 0.8)],
            rate,
            seconds,
            width=0.03,
        ),
        "pauses": lambda: beats(
            [*np.arange(0.4, 15, 0.8), 21.0, 29.0, *np.arange(35, 60, 0.8)], rate, seconds
        ),
        "asystole": lambda: rng.normal(0, 0.01, t.size) + 0.2 * np.sin(2 * np.pi * 0.3 * t),
        "flat": lambda: flat,
        "at the rail": lambda: flat + 5.0,
        "missing": lambda: flat + np.nan,
        "white noise": lambda: rng.normal(0, 0.3, t.size),
        "white noise at full scale": lambda: rng.uniform(-5, 5, t.size),
        "square wave": lambda: np.sign(np.sin(2 * np.pi * 4 * t)),
        "breathing": lambda: np.sin(2 * np.pi * 0.3 * t),
        "motion": lambda: sinus(rate, seconds) + 2 * np.sin(2 * np.pi * 0.9 * t),
        "hum": lambda: sinus(rate, seconds) + 0.3 * np.sin(2 * np.pi * 50 * t),
    }
    return np.asarray(signals[kind](), np.float32)


@pytest.mark.parametrize("rate", [128, 360])
@pytest.mark.parametrize(
    "kind",
    [
        "sinus",
        "tachycardia",
        "atrial fibrillation",
        "broad QRS, irregular",
        "ventricular run",
        "pauses",
        "asystole",
        "flat",
        "at the rail",
        "missing",
        "white noise",
        "white noise at full scale",
        "square wave",
        "breathing",
        "motion",
        "hum",
    ],
)
def test_nothing_else_is_fibrillation(kind: str, rate: int) -> None:
    assert detect(_other(kind, rate), rate) == []


@pytest.mark.parametrize("height", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("mains", [50.0, 60.0])
@pytest.mark.parametrize("rate", [128.0, 250.0, 360.0, 500.0])
def test_hum_is_no_fibrillation_and_hides_none(rate: float, mains: float, height: float) -> None:
    t = np.arange(round(60 * rate)) / rate
    hum = (height * np.sin(2 * np.pi * mains * t)).astype(np.float32)
    noise = np.random.default_rng(5).normal(0, 0.01, t.size).astype(np.float32)
    assert detect(hum + noise, rate) == []
    assert detect(sinus(rate, 60) + np.where(t > 30, hum, 0), rate) == []
    waves = np.concatenate([sinus(rate, 30), fibrillation(rate, 30)])
    ((start, _),) = detect(waves + hum, rate)
    assert start / rate == pytest.approx(30, abs=2)


def test_too_short_to_tell() -> None:
    signal = sinus(250, 30)
    signal[10 * 250 : 10 * 250 + 300] = fibrillation(250, 1.2)
    assert detect(signal, 250) == []


def test_beats_in_one_lead_speak_against_waves_in_the_other() -> None:
    assert detect([fibrillation(250, 30), sinus(250, 30)], 250) == []


@pytest.mark.parametrize("kind", ["flat", "missing", "white noise at full scale", "asystole"])
def test_a_lead_that_tells_nothing_has_no_vote(kind: str) -> None:
    signal = sinus(360, 60)
    signal[20 * 360 : 40 * 360] = fibrillation(360, 20)
    for leads in ([signal, _other(kind, 360)], [_other(kind, 360), signal]):
        assert_one(detect(leads, 360), 360, 20, 40, 1.5)


def test_unreadable_seconds_end_a_stretch() -> None:
    signal = fibrillation(250, 40)
    signal[15 * 250 : 25 * 250] = np.nan
    (first, second) = detect(signal, 250)
    assert first[1] <= 15 * 250
    assert second[0] >= 25 * 250


def test_a_stretch_is_given_out_within_five_seconds_of_its_end() -> None:
    signal = sinus(250, 60)[np.newaxis]
    signal[0, 20 * 250 : 30 * 250] = fibrillation(250, 10)
    readable = readable_of(signal, 250)
    detector = VentricularDetector(250, 1)
    for second in range(60):
        part = slice(second * 250, (second + 1) * 250)
        if detector.push(signal[:, part], readable[:, second : second + 1]):
            break
    assert 30 < second < 36


def test_what_is_settled_stays() -> None:
    signal = sinus(250, 60)[np.newaxis]
    signal[0, 12 * 250 : 14 * 250] = fibrillation(250, 2)
    signal[0, 20 * 250 : 45 * 250] = fibrillation(250, 25)
    signal[0, 33 * 250 : 35 * 250] = sinus(250, 2)
    readable = readable_of(signal, 250)
    ended = np.zeros(60 * 250, bool)
    for start, end in detect(signal[0], 250):
        ended[start:end] = True
    detector = VentricularDetector(250, 1)
    covered = np.zeros(60 * 250, bool)
    behind, was_settled = [], 0
    for second in range(60):
        part = slice(second * 250, (second + 1) * 250)
        found = detector.push(signal[:, part], readable[:, second : second + 1])
        for start, end in [*found, *([detector.under_way] if detector.under_way else [])]:
            covered[start:end] = True
        assert detector.settled >= was_settled
        was_settled = detector.settled
        np.testing.assert_array_equal(covered[:was_settled], ended[:was_settled])
        assert not covered[was_settled:].any()
        behind.append(second + 1 - was_settled / 250)
    assert covered.any()
    assert max(behind) <= 7


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 128 * 30), max_size=12),
    rate=st.sampled_from([100.0, 128.0, 257.5, 360.0, 1000.0]),
    ahead=st.integers(-40, 40),
)
def test_the_result_is_the_same_for_any_cut(cuts: list[int], rate: float, ahead: int) -> None:
    first, second = sinus(rate, 40), 0.5 * fibrillation(rate, 40)
    begin, end = round(8.3 * rate), round(17.4 * rate)
    first[begin:end] = fibrillation(rate, 40)[begin:end]
    first[round(25 * rate) :] = second[round(25 * rate) :]
    first[round(32 * rate) : round(33 * rate)] = np.nan
    second[round(4 * rate) : round(6 * rate)] = 0.2
    cuts = [min(cut, first.size) for cut in cuts]
    assert detect([first, second], rate, cuts, ahead=ahead) == detect([first, second], rate) != []


def test_scores_are_the_same_to_the_last_bit_sample_by_sample() -> None:
    signal = fibrillation(100, 12)
    assert detect(signal, 100, range(signal.size)) == detect(signal, 100) != []


@pytest.mark.parametrize("length", [0, 1, 50, 359, 1080])
def test_less_than_there_is_to_judge(length: int) -> None:
    assert detect(np.zeros((2, length), np.float32), 360) == []


def test_memory_does_not_grow() -> None:
    detector = VentricularDetector(250, 2)
    minute = np.stack((sinus(250, 60), fibrillation(250, 60)))
    held = []
    for _ in range(6):
        detector.push(minute, readable_of(minute, 250))
        held.append(_numbers_held(detector))
    assert max(held) <= held[0] * 1.1 < 250 * 2 * 12


def _numbers_held(thing: object) -> int:
    """Count the numbers in arrays and lists that an object and its parts hold."""
    if isinstance(thing, np.ndarray):
        return thing.size
    if isinstance(thing, list):
        return len(thing)
    if hasattr(thing, "__dict__"):
        return sum(_numbers_held(value) for value in vars(thing).values())
    return 0


@pytest.mark.parametrize("rate", [0.0, 49.9, float("nan")])
def test_a_rate_that_tells_nothing_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="50 Hz are needed"):
        VentricularDetector(rate, 1)


def test_no_lead_is_refused() -> None:
    with pytest.raises(ValueError, match="without a lead"):
        VentricularDetector(250, 0)


def _read(recordings: Path, name: str) -> tuple[Signal, float]:
    with open_recording(recordings / f"{name}.hea") as recording:
        channels = range(len(recording.channels))
        return recording.read(channels, 0, recording.channels[0].n_samples), recording.channels[
            0
        ].rate


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("record", "start", "end"), [("422", 1535, 2031), ("424", 1259, 1365), ("430", 1279, 1627)]
)
def test_real_fibrillation(recordings: Path, record: str, start: int, end: int) -> None:
    signal, rate = _read(recordings, f"vfdb/{record}")
    found = detect(signal, rate)
    inside = sum(max(0, min(b / rate, end) - max(a / rate, start)) for a, b in found)
    assert inside > 0.9 * (end - start)


@pytest.mark.realdata
@pytest.mark.parametrize("record", ["mitdb/203", "mitdb/223", "svdb/800", "nstdb/118e00"])
def test_real_beats_runs_and_noise_are_none(recordings: Path, record: str) -> None:
    assert detect(*_read(recordings, record)) == []
