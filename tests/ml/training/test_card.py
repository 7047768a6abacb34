"""ml.training.card: what every card tells, rounded once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ml.decision import Decision
from ml.training.card import Facts, Named, as_markdown, describe, rounded
from tests.ml.training.toy import LABELS, Toy, recipe

TOLD = {
    "log_loss": {"before": 0.51234, "after": 0.40009},
    "expected_calibration_error": {"before": 0.12, "after": 0.00951},
    "unsure": {
        "coverage_asked": 0.9,
        "coverage": 0.88,
        "right_where_sure": 0.9995,
        "right_where_unsure": None,
    },
}
FACTS = Facts(
    recipe=replace(recipe(), seeds=(0, 1), chosen="It is the smallest that does."),
    folds=[["toys/00"], ["toys/01"]],
    decision=Decision(LABELS, 0.5, unsure_below=0.6),
    parameters=1234,
    sparsity=0.8,
    layers=("Dense",),
    sizes={"model": 3000, "gate": 1000},
    points_lost=0.25,
    named=Named(agreement=[0.97456, 0.99], agreement_everybody=1.0, calibration=TOLD),
    scores=[{"c": 0.81849}, {"c": 0.79}],
)
COUNTS = {"toys/00": {"confusion": [[9, 0, 0], [0, 9, 0], [0, 1, 9]]}}


def _card() -> dict[str, Any]:
    return describe(Toy(), FACTS, {"int8": COUNTS, "float32": COUNTS})


def test_the_card_holds_what_a_program_needs() -> None:
    card = rounded(_card())
    assert Decision.from_json(card["decision"]) == FACTS.decision
    assert card["model"]["tflite_bytes"] == 4000
    assert card["protocol"]["folds"] == [["toys/00"], ["toys/01"]]
    assert card["command"] == "python -m ml.training train toy --data DIR"
    assert card["results"]["int8"]["c"] == 0.9474


def test_the_card_for_people_rounds_once_and_says_why() -> None:
    text = as_markdown(Toy(), _card())
    assert "1,234 parameters, 80.0 % of weights zero; 4,000 bytes of models" in text
    assert "| 0 | 81.8 |" in text
    assert "97.5 to 99.0 % of the held-out answers" in text
    assert "int8 costs +0.25 points of c" in text
    assert "% of these are right, and – % of the others" in text
    assert "## Why this network\n\nIt is the smallest that does." in text
    assert "F1 of c: 0.947" in text
    assert "- A toy." in text


def test_a_card_without_classes_says_nothing_of_them() -> None:
    card = describe(Toy(), replace(FACTS, named=None), {"int8": COUNTS, "float32": COUNTS})
    assert "calibration" not in card
    assert card["agreement_int8_float32"] == {"points_lost": 0.25}
    text = as_markdown(Toy(), card)
    assert "int8 costs +0.25 points of c" in text
    assert "same class" not in text
    assert "robabilities" not in text


def test_values_that_are_no_fractions_are_kept() -> None:
    card = {"a": [1, "x", None, {"b": 0.123456}], "c": True}
    assert rounded(card) == {"a": [1, "x", None, {"b": 0.1235}], "c": True}
