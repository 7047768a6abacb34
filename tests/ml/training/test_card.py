"""ml.training.card: what the card says of results that are made up here."""

from __future__ import annotations

import json
import re

import numpy as np

from ml.training.card import Facts, RecordResult, as_markdown, describe, rounded

FACTS = Facts(
    version=(1, 2, 3),
    recipe={"seed": 4, "folds": 2},
    folds=[["mitdb/102", "svdb/801"], ["mitdb/201", "svdb/802"]],
    thresholds=(0.0, 0.1, 0.2, 0.3, 0.4),
    parameters=10,
    size=20,
    final_agreement=0.99,
    layers=["Dense"],
)


def _result(fold: int, same: int, **answers: int) -> RecordResult:
    """Return a result of beats given as ``NS=3``: three of class N that are called S."""
    counts = np.zeros((5, 5), np.int64)
    for (true, said), n in answers.items():
        counts["NSVFQ".index(true), "NSVFQ".index(said)] = n
    return RecordResult(fold, counts, counts, same)


RESULTS = {
    "mitdb/102": _result(0, 100, NN=50, QN=50),
    "mitdb/201": _result(1, 90, NN=90, SS=10),
    "svdb/801": _result(0, 180, NN=146, SN=53, SS=1),
    "svdb/802": _result(1, 299, NN=250, VV=50),
}


def test_agreement_is_counted_over_the_beats_of_whole_recordings() -> None:
    agreement = describe(FACTS, RESULTS)["agreement_int8_float32"]
    assert agreement["held_out_by_fold"] == [280 / 300, 389 / 400]
    assert agreement["held_out"] == 669 / 700
    text = as_markdown(describe(FACTS, RESULTS))
    assert "to 95.6 % of the held-out beats of all 4 recordings; by fold to 93.3 to 97.2 %" in text


def test_the_headline_is_without_paced_recordings_and_says_how_many_it_rests_on() -> None:
    card = describe(FACTS, RESULTS)
    assert card["recordings"] == {"all": 3, "mitdb": 1, "svdb": 2, "all with paced": 4}
    assert card["results"]["all"]["int8"]["Q"]["true"] == 0
    assert card["results"]["all with paced"]["int8"]["Q"]["true"] == 50
    assert "4 recordings; “all” is the 3 of them without pacing" in as_markdown(card)


def test_figures_are_rounded_once() -> None:
    card = describe(FACTS, RESULTS)
    # 1 of 54 is 1.85 %: 1.9 when rounded once, 1.8 by way of 0.0185
    assert rounded(card)["results"]["svdb"]["int8"]["S"]["sensitivity"] == 0.0185
    assert "| svdb | S | 54 | 1.9 |" in as_markdown(card)
    for number in re.findall(r"\d+\.(\d+)", json.dumps(rounded(card)["results"])):
        assert len(number) <= 4


def test_values_that_are_no_fractions_are_kept() -> None:
    card = {"a": [1, "x", None, {"b": 0.123456}], "c": True}
    assert rounded(card) == {"a": [1, "x", None, {"b": 0.1235}], "c": True}


def test_limits_follow_from_the_results() -> None:
    limits = describe(FACTS, RESULTS)["limits"]
    (supraventricular,) = [limit for limit in limits if limit.startswith("S: ")]
    assert "2 of 4 recordings" in supraventricular
    assert "100.0 % of them are in svdb/801 and mitdb/201" in supraventricular
    assert supraventricular.endswith("17.2 % are recognised in patients not trained on.")
    assert not any(limit.startswith("F: ") for limit in limits), "there are none"


def test_a_patient_on_both_sides_of_the_split_is_disclosed() -> None:
    text = as_markdown(describe(FACTS, RESULTS))
    assert re.search(r"mitdb/201.*mitdb/202.*same patient", text)
