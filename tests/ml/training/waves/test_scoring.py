"""ml.training.waves.scoring: which marks count, and which lead of two."""

from __future__ import annotations

import numpy as np
import pytest

from ml.training.task import Answers
from ml.training.waves.figures import scores_of
from ml.training.waves.scoring import measured, pooled
from signals.ecg.waves import PWave
from tests.ml.training.waves.recordings import RATE, arrhythmia, marked

POINTS_MS = np.array([-208, -160, -112, -24, 24, 172, 260, 348.0])


def _table(source_peaks: np.ndarray, late_ms: float = 0.0) -> np.ndarray:
    times = source_peaks / RATE
    return np.column_stack((times, np.tile((POINTS_MS + late_ms) / 1e3, (len(times), 1))))


def test_the_marks_of_lead_two_are_found() -> None:
    source = marked("ludb/1", 0)
    found = measured(source, Answers(found={"lead II alone": _table(source.peaks, 4.0)}))
    t_off = found["views"]["lead II alone"]["t_off"]
    assert t_off["errors"] == pytest.approx([4.0] * len(source.peaks), abs=1e-3)
    scores = scores_of({"ludb/1": found})
    assert scores["F1 of marks, ludb"] == 1
    assert scores["marks within 20 ms, ludb"] == 1
    late = measured(source, Answers(found={"lead II alone": _table(source.peaks, 24.0)}))
    assert scores_of({"ludb/1": late})["marks within 20 ms, ludb"] == 0


def test_of_two_leads_the_better_one_counts_point_by_point() -> None:
    source = marked("qtdb/sel30", 0)
    near, far = _table(source.peaks), _table(source.peaks, 40.0)
    far[:, 8], near[:, 8] = near[:, 8].copy(), np.nan  # the better lead has no T end
    answers = Answers(found={"lead 0": far, "lead 1": near, "consensus of 2": far})
    views = measured(source, answers)["views"]
    assert set(views) == {"better lead", "consensus of 2"}
    better = pooled([views["better lead"]])
    assert {point: one["f1"] for point, one in better.items()} == dict.fromkeys(better, 1.0)
    assert max(abs(one["mean"]) for one in better.values()) < 0.01
    assert pooled([views["consensus of 2"]])["p_on"]["mean"] == pytest.approx(40, abs=0.01)


def test_p_waves_are_counted_by_rhythm() -> None:
    source = arrhythmia("mitdb/201")
    codes = np.full(len(source.peaks), PWave.CONDUCTED, np.int64)
    codes[:2] = PWave.NONE, PWave.UNREADABLE
    share = measured(source, Answers(found={"p_waves": np.stack((source.peaks, codes), axis=1)}))
    early = int((source.peaks < 1200).sum())
    assert share["p_waves"] == {
        "sinus": len(source.peaks) - 8,
        "sinus_with_p": len(source.peaks) - 8,
        "fibrillation": early,
        "fibrillation_with_p": early - 2,
    }
    assert scores_of({"mitdb/201": share})["P seen in sinus rhythm"] == 1


def test_strips_that_only_teach_are_not_measured() -> None:
    assert measured(marked("qtdb/sel30", 0), Answers()) == {}
