"""What is known of a stretch of one lead, as a row of numbers for the rhythm network.

Intervals say whether the rhythm is regular, at a distance, or early and then late; P waves whether
the atria beat; the samples how alike the beats are, and what is left between them when the usual
beat is taken off. Classes of beats are not asked for: the numbers do not change with the model that
gives them.

Sources of single ideas: S. Sarkar et al., IEEE Trans. Biomed. Eng. 55 (2008) 1219 (the plane of
successive differences of intervals); D. E. Lake and J. R. Moorman, Am. J. Physiol. Heart Circ.
Physiol. 300 (2011) H319 (entropy of short rows of intervals); M. Stridh and L. Sörnmo, IEEE Trans.
Biomed. Eng. 48 (2001) 105 (what is left of the atria when QRS and T are taken off).
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ml.tasks.rhythm_grid import GRID_RATE, Floats
from signals.ecg.waves import PWave, Wave

if TYPE_CHECKING:
    from collections.abc import Sequence

TYPICAL_RR_S = 0.8
_LAGS = (1, 2, 3, 4)
_CORRELATED_LAGS = (1, 2)
_STEPS_OVER = (0.02, 0.05, 0.1, 0.2)
_RR_LEVELS = (0.0, 0.05, 0.1, 0.9, 0.95, 1.0)
_STEP_LEVELS = (0.05, 0.25, 0.75, 0.95)
_EARLY, _NEXT_LATE, _LATE = 0.88, 1.08, 1.2
_PLANE_STEP, _PLANE_CENTRE = 0.05, 0.06
_ALIKE = 0.08
_FEWEST_FOR_ENTROPY = 6
_WIDTHS = (
    ("pr", Wave.P_ONSET, Wave.QRS_ONSET, True),
    ("p_width", Wave.P_ONSET, Wave.P_OFFSET, True),
    ("qrs", Wave.QRS_ONSET, Wave.QRS_OFFSET, True),
    ("qt", Wave.QRS_ONSET, Wave.T_OFFSET, False),
    ("qrs_t", Wave.QRS_OFFSET, Wave.T_PEAK, False),
)
"""Name, from, to, and whether their spread is told besides their median."""
_BANDS_HZ = (0.5, 2.0, 5.0, 15.0, 25.0)
_FEWEST_BEATS = 3
_SHIFT = 4  # points that a beat may be moved by to lie on the others
_BEFORE, _AFTER = 30, 50  # points of a beat's window
_CORE = slice(20, 42)
_QRS, _P, _PQ, _T = slice(22, 40), slice(4, 22), slice(18, 22), slice(44, 80)
_TAKEN_OFF_BEFORE, _TAKEN_OFF_LEAST = 8, 16
_TQ_SHARE, _TQ_FROM, _TQ_UNTIL, _TQ_LEAST, _TQ_LONGEST = 0.6, 50, 7, 12, 250
_ATRIAL_HZ = (3.5, 10.0)
_TINY = 1e-3

_SCALES: dict[str, tuple[float, float]] = {
    "readable": (1, 0.2), "beats": (1.2, 0.63), "n_rr": (0.9, 0.88), "log_rr": (0.053, 0.8),
    "log_shortest": (-0.51, 1.7), "log_longest": (0.29, 0.8), "rr_mean": (1, 0.088),
    "rmssd": (0.11, 0.34), "rr_at_0.0": (0.76, 0.64), "rr_at_0.05": (0.9, 0.49),
    "rr_at_0.1": (0.93, 0.42), "rr_at_0.9": (1.1, 0.27), "rr_at_0.95": (1.1, 0.35),
    "rr_at_1.0": (1.1, 0.56), "steps_over_0.02": (0.55, 0.83), "steps_over_0.05": (0.22, 0.81),
    "steps_over_0.1": (0.095, 0.68), "steps_over_0.2": (0.053, 0.49),
    "step_at_0.05": (-0.078, 0.53), "step_at_0.25": (-0.022, 0.19), "step_at_0.75": (0.02, 0.17),
    "step_at_0.95": (0.076, 0.6), "apart_1": (0.023, 0.19), "apart_1_low": (0.011, 0.068),
    "apart_1_high": (0.044, 0.39), "correlation_1": (0.35, 1.1), "apart_2": (0.032, 0.19),
    "correlation_2": (0.1, 0.8), "apart_3": (0.035, 0.2), "apart_4": (0.036, 0.19),
    "apart_least": (0.02, 0.12), "trend": (0.046, 0.16), "off_trend": (0.0077, 0.062),
    "off_trend_high": (0.045, 0.41), "early_late": (0, 0.1), "n_early_late": (0, 0.8),
    "late": (0, 0.18), "plane_share": (0.35, 0.71), "plane_centre": (0.73, 0.94),
    "turns": (0.47, 0.4), "entropy": (0.18, 1), "p_conducted": (0.7, 0.86),
    "p_none": (0.026, 0.23), "p_unrelated": (0, 0.1), "p_unreadable": (0.23, 0.66),
    "pr": (0.15, 0.063), "pr_spread": (0.0078, 0.016), "pr_far": (0.023, 0.042),
    "p_width": (0.091, 0.052), "p_width_spread": (0.0091, 0.016), "qrs": (0.092, 0.025),
    "qrs_spread": (0.0034, 0.01), "qrs_far": (0.01, 0.028), "qrs_high": (0.1, 0.046),
    "qt": (0.38, 0.093), "qrs_t": (0.21, 0.082), "t_share": (1, 0.2), "qtc": (0.42, 0.075),
    "lone_p": (0, 0.1), "size": (-2.6, 1.8), "band_0.5": (0.29, 0.56), "band_2": (0.23, 0.2),
    "band_5": (0.32, 0.38), "band_15": (0.093, 0.16), "qrs_size": (-0.27, 1.6),
    "qrs_alike": (0.97, 0.057), "qrs_alike_low": (0.92, 0.33), "p_alike": (0.85, 0.58),
    "p_alike_low": (0.19, 1.5), "t_alike": (0.95, 0.34), "t_alike_low": (0.7, 1.1),
    "p_size": (0.096, 0.14), "p_clear": (0.36, 2.8), "t_size": (-0.12, 0.6), "rest": (-4.1, 2.2),
    "p_rest": (-5.4, 2.6), "qrs_size_varies": (0.12, 0.44), "p_place": (0.67, 0.72),
    "between": (-4.4, 1.9), "flutter_sharp": (0.32, 0.24),
}  # fmt: skip
"""Centre and spread of each number over the strips of CinC 2017 (development part)."""

FEATURES = tuple(_SCALES)
_CENTRES, _SPREADS = np.array(list(_SCALES.values())).T


class Beats(NamedTuple):
    """The beats of a stretch.

    Parameters
    ----------
    times : numpy.ndarray, shape (n,), float64
        R peaks, s from the start of the stretch.
    rr : numpy.ndarray, shape (n,), float64
        The interval before each, s; NaN where it cannot be read or begins before the stretch.
    points : numpy.ndarray, shape (n, 8), float32
    p_waves : numpy.ndarray, shape (n,), int8
        As :class:`signals.ecg.waves.BeatWaves` gives them.
    n_lone_p : int
        P waves that no QRS follows.
    """

    times: NDArray[np.float64]
    rr: NDArray[np.float64]
    points: Floats
    p_waves: NDArray[np.int8]
    n_lone_p: int

    @property
    def usual_rr(self) -> float:
        """The median interval, s; a typical one where there is none."""
        known = self.rr[np.isfinite(self.rr)]
        return _median(known) if len(known) else TYPICAL_RR_S


def features(level: Floats, beats: Beats, readable: float) -> Floats:
    """Return the numbers that :data:`FEATURES` names, in -1..1.

    Parameters
    ----------
    level : numpy.ndarray, shape (points,), float32
        One lead on the 100-Hz grid, band-passed, mV; at least 2 s.
    beats : Beats
        Those in it.
    readable : float
        Share of its seconds in which the lead can be read.
    """
    seconds = max(readable * len(level) / GRID_RATE, 1.0)
    measured = {
        "readable": readable,
        "beats": len(beats.times) / seconds,
        **_intervals(beats),
        **_waves(beats),
        **_bands(level),
        **_shapes(level, beats.times),
    }
    row = np.array([measured[name] for name in FEATURES])
    limited: Floats = np.tanh((row - _CENTRES) / _SPREADS).astype(np.float32)
    return limited


def _level(ordered: NDArray[np.floating], share: float) -> float:
    """Return the value below which a share of the ordered ones lies; 0 where there are none."""
    return float(ordered[round(share * (len(ordered) - 1))]) if len(ordered) else 0.0


def _median(values: NDArray[np.floating]) -> float:
    return _level(np.sort(values), 0.5)


def _share(true: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(true)) / len(true) if len(true) else 0.0


def _intervals(beats: Beats) -> dict[str, float]:
    rr = beats.rr[np.isfinite(beats.rr)]
    usual = beats.usual_rr
    x = rr / usual
    n = len(x)
    ordered = np.sort(x) if n else np.ones(1)
    steps = np.diff(x)
    ordered_steps = np.sort(steps)
    log_rr = float(np.log2(usual / TYPICAL_RR_S))
    near = _smooth(x)
    off_trend = np.sort(np.abs(x - near))
    early_late = (x[:-1] < _EARLY) & (x[1:] > _NEXT_LATE)
    return {
        "n_rr": n / 40,
        "log_rr": log_rr,
        "log_shortest": log_rr + float(np.log2(ordered[0])),
        "log_longest": log_rr + float(np.log2(ordered[-1])),
        "rr_mean": float(x.mean()) if n else 1.0,
        "rmssd": float(np.sqrt(np.square(steps).mean())) if n > 1 else 0.0,
        **{f"rr_at_{share}": _level(ordered, share) for share in _RR_LEVELS},
        **{f"steps_over_{size}": _share(np.abs(steps) > size) for size in _STEPS_OVER},
        **{f"step_at_{share}": _level(ordered_steps, share) for share in _STEP_LEVELS},
        "trend": float(near.std()) if n else 0.0,
        "off_trend": _level(off_trend, 0.5),
        "off_trend_high": _level(off_trend, 0.9),
        "early_late": _share(early_late),
        "n_early_late": np.count_nonzero(early_late) / 5,
        "late": _share(x > _LATE),
        **_at_lags(x),
        **_plane(steps),
        "entropy": _entropy(x),
    }


def _smooth(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each number and its two neighbours on either side."""
    if not len(x):
        return x
    padded = np.concatenate((x[:1], x[:1], x, x[-1:], x[-1:]))
    middle: NDArray[np.float64] = np.sort(sliding_window_view(padded, 5), axis=1)[:, 2]
    return middle


