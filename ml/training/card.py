"""The model card: what the beat model is, on what it was tested and how well it did."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.tasks.beat_features import FEATURES, LOOK_AHEAD_BEATS, WARM_UP_BEATS
from ml.tasks.beat_windows import BAND_HZ, GRID_POINTS, GRID_RATE
from ml.tasks.beats import LABELS, TASK
from ml.training.data import DATABASES, PACED
from ml.training.evaluation import Confusion, scores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_ENOUGH_BEATS = 10
_WORST = 8
_KINDS = ("float32", "int8")

_LICENCES = [
    {
        "name": "MIT-BIH Arrhythmia Database",
        "licence": "Open Data Commons Attribution License 1.0 (ODC-By 1.0)",
        "cite": "Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. "
        "IEEE Eng in Med and Biol 20(3):45-50 (2001).",
    },
    {
        "name": "MIT-BIH Supraventricular Arrhythmia Database",
        "licence": "Open Data Commons Attribution License 1.0 (ODC-By 1.0)",
        "cite": "Greenwald SD. Improved detection and classification of arrhythmias in "
        "noise-corrupted electrocardiograms using contextual information. Ph.D. thesis, "
        "Harvard-MIT Division of Health Sciences and Technology (1990). On PhysioNet since 1999.",
    },
    {
        "name": "PhysioNet",
        "licence": "",
        "cite": "Goldberger AL, et al. PhysioBank, PhysioToolkit, and PhysioNet. "
        "Circulation 101(23):e215-e220 (2000).",
    },
]

_INTENDED_USE = (
    "Decision support for trained readers of ambulatory electrocardiograms in adults: proposes the "
    "AAMI class of each detected beat. Every result is unconfirmed until a reader has reviewed it. "
    "Research use only; not a medical device, not for alarms."
)

_DECISION = (
    "The greatest logit after the thresholds are added. They follow from the class counts of the "
    "training part and constants that are the same in all folds."
)

_LIMITS = [
    (
        "Cross-validated by patient on the development part of two databases; the part that "
        "is held back was not looked at. Reference R peaks were used: beats that a detector "
        "misses or invents come on top."
    ),
    (
        "Features, network, length of training and the constants of the decision rule were "
        "chosen while looking at cross-validated results of the same patients, from a handful "
        "of variants: the figures are optimistic to that extent. One seed was run."
    ),
    (
        "Supraventricular beats are the weak side: a few patients decide the pooled figures, "
        "above all those in whom ectopic beats outnumber normal ones (sustained tachycardia is "
        "taken for sinus rhythm), and atrial fibrillation gives false S. See the figures by "
        "patient."
    ),
    (
        "Fusion beats (F) come almost all from one patient, and paced beats (Q) from two: neither "
        "is recognised in a patient not trained on. Do not use it in wearers of pacemakers."
    ),
    (
        "One lead was trained for by hiding the other, not tested; nor were other leads than those "
        "of the databases, children, or exercise."
    ),
]


@dataclass(frozen=True, slots=True)
class RecordResult:
    """A recording's beats when its patient was held out: confusion matrices, truth by rows."""

    fold: int
    float32: Confusion
    int8: Confusion


@dataclass(frozen=True, slots=True)
class Facts:
    """What the command knows about the model beside its results."""

    version: tuple[int, int, int]
    recipe: Mapping[str, int]
    folds: Sequence[Sequence[str]]
    thresholds: tuple[float, ...]
    parameters: int
    size: int
    fold_agreement: Sequence[float]
    final_agreement: float
    layers: Sequence[str]


def as_json(facts: Facts, results: Mapping[str, RecordResult]) -> dict[str, Any]:
    """Return the card as JSON values.

    Parameters
    ----------
    facts : Facts
        Of the model that ships.
    results : mapping
        By record name, from the cross-validation.
    """
    groups: dict[str, Callable[[str], bool]] = {
        "all": lambda name: name not in PACED,
        **{
            database: (
                lambda name, database=database: (
                    name not in PACED  # type: ignore[misc]
                    and name.startswith(f"{database}/")
                )
            )
            for database in DATABASES
        },
        "all with paced": lambda name: name in results,
    }
    pooled = {
        group: {
            kind: _scores([getattr(results[n], kind) for n in results if belongs(n)])
            for kind in _KINDS
        }
        for group, belongs in groups.items()
    }
    return {
        "task": TASK,
        "version": list(facts.version),
        "labels": list(LABELS),
        "thresholds": list(facts.thresholds),
        "decision": _DECISION,
        "intended_use": _INTENDED_USE,
        "limits": _LIMITS,
        "command": "python -m ml.training beats --data DIR "
        + " ".join(f"--{name} {value}" for name, value in facts.recipe.items())
        + f" --version {'.'.join(map(str, facts.version))}",
        "model": {
            "parameters": facts.parameters,
            "tflite_bytes": facts.size,
            "quantisation": "full int8 by post-training quantisation; representative beats of "
            "training patients",
            "layers": list(facts.layers),
        },
        "preprocessing": {
            "band_hz": list(BAND_HZ),
            "grid_hz": GRID_RATE,
            "grid_points": GRID_POINTS,
            "features": list(FEATURES),
            "look_ahead_beats": LOOK_AHEAD_BEATS,
            "warm_up_beats": WARM_UP_BEATS,
        },
        "data": {
            "databases": {
                database: sum(name.startswith(f"{database}/") for name in results)
                for database in DATABASES
            },
            "paced": list(PACED),
            "r_peaks": "reference annotations",
            "sources": _LICENCES,
        },
        "protocol": {
            "what": "cross-validated by patient on the development part; whole recordings, "
            "through the shipped streaming code",
            "folds": [list(fold) for fold in facts.folds],
            "recipe": dict(facts.recipe),
        },
        "results": pooled,
        "int8_minus_float32_f1": {label: _difference(pooled["all"], label) for label in LABELS},
        "agreement_int8_float32": {
            "folds": [round(share, 5) for share in facts.fold_agreement],
            "final_model_on_its_training_part": round(facts.final_agreement, 5),
        },
        "by_patient": {label: _by_patient(results, LABELS.index(label)) for label in ("S", "V")},
        "records": {
            name: {
                "fold": result.fold,
                "classes": {
                    label: {
                        "true": int(result.int8[i].sum()),
                        "said": int(result.int8[:, i].sum()),
                        "hit": int(result.int8[i, i]),
                    }
                    for i, label in enumerate(LABELS)
                },
            }
            for name, result in results.items()
        },
    }


