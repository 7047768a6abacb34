"""The figures of one record, or of several together: they add up."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import nan
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from signals.ecg.ec57.heart_rate import RateErrors
from signals.ecg.ec57.share import Share, average

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """What the comparison of two readings counted, by name.

    A name that is not there was not scored: the reference does not tell, so that there is neither
    success nor failure.

    Parameters
    ----------
    shares : mapping of str to Share
        Such as ``150ms.qrs_se``, ``ventricular.couplet_pp``, ``af.duration_se``, ``p_on.f1``.
    offsets : mapping of str to numpy.ndarray, float64
        Time differences, ours minus the reference's, seconds: ``150ms.all``, ``150ms.N``, ``p_on``.
    matrices : mapping of str to numpy.ndarray, int64
        ``150ms`` (:class:`signals.ecg.ec57.confusion.BeatMatrix`), ``ventricular.of_reference``
        (:class:`signals.ecg.ec57.runs.RunMatrices`) and so on.
    heart_rate : RateErrors or None
        None where it is not scored.
    unreadable_s : float
        Seconds scored that no lead could be read in.
    """

    shares: Mapping[str, Share] = field(default_factory=dict)
    offsets: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    matrices: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    heart_rate: RateErrors | None = None
    unreadable_s: float = 0.0

    def __add__(self, other: Score) -> Score:
        rates = [rate for rate in (self.heart_rate, other.heart_rate) if rate is not None]
        return Score(
            _merged(self.shares, other.shares, lambda a, b: a + b),
            _merged(self.offsets, other.offsets, lambda a, b: np.concatenate([a, b])),
            _merged(self.matrices, other.matrices, lambda a, b: a + b),
            sum(rates, RateErrors()) if rates else None,
            self.unreadable_s + other.unreadable_s,
        )

    def values(self) -> dict[str, float]:
        """Return every figure by name: percent, ms, bpm, seconds; NaN where it is not defined."""
        values = {name: share.percent for name, share in self.shares.items()}
        for name, seconds in self.offsets.items():
            ms = seconds * 1000.0
            values[f"{name}.mean_ms"] = float(ms.mean()) if len(ms) else nan
            values[f"{name}.median_ms"] = float(np.median(ms)) if len(ms) else nan
            values[f"{name}.sd_ms"] = float(ms.std(ddof=1)) if len(ms) > 1 else nan
        if self.heart_rate is not None:
            values["heart_rate.rms_bpm"] = self.heart_rate.rms_bpm
            values["heart_rate.rms_percent"] = self.heart_rate.rms_percent
            values["heart_rate.measured"] = self.heart_rate.measured
            values["heart_rate.unmeasured"] = self.heart_rate.unmeasured
        values["unreadable_s"] = self.unreadable_s
        return values


def averages(scores: Sequence[Score]) -> dict[str, float]:
    """Return the mean of every figure over the records that it is defined for."""
    figures = [score.values() for score in scores]
    names = dict.fromkeys(name for values in figures for name in values)
    return {name: average(values.get(name, nan) for values in figures) for name in names}


def _merged(a: Mapping[str, T], b: Mapping[str, T], add: Callable[[T, T], T]) -> dict[str, T]:
    both = {name: add(a[name], b[name]) for name in a if name in b}
    return {**a, **b, **both}
