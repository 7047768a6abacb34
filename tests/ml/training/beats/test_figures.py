"""ml.training.beats.figures: what the card says of results that are made up here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml.training.beats.figures import figures, main_scores, report


def _measured(**answers: int) -> dict[str, Any]:
    """Return what was measured of beats given as ``NS=3``: three of class N that are called S."""
    counts = np.zeros((5, 5), np.int64)
    for (true, said), n in answers.items():
        counts["NSVFQ".index(true), "NSVFQ".index(said)] = n
    return {"confusion": counts.tolist()}


MEASURED = {
    "mitdb/102": _measured(NN=50, QN=50),
    "mitdb/201": _measured(NN=90, SS=10),
    "svdb/801": _measured(NN=146, SN=53, SS=1),
    "svdb/802": _measured(NN=250, VV=50),
}
FIGURES = figures({"int8": MEASURED, "float32": MEASURED})


def test_the_headline_is_without_paced_recordings_and_says_how_many_it_rests_on() -> None:
    assert FIGURES["recordings"] == {"all": 3, "mitdb": 1, "svdb": 2, "all with paced": 4}
    assert FIGURES["results"]["all"]["int8"]["Q"]["true"] == 0
    assert FIGURES["results"]["all with paced"]["int8"]["Q"]["true"] == 50


def test_the_first_score_is_of_s_and_v() -> None:
    found = main_scores(MEASURED)
    s, v = 2 * 11 / (64 + 11), 1.0
    assert next(iter(found.values())) == pytest.approx((s + v) / 2)
    assert found["S F1, mean over patients"] == pytest.approx((1 + 2 / 55) / 2)


def test_figures_are_rounded_once() -> None:
    card = FIGURES | {
        "preprocessing": {"look_ahead_beats": 2, "warm_up_beats": 16},
        "protocol": {"folds": [["mitdb/102", "svdb/801"], ["mitdb/201", "svdb/802"]]},
    }
    # 1 of 54 is 1.85 %: 1.9 when rounded once, 1.8 by way of 0.0185
    text = "\n".join(report(card))
    assert "| svdb | S | 54 | 1.9 |" in text
    assert "| svdb/802 | 1 | 0 | 0 | 0 | 50 | 50 | 50 |" in text


def test_limits_follow_from_the_results() -> None:
    (supraventricular,) = [one for one in FIGURES["few_patients"] if one.startswith("S: ")]
    assert "2 of 4 recordings" in supraventricular
    assert "100.0 % of them are in svdb/801 and mitdb/201" in supraventricular
    assert supraventricular.endswith("17.2 % are recognised in patients not trained on.")
    assert not any(one.startswith("F: ") for one in FIGURES["few_patients"]), "there are none"
