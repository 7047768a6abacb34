from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from signals.stretches import joined, without

_stretches = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), max_size=6).map(
    lambda pairs: [(start, start + length) for start, length in pairs]
)


def _inside(stretches: list[tuple[int, int]]) -> set[int]:
    return {sample for start, stop in stretches for sample in range(start, stop)}


@given(_stretches, _stretches)
def test_what_is_left_of_stretches(
    stretches: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    kept = without(stretches, others)
    assert _inside(kept) == _inside(stretches) - _inside(others)
    assert kept == sorted(kept)
    assert all(start < stop for start, stop in kept)
    assert sum(stop - start for start, stop in kept) == len(_inside(kept))


def test_stretches_that_touch_are_joined() -> None:
    assert joined([(5, 9), (0, 2), (2, 4), (8, 12)]) == [(0, 4), (5, 12)]
