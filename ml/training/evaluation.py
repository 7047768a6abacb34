"""How well a model does on whole recordings, through the code that ships."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.bundle import Bundle
from ml.decision import Decision
from ml.tasks.beats import LABELS, TASK, BeatClassifier

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ml.training.data import Record

Confusion = NDArray[np.int64]
_BLOCK_S = 60.0


@dataclass(frozen=True, slots=True)
class Score:
    """Se, +P and F1 of one class; NaN where there is nothing to count."""

    true: int
    sensitivity: float
    predictivity: float
    f1: float


def classify(record: Record, tflite: bytes, thresholds: Iterable[float]) -> NDArray[np.int8]:
    """Return the class of every reference beat, by the shipped classifier fed block by block."""
    bundle = Bundle(
        id=f"{TASK}-0.0.0",
        task=TASK,
        version=(0, 0, 0),
        sha256="",
        models={"model": tflite},
        card={},
        decision=Decision(LABELS, offsets=tuple(thresholds)),
    )
    classifier = BeatClassifier(bundle, record.rate, len(record.samples))
    step = round(_BLOCK_S * record.rate)
    answers = []
    for start in range(0, record.samples.shape[1], step):
        inside = slice(*np.searchsorted(record.peaks, (start, start + step)))
        answers.append(
            classifier.push(record.samples[:, start : start + step], record.peaks[inside])
        )
    answers.append(classifier.finish())
    samples = np.concatenate([answer.samples for answer in answers])
    if not np.array_equal(samples, record.peaks):
        raise AssertionError(f"{record.name}: beats were lost or moved")
    return np.concatenate([answer.classes for answer in answers])


def confusion(truth: NDArray[np.int8], answer: NDArray[np.int8]) -> Confusion:
    """Return counts, rows the true class and columns the answered one."""
    k = len(LABELS)
    return np.bincount(truth.astype(np.int64) * k + answer, minlength=k * k).reshape(k, k)


def scores(counts: Confusion) -> dict[str, Score]:
    """Return the score of each class of a confusion matrix."""
    result = {}
    for index, label in enumerate(LABELS):
        hit, true, said = counts[index, index], counts[index].sum(), counts[:, index].sum()
        result[label] = Score(
            true=int(true),
            sensitivity=float(hit / true) if true else float("nan"),
            predictivity=float(hit / said) if said else float("nan"),
            f1=float(2 * hit / (true + said)) if true + said else float("nan"),
        )
    return result
