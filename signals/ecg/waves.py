"""The waves of a beat as values: where P, QRS and T begin, peak and end, and whether P is there."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence


class Wave(IntEnum):
    """The fiducial points of a beat, in order of time; columns of :class:`BeatWaves`.

    The R peak is the beat itself: every point is told from there.
    """

    P_ONSET = 0
    P_PEAK = 1
    P_OFFSET = 2
    QRS_ONSET = 3
    QRS_OFFSET = 4
    T_ONSET = 5
    T_PEAK = 6
    T_OFFSET = 7


class PWave(IntEnum):
    """What was decided of the P wave before a beat."""

    CONDUCTED = 0
    """There is one, at a steady distance from its QRS."""
    NONE = 1
    """There is none: fibrillation, a junctional, ventricular or paced beat."""
    UNRELATED = 2
    """There is one, and its distance from the QRS is not steady: dissociation."""
    UNREADABLE = 3
    """Could not be decided: too noisy, cut off, too close upon the beat before, or the evidence
    stands between."""


@dataclass(frozen=True, slots=True)
class BeatWaves:
    """The waves of some beats.

    Parameters
    ----------
    samples : numpy.ndarray, shape (n,), int64
        R peaks, as they were pushed.
    points : numpy.ndarray, shape (n, 8), float32
        Consensus of the leads: each :class:`Wave` in seconds from the R peak, NaN where there is
        none or it cannot be told.
    lead_points : numpy.ndarray, shape (n, leads, 8), float32
        The same lead by lead.
    p_waves : numpy.ndarray, shape (n,), int8
        :class:`PWave`; the P points are numbers where it is CONDUCTED or UNRELATED.
    st : numpy.ndarray, shape (n, leads, 3), float32
        mV at J, J + 60 ms and J + 80 ms, from the level before the QRS (PQ); NaN where not to be
        told. J is the consensus QRS_OFFSET.
    qrs_area : numpy.ndarray, shape (n, leads), float32
        Net area of the QRS from the same level, mV·s: what the frontal axis is made of.
    lone_p : numpy.ndarray, shape (m,), int64
        Peaks of P waves that no QRS follows (blocked, or dissociated), in samples of the
        recording, each given out with the beat after it or at the end.
    """

    samples: NDArray[np.int64]
    points: NDArray[np.float32]
    lead_points: NDArray[np.float32]
    p_waves: NDArray[np.int8]
    st: NDArray[np.float32]
    qrs_area: NDArray[np.float32]
    lone_p: NDArray[np.int64]

    @classmethod
    def joined(cls, batches: Sequence[BeatWaves]) -> Self:
        """Return the waves of one or more batches, in order, as one."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(b, name) for b in batches]) for name in names))

    def parted(self, n: int) -> tuple[Self, Self]:
        """Return the first `n` beats and the rest; a lone P goes with the beat after it."""
        n_lone = len(self.lone_p)
        if n < len(self.samples):
            n_lone = int(np.searchsorted(self.lone_p, self.samples[n - 1])) if n else 0
        at = [n_lone if field.name == "lone_p" else n for field in fields(self)]
        columns = [getattr(self, field.name) for field in fields(self)]
        return (
            type(self)(*(column[:k] for column, k in zip(columns, at, strict=True))),
            type(self)(*(column[k:] for column, k in zip(columns, at, strict=True))),
        )

    @classmethod
    def none(cls, n_leads: int) -> Self:
        """Return the waves of no beat."""
        return cls(
            samples=np.zeros(0, np.int64),
            points=np.zeros((0, len(Wave)), np.float32),
            lead_points=np.zeros((0, n_leads, len(Wave)), np.float32),
            p_waves=np.zeros(0, np.int8),
            st=np.zeros((0, n_leads, 3), np.float32),
            qrs_area=np.zeros((0, n_leads), np.float32),
            lone_p=np.zeros(0, np.int64),
        )

    def interval(self, first: Wave, last: Wave) -> NDArray[np.float32]:
        """Return the distance of two points of the consensus, seconds, shape (n,)."""
        return self.points[:, last] - self.points[:, first]
