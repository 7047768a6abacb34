"""Pairing of beats, on hand-made cases from the definitions of EC57."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from signals.ecg.ec57.beats import BeatCounts, compare_beats, flutter_stretches

RATE = 1000.0  # so that samples are milliseconds


def at(*samples: int) -> NDArray[np.int64]:
    return np.array(samples, np.int64)


def counts(reference: NDArray[np.int64], detected: NDArray[np.int64]) -> tuple[int, int, int]:
    found = compare_beats(reference, detected, RATE).counts
    return found.matched, found.missed, found.extra


@pytest.mark.parametrize(
    ("reference", "detected", "expected"),
    [
        (at(1000, 2000), at(1000, 2000), (2, 0, 0)),
        (at(1000), at(1150), (1, 0, 0)),
        (at(1000), at(850), (1, 0, 0)),
        (at(1000), at(1151), (0, 1, 1)),
        (at(1000), at(849), (0, 1, 1)),
        (at(), at(500), (0, 0, 1)),
        (at(500), at(), (0, 1, 0)),
        (at(1000), at(900, 1020), (1, 0, 1)),
        (at(1000), at(1020, 1100), (1, 0, 1)),
        (at(900, 1020), at(1000), (1, 1, 0)),
        (at(1000, 1200), at(1100), (1, 1, 0)),
        (at(1000, 1100), at(1050, 1150), (2, 0, 0)),
        (at(1000, 2000, 3000), at(1010, 3020), (2, 1, 0)),
    ],
)
def test_pairs_one_to_one(
    reference: NDArray[np.int64], detected: NDArray[np.int64], expected: tuple[int, int, int]
) -> None:
    assert counts(reference, detected) == expected


def test_the_nearer_detection_is_the_pair() -> None:
    found = compare_beats(at(1000, 1400), at(900, 1020, 1380), RATE)
    assert found.pairs.tolist() == [[1000, 1020], [1400, 1380]]
    assert found.extra.tolist() == [900]
    assert found.offsets.tolist() == pytest.approx([0.02, -0.02])


def test_the_learning_time_is_not_counted() -> None:
    found = compare_beats(
        at(100, 4000, 5040, 6000), at(4500, 4990, 6001, 7000), RATE, window=0.15, start=5.0
    )
    assert found.pairs.tolist() == [[5040, 4990], [6000, 6001]]
    assert found.missed.tolist() == []
    assert found.extra.tolist() == [7000]


def test_a_detection_that_belongs_to_a_beat_of_the_learning_time_is_not_extra() -> None:
    found = compare_beats(at(4990), at(5010), RATE, start=5.0)
    assert found.counts == BeatCounts(0, 0, 0)


def test_flutter_counts_on_neither_side() -> None:
    found = compare_beats(
        at(1000, 2000, 3000), at(1000, 2200, 2500, 3000), RATE, excluded=[(1900, 2600)]
    )
    assert found.counts == BeatCounts(2, 0, 0)


def test_flutter_stretches_of_wfdb_notes() -> None:
    samples = at(10, 20, 30, 40, 50, 60)
    assert flutter_stretches(samples, ["N", "[", "!", "]", "N", "["]) == [(20, 40), (60, 60)]
    assert flutter_stretches(at(1, 2), ["N", "]"]) == []


def test_figures() -> None:
    total = BeatCounts(90, 10, 0) + BeatCounts(5, 0, 5)
    assert total == BeatCounts(95, 10, 5)
    assert total.sensitivity == pytest.approx(95 / 105)
    assert total.positive_predictivity == pytest.approx(0.95)
    assert total.f1 == pytest.approx(190 / 205)
    assert math.isnan(BeatCounts().f1)


beats = st.lists(st.integers(0, 5000), unique=True, max_size=30).map(sorted)


@given(beats, beats)
def test_every_beat_is_counted_once(reference: list[int], detected: list[int]) -> None:
    found = compare_beats(at(*reference), at(*detected), RATE)
    assert sorted([*found.pairs[:, 0], *found.missed]) == reference
    assert sorted([*found.pairs[:, 1], *found.extra]) == detected
    assert (np.abs(found.offsets) <= 0.15).all()


@given(beats)
def test_a_record_matches_itself(reference: list[int]) -> None:
    assert counts(at(*reference), at(*reference)) == (len(reference), 0, 0)
