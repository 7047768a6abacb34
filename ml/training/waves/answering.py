"""What the shipped code says of whole recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.tasks.waves import LABELS, TASK, WaveDelineator
from ml.training.evaluation import unpacked
from ml.training.task import Answers
from ml.training.waves.data import BLOCK_S, LEAD_II
from signals.ecg.waves import BeatWaves

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml.bundle import Bundle
    from ml.training.waves.data import Source


def answers_of(source: Source, models: Mapping[str, bytes]) -> Answers:
    """Return the waves of a recording, read alone and together with its other leads.

    Of ludb ``lead II alone``, ``lead II of 12`` and ``consensus of 12``; of qtdb ``lead 0``,
    ``lead 1`` and ``consensus of 2``: shape (beats, 9), seconds, the R peak and, from there, the
    points of each beat as :class:`signals.ecg.waves.BeatWaves` has them. Of mitdb ``p_waves``:
    shape (beats, 2), the sample of the R peak and its :class:`signals.ecg.waves.PWave`. The strips
    of cinc2017 are for learning alone.
    """
    database = source.name.partition("/")[0]
    if database == "cinc2017":
        return Answers()
    bundle = unpacked(TASK, LABELS, models)
    waves = delineate(bundle, source.rate, source.samples, source.peaks)
    if database == "mitdb":
        return Answers(found={"p_waves": np.stack((waves.samples, waves.p_waves), axis=1)})
    leads = dict(enumerate(np.moveaxis(waves.lead_points, 1, 0)))
    found = {f"lead {lead}": _timed(source, waves, points) for lead, points in leads.items()}
    if database == "ludb":
        alone = delineate(bundle, source.rate, source.samples[[LEAD_II]], source.peaks)
        found = {
            "lead II alone": _timed(source, alone, alone.lead_points[:, 0]),
            "lead II of 12": found[f"lead {LEAD_II}"],
        }
    found[f"consensus of {len(leads)}"] = _timed(source, waves, waves.points)
    return Answers(found=found)


def delineate(
    bundle: Bundle, rate: float, samples: NDArray[np.float32], peaks: NDArray[np.int64]
) -> BeatWaves:
    """Return the waves of a recording, fed block by block."""
    delineator = WaveDelineator(bundle, rate, len(samples))
    step = round(BLOCK_S * rate)
    waves = []
    for start in range(0, samples.shape[1], step):
        inside = slice(*np.searchsorted(peaks, (start, start + step)))
        waves.append(delineator.push(samples[:, start : start + step], peaks[inside]))
    return BeatWaves.joined([*waves, delineator.finish()])


def _timed(source: Source, waves: BeatWaves, points: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.column_stack((waves.samples / source.rate, points))
