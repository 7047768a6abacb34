from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from signals.ecg._hrv_artifacts import NnSeries
from signals.ecg._hrv_shape import (
    HISTOGRAM_BIN_MS,
    LONG_BOXES,
    SHORT_BOXES,
    poincare,
    sample_entropy,
    scaling_exponent,
    tinn,
    triangular_index,
)


def stretches(*parts: NDArray[np.float64]) -> NnSeries:
    """Return stretches of successive NN intervals with a gap of 10 s between them."""
    ends, now = [], 0.0
    for part in parts:
        ends.append(now + np.cumsum(part) / 1000)
        now = float(ends[-1][-1]) + 10.0
    follows = np.concatenate([np.arange(len(part)) > 0 for part in parts])
    return NnSeries(
        np.concatenate(ends), np.concatenate(parts), follows, np.ones(len(follows), bool)
    )


def with_counts(counts: list[int], first_bin: int = 90) -> NDArray[np.float64]:
    bins = np.repeat(np.arange(len(counts)), counts) + first_bin
    return np.asarray((bins + 0.5) * HISTOGRAM_BIN_MS)


def test_triangular_index_of_a_known_histogram() -> None:
    assert triangular_index(with_counts([1, 4, 10, 4, 1])) == 2.0


@pytest.mark.parametrize(
    ("counts", "bins"),
    [
        ([10, 20, 30, 40, 30, 20, 10], 8),
        ([20, 40, 30, 20, 10], 6),
        ([0, 40, 0], 2),
        ([1, 0, 0, 0, 10, 20, 30, 20, 10, 0, 0, 0, 0, 2], 6),  # outliers do not widen it
    ],
)
def test_tinn_of_a_triangle_is_its_base(counts: list[int], bins: int) -> None:
    assert tinn(with_counts(counts)) == pytest.approx(bins * HISTOGRAM_BIN_MS)


def test_tinn_is_the_best_of_all_triangles() -> None:
    rng = np.random.default_rng(0)
    nn = rng.gamma(20, 12, 2000) + 500
    counts = np.bincount((nn / HISTOGRAM_BIN_MS).astype(int)).astype(float)
    apex, place = int(np.argmax(counts)), np.arange(len(counts) + 40)
    counts = np.append(counts, np.zeros(40))

    def error(feet: tuple[int, int]) -> float:
        triangle = np.interp(place, [feet[0], apex, feet[1]], [0, counts[apex], 0])
        return float(((triangle - counts) ** 2).sum())

    n, m = min(product(range(apex - 45, apex), range(apex + 1, apex + 60)), key=error)
    assert tinn(nn) == pytest.approx((m - n) * HISTOGRAM_BIN_MS)


def test_poincare_pairs_are_of_successive_intervals() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(800, 40, 100), rng.normal(600, 40, 100)
    sd1, sd2 = poincare(stretches(a, b))
    pairs = np.concatenate([np.stack([p[:-1], p[1:]], axis=1) for p in (a, b)])
    turned = pairs @ np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    assert [sd1, sd2] == pytest.approx(np.std(turned, axis=0, ddof=1))


@pytest.mark.parametrize("boxes", [SHORT_BOXES, LONG_BOXES])
def test_exponents_of_noise_and_of_its_sum(boxes: tuple[int, ...]) -> None:
    noise = np.random.default_rng(2).normal(0, 5, 60_000)
    # Few beats to a box bend the line: 0.13 is what they do to noise in boxes of 4 to 16.
    for nn, exponent in ((noise, 0.5), (np.cumsum(noise), 1.5)):
        found = scaling_exponent(stretches(800 + nn), boxes)
        assert found == pytest.approx(exponent, abs=0.13)


def test_boxes_lie_within_stretches() -> None:
    noise = np.random.default_rng(3).normal(0, 20, 20_000)
    levels = np.repeat(np.random.default_rng(4).uniform(500, 1100, 200), 100)
    parts = np.split(levels + noise, 200)
    cut = scaling_exponent(stretches(*parts), SHORT_BOXES)
    assert cut == pytest.approx(scaling_exponent(stretches(800 + noise), SHORT_BOXES), abs=0.03)
    assert scaling_exponent(stretches(*(p[:15] for p in parts)), SHORT_BOXES) is None


@pytest.mark.parametrize("boxes", [SHORT_BOXES, LONG_BOXES])
def test_no_exponent_of_little_or_of_nothing(boxes: tuple[int, ...]) -> None:
    noise = np.random.default_rng(5).normal(800, 20, 10 * boxes[-1])
    assert scaling_exponent(stretches(noise), boxes) is not None
    assert scaling_exponent(stretches(noise[1:]), boxes) is None
    assert scaling_exponent(stretches(np.full(5000, 812.3)), boxes) is None


def counted_entropy(parts: list[NDArray[np.float64]]) -> float:
    """Return the sample entropy by its definition, pair by pair."""
    tolerance = 0.2 * np.std(np.concatenate(parts), ddof=1)
    templates = [part[i : i + 3] for part in parts for i in range(len(part) - 2)]
    two = three = 0
    for i, a in enumerate(templates):
        for b in templates[i + 1 :]:
            near = np.abs(a - b) <= tolerance
            two += bool(near[:2].all())
            three += bool(near.all())
    return float(np.log(two / three))


@pytest.mark.parametrize("cuts", [[], [100], [40, 41, 90, 150]])
def test_sample_entropy_is_that_of_its_definition(cuts: list[int]) -> None:
    rng = np.random.default_rng(6)
    nn = 800 + 30 * np.sin(np.arange(200) / 3) + rng.normal(0, 10, 200)
    parts = np.split(nn, cuts)
    assert sample_entropy(stretches(*parts)) == pytest.approx(counted_entropy(parts))


def test_sample_entropy_tells_order_from_none() -> None:
    rng = np.random.default_rng(7)
    noise = sample_entropy(stretches(rng.normal(800, 40, 300)))
    swing = sample_entropy(stretches(800 + 40 * np.sin(np.arange(300) / 3)))
    assert noise is not None
    assert swing is not None
    assert swing < 0.5 < 1.5 < noise


def test_no_entropy_of_little_or_of_nothing() -> None:
    rng = np.random.default_rng(8)
    assert sample_entropy(stretches(rng.normal(800, 40, 102))) is not None
    assert sample_entropy(stretches(rng.normal(800, 40, 101))) is None
    assert sample_entropy(stretches(np.full(300, 812.3))) is None


def test_no_entropy_where_no_three_intervals_come_back() -> None:
    levels, seen = [0, 0], set()
    while fresh := [n for n in range(4, -1, -1) if (*levels[-2:], n) not in seen]:
        seen.add((*levels[-2:], fresh[0]))
        levels.append(fresh[0])
    assert len(seen) > 100
    assert sample_entropy(stretches(600.0 + 100.0 * np.array(levels))) is None
