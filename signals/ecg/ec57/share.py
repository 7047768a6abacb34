"""A share of a whole, which adds up over records."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, nan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Share:
    """So much of so much: beats, episodes or seconds.

    Shares are added part by part and whole by whole, which is what EC57 calls gross: every beat
    weighs the same, whichever record it is from.
    """

    part: float = 0
    whole: float = 0

    def __add__(self, other: Share) -> Share:
        return Share(self.part + other.part, self.whole + other.whole)

    @property
    def percent(self) -> float:
        """The share in percent; NaN where there is nothing to have a share of."""
        return 100.0 * self.part / self.whole if self.whole else nan


def average(values: Iterable[float]) -> float:
    """Return the mean of the values that are numbers, NaN if none is.

    EC57's average: every record weighs the same, and one that a figure is not defined for does not
    count.
    """
    defined = [value for value in values if not isnan(value)]
    return sum(defined) / len(defined) if defined else nan
