"""What the card of the rhythm model tells: by rhythm, who is taken for what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from ml.tasks.rhythm import LABELS, Rhythm
from ml.training.card import percent
from ml.training.evaluation import Confusion, scores

_SCORED = tuple(LABELS[rhythm] for rhythm in Rhythm if rhythm is not Rhythm.UNREADABLE)
"""The challenge's own score is the mean F1 of these; unreadable strips count where they are taken
for one of them."""

Measured = Mapping[str, Mapping[str, Any]]


def mean_f1(counts: Confusion) -> float:
    """Return the score of the challenge."""
    by_label = scores(counts, LABELS)
    return float(np.mean([by_label[label].f1 for label in _SCORED]))


def main_scores(measured: Measured) -> dict[str, float]:
    """Return the score of the challenge, the F1 of each rhythm, the score of sure answers."""
    by_label = scores(_counts(measured), LABELS)
    return {
        "mean F1 of sinus, fibrillation and other": mean_f1(_counts(measured)),
        **{f"{label} F1": by_label[label].f1 for label in LABELS},
        "mean F1 where it is sure": mean_f1(_counts(measured, sure=True)),
    }


def figures(measured: Mapping[str, Measured]) -> dict[str, Any]:
    """Return the sections of the card, not rounded."""
    return {
        "results": {
            kind: {
                "mean_f1": mean_f1(_counts(of_kind)),
                "labels": {
                    label: asdict(score)
                    for label, score in scores(_counts(of_kind), LABELS).items()
                },
            }
            for kind, of_kind in measured.items()
        },
        "confusion": _counts(measured["int8"]).tolist(),
        "sure": {
            "share": float(np.mean([not one["unsure"] for one in measured["int8"].values()])),
            "mean_f1": mean_f1(_counts(measured["int8"], sure=True)),
        },
    }


def report(card: Mapping[str, Any]) -> list[str]:
    """Return the lines of Markdown that tell them."""
    ours, theirs = card["results"]["int8"], card["results"]["float32"]
    sure = card["sure"]
    return [
        (
            f"Score of the challenge (mean F1 of {', '.join(_SCORED)}): int8 "
            f"{percent(ours['mean_f1'])}, float32 {percent(theirs['mean_f1'])}; of the "
            f"{percent(sure['share'])} % of strips where it is sure {percent(sure['mean_f1'])}. "
            "The winners of 2017 had 83 on strips that stay hidden."
        ),
        "",
        "| rhythm | strips | Se int8 | +P int8 | F1 int8 | F1 float32 |",
        "|---|---:|---:|---:|---:|---:|",
        *(
            f"| {label} | {one['true']:,} | {percent(one['sensitivity'])} | "
            f"{percent(one['predictivity'])} | {percent(one['f1'])} | "
            f"{percent(theirs['labels'][label]['f1'])} |"
            for label, one in ours["labels"].items()
        ),
        "",
        f"| true, down; said, across | {' | '.join(LABELS)} |",
        f"|---|{'---:|' * len(LABELS)}",
        *(
            f"| {label} | {' | '.join(str(n) for n in row)} |"
            for label, row in zip(LABELS, card["confusion"], strict=True)
        ),
    ]


def _counts(measured: Measured, *, sure: bool = False) -> Confusion:
    counts = np.zeros((len(LABELS), len(LABELS)), np.int64)
    for one in measured.values():
        if not (sure and one["unsure"]):
            counts[one["true"], one["said"]] += 1
    return counts
