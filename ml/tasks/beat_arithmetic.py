"""The sums that beat features are made of; each row by itself, to the last bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ml.tasks.beat_windows import GRID_RATE, R_INDEX, Floats

TINY = np.float32(1e-6)
_AROUND_QRS = slice(R_INDEX - 18, R_INDEX + 25)


def mean_where(values: Floats, there: NDArray[np.bool_]) -> Floats:
    """Return the mean of each row where `there`, 0 where it is nowhere."""
    mean: Floats = (values * there).sum(axis=1) / np.maximum(there.sum(axis=1), 1).astype(
        np.float32
    )
    return mean


def median(values: Floats) -> Floats:
    """Return the median of each row, the upper one of an even number."""
    place = values.shape[1] // 2
    middle: Floats = np.partition(values, place, axis=1)[:, place]
    return middle


def units(parts: Floats) -> Floats:
    """Return parts of beats, shape (n, leads, points), as vectors of length 1 without offset."""
    parts = parts - parts.sum(axis=2, keepdims=True) / np.float32(parts.shape[2])
    vectors = parts.reshape(len(parts), -1)
    vectors /= np.sqrt(np.square(vectors).sum(axis=1, keepdims=True)) + TINY
    return vectors


def soft(values: Floats) -> Floats:
    """Bring any size into -1..1, small values nearly unchanged: a P wave beside a wide QRS."""
    size = np.abs(values)
    size += 1
    return np.divide(values, size, out=size)


def rms(values: Floats) -> Floats:
    """Return the root mean square along the last axis."""
    size: Floats = np.sqrt(np.square(values).sum(axis=-1) / np.float32(values.shape[-1]))
    return size


def correlation(a: Floats, b: Floats) -> Floats:
    """Return the correlation of `a` and `b` along the last axis, 0 where one is flat."""
    n = np.float32(a.shape[-1])
    a = a - a.sum(axis=-1, keepdims=True) / n
    b = b - b.sum(axis=-1, keepdims=True) / n
    size = np.sqrt(np.square(a).sum(axis=-1) * np.square(b).sum(axis=-1))
    a *= b
    likeness: Floats = a.sum(axis=-1) / (size + TINY)
    return likeness


def slope_spread(shapes: Floats) -> Floats:
    """Return the width of the QRS, seconds: the standard deviation of its squared slope in time."""
    energy = np.square(np.diff(shapes[:, :, _AROUND_QRS], axis=2))
    time = (np.arange(energy.shape[2], dtype=np.float32)) / np.float32(GRID_RATE)
    total = energy.sum(axis=2) + TINY**2
    centre = (energy * time).sum(axis=2) / total
    spread: Floats = np.sqrt((energy * np.square(time - centre[:, :, None])).sum(axis=2) / total)
    return spread
