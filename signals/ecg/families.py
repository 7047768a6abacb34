"""Families of alike beats of one patient, found as the recording streams.

Eight families are live at a time; they tell the beat model how a beat stands to its patient's
others (:class:`Kinship`). Behind them a :class:`_Ledger` keeps who is who over the whole recording:
a family that has to leave its place is remembered, and known again by its shape when it returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

OTHER = 0
"""Id of beats that belong to no family of the table: rare shapes, noise, unreadable leads."""
MOST_FAMILIES = 24
"""Families have the ids 1 to this."""

_LIVE = 8
_JOIN_LIKENESS = float(np.float32(0.85))
_SAME_LIKENESS = 0.95
"""Of whole families in the end. Chosen on `mitdb`: no two of different classes are as alike."""
_DECAY = 0.995
_SLOWEST_UPDATE = 0.04
_TINY = np.float32(1e-6)


class Kinship(NamedTuple):
    """How a beat stands to the families that were known before it came.

    Parameters
    ----------
    to_dominant : float
        Correlation of its QRS with the dominant family's, -1..1.
    to_nearest : float
        Correlation with the family it is most like.
    share : float
        Recent weight of that family among all, 0..1.
    dominant_share : float
        Recent weight of the dominant family.
    earliness : float
        Mean log2 RR ratio of the beats of its family: below 0 where they come early.
    in_dominant : float
        1 where it belongs to the dominant family.
    """

    to_dominant: float
    to_nearest: float
    share: float
    dominant_share: float
    earliness: float
    in_dominant: float


class Met(NamedTuple):
    """What was learned from beats that the families met.

    Parameters
    ----------
    kinship : numpy.ndarray, shape (n, 6), float32
        :class:`Kinship` of each.
    templates : numpy.ndarray, shape (n, leads, points), float32
        Mean beat of the dominant family as it was before each beat, mV.
    ids : numpy.ndarray, shape (n,), int16
        Family of each beat; see :meth:`FamilyTable.settled`.
    """

    kinship: NDArray[np.float32]
    templates: NDArray[np.float32]
    ids: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Family:
    """Beats of one shape.

    Parameters
    ----------
    id : int
        1 to :data:`MOST_FAMILIES`.
    count : int
        Its beats.
    since : int
        R peak of the first of them, in samples of the recording.
    earliness : float
        Mean log2 ratio of the RR interval before its beats to the usual one.
    weight : float
        Sum of what its beats counted in the question which family is dominant.
    template : numpy.ndarray, shape (leads, points), float32
        Its mean beat, mV, the latest beats counting most.
    """

    id: int
    count: int
    since: int
    earliness: float
    weight: float
    template: NDArray[np.float32]

    def joined(self, other: Family) -> Family:
        """Return this family with the beats of another one."""
        share = other.count / (self.count + other.count)
        return Family(
            id=self.id,
            count=self.count + other.count,
            since=min(self.since, other.since),
            earliness=self.earliness + share * (other.earliness - self.earliness),
            weight=self.weight + other.weight,
            template=self.template + np.float32(share) * (other.template - self.template),
        )


@dataclass(frozen=True, slots=True)
class FamilyTable:
    """The families of a recording.

    Parameters
    ----------
    families : tuple of Family
        The largest first; at most :data:`MOST_FAMILIES`.
    n_other : int
        Beats that belong to none of them.
    since : tuple of int
        For each id, from which sample on it means the family that had it last.
    becomes : tuple of int
        For each id, that of the family which its own turned out to be a part of.
    """

    families: tuple[Family, ...]
    n_other: int
    since: tuple[int, ...]
    becomes: tuple[int, ...]

    @property
    def dominant(self) -> Family | None:
        """The family that stands for this patient's normal beat; None where there is none."""
        return max(self.families, key=lambda family: family.weight, default=None)

    def settled(self, samples: NDArray[np.int64], ids: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return the ids as they stand when all is known, shape (n,).

        Ids are given out with the beats. When a recording has more shapes than the table has
        rows, the id of its smallest family passes to a larger one, and the beats that carried it
        before belong to :data:`OTHER`. And what noise had parted, though it is of one shape, is
        one family in the end.

        Parameters
        ----------
        samples : numpy.ndarray, shape (n,)
            R peaks.
        ids : numpy.ndarray, shape (n,)
            Families as given out.
        """
        becomes = np.array(self.becomes, np.int16)
        return np.where(samples < np.array(self.since)[ids], np.int16(OTHER), becomes[ids])


@dataclass(slots=True)
class _Known:
    """A family and what is known of its beats, listed or not."""

    id: int = OTHER
    since: int = 0
    met: int = 0
    unlisted: int = 0
    log_rr: float = 0.0
    weight: float = 0.0
    live: bool = True

    def family(self, template: NDArray[np.float32]) -> Family:
        """Return it as a value, without the beats that came before it was listed."""
        return Family(
            id=self.id,
            count=self.met - self.unlisted,
            since=self.since,
            earliness=self.log_rr / self.met,
            weight=self.weight,
            template=template,
        )


class _Ledger:
    """Who is who among the families of a recording.

    A family is listed with its first beat as long as ids are free. When all are taken, it has to
    have been met as often as the smallest listed one that is not live; then it takes that one's
    id. So the table ends up with the largest families, whenever in the recording they came.
    """

    def __init__(self, qrs_points: int, leads: int, points: int) -> None:
        self._listed: dict[int, _Known] = {}
        self._means = np.zeros((MOST_FAMILIES + 1, qrs_points + leads * points), np.float32)
        self._units = self._means[:, :qrs_points]
        self._shape = leads, points
        self._n_other = 0

    def find(self, unit: NDArray[np.float32]) -> _Known:
        """Return the listed family of that shape, a new one where there is none."""
        likeness = (self._units @ unit).tolist()
        away = (known for known in self._listed.values() if not known.live)
        best = max(away, key=lambda known: likeness[known.id], default=None)
        if best is None or likeness[best.id] < _JOIN_LIKENESS:
            return _Known()
        best.live = True
        return best

    def leave(self, known: _Known, mean: NDArray[np.float32], n: int) -> None:
        """Keep a family that is no longer live; `mean` is that of its last `n` beats."""
        known.live = False
        if known.id == OTHER:
            self._n_other += known.met
            return
        self._means[known.id] = self._merged(known, mean, n)
        unit = self._units[known.id]
        unit /= np.sqrt(unit @ unit) + _TINY

    def enlist(self, known: _Known, sample: int) -> None:
        """Give a family an id, if there is one for it; the beat at `sample` is the first."""
        if len(self._listed) < MOST_FAMILIES:
            known.id = len(self._listed) + 1
        else:
            away = (other for other in self._listed.values() if not other.live)
            smallest = min(away, key=lambda other: other.met)
            if smallest.met > known.met:
                return
            known.id = smallest.id
            self._n_other += smallest.met
        known.since = sample
        known.unlisted = known.met - 1
        self._listed[known.id] = known
        self._means[known.id] = 0

    def table(self, live: Sequence[tuple[_Known, NDArray[np.float32], int]]) -> FamilyTable:
        """Return what is known; `live` are the live families with the mean of `n` beats."""
        means = self._means.copy()
        for known, mean, n in live:
            if known.id != OTHER:
                means[known.id] = self._merged(known, mean, n)
        units = means[:, : self._units.shape[1]]
        units /= np.sqrt(np.square(units).sum(axis=1, keepdims=True)) + _TINY

        since = [0] * (MOST_FAMILIES + 1)
        becomes = list(range(MOST_FAMILIES + 1))
        families: dict[int, Family] = {}
        for known in sorted(self._listed.values(), key=lambda known: known.unlisted - known.met):
            template = means[known.id, self._units.shape[1] :].reshape(self._shape)
            family = known.family(template)
            since[known.id] = known.since
            likeness = units @ units[known.id]
            nearest = max(families, key=lambda other: float(likeness[other]), default=OTHER)
            if nearest != OTHER and likeness[nearest] >= _SAME_LIKENESS:
                becomes[known.id] = nearest
                families[nearest] = families[nearest].joined(family)
            else:
                families[known.id] = family
        unlisted = [known.met for known, _, _ in live if known.id == OTHER]
        unlisted += [known.unlisted for known in self._listed.values()]
        return FamilyTable(
            tuple(sorted(families.values(), key=lambda family: -family.count)),
            self._n_other + sum(unlisted),
            tuple(since),
            tuple(becomes),
        )

    def _merged(self, known: _Known, mean: NDArray[np.float32], n: int) -> NDArray[np.float32]:
        stored = self._means[known.id]
        share = np.float32(min(n, known.met) / known.met)
        merged: NDArray[np.float32] = stored + share * (mean - stored)
        return merged


class Families:
    """At most eight live families; the one met least of late makes room for a new kind of beat.

    Memory does not grow with the recording.

    Parameters
    ----------
    qrs_points : int
        Length of the vector by which beats are compared.
    leads, points : int
        Shape of a beat.
    """

    def __init__(self, qrs_points: int, leads: int, points: int) -> None:
        self._sizes_of_beat = qrs_points, leads, points
        # the unit QRS and the shape of each live family in one row: one update for both
        self._means = np.zeros((_LIVE, qrs_points + leads * points), np.float32)
        self._weights = [0.0] * _LIVE
        self._sizes = [0] * _LIVE
        self._earliness = [0.0] * _LIVE
        self.recount()

    def recount(self) -> None:
        """Begin ids and counts anew. The live families stay known by their shape."""
        self._ledger = _Ledger(*self._sizes_of_beat)
        self._known = [_Known() for _ in range(_LIVE)]

    def meet(
        self,
        samples: NDArray[np.int64],
        units: NDArray[np.float32],
        shapes: NDArray[np.float32],
        log_rr_ratios: NDArray[np.float32],
        weights: NDArray[np.float32],
    ) -> Met:
        """Take beats in, one after the other.

        Parameters
        ----------
        samples : numpy.ndarray, shape (n,)
            R peaks.
        units : numpy.ndarray, shape (n, qrs_points)
            The QRS of each, of length 1 as a vector; 0 where no lead is usable.
        shapes : numpy.ndarray, shape (n, leads, points)
            The beats, mV.
        log_rr_ratios : numpy.ndarray, shape (n,)
            log2 of the RR interval before each to the usual one.
        weights : numpy.ndarray, shape (n,)
            How much each counts in the question which family is dominant.
        """
        n = len(samples)
        qrs_points, leads, points = self._sizes_of_beat
        live_units, live_shapes = self._means[:, :qrs_points], self._means[:, qrs_points:]
        beats = np.concatenate((units, shapes.reshape(n, -1)), axis=1)
        templates = np.empty((n, leads * points), np.float32)
        kinship, ids = [], []
        recent, sizes, earliness, known = self._weights, self._sizes, self._earliness, self._known
        for sample, unit, beat, ratio, weight, template in zip(
            samples.tolist(), units, beats, log_rr_ratios.tolist(), weights.tolist(), templates,
            strict=True,
        ):  # fmt: skip
            likeness = live_units.dot(unit).tolist()
            strongest, best = max(recent), max(likeness)
            dominant, nearest = recent.index(strongest), likeness.index(best)
            template[:] = live_shapes[dominant]
            # summed as numpy sums eight numbers, so that features are the same to the last bit
            a, b, c, d, e, f, g, h = recent
            total = ((a + b) + (c + d)) + ((e + f) + (g + h))
            share = strongest / total if total else 0.0
            if best >= _JOIN_LIKENESS:
                kinship.append(
                    (
                        likeness[dominant],
                        best,
                        recent[nearest] / total,
                        share,
                        earliness[nearest],
                        float(nearest == dominant),
                    )
                )
            else:
                kinship.append((likeness[dominant], best, 0.0, share, ratio, 0.0))
                nearest = recent.index(min(recent))
                self._ledger.leave(known[nearest], self._means[nearest], sizes[nearest])
                known[nearest] = self._ledger.find(unit)
                recent[nearest] = 0.0
                sizes[nearest] = 0
            sizes[nearest] += 1
            step = max(1.0 / sizes[nearest], _SLOWEST_UPDATE)
            mean = self._means[nearest]
            beat -= mean
            beat *= np.float32(step)
            mean += beat
            mean_unit = live_units[nearest]
            mean_unit /= np.float32(sqrt(mean_unit.dot(mean_unit))) + _TINY
            earliness[nearest] += step * (ratio - earliness[nearest])
            recent[:] = [w * _DECAY for w in recent]
            recent[nearest] += weight

            family = known[nearest]
            family.met += 1
            family.log_rr += ratio
            family.weight += weight
            if not family.id and unit.any():
                self._ledger.enlist(family, sample)
            ids.append(family.id)
        return Met(
            np.array(kinship, np.float32).reshape(n, len(Kinship._fields)),
            templates.reshape(n, leads, points),
            np.array(ids, np.int16),
        )

    def table(self) -> FamilyTable:
        """Return the families met so far."""
        return self._ledger.table(list(zip(self._known, self._means, self._sizes, strict=True)))
