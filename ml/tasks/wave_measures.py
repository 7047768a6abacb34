"""Levels and areas of beats, read off strips of the signal."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float32]

ST_S = (0.0, 0.060, 0.080)
_LEVEL_POINTS = 5
_QRS_POINTS = 104  # as far as a QRS is looked for on both sides of its peak


def levels(signal: Floats, strip: NDArray[np.int64], onset: NDArray[np.float64]) -> Floats:
    """Return the level before the QRS: the median of the 20 ms that end at its onset.

    Parameters
    ----------
    signal : numpy.ndarray, shape (strips, leads, points)
        mV.
    strip : numpy.ndarray, shape (n,)
        The strip of each beat.
    onset : numpy.ndarray, shape (n,)
        Points from its first; NaN gives NaN.
    """
    first = np.clip(_index(onset) - _LEVEL_POINTS, 0, signal.shape[2] - _LEVEL_POINTS)
    near = sliding_window_view(signal, _LEVEL_POINTS, axis=2)[strip, :, first]
    level = np.sort(near, axis=2)[:, :, _LEVEL_POINTS // 2]
    level[np.isnan(onset)] = np.nan
    return np.asarray(level, np.float32)


def st_levels(
    signal: Floats, strip: NDArray[np.int64], offset: NDArray[np.float64], rate: float
) -> Floats:
    """Return mV at J, J + 60 ms and J + 80 ms, shape (n, leads, 3); NaN where J is.

    Parameters
    ----------
    signal, strip
        As of :func:`levels`.
    offset : numpy.ndarray, shape (n,)
        J, points from the strip's first.
    rate : float
        Of the points, Hz.
    """
    at = offset[:, None] + np.array(ST_S) * rate
    base = np.clip(_index(at), 0, signal.shape[2] - 2)
    part = (at - base)[:, :, None]
    here, there = (signal[strip[:, None], :, base + step] for step in (0, 1))
    return np.asarray((here * (1 - part) + there * part).transpose(0, 2, 1), np.float32)


def areas(
    signal: Floats,
    strip: NDArray[np.int64],
    onset: NDArray[np.float64],
    offset: NDArray[np.float64],
    base: Floats,
) -> Floats:
    """Return the net area of the QRS from `base`, in mV × points, shape (n, leads).

    Parameters
    ----------
    signal, strip, onset, offset
        As of :func:`levels` and :func:`st_levels`.
    base : numpy.ndarray, shape (n, leads)
        mV.
    """
    first = np.clip(_index(onset), 0, signal.shape[2] - _QRS_POINTS)
    near = sliding_window_view(signal, _QRS_POINTS, axis=2)[strip, :, first]
    at = first[:, None] + np.arange(_QRS_POINTS)
    # a sample speaks for half a point on either side
    share = np.minimum(at + 0.5, offset[:, None]) - np.maximum(at - 0.5, onset[:, None])
    weight = np.clip(share, 0, 1).astype(np.float32)
    return np.asarray(((near - base[:, :, None]) * weight[:, None, :]).sum(axis=2))


def _index(at: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return whole points, 0 for NaN."""
    return np.where(np.isnan(at), 0, at).astype(np.int64)
