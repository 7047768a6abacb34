"""Beats that are as the ones before: which those are, and that nothing is lost by skipping them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ml.adaptive import AUDIT_EVERY, PROBATION
from ml.registry import bundle_for
from ml.tasks.beat_features import BeatFeatures, MeasuredBeats
from ml.tasks.beats import BeatClassifier, ClassifiedBeats
from signals.ecg.beat import BeatClass

RATE = 250.0
BUNDLE = bundle_for("beats")
NARROW = ((-0.16, 0.12, 0.02), (0, 1.0, 0.011), (0.03, -0.2, 0.01), (0.26, 0.25, 0.04))
WIDE = ((0, -1.6, 0.04), (0.25, 0.5, 0.06))


def trace(
    intervals: NDArray[np.float64], wide: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return two leads and R peaks of beats after these intervals, s, wide ones among them."""
    rng = np.random.default_rng(0)
    times = 1 + np.cumsum(intervals)
    at = np.arange(round((times[-1] + 1.5) * RATE)) / RATE
    lead = 0.005 * rng.standard_normal(len(at))
    for time, is_wide in zip(times, wide, strict=True):
        near = slice(*np.searchsorted(at, (time - 0.5, time + 0.6)))
        for offset, size, width in WIDE if is_wide else NARROW:
            lead[near] += size * np.exp(-0.5 * np.square((at[near] - time - offset) / width))
    return np.stack([lead, -0.6 * lead]).astype(np.float32), np.rint(times * RATE).astype(np.int64)


def steady(n: int) -> NDArray[np.float64]:
    return 0.8 + 0.02 * np.random.default_rng(1).standard_normal(n)


def sinus_with(early: list[int], n: int = 300) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return sinus rhythm with narrow beats that come early."""
    intervals = steady(n)
    intervals[early] = 0.5
    return trace(intervals, np.zeros(n, np.bool_))


def measured(samples: NDArray[np.float32], peaks: NDArray[np.int64]) -> list[MeasuredBeats]:
    stream = BeatFeatures(RATE, len(samples))
    return stream.measure(samples, peaks) + stream.measure_last()


def unchanged(samples: NDArray[np.float32], peaks: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.concatenate([part.unchanged() for part in measured(samples, peaks)])


def read(
    samples: NDArray[np.float32],
    peaks: NDArray[np.int64],
    cuts: tuple[int, ...] = (),
    *,
    adaptive: bool = True,
) -> tuple[ClassifiedBeats, BeatClassifier]:
    beats = BeatClassifier(BUNDLE, RATE, len(samples), adaptive=adaptive)
    parts = []
    for start, stop in zip([0, *cuts], [*cuts, samples.shape[1]], strict=True):
        inside = slice(*np.searchsorted(peaks, (start, stop)))
        parts.append(beats.push(samples[:, start:stop], peaks[inside]))
    return ClassifiedBeats.joined([*parts, beats.finish()]), beats


MIXED = np.arange(400) % 23 == 22
INTERVALS = steady(400)
INTERVALS[MIXED] -= 0.3
INTERVALS[1:][MIXED[:-1]] += 0.3
SAMPLES, PEAKS = trace(INTERVALS, MIXED)
SAMPLES[:, 60_000:60_300] = np.nan


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, SAMPLES.shape[1]), max_size=15).map(sorted))
def test_what_is_said_does_not_depend_on_the_blocks(cuts: list[int]) -> None:
    cut, by_blocks = read(SAMPLES, PEAKS, tuple(cuts))
    whole, at_once = read(SAMPLES, PEAKS)
    assert at_once.work.skipped > 150
    assert by_blocks.work == at_once.work
    np.testing.assert_array_equal(cut.classes, whole.classes)
    np.testing.assert_array_equal(cut.probabilities, whole.probabilities)
    np.testing.assert_array_equal(cut.families, whole.families)
    np.testing.assert_array_equal(cut.unsure, whole.unsure)


def test_beats_read_one_by_one_are_as_read_together() -> None:
    for part in measured(SAMPLES, PEAKS):
        together = part.inputs()
        for which in (np.arange(1, len(together.samples), 3), np.array([5]), np.array([9, 11])):
            some = part.inputs(which)
            np.testing.assert_array_equal(some.features, together.features[which])
            np.testing.assert_array_equal(some.shapes, together.shapes[which])
            np.testing.assert_array_equal(some.samples, together.samples[which])
            np.testing.assert_array_equal(some.families, together.families[which])
        return


def test_a_quiet_hour_is_hardly_read_and_nothing_is_lost() -> None:
    samples, peaks = trace(steady(1000), np.arange(1000) % 200 == 150)
    found, beats = read(samples, peaks)
    full, all_read = read(samples, peaks, adaptive=False)
    np.testing.assert_array_equal(found.classes, full.classes)
    assert beats.work.full + beats.work.quick < PROBATION + 1000 / AUDIT_EVERY + 60
    assert all_read.work.full == 1000
    assert all_read.work.skipped == all_read.work.quick == 0


def test_what_was_skipped_is_probable_not_certain() -> None:
    found, beats = read(*sinus_with([]))
    assert beats.work.skipped > 100
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    assert (found.probabilities[:, BeatClass.N] < 1).all()
    assert not found.unsure.any()


@given(st.lists(st.integers(20, 290), min_size=1, max_size=8, unique=True))
@settings(max_examples=15, deadline=None)
def test_no_early_beat_is_skipped_nor_the_one_before(early: list[int]) -> None:
    alike = unchanged(*sinus_with(early))
    assert not alike[early].any()
    assert not alike[np.array(early) - 1].any()
    assert alike.mean() > 0.5


def test_no_beat_of_a_fast_run_is_skipped_before_it_has_lasted_long() -> None:
    intervals = steady(400)
    intervals[200:] = 0.5 + 0.005 * np.random.default_rng(2).standard_normal(200)
    alike = unchanged(*trace(intervals, np.zeros(400, np.bool_)))
    assert alike[50:199].all()
    assert not alike[199:].any()


def test_beats_of_another_shape_are_not_skipped() -> None:
    assert not unchanged(SAMPLES, PEAKS)[MIXED].any()


def test_noise_is_not_skipped() -> None:
    samples, peaks = sinus_with([])
    rng = np.random.default_rng(3)
    samples[:, 30_000:40_000] = 0.5 * rng.standard_normal((2, 10_000))
    noisy = (peaks > 30_000) & (peaks < 40_000)
    alike = unchanged(samples, peaks)
    assert not alike[noisy].any()
    assert alike[~noisy].mean() > 0.8


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_what_cannot_be_seen_is_not_skipped(value: float) -> None:
    samples, peaks = sinus_with([])
    samples[:, 30_000:40_000] = value
    lost = (peaks > 30_200) & (peaks < 39_800)
    assert not unchanged(samples, peaks)[lost].any()


def test_of_few_beats_none_is_skipped() -> None:
    samples, peaks = sinus_with([], n=20)
    assert not unchanged(samples, peaks[:4]).any()
    assert read(samples, peaks)[1].work.full == 20


def test_a_bundle_without_a_quick_model_reads_more_in_full() -> None:
    from dataclasses import replace

    alone = replace(BUNDLE, models={"model": BUNDLE.model})
    beats = BeatClassifier(alone, RATE, 2)
    beats.push(SAMPLES, PEAKS)
    beats.finish()
    assert beats.work.quick == 0
    assert beats.work.skipped == read(SAMPLES, PEAKS)[1].work.skipped
