"""Streaming filters: exact for any cut, no gap passed on, no delay left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.filters import Decimator, GapFiller, SpikeRemover, moving_sum


def noise(n_leads: int, length: int) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 1, (n_leads, length)).astype(np.float32)


def pieces(samples: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    return np.split(samples, sorted(cuts), axis=1)


def test_moving_sum_adds_neighbours() -> None:
    assert moving_sum(np.array([[1, 2, 3, 4], [0, 0, 5, -5]]), 3).tolist() == [[6, 9], [5, 0]]
    assert moving_sum(np.array([7, 8]), 1).tolist() == [7, 8]


def test_moving_sum_of_less_than_its_length_is_empty() -> None:
    assert moving_sum(np.array([[1, 2]]), 3).shape == (1, 0)


def test_gaps_take_the_last_value_and_zero_at_the_start() -> None:
    filler = GapFiller(2)
    nan = np.nan
    first = filler.push(np.array([[nan, 1, nan], [2, np.inf, 3]], np.float32))
    second = filler.push(np.array([[nan, 5], [nan, nan]], np.float32))
    assert first.tolist() == [[0, 1, 1], [2, 2, 3]]
    assert second.tolist() == [[1, 5], [3, 3]]


def test_gap_filler_leaves_its_argument_alone() -> None:
    samples = np.array([[1, np.nan]], np.float32)
    GapFiller(1).push(samples)
    assert np.isnan(samples[0, 1])


@given(st.lists(st.integers(0, 3000), max_size=6), st.sampled_from([2, 3, 17]))
def test_decimator_is_the_same_for_any_cut(cuts: list[int], factor: int) -> None:
    samples = noise(2, 3000)
    whole = Decimator(1000.0, factor, 2).push(samples)
    decimator = Decimator(1000.0, factor, 2)
    parts = np.concatenate([decimator.push(part) for part in pieces(samples, cuts)], axis=1)
    np.testing.assert_array_equal(parts, whole)


@pytest.mark.parametrize(("rate", "factor"), [(1000, 2), (2000, 4), (10000, 17)])
def test_decimator_keeps_a_qrs_in_its_place(rate: int, factor: int) -> None:
    t = np.arange(4 * rate) / rate
    pulse = np.exp(-0.5 * ((t - 2) / 0.012) ** 2)[np.newaxis].astype(np.float32)
    answer = Decimator(rate, factor, 1).push(pulse)[0]
    assert abs(int(np.argmax(answer)) * factor - 2 * rate) <= factor
    assert answer.max() == pytest.approx(1, abs=0.02)


def test_decimator_takes_out_what_would_alias() -> None:
    t = np.arange(20_000) / 2000
    whistle = np.sin(2 * np.pi * 510 * t)[np.newaxis].astype(np.float32)  # would read as 10 Hz
    assert np.abs(Decimator(2000, 4, 1).push(whistle)[0, 500:]).max() < 0.002


def test_decimator_starts_without_a_step() -> None:
    level = np.full((1, 1000), 4.0, np.float32)
    np.testing.assert_allclose(Decimator(1000, 2, 1).push(level), 4.0, rtol=1e-5)


@given(st.lists(st.integers(0, 3000), max_size=6), st.sampled_from([128.0, 250.0, 360.0, 2000.0]))
def test_spike_remover_is_the_same_for_any_cut(cuts: list[int], rate: float) -> None:
    samples = 0.1 * noise(2, 3000)
    samples[0, ::400] += 3
    whole = SpikeRemover(rate, 2).push(samples)
    remover = SpikeRemover(rate, 2)
    parts = np.concatenate([remover.push(part) for part in pieces(samples, cuts)], axis=1)
    np.testing.assert_array_equal(parts, whole)


@pytest.mark.parametrize("rate", [128, 250, 360, 500, 1000, 2000])
@pytest.mark.parametrize("width", [0.006, 0.011])
def test_spike_remover_leaves_a_narrow_qrs_as_it_is(rate: int, width: float) -> None:
    t = np.arange(2 * rate) / rate
    qrs = 3 * np.exp(-0.5 * ((t - 1) / width) ** 2)[np.newaxis].astype(np.float32)
    remover = SpikeRemover(rate, 1)
    np.testing.assert_array_equal(remover.push(qrs), qrs[:, : 2 * rate - remover.delay])


@pytest.mark.parametrize("rate", [250, 500, 1000, 2000])
def test_spike_remover_takes_a_spike_out_of_a_slope(rate: int) -> None:
    slope = np.linspace(0, 5, 2 * rate, dtype=np.float32)[np.newaxis]
    spiked = slope.copy()
    spiked[0, rate : rate + max(1, rate // 500)] += 4
    remover = SpikeRemover(rate, 1)
    cleaned = remover.push(spiked)
    np.testing.assert_allclose(cleaned, slope[:, : cleaned.shape[1]], atol=0.03)


@given(st.integers(1, 40), st.lists(st.integers(-1000, 1000), max_size=60))
def test_moving_sum_of_any_length(length: int, values: list[int]) -> None:
    sums = [sum(values[i : i + length]) for i in range(len(values) - length + 1)]
    assert moving_sum(np.array(values, np.int64), length).tolist() == sums
