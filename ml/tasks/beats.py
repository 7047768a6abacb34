"""Beat classification: samples and R peaks in, AAMI classes out, block by block."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ml.adaptive import Tier, Tiers, Work
from ml.bundle import Bundle
from ml.tasks.beat_features import (
    FEATURES,
    LEADS,
    LOOK_AHEAD_BEATS,
    BeatFeatures,
    MeasuredBeats,
)
from ml.tasks.beat_windows import GRID_POINTS
from signals.ecg.beat import BeatClass
from signals.ecg.families import FamilyTable

if TYPE_CHECKING:
    from collections.abc import Sequence

TASK = "beats"
LABELS = tuple(beat_class.name for beat_class in BeatClass)
QUICK = "quick"
"""The bundle's model that reads features alone."""
_LOWEST_RATE = 100.0
_SURE = np.float32(0.9)
"""Probability of N from which on the quick model's answer stands.

On the development recordings, by patients not trained on, none of the 134,565 beats that it is so
sure of had another full answer; from 0.7 on, 67 of 146,799."""
SHARES = np.array(
    [
        [0.99919, 0.00061, 0.0001, 0.00007, 0.00003],
        [0.99503, 0.00335, 0.00124, 0.00035, 0.00003],
    ],
    np.float32,
)
"""What beats are that were skipped, and those whose quick answer stands: their probabilities.

Counted among 98,469 and 32,203 beats of the development recordings, by patients not trained on."""


@dataclass(frozen=True, slots=True)
class ClassifiedBeats:
    """Beats with what they were taken for.

    Parameters
    ----------
    samples : numpy.ndarray, shape (n,), int64
        R peaks, as they were pushed.
    classes : numpy.ndarray, shape (n,), int8
        :class:`signals.ecg.beat.BeatClass`, by the bundle's decision.
    probabilities : numpy.ndarray, shape (n, 5), float32
        One for each class, by the bundle's decision; rows add up to 1.
    families : numpy.ndarray, shape (n,), int16
        The family of alike beats of each, as it was known when the beat came:
        :meth:`signals.ecg.families.FamilyTable.settled` tells how it stands in the end.
    unsure : numpy.ndarray, shape (n,), bool
        Where the class named is less probable than the bundle's decision asks for.
    """

    samples: NDArray[np.int64]
    classes: NDArray[np.int8]
    probabilities: NDArray[np.float32]
    families: NDArray[np.int16]
    unsure: NDArray[np.bool_]

    @classmethod
    def none(cls) -> Self:
        """Return no beat."""
        return cls(
            np.zeros(0, np.int64),
            np.zeros(0, np.int8),
            np.zeros((0, len(LABELS)), np.float32),
            np.zeros(0, np.int16),
            np.zeros(0, np.bool_),
        )

    def parted(self, n: int) -> tuple[Self, Self]:
        """Return the first `n` beats and the rest."""
        return self[:n], self[n:]

    def __getitem__(self, part: slice) -> Self:
        return type(self)(*(getattr(self, field.name)[part] for field in fields(self)))

    @classmethod
    def joined(cls, batches: Sequence[ClassifiedBeats]) -> Self:
        """Return the beats of one or more batches as one."""
        return cls(
            *(
                np.concatenate([getattr(batch, field.name) for batch in batches])
                for field in fields(cls)
            )
        )


