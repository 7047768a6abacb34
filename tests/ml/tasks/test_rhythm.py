"""ml.tasks.rhythm: one answer whatever the blocks, the rate or the damage."""

from __future__ import annotations

import tracemalloc
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ml.registry import bundle_for
from ml.tasks.rhythm import LEAST_S, STEP_S, WINDOW_S, Rhythm, RhythmClassifier, RhythmWindow
from ml.tasks.rhythm_features import FEATURES, Beats, features
from ml.tasks.rhythm_grid import RhythmGrid
from ml.tasks.rhythm_segments import CHANNELS, SEGMENT_POINTS, segments
from ml.tasks.waves import WaveDelineator
from signals.ecg.fibrillation import Suspicion
from signals.ecg.qrs import QrsDetector
from signals.ecg.waves import BeatWaves
from signals.simulate import EcgScenario, NoiseLevels, simulate_ecg

RATE = 250.0


class Read(NamedTuple):
    """An ECG with what is found in it before its rhythm is asked for."""

    samples: NDArray[np.float32]
    quality: NDArray[np.uint8]
    beats: BeatWaves
    rr: NDArray[np.float64]
    rate: float


def read(samples: NDArray[np.float32], rate: float = RATE) -> Read:
    leads = len(samples)
    detector = QrsDetector(rate, [(-5.0, 5.0)] * leads)
    batches = [detector.push(samples), detector.finish()]
    peaks = np.concatenate([batch.peaks for batch in batches])
    delineator = WaveDelineator(bundle_for("waves"), rate, leads)
    beats = BeatWaves.joined([delineator.push(samples, peaks), delineator.finish()])
    rr = np.diff(peaks / rate, prepend=np.nan)
    quality = np.concatenate([batch.quality for batch in batches], axis=1)
    return Read(samples, quality, beats, rr, rate)


@cache
def simulated(duration: float = 75.0, rate: float = RATE, *, fibrillating: bool = False) -> Read:
    episodes = ((0.0, duration),) if fibrillating else ()
    scenario = EcgScenario(
        duration=duration,
        rate=rate,
        seed=3,
        af_episodes=episodes,
        noise=NoiseLevels(muscle_mv=0.01),
    )
    recording = simulate_ecg(scenario).recording
    return read(recording.read([0], 0, recording.channels[0].n_samples), rate)


def classifier(ecg: Read, *, whole: bool = False) -> RhythmClassifier:
    return RhythmClassifier(bundle_for("rhythm"), ecg.rate, len(ecg.samples), whole=whole)


def answers(ecg: Read, *, whole: bool = False) -> list[RhythmWindow]:
    rhythm = classifier(ecg, whole=whole)
    n = ecg.samples.shape[1]
    return rhythm.push(ecg.samples, ecg.quality, ecg.beats, ecg.rr, n) + rhythm.finish()


def noise(seconds: float, scale: float, seed: int = 0) -> NDArray[np.float32]:
    size = (1, round(seconds * RATE))
    return (scale * np.random.default_rng(seed).standard_normal(size)).astype(np.float32)


