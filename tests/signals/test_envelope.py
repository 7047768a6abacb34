from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from signals.envelope import Envelope, EnvelopeBuilder

samples_of = arrays(np.int16, st.integers(1, 3000), elements=st.integers(-2000, 2000))


def build(samples: np.ndarray, missing: int | None = None, cuts: tuple[int, ...] = ()) -> Envelope:
    builder = EnvelopeBuilder(missing, bucket=8)
    for piece in np.split(samples, sorted(cuts)):
        builder.push(piece)
    return builder.finish()


@given(samples_of, st.lists(st.integers(0, 3000), max_size=4))
def test_cuts_do_not_matter(samples: np.ndarray, cuts: list[int]) -> None:
    whole, pieces = build(samples), build(samples, cuts=tuple(cuts))
    np.testing.assert_array_equal(whole.minima, pieces.minima)
    np.testing.assert_array_equal(whole.maxima, pieces.maxima)


@given(samples_of, st.integers(1, 40))
def test_columns_hold_every_extreme(samples: np.ndarray, count: int) -> None:
    minima, maxima = build(samples).columns(0, len(samples), count)
    edges = np.linspace(0, len(samples), count + 1)
    for column in range(count):
        inside = samples[int(np.floor(edges[column])) : int(np.ceil(edges[column + 1]))]
        assert minima[column] <= inside.min()
        assert maxima[column] >= inside.max()
    assert minima.min() == samples.min()
    assert maxima.max() == samples.max()


def test_missing_samples_leave_no_mark() -> None:
    samples = np.full(64, -32768, np.int16)
    samples[40] = 7
    minima, maxima = build(samples, missing=-32768).columns(0, 64, 8)
    drawn = minima <= maxima
    assert drawn.tolist() == [False] * 5 + [True] + [False] * 2
    assert (minima[5], maxima[5]) == (7, 7)


@pytest.mark.parametrize(("start", "stop"), [(-800, 0), (800, 1600), (-400, 400)])
def test_outside_the_recording_is_nothing(start: int, stop: int) -> None:
    minima, maxima = build(np.ones(800, np.int16)).columns(start, stop, 10)
    drawn = minima <= maxima
    assert drawn.sum() == (5 if start == -400 else 0)


def test_a_spike_survives_any_distance() -> None:
    samples = np.zeros(1_000_000, np.int16)
    samples[765_432] = 900
    _, maxima = build(samples).columns(0, len(samples), 7)
    assert maxima.max() == 900
