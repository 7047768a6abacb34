"""Decides whether a P wave is before a beat and belongs to it, and finds those without QRS."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ml.tasks.wave_points import P_REACH_S, STEP_RATE
from ml.tasks.wave_strips import MARGIN_POINTS
from signals.ecg.waves import PWave, Wave

Floats = NDArray[np.float32]

NEIGHBOURS = 8
"""Beats on either side that a decision looks at."""
SURELY_NONE = np.float32(-1.0)
"""Between this logit and that of a P wave it is not decided."""
_LEAST_P_BEATS = 5
_UNSTEADY_S = 0.035
_STEADY_RR = 0.08
_SHORTER_S = 0.08
_LEAST_RR_S = 0.35

_LONE_LOGIT = np.float32(2.0)
_LONE_WIDTH_S = (0.04, 0.20)
_LONE_LEAST_RR_S = 0.9
_LONE_AFTER_R_S = 0.40
_LONE_BEFORE_S = 0.25
LONE_WAIT_S = 0.6
"""How long no QRS is to follow a P wave for it to be without one."""
_LEAST_P_SHARE = 0.5


class Candidates(NamedTuple):
    """Waves that look like P, wherever they are; seconds of the recording."""

    onset: NDArray[np.float64]
    peak: NDArray[np.float64]
    offset: NDArray[np.float64]


def decide(
    points: Floats, p_logit: Floats, unreadable: NDArray[np.bool_], rr: NDArray[np.float64]
) -> NDArray[np.int8]:
    """Return a :class:`signals.ecg.waves.PWave` for each beat.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 8)
        Consensus, seconds from the R peak.
    p_logit : numpy.ndarray, shape (n,)
        How sure the model is of a P wave before the beat; NaN where there was no room for one.
    unreadable : numpy.ndarray, shape (n,)
        Where no lead could be read before the beat.
    rr : numpy.ndarray, shape (n,)
        Seconds from the beat before, NaN where there is none.
    """
    if not len(points):
        return np.zeros(0, np.int8)
    there = np.isfinite(points[:, Wave.P_ONSET])
    pr = np.where(there, points[:, Wave.QRS_ONSET] - points[:, Wave.P_ONSET], np.nan)
    near = _windows(pr)
    count = np.isfinite(near).sum(axis=1)
    middle = _median(near)
    spread = _median(np.abs(near - middle[:, None]))
    near_rr = _windows(rr)
    middle_rr = _median(near_rr)
    rr_spread = _median(np.abs(near_rr - middle_rr[:, None]))
    # a PR that lengthens until a beat is dropped makes the RR unsteady; dissociation leaves it be
    loose = (count >= _LEAST_P_BEATS) & (spread > _UNSTEADY_S)
    loose &= rr_spread < _STEADY_RR * middle_rr
    # too short to have been conducted
    loose |= (count >= _LEAST_P_BEATS) & (middle - pr > _SHORTER_S)
    undecided = unreadable | np.isnan(p_logit) | (p_logit > SURELY_NONE) | (rr < _LEAST_RR_S)
    decided = np.where(undecided, PWave.UNREADABLE, PWave.NONE)
    decided = np.where(there, np.where(loose, PWave.UNRELATED, PWave.CONDUCTED), decided)
    return np.where(unreadable, PWave.UNREADABLE, decided).astype(np.int8)


def candidates(logits: Floats, first: NDArray[np.int64], core: int, grid_rate: float) -> Candidates:
    """Return what looks like a P wave in the cores of some strips.

    Parameters
    ----------
    logits : numpy.ndarray, shape (strips, steps)
        Of P in the consensus.
    first : numpy.ndarray, shape (strips,)
        Grid index of each strip's first point.
    core : int
        Grid points that each strip speaks for.
    grid_rate : float
        Hz.
    """
    steps = logits.shape[1]
    padded = np.full((len(logits), steps + 2), -1, np.float32)
    padded[:, 1:-1] = logits
    over = padded > 0
    row, begin = np.nonzero(over[:, 1:] & ~over[:, :-1])
    end = np.nonzero(over[:, :-1] & ~over[:, 1:])[1]
    if not len(row):
        return Candidates(*np.zeros((3, 0)))
    flat = (row[:, None] * (steps + 2) + 1 + np.stack((begin, end), axis=1)).ravel()
    top = np.maximum.reduceat(padded.ravel(), flat)[::2]
    middle = begin + end
    kept = (middle >= MARGIN_POINTS) & (middle < MARGIN_POINTS + core) & (top > _LONE_LOGIT)
    width = (end - begin) / STEP_RATE
    kept &= (width >= _LONE_WIDTH_S[0]) & (width <= _LONE_WIDTH_S[1])
    start = first[row[kept]]
    return Candidates(
        (start + 2 * begin[kept]) / grid_rate,
        (start + middle[kept]) / grid_rate,
        (start + 2 * end[kept]) / grid_rate,
    )


def lone(
    found: Candidates,
    times: NDArray[np.float64],
    points: Floats,
    p_waves: NDArray[np.int8],
    end: float,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the P waves that no QRS follows: peaks in seconds, and the beat that each is before.

    Strict, since each of them makes a blocked beat: where most beats have a P wave, in a long
    interval, clear of the T wave before it and of the P wave that was conducted.

    Parameters
    ----------
    found : Candidates
        In order of time.
    times : numpy.ndarray, shape (n,)
        R peaks, seconds.
    points, p_waves
        Of these beats.
    end : float
        Of what is known, seconds: a P wave close before it may have a QRS beyond.
    """
    after = np.searchsorted(times, found.peak)
    between = (after > 0) & (after <= len(times)) & (len(times) > 0)
    found = Candidates(*(column[between] for column in found))
    after = after[between]
    if not len(after):
        return np.zeros(0), after
    with_p = np.isin(p_waves, (PWave.CONDUCTED, PWave.UNRELATED)).astype(np.float64)
    share = np.nanmean(_windows(with_p), axis=1)
    following = np.append(times, end)[after]
    p_onset = following + np.append(points[:, Wave.P_ONSET], np.nan)[after]
    last = np.where(np.isnan(p_onset), following - P_REACH_S, p_onset - _LONE_BEFORE_S)
    last = np.where(after == len(times), end - LONE_WAIT_S, last)
    before = times[after - 1]
    t_offset = points[after - 1, Wave.T_OFFSET]
    clear = before + np.where(np.isnan(t_offset), _LONE_AFTER_R_S, t_offset)
    kept = (following - before > _LONE_LEAST_RR_S) & (found.onset > clear) & (found.offset < last)
    kept &= share[after - 1] >= _LEAST_P_SHARE
    return found.peak[kept], after[kept]


def _windows(values: NDArray[np.floating]) -> NDArray[np.floating]:
    beyond = np.full(NEIGHBOURS, np.nan)
    return sliding_window_view(np.concatenate((beyond, values, beyond)), 2 * NEIGHBOURS + 1)


def _median(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the lower median of the numbers in each row, NaN where there are none."""
    ordered = np.sort(values, axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    return np.asarray(ordered[np.arange(len(values)), np.maximum(count - 1, 0) // 2])
