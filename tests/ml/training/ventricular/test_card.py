"""ml.training.ventricular.card: figures at one rate of false alarms, and as decided."""

from __future__ import annotations

from typing import Any

import numpy as np

from ml.training.ventricular.card import figures_of, report_of, scores_of
from ml.training.ventricular.data import Record
from ml.training.ventricular.scoring import SHIFTS, counts, curve

HOURS = 10


def measured(name: str, odds: float, false_odds: float) -> dict[str, Any]:
    """Return what is measured where an episode of a minute and 2 s without one call for alarm."""
    seconds = HOURS * 3600
    record = Record(
        name,
        250.0,
        np.zeros((1, 0), np.float32),
        np.ones((1, seconds), bool),
        ((100.0, 160.0),),
        (),
    )
    said = np.full(seconds, -9.0, np.float32)
    said[102:162] = odds
    said[500:502] = said[700:702] = false_odds
    return {
        **counts(record, said, 1.0),
        "curve": curve(record, said, 1.0),
        "seconds": seconds,
        "seconds_asked": seconds // 4,
    }


def test_the_threshold_is_moved_until_false_alarms_are_few_enough() -> None:
    records = {"vfdb/1": measured("vfdb/1", 4.0, 2.5), "cinc2017/1": measured("cinc2017/1", 0, 9)}
    figures = figures_of({"int8": records})
    at = figures["at_0.1_an_hour"]["int8"]
    assert at["shift"] == SHIFTS[int(np.searchsorted(SHIFTS, 1.5))]
    assert (at["false_alarms"], at["episodes_se"]) == (0, 1.0)
    decided = figures["as_decided"]["int8"]
    assert decided["vfdb"]["false_alarms"] == 2
    assert decided["vfdb"]["asked"] == 0.25
    assert scores_of(records)["windows Se at 0.1/h"] == at["windows_se"] == 1.0
    assert 0.9 < scores_of(records)["windows F1"] < 1
    told = "\n".join(report_of(figures))
    assert "| int8 | 100.0% | 100.0% | 100.0% | 0 in 10.0 h |" in told
    assert "| vfdb/1 | 57/57 | 1/1 | 501, 701 |" in told
