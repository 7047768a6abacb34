"""Reads the boundaries of waves off the model's answers, for many beats at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ml.tasks.wave_strips import GRID_RATE, STEP_POINTS, Strips
from signals.ecg.waves import Wave

Floats = NDArray[np.float32]

STEP_RATE = GRID_RATE / STEP_POINTS
P_REACH_S = 0.45
T_REACH_S = 0.80
_QRS_REACH_S = 0.20
_PEAK_REACH_S = 0.06
_AFTER_BEAT_S = 0.10
_LEAST_S = {"P": 0.024, "QRS": 0.024, "T": 0.040}
_MOST_LOGIT = np.float32(6.0)
_LEAST_LOGITS = (np.float32(-2.0), -_MOST_LOGIT, -_MOST_LOGIT)
"""How much a lead counts at most against a P, QRS or T: P waves are often seen in few leads."""
_OF_ALL = np.float32(0.35)
"""How much of the consensus goes into what is read off a single lead: a P or T that is hardly seen
in it is found, and its ends stay its own. Chosen on the leads of ludb, cross-validated: 0.2 misses
more P waves, 0.5 makes T boundaries worse."""
_USUAL_QRS = np.float32(5.0)
_NEVER = np.float32(-1e3)


class Answers(NamedTuple):
    """What the model says of some strips.

    Parameters
    ----------
    logits : numpy.ndarray, shape (3, strips, leads + 1, steps), float32
        Of P, QRS and T at each step, lead by lead and then the mean of the leads.
    level : numpy.ndarray, shape (strips, leads, steps), float32
        The signal at the steps.
    """

    logits: Floats
    level: Floats


class Points(NamedTuple):
    """Boundaries as steps from the R peak, NaN where there is none.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, leads + 1, 8), float32
        Each :class:`signals.ecg.waves.Wave` of each lead and then of all of them.
    p_logit : numpy.ndarray, shape (n, leads + 1), float32
        The greatest before the beat.
    """

    points: Floats
    p_logit: Floats


def read_points(
    answers: Answers,
    strip: NDArray[np.int64],
    at: NDArray[np.float64],
    room: NDArray[np.floating],
    silent: NDArray[np.bool_],
) -> Points:
    """Return the points of some beats.

    Parameters
    ----------
    answers : Answers
        Of the model.
    strip : numpy.ndarray, shape (n,)
        The strip of each beat.
    at : numpy.ndarray, shape (n,)
        Its R peak in steps from the strip's first.
    room : numpy.ndarray, shape (n, 2)
        Steps from the beat before and to the beat after.
    silent : numpy.ndarray, shape (n, leads)
        Leads that do not count; they have no points.
    """
    n, leads = len(strip), answers.logits.shape[2]
    points = np.full((n, leads, len(Wave)), np.nan, np.float32)
    near = np.rint(at).astype(np.int64)
    shift = (near - at).astype(np.float32)[:, None]
    room = room[:, :, None].astype(np.float32)

    def window(values: Floats, first: int, last: int) -> Floats:
        return sliding_window_view(values, last - first + 1, axis=2)[strip, :, near + first]

    reach = round(_QRS_REACH_S * STEP_RATE)
    qrs = window(answers.logits[1], -reach, reach)
    middle = round(_PEAK_REACH_S * STEP_RATE)
    core = qrs[:, :, reach - middle : reach + middle + 1].argmax(axis=2) + reach - middle
    onset, offset, top = _extent(qrs, core)
    onset, offset = onset - reach + shift, offset - reach + shift
    there = (top > 0) & (offset - onset >= _LEAST_S["QRS"] * STEP_RATE)
    there &= (onset < -0.1) & (offset > 0.1) & (-onset < room[:, 0]) & (offset < room[:, 1])
    points[:, :, Wave.QRS_ONSET] = np.where(there, onset, np.nan)
    points[:, :, Wave.QRS_OFFSET] = np.where(there, offset, np.nan)
    # a lead whose own QRS cannot be told looks for P and T outside that of the others
    onset = np.where(there, onset, points[:, -1:, Wave.QRS_ONSET])
    offset = np.where(there, offset, points[:, -1:, Wave.QRS_OFFSET])
    onset = np.where(np.isnan(onset), -_USUAL_QRS, onset)
    offset = np.where(np.isnan(offset), _USUAL_QRS, offset)

    before = round(P_REACH_S * STEP_RATE)
    gap = _AFTER_BEAT_S * STEP_RATE
    p_logit = _wave(
        points,
        Wave.P_ONSET,
        window(answers.logits[0], -before, 0),
        -before,
        shift,
        np.maximum(-before, gap - room[:, 0]),
        onset,
        window(answers.level, -before, 0),
        "P",
    )
    after = round(T_REACH_S * STEP_RATE)
    _wave(
        points,
        Wave.T_ONSET,
        window(answers.logits[2], 0, after),
        0,
        shift,
        offset,
        np.minimum(after, room[:, 1] - 0.5 * gap),
        window(answers.level, 0, after),
        "T",
    )
    points[:, :-1][silent] = np.nan
    for column in (Wave.P_ONSET, Wave.T_ONSET):
        wave = points[:, :, column : column + 3]
        wave[:, -1, 1] = _middle(wave[:, :-1, 1], wave[:, -1, 0], wave[:, -1, 2])
    return Points(points, p_logit)


def _wave(
    points: Floats,
    column: int,
    logits: Floats,
    first: int,
    shift: Floats,
    low: Floats,
    high: Floats,
    level: Floats,
    kind: str,
) -> Floats:
    """Put onset, peak and offset of the wave between `low` and `high`; return its logit."""
    steps = np.arange(first, first + logits.shape[2], dtype=np.float32) + shift[:, :, None]
    inside = (steps > low[:, :, None]) & (steps < high[:, :, None])
    kept = np.where(inside, logits, _NEVER)
    core = kept.argmax(axis=2)
    onset, offset, top = _extent(logits, core)
    onset = np.maximum(onset + first + shift, low)
    offset = np.minimum(offset + first + shift, high)
    there = (top > 0) & inside.any(axis=2) & (offset - onset >= _LEAST_S[kind] * STEP_RATE)
    onset, offset = np.where(there, onset, np.nan), np.where(there, offset, np.nan)
    points[:, :, column] = onset
    points[:, :, column + 2] = offset
    points[:, :-1, column + 1] = _summit(level, onset[:, :-1], offset[:, :-1], first, shift)
    return np.where(inside.any(axis=2), top, np.nan).astype(np.float32)


def _extent(logits: Floats, core: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """Return where the logit rises above and falls below zero around `core`, and its top."""
    last = logits.shape[2] - 1
    index = np.arange(last + 1, dtype=np.int16)
    off = logits <= 0
    centre = core[:, :, None].astype(np.int16)
    left = np.where(off & (index <= centre), index, np.int16(0)).max(axis=2).astype(np.int64)
    right = np.where(off & (index >= centre), index, np.int16(last)).min(axis=2).astype(np.int64)
    top = np.take_along_axis(logits, core[:, :, None], 2)[:, :, 0]
    return (
        _crossing(logits, left, 1),
        _crossing(logits, right, -1),
        top,
    )


def _crossing(logits: Floats, at: NDArray[np.int64], side: int) -> Floats:
    """Return where the logit is zero between `at` and its neighbour towards the wave."""
    beside = np.clip(at + side, 0, logits.shape[2] - 1)
    here = np.take_along_axis(logits, at[:, :, None], 2)[:, :, 0]
    there = np.take_along_axis(logits, beside[:, :, None], 2)[:, :, 0]
    rise = np.maximum(there - here, np.float32(1e-6))
    part = np.minimum(np.maximum(-here, 0) / rise, 1)
    return np.asarray(at + side * part, np.float32)


def _summit(level: Floats, onset: Floats, offset: Floats, first: int, shift: Floats) -> Floats:
    """Return where the signal is farthest from the line between the ends of a wave."""
    size = level.shape[2]
    there = np.isfinite(onset)
    begin = np.where(there, onset - first - shift, 0)
    end = np.where(there, offset - first - shift, 0)
    low = np.clip(np.rint(begin).astype(np.int64), 0, size - 1)
    high = np.clip(np.rint(end).astype(np.int64), 0, size - 1)
    start = np.take_along_axis(level, low[:, :, None], 2)
    stop = np.take_along_axis(level, high[:, :, None], 2)
    index = np.arange(size, dtype=np.float32)
    slope = (stop - start) / np.maximum(high - low, 1)[:, :, None].astype(np.float32)
    away = np.abs(level - start - slope * (index - low[:, :, None].astype(np.float32)))
    away[(index <= begin[:, :, None]) | (index >= end[:, :, None])] = -1
    top = away.argmax(axis=2)
    a, b, c = (
        np.take_along_axis(away, np.clip(top + k, 0, size - 1)[:, :, None], 2)[:, :, 0]
        for k in (-1, 0, 1)
    )
    bend = a - 2 * b + c
    inner = (a >= 0) & (c >= 0) & (bend < 0)
    part = np.where(inner, 0.5 * (a - c) / np.where(inner, bend, 1), 0)
    at = top + np.clip(part, -0.5, 0.5) + first + shift
    edge = 0.05 * (offset - onset)
    return np.asarray(np.clip(at, onset + edge, offset - edge), np.float32)


def _middle(peaks: Floats, onset: Floats, offset: Floats) -> Floats:
    """Return the median of the leads' peaks, inside the consensus."""
    count = np.isfinite(peaks).sum(axis=1)
    ordered = np.sort(peaks, axis=1)
    rows = np.arange(len(peaks))
    low, high = np.maximum(count - 1, 0) // 2, np.maximum(count // 2, 0)
    high = np.minimum(high, peaks.shape[1] - 1)
    median = 0.5 * (ordered[rows, low] + ordered[rows, high])
    median = np.where(count > 0, median, 0.5 * (onset + offset))
    edge = 0.05 * (offset - onset)
    return np.asarray(np.clip(median, onset + edge, offset - edge), np.float32)


def combine(logits: Floats, strips: Strips) -> Answers:
    """Return the model's answers with the mean of the voting leads beside them.

    Parameters
    ----------
    logits : numpy.ndarray, shape (strips, leads, steps, 3)
        Of the model.
    strips : Strips
        What it was asked about.
    """
    n, leads, steps, waves = logits.shape
    together = np.empty((waves, n, leads + 1, steps), np.float32)
    voters = strips.votes.sum(axis=1)
    for wave, least in enumerate(_LEAST_LOGITS):
        said, mean = together[wave, :, :-1], together[wave, :, -1]
        np.clip(logits[..., wave], -_MOST_LOGIT, _MOST_LOGIT, out=said)
        (np.maximum(said, least) * strips.votes).sum(axis=1, out=mean)
        mean /= np.maximum(voters, 1)
        said += _OF_ALL * (mean[:, None] - said)
    together[:, :, -1][:, voters == 0] = -_MOST_LOGIT
    level = np.float32(0.5) * (
        strips.level[:, :, ::STEP_POINTS] + strips.level[:, :, 1::STEP_POINTS]
    )
    return Answers(together, level)
