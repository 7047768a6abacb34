"""Strips of a recording with the extent of its waves: what the wave network learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.tasks.wave_strips import GRID_RATE, STRIP_POINTS, WaveStrips
from ml.training.task import Examples

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ml.training.waves.data import Extent, Source

SEGMENTS = ("P", "QRS", "T")
WHOLE = 200
"""What a point that lies in a wave entirely has."""
INSIDE, KNOWN, SINUS = slice(0, 3), slice(3, 6), 6
"""Columns of the targets of each point: how much of it lies in a P, QRS, T, from 0 to WHOLE;
whether that was marked; whether it is the middle of where a P wave is known to be, somewhere."""
P_MIDDLE_S = 0.18
"""Around where a P wave that conducts is to be expected, seconds before the R peak."""

_BREAK_S = 2.0
_MOST_LEVEL = 30.0
_MOST_STRIPS = {"cinc2017": 2, "mitdb": 20}


def examples_of(source: Source) -> Examples:
    """Return the strips of a recording that know something, each with a stretch of noise.

    Inputs are ``level`` and ``marks`` as of :class:`ml.tasks.wave_strips.Strips`, and ``noise``;
    targets have shape (n, STRIP_POINTS, 7), uint8: INSIDE, KNOWN and SINUS.
    """
    strips = WaveStrips(source.rate, len(source.samples))
    strips.push(source.samples, source.peaks)
    strips.finish()
    to_grid = strips.grid_rate / source.rate
    parts = []
    while (cut := strips.take()) is not None:
        for row, first in enumerate(cut.first.tolist()):
            for lead, waves in enumerate(source.waves):
                if not cut.votes[row, lead].any():
                    continue
                targets = _targets(waves, source, to_grid, first)
                if targets[:, KNOWN].any() or targets[:, SINUS].any():
                    parts.append((cut.level[row, lead], cut.marks[row], targets))
    most = _MOST_STRIPS.get(source.name.partition("/")[0], len(parts))
    if len(parts) > most:
        step = len(parts) / most
        parts = [parts[int((i + 0.5) * step)] for i in range(most)]
    n = len(parts)
    level, marks, noise = np.zeros((3, n, STRIP_POINTS), np.float16)
    targets = np.zeros((n, STRIP_POINTS, 7), np.uint8)
    rng = np.random.default_rng(list(source.name.encode()))
    for i, part in enumerate(parts):
        level[i] = np.clip(part[0], -_MOST_LEVEL, _MOST_LEVEL)
        marks[i], targets[i] = part[1:]
        start = rng.integers(0, source.noise.shape[1] - STRIP_POINTS + 1)
        noise[i] = source.noise[rng.integers(len(source.noise)), start : start + STRIP_POINTS]
    inputs = {"level": level, "marks": marks, "noise": noise}
    return Examples(inputs, targets, np.full(n, source.name))


def _targets(
    waves: Sequence[Extent], source: Source, to_grid: float, first: int
) -> NDArray[np.uint8]:
    at = np.arange(STRIP_POINTS)
    inside = np.zeros((STRIP_POINTS, len(SEGMENTS)))
    known = np.zeros((STRIP_POINTS, len(SEGMENTS)), np.bool_)
    for start, end in source.no_p:
        known[:, 0] |= (at + first >= start * to_grid) & (at + first < end * to_grid)
    for run in _runs(waves, source.rate):
        edges = [edge for wave in run for edge in (wave.onset, wave.peak, wave.offset)]
        low, high = np.nanmin(edges) * to_grid - first, np.nanmax(edges) * to_grid - first
        known[(at > low - 1) & (at < high + 1)] = True
    for wave in waves:
        onset, peak, offset = (
            edge * to_grid - first for edge in (wave.onset, wave.peak, wave.offset)
        )
        if offset < -STRIP_POINTS or peak > 2 * STRIP_POINTS:
            continue
        if np.isnan(onset):
            # from the QRS to a T peak nothing is known of the T where its onset was not marked
            before = (at < peak) & (at > peak - 0.4 * GRID_RATE)
            known[before, wave.kind] = False
            onset = peak
        cover = np.minimum(at + 0.5, offset) - np.maximum(at - 0.5, onset)
        inside[:, wave.kind] = np.maximum(inside[:, wave.kind], np.clip(cover, 0, 1))
    targets = np.zeros((STRIP_POINTS, 7), np.uint8)
    targets[:, INSIDE] = np.rint(WHOLE * inside)
    targets[:, KNOWN] = known
    middles = np.array(source.sinus, np.float64) * to_grid - P_MIDDLE_S * GRID_RATE - first
    index = np.rint(middles).astype(np.int64)
    targets[index[(index >= 0) & (index < STRIP_POINTS)], SINUS] = 1
    return targets


def _runs(waves: Sequence[Extent], rate: float) -> Iterator[list[Extent]]:
    """Split where a reader left beats out: more than two seconds without a QRS."""
    run: list[Extent] = []
    last = -np.inf
    for wave in waves:
        if run and wave.peak - last > _BREAK_S * rate:
            yield run
            run = []
        run.append(wave)
        last = wave.peak
    if run:
        yield run
