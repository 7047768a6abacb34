"""ml.tasks.beat_windows: the same beat gives the same window."""

from __future__ import annotations

import numpy as np
import pytest

from ml.tasks.beat_windows import GRID_POINTS, R_INDEX, BeatWindows, Windows


def _cut(rate: float, peaks: list[int], at_s: float = 3.0) -> Windows:
    time = np.arange(round(6 * rate)) / rate
    beat = np.exp(-0.5 * np.square((time - at_s) / 0.012)) + 0.2 * np.exp(
        -0.5 * np.square((time - at_s - 0.25) / 0.04)
    )
    windows = BeatWindows(rate, 1)
    windows.push(beat[None].astype(np.float32), np.array(peaks, np.int64))
    windows.finish()
    cut = windows.take()
    assert cut is not None
    return cut


@pytest.mark.parametrize("off", [-7, -3, 2, 7])
def test_a_misplaced_peak_gives_the_same_window(off: int) -> None:
    exact = _cut(250.0, [750]).shapes[0, 0]
    moved = _cut(250.0, [750 + off]).shapes[0, 0]
    assert np.abs(exact - moved).max() < 0.1


@pytest.mark.parametrize("rate", [128.0, 200.0, 360.0, 1000.0])
def test_the_rate_does_not_show_in_the_window(rate: float) -> None:
    reference = _cut(500.0, [1500]).shapes[0, 0]
    window = _cut(rate, [round(3 * rate)]).shapes[0, 0]
    assert window.shape == (GRID_POINTS,)
    assert abs(int(window.argmax()) - R_INDEX) <= 1
    assert np.corrcoef(reference, window)[0, 1] > 0.995


def test_a_steady_offset_is_no_signal() -> None:
    windows = BeatWindows(250.0, 1)
    windows.push(np.full((1, 1000), 3.0, np.float32), np.array([500]))
    windows.finish()
    cut = windows.take()
    assert cut is not None
    assert np.abs(cut.shapes).max() < 1e-4


def test_a_window_waits_for_its_last_sample() -> None:
    windows = BeatWindows(250.0, 1)
    windows.push(np.zeros((1, 600), np.float32), np.array([500]))
    assert windows.take() is None
    windows.push(np.zeros((1, 200), np.float32), np.zeros(0, np.int64))
    assert windows.take() is not None
    assert windows.take() is None