@settings(max_examples=15, deadline=None)
@given(data=st.data(), whole=st.booleans())
def test_the_cut_into_blocks_changes_nothing(data: st.DataObject, *, whole: bool) -> None:
    ecg = simulated()
    rhythm = classifier(ecg, whole=whole)
    n, seconds = ecg.samples.shape[1], ecg.quality.shape[1]
    cuts = sorted(data.draw(st.sets(st.integers(1, n - 1), max_size=8)))
    late = data.draw(st.integers(0, n))
    windows, told, judged = [], 0, 0
    rest = ecg.beats
    for start, stop in zip([0, *cuts], [*cuts, n], strict=True):
        ended = stop == n
        settled = n if ended else max(0, stop - late)
        known = int(np.searchsorted(ecg.beats.samples, settled))
        seen = seconds if ended else int(stop / RATE)
        beats, rest = rest.parted(known - told)
        windows += rhythm.push(
            ecg.samples[:, start:stop],
            ecg.quality[:, judged:seen],
            beats,
            ecg.rr[told:known],
            settled,
        )
        told, judged = known, seen
    windows += rhythm.finish()
    assert windows == answers(ecg, whole=whole)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_only_what_is_suspected_is_looked_at(data: st.DataObject) -> None:
    ecg = simulated()
    times = st.floats(0.0, 80.0)
    pairs = data.draw(st.lists(st.tuples(times, times).map(sorted), max_size=3))
    known = data.draw(st.lists(times, max_size=4).map(sorted))
    rhythm = classifier(ecg)
    n = ecg.samples.shape[1]
    windows = rhythm.push(ecg.samples, ecg.quality, ecg.beats, ecg.rr, n, Suspicion((), -1.0))
    assert not windows
    for known_s in [*known, 1000.0]:
        # of what is under way the part that is sure, and nothing that lies behind
        stretches = tuple(
            (onset, min(end, known_s))
            for onset, end in pairs
            if onset <= known_s and end >= rhythm.until_s
        )
        windows += rhythm.push(
            ecg.samples[:, :0],
            ecg.quality[:, :0],
            BeatWaves.none(1),
            ecg.rr[:0],
            n,
            Suspicion(stretches, known_s),
        )
    windows += rhythm.finish()
    assert windows == [
        one
        for one in answers(ecg)
        if any(onset <= one.end_s and end >= one.onset_s for onset, end in pairs)
    ]


def test_windows_follow_each_other_and_the_last_one_ends_with_the_recording() -> None:
    windows = answers(simulated())
    assert [window.onset_s for window in windows[:3]] == [0.0, STEP_S, 2 * STEP_S]
    assert all(window.end_s - window.onset_s == pytest.approx(WINDOW_S) for window in windows)
    assert windows[-1].end_s == pytest.approx(75.0, abs=0.05)
    for window in windows:
        assert sum(window.probabilities) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("rate", [128.0, 250.0, 360.0, 1000.0])
def test_sinus_rhythm_and_fibrillation_are_told_apart_at_any_rate(rate: float) -> None:
    (sinus,) = answers(simulated(30.0, rate), whole=True)
    (fibrillation,) = answers(simulated(30.0, rate, fibrillating=True), whole=True)
    assert sinus.rhythm is Rhythm.SINUS
    assert fibrillation.rhythm is Rhythm.FIBRILLATION
    assert sinus.onset_s == 0.0
    assert sinus.end_s == pytest.approx(30.0, abs=0.05)


def test_an_ecg_held_upside_down_is_the_same_rhythm() -> None:
    ecg = simulated(30.0)
    (window,) = answers(read(-ecg.samples), whole=True)
    assert window.rhythm is Rhythm.SINUS


def test_noise_is_unreadable() -> None:
    (loud,) = answers(read(noise(30.0, 2.0)), whole=True)
    assert loud.rhythm is Rhythm.UNREADABLE
    assert loud.probabilities == (0.0, 0.0, 0.0, 1.0)


def test_a_second_lead_that_comes_off_does_not_matter() -> None:
    ecg = simulated(30.0)
    both = read(np.concatenate((ecg.samples, np.zeros_like(ecg.samples))))
    (window,) = answers(both._replace(beats=_of_two_leads(ecg.beats), rr=ecg.rr), whole=True)
    (alone,) = answers(ecg, whole=True)
    assert window.probabilities == alone.probabilities