def _at_lags(x: NDArray[np.float64]) -> dict[str, float]:
    out = {}
    away = x - x.mean() if len(x) else x
    power = max(float(np.square(away).sum()), 1e-6)
    for lag in _LAGS:
        apart = np.sort(np.abs(x[lag:] - x[:-lag]))
        out[f"apart_{lag}"] = _level(apart, 0.5)
        if lag == 1:
            out["apart_1_low"], out["apart_1_high"] = _level(apart, 0.25), _level(apart, 0.75)
        if lag in _CORRELATED_LAGS:
            known = len(x) > lag + 3
            together = float((away[lag:] * away[:-lag]).sum()) / power if known else 0.0
            out[f"correlation_{lag}"] = together
    out["apart_least"] = min(out[f"apart_{lag}"] for lag in _LAGS)
    return out


def _plane(steps: NDArray[np.float64]) -> dict[str, float]:
    one, other = steps[1:], steps[:-1]
    n = len(one)
    if not n:
        return {"plane_share": 0.0, "plane_centre": 0.0, "turns": 0.0}
    cells = np.clip(np.rint(steps / _PLANE_STEP), -8, 8).astype(np.int64) + 8
    return {
        "plane_share": len(np.unique(cells[1:] * 17 + cells[:-1])) / n,
        "plane_centre": _share((np.abs(one) < _PLANE_CENTRE) & (np.abs(other) < _PLANE_CENTRE)),
        "turns": _share(one * other < 0),
    }


