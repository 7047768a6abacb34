from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.ecg._qrs_gaps import BeatlessActivity
from signals.ecg.qrs import QrsDetector
from signals.simulate import EcgScenario, NoiseLevels, simulate_ecg

RATE = 100.0
REST, BUSY, LOST = 0.03, 0.2, np.inf


def gaps(activity: list[float], beats: list[float]) -> list[tuple[float, float]]:
    gauge = BeatlessActivity(RATE)
    found = gauge.push(np.array(activity), [round(b * RATE) for b in beats])
    found += gauge.finish(round(len(activity) * RATE))
    return [(start / RATE, stop / RATE) for start, stop in found]


def test_a_heart_at_rest_is_no_gap() -> None:
    assert gaps([REST] * 20, [0.5, 1.5, 2.5, 9.5, 19.5]) == []


def test_activity_without_beats_is_a_gap() -> None:
    assert gaps([REST] * 3 + [BUSY] * 7 + [REST] * 10, [0.5, 1.5, 2.5, 10.5, 11.5, 19]) == [
        (2.5, 10.5)
    ]


def test_a_recording_may_begin_and_end_in_it() -> None:
    busy_ends = [BUSY] * 5 + [REST] * 5 + [BUSY] * 5
    assert gaps(busy_ends, [5.5, 6.5, 7.5, 8.5, 9.5]) == [(0, 5.5), (9.5, 15)]
    assert gaps([BUSY] * 9, []) == [(0, 9)]
    assert gaps([REST] * 9, []) == []


def test_what_is_usual_in_this_recording_is_no_activity() -> None:
    # Between the beats of a noisy recording there is as much as in its pause.
    assert gaps([0.07] * 20, [*range(12), 17, 18, 19]) == []


def test_a_tachycardia_before_a_gap_makes_no_silence_of_it() -> None:
    assert gaps([0.8] * 12 + [0.5] * 8, [*range(12), 19]) == [(11, 19)]


def test_a_gap_that_is_mostly_unreadable_is_left_to_the_quality() -> None:
    assert gaps([REST, BUSY, LOST, LOST, LOST, BUSY], [0.5, 5.9]) == []
    assert gaps([REST, BUSY, LOST, BUSY, BUSY, BUSY], [0.5, 5.9]) == [(0.5, 5.9)]


@given(
    st.lists(st.sampled_from([REST, BUSY, LOST]), min_size=1, max_size=200),
    st.lists(st.floats(0.1, 5), max_size=100),
    st.lists(st.integers(0, 200), max_size=5),
)
def test_cuts_do_not_matter(activity: list[float], intervals: list[float], cuts: list[int]) -> None:
    beats = np.cumsum(intervals)[np.cumsum(intervals) < len(activity)] if intervals else []
    whole = gaps(activity, list(beats))
    gauge = BeatlessActivity(RATE)
    pieces = []
    seen = 0
    edges = sorted({min(c, len(activity)) for c in cuts} | {len(activity)})
    for edge in edges:
        now = [round(b * RATE) for b in beats if seen <= b < edge]
        pieces += gauge.push(np.array(activity[seen:edge]), now)
        seen = edge
    pieces += gauge.finish(round(len(activity) * RATE))
    assert [(start / RATE, stop / RATE) for start, stop in pieces] == whole


def test_memory_stays_small_where_no_beat_comes() -> None:
    gauge = BeatlessActivity(RATE)
    for _ in range(100):
        gauge.push(np.full(100, BUSY), [])
    assert len(gauge._seconds) <= 100
    assert gauge.finish(1_000_000) == [(0, 1_000_000)]


def detect(samples: np.ndarray, rate: float) -> list[tuple[int, int]]:
    detector = QrsDetector(rate, [(-5.0, 5.0)])
    return [*detector.push(samples[np.newaxis]).unclear, *detector.finish().unclear]


def test_a_sine_after_beats_is_unclear_and_a_pause_is_not() -> None:
    rate = 250.0
    beats = simulate_ecg(
        EcgScenario(duration=40.0, rate=rate, leads=("MLII",), pauses=((20.0, 4.0),), seed=4)
    ).recording.read([0], 0, 10_000)[0]
    assert detect(beats, rate) == []
    time = np.arange(int(20 * rate)) / rate
    flutter = (0.8 * np.sin(2 * np.pi * 4 * time)).astype(np.float32)
    ((start, stop),) = detect(np.concatenate([beats, flutter]), rate)
    assert start / rate == pytest.approx(40, abs=4)
    assert stop / rate == 60


def test_motion_that_hides_beats_makes_no_pause() -> None:
    noise = NoiseLevels(motion_mv=1.5, motion_per_hour=90)
    scenario = EcgScenario(duration=300.0, leads=("MLII",), noise=noise, seed=8)
    recording = simulate_ecg(scenario).recording
    detector = QrsDetector(250.0, [c.physical_range for c in recording.channels])
    batch, rest = detector.push(recording.read([0], 0, 75_000)), detector.finish()
    unclear = {start for start, _ in (*batch.unclear, *rest.unclear)}
    peaks = np.concatenate([batch.peaks, rest.peaks])
    long = peaks[:-1][np.diff(peaks) > 2.0 * 250]
    assert set(long.tolist()) <= unclear
