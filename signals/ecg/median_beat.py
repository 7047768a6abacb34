"""The median beat of a short recording, on which its intervals are measured.

In a recording of seconds single beats are few and noisy; their sample-wise median keeps what they
share. So the waves of a 10-s recording are told by delineating its median beat. A delineator reads
recordings, so the beat is made one::

    beat = median_beat(samples, peaks, classes == BeatClass.N, rate)
    if beat is not None:
        strip, peaks = repeated_beat(beat, rr_s, rate, repeats=11)
        ...                              # delineate `strip` at `peaks`
        middle = waves.parted(5)[1].parted(1)[0]
        measure_median_beat(middle, rr_s, beat.n_beats, labels, duration_s)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from signals.ecg._medians import known_median

_BEFORE_S, _AFTER_S = 0.4, 0.9
_BEFORE_SHARE = 0.45
_QRS_S = 0.1
_FARTHEST_S = 0.02
_ROUNDS = 3
_EDGE = 3
_USUAL_RR_S = 0.8

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MedianBeat:
    """What the beats of a recording share.

    Parameters
    ----------
    samples : numpy.ndarray, shape (leads, m), float32
        mV; NaN in a lead where no beat could be read.
    r_index : int
        The sample that the R peaks lie on.
    n_beats : int
        Beats that it was made of.
    """

    samples: NDArray[np.float32]
    r_index: int
    n_beats: int


def median_beat(
    samples: NDArray[np.float32],
    peaks: NDArray[np.int64],
    keep: NDArray[np.bool_],
    rate: float,
) -> MedianBeat | None:
    """Return the sample-wise median of aligned beats, None where no beat lies whole in the samples.

    It spans one usual RR interval at most, up to 0.4 s before the R peak and 0.9 s after it. The
    beats are shifted upon it, by fractions of a sample and at most 20 ms, so that their QRS
    complexes fit best in all leads together; and of each its baseline's offset and slope against
    it are taken off, lead by lead.

    Parameters
    ----------
    samples : numpy.ndarray, shape (leads, n)
        A short recording, mV, NaN where missing.
    peaks : numpy.ndarray, shape (k,)
        All R peaks, ascending.
    keep : numpy.ndarray, shape (k,)
        Which beats take part: those of one shape.
    rate : float
        Hz.
    """
    rr = float(np.median(np.diff(peaks))) if len(peaks) > 1 else _USUAL_RR_S * rate
    before = int(min(_BEFORE_S * rate, _BEFORE_SHARE * rr))
    after = int(min(_AFTER_S * rate, rr - before - 1))
    at = peaks[keep].astype(np.float64)
    at = at[(at >= before) & (at + after < samples.shape[1])]
    if not len(at):
        return None
    offsets = np.arange(-before, after + 1)
    reach = round(_QRS_S * rate)
    qrs = slice(max(before - reach, 0), before + reach + 1)
    shifts = np.zeros(len(at))
    for _ in range(_ROUNDS):
        beats = _cut(samples, (at + shifts)[:, None] + offsets)
        beats -= _baseline(beats - known_median(beats, axis=0))
        shared = known_median(beats, axis=0)
        shifts += _lag(beats[:, :, qrs], shared[:, qrs])
        shifts = np.clip(shifts - np.median(shifts), -_FARTHEST_S * rate, _FARTHEST_S * rate)
    beats = _cut(samples, (at + shifts)[:, None] + offsets)
    beats -= _baseline(beats - known_median(beats, axis=0))
    return MedianBeat(known_median(beats, axis=0).astype(np.float32), before, len(at))


def repeated_beat(
    beat: MedianBeat, rr_s: float, rate: float, repeats: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return a recording in which a beat comes again and again, and its R peaks.

    Parameters
    ----------
    beat : MedianBeat
        What is repeated. From its end to its next beginning the signal goes straight.
    rr_s : float
        How often, s; no less than the beat is long.
    rate : float
        Hz.
    repeats : int
        How many times.

    Returns
    -------
    samples : numpy.ndarray, shape (leads, repeats * rr), float32
        mV.
    peaks : numpy.ndarray, shape (repeats,), int64
    """
    length = beat.samples.shape[1]
    period = max(round(rr_s * rate), length)
    way = np.linspace(0, 1, period - length + 2)[1:-1]
    first, last = beat.samples[:, :1], beat.samples[:, -1:]
    once = np.concatenate((beat.samples, last + (first - last) * way), axis=1)
    peaks = beat.r_index + period * np.arange(repeats, dtype=np.int64)
    return np.tile(once, (1, repeats)).astype(np.float32), peaks


def _cut(samples: NDArray[np.float32], at: Floats) -> Floats:
    """Return samples at fractional places, shape (beats, leads, points), NaN near missing ones."""
    beats = np.empty((len(at), len(samples), at.shape[1]))
    for lead, row in enumerate(samples):
        missing = ~np.isfinite(row)
        beats[:, lead] = map_coordinates(
            np.where(missing, 0, row).astype(np.float64), [at], order=3, mode="nearest"
        )
        if missing.any():
            near = np.convolve(missing, np.ones(2 * _EDGE + 1), "same") > 0
            beats[:, lead][near[np.rint(at).astype(np.int64).clip(0, len(row) - 1)]] = np.nan
    return beats


def _baseline(rest: Floats) -> Floats:
    """Return the straight line through each beat and lead of `rest`, by least squares."""
    known = np.isfinite(rest)
    filled = np.where(known, rest, 0)
    n = np.maximum(known.sum(axis=2, keepdims=True), 1)
    time = (
        np.arange(rest.shape[2]) - (known * np.arange(rest.shape[2])).sum(axis=2, keepdims=True) / n
    )
    level = filled.sum(axis=2, keepdims=True) / n
    scatter = (known * time**2).sum(axis=2, keepdims=True)
    slope = (filled * time).sum(axis=2, keepdims=True) / np.maximum(scatter, 1)
    return np.asarray(level + slope * time)


def _lag(beats: Floats, shared: Floats) -> Floats:
    """Return by how many samples each beat lies behind `shared`: one Gauss-Newton step."""
    slope = np.gradient(shared, axis=1)
    rest = beats - shared
    known = np.isfinite(rest) & np.isfinite(slope)
    size = np.where(known, slope**2, 0).sum(axis=(1, 2))
    lag = -np.where(known, rest * slope, 0).sum(axis=(1, 2))
    return np.asarray(lag / np.maximum(size, 1e-12))
