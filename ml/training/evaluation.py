"""Counting right and wrong answers, and a bundle for models that have no card yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.bundle import Bundle
from ml.decision import Decision

Confusion = NDArray[np.int64]
_LEAST_SHARE = np.float32(1e-30)


@dataclass(frozen=True, slots=True)
class Score:
    """Se, +P and F1 of one class; NaN where there is nothing to count."""

    true: int
    sensitivity: float
    predictivity: float
    f1: float


def unpacked(task: str, labels: tuple[str, ...], models: Mapping[str, bytes]) -> Bundle:
    """Return a bundle with a neutral decision, for models that have no card yet."""
    return Bundle(
        id=f"{task}-0.0.0",
        task=task,
        version=(0, 0, 0),
        sha256="",
        models=models,
        card={},
        decision=Decision(labels),
        allow_float=True,
    )


def log_of(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logarithm of probabilities: the logits they are of, but for a constant a row."""
    logits: NDArray[np.float32] = np.log(np.maximum(probabilities, _LEAST_SHARE))
    return logits


def confusion(truth: NDArray[np.int8], answer: NDArray[np.int8], k: int) -> Confusion:
    """Return counts, rows the true class and columns the answered one; unknown truth is left out.

    Parameters
    ----------
    truth, answer : numpy.ndarray, shape (n,)
    k : int
        Number of classes.
    """
    known = truth >= 0
    pairs = truth[known].astype(np.int64) * k + answer[known]
    return np.bincount(pairs, minlength=k * k).reshape(k, k)


def scores(counts: Confusion, labels: tuple[str, ...]) -> dict[str, Score]:
    """Return the score of each class of a confusion matrix."""
    result = {}
    for index, label in enumerate(labels):
        hit, true, said = counts[index, index], counts[index].sum(), counts[:, index].sum()
        result[label] = Score(
            true=int(true),
            sensitivity=float(hit / true) if true else float("nan"),
            predictivity=float(hit / said) if said else float("nan"),
            f1=float(2 * hit / (true + said)) if true + said else float("nan"),
        )
    return result
