"""Heart-rate variability by the definitions of the HRV Task Force.

Task Force of the European Society of Cardiology and the North American Society of Pacing and
Electrophysiology, "Heart rate variability: standards of measurement, physiological interpretation,
and clinical use", Circulation 93 (1996) 1043.

**NN intervals.** An interval is NN if both its beats are normal, nothing between them could not be
read, and it lasts 0.2 to 3 s. What is not NN is left out and never bridged: differences, Poincaré
pairs, boxes and templates lie within stretches of successive NN intervals, and the spectrum is
taken of what is there. What remains is corrected for beats missed, beats too many and beats out of
place (:mod:`signals.ecg._hrv_artifacts`).

**Windows.** Windows of 5 min are laid from the first beat on, an interval belongs to the one that
it ends in, and a window is used if NN intervals as measured fill at least 80 % of it. Spectrum and
sample entropy are those of the windows, and of a recording the median over its windows (which for a
recording of 5 min is the one window's).

**Not measurable** is an index where the NN share is under 80 % or there is less than it asks for:

- RMSSD, SDSD, pNN50, pNN20, SD1, SD2, SD1/SD2: 60 s of NN intervals;
- SDNN: 240 s, the least that fills a window;
- the windows' indices: one window;
- triangular index, TINN: 20 min of NN intervals;
- SDANN, SDNN index, ULF: 18 h of NN intervals;
- DFA: ten boxes of the longest size, in stretches that hold it.

In atrial fibrillation there is no sinus rhythm to vary: leave its intervals out as not normal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signals.ecg._hrv_artifacts import NnSeries, correct_artifacts
from signals.ecg._hrv_shape import (
    LONG_BOXES,
    SHORT_BOXES,
    poincare,
    sample_entropy,
    scaling_exponent,
    tinn,
    triangular_index,
)
from signals.ecg._hrv_spectrum import DAY_S, band_powers, ulf_power

# By the names of HrvSummary: float or None each.
_Indices: TypeAlias = dict[str, Any]

METHOD = (
    "NN intervals of 0.2 to 3 s, ectopic and unreadable ones left out; artifacts: Lipponen & "
    "Tarvainen 2019; spectrum: Lomb-Scargle of 5-min windows, linear trend removed, no taper, "
    "1/600 Hz apart, median over windows, ULF of 10-s means over each 24 h; DFA: boxes of 4-16 and "
    "16-64 beats; sample entropy: m = 2, r = 0.2 SD, 5-min windows, median"
)
"""How the indices were found, in a line for reports."""

WINDOW_S = 300.0
LEAST_SHARE = 0.8
_SHORTEST_S = 0.2
_LONGEST_S = 3.0
_SUCCESSIVE_WITHIN_S = 0.0005
_DIFFERENCES_FROM_S = 60.0
_HISTOGRAM_FROM_S = 1200.0
_LONG_TERM_FROM_S = 18 * 3600.0
_ROUNDING = 1e-6  # ms, ms²: no more than this is left of intervals that are equal


@dataclass(frozen=True, slots=True)
class RrIntervals:
    """RR intervals in order of time; some may be missing.

    Parameters
    ----------
    ends : numpy.ndarray, shape (n,), float64
        The beat that ends each, s.
    rr : numpy.ndarray, shape (n,), float64
        Length, s.
    normal : numpy.ndarray, shape (n,), bool
        Both beats are normal and nothing between them could not be read.
    """

    ends: NDArray[np.float64]
    rr: NDArray[np.float64]
    normal: NDArray[np.bool_]

    @classmethod
    def between(
        cls, beats: NDArray[np.float64], normal: NDArray[np.bool_], readable: NDArray[np.bool_]
    ) -> Self:
        """Return the intervals between beats.

        Parameters
        ----------
        beats : numpy.ndarray, shape (n,), float64
            When they are, ascending, s.
        normal : numpy.ndarray, shape (n,), bool
            Which are normal (class N).
        readable : numpy.ndarray, shape (max(0, n - 1),), bool
            Between which beats and the next everything could be read.
        """
        return cls(beats[1:], np.diff(beats), normal[1:] & normal[:-1] & readable)


@dataclass(frozen=True, slots=True)
class HrvSummary:
    """The heart-rate variability of a recording; None is not measurable.

    Parameters
    ----------
    nn_share : float or None
        Seconds of NN intervals as measured over those from the first beat to the last, 0 to 1.
        None: there is no interval.
    n_nn : int
        NN intervals, corrected ones among them.
    n_corrected : int
        Artifacts that were corrected.
    n_windows : int
        5-min windows that were used.
    method : str
        :data:`METHOD`.
    mean_nn_ms : float or None
        Mean of the NN intervals.
    sdnn_ms : float or None
        Standard deviation of all NN intervals. Its square is the total power of the recording.
    sdann_ms : float or None
        Standard deviation of the means of the 5-min windows.
    sdnn_index_ms : float or None
        Mean of the standard deviations of the 5-min windows.
    rmssd_ms : float or None
        Root mean square of the differences of successive NN intervals.
    sdsd_ms : float or None
        Standard deviation of these differences.
    pnn50_percent, pnn20_percent : float or None
        How many of these differences are over 50 ms, over 20 ms. (The Task Force divides by the
        number of intervals, of which there is one more in each stretch.)
    triangular_index : float or None
        Number of NN intervals over the height of their histogram, bins of 7.8125 ms.
    tinn_ms : float or None
        Base of the triangle that fits this histogram best by least squares.
    vlf_ms2, lf_ms2, hf_ms2 : float or None
        Power of 0.003-0.04 Hz, 0.04-0.15 Hz, 0.15-0.4 Hz; median over the windows.
    total_power_ms2 : float or None
        Sum of these three in a window; median over the windows.
    ulf_ms2 : float or None
        Power up to 0.003 Hz; mean over the whole days (24 h from the first beat on) with 18 h of NN
        intervals.
    lf_nu, hf_nu : float or None
        LF and HF over LF + HF, percent; median over the windows.
    lf_hf : float or None
        LF over HF; median over the windows.
    sd1_ms, sd2_ms : float or None
        Spread of the Poincaré plot across the line of identity and along it.
    sd1_sd2 : float or None
        Their ratio.
    dfa_alpha1, dfa_alpha2 : float or None
        Exponent of the detrended fluctuation analysis over 4-16 beats and over 16-64 beats, of the
        whole recording.
    sample_entropy : float or None
        m = 2, r = 0.2 of the window's standard deviation; median over the windows.
    """

    nn_share: float | None
    n_nn: int
    n_corrected: int
    n_windows: int
    method: str = METHOD
    mean_nn_ms: float | None = None
    sdnn_ms: float | None = None
    sdann_ms: float | None = None
    sdnn_index_ms: float | None = None
    rmssd_ms: float | None = None
    sdsd_ms: float | None = None
    pnn50_percent: float | None = None
    pnn20_percent: float | None = None
    triangular_index: float | None = None
    tinn_ms: float | None = None
    vlf_ms2: float | None = None
    lf_ms2: float | None = None
    hf_ms2: float | None = None
    total_power_ms2: float | None = None
    ulf_ms2: float | None = None
    lf_nu: float | None = None
    hf_nu: float | None = None
    lf_hf: float | None = None
    sd1_ms: float | None = None
    sd2_ms: float | None = None
    sd1_sd2: float | None = None
    dfa_alpha1: float | None = None
    dfa_alpha2: float | None = None
    sample_entropy: float | None = None


def heart_rate_variability(intervals: RrIntervals) -> HrvSummary:
    """Return the heart-rate variability of a recording.

    Intervals that are no number are left out. The time it takes grows with the number of intervals.
    """
    finite = np.isfinite(intervals.ends) & np.isfinite(intervals.rr)
    ends, rr = intervals.ends[finite], intervals.rr[finite]
    if len(rr) == 0:
        return HrvSummary(None, 0, 0, 0)
    start = float(ends[0] - rr[0])
    span_s = float(ends[-1]) - start

    is_nn = intervals.normal[finite] & (rr >= _SHORTEST_S) & (rr <= _LONGEST_S)
    series, n_corrected = correct_artifacts(_series(ends[is_nn], rr[is_nn]))
    share = min(1.0, _measured_s(series) / span_s) if span_s > 0 else 0.0
    windows = [w for w in _cut(series, start, WINDOW_S) if _measured_s(w) >= LEAST_SHARE * WINDOW_S]
    summary = HrvSummary(share, len(series), n_corrected, len(windows))
    if share < LEAST_SHARE:
        return summary
    return replace(
        summary,
        mean_nn_ms=float(series.nn.mean()),
        **_of_all(series),
        **_of_windows(windows),
        **_long_term(series, windows, start),
    )


def _series(ends: NDArray[np.float64], rr: NDArray[np.float64]) -> NnSeries:
    follows = np.zeros(len(rr), np.bool_)
    follows[1:] = np.abs(ends[1:] - rr[1:] - ends[:-1]) < _SUCCESSIVE_WITHIN_S
    return NnSeries(ends, rr * 1000.0, follows, np.ones(len(rr), np.bool_))


def _nn_s(series: NnSeries) -> float:
    return float(series.nn.sum()) / 1000.0


def _measured_s(series: NnSeries) -> float:
    return float(series.nn[series.measured].sum()) / 1000.0


def _cut(series: NnSeries, start: float, length_s: float) -> list[NnSeries]:
    """Return the parts of a series that end in the same stretch of a length, those with any."""
    stretch = np.floor((series.ends - start) / length_s)
    edges = [0, *(np.flatnonzero(np.diff(stretch)) + 1).tolist(), len(series)]
    return [series[a:b] for a, b in pairwise(edges)]


def _of_all(series: NnSeries) -> _Indices:
    """Return the indices of all NN intervals together."""
    found: _Indices = {}
    nn_s = _nn_s(series)
    differences = series.differences
    if nn_s >= _DIFFERENCES_FROM_S and len(differences) >= 2:
        size = np.abs(differences)
        sd1, sd2 = poincare(series)
        found |= {
            "rmssd_ms": float(np.sqrt(np.mean(differences**2))),
            "sdsd_ms": float(np.std(differences, ddof=1)),
            "pnn50_percent": 100.0 * float(np.mean(size > 50.0)),
            "pnn20_percent": 100.0 * float(np.mean(size > 20.0)),
            "sd1_ms": sd1,
            "sd2_ms": sd2,
            "sd1_sd2": sd1 / sd2 if sd2 > _ROUNDING else None,
        }
    if nn_s >= LEAST_SHARE * WINDOW_S:
        found["sdnn_ms"] = float(np.std(series.nn, ddof=1))
    if nn_s >= _HISTOGRAM_FROM_S:
        found |= {"triangular_index": triangular_index(series.nn), "tinn_ms": tinn(series.nn)}
    return found | {
        "dfa_alpha1": scaling_exponent(series, SHORT_BOXES),
        "dfa_alpha2": scaling_exponent(series, LONG_BOXES),
    }


def _of_windows(windows: list[NnSeries]) -> _Indices:
    """Return the indices that are medians over the windows."""
    if not windows:
        return {}
    powers = np.array([band_powers(w) for w in windows])
    vlf, lf, hf = powers.T
    entropies = [e for e in map(sample_entropy, windows) if e is not None]
    varied = (lf > _ROUNDING) & (hf > _ROUNDING)
    lf_share = 100.0 * lf[varied] / (lf[varied] + hf[varied])
    return {
        "vlf_ms2": _median(vlf),
        "lf_ms2": _median(lf),
        "hf_ms2": _median(hf),
        "total_power_ms2": _median(powers.sum(axis=1)),
        "lf_nu": _median(lf_share),
        "hf_nu": _median(100.0 - lf_share),
        "lf_hf": _median(lf[varied] / hf[varied]),
        "sample_entropy": _median(np.array(entropies)),
    }


def _long_term(series: NnSeries, windows: list[NnSeries], start: float) -> _Indices:
    """Return the indices of a day."""
    if _nn_s(series) < _LONG_TERM_FROM_S or len(windows) < 2:
        return {}
    days = [day for day in _cut(series, start, DAY_S) if _nn_s(day) >= _LONG_TERM_FROM_S]
    return {
        "sdann_ms": float(np.std([w.nn.mean() for w in windows], ddof=1)),
        "sdnn_index_ms": float(np.mean([np.std(w.nn, ddof=1) for w in windows])),
        "ulf_ms2": float(np.mean([ulf_power(day) for day in days])) if days else None,
    }


def _median(values: NDArray[np.float64]) -> float | None:
    return float(np.median(values)) if len(values) else None
