"""The shape of NN intervals: their histogram, their Poincaré plot, their scaling and regularity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from signals.ecg._hrv_artifacts import NnSeries

HISTOGRAM_BIN_MS = 1000.0 / 128.0
SHORT_BOXES = tuple(range(4, 17))
LONG_BOXES = (16, 18, 20, 23, 26, 29, 32, 36, 40, 45, 51, 57, 64)
SAMPLE_ENTROPY_TOLERANCE = 0.2
_LEAST_LONGEST_BOXES = 10
_LEAST_TEMPLATES = 100
_LEAST_SPREAD_MS = 1e-6  # less is what rounding leaves of equal intervals


def triangular_index(nn: NDArray[np.float64]) -> float:
    """Return the number of intervals over the height of their histogram (bins of 7.8125 ms)."""
    return len(nn) / float(_histogram(nn).max())


def tinn(nn: NDArray[np.float64]) -> float:
    """Return the base of the triangle that fits the histogram best, ms.

    Its apex is the highest bin (of equals the first); its feet are the bins N before and M after
    it, where it is 0, that leave the least sum of squares over the whole histogram. The two sides
    do not touch, so each foot is found alone.
    """
    counts = _histogram(nn).astype(np.float64)
    apex = int(np.argmax(counts))
    width = _best_side(counts[: apex + 1][::-1]) + _best_side(counts[apex:])
    return width * HISTOGRAM_BIN_MS


def _histogram(nn: NDArray[np.float64]) -> NDArray[np.int64]:
    bins = np.floor(nn / HISTOGRAM_BIN_MS).astype(np.int64)
    return np.bincount(bins - bins.min())


def _best_side(counts: NDArray[np.float64]) -> int:
    """Return how many bins from the apex, ``counts[0]``, the side's foot lies, at least 1."""
    place = np.arange(len(counts) + 1)
    feet = np.arange(1, len(counts) + 1)[:, np.newaxis]
    side = counts[0] * np.maximum(0.0, 1.0 - place / feet)
    errors = ((side - np.append(counts, 0.0)) ** 2).sum(axis=1)
    return 1 + int(np.argmin(errors))


def poincare(series: NnSeries) -> tuple[float, float]:
    """Return SD1 and SD2, ms: how the Poincaré plot spreads across the line of identity, along it.

    Of the pairs of successive intervals (M. Brennan et al., IEEE Trans. Biomed. Eng. 48 (2001)
    1342).

    Parameters
    ----------
    series : NnSeries
        With two successive pairs or more.
    """
    second = series.nn[1:][series.follows[1:]]
    first = series.nn[:-1][series.follows[1:]]
    return (
        float(np.std(second - first, ddof=1) / np.sqrt(2.0)),
        float(np.std(second + first, ddof=1) / np.sqrt(2.0)),
    )


def scaling_exponent(series: NnSeries, boxes: tuple[int, ...]) -> float | None:
    """Return the exponent of the detrended fluctuation analysis over boxes of the given sizes.

    C.-K. Peng et al., Chaos 5 (1995) 82. The sum of the intervals is cut into boxes side by side;
    a line is fitted in each; F(n) is the root mean square of what is left over all boxes of n
    intervals, and the exponent the slope of log F over log n. A box lies within one stretch of
    successive intervals, and only stretches that hold the longest box are taken, so that every
    size sees the same beats. (The line takes up each stretch's mean and start.)

    Returns
    -------
    float or None
        None if there are fewer than ten of the longest boxes, or nothing fluctuates.
    """
    starts = np.flatnonzero(~series.follows)
    lengths = np.diff(np.append(starts, len(series)))
    long_enough = lengths >= boxes[-1]
    starts, lengths = starts[long_enough], lengths[long_enough]
    if int((lengths // boxes[-1]).sum()) < _LEAST_LONGEST_BOXES:
        return None
    profile = np.cumsum(series.nn - series.nn.mean())
    fluctuation = np.array([_fluctuation(profile, starts, lengths // n, n) for n in boxes])
    if not (fluctuation > 0).all():
        return None
    return float(np.polyfit(np.log(boxes), np.log(fluctuation), 1)[0])


def _fluctuation(
    profile: NDArray[np.float64], starts: NDArray[np.int64], counts: NDArray[np.int64], n: int
) -> float:
    nth = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    first = np.repeat(starts, counts) + nth * n
    boxes = profile[first[:, np.newaxis] + np.arange(n)]
    boxes -= boxes.mean(axis=1, keepdims=True)
    line = np.arange(n) - (n - 1) / 2.0
    line /= np.sqrt(line @ line)
    rest = np.einsum("ij,ij->", boxes, boxes) - float(((boxes @ line) ** 2).sum())
    # What rounding leaves of boxes without fluctuation is none.
    return float(np.sqrt(rest / boxes.size)) if rest > 1e-9 * boxes.size else 0.0


def sample_entropy(window: NnSeries) -> float | None:
    """Return the sample entropy of a window, m = 2, r = 0.2 of its SD.

    J. S. Richman, J. R. Moorman, Am. J. Physiol. 278 (2000) H2039: minus the logarithm of the
    share of pairs of templates alike over two intervals (each within r) that are alike over the
    third too. A template is three successive intervals.

    Returns
    -------
    float or None
        None with fewer than 100 templates (the authors ask for 10 to the power of m), no spread,
        or no pair that is alike over three.
    """
    is_template = window.follows[1:-1] & window.follows[2:]
    n_templates = np.count_nonzero(is_template)
    if n_templates < _LEAST_TEMPLATES:
        return None
    spread = float(np.std(window.nn, ddof=1))
    if spread < _LEAST_SPREAD_MS:
        return None
    apart = window.nn[:, np.newaxis] - window.nn
    near = np.abs(apart, out=apart) <= SAMPLE_ENTROPY_TOLERANCE * spread
    two = near[:-2, :-2] & near[1:-1, 1:-1]
    two &= is_template & is_template[:, np.newaxis]
    n_two = np.count_nonzero(two) - n_templates
    n_three = np.count_nonzero(two & near[2:, 2:]) - n_templates
    return float(np.log(n_two / n_three)) if n_three else None
