"""ml.tasks.beats: one answer whatever the blocks, the rate, the leads or the damage."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ml.registry import bundle_for
from ml.tasks.beat_features import FEATURES, BeatFeatures
from ml.tasks.beat_windows import MAX_DELAY_S
from ml.tasks.beats import BeatClassifier, ClassifiedBeats
from signals.ecg.beat import BeatClass

RATE = 250.0


def trace(
    rate: float = RATE, beats: int = 60, leads: int = 2, wide_every: int = 7, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return samples and R peaks of narrow beats, every `wide_every`-th an early wide one."""
    rng = np.random.default_rng(seed)
    wide = np.arange(beats) % wide_every == wide_every - 1
    intervals = 0.8 + 0.02 * rng.standard_normal(beats)
    intervals[wide] -= 0.3
    intervals[1:][wide[:-1]] += 0.3
    times = 1 + np.cumsum(intervals)
    at = np.arange(round((times[-1] + 1.5) * rate)) / rate
    lead = 0.005 * rng.standard_normal(len(at))
    for time, is_wide in zip(times, wide, strict=True):
        waves = (
            [(0, -1.6, 0.04), (0.25, 0.5, 0.06)]
            if is_wide
            else [(-0.16, 0.12, 0.02), (0, 1.0, 0.011), (0.03, -0.2, 0.01), (0.26, 0.25, 0.04)]
        )
        for offset, size, width in waves:
            near = slice(*np.searchsorted(at, (time - 0.5, time + 0.6)))
            lead[near] += size * np.exp(-0.5 * np.square((at[near] - time - offset) / width))
    samples = np.stack([lead * (1, 0.6, -0.4)[i] for i in range(leads)]).astype(np.float32)
    return samples, np.rint(times * rate).astype(np.int64)


def classifier(rate: float = RATE, leads: int = 2) -> BeatClassifier:
    return BeatClassifier(bundle_for("beats"), rate, leads)


def joined(parts: list[ClassifiedBeats]) -> tuple[NDArray, NDArray, NDArray]:
    beats = ClassifiedBeats.joined(parts)
    return beats.samples, beats.classes, beats.probabilities


def whole(
    samples: NDArray[np.float32], peaks: NDArray[np.int64], rate: float = RATE
) -> tuple[NDArray, NDArray, NDArray]:
    beats = classifier(rate, len(samples))
    return joined([beats.push(samples, peaks), beats.finish()])


def same(one: tuple[NDArray, ...], other: tuple[NDArray, ...]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


SAMPLES, PEAKS = trace()
SAMPLES[0, 4000:4300] = np.nan
SAMPLES[1, :200] = np.nan


@settings(max_examples=30, deadline=None)
@given(
    cuts=st.lists(st.integers(0, SAMPLES.shape[1]), max_size=40).map(sorted),
    delays=st.lists(st.floats(0, MAX_DELAY_S - 1), min_size=41, max_size=41),
)
def test_the_answer_does_not_depend_on_the_blocks(cuts: list[int], delays: list[float]) -> None:
    beats = classifier()
    parts = []
    done = 0
    for start, stop, delay in zip([0, *cuts], [*cuts, SAMPLES.shape[1]], delays, strict=False):
        # a peak may come late, but never more than the bound after a block's first sample
        given_out = int(np.searchsorted(PEAKS, stop - delay * RATE))
        overdue = int(np.searchsorted(PEAKS, stop - MAX_DELAY_S * RATE))
        ready = max(done, given_out, overdue if stop - start > RATE else done)
        parts.append(beats.push(SAMPLES[:, start:stop], PEAKS[done:ready]))
        done = ready
    parts.append(beats.push(SAMPLES[:, :0], PEAKS[done:]))
    parts.append(beats.finish())
    same(joined(parts), whole(SAMPLES, PEAKS))


def test_sample_by_sample_is_the_same_as_at_once() -> None:
    samples, peaks = SAMPLES[:, :5000], PEAKS[PEAKS < 5000]
    beats = classifier()
    parts = [beats.push(samples[:, i : i + 1], peaks[peaks == i]) for i in range(samples.shape[1])]
    same(joined([*parts, beats.finish()]), whole(samples, peaks))


@pytest.mark.parametrize("rate", [100.0, 128.0, 250.0, 360.0, 1000.0])
@pytest.mark.parametrize("leads", [1, 2, 3])
def test_early_wide_beats_are_ventricular_at_any_rate(rate: float, leads: int) -> None:
    samples, peaks = trace(rate, leads=leads)
    where, classes, probabilities = whole(samples, peaks, rate)
    np.testing.assert_array_equal(where, peaks)
    expected = np.where(np.arange(len(peaks)) % 7 == 6, BeatClass.V, BeatClass.N)
    assert (classes == expected).mean() >= 0.95
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), classes)


