"""ml.training.waves.variation: what is known of a strip stays true of what becomes of it."""

from __future__ import annotations

import numpy as np

from ml.tasks.wave_strips import STRIP_POINTS, model_input
from ml.training.waves.strips import INSIDE, KNOWN, SINUS, WHOLE
from ml.training.waves.variation import disturb, erase_p_waves, vary

N = 200


def test_targets_and_peaks_move_with_the_samples() -> None:
    bump = np.exp(-0.5 * np.square((np.arange(STRIP_POINTS) - 1500) / 8)).astype(np.float32)
    inputs = {
        "level": np.tile(bump, (N, 1)),
        "marks": np.tile(bump, (N, 1)),
        "noise": np.zeros((N, STRIP_POINTS), np.float32),
    }
    targets = np.zeros((N, STRIP_POINTS, 7), np.uint8)
    targets[:, 1490:1511, 1] = WHOLE
    targets[:, :, KNOWN] = 1
    targets[:, 1500, SINUS] = 1
    vary(inputs, targets, np.random.default_rng(0))
    assert set(inputs) == {"strips"}
    strips = inputs["strips"][:, 0]
    assert strips.shape == (N, STRIP_POINTS, 2)
    at = np.abs(strips[:, :, 0]).argmax(axis=1)
    assert np.ptp(at) > 100
    middle = targets[:, :, SINUS].argmax(axis=1)
    assert np.abs(middle - at).max() <= 4
    inside = targets[:, :, 1]
    assert (inside[np.arange(N), middle] == WHOLE).all()
    width = inside.sum(axis=1) / WHOLE
    assert width.min() > 21 * 0.85
    assert width.max() < 21 * 1.18
    jitter = strips[:, :, 1].argmax(axis=1) - middle
    assert 2 < np.abs(jitter).max() <= 6, "the peaks of a detector are not exact"
    # nothing is known of what was not there
    assert not targets[:, 0, KNOWN].all()
    assert targets[:, 1500, KNOWN].all()


def test_an_erased_p_wave_is_neither_seen_nor_asked_for() -> None:
    level = np.zeros((N, STRIP_POINTS), np.float32)
    level[:, 100:120] = 1.0
    level[:, 300:320] = 2.0
    inside = np.zeros((N, STRIP_POINTS, 3), np.float32)
    inside[:, 100:120, 0] = 1
    inside[:, 300:320, 1] = 1
    erase_p_waves(level, inside, np.random.default_rng(0))
    erased = inside[:, 110, 0] == 0
    assert 0.1 < erased.mean() < 0.3
    assert (level[erased, 100:120] == 0).all()
    assert (level[~erased, 100:120] == 1).all()
    assert (level[:, 300:320] == 2).all()
    assert inside[:, 310, 1].all()


def test_some_strips_are_given_noise() -> None:
    level = np.zeros((N, STRIP_POINTS), np.float32)
    disturb(level, np.ones((N, STRIP_POINTS), np.float32), np.random.default_rng(0))
    lifted = np.abs(level.mean(axis=1)) > 0.004
    assert 0.3 < lifted.mean() < 0.5
    assert level.mean(axis=1).max() < 0.13
    assert model_input(level, level).dtype == np.float32
    assert INSIDE.stop == KNOWN.start