def _of_two_leads(beats: BeatWaves) -> BeatWaves:
    none = BeatWaves.none(2)
    shape = len(beats.samples)
    return BeatWaves(
        beats.samples,
        beats.points,
        np.zeros((shape, *none.lead_points.shape[1:]), np.float32),
        beats.p_waves,
        np.zeros((shape, *none.st.shape[1:]), np.float32),
        np.zeros((shape, 2), np.float32),
        beats.lone_p,
    )


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    seconds=st.sampled_from([0.5, 5.0, 9.3, 40.0]),
    scale=st.sampled_from([0.0, 0.05, 1.0, 100.0]),
    n_beats=st.integers(0, 60),
    damage=st.booleans(),
)
def test_anything_has_an_answer(
    seed: int, seconds: float, scale: float, n_beats: int, *, damage: bool
) -> None:
    rng = np.random.default_rng(seed)
    samples = noise(seconds, scale, seed)
    n = samples.shape[1]
    if damage:
        samples[:, rng.integers(0, n, n // 5)] = np.nan
    at = np.sort(rng.choice(n, min(n_beats, n), replace=False))
    none = BeatWaves.none(1)
    points = rng.normal(0, 0.2, (len(at), 8)).astype(np.float32)
    points[rng.random(points.shape) < 0.3] = np.nan
    beats = BeatWaves(
        at,
        points,
        points[:, None],
        rng.integers(0, 4, len(at)).astype(np.int8),
        np.zeros((len(at), *none.st.shape[1:]), np.float32),
        np.zeros((len(at), 1), np.float32),
        np.sort(rng.integers(0, n, 3)),
    )
    rr = np.diff(at / RATE, prepend=np.nan)
    quality = np.zeros((1, int(np.ceil(seconds))), np.uint8)
    windows = answers(Read(samples, quality, beats, rr, RATE))
    assert bool(windows) == (seconds >= LEAST_S)
    for window in windows:
        assert np.isfinite(window.probabilities).all()
        assert window.rhythm in Rhythm


@given(
    rr=st.lists(st.floats(0.2, 4.0) | st.just(float("nan")), max_size=80),
    n=st.integers(200, 6000),
    scale=st.sampled_from([0.0, 1e-6, 1.0, 1e4]),
)
@settings(max_examples=60, deadline=None)
def test_what_the_networks_see_lies_within_bounds(rr: list[float], n: int, scale: float) -> None:
    times = np.cumsum(np.nan_to_num(rr, nan=1.0))
    times = times[times < n / 100]
    none = BeatWaves.none(1)
    count = len(times)
    beats = Beats(
        times,
        np.array(rr[:count], np.float64),
        np.full((count, none.points.shape[1]), np.nan, np.float32),
        np.zeros(count, np.int8),
        0,
    )
    level = (scale * np.random.default_rng(n).standard_normal(n)).astype(np.float32)
    row, cut = features(level, beats, 1.0), segments(level, beats)
    assert row.shape == (len(FEATURES),)
    assert cut.shape == (max(1, -(-n // SEGMENT_POINTS)), 1, SEGMENT_POINTS, CHANNELS)
    for values in (row, cut):
        assert np.abs(values).max() <= 1


def test_the_grid_keeps_a_sine_whatever_the_rate() -> None:
    for rate in (100.0, 128.0, 257.3, 1000.0):
        at = np.arange(round(20 * rate)) / rate
        grid = RhythmGrid(rate, 1)
        points = np.concatenate(
            (grid.push(np.sin(2 * np.pi * 5 * at)[None]), grid.finish()), axis=1
        )
        assert abs(points.shape[1] - 2000) <= 1
        assert points[0, 500:1500].max() == pytest.approx(1, abs=0.06)


def test_memory_does_not_grow_with_the_recording() -> None:
    ecg = simulated()
    rhythm = classifier(ecg)
    n = 60 * 250
    minute = ecg.samples[:, :n]
    sizes = []
    tracemalloc.start()
    for number in range(30):
        rhythm.push(minute, ecg.quality[:, :60], BeatWaves.none(1), np.zeros(0), (number + 1) * n)
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert sizes[-1] - sizes[5] < 100_000


def test_what_cannot_be_is_refused() -> None:
    bundle = bundle_for("rhythm")
    with pytest.raises(ValueError, match="from 100 Hz on"):
        RhythmClassifier(bundle, 90.0, 1)
    with pytest.raises(ValueError, match="without a lead"):
        RhythmClassifier(bundle, 250.0, 0)
    with pytest.raises(ValueError, match="does not tell"):
        RhythmClassifier(bundle_for("waves"), 250.0, 1)


@pytest.mark.realdata
def test_fibrillation_of_a_real_recording(recordings: Path) -> None:
    from signals.readers import open_recording

    with open_recording(recordings / "mitdb" / "201.hea") as recording:
        rate = recording.channels[0].rate
        samples = recording.read([0], 0, round(600 * rate))
    said = {window.onset_s: window.rhythm for window in answers(read(samples, rate))}
    assert all(said[onset] is Rhythm.FIBRILLATION for onset in said if onset < 340)
    assert all(said[onset] is not Rhythm.FIBRILLATION for onset in said if 380 < onset < 440)
