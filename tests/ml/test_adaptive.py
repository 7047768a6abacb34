"""ml.adaptive: what is skipped, what is checked, and when skipping switches itself off."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ml.adaptive import AUDIT_EVERY, PROBATION, Tier, Tiers, Work

N = 600


class Stream:
    """Items with what is true of each, and a note of what was asked about them."""

    def __init__(
        self, unchanged: NDArray[np.bool_], usual: NDArray[np.bool_], sure: NDArray[np.bool_]
    ) -> None:
        self.unchanged, self.usual, self.sure = unchanged, usual, sure
        self.read = np.zeros(len(usual), np.int64)
        self.asked = np.zeros(len(usual), np.int64)
        self.work = Work()

    def tiers(self, cuts: list[int]) -> NDArray[np.int8]:
        tiers = Tiers()
        parts = []
        for start, stop in zip([0, *cuts], [*cuts, len(self.usual)], strict=True):
            prepared: set[int] = set()

            def quick(places: NDArray[np.intp], start: int = start) -> NDArray[np.bool_]:
                self.asked[start + places] += 1
                assert prepared.issuperset(places.tolist())  # noqa: B023
                return self.sure[start + places]

            def full(places: NDArray[np.intp], start: int = start) -> NDArray[np.bool_]:
                self.read[start + places] += 1
                assert prepared.issuperset(places.tolist())  # noqa: B023
                return self.usual[start + places]

            def prepare(places: NDArray[np.intp]) -> None:
                prepared.update(places.tolist())  # noqa: B023

            parts.append(tiers.answer(self.unchanged[start:stop], prepare, quick, full))
        self.work = tiers.work
        return np.concatenate(parts)


def stream(seed: int, unusual: float = 0.02) -> Stream:
    rng = np.random.default_rng(seed)
    return Stream(rng.random(N) < 0.8, rng.random(N) >= unusual, rng.random(N) < 0.5)


def calm() -> Stream:
    """Return items that are all unchanged and usual."""
    return Stream(np.ones(N, np.bool_), np.ones(N, np.bool_), np.zeros(N, np.bool_))


@given(
    seed=st.integers(0, 10_000),
    unusual=st.sampled_from([0.0, 0.01, 0.1, 0.9]),
    cuts=st.lists(st.integers(0, N), max_size=20).map(sorted),
)
def test_the_tiers_do_not_depend_on_the_cuts(seed: int, unusual: float, cuts: list[int]) -> None:
    items = stream(seed, unusual)
    np.testing.assert_array_equal(items.tiers(cuts), stream(seed, unusual).tiers([]))


@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, N), max_size=5).map(sorted))
def test_each_is_asked_as_often_as_its_tier_says(seed: int, cuts: list[int]) -> None:
    items = stream(seed)
    tiers = items.tiers(cuts)
    np.testing.assert_array_equal(items.read, tiers == Tier.FULL)
    np.testing.assert_array_equal(items.asked, ~items.unchanged)
    np.testing.assert_array_equal(tiers == Tier.QUICK, ~items.unchanged & items.sure)
    assert items.unchanged[tiers == Tier.SKIPPED].all()
    counted = [int((tiers == tier).sum()) for tier in Tier]
    assert [items.work.skipped, items.work.quick, items.work.full] == counted
    assert items.work.total == N


@given(seed=st.integers(0, 10_000), unusual=st.floats(0, 0.2))
def test_one_rule_beat_by_beat(seed: int, unusual: float) -> None:
    items = stream(seed, unusual)
    expected = np.where(items.sure, Tier.QUICK, Tier.FULL)
    trusted_from = PROBATION
    for met, i in enumerate(np.flatnonzero(items.unchanged)):
        audited = met % AUDIT_EVERY == 0
        expected[i] = Tier.FULL if audited or i < trusted_from else Tier.SKIPPED
        if expected[i] == Tier.FULL and not items.usual[i]:
            trusted_from = i + PROBATION + 1
    np.testing.assert_array_equal(items.tiers([]), expected)


def test_the_first_are_always_read() -> None:
    tiers = calm().tiers([])
    assert (tiers[:PROBATION] == Tier.FULL).all()
    assert (tiers[PROBATION:] == Tier.SKIPPED).mean() > 1 - 1.5 / AUDIT_EVERY


def test_of_the_unchanged_some_are_read_for_ever() -> None:
    read = np.flatnonzero(calm().tiers([]) == Tier.FULL)
    assert np.diff(read).max() == AUDIT_EVERY


def test_an_audit_that_disagrees_switches_skipping_off_for_a_while() -> None:
    items = calm()
    wrong = AUDIT_EVERY * 10
    items.usual[wrong] = False
    tiers = items.tiers([wrong + 5])
    assert (tiers[wrong - 3 : wrong] == Tier.SKIPPED).all()
    assert (tiers[wrong : wrong + PROBATION + 1] == Tier.FULL).all()
    assert (tiers[wrong + PROBATION + 1 :] == Tier.SKIPPED).any()


def test_where_the_rule_never_holds_nothing_is_skipped() -> None:
    items = calm()
    items.usual[:] = False
    assert (items.tiers([]) == Tier.FULL).all()


def test_the_harm_of_a_change_that_no_rule_sees_is_bounded() -> None:
    items = calm()
    items.usual[300:] = False
    assert (items.tiers([])[300:] == Tier.SKIPPED).sum() < AUDIT_EVERY