def _scores(counts: Sequence[Confusion]) -> dict[str, Any]:
    return {
        label: {name: _rounded(value) for name, value in asdict(score).items()}
        for label, score in scores(np.sum(counts, axis=0)).items()
    }


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _difference(group: Mapping[str, Any], label: str) -> float | None:
    ours, theirs = (group[kind][label]["f1"] for kind in ("int8", "float32"))
    return None if ours is None or theirs is None else round(ours - theirs, 4)


def _by_patient(results: Mapping[str, RecordResult], index: int) -> dict[str, Any]:
    """Return what pooling hides about one class: mean over patients, and the worst of them."""
    unpaced = {name: result.int8 for name, result in results.items() if name not in PACED}
    label = LABELS[index]
    f1 = {
        name: scores(counts)[label].f1
        for name, counts in unpaced.items()
        if counts[index].sum() >= _ENOUGH_BEATS
    }
    total = np.sum(list(unpaced.values()), axis=0)
    heaviest = sorted(unpaced, key=lambda name: -int(unpaced[name][index].sum()))[:3]
    errors = {
        name: int(counts[index].sum() + counts[:, index].sum() - 2 * counts[index, index])
        for name, counts in unpaced.items()
    }
    return {
        "patients": len(f1),
        "least_beats": _ENOUGH_BEATS,
        "mean_f1": _rounded(float(np.mean(list(f1.values()))) if f1 else math.nan),
        "median_f1": _rounded(float(np.median(list(f1.values()))) if f1 else math.nan),
        "pooled_f1_without": {
            name: _rounded(scores(total - unpaced[name])[label].f1) for name in heaviest
        },
        "worst": {
            name: errors[name] for name in sorted(errors, key=lambda name: -errors[name])[:_WORST]
        },
    }


def as_markdown(card: Mapping[str, Any]) -> str:
    """Return the card for people."""
    model, before = card["model"], card["preprocessing"]
    lines = [
        f"# Model card: {card['task']} {'.'.join(map(str, card['version']))}",
        "",
        card["intended_use"],
        "",
        (
            f"{model['parameters']:,} parameters, {model['tflite_bytes']:,} bytes, "
            f"{model['quantisation']}. A beat is classified when {before['look_ahead_beats']} "
            f"later ones are known; a recording's first beats wait for {before['warm_up_beats']}."
        ),
        "",
        "## Results",
        "",
        (
            f"{card['protocol']['what'].capitalize()}, {len(card['protocol']['folds'])} folds, "
            f"seed {card['protocol']['recipe']['seed']}, reference R peaks, "
            f"{sum(card['data']['databases'].values())} recordings."
        ),
        "",
        "| recordings | class | beats | Se | +P | F1 int8 | F1 float32 |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for group, kinds in card["results"].items():
        for label in card["labels"]:
            ours, theirs = kinds["int8"][label], kinds["float32"][label]
            lines.append(
                f"| {group} | {label} | {ours['true']:,} | {_percent(ours['sensitivity'])} | "
                f"{_percent(ours['predictivity'])} | {_percent(ours['f1'])} | "
                f"{_percent(theirs['f1'])} |"
            )
    agreement = card["agreement_int8_float32"]
    lines += [
        "",
        (
            "“all”, “mitdb” and “svdb” are without the paced recordings "
            f"{' and '.join(card['data']['paced'])}."
        ),
        "",
        (
            "int8 and float32 give the same class on "
            f"{_percent(min(agreement['folds']))} to {_percent(max(agreement['folds']))} % of the "
            "held-out beats, by fold."
        ),
        "",
        "### By patient",
        "",
    ]
    for label, facts in card["by_patient"].items():
        lines += [
            f"- {label}: mean F1 over the {facts['patients']} patients with at least "
            f"{facts['least_beats']} such beats {_percent(facts['mean_f1'])}, median "
            f"{_percent(facts['median_f1'])}; pooled "
            + ", ".join(
                f"{_percent(f1)} without {name}" for name, f1 in facts["pooled_f1_without"].items()
            )
            + "; most errors: "
            + ", ".join(f"{name} ({n})" for name, n in facts["worst"].items())
            + ".",
        ]
    lines += [
        "",
        "| record | fold | S true | S said | S right | V true | V said | V right |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, record in sorted(card["records"].items()):
        cells = [
            str(record["classes"][label][what])
            for label in ("S", "V")
            for what in ("true", "said", "hit")
        ]
        lines.append(f"| {name} | {record['fold']} | {' | '.join(cells)} |")
    lines += ["", "## Decision", "", card["decision"]]
    lines += ["", "## Limits", "", *(f"- {limit}" for limit in card["limits"])]
    lines += ["", "## Made by", "", f"    {card['command']}", "", "## Data", ""]
    for source in card["data"]["sources"]:
        licence = f" {source['licence']}." if source["licence"] else ""
        lines.append(f"- {source['name']}.{licence} {source['cite']}")
    return "\n".join(lines) + "\n"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
