from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.ecg.waves import BeatWaves, Wave


def waves(samples: list[int], lone_p: list[int]) -> BeatWaves:
    n = len(samples)
    column = np.arange(n, dtype=np.float32)
    return BeatWaves(
        samples=np.array(samples, np.int64),
        points=np.repeat(column[:, np.newaxis], len(Wave), axis=1),
        lead_points=np.zeros((n, 2, len(Wave)), np.float32) + column[:, np.newaxis, np.newaxis],
        p_waves=np.zeros(n, np.int8),
        st=np.zeros((n, 2, 3), np.float32),
        qrs_area=np.zeros((n, 2), np.float32),
        lone_p=np.array(lone_p, np.int64),
    )


def same(a: BeatWaves, b: BeatWaves) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(BeatWaves))


@given(st.integers(0, 4))
def test_what_is_parted_can_be_joined(n: int) -> None:
    whole = waves([100, 400, 700, 1000], [550, 1200])
    first, rest = whole.parted(n)
    assert (len(first.samples), len(rest.samples)) == (n, 4 - n)
    assert same(BeatWaves.joined([first, rest]), whole)


@pytest.mark.parametrize(("n", "lone"), [(0, []), (2, []), (3, [550]), (4, [550, 1200])])
def test_a_lone_p_wave_goes_with_the_beat_after_it(n: int, lone: list[int]) -> None:
    first, _ = waves([100, 400, 700, 1000], [550, 1200]).parted(n)
    assert first.lone_p.tolist() == lone


def test_an_interval_is_the_distance_of_two_points() -> None:
    made = waves([100], [])
    made.points[0, Wave.P_ONSET], made.points[0, Wave.QRS_ONSET] = -0.20, -0.04
    assert made.interval(Wave.P_ONSET, Wave.QRS_ONSET).tolist() == pytest.approx([0.16])