def _entropy(x: NDArray[np.float64]) -> float:
    """Return the sample entropy: how little one interval says of the next."""
    n = len(x)
    if n < _FEWEST_FOR_ENTROPY:
        return 0.0
    alike = np.abs(x[:, None] - x) < _ALIKE
    with_itself = n - 1
    singles = np.count_nonzero(alike[:-1, :-1]) - with_itself
    pairs = np.count_nonzero(alike[:-1, :-1] & alike[1:, 1:]) - with_itself
    return float(-np.log((pairs + 0.5) / (singles + 1)))


def _waves(beats: Beats) -> dict[str, float]:
    n = max(len(beats.times), 1)
    out = {
        f"p_{kind.name.lower()}": float(np.count_nonzero(beats.p_waves == kind)) / n
        for kind in PWave
    }
    for name, first, last, more in _WIDTHS:
        width = beats.points[:, last] - beats.points[:, first]
        ordered = np.sort(width[np.isfinite(width)])
        out[name] = _level(ordered, 0.5)
        if more:
            from_middle = np.sort(np.abs(ordered - out[name]))
            out[f"{name}_spread"] = _level(from_middle, 0.5)
            out[f"{name}_far"] = _level(from_middle, 0.9)
            out[f"{name}_high"] = _level(ordered, 0.9)
    out["t_share"] = _share(np.isfinite(beats.points[:, Wave.T_PEAK]))
    out["qtc"] = out["qt"] / math.sqrt(max(beats.usual_rr, 0.3))
    out["lone_p"] = beats.n_lone_p / n
    return out


