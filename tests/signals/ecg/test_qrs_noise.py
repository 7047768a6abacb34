"""Beats in noise: what a patient's own beats and rhythm tell, and what must not be refused."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.ecg.beat import beat_class_of
from signals.ecg.ec57.beats import EC57_LEARNING, compare_beats
from signals.ecg.qrs import QrsDetector

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RATE = 250
RAILS = (-20.0, 20.0)
CALM, NOISY, LENGTH = 20, 60, 80  # s: noise from 20 s to 60 s


def heart(times: NDArray[np.float64], width: float = 0.011) -> NDArray[np.float32]:
    """Return beats with Q, R, S and T, R at `times`."""
    t = np.arange(LENGTH * RATE) / RATE
    signal = np.random.default_rng(1).normal(0, 0.005, len(t))
    for time in times:
        for lag, of_width, size in ((-2.7, 1, -0.15), (0, 1, 1.0), (2.7, 1, -0.3), (25, 5, 0.2)):
            place = (t - time - lag * width) / (of_width * width)
            signal += size * np.exp(-0.5 * place * place)
    return signal.astype(np.float32)


def motion(seed: int = 3, size: float = 0.6) -> NDArray[np.float32]:
    """Return bumps as broad and as high as beats, four a second, between 20 s and 60 s."""
    rng = np.random.default_rng(seed)
    t = np.arange(LENGTH * RATE) / RATE
    signal = np.zeros(len(t))
    for time in rng.uniform(CALM, NOISY, 4 * (NOISY - CALM)):
        bump = np.exp(-0.5 * ((t - time) / rng.uniform(0.02, 0.06)) ** 2)
        signal += rng.normal(0, size) * bump
    return signal.astype(np.float32)


def found(*leads: NDArray[np.float32], cuts: list[int] | None = None) -> NDArray[np.int64]:
    samples = np.stack(leads)
    detector = QrsDetector(RATE, [RAILS] * len(samples))
    edges = [0, *sorted(cuts or []), samples.shape[1]]
    parts = [detector.push(samples[:, a:b]).peaks for a, b in pairwise(edges)]
    return np.concatenate([*parts, detector.finish().peaks])


def compare(times: NDArray[np.float64], peaks: NDArray[np.int64]) -> tuple[int, int]:
    counts = compare_beats(np.rint(times * RATE).astype(np.int64), peaks, RATE).counts
    return counts.missed, counts.extra


REGULAR = np.arange(0.5, LENGTH - 0.5, 0.8)


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_artifacts_between_known_beats_are_refused(seed: int) -> None:
    missed, extra = compare(REGULAR, found(heart(REGULAR) + motion(seed)))
    assert missed <= 3
    assert extra <= 6  # of 50 beats in noise among 160 bumps


def test_a_calm_lead_outvotes_a_noisy_one() -> None:
    noisy = heart(REGULAR) + motion(size=2.0)
    alone = compare(REGULAR, found(noisy))
    missed, extra = compare(REGULAR, found(noisy, -0.7 * heart(REGULAR)))
    assert missed == 0
    assert extra <= 6  # in the first seconds of the noise
    assert extra < sum(alone)


def test_a_tachycardia_of_broad_beats_is_not_taken_for_noise() -> None:
    tachycardia = np.arange(CALM, NOISY, 0.36)
    sinus = REGULAR[(REGULAR < CALM - 0.5) | (REGULAR > NOISY + 0.5)]
    peaks = found(heart(sinus) + 1.5 * heart(tachycardia, width=0.035))
    inside = peaks[(peaks > CALM * RATE) & (peaks < NOISY * RATE)]
    assert len(inside) >= 0.97 * len(tachycardia)


def test_noise_that_stays_does_not_lock_to_half_of_the_rate() -> None:
    fast = np.concatenate([np.arange(0.5, CALM, 0.8), np.arange(CALM, LENGTH - 0.5, 0.4)])
    missed, _ = compare(fast, found(heart(fast) + motion(size=0.3)))
    assert missed <= 12  # of 150: the new rate is learned within a few beats


@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.integers(0, LENGTH * RATE), max_size=12))
def test_the_result_is_the_same_for_any_cut(cuts: list[int]) -> None:
    first, second = heart(REGULAR) + motion(3), heart(REGULAR) + motion(4)
    second[30 * RATE : 34 * RATE] = np.nan
    whole = found(first, second)
    np.testing.assert_array_equal(found(first, second, cuts=cuts), whole)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("record", "leads", "least"),
    [("118e12", 1, 0.97), ("118e06", 1, 0.97), ("118e06", 2, 0.99), ("118e00", 1, 0.91)],
)
def test_electrode_motion(recordings: Path, record: str, leads: int, least: float) -> None:
    signal = wfdb.rdrecord(str(recordings / "nstdb" / record))
    notes = wfdb.rdann(str(recordings / "nstdb" / record), "atr")
    is_beat = [beat_class_of(symbol) is not None for symbol in notes.symbol]
    detector = QrsDetector(signal.fs, [(-15.36, 5.115)] * leads)
    samples = signal.p_signal.T[:leads].astype(np.float32)
    peaks = np.concatenate([detector.push(samples).peaks, detector.finish().peaks])
    reference = notes.sample[is_beat].astype(np.int64)
    result = compare_beats(reference, peaks, signal.fs, start=EC57_LEARNING)
    assert result.counts.f1 >= least
