"""How well waves are read in whole recordings, through the code that ships."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.bundle import Bundle
from ml.decision import Decision
from ml.tasks.waves import LABELS, TASK, WaveDelineator
from ml.training.wave_data import LUDB_LEADS
from signals.ecg.ec57.waves import POINTS, R_PEAK, compare_waves, measured_waves
from signals.ecg.waves import BeatWaves, PWave

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml.training.wave_data import Source
    from signals.ecg.ec57.waves import PointComparison

SCORED = tuple(point for point in POINTS if point != R_PEAK)
"""All but the R peak, which is not found here."""
_BLOCK_S = 60.0
_LEAD_II = LUDB_LEADS.index("ii")

Comparison = dict[str, "PointComparison"]


@dataclass(frozen=True, slots=True)
class PointScore:
    """How one point did over many recordings; milliseconds, ours minus the reference.

    Parameters
    ----------
    matched, missed, extra : int
        Within 150 ms, one to one; extra ones count where the reader marked beats.
    mean, sd : float
        Of all errors.
    mean_of_records, sd_of_records : float
        Means over the recordings of their mean and of their standard deviation.
    """

    matched: int
    missed: int
    extra: int
    mean: float
    sd: float
    mean_of_records: float
    sd_of_records: float

    @property
    def f1(self) -> float:
        """Return the harmonic mean of sensitivity and predictivity."""
        return 2 * self.matched / (2 * self.matched + self.missed + self.extra)


@dataclass(frozen=True, slots=True)
class PShare:
    """Beats in sinus rhythm and in atrial fibrillation, and how many were said to have a P wave."""

    sinus: int
    sinus_with_p: int
    fibrillation: int
    fibrillation_with_p: int


def unpacked(tflite: bytes) -> Bundle:
    """Return a bundle of a model that has no card yet."""
    return Bundle(
        id=f"{TASK}-0.0.0",
        task=TASK,
        version=(0, 0, 0),
        sha256="",
        models={"model": tflite},
        card={},
        decision=Decision(LABELS),
        allow_float=True,
    )


def delineate(
    bundle: Bundle, rate: float, samples: NDArray[np.float32], peaks: NDArray[np.int64]
) -> list[BeatWaves]:
    """Return the waves of a recording, fed block by block."""
    delineator = WaveDelineator(bundle, rate, len(samples))
    step = round(_BLOCK_S * rate)
    waves = []
    for start in range(0, samples.shape[1], step):
        inside = slice(*np.searchsorted(peaks, (start, start + step)))
        waves.append(delineator.push(samples[:, start : start + step], peaks[inside]))
    return [*waves, delineator.finish()]


def test_ludb(bundle: Bundle, source: Source) -> dict[str, Comparison]:
    """Compare lead II with its reader: alone, helped by the others, and the consensus of all."""
    alone = delineate(bundle, source.rate, source.samples[[_LEAD_II]], source.peaks)
    together = delineate(bundle, source.rate, source.samples, source.peaks)
    views = {
        "lead II alone": (alone, [waves.lead_points[:, 0] for waves in alone]),
        "lead II of 12": (together, [waves.lead_points[:, _LEAD_II] for waves in together]),
        "consensus of 12": (together, [waves.points for waves in together]),
    }
    reference = source.marks[_LEAD_II]
    return {name: _compared(source, reference, *view) for name, view in views.items()}


def test_qtdb(bundle: Bundle, source: Source) -> dict[str, Comparison]:
    """Compare both leads with the reader: point by point the better one, and the consensus."""
    waves = delineate(bundle, source.rate, source.samples, source.peaks)
    reference = source.marks[0]
    leads = [
        _compared(source, reference, waves, [part.lead_points[:, lead] for part in waves])
        for lead in range(len(source.samples))
    ]
    best = {
        point: min((lead[point] for lead in leads if point in lead), key=_misfit)
        for point in SCORED
        if any(point in lead for lead in leads)
    }
    consensus = _compared(source, reference, waves, [part.points for part in waves])
    return {"better lead": best, "consensus of 2": consensus}


def test_p_waves(bundle: Bundle, source: Source) -> PShare:
    """Count P waves where there should be one, and where there should be none."""
    waves = delineate(bundle, source.rate, source.samples, source.peaks)
    peaks = np.concatenate([part.samples for part in waves])
    p_waves = np.concatenate([part.p_waves for part in waves])
    there = np.isin(p_waves, (PWave.CONDUCTED, PWave.UNRELATED))
    sinus = np.isin(peaks, source.sinus)
    fibrillates = np.zeros(len(peaks), np.bool_)
    for start, end in source.no_p:
        fibrillates |= (peaks >= start) & (peaks < end)
    return PShare(
        int(sinus.sum()),
        int((sinus & there).sum()),
        int(fibrillates.sum()),
        int((fibrillates & there).sum()),
    )


def _compared(
    source: Source,
    reference: Mapping[str, NDArray[np.float64]],
    waves: Sequence[BeatWaves],
    points: Sequence[NDArray[np.float32]],
) -> Comparison:
    times = np.concatenate([part.samples for part in waves]) / source.rate
    return compare_waves(reference, measured_waves(times, np.concatenate(points)))


def _misfit(compared: PointComparison) -> tuple[int, float]:
    """Return first the tenths of the marks that were missed, then the root of the mean square."""
    marks = len(compared.missed) + len(compared.errors)
    mean = float(np.square(compared.errors).mean()) if len(compared.errors) else np.inf
    return round(10 * len(compared.missed) / max(marks, 1)), mean


def score(compared: Sequence[Comparison]) -> dict[str, PointScore]:
    """Return the score of each point over recordings; points that no reader marked are left out."""
    scores = {}
    for point in SCORED:
        of_records = [record[point] for record in compared if point in record]
        errors = [1e3 * one.errors for one in of_records]
        several = [errs for errs in errors if len(errs) > 1]
        if not several:
            continue
        pooled = np.concatenate(errors)
        scores[point] = PointScore(
            matched=len(pooled),
            missed=sum(len(one.missed) for one in of_records),
            extra=sum(len(one.extra) for one in of_records),
            mean=float(pooled.mean()),
            sd=float(pooled.std()),
            mean_of_records=float(np.mean([errs.mean() for errs in several])),
            sd_of_records=float(np.mean([errs.std() for errs in several])),
        )
    return scores
