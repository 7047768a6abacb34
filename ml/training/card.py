"""The model card: what the beat model is, on what it was tested and how well it did."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.decision import Decision
from ml.tasks.beat_features import FEATURES, LOOK_AHEAD_BEATS, WARM_UP_BEATS
from ml.tasks.beat_windows import BAND_HZ, GRID_POINTS, GRID_RATE
from ml.tasks.beats import LABELS, TASK
from ml.training.data import DATABASES, PACED
from ml.training.evaluation import Confusion, scores

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

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

_LIMITS = (
    (
        "Cross-validated by patient on the development part of two databases. Reference R peaks "
        "were used: beats that a detector misses or invents come on top."
    ),
    (
        "mitdb/201, a development recording, and mitdb/202, which is held back, are of the same "
        "patient: figures on a held-out part that includes mitdb/202 are not wholly "
        "patient-independent."
    ),
    (
        "Features, network, length of training and the constants of the decision rule were "
        "chosen while looking at cross-validated results of the same patients: the figures are "
        "optimistic to that extent. They are of one seed; how much they depend on it is not shown."
    ),
    (
        "A beat is compared with the patient's other beats: where ectopic beats outnumber normal "
        "ones, as in sustained tachycardia, they can be taken for the normal ones, and atrial "
        "fibrillation can give false S."
    ),
    (
        "One lead was trained for by hiding the other, not tested; nor were other leads than those "
        "of the databases, children, or exercise."
    ),
    "Not for wearers of pacemakers.",
)


@dataclass(frozen=True, slots=True)
class RecordResult:
    """A recording's beats when its patient was held out.

    Parameters
    ----------
    fold : int
        In which it was held out.
    float32, int8 : numpy.ndarray, shape (5, 5), int64
        Confusion matrices of the two models, truth by rows.
    same : int
        Beats to which both models give the same class.
    """

    fold: int
    float32: Confusion
    int8: Confusion
    same: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the command knows about the model beside its results."""

    version: tuple[int, int, int]
    recipe: Mapping[str, int]
    folds: Sequence[Sequence[str]]
    thresholds: tuple[float, ...]
    parameters: int
    size: int
    final_agreement: float
    layers: Sequence[str]


def describe(facts: Facts, results: Mapping[str, RecordResult]) -> dict[str, Any]:
    """Return the card as JSON values, not rounded.

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
    members = {
        group: [result for name, result in results.items() if belongs(name)]
        for group, belongs in groups.items()
    }
    pooled = {
        group: {kind: _scores([getattr(result, kind) for result in inside]) for kind in _KINDS}
        for group, inside in members.items()
    }
    return {
        "task": TASK,
        "version": list(facts.version),
        "decision": Decision(LABELS, offsets=facts.thresholds).as_json(),
        "decision_text": _DECISION,
        "intended_use": _INTENDED_USE,
        "limits": [*_LIMITS, *_few_patients(results)],
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
        "recordings": {group: len(inside) for group, inside in members.items()},
        "results": pooled,
        "int8_minus_float32_f1": {label: _difference(pooled["all"], label) for label in LABELS},
        "agreement_int8_float32": {
            "what": "held out: the shipped decision on whole recordings, paced ones too; training "
            "part: the greatest logit, each beat with both leads and with each alone",
            "held_out": _agreement(results.values()),
            "held_out_by_fold": [
                _agreement([results[name] for name in fold]) for fold in facts.folds
            ],
            "final_model_on_its_training_part": facts.final_agreement,
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


def rounded(card: Any) -> Any:  # noqa: ANN401 (JSON has no types)
    """Return JSON values with all fractions rounded to four digits."""
    if isinstance(card, dict):
        return {name: rounded(value) for name, value in card.items()}
    if isinstance(card, list):
        return [rounded(value) for value in card]
    return round(card, 4) if isinstance(card, float) else card


def _agreement(results: Collection[RecordResult]) -> float:
    beats = sum(int(result.int8.sum()) for result in results)
    return sum(result.same for result in results) / beats


def _few_patients(results: Mapping[str, RecordResult]) -> Iterator[str]:
    """Say of each class by how few recordings its figure is decided."""
    total = np.sum([result.int8 for result in results.values()], axis=0)
    for index, (label, score) in enumerate(scores(total).items()):
        if not score.true:
            continue
        true = {name: int(result.int8[index].sum()) for name, result in results.items()}
        heaviest = sorted(true, key=lambda name: -true[name])[:2]
        yield (
            f"{label}: {sum(n > 0 for n in true.values())} of {len(true)} recordings have such "
            f"beats, and {_percent(sum(true[name] for name in heaviest) / score.true)} % of them "
            f"are in {' and '.join(heaviest)}; {_percent(score.sensitivity)} % are recognised in "
            "patients not trained on."
        )


def _scores(counts: Sequence[Confusion]) -> dict[str, Any]:
    return {
        label: {name: _number(value) for name, value in asdict(score).items()}
        for label, score in scores(np.sum(counts, axis=0)).items()
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _difference(group: Mapping[str, Any], label: str) -> float | None:
    ours, theirs = (group[kind][label]["f1"] for kind in ("int8", "float32"))
    return None if ours is None or theirs is None else ours - theirs


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
        "mean_f1": _number(float(np.mean(list(f1.values()))) if f1 else math.nan),
        "median_f1": _number(float(np.median(list(f1.values()))) if f1 else math.nan),
        "pooled_f1_without": {
            name: _number(scores(total - unpaced[name])[label].f1) for name in heaviest
        },
        "worst": {
            name: errors[name] for name in sorted(errors, key=lambda name: -errors[name])[:_WORST]
        },
    }


def as_markdown(card: Mapping[str, Any]) -> str:
    """Return the card for people.

    Parameters
    ----------
    card : mapping
        As of :func:`describe`, not rounded: each figure is rounded once, here.
    """
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
            f"{card['recordings']['all with paced']} recordings; “all” is the "
            f"{card['recordings']['all']} of them without pacing."
        ),
        "",
        "| recordings | class | beats | Se int8 | +P int8 | F1 int8 | F1 float32 |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for group, kinds in card["results"].items():
        for label in card["decision"]["labels"]:
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
            "As they ship, thresholds included, int8 and float32 give the same class to "
            f"{_percent(agreement['held_out'])} % of the held-out beats of all "
            f"{card['recordings']['all with paced']} recordings; by fold to "
            f"{_percent(min(agreement['held_out_by_fold']))} to "
            f"{_percent(max(agreement['held_out_by_fold']))} %."
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
    lines += ["", "## Decision", "", card["decision_text"]]
    lines += ["", "## Limits", "", *(f"- {limit}" for limit in card["limits"])]
    lines += ["", "## Made by", "", f"    {card['command']}", "", "## Data", ""]
    for source in card["data"]["sources"]:
        licence = f" {source['licence']}." if source["licence"] else ""
        lines.append(f"- {source['name']}.{licence} {source['cite']}")
    return "\n".join(lines) + "\n"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