class BeatClassifier:
    """Classifies the beats of one recording as they come.

    Beats that are as the ones before are called N without asking the network, and clear ones after
    asking the quick one; see :mod:`ml.adaptive`.

    A beat is given out when `look_ahead_beats` later ones were pushed; the first beats of a
    recording wait until 16 have come. What is given out, in the end, does not depend on how
    samples and peaks were cut into blocks, and memory does not grow with the recording.

    Parameters
    ----------
    bundle : Bundle
        For the task ``beats``.
    rate : float
        Sampling rate, Hz; at least 100.
    n_leads : int
        Number of leads that will be pushed; the first two are used.
    adaptive : bool, optional
        False has every beat read in full.

    Raises
    ------
    ValueError
        If the rate is below 100 Hz, there is no lead, or the bundle is for another task.
    """

    look_ahead_beats: int = LOOK_AHEAD_BEATS

    def __init__(self, bundle: Bundle, rate: float, n_leads: int, *, adaptive: bool = True) -> None:
        if rate < _LOWEST_RATE:
            raise ValueError(
                f"beats are classified from {_LOWEST_RATE:g} Hz on, not at {rate:g} Hz"
            )
        if n_leads < 1:
            raise ValueError("beats cannot be classified without a lead")
        if bundle.task != TASK or bundle.labels != LABELS:
            raise ValueError(f"the bundle {bundle.id} does not classify beats as {LABELS}")
        self._features = BeatFeatures(rate, n_leads)
        self._model = bundle.ready()
        # a graph does not keep the order of its outputs; the other one is the last hidden layer
        self._logits = [spec.shape[-1] for spec in self._model.outputs].index(len(LABELS))
        self._decision = bundle.decision
        self._quick = bundle.ready(QUICK) if adaptive and QUICK in bundle.models else None
        self._adaptive = adaptive
        self._tiers = Tiers()

    @property
    def runtime(self) -> str:
        """Name and version of what runs the model."""
        return self._model.runtime

    @property
    def work(self) -> Work:
        """How much was computed for the beats so far."""
        return self._tiers.work

    def push(self, samples: NDArray[np.float32], peaks: NDArray[np.int64]) -> ClassifiedBeats:
        """Take samples and R peaks; return the beats that became ready.

        Parameters
        ----------
        samples : numpy.ndarray, shape (leads, n), float32
            The next samples, mV, NaN where missing.
        peaks : numpy.ndarray, shape (k,), int64
            The next R peaks, ascending, counted in samples from the start of the recording; each
            at once with the samples it lies in, or up to 10 s later.

        Raises
        ------
        ValueError
            If peaks do not ascend or come later than that.
        """
        return self._classified(self._features.measure(samples, peaks))

    def finish(self) -> ClassifiedBeats:
        """Return the beats that were held back for later ones to follow."""
        return self._classified(self._features.measure_last())

    def family_table(self) -> FamilyTable:
        """Return the families of the beats that came so far."""
        return self._features.family_table()

    def _classified(self, measured: Sequence[MeasuredBeats]) -> ClassifiedBeats:
        parts = [self._classify(beats) for beats in measured]
        return ClassifiedBeats.joined(parts or [ClassifiedBeats.none()])

    def _classify(self, beats: MeasuredBeats) -> ClassifiedBeats:
        n = len(beats.samples)
        seen = np.zeros(n, np.bool_)
        features = np.empty((n, len(FEATURES)), np.float32)
        shapes = np.empty((n, LEADS, GRID_POINTS, 2), np.float32)
        logits = np.zeros((n, len(LABELS)), np.float32)

        def prepare(places: NDArray[np.intp]) -> None:
            new = places[~seen[places]]
            if len(new):
                inputs = beats.inputs(new)
                features[new], shapes[new] = inputs.features, inputs.shapes
                seen[new] = True

        def quick(places: NDArray[np.intp]) -> NDArray[np.bool_]:
            if self._quick is None or not len(places):
                return np.zeros(len(places), np.bool_)
            said = self._decision.probabilities(self._quick.run(features[places])[0])
            sure: NDArray[np.bool_] = said[:, BeatClass.N] >= _SURE
            return sure

        def full(places: NDArray[np.intp]) -> NDArray[np.bool_]:
            logits[places] = self._model.run(features[places], shapes[places])[self._logits]
            usual: NDArray[np.bool_] = self._decision.classes(logits[places]) == BeatClass.N
            return usual

        unchanged = beats.unchanged() if self._adaptive else np.zeros(n, np.bool_)
        tiers = self._tiers.answer(unchanged, prepare, quick, full)
        read = tiers == Tier.FULL
        probabilities = SHARES[np.minimum(tiers, Tier.QUICK)]
        probabilities[read] = self._decision.probabilities(logits[read])
        classes = np.full(n, BeatClass.N, np.int8)
        classes[read] = self._decision.classes(logits[read])
        unsure = np.zeros(n, np.bool_)
        unsure[read] = self._decision.unsure(logits[read])
        return ClassifiedBeats(beats.samples, classes, probabilities, beats.families, unsure)
