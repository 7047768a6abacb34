"""The one rule by which a classifier's logits become probabilities, classes and "don't know"."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Decision:
    """What is made of logits, the same for every classifier and every beat.

    Parameters
    ----------
    labels : tuple of str
        Names of the outputs, in order, each once.
    scale : float
        By which logits are multiplied: one over the temperature (Guo et al., On calibration of
        modern neural networks, ICML 2017).
    offsets : tuple of float
        Then added, one for each label: with the scale they make probabilities that keep what they
        promise. None given: zeros.
    thresholds : tuple of float
        Added besides where a class is to be named: they trade missed against false ones and leave
        the probabilities alone. None given: zeros.
    unsure_below : float
        The probability, 0..1, which the class that is named must reach to count as known.

    Raises
    ------
    ValueError
        If a value is none of these; the message names it.
    """

    labels: tuple[str, ...]
    scale: float = 1.0
    offsets: tuple[float, ...] = ()
    thresholds: tuple[float, ...] = ()
    unsure_below: float = 0.0

    def __post_init__(self) -> None:
        if not _are_names(self.labels):
            raise ValueError("labels are to be names, each once")
        for name in ("offsets", "thresholds"):
            values = getattr(self, name)
            if values == ():
                values = (0.0,) * len(self.labels)
            if (
                not isinstance(values, tuple)
                or len(values) != len(self.labels)
                or not all(map(_is_finite, values))
            ):
                raise ValueError(f"{name} are to be finite numbers, one for each label")
            object.__setattr__(self, name, tuple(float(value) for value in values))
        if not _is_finite(self.scale) or self.scale <= 0:
            raise ValueError("scale is to be a number above 0")
        if not _is_finite(self.unsure_below) or not 0 <= self.unsure_below <= 1:
            raise ValueError("unsure_below is to be a number from 0 to 1")

    @classmethod
    def from_json(cls, value: object) -> Decision:
        """Return a decision as :meth:`as_json` gives it.

        Raises
        ------
        ValueError
            If it is none; the message says why.
        """
        names = {"labels", "scale", "offsets", "thresholds", "unsure_below"}
        if not isinstance(value, dict) or set(value) != names:
            raise ValueError(f"it is to give {', '.join(sorted(names))}")
        given: dict[str, Any] = {
            name: tuple(row) if isinstance(row, list) else row for name, row in value.items()
        }
        return cls(**given)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values, all of them."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    def probabilities(self, logits: Floats) -> Floats:
        """Return the calibrated probability of each class.

        Parameters
        ----------
        logits : numpy.ndarray, shape (n, labels), float32

        Returns
        -------
        numpy.ndarray, shape (n, labels), float32
            Rows add up to 1.
        """
        calibrated = self._calibrated(logits)
        odds = np.exp(calibrated - calibrated.max(axis=1, keepdims=True))
        shares: Floats = odds / odds.sum(axis=1, keepdims=True)
        return shares

    def logits(self, probabilities: Floats) -> Floats:
        """Return logits of which these are the calibrated probabilities, all of them above 0."""
        offsets = np.array(self.offsets, np.float32)
        logits: Floats = (np.log(probabilities) - offsets) / np.float32(self.scale)
        return logits

    def classes(self, logits: Floats) -> NDArray[np.int8]:
        """Return the index of the class that is named, shape (n,)."""
        weighed = self._calibrated(logits) + np.array(self.thresholds, np.float32)
        named: NDArray[np.int8] = weighed.argmax(axis=1).astype(np.int8)
        return named

    def unsure(self, logits: Floats) -> NDArray[np.bool_]:
        """Return where the class that is named is less probable than is asked, shape (n,)."""
        named = self.classes(logits)[:, None].astype(np.intp)
        certain = np.take_along_axis(self.probabilities(logits), named, axis=1)[:, 0]
        below: NDArray[np.bool_] = certain < np.float32(self.unsure_below)
        return below

    def _calibrated(self, logits: Floats) -> Floats:
        return logits * np.float32(self.scale) + np.array(self.offsets, np.float32)


def _are_names(value: object) -> bool:
    return (
        isinstance(value, tuple)
        and bool(value)
        and all(isinstance(name, str) and name for name in value)
        and len(set(value)) == len(value)
    )


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
