"""ml.training.ventricular.variation: rates change, and with them classes; no record rules."""

from __future__ import annotations

import numpy as np

from ml.tasks.ventricular_windows import GRID_RATE, POINTS
from ml.training.task import Examples
from ml.training.ventricular.variation import HELD_POINTS, varied, vary, weights_of


def wave(frequency: float) -> np.ndarray:
    t = np.arange(HELD_POINTS) / GRID_RATE
    return np.asarray(np.sin(2 * np.pi * frequency * t), np.float32)


def frequency_of(window: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(window * np.hanning(POINTS), 8 * POINTS))
    return float((power[16:].argmax() + 16) * GRID_RATE / (8 * POINTS))


def test_tachycardias_that_are_slowed_below_120_a_minute_are_none() -> None:
    held = np.stack([wave(4.0)] * 400)
    targets = np.ones(400, np.int8)
    windows = varied(held, np.ones(400, bool), targets, np.random.default_rng(0))
    assert windows.shape == (400, POINTS)
    assert 0.05 < (targets == 0).mean() < 0.25
    quiet = [(frequency_of(w), t) for w, t in zip(windows, targets, strict=True)]
    right = [(f < 2.0) == (t == 0) for f, t in quiet]
    # noise hides a few
    assert np.mean(right) > 0.95


def test_what_is_no_episode_stays_none() -> None:
    targets = np.zeros(500, np.int8)
    inputs = {"held": np.stack([wave(1.0)] * 500), "may_quicken": np.ones(500, np.float32)}
    vary(inputs, targets, np.random.default_rng(0))
    assert targets.sum() < 15, "one in a hundred is turned"
    assert set(inputs) == {"strip", "numbers"}
    assert all(np.isfinite(array).all() for array in inputs.values())


def test_weights_even_out_classes_and_records() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(0, 0.1, (2600, 8))
    numbers[1800:, 3] += 0.6
    numbers[2000:, 5] += 0.3
    targets = np.array([0] * 2000 + [1] * 600, np.int8)
    records = np.array(["vfdb/1"] * 2000 + ["vfdb/2"] * 480 + ["vfdb/3"] * 120)
    weights = weights_of(Examples({"numbers": numbers.astype(np.float16)}, targets, records))
    assert abs(weights.sum() - 1) < 1e-9
    assert abs(weights[targets == 1].sum() - 0.5) < 1e-9
    # what looks like the episodes, in one of two ways
    assert weights[1800:2000].mean() > 3 * weights[:1800].mean()
    assert abs(weights[2000:2480].sum() - weights[2480:].sum()) < 1e-6
