"""How examples that a reader gave move the model's answers: one linear system, solved once.

Kernel ridge regression (Saunders, Gammerman and Vovk, ICML 1998), not of the classes but of *how
far each example's scores had to move*. So nothing moves where the model already agrees with the
reader by a margin, nor far from all examples; and each example's part in a change can be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ml.decision import Decision

Floats = NDArray[np.float64]

FEWEST = 3
"""Beats of a class that the reader must have named before unmarked beats can lose it: from one or
two, what that class looks like in this patient is not known."""
MOST_SHIFT = 8.0
"""The odds between two classes are never changed by more than a factor of e to this."""
DENIALS = 10
DENIED_SHARE = 0.5
"""So many beats, from so much of a recording's length, the reader must have taken out of a class
without putting one into it, before unmarked beats can lose it: a few minutes never tell that."""
# chosen on the development recordings, where twice or half as much changes little
_MARGIN = 4.0
_REACH = 0.2
_KIN = 1.0
_RIDGE = 0.2
_ALIKE = 0.1
_APART = _REACH / 2
_MOST_EXAMPLES = 1024
_BLOCK, _FEW = 4096, 32
_TINY = 1e-12


class Examples(NamedTuple):
    """Beats and, of those that a reader marked, the class; first axis: beats.

    Parameters
    ----------
    embeddings : numpy.ndarray, shape (m, width), float32
    logits : numpy.ndarray, shape (m, classes), float32
        The model's own.
    families : numpy.ndarray, shape (m,), int64
        0 where a beat is of none.
    given : numpy.ndarray, shape (m,), int64
        The class that the reader gave.
    places : numpy.ndarray, shape (m,), float64
        Where in the recording each lies that is to be answered, 0..1; NaN where in another one.
    """

    embeddings: NDArray[np.float32]
    logits: NDArray[np.float32]
    families: NDArray[np.int64]
    given: NDArray[np.int64]
    places: Floats

    def only(self, kept: NDArray[np.int64]) -> Examples:
        """Return some of them."""
        return Examples(
            self.embeddings[kept],
            self.logits[kept],
            self.families[kept],
            self.given[kept],
            self.places[kept],
        )


class Moved(NamedTuple):
    """What became of the answers for beats; the last three where the class changed.

    Parameters
    ----------
    logits : numpy.ndarray, shape (n, classes), float32
        To be read by the same decision as the model's.
    changed : numpy.ndarray, shape (c,), int64
        Which beats have another class now.
    by_family : numpy.ndarray, shape (c,), bool
        Whether their family did more than their likeness.
    marked : numpy.ndarray, shape (c,), int64
        The class of the examples that did most.
    witnesses : numpy.ndarray, shape (c,), int64
        How many these are.
    """

    logits: NDArray[np.float32]
    changed: NDArray[np.int64]
    by_family: NDArray[np.bool_]
    marked: NDArray[np.int64]
    witnesses: NDArray[np.int64]


class Mover:
    """Moves logits towards what examples show.

    Parameters
    ----------
    examples : Examples
        At least one, in an order that follows from them alone.
    decision : Decision
        The model's; shifts are found, bounded and held on its scale.
    """

    def __init__(self, examples: Examples, decision: Decision) -> None:
        answers = decision.classes(examples.logits)
        kept = _thinned(answers != examples.given)
        examples, answers = examples.only(kept), answers[kept]
        self._decision = decision
        self._examples = examples
        shown = np.bincount(examples.given, minlength=len(decision.labels))
        denied = _denied(examples, answers, shown)
        self._open = (shown > 0) | denied
        self._may_lose = (shown >= FEWEST) | denied
        self._unit = _unit(examples.embeddings)
        self._points = _points(examples.embeddings, self._unit)
        alike, kin = self._likeness(examples.embeddings, examples.families)
        system = alike + _KIN * kin
        system[np.diag_indices_from(system)] += _RIDGE
        self._pull = np.linalg.solve(system, self._wanted()).astype(np.float64)

    def move(
        self,
        embeddings: NDArray[np.float32],
        logits: NDArray[np.float32],
        families: NDArray[np.int64],
    ) -> Moved:
        """Return the answers for beats; arrays as in :class:`Examples`."""
        parts = []
        for start in range(0, max(len(logits), 1), _BLOCK):
            part = slice(start, start + _BLOCK)
            moved = self._moved(embeddings[part], logits[part], families[part])
            parts.append(moved._replace(changed=moved.changed + start))
        return Moved(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _moved(
        self,
        embeddings: NDArray[np.float32],
        logits: NDArray[np.float32],
        families: NDArray[np.int64],
    ) -> Moved:
        alike, kin = self._likeness(embeddings, families)
        shift = (alike + _KIN * kin) @ self._pull
        before = self._decision.classes(logits)
        moved = (logits + self._held(shift, logits, before)).astype(np.float32)
        after = self._decision.classes(moved)

        changed = np.flatnonzero(before != after)
        alike, kin = alike[changed], _KIN * kin[changed]
        gain = (self._pull[:, after[changed]] - self._pull[:, before[changed]]).T
        by_family = (kin * gain).sum(axis=1) > (alike * gain).sum(axis=1)
        part = np.where(by_family[:, None], kin, alike)
        classes = np.eye(logits.shape[1])[self._examples.given]
        marked = (part * gain @ classes).argmax(axis=1)
        near = (part >= _ALIKE) & (self._examples.given == marked[:, None])
        return Moved(moved, changed, by_family, marked, np.maximum(near.sum(axis=1), 1))

    def _held(
        self, shift: Floats, logits: NDArray[np.float32], answers: NDArray[np.int8]
    ) -> Floats:
        """Return the bounded shift of logits that leaves every other class its probability."""
        calibrated = _calibrated(self._decision, logits)
        bounded = np.clip(shift, -MOST_SHIFT / 2, MOST_SHIFT / 2)
        among = np.where(self._open, calibrated, -np.inf)
        bounded -= _log_sum(among + bounded) - _log_sum(among)
        free = self._open & self._may_lose[answers][:, None]
        held: Floats = np.where(free, bounded, 0) / self._decision.scale
        return held

    def _likeness(
        self, embeddings: NDArray[np.float32], families: NDArray[np.int64]
    ) -> tuple[Floats, Floats]:
        alike = np.exp(_squares(_points(embeddings, self._unit), self._points) / (-2 * _REACH**2))
        same = families[:, None] == self._examples.families
        return alike, (same & (families > 0)[:, None]).astype(np.float64)

    def _wanted(self) -> Floats:
        """Return how the examples' scores were to move so that the given class leads by a margin.

        The given class goes half of the way up, those in its way half of it down.
        """
        scores = _calibrated(self._decision, self._examples.logits)
        scores += np.array(self._decision.thresholds)
        given = np.eye(scores.shape[1], dtype=np.bool_)[self._examples.given]
        own = scores[given][:, None]
        short = np.where(self._open & ~given, np.maximum(scores + _MARGIN - own, 0), 0) / 2
        return np.where(given, short.max(axis=1, keepdims=True), -short)


def lead(decision: Decision, logits: NDArray[np.float32]) -> Floats:
    """Return by how much the class that is named leads the next one, shape (n,)."""
    scores = _calibrated(decision, logits) + np.array(decision.thresholds)
    second, first = np.sort(scores, axis=1)[:, -2:].T
    ahead: Floats = first - second
    return ahead


def choose(
    embeddings: NDArray[np.float32],
    known: NDArray[np.float32],
    doubt: Floats,
    n: int,
) -> NDArray[np.int64]:
    """Return beats in doubt, each unlike those known and unlike one another, best first.

    Parameters
    ----------
    embeddings : numpy.ndarray, shape (m, width), float32
        Of all beats.
    known : numpy.ndarray, shape (k, width), float32
        Of those that need not be asked again.
    doubt : numpy.ndarray, shape (m,)
        0 where a beat is not to be chosen.
    n : int
        How many; fewer are chosen where no more are in doubt.
    """
    unit = _unit(embeddings)
    points = _points(embeddings, unit)
    squares = np.full(len(points), np.inf)
    for start in range(0, len(known), _FEW):
        part = _points(known[start : start + _FEW], unit)
        squares = np.minimum(squares, _squares(points, part).min(axis=1))
    chosen: list[int] = []
    for _ in range(min(n, int(np.count_nonzero(doubt)))):
        worth = doubt * -np.expm1(squares / (-2 * _APART**2))
        worth[chosen] = -1
        chosen.append(int(worth.argmax()))
        squares = np.minimum(squares, _squares(points, points[chosen[-1:]])[:, 0])
    return np.array(chosen, np.int64)


def evenly(indices: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return at most so many of the indices, evenly spaced."""
    if len(indices) <= most:
        return indices
    return indices[np.linspace(0, len(indices) - 1, most).round().astype(np.int64)]


