"""ml.training.waves.network: what its loss asks for."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is in the training environment")

from ml.tasks.wave_strips import STRIP_POINTS
from ml.training.waves.network import wave_loss
from ml.training.waves.strips import KNOWN, SINUS, WHOLE

pytestmark = pytest.mark.training


def _logits(value: float) -> np.ndarray:
    return np.full((1, 1, STRIP_POINTS // 4, 6), value, np.float32)


def test_a_p_wave_somewhere_is_enough() -> None:
    targets = np.zeros((1, STRIP_POINTS, 7), np.float32)
    targets[0, 1000, SINUS] = 1
    logits = _logits(-4.0)
    nowhere = float(wave_loss(targets, logits))
    logits[0, 0, 252, 0] = 6.0
    near = float(wave_loss(targets, logits))
    logits[0, 0, 252, 0] = -4.0
    logits[0, 0, 300, 0] = 6.0
    far = float(wave_loss(targets, logits))
    assert near < 0.01
    assert far == nowhere > 0.1


def test_only_what_was_marked_counts() -> None:
    targets = np.zeros((1, STRIP_POINTS, 7), np.float32)
    assert float(wave_loss(targets, _logits(5.0))) == 0
    targets[0, 400:440, KNOWN] = 1
    targets[0, 400:440, 1] = WHOLE  # a QRS, and neither P nor T
    logits = _logits(-8.0)
    wrong = float(wave_loss(targets, logits))
    logits[0, 0, 100:110, [1, 4]] = 8.0
    right = float(wave_loss(targets, logits))
    logits[0, 0, :100] = 8.0
    assert right < 0.01 < 2 < wrong
    assert float(wave_loss(targets, logits)) == right, "nobody said what is there"
