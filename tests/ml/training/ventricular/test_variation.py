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
    share = np.ones(400, np.float32)
    windows = varied(held, share, np.zeros(400, bool), targets, np.random.default_rng(0))
    assert windows.shape == (400, POINTS)
    assert 0.05 < (targets == 0).mean() < 0.25
    quiet = [(frequency_of(w), t) for w, t in zip(windows, targets, strict=True)]
    right = [(f < 2.0) == (t == 0) for f, t in quiet]
    # noise hides a few
    assert np.mean(right) > 0.95


def test_what_is_no_episode_stays_none() -> None:
    targets = np.zeros(500, np.int8)
    inputs = {
        "held": np.stack([wave(1.0)] * 500),
        "share": np.zeros(500, np.float32),
        "may_quicken": np.ones(500, np.float32),
    }
    vary(inputs, targets, np.random.default_rng(0))
    assert targets.sum() < 15, "one in a hundred is turned"
    assert set(inputs) == {"strip", "numbers"}
    assert all(np.isfinite(array).all() for array in inputs.values())


def test_weights_even_out_classes_and_records() -> None:
    share = np.zeros(2700, np.float16)
    share[2000:2600] = 1
    share[2600:] = 0.5
    records = np.array(
        ["vfdb/1"] * 1500
        + ["svdb/1"] * 500
        + ["vfdb/2"] * 480
        + ["vfdb/3"] * 120
        + ["vfdb/2"] * 100
    )
    targets = (share >= 0.8).astype(np.int8)
    weights = weights_of(Examples({"share": share}, targets, records))
    assert abs(weights.sum() - 1) < 1e-9
    assert abs(weights[:2000].sum() - 0.5) < 1e-9
    assert weights[:1500].sum() > weights[1500:2000].sum() > 0
    assert abs(weights[2000:2480].sum() - weights[2480:2600].sum()) < 1e-9
    assert 0.02 < weights[2600:].sum() < 0.2


def test_what_lies_in_an_episode_in_part_is_positive_that_often() -> None:
    targets = np.zeros(1000, np.int8)
    inputs = {
        "held": np.stack([wave(5.0)] * 1000),
        "share": np.full(1000, 0.75, np.float32),
        "may_quicken": np.zeros(1000, np.float32),
    }
    vary(inputs, targets, np.random.default_rng(0))
    assert abs(targets.mean() - 0.75) < 0.05
