"""Families of alike beats of one patient, kept up to date beat by beat."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_FAMILIES = 8
_JOIN_LIKENESS = 0.85
_DECAY = 0.995
_SLOWEST_UPDATE = 0.04


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


class Families:
    """At most eight families; the one met least of late makes room for a new kind of beat.

    Parameters
    ----------
    qrs_points : int
        Length of the vector by which beats are compared.
    leads, points : int
        Shape of a beat.
    """

    def __init__(self, qrs_points: int, leads: int, points: int) -> None:
        self._units = np.zeros((_FAMILIES, qrs_points), np.float32)
        self._shapes = np.zeros((_FAMILIES, leads, points), np.float32)
        self._weights = np.zeros(_FAMILIES)
        self._sizes = [0] * _FAMILIES
        self._earliness = [0.0] * _FAMILIES

    def meet(
        self,
        unit: NDArray[np.float32],
        shape: NDArray[np.float32],
        log_rr_ratio: float,
        weight: float,
        template: NDArray[np.float32],
    ) -> Kinship:
        """Take one beat in.

        Parameters
        ----------
        unit : numpy.ndarray, shape (qrs_points,)
            Its QRS, of length 1 as a vector.
        shape : numpy.ndarray, shape (leads, points)
            The beat, mV.
        log_rr_ratio : float
            log2 of the RR interval before it to the usual one.
        weight : float
            How much it counts in the question which family is dominant.
        template : numpy.ndarray, shape (leads, points)
            Where the mean beat of the dominant family, as it was before this beat, is written.
        """
        likeness = self._units @ unit
        weights = self._weights
        dominant = int(weights.argmax())
        nearest = int(likeness.argmax())
        template[:] = self._shapes[dominant]
        total = float(weights.sum())
        joins = bool(likeness[nearest] >= _JOIN_LIKENESS)
        kinship = Kinship(
            to_dominant=float(likeness[dominant]),
            to_nearest=float(likeness[nearest]),
            share=float(weights[nearest]) / total if joins else 0.0,
            dominant_share=float(weights[dominant]) / total if total else 0.0,
            earliness=self._earliness[nearest] if joins else log_rr_ratio,
            in_dominant=float(joins and nearest == dominant),
        )
        if not joins:
            nearest = int(weights.argmin())
            weights[nearest] = 0.0
            self._sizes[nearest] = 0
        self._sizes[nearest] += 1
        step = max(1.0 / self._sizes[nearest], _SLOWEST_UPDATE)
        mean = self._units[nearest]
        mean += np.float32(step) * (unit - mean)
        mean /= np.sqrt(mean @ mean) + np.float32(1e-6)
        kept = self._shapes[nearest]
        kept += np.float32(step) * (shape - kept)
        self._earliness[nearest] += step * (log_rr_ratio - self._earliness[nearest])
        weights *= _DECAY
        weights[nearest] += weight
        return kinship
