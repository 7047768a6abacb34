"""Probabilities that keep what they promise, thresholds, and "don't know": all fitted out of fold.

Every fold is judged by a decision that was fitted on the answers of the other folds, and the
decision that ships is fitted on those of all: what the card says of a fold follows from nothing
that was learnt of its patients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ml.decision import Decision
from ml.training.recipe import Calibrate, Decide
from ml.training.task import Answers

Floats = NDArray[np.float32]

BINS = 15
_STEPS = (1.0, 0.25, 0.05)
_ROUNDS = 4
_SLACK = 0.002
"""Of the worth. Chosen on the beat model's answers out of fold."""
_PULL = 1e-3
"""Weight of the squares of scale and offsets in the fit: a label that hardly occurs out of fold
does not get an offset without end."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The answers of many records, one after the other, each in the order of time.

    Parameters
    ----------
    truth, logits
        As of :class:`ml.training.task.Answers`.
    records : numpy.ndarray of str, shape (n,)
    """

    truth: NDArray[np.int8]
    logits: Floats
    records: NDArray[np.str_]

    @classmethod
    def of(cls, answers: Mapping[str, Answers]) -> Pool:
        """Return the answers of one or more records as one."""
        return cls(
            np.concatenate([one.truth for one in answers.values()]),
            np.concatenate([one.logits for one in answers.values()]),
            np.concatenate([np.full(len(one.truth), name) for name, one in answers.items()]),
        )

    @property
    def known(self) -> Pool:
        """Those of known truth."""
        known = self.truth >= 0
        return Pool(self.truth[known], self.logits[known], self.records[known])


Worth = Callable[[Pool, Decision], float]


def fitted(
    pool: Pool, labels: tuple[str, ...], calibrate: Calibrate, decide: Decide, worth: Worth
) -> Decision:
    """Return the decision that answers call for.

    Parameters
    ----------
    pool : Pool
        Of patients that the networks which answered had not seen.
    labels : tuple of str
    calibrate, decide
        Of the recipe.
    worth : callable
        As :meth:`ml.training.task.Task.worth`.
    """
    known = pool.known
    decision = _calibrated(known, labels, calibrate.method)
    free = [labels.index(label) for label in decide.labels]
    decision = _with_thresholds(decision, pool, free, decide.reach, worth)
    return replace(decision, unsure_below=_unsure_below(decision, known.logits, calibrate.coverage))


def honest(
    folds: Sequence[Mapping[str, Answers]],
    labels: tuple[str, ...],
    calibrate: Calibrate,
    decide: Decide,
    worth: Worth,
) -> tuple[list[Decision], Decision]:
    """Return the decision for each fold, fitted on all others, and the one of all that ships.

    Parameters
    ----------
    folds : sequence of mapping of str to Answers
        Of held-out records by name; at least two of them.
    labels, calibrate, decide, worth
        As for :func:`fitted`.
    """
    of_folds = []
    for left_out in range(len(folds)):
        others = {
            name: one
            for number, fold in enumerate(folds)
            if number != left_out
            for name, one in fold.items()
        }
        of_folds.append(fitted(Pool.of(others), labels, calibrate, decide, worth))
    everything = {name: one for fold in folds for name, one in fold.items()}
    return of_folds, fitted(Pool.of(everything), labels, calibrate, decide, worth)


def log_loss(probabilities: Floats, truth: NDArray[np.int8]) -> float:
    """Return the mean of minus the logarithm of what the true class was given."""
    given = np.take_along_axis(probabilities, truth[:, None].astype(np.intp), axis=1)
    return float(-np.log(np.maximum(given, 1e-12)).mean())