def test_narrow_and_wide_beats_are_two_families_however_they_came() -> None:
    samples, peaks = trace()
    beats = classifier()
    parts = [
        beats.push(samples[:, start : start + 700], peaks[(peaks >= start) & (peaks < start + 700)])
        for start in range(0, samples.shape[1], 700)
    ]
    found = ClassifiedBeats.joined([*parts, beats.finish()])
    table = beats.family_table()
    wide = np.arange(len(peaks)) % 7 == 6
    np.testing.assert_array_equal(found.families, np.where(wide, 2, 1))
    assert [family.count for family in table.families] == [(~wide).sum(), wide.sum()]
    assert table.dominant is table.families[0]
    assert table.families[1].earliness < -0.4 < table.families[0].earliness


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 15, 16, 17])
def test_few_beats(n: int) -> None:
    samples, peaks = trace(beats=20)
    where, classes, probabilities = whole(samples, peaks[:n])
    np.testing.assert_array_equal(where, peaks[:n])
    assert classes.shape == (n,)
    assert np.isfinite(probabilities).all()


def test_no_samples_at_all() -> None:
    where, _, _ = whole(np.zeros((2, 0), np.float32), np.zeros(0, np.int64))
    assert where.shape == (0,)


@pytest.mark.parametrize("value", [np.nan, 0.0, 5.0])
def test_a_dead_lead_is_as_good_as_one_lead(value: float) -> None:
    samples, peaks = trace()
    samples[1] = value
    same(whole(samples, peaks), whole(samples[:1], peaks))


def test_dead_leads_still_give_an_answer_for_each_beat() -> None:
    where, _, probabilities = whole(np.full((2, 15000), np.nan, np.float32), PEAKS[:40])
    np.testing.assert_array_equal(where, PEAKS[:40])
    assert np.isfinite(probabilities).all()


def test_a_hole_harms_only_beats_near_it() -> None:
    samples, peaks = trace(beats=120)
    clean = whole(samples, peaks)[1]
    samples[:, peaks[60] - 20 : peaks[60] + 20] = np.nan
    holed = whole(samples, peaks)[1]
    np.testing.assert_array_equal(np.delete(holed, slice(58, 68)), np.delete(clean, slice(58, 68)))


def test_infinite_and_huge_samples_stay_numbers() -> None:
    samples, peaks = trace()
    samples[0, 3000] = np.inf
    samples[1, 5000:5010] = 1e6
    assert np.isfinite(whole(samples, peaks)[2]).all()


def test_the_gain_of_a_lead_does_not_matter() -> None:
    samples, peaks = trace()
    np.testing.assert_array_equal(whole(samples, peaks)[1], whole(samples * 2, peaks)[1])


def test_every_feature_is_in_range_and_named() -> None:
    stream = BeatFeatures(RATE, 2)
    inputs = stream.push(SAMPLES, PEAKS)
    assert inputs.features.shape[1] == len(FEATURES) == len(set(FEATURES))
    assert np.abs(inputs.features).max() <= 1
    assert np.abs(inputs.shapes).max() <= 1


def test_a_beat_waits_for_no_more_than_it_says() -> None:
    samples, peaks = trace(beats=40)
    beats = classifier()
    shown = 0
    for i, peak in enumerate(peaks[:-1]):
        start = 0 if i == 0 else int(peaks[i - 1] + RATE * 0.75)
        shown += len(
            beats.push(samples[:, start : int(peak + RATE * 0.75)], peaks[i : i + 1]).samples
        )
        if i >= 16:
            assert shown >= i - beats.look_ahead_beats


def test_memory_does_not_grow_with_the_recording() -> None:
    samples, peaks = trace(beats=75, seed=1)
    beats = classifier()
    period = samples.shape[1]
    held = []
    tracemalloc.start()
    for lap in range(40):
        beats.push(samples, peaks + lap * period)
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[-1] < held[5] + 100_000


def test_peaks_out_of_order_are_refused() -> None:
    beats = classifier()
    beats.push(SAMPLES, PEAKS[:5])
    with pytest.raises(ValueError, match="ascend"):
        beats.push(SAMPLES[:, :0], PEAKS[4:5])


def test_a_peak_that_comes_too_late_is_refused() -> None:
    beats = classifier()
    beats.push(SAMPLES, PEAKS[:0])
    with pytest.raises(ValueError, match="10 s after"):
        beats.push(SAMPLES[:, :10], PEAKS[:1])


@pytest.mark.parametrize(("rate", "leads", "problem"), [(99, 2, "100 Hz"), (250, 0, "lead")])
def test_what_cannot_be_classified(rate: float, leads: int, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        classifier(rate, leads)


@pytest.mark.realdata
def test_a_known_patient(recordings) -> None:  # noqa: ANN001
    from ml.training.beats.data import read_record

    record = read_record(recordings, "mitdb/119")
    beats = classifier(record.rate)
    parts = [beats.push(record.samples, record.peaks), beats.finish()]
    found, table = ClassifiedBeats.joined(parts), beats.family_table()
    assert (found.classes == record.classes).mean() > 0.98
    families = table.settled(found.samples, found.families)
    normal, ventricular = table.families[:2]
    assert table.dominant is normal
    assert (record.classes[families == normal.id] == BeatClass.N).all()
    assert (record.classes[families == ventricular.id] == BeatClass.V).all()
    assert normal.count + ventricular.count >= len(record.peaks) - 5