def _thinned(contradicts: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return which examples are used: those that contradict the model before those that agree."""
    against = evenly(np.flatnonzero(contradicts), _MOST_EXAMPLES)
    agreeing = evenly(np.flatnonzero(~contradicts), _MOST_EXAMPLES - len(against))
    return np.sort(np.concatenate((against, agreeing)))


def _denied(
    examples: Examples, answers: NDArray[np.int8], shown: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which classes the reader has denied throughout: never given, often taken away."""
    denied: NDArray[np.bool_] = shown == 0
    for label in np.flatnonzero(denied):
        places = examples.places[(answers == label) & ~np.isnan(examples.places)]
        denied[label] = len(places) >= DENIALS and np.ptp(places) >= DENIED_SHARE
    return denied


def _calibrated(decision: Decision, logits: NDArray[np.float32]) -> Floats:
    calibrated: Floats = logits.astype(np.float64) * decision.scale + np.array(decision.offsets)
    return calibrated


def _log_sum(values: Floats) -> Floats:
    top = values.max(axis=1, keepdims=True)
    total: Floats = top + np.log(np.exp(values - top).sum(axis=1, keepdims=True))
    return total


def _unit(embeddings: NDArray[np.float32]) -> float:
    """Return what embeddings are multiplied by, so that their mean length is 1."""
    total = np.square(embeddings, dtype=np.float64).sum()
    return float(1 / np.sqrt(total / max(len(embeddings), 1) + _TINY))


def _points(embeddings: NDArray[np.float32], unit: float) -> Floats:
    points: Floats = embeddings.astype(np.float64) * unit
    return points


def _squares(here: Floats, there: Floats) -> Floats:
    """Return squared distances, shape (len(here), len(there))."""
    lengths = np.square(here).sum(axis=1)[:, None] + np.square(there).sum(axis=1)
    squares: Floats = np.maximum(lengths - 2 * (here @ there.T), 0)
    return squares
