"""Episodes, on hand-made cases from the rules of ``epicmp``."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.ecg.ec57.episodes import EpisodeComparison, compare_episodes
from signals.stretches import joined

RATE = 10.0
Stretches = list[tuple[int, int]]


def compare(
    reference: Stretches, test: Stretches, start: int = 0, excluded: Stretches | None = None
) -> EpisodeComparison:
    return compare_episodes(
        reference, test, rate=RATE, start=start, end=1000, excluded=excluded or []
    )


def percents(found: EpisodeComparison) -> list[float]:
    shares = found.shares()
    names = ("episode_se", "episode_pp", "duration_se", "duration_pp")
    return [shares[name].percent for name in names]


@pytest.mark.parametrize(
    ("reference", "test", "expected"),
    [
        ([(100, 200)], [(100, 200)], [100, 100, 100, 100]),
        ([(100, 200)], [(199, 300)], [100, 100, 1, 100 / 101]),  # any overlap will do
        ([(100, 200)], [(200, 300)], [0, 0, 0, 0]),  # touching is none
        ([(100, 200)], [(110, 120), (180, 190)], [100, 100, 20, 100]),
        ([(100, 150), (160, 200)], [(100, 200)], [100, 100, 100, 90]),
        ([(100, 200), (300, 400)], [(100, 200), (500, 600)], [50, 50, 50, 50]),
    ],
)
def test_episodes_and_durations(
    reference: Stretches, test: Stretches, expected: list[float]
) -> None:
    assert percents(compare(reference, test)) == pytest.approx(expected)


def test_durations_are_in_seconds() -> None:
    share = compare([(100, 200)], [(100, 150)]).shares()["duration_se"]
    assert (share.part, share.whole) == (5.0, 10.0)


def test_where_one_side_has_none_its_figure_is_not_defined() -> None:
    assert percents(compare([], [(0, 10)])) == pytest.approx([np.nan, 0, np.nan, 0], nan_ok=True)
    assert percents(compare([(0, 10)], [])) == pytest.approx([0, np.nan, 0, np.nan], nan_ok=True)


def test_what_lies_outside_of_the_test_period_is_cut_off() -> None:
    found = compare([(0, 50), (80, 200), (900, 2000)], [(0, 2000)], start=100)
    assert found.found == ((100, 200), (900, 1000))
    assert found.reference_samples == 200
    assert found.test_samples == 900


def test_ours_within_the_references_flutter_neither_gains_nor_loses() -> None:
    inside = compare([(100, 200)], [(100, 200), (310, 390)], excluded=[(300, 400)])
    assert percents(inside) == [100, 100, 100, 100]
    beyond = compare([(100, 200)], [(100, 200), (350, 450)], excluded=[(300, 400)])
    assert beyond.extra == ((350, 450),)
    assert beyond.test_samples == 150


def test_an_episode_that_runs_over_flutter_stays_one() -> None:
    found = compare([(100, 200), (300, 400)], [(100, 400)], excluded=[(200, 300)])
    assert found.right == ((100, 400),)
    assert percents(found) == [100, 100, 100, 100]


stretches = st.lists(
    st.tuples(st.integers(0, 90), st.integers(1, 20)).map(lambda s: (s[0] * 10, sum(s) * 10)),
    max_size=6,
).map(joined)


@given(stretches, stretches)
def test_turned_round_sensitivity_is_predictivity(a: Stretches, b: Stretches) -> None:
    there, back = compare(a, b).shares(), compare(b, a).shares()
    assert there["episode_se"] == back["episode_pp"]
    assert there["duration_pp"] == back["duration_se"]


@given(stretches, stretches)
def test_every_episode_is_counted_once(a: Stretches, b: Stretches) -> None:
    found = compare(a, b)
    inside = sum(first < 1000 for first, _ in a), sum(first < 1000 for first, _ in b)
    assert len(found.found) + len(found.missed) == inside[0]
    assert len(found.right) + len(found.extra) == inside[1]
    assert found.common_samples <= min(found.reference_samples, found.test_samples)
