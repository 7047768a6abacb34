"""ml.tasks.ventricular_windows: the same windows from any blocks and from any rate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ml.tasks.ventricular_windows import (
    GRID_RATE,
    LOOK_AHEAD_S,
    N_NUMBERS,
    POINTS,
    WINDOW,
    VentricularWindows,
    heights,
    model_input,
)

Signal = NDArray[np.float32]


def waves(rate: float, seconds: float, frequency: float = 4.0) -> Signal:
    t = np.arange(round(seconds * rate)) / rate
    lead = np.sin(2 * np.pi * frequency * t) + 0.3 * np.sin(2 * np.pi * 1.3 * t)
    return np.stack((lead, -0.5 * lead)).astype(np.float32)


def cut(samples: Signal, rate: float, edges: list[int]) -> Signal:
    cutter = VentricularWindows(rate, len(samples))
    parts = [cutter.push(part) for part in np.split(samples, sorted(edges), axis=1)]
    return np.concatenate([*parts, cutter.finish()])


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from([100.0, 128.0, 250.0, 257.3, 360.0, 1000.0]),
    cuts=st.lists(st.floats(0, 1), max_size=8),
    gaps=st.lists(st.floats(0, 1), max_size=3),
)
def test_windows_do_not_depend_on_the_blocks(
    rate: float, cuts: list[float], gaps: list[float]
) -> None:
    samples = waves(rate, 13.4)
    n = samples.shape[1]
    for gap in gaps:
        samples[:, round(gap * n) : round(gap * n + 0.4 * rate)] = np.nan
    whole = cut(samples, rate, [])
    assert whole.shape == (13, 2, POINTS)
    np.testing.assert_array_equal(cut(samples, rate, [round(c * n) for c in cuts]), whole)
    ones = [model_input(window) for window in whole]
    together = model_input(whole.reshape(-1, POINTS))
    for kind in (0, 1):
        np.testing.assert_array_equal(np.concatenate([one[kind] for one in ones]), together[kind])


@pytest.mark.parametrize(
    ("rate", "apart"),
    [
        (100.0, 1e-3),
        (128.0, 1e-3),
        (360.0, 1e-3),
        (1000.0, 1e-3),
        # each second begins with a sample, which here is up to 4 ms too early
        (257.3, 0.12),
    ],
)
def test_all_rates_look_alike(rate: float, apart: float) -> None:
    strips, numbers = model_input(cut(waves(rate, 20), rate, [])[10:19].reshape(-1, POINTS))
    others, other_numbers = model_input(cut(waves(250, 20), 250, [])[10:19].reshape(-1, POINTS))
    assert np.abs(strips - others).max() < apart
    assert np.abs(numbers - other_numbers).max() < apart


def test_the_answer_waits_for_the_look_ahead_and_no_longer() -> None:
    rate = 250.0
    samples = waves(rate, 12)
    cutter = VentricularWindows(rate, 2)
    enough = round((10 + LOOK_AHEAD_S) * rate) + 1
    assert len(cutter.push(samples[:, : enough - 3])) == 9
    assert len(cutter.push(samples[:, enough - 3 : enough])) == 1


def test_mains_baseline_and_gain_do_not_reach_the_strip() -> None:
    rate = 500.0
    samples = waves(rate, 20)
    t = np.arange(samples.shape[1]) / rate
    spoilt = 3 * samples + 0.5 * np.sin(2 * np.pi * 50 * t) + 4 * np.sin(2 * np.pi * 0.06 * t)
    plain, _ = model_input(cut(samples, rate, [])[12])
    (strip, _), height = (
        model_input(cut(spoilt.astype(np.float32), rate, [])[12]),
        heights(cut(3 * samples, rate, [])[12]),
    )
    assert np.abs(strip - plain).max() < 0.05
    np.testing.assert_allclose(height, 3 * heights(cut(samples, rate, [])[12]), rtol=1e-4)


@given(st.integers(0, 2**32 - 1), st.floats(-4, 3))
@settings(max_examples=30, deadline=None)
def test_what_the_model_reads_stays_within_its_bounds(seed: int, power: float) -> None:
    rng = np.random.default_rng(seed)
    windows = (10**power * rng.standard_normal((3, POINTS))).astype(np.float32)
    windows[0] = windows[0, 0]
    windows[1, GRID_RATE:] = 0
    strip, numbers = model_input(windows)
    assert strip.shape == (3, 1, POINTS, 1)
    assert numbers.shape == (3, N_NUMBERS)
    for array in (strip, numbers):
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
        assert np.abs(array).max() <= 1


def test_evenness_tells_waves_from_beats() -> None:
    t = (np.arange(POINTS) + 0.5) / GRID_RATE
    wave = np.sin(2 * np.pi * 5 * t)
    beats = np.exp(-0.5 * np.square((np.mod(t, 0.8) - 0.4) / 0.02))
    _, numbers = model_input(np.stack((wave, beats)).astype(np.float32))
    heights_after, slopes_after, share = numbers[:, 2], numbers[:, 3], numbers[:, 4]
    assert (heights_after[0], slopes_after[0]) == pytest.approx((0.81, 0.81), abs=0.03)
    assert (numbers[1, 2:4] < 0.4).all()
    assert share[0] > 0.95
    spectrum = numbers[0, 8:40]
    assert 0.5 + 0.5 * (spectrum.argmax()) == pytest.approx(5.0, abs=0.5)
    likeness = numbers[0, 40:]
    lag = (6 + 2 * likeness[4:8].argmax() + 8) / GRID_RATE
    assert lag == pytest.approx(0.2, abs=0.04)


def test_the_first_window_begins_with_the_first_sample() -> None:
    samples = waves(250, 3) + np.float32(2)
    first = cut(samples, 250, [])[0]
    before = first[:, : POINTS - GRID_RATE]
    np.testing.assert_array_equal(before, np.repeat(before[:, :1], before.shape[1], axis=1))
    assert WINDOW * GRID_RATE == POINTS


def test_nothing_comes_of_nothing() -> None:
    cutter = VentricularWindows(250, 1)
    assert len(cutter.push(np.zeros((1, 0), np.float32))) == 0
    assert len(cutter.finish()) == 0
