"""What corrections change: values, for those who tell of it and for an analysis to follow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.leads import AnalysisError
from ml.personal import Reason
from signals.ecg.beat import BeatClass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml.tasks.beats import ClassifiedBeats


class CorrectionError(Exception):
    """A correction cannot be made as it was asked for; the message says why, in plain words."""


@dataclass(frozen=True, slots=True)
class BeatChange:
    """A beat that has another class than before.

    Parameters
    ----------
    sample : int
        R peak.
    before, after : BeatClass
    reason : Reason or None
        None where the class is the model's own again.
    """

    sample: int
    before: BeatClass
    after: BeatClass
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Change:
    """What a change of the corrections did to the recording.

    Parameters
    ----------
    before, after : mapping of BeatClass to int
        Number of beats of each class.
    beats : tuple of BeatChange
        In order of time.
    """

    before: Mapping[BeatClass, int]
    after: Mapping[BeatClass, int]
    beats: tuple[BeatChange, ...]


@dataclass(frozen=True, slots=True)
class CorrectedBeats:
    """The beats of a recording by a patient's pattern, for an analysis to follow.

    Parameters
    ----------
    samples : numpy.ndarray, shape (n,), int64
        R peaks.
    classes : numpy.ndarray, shape (n,), int8
    probabilities : numpy.ndarray, shape (n, 5), float32
        Calibrated as far as the model's are; 1 for a class that a reader gave.
    unsure : numpy.ndarray, shape (n,), bool
    by_reader : numpy.ndarray, int64
        R peaks of the beats that a reader marked, alone or with their family.
    n_corrections : int
        Of the patient.
    """

    samples: NDArray[np.int64]
    classes: NDArray[np.int8]
    probabilities: NDArray[np.float32]
    unsure: NDArray[np.bool_]
    by_reader: NDArray[np.int64]
    n_corrections: int

    def instead_of(self, beats: ClassifiedBeats) -> ClassifiedBeats:
        """Return some of these beats, as the model gave them, with what they are corrected to."""
        first = int(np.searchsorted(self.samples, beats.samples[0])) if len(beats.samples) else 0
        part = slice(first, first + len(beats.samples))
        if not np.array_equal(self.samples[part], beats.samples):
            raise AnalysisError("its beats are not those that were corrected")
        return replace(
            beats,
            classes=self.classes[part],
            probabilities=self.probabilities[part],
            unsure=self.unsure[part],
        )
