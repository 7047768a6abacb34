"""NN intervals, and the correction of those that are artifacts.

J. A. Lipponen, M. P. Tarvainen, "A robust algorithm for heart rate variability time series artefact
correction using novel beat classification", J. Med. Eng. Technol. 43 (2019) 173. Its constants are
the paper's; its flow is read as NeuroKit2 reads the paper's figure 1. Here it runs over NN
intervals alone, so two things differ:

- a difference is taken only between intervals that follow one another; across a gap it is 0;
- neither threshold falls under 16 ms, two samples at 128 Hz, or a rhythm that is steadier than the
  sampling shows (a paced one) would be an artifact at every rounding.

The quartiles are nearest-rank ones, over 91 intervals, the series mirrored at its ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, rank_filter

T = TypeVar("T", bound=np.generic)

_ALPHA = 5.2
_C1 = 0.13
_C2 = 0.17
_FAR_FROM_MEDIAN = 3.0
_MEDIAN_OF = 11
_QUARTILES_OF = 91
_FIRST_QUARTILE = 22
_THIRD_QUARTILE = 68
_LEAST_THRESHOLD_MS = 16.0


class Artifact(IntEnum):
    """What is wrong with an interval."""

    NONE = 0
    ECTOPIC = 1
    """Short then long, or long then short: the beat came early or late."""
    MISSED = 2
    """A beat within it was not found."""
    EXTRA = 3
    """The beat at its end is none."""
    LONG_SHORT = 4
    """Out of line in another way."""


@dataclass(frozen=True, slots=True)
class NnSeries:
    """NN intervals in order of time.

    Parameters
    ----------
    ends : numpy.ndarray, shape (n,), float64
        When each ends, s.
    nn : numpy.ndarray, shape (n,), float64
        Length, ms.
    follows : numpy.ndarray, shape (n,), bool
        It begins with the beat that ends the one before in the series.
    measured : numpy.ndarray, shape (n,), bool
        Its length is the measured one, not a corrected one.
    """

    ends: NDArray[np.float64]
    nn: NDArray[np.float64]
    follows: NDArray[np.bool_]
    measured: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.nn)

    def __getitem__(self, part: slice) -> NnSeries:
        follows = self.follows[part].copy()
        follows[:1] = False
        return NnSeries(self.ends[part], self.nn[part], follows, self.measured[part])

    @property
    def differences(self) -> NDArray[np.float64]:
        """Each interval less the one it follows, ms, shape (m,)."""
        return np.diff(self.nn)[self.follows[1:]]


def find_artifacts(nn: NDArray[np.float64], follows: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Return the :class:`Artifact` of each interval, shape (n,).

    Of an interval that is EXTRA, the one after it is the other part, and NONE.

    Parameters
    ----------
    nn : numpy.ndarray, shape (n,), float64
        Length, ms.
    follows : numpy.ndarray, shape (n,), bool
        See :class:`NnSeries`; the first is False.
    """
    verdicts = np.zeros(len(nn), np.int8)
    if not follows.any():
        return verdicts
    step = np.zeros(len(nn))
    differences = np.diff(nn)[follows[1:]]
    step[follows] = differences / _threshold(differences)
    before, after = _shifted(step, -1), _shifted(step, 1)
    next_follows = _shifted(follows, 1)
    second_after = np.where(next_follows, _shifted(step, 2), 0.0)

    rises = step > 0
    around = np.where(rises, np.maximum(before, after), np.minimum(before, after))
    ectopic = (step > 1) & (around < -_C1 * step - _C2)
    ectopic |= (step < -1) & (around > -_C1 * step + _C2)

    median = median_filter(nn, _MEDIAN_OF, mode="mirror")
    off = nn - median
    off[off < 0] *= 2
    threshold = _threshold(off)
    ahead = np.where(rises, np.minimum(after, second_after), np.maximum(after, second_after))
    long = (step > 1) & (ahead < -1)
    short = (step < -1) & (ahead > 1)
    with_next = nn + _shifted(nn, 1)
    extra = short & next_follows & (np.abs(with_next - median) < threshold)
    missed = long & (np.abs(nn / 2 - median) < threshold)
    otherwise = np.where(
        long | short | (np.abs(off) > _FAR_FROM_MEDIAN * threshold),
        np.int8(Artifact.LONG_SHORT),
        np.int8(Artifact.NONE),
    )
    otherwise[missed] = Artifact.MISSED
    otherwise[extra] = Artifact.EXTRA

    next_too = next_follows & (np.abs(after) < np.abs(second_after))
    unjudged = 0
    for index in np.flatnonzero(np.abs(step) > 1).tolist():
        if index < unjudged:
            continue
        if ectopic[index]:
            verdicts[index] = Artifact.ECTOPIC
            continue
        last = index + 1 if next_too[index] and not extra[index] else index
        verdicts[index : last + 1] = otherwise[index : last + 1]
        unjudged = last + 2 if extra[last] else last + 1
    return verdicts


def correct_artifacts(series: NnSeries) -> tuple[NnSeries, int]:
    """Return the series with its artifacts corrected, and how many there were.

    An interval with a missed beat becomes two halves, an extra beat is taken out, and the length of
    any other artifact is interpolated linearly between the nearest sound intervals.
    """
    verdicts = find_artifacts(series.nn, series.follows)
    n_artifacts = int(np.count_nonzero(verdicts))
    if n_artifacts == 0:
        return series, 0
    missed = verdicts == Artifact.MISSED
    extra = verdicts == Artifact.EXTRA
    merged = _shifted(extra, -1)
    interpolated = (verdicts == Artifact.ECTOPIC) | (verdicts == Artifact.LONG_SHORT)
    sound = ~(missed | extra | merged | interpolated)

    # Merged intervals keep the place of the second, with what the first followed.
    nn = series.nn.copy()
    follows = series.follows.copy()
    nn[merged] += series.nn[extra]
    follows[merged] = series.follows[extra]
    nn[missed] /= 2
    nn[interpolated] = np.interp(
        np.flatnonzero(interpolated), np.flatnonzero(sound), series.nn[sound]
    )

    kept = np.repeat(np.arange(len(nn)), np.where(extra, 0, np.where(missed, 2, 1)))
    first_half = np.concatenate([kept[1:] == kept[:-1], [False]])
    second_half = _shifted(first_half, -1)
    ends = series.ends[kept]
    ends[first_half] -= nn[kept][first_half] / 1000.0
    return NnSeries(ends, nn[kept], follows[kept] | second_half, sound[kept]), n_artifacts


def _threshold(deviations: NDArray[np.float64]) -> NDArray[np.float64]:
    size = np.abs(deviations)
    first = rank_filter(size, _FIRST_QUARTILE, size=_QUARTILES_OF, mode="mirror")
    third = rank_filter(size, _THIRD_QUARTILE, size=_QUARTILES_OF, mode="mirror")
    threshold = _ALPHA * (third - first) / 2
    return np.asarray(np.maximum(threshold, _LEAST_THRESHOLD_MS), np.float64)


def _shifted(values: NDArray[T], by: int) -> NDArray[T]:
    """Return what stands ``by`` places further on (back, if negative), 0 beyond the ends."""
    shifted = np.zeros_like(values)
    if by > 0:
        shifted[:-by] = values[by:]
    else:
        shifted[-by:] = values[:by]
    return shifted
