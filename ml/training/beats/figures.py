"""What the card of the beat model tells: by class, by database, by patient."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ml.tasks.beats import LABELS
from ml.training.beats.data import DATABASES, PACED
from ml.training.card import percent
from ml.training.evaluation import Confusion, scores
from signals.ecg.beat import BeatClass

_ENOUGH_BEATS = 10
_WORST = 8
_SHOWN = ("S", "V")

Measured = Mapping[str, Mapping[str, Any]]


def by_ec57(counts: Confusion) -> Confusion:
    """Return counts without fusion beats called V, which EC57 neither rewards nor punishes."""
    counts = counts.copy()
    counts[BeatClass.F, BeatClass.V] = 0
    return counts


def main_scores(measured: Measured) -> dict[str, float]:
    """Return the F1 of S and V, their mean first, over the recordings without pacing."""
    counts = {name: one for name, one in _counts(measured).items() if name not in PACED}
    pooled = scores(np.sum(list(counts.values()), axis=0), LABELS)
    f1 = {label: pooled[label].f1 for label in _SHOWN}
    by_patient = {
        f"{label} F1, mean over patients": _by_patient(counts, label)["mean_f1"] for label in _SHOWN
    }
    return {
        "mean F1 of S and V": float(np.mean(list(f1.values()))),
        **{f"{label} F1": value for label, value in f1.items()},
        **{name: math.nan if value is None else value for name, value in by_patient.items()},
    }


def figures(measured: Mapping[str, Measured]) -> dict[str, Any]:
    """Return the sections of the card, not rounded.

    Parameters
    ----------
    measured : mapping
        ``measured[kind][record]["confusion"]``, truth by rows.
    """
    counts = {kind: _counts(of_kind) for kind, of_kind in measured.items()}
    ours = counts["int8"]
    groups = {
        "all": [name for name in ours if name not in PACED],
        **{
            database: [n for n in ours if n not in PACED and n.startswith(f"{database}/")]
            for database in DATABASES
        },
        "all with paced": list(ours),
    }
    unpaced = {name: ours[name] for name in groups["all"]}
    return {
        "recordings": {group: len(names) for group, names in groups.items()},
        "results": {
            group: {
                kind: _scores([of_kind[name] for name in names]) for kind, of_kind in counts.items()
            }
            for group, names in groups.items()
        },
        "by_patient": {label: _by_patient(unpaced, label) for label in _SHOWN},
        "few_patients": _few_patients(ours),
        "records": {
            name: {
                label: {
                    "true": int(one[i].sum()),
                    "said": int(one[:, i].sum()),
                    "hit": int(one[i, i]),
                }
                for i, label in enumerate(LABELS)
            }
            for name, one in ours.items()
        },
    }


def _counts(measured: Measured) -> dict[str, Confusion]:
    return {name: by_ec57(np.array(one["confusion"], np.int64)) for name, one in measured.items()}


def _scores(counts: Sequence[Confusion]) -> dict[str, Any]:
    nothing = np.zeros((len(LABELS), len(LABELS)), np.int64)
    return {
        label: {name: _number(value) for name, value in asdict(score).items()}
        for label, score in scores(np.sum([nothing, *counts], axis=0), LABELS).items()
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _few_patients(counts: Mapping[str, Confusion]) -> list[str]:
    """Say of each class by how few recordings its figure is decided."""
    told = []
    for index, (label, score) in enumerate(
        scores(np.sum(list(counts.values()), axis=0), LABELS).items()
    ):
        if not score.true:
            continue
        true = {name: int(one[index].sum()) for name, one in counts.items()}
        heaviest = sorted(true, key=lambda name: -true[name])[:2]
        told.append(
            f"{label}: {sum(n > 0 for n in true.values())} of {len(true)} recordings have such "
            f"beats, and {percent(sum(true[name] for name in heaviest) / score.true)} % of them "
            f"are in {' and '.join(heaviest)}; {percent(score.sensitivity)} % are recognised in "
            "patients not trained on."
        )
    return told


def _by_patient(counts: Mapping[str, Confusion], label: str) -> dict[str, Any]:
    """Return what pooling hides about one class: mean over patients, and the worst of them."""
    index = LABELS.index(label)
    f1 = {
        name: scores(one, LABELS)[label].f1
        for name, one in counts.items()
        if one[index].sum() >= _ENOUGH_BEATS
    }
    total = np.sum(list(counts.values()), axis=0)
    heaviest = sorted(counts, key=lambda name: -int(counts[name][index].sum()))[:3]
    errors = {
        name: int(one[index].sum() + one[:, index].sum() - 2 * one[index, index])
        for name, one in counts.items()
    }
    return {
        "patients": len(f1),
        "least_beats": _ENOUGH_BEATS,
        "mean_f1": _number(float(np.mean(list(f1.values()))) if f1 else math.nan),
        "median_f1": _number(float(np.median(list(f1.values()))) if f1 else math.nan),
        "pooled_f1_without": {
            name: _number(scores(total - counts[name], LABELS)[label].f1) for name in heaviest
        },
        "worst": {
            name: errors[name] for name in sorted(errors, key=lambda name: -errors[name])[:_WORST]
        },
    }


def report(card: Mapping[str, Any]) -> list[str]:
    """Return the lines of Markdown that tell them.

    Parameters
    ----------
    card : mapping
        Not rounded: each figure is rounded once, here.
    """
    before = card["preprocessing"]
    lines = [
        (
            f"Later beats known when a beat is classified: {before['look_ahead_beats']}; a "
            f"recording's first beats wait for {before['warm_up_beats']}. "
            f"{card['recordings']['all with paced']} recordings; “all” is the "
            f"{card['recordings']['all']} of them without pacing, and “mitdb” and “svdb” are "
            f"without the paced {' and '.join(PACED)}."
        ),
        "",
        "| recordings | class | beats | Se int8 | +P int8 | F1 int8 | F1 float32 |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for group, kinds in card["results"].items():
        for label in LABELS:
            ours, theirs = kinds["int8"][label], kinds["float32"][label]
            lines.append(
                f"| {group} | {label} | {ours['true']:,} | {percent(ours['sensitivity'])} | "
                f"{percent(ours['predictivity'])} | {percent(ours['f1'])} | "
                f"{percent(theirs['f1'])} |"
            )
    lines += ["", "### By patient", ""]
    for label, facts in card["by_patient"].items():
        lines.append(
            f"- {label}: mean F1 over the {facts['patients']} patients with at least "
            f"{facts['least_beats']} such beats {percent(facts['mean_f1'])}, median "
            f"{percent(facts['median_f1'])}; pooled "
            + ", ".join(
                f"{percent(f1)} without {name}" for name, f1 in facts["pooled_f1_without"].items()
            )
            + "; most errors: "
            + ", ".join(f"{name} ({n})" for name, n in facts["worst"].items())
            + "."
        )
    lines += [f"- {sentence}" for sentence in card["few_patients"]]
    fold_of = {name: i for i, fold in enumerate(card["protocol"]["folds"]) for name in fold}
    lines += [
        "",
        "| record | fold | S true | S said | S right | V true | V said | V right |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, record in sorted(card["records"].items()):
        cells = [str(record[label][what]) for label in _SHOWN for what in ("true", "said", "hit")]
        lines.append(f"| {name} | {fold_of[name]} | {' | '.join(cells)} |")
    return lines
