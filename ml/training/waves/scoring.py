"""How well waves were read: against the marks of readers, and by what is known of P waves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from ml.training.waves.data import LEAD_II
from signals.ecg.ec57.waves import POINTS, R_PEAK, compare_waves, measured_waves
from signals.ecg.waves import PWave

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ml.training.task import Answers
    from ml.training.waves.data import Source
    from signals.ecg.ec57.waves import PointComparison

SCORED = tuple(point for point in POINTS if point != R_PEAK)
"""All but the R peak, which is not found here."""


class Compared(TypedDict):
    """How one point of one recording compares: errors in ms, ours minus the reader's."""

    errors: list[float]
    missed: int
    extra: int


class PShare(TypedDict):
    """Beats in sinus rhythm and in atrial fibrillation, and how many were said to have a P wave."""

    sinus: int
    sinus_with_p: int
    fibrillation: int
    fibrillation_with_p: int


class PointScore(TypedDict):
    """How one point did over many recordings; milliseconds, ours minus the reference.

    ``matched``, ``missed``, ``extra``: within 150 ms, one to one. ``mean``, ``sd``: of all errors;
    ``mean_of_records``, ``sd_of_records``: means over the recordings of theirs.
    """

    matched: int
    missed: int
    extra: int
    mean: float
    sd: float
    mean_of_records: float
    sd_of_records: float
    f1: float


def measured(source: Source, answers: Answers) -> dict[str, Any]:
    """Return ``p_waves``, or ``views``: by what was compared, then by point.

    Of ludb the marks of lead II count: alone, read with the others, and the consensus of all. Of
    qtdb both leads have the same marks: point by point the better one counts, and the consensus.
    """
    if (p_waves := answers.found.get("p_waves")) is not None:
        return {"p_waves": _p_share(source, *p_waves.T)}
    found = {view: _compared(source, table) for view, table in answers.found.items()}
    leads = [found.pop(view) for view in list(found) if view in ("lead 0", "lead 1")]
    if leads:
        found["better lead"] = {
            point: min((lead[point] for lead in leads if point in lead), key=_misfit)
            for point in SCORED
            if any(point in lead for lead in leads)
        }
    return {"views": found} if found else {}


def _compared(source: Source, table: NDArray[np.float64]) -> dict[str, Compared]:
    reference = source.marks[LEAD_II if source.name.startswith("ludb/") else 0]
    compared = compare_waves(
        reference, measured_waves(table[:, 0], table[:, 1:].astype(np.float32))
    )
    return {point: _as_json(one) for point, one in compared.items() if point != R_PEAK}


def _as_json(one: PointComparison) -> Compared:
    return {
        "errors": (1e3 * one.errors).tolist(),
        "missed": len(one.missed),
        "extra": len(one.extra),
    }


def _misfit(compared: Compared) -> tuple[int, float]:
    """Return first the tenths of the marks that were missed, then the mean square."""
    errors, missed = compared["errors"], compared["missed"]
    mean = float(np.square(errors).mean()) if errors else np.inf
    return round(10 * missed / max(missed + len(errors), 1)), mean


def _p_share(source: Source, peaks: NDArray[np.int64], p_waves: NDArray[np.int64]) -> PShare:
    there = np.isin(p_waves, (PWave.CONDUCTED, PWave.UNRELATED))
    sinus = np.isin(peaks, source.sinus)
    fibrillates = np.zeros(len(peaks), np.bool_)
    for start, end in source.no_p:
        fibrillates |= (peaks >= start) & (peaks < end)
    return {
        "sinus": int(sinus.sum()),
        "sinus_with_p": int((sinus & there).sum()),
        "fibrillation": int(fibrillates.sum()),
        "fibrillation_with_p": int((fibrillates & there).sum()),
    }


def pooled(records: Sequence[Mapping[str, Compared]]) -> dict[str, PointScore]:
    """Return the score of each point over recordings; points that no reader marked are left out."""
    scores: dict[str, PointScore] = {}
    for point in SCORED:
        of_records = [record[point] for record in records if point in record]
        errors = [one["errors"] for one in of_records]
        several = [errs for errs in errors if len(errs) > 1]
        if not several:
            continue
        matched = np.concatenate(errors)
        missed, extra = (sum(one[key] for one in of_records) for key in ("missed", "extra"))
        scores[point] = {
            "matched": len(matched),
            "missed": missed,
            "extra": extra,
            "mean": float(matched.mean()),
            "sd": float(matched.std()),
            "mean_of_records": float(np.mean([np.mean(errs) for errs in several])),
            "sd_of_records": float(np.mean([np.std(errs) for errs in several])),
            "f1": 2 * len(matched) / (2 * len(matched) + missed + extra),
        }
    return scores