def reliability(probabilities: Floats, truth: NDArray[np.int8]) -> dict[str, list[float]]:
    """Return how often the most probable class was right, by the probability it was given.

    Returns
    -------
    dict
        ``share`` of the answers, mean ``promised`` probability, share ``kept``: one for each of
        15 bins of the same width that holds answers.
    """
    promised = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == truth
    which = np.minimum((promised * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(which, minlength=BINS)
    there = counts > 0
    sums = np.bincount(which, promised, BINS), np.bincount(which, right, BINS)
    return {
        "share": (counts[there] / len(truth)).tolist(),
        "promised": (sums[0][there] / counts[there]).tolist(),
        "kept": (sums[1][there] / counts[there]).tolist(),
    }


def calibration_error(probabilities: Floats, truth: NDArray[np.int8]) -> float:
    """Return the expected calibration error over 15 bins (Naeini et al. 2015), 0..1."""
    bins = reliability(probabilities, truth)
    rows = zip(bins["share"], bins["promised"], bins["kept"], strict=True)
    return sum(share * abs(promised - kept) for share, promised, kept in rows)


def told(
    folds: Sequence[Mapping[str, Answers]], decisions: Sequence[Decision], coverage: float
) -> dict[str, Any]:
    """Return the card's section on calibration: each fold under the decision of the others.

    Parameters
    ----------
    folds, decisions
        As given to and by :func:`honest`.
    coverage : float
        That was asked for.
    """
    pools = [Pool.of(fold).known for fold in folds]
    truth = np.concatenate([pool.truth for pool in pools])
    plain, given, named, unsure = (
        np.concatenate(
            [of(pool, decision) for pool, decision in zip(pools, decisions, strict=True)]
        )
        for of in (
            lambda pool, decision: Decision(decision.labels).probabilities(pool.logits),
            lambda pool, decision: decision.probabilities(pool.logits),
            lambda pool, decision: decision.classes(pool.logits),
            lambda pool, decision: decision.unsure(pool.logits),
        )
    )
    right = named == truth
    return {
        "log_loss": {"before": log_loss(plain, truth), "after": log_loss(given, truth)},
        "expected_calibration_error": {
            "before": calibration_error(plain, truth),
            "after": calibration_error(given, truth),
        },
        "reliability": {"before": reliability(plain, truth), "after": reliability(given, truth)},
        "unsure": {
            "coverage_asked": coverage,
            "coverage": float((~unsure).mean()),
            "right": float(right.mean()),
            "right_where_sure": float(right[~unsure].mean()) if not unsure.all() else None,
            "right_where_unsure": float(right[unsure].mean()) if unsure.any() else None,
            "wrong_that_are_unsure": float(unsure[~right].mean()) if not right.all() else None,
        },
    }


def _calibrated(pool: Pool, labels: tuple[str, ...], method: str) -> Decision:
    logits = pool.logits.astype(np.float64)
    rows = np.arange(len(pool.truth))
    k = len(labels)

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scale, offsets = np.exp(values[0]), values[1:]
        scaled = scale * logits + (offsets if len(offsets) else 0.0)
        scaled -= scaled.max(axis=1, keepdims=True)
        shares = np.exp(scaled)
        shares /= shares.sum(axis=1, keepdims=True)
        wrong = shares.copy()
        wrong[rows, pool.truth] -= 1
        slope = np.concatenate(([scale * (wrong * logits).sum(axis=1).mean()], wrong.mean(axis=0)))
        entropy = -np.log(np.maximum(shares[rows, pool.truth], 1e-300)).mean()
        pull = _PULL * float(values @ values)
        return entropy + pull, slope[: len(values)] + 2 * _PULL * values

    start = np.zeros(1 + k if method == "vector" else 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B").x
    offsets = found[1:] - found[1] if method == "vector" else np.zeros(k)
    return Decision(
        labels,
        scale=round(float(np.exp(found[0])), 4),
        offsets=tuple(round(float(value), 4) for value in offsets),
    )


def _with_thresholds(
    decision: Decision, pool: Pool, free: Sequence[int], reach: float, worth: Worth
) -> Decision:
    """Return the decision with the thresholds of the free labels moved for the greatest worth.

    One label after the other, in steps that become finer. What is nearly as good as the best and
    nearer to zero is taken: the rest of the way is noise of the patients that happened to be there.
    """
    thresholds = np.zeros(len(decision.labels))

    def worth_of(values: NDArray[np.float64]) -> float:
        return worth(pool, replace(decision, thresholds=tuple(values.tolist())))

    for step in _STEPS:
        for _ in range(_ROUNDS):
            before = thresholds.copy()
            for label in free:
                width = reach if step == _STEPS[0] else 4 * step
                tried = thresholds[label] + np.arange(-width, width + step / 2, step)
                tried = tried[np.abs(tried) <= reach]
                found = []
                for value in tried:
                    moved = thresholds.copy()
                    moved[label] = value
                    found.append(worth_of(moved))
                best = np.array(found) >= max(found) - _SLACK
                thresholds[label] = min(tried[best], key=abs)
            if np.array_equal(thresholds, before):
                break
    return replace(decision, thresholds=tuple((thresholds.round(4) + 0.0).tolist()))


def _unsure_below(decision: Decision, logits: Floats, coverage: float) -> float:
    """Return the probability of the named class that the least sure answers do not reach."""
    named = decision.classes(logits)[:, None].astype(np.intp)
    certain = np.take_along_axis(decision.probabilities(logits), named, axis=1)
    return round(float(np.quantile(certain, 1 - coverage)), 4) if coverage < 1 else 0.0
