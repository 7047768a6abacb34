"""ml.training.ventricular.card: figures at one rate of false alarms, and as decided."""

from __future__ import annotations

from typing import Any

import numpy as np

from ml.decision import Decision
from ml.training.ventricular.card import figures_of, report_of, scores_of
from ml.training.ventricular.data import Record
from ml.training.ventricular.scoring import SHIFTS, counts, curve

HOURS = 10
CARD = {
    "decision": Decision(("other", "ventricular"), thresholds=(0.0, -4.3)).as_json(),
    "calibration": {
        "reliability": {
            "after": {
                "share": [0.01, 0.03, 0.96],
                "promised": [0.6, 0.8, 0.99],
                "kept": [0.5, 0.7, 0.98],
            }
        }
    },
}


def measured(
    name: str, odds: float, false_odds: float, seconds: int = HOURS * 3600, asked: int = 9000
) -> dict[str, Any]:
    """Return what is measured where an episode of a minute and 2 s without one call for alarm."""
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
        "seconds_asked": asked,
        "threshold": 1.0,
    }


def test_the_threshold_is_moved_until_false_alarms_are_few_enough() -> None:
    records = {
        "vfdb/1": measured("vfdb/1", 4.0, 2.5),
        "cinc2017/1": measured("cinc2017/1", 0, 9),
    }
    figures = figures_of({"int8": records})
    at = figures["at_0.1_an_hour"]["int8"]
    assert at["shift"] == SHIFTS[int(np.searchsorted(SHIFTS, 1.5))]
    assert (at["false_alarms"], at["episodes_se"]) == (0, 1.0)
    decided = figures["as_decided"]["int8"]
    assert decided["vfdb"]["false_alarms"] == 2
    assert scores_of(records)["windows Se at 0.1/h"] == at["windows_se"] == 1.0
    assert 0.9 < scores_of(records)["windows F1"] < 1
    told = "\n".join(report_of(figures | CARD))
    assert "| int8 | 100.0% | 100.0% | 100.0% | 0 in 10.0 h |" in told
    assert "| vfdb/1 | 57/57 | 1/1 | 501, 701 | 1 |" in told
    assert "4.3 ships" in told


def test_the_share_of_seconds_asked_is_that_of_all_records_together() -> None:
    records = {
        "vfdb/1": measured("vfdb/1", 4.0, 2.5, 3600, 900),
        "vfdb/2": measured("vfdb/2", 4.0, 2.5, 7200, 5400),
        "mitdb/1": measured("mitdb/1", 4.0, 2.5, 1800, 36),
        "cinc2017/1": measured("cinc2017/1", 0, 9, 3600, 3600),
    }
    figures = figures_of({"int8": records})
    of = {name: one["asked"] for name, one in figures["as_decided"]["int8"].items()}
    assert of == {"vfdb": 6300 / 10800, "mitdb": 0.02, "cinc2017": 1.0}
    assert figures["asked"] == 6336 / 12600
    assert "asked in 50.3% of the seconds" in "\n".join(report_of(figures | CARD))


def test_how_right_the_unsure_answers_are_is_told() -> None:
    told = "\n".join(report_of(figures_of({"int8": {"vfdb/1": measured("vfdb/1", 4, 2)}}) | CARD))
    # (0.01 * 0.6 + 0.03 * 0.8) / 0.04 = 75 %; (0.01 * 0.5 + 0.03 * 0.7) / 0.04 = 65 %
    assert "less than 90% (4.0% of all) promise 75% in the mean, and 65% of them" in told
