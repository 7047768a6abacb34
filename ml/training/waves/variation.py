"""How often strips are drawn in training, and how they are changed in ways their waves follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml.tasks.wave_strips import STRIP_POINTS, model_input
from ml.training.waves.strips import INSIDE, KNOWN, SINUS

if TYPE_CHECKING:
    from ml.training.task import Examples, Floats, Inputs

_WEIGHTS = {"ludb": 1.0, "qtdb": 1.6, "mitdb": 0.4, "cinc2017": 0.15}
"""How likely a strip is drawn: so that the few marks of qtdb count beside those of ludb, and what
is known of P waves alone does not outweigh what readers marked."""
_MOST_STRETCH = 0.15
_MOST_SHIFT = 60
_MOST_JITTER = 4
_ERASED = 0.2
_BESIDE = 2
_NOISY = 0.4


def weights_of(examples: Examples) -> NDArray[np.float64]:
    """Return how likely each strip is drawn, by its database."""
    databases = [name.partition("/")[0] for name in examples.records.tolist()]
    weights = np.array([_WEIGHTS[database] for database in databases])
    normed: NDArray[np.float64] = weights / weights.sum()
    return normed


def vary(inputs: Inputs, targets: NDArray[Any], rng: np.random.Generator) -> None:
    """Make what the network takes of a batch of strips; the targets are moved with them."""
    n = len(targets)
    stretch = np.exp(rng.uniform(-_MOST_STRETCH, _MOST_STRETCH, n))
    shift = rng.uniform(-_MOST_SHIFT, _MOST_SHIFT, n)
    centre = STRIP_POINTS / 2
    at = (np.arange(STRIP_POINTS) - centre) / stretch[:, None] + centre + shift[:, None]
    known = _moved(targets[..., KNOWN].astype(np.float32), at) > 0.99
    known[(at < 0) | (at > STRIP_POINTS - 1)] = False
    inside = _moved(targets[..., INSIDE].astype(np.float32), at)
    level = _moved(inputs.pop("level"), at)
    erase_p_waves(level, inside, rng)
    row, point = np.nonzero(targets[..., SINUS])
    middle = np.rint((point - shift[row] - centre) * stretch[row] + centre).astype(np.int64)
    there = (middle >= 0) & (middle < STRIP_POINTS)
    targets[..., INSIDE] = np.rint(inside)
    targets[..., KNOWN] = known
    targets[..., SINUS] = 0
    targets[row[there], middle[there], SINUS] = 1
    jitter = rng.integers(-_MOST_JITTER, _MOST_JITTER + 1, n)
    marks = _moved(inputs.pop("marks"), at + jitter[:, None])
    disturb(level, inputs.pop("noise"), rng)
    inputs["strips"] = model_input(level, marks)


def _moved(values: Floats, at: NDArray[np.float64]) -> Floats:
    """Return what lies at each of the places, shape (n, STRIP_POINTS), between the points."""
    base = np.clip(np.floor(at), 0, STRIP_POINTS - 2).astype(np.int64)
    part = np.clip(at - base, 0, 1).astype(np.float32)
    weight = part if values.ndim == 2 else part[:, :, None]
    rows = np.arange(len(at))[:, None]
    moved: Floats = values[rows, base] * (1 - weight) + values[rows, base + 1] * weight
    return moved


def erase_p_waves(level: Floats, inside: Floats, rng: np.random.Generator) -> None:
    """Draw a straight line instead of all marked P waves of some strips, in place.

    Else a regular rhythm would be reason enough to see one.
    """
    for row in np.flatnonzero(rng.random(len(level)) < _ERASED):
        there = np.pad(inside[row, :, 0] > 0, 1).astype(np.int8)
        starts, stops = (np.flatnonzero(np.diff(there) == side).tolist() for side in (1, -1))
        for start, stop in zip(starts, stops, strict=True):
            low, high = max(start - _BESIDE, 0), min(stop + _BESIDE, STRIP_POINTS - 1)
            ends = float(level[row, low]), float(level[row, high])
            level[row, low:high] = np.linspace(*ends, high - low)
        inside[row, :, 0] = 0


def disturb(level: Floats, noise: Floats, rng: np.random.Generator) -> None:
    """Scale, turn, and add noise and wander, each by chance and in place.

    Parameters
    ----------
    level : numpy.ndarray, shape (n, STRIP_POINTS), float32
    noise : numpy.ndarray, shape (n, STRIP_POINTS), float32
        Of electrodes and muscles, of unit variance; each strip is given anyone's.
    rng : numpy.random.Generator
    """
    n = len(level)
    level *= np.exp(rng.normal(0, 0.3, (n, 1))).astype(np.float32)
    level *= np.where(rng.random((n, 1)) < 0.3, -1, 1).astype(np.float32)
    for row in level:
        if rng.random() < _NOISY:
            amount = np.float32(np.exp(rng.uniform(np.log(0.005), np.log(0.12))))
            row += amount * noise[rng.integers(n)]
    level += rng.normal(0, 1, level.shape).astype(np.float32) * np.exp(
        rng.uniform(np.log(0.0005), np.log(0.01), (n, 1))
    ).astype(np.float32)