def _spectrum(row: NDArray[np.floating]) -> NDArray[np.floating]:
    found = np.fft.rfft(row)
    power: NDArray[np.floating] = found.real**2 + found.imag**2
    return power


def _bands(level: Floats) -> dict[str, float]:
    power = _spectrum(level)
    edges = _edges(len(level), _BANDS_HZ)
    shares = np.add.reduceat(power, edges)[:-1] / (power[edges[0] :].sum() + 1e-9)
    return {
        "size": float(np.log2(np.sqrt(np.square(level).mean()) + _TINY)),
        **{f"band_{low:g}": share for low, share in zip(_BANDS_HZ, shares.tolist(), strict=False)},
    }


_OF_SHAPES = (
    "qrs_size", "qrs_size_varies", "qrs_alike", "qrs_alike_low", "p_alike", "p_alike_low",
    "t_alike", "t_alike_low", "p_size", "p_clear", "p_place", "t_size", "rest", "p_rest",
    "between", "flutter_sharp",
)  # fmt: skip


def _shapes(level: Floats, times: NDArray[np.float64]) -> dict[str, float]:
    peaks = np.rint(times * GRID_RATE).astype(np.int64)
    reach = _BEFORE + _SHIFT
    peaks = peaks[(peaks >= reach) & (peaks + _AFTER + _SHIFT <= len(level))]
    if len(peaks) < _FEWEST_BEATS:
        return dict.fromkeys(_OF_SHAPES, 0.0)
    peaks, beats = _aligned(level, peaks)
    usual = _middle(beats)
    size = max(float(usual[_QRS].max() - usual[_QRS].min()), _TINY)
    side = 1.0 if usual[_QRS].max() > -usual[_QRS].min() else -1.0
    heights = beats[:, _QRS].max(axis=1) - beats[:, _QRS].min(axis=1)
    out = {"qrs_size": float(np.log2(size)), "qrs_size_varies": float(heights.std()) / size}
    for name, part in (("qrs", _QRS), ("p", _P), ("t", _T)):
        alike = np.sort(_correlations(beats[:, part], usual[part]))
        out[f"{name}_alike"] = _level(alike, 0.5)
        out[f"{name}_alike_low"] = _level(alike, 0.1)
    rest = beats - usual
    p_rest = _median(rest[:, _P].std(axis=1))
    t = side * (usual[_T] - usual[_PQ].mean()) / size
    return out | {
        "p_size": float(usual[_P].max() - usual[_P].min()) / size,
        "p_clear": float(np.log2((usual[_P].std() + 1e-4) / (p_rest + 1e-4))),
        "p_place": int((side * usual[_P]).argmax()) / (_P.stop - _P.start),
        "t_size": float(t[np.abs(t).argmax()]),
        "rest": float(np.log2(_median(rest.std(axis=1)) / size + _TINY)),
        "p_rest": float(np.log2(p_rest / size + _TINY)),
        **_between(level, peaks, usual, size),
    }


