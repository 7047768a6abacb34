"""The frontal QRS axis: where the mean QRS vector points in the plane of the limb leads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

# What each lead sees of a vector (to the left, to the feet) in Einthoven's triangle; the augmented
# leads by aVR = -(I + II) / 2, aVL = I - II / 2, aVF = II - I / 2.
_HIGH = sqrt(3) / 2
_LEADS = {
    "i": (1.0, 0.0),
    "ii": (0.5, _HIGH),
    "iii": (-0.5, _HIGH),
    "avr": (-0.75, -_HIGH / 2),
    "avl": (0.75, -_HIGH / 2),
    "avf": (0.0, _HIGH),
}
_LABEL = re.compile(r"(?:(?:ecg|ekg|lead)[\s_-]*)?(i{1,3}|av[rlf])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FrontalPlane:
    """Two limb leads of a recording and how a vector is told from them.

    The leads taken are those that stand best to each other: I and aVF, or aVL and II, at right
    angles, else any two. As the bipolar and the augmented leads differ in strength, the vector is
    solved for by the geometry of Einthoven's triangle, so that any two leads that obey Einthoven's
    law give the same axis: from I and aVF, atan2(2 aVF, √3 I). D. Novosel et al., "Corrected
    formula for the calculation of the electrical heart axis", Croat. Med. J. 40 (1999) 77.

    Parameters
    ----------
    leads : tuple of int
        Indices of the two leads.
    inverse : numpy.ndarray, shape (2, 2)
        From what they see to the vector.
    """

    leads: tuple[int, int]
    inverse: NDArray[np.float64]

    @classmethod
    def of(cls, labels: Sequence[str]) -> Self | None:
        """Return what the leads with these labels allow; None where two limb leads are missing.

        Modified leads (MLII and the like) lie on the trunk and are no limb leads.
        """
        seen: dict[int, tuple[float, float]] = {}
        for index, label in enumerate(labels):
            if match := _LABEL.fullmatch(label.strip()):
                seen[index] = _LEADS[match[1].lower()]
        pairs = [
            (one, other, np.array([seen[one], seen[other]]))
            for one in seen
            for other in seen
            if one < other
        ]
        if not pairs:
            return None
        one, other, rows = min(pairs, key=lambda pair: float(np.linalg.cond(pair[2])))
        if abs(np.linalg.det(rows)) < 0.1:  # two leads of one name
            return None
        return cls((one, other), np.linalg.inv(rows))

    def vectors(self, qrs_area: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the mean QRS vectors of beats, mV·s to the left and to the feet, shape (n, 2).

        Parameters
        ----------
        qrs_area : numpy.ndarray, shape (n, leads)
            Net area of the QRS, mV·s.
        """
        return np.asarray(qrs_area[:, self.leads].astype(np.float64) @ self.inverse.T)


def angles(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the direction of frontal vectors, degrees above -180 up to 180.

    0 points to the patient's left, 90 to the feet, as on the hexaxial diagram.

    Parameters
    ----------
    vectors : numpy.ndarray, shape (..., 2)
        To the left and to the feet.
    """
    return wrapped(np.degrees(np.arctan2(vectors[..., 1], vectors[..., 0])))


def wrapped(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return angles as degrees above -180 up to 180."""
    return np.asarray(180 - (180 - degrees) % 360)
