"""Ten seconds of beats with all their waves marked, as a recording of any of the databases."""

from __future__ import annotations

import numpy as np

from ml.tasks.wave_strips import STRIP_POINTS
from ml.training.waves.data import Extent, Source
from signals.ecg.ec57.waves import annotated_waves

RATE = 250.0


def noise() -> np.ndarray:
    """Return two channels of noise."""
    return np.random.default_rng(0).standard_normal((2, 4 * STRIP_POINTS)).astype(np.float32)


def marked(name: str, seed: int) -> Source:
    """Return a recording of ludb or qtdb."""
    rng = np.random.default_rng(seed)
    peaks = np.arange(200, 2400, 180 + seed)
    at = np.arange(2500)
    lead = 0.005 * rng.standard_normal(2500)
    extents, marks = [], []
    for peak in peaks.tolist():
        for kind, symbol, offset, size, width in (
            (0, "p", -40, 0.15, 6),
            (1, "N", 0, 1.0, 3),
            (2, "t", 65, 0.3, 11),
        ):
            lead += size * np.exp(-0.5 * np.square((at - peak - offset) / width))
            middle = peak + offset
            edges = middle - 2 * width, middle, middle + 2 * width
            extents.append(Extent(kind, *map(float, edges)))
            marks += [(tick, mark, "") for tick, mark in zip(edges, f"({symbol})", strict=True)]
    n = 12 if name.startswith("ludb") else 2
    samples = np.tile(lead, (n, 1)).astype(np.float32)
    reference = (annotated_waves(marks, RATE),) * n
    return Source(name, RATE, samples, peaks, (tuple(extents),) * n, noise(), reference)


def arrhythmia(name: str) -> Source:
    """Return a recording of mitdb: fibrillation, so it is said, then sinus rhythm."""
    beats = marked("qtdb/sel30", 0)
    return Source(
        name,
        RATE,
        beats.samples,
        beats.peaks,
        ((), ()),
        noise(),
        no_p=((0, 1200),),
        sinus=tuple(beats.peaks[8:].tolist()),
    )