def _aligned(level: Floats, peaks: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats]:
    """Return the peaks, moved to where their QRS lies best on the usual one, and their windows."""
    windows = sliding_window_view(level, _BEFORE + _AFTER)
    length = _CORE.stop - _CORE.start
    near = sliding_window_view(level, length + 2 * _SHIFT)[peaks - _BEFORE + _CORE.start - _SHIFT]
    beats = windows[peaks - _BEFORE]
    for _ in range(2):
        core = _middle(beats)[_CORE]
        fit = np.matmul(sliding_window_view(near, length, axis=1), core - core.mean())
        moved = peaks + fit.argmax(axis=1) - _SHIFT
        beats = windows[moved - _BEFORE]
    return moved, beats


def _middle(rows: Floats) -> Floats:
    """Return the median of each column; the lower one of the two middle ones."""
    middle: Floats = np.sort(rows, axis=0)[(len(rows) - 1) // 2]
    return middle


def _deviations(rows: Sequence[Floats]) -> Floats:
    """Return the standard deviation of each row; all at once, as each by itself takes long."""
    lengths = np.array([len(row) for row in rows])
    begins = np.cumsum(lengths) - lengths
    flat = np.concatenate(rows)
    away = flat - np.repeat(np.add.reduceat(flat, begins) / lengths, lengths)
    found: Floats = np.sqrt(np.add.reduceat(np.square(away), begins) / lengths)
    return found


def _correlations(rows: Floats, usual: Floats) -> Floats:
    rows = rows - rows.mean(axis=1, keepdims=True)
    usual = usual - usual.mean()
    power = np.square(rows).sum(axis=1) * np.square(usual).sum()
    alike: Floats = np.matmul(rows, usual) / np.sqrt(power + np.float32(1e-9))
    return alike


@lru_cache(maxsize=8)
def _taper(n: int) -> NDArray[np.float64]:
    return np.hanning(n)


@lru_cache(maxsize=8)
def _edges(n: int, frequencies: tuple[float, ...]) -> tuple[int, ...]:
    """Return the first of the frequencies of `n` points that is not below each of those asked."""
    at = np.fft.rfftfreq(n, 1 / GRID_RATE)
    return tuple(np.searchsorted(at, frequencies).tolist())


def _between(
    level: Floats, peaks: NDArray[np.int64], usual: Floats, size: float
) -> dict[str, float]:
    """Return what is left when the usual QRS and T are taken off: the atria, and noise."""
    left = level.copy()
    ends = np.minimum(np.append(peaks[1:] - _BEFORE, len(level)), peaks + _AFTER)
    ends = np.maximum(ends, peaks + _TAKEN_OFF_LEAST)
    template = usual[_BEFORE - _TAKEN_OFF_BEFORE :]
    for begin, end in zip((peaks - _TAKEN_OFF_BEFORE).tolist(), ends.tolist(), strict=True):
        left[begin:end] -= template[: end - begin]
    noise = []
    for one, other in pairwise(peaks.tolist()):
        begin = one + int(min(_TQ_SHARE * (other - one), _TQ_FROM))
        end = other - _TQ_UNTIL
        if end - begin >= _TQ_LEAST and other - one < _TQ_LONGEST:
            noise.append(left[begin:end])
    power = _spectrum(left * _taper(len(left)))
    atrial = power[slice(*_edges(len(left), _ATRIAL_HZ))]
    within_1_hz = np.ones(max(1, len(left) // round(GRID_RATE)))
    together = np.convolve(atrial, within_1_hz, "same")
    return {
        "between": float(np.log2(_median(_deviations(noise)) / size + _TINY)) if noise else 0.0,
        "flutter_sharp": float(together.max() / (atrial.sum() + 1e-9)),
    }
