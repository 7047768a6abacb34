"""ml.tasks.beat_features: what is measured of a beat is of the beat, not of how it was recorded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ml.tasks.beat_features import FEATURES, BeatFeatures, BeatInputs

RATE = 250.0


def trace(beats: int = 60, wide_every: int = 7) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return two leads and R peaks of narrow beats, every `wide_every`-th an early wide one."""
    rng = np.random.default_rng(0)
    wide = np.arange(beats) % wide_every == wide_every - 1
    intervals = 0.8 + 0.02 * rng.standard_normal(beats)
    intervals[wide] -= 0.3
    intervals[1:][wide[:-1]] += 0.3
    times = 1 + np.cumsum(intervals)
    at = np.arange(round((times[-1] + 1.5) * RATE)) / RATE
    lead = 0.005 * rng.standard_normal(len(at))
    for time, is_wide in zip(times, wide, strict=True):
        waves = (
            [(0, -1.6, 0.04), (0.25, 0.5, 0.06)]
            if is_wide
            else [(-0.16, 0.12, 0.02), (0, 1.0, 0.011), (0.03, -0.2, 0.01), (0.26, 0.25, 0.04)]
        )
        for offset, size, width in waves:
            lead += size * np.exp(-0.5 * np.square((at - time - offset) / width))
    samples = np.stack([lead, -0.6 * lead]).astype(np.float32)
    return samples, np.rint(times * RATE).astype(np.int64)


SAMPLES, PEAKS = trace()


def measured(samples: NDArray[np.float32], peaks: NDArray[np.int64] = PEAKS) -> BeatInputs:
    stream = BeatFeatures(RATE, len(samples))
    return BeatInputs.joined([stream.push(samples, peaks), stream.finish()])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, SAMPLES.shape[1]), max_size=30).map(sorted))
def test_features_do_not_depend_on_the_blocks(cuts: list[int]) -> None:
    stream = BeatFeatures(RATE, 2)
    parts = []
    for start, stop in zip([0, *cuts], [*cuts, SAMPLES.shape[1]], strict=True):
        inside = slice(*np.searchsorted(PEAKS, (start, stop)))
        parts.append(stream.push(SAMPLES[:, start:stop], PEAKS[inside]))
    found, whole = BeatInputs.joined([*parts, stream.finish()]), measured(SAMPLES)
    np.testing.assert_array_equal(found.samples, whole.samples)
    np.testing.assert_array_equal(found.features, whole.features)
    np.testing.assert_array_equal(found.shapes, whole.shapes)
    np.testing.assert_array_equal(found.families, whole.families)


def test_a_drifting_baseline_is_no_shape() -> None:
    at = np.arange(SAMPLES.shape[1]) / RATE
    drift = (3 * np.sin(2 * np.pi * 0.3 * at)).astype(np.float32)
    still, moved = measured(SAMPLES), measured(SAMPLES + drift)
    qrs = [i for i, name in enumerate(FEATURES) if name.endswith((".qrs", ".width", "to_dominant"))]
    off = np.abs(still.features[8:, qrs] - moved.features[8:, qrs])
    assert off.max() < 0.1


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_gain_does_not_show(gain: float) -> None:
    one, other = measured(SAMPLES), measured(SAMPLES * np.float32(gain))
    np.testing.assert_allclose(one.features, other.features, atol=0.02)
    np.testing.assert_allclose(one.shapes, other.shapes, atol=0.02)


def test_polarity_turns_the_shape_and_nothing_else() -> None:
    one, other = measured(SAMPLES), measured(-SAMPLES)
    polarity = [i for i, name in enumerate(FEATURES) if name.endswith("polarity")]
    turned = one.features.copy()
    turned[:, polarity] *= -1
    np.testing.assert_array_equal(turned, other.features)
    np.testing.assert_array_equal(-one.shapes, other.shapes)
    np.testing.assert_array_equal(one.families, other.families)


def test_a_sudden_tachycardia_differs_from_sinus_rhythm_to_its_end() -> None:
    rr = np.r_[np.full(60, 0.8), np.full(300, 0.4)]
    peaks = np.rint((1 + np.cumsum(rr)) * RATE).astype(np.int64)
    samples = np.zeros((1, int(peaks[-1] + 2 * RATE)), np.float32)
    for offset in range(-8, 9):
        samples[0, peaks + offset] = np.exp(-0.5 * (offset / 3) ** 2)
    found = measured(samples, peaks).features[:, FEATURES.index("slow.before_jump")]
    assert (found[70:] < -0.9).all()
    assert np.abs(found[:60]).max() < 0.1
