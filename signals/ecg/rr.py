"""RR intervals, and what breaks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_Moment = TypeVar("_Moment", int, float)
"""A sample, or a second."""


def merged_breaks(breaks: Iterable[tuple[_Moment, _Moment]]) -> list[tuple[_Moment, _Moment]]:
    """Return breaks in order, those that touch or overlap as one: an hour of seconds is one."""
    merged: list[tuple[_Moment, _Moment]] = []
    for start, stop in sorted(breaks):
        if merged and start <= merged[-1][1]:
            first, before = merged.pop()
            merged.append((first, max(before, stop)))
        else:
            merged.append((start, stop))
    return merged


def without(
    stretches: Iterable[tuple[_Moment, _Moment]], others: Iterable[tuple[_Moment, _Moment]]
) -> list[tuple[_Moment, _Moment]]:
    """Return what is left of stretches outside of others, in order."""
    kept: list[tuple[_Moment, _Moment]] = []
    left_out = merged_breaks(others)
    at = 0
    for start, stop in merged_breaks(stretches):
        rest = start
        while at < len(left_out) and left_out[at][0] < stop:
            first, last = left_out[at]
            if first > rest:
                kept.append((rest, first))
            rest = max(rest, last)
            if last > stop:  # it may reach into the next one
                break
            at += 1
        if rest < stop:
            kept.append((rest, stop))
    return kept


def broken_intervals(
    samples: NDArray[np.int64], breaks: Sequence[tuple[int, int]]
) -> NDArray[np.bool_]:
    """Return which RR intervals have a break within them, shape (max(0, beats - 1),).

    Parameters
    ----------
    samples : numpy.ndarray, shape (beats,), int64
        R peaks, ascending.
    breaks : sequence of (start, stop)
        Stretches in samples, `stop` not included, in which beats cannot be told; in any order.
    """
    broken = np.zeros(max(0, len(samples) - 1), np.bool_)
    for start, stop in breaks:
        # every interval that ends after the break starts and starts before it ends
        first = int(np.searchsorted(samples, start, "right")) - 1
        last = int(np.searchsorted(samples, stop, "left"))
        broken[max(0, first) : max(0, last)] = True
    return broken
