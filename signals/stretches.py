"""Stretches of time, from one sample or second to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

_Moment = TypeVar("_Moment", int, float)
"""A sample, or a second."""


def joined(stretches: Iterable[tuple[_Moment, _Moment]]) -> list[tuple[_Moment, _Moment]]:
    """Return stretches in order, those that touch or overlap as one: an hour of seconds is one."""
    merged: list[tuple[_Moment, _Moment]] = []
    for start, stop in sorted(stretches):
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
    left_out = joined(others)
    at = 0
    for start, stop in joined(stretches):
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
