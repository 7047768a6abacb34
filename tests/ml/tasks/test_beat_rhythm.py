"""ml.tasks.beat_rhythm: intervals against what went before them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ml.tasks.beat_rhythm import RHYTHM, BeatRhythm


def _columns(rr: NDArray[np.float64]) -> dict[str, NDArray[np.float32]]:
    columns, _ = BeatRhythm(np.log2(rr[:16])).enter(np.log2(rr).astype(np.float32))
    return dict(zip(RHYTHM, columns.T, strict=True))


@given(
    st.lists(st.floats(-2, 1.5, width=32), min_size=1, max_size=300),
    st.lists(st.integers(0, 300), max_size=6).map(sorted),
)
def test_the_answer_does_not_depend_on_the_blocks(values: list[float], cuts: list[int]) -> None:
    log_rr = np.array(values, np.float32)
    whole = BeatRhythm(np.zeros(3)).enter(log_rr)
    stream = BeatRhythm(np.zeros(3))
    parts = [stream.enter(part) for part in np.split(log_rr, cuts) if len(part)]
    for of_parts, of_whole in zip(zip(*parts, strict=True), whole, strict=True):
        np.testing.assert_array_equal(np.concatenate(of_parts), of_whole)


def test_an_early_beat_is_early_against_all_that_went_before() -> None:
    rr = np.full(200, 0.8)
    rr[150] = 0.5
    found = _columns(rr)
    for name in ("rr.before_50%_of_8", "rr.before_90%_of_128", "slow.before_50%"):
        np.testing.assert_allclose(found[name][150], np.log2(0.5 / 0.8), atol=0.05)
        np.testing.assert_allclose(found[name][:150], 0, atol=0.05)


def test_a_tachycardia_that_began_at_once_stays_early() -> None:
    rr = np.r_[np.full(60, 0.8), np.full(900, 0.42), np.full(60, 0.8)]
    early = _columns(rr)["slow.before_jump"]
    np.testing.assert_allclose(early[70:960], np.log2(0.42 / 0.8), atol=0.02)
    np.testing.assert_allclose(early[-30:], 0, atol=0.02)


def test_a_tempo_that_rose_slowly_is_no_tachycardia() -> None:
    rr = np.r_[np.full(60, 0.8), np.geomspace(0.8, 0.42, 200), np.full(200, 0.42)]
    assert np.abs(_columns(rr)["slow.before_jump"]).max() < 0.12
