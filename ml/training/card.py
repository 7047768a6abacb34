"""The model card: what every card tells, as JSON and for people; tasks add their own figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml.decision import Decision
    from ml.training.recipe import Recipe
    from ml.training.task import Task


_FITTED = (
    "probabilities, thresholds and “don't know” of each fold were fitted on the answers of the "
    "other folds; "
)


@dataclass(frozen=True, slots=True)
class Named:
    """How classes were named.

    Parameters
    ----------
    agreement : sequence of float
        Of int8 and float32, held out, for each fold.
    agreement_everybody : float
        Of the model that ships, on records it was trained on.
    calibration : mapping
        As :func:`ml.training.calibration.told` gives it.
    """

    agreement: Sequence[float]
    agreement_everybody: float
    calibration: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the factory knows about a model.

    Parameters
    ----------
    recipe : Recipe
    folds : sequence of sequence of str
        Records held out in each.
    decision : Decision
        That ships.
    parameters : int
    sparsity : float
        Share of the kernels' weights that are zero.
    layers : sequence of str
        Kinds of the layers, in order.
    sizes : mapping of str to int
        Bytes of each file.
    points_lost : float
        What int8 costs of the first score, in hundredths.
    named : Named or None
        None where the task names no classes.
    scores : sequence of mapping
        Of int8, for each seed.
    """

    recipe: Recipe
    folds: Sequence[Sequence[str]]
    decision: Decision
    parameters: int
    sparsity: float
    layers: Sequence[str]
    sizes: Mapping[str, int]
    points_lost: float
    named: Named | None
    scores: Sequence[Mapping[str, float]]


def describe(
    task: Task[Any], facts: Facts, measured: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> dict[str, Any]:
    """Return the card as JSON values, not rounded.

    Parameters
    ----------
    task : Task
    facts : Facts
        Of the model that ships.
    measured : mapping
        ``measured[kind][record]``, from the cross-validation.
    """
    recipe, texts = facts.recipe, task.texts
    return {
        "task": task.name,
        "version": list(recipe.numbers),
        "decision": facts.decision.as_json(),
        "intended_use": texts.intended_use,
        "limits": list(texts.limits),
        "command": f"python -m ml.training train {recipe.name} --data DIR",
        "recipe": recipe.as_json(),
        "chosen": recipe.chosen,
        "model": {
            "parameters": facts.parameters,
            "sparsity": facts.sparsity,
            "tflite_bytes": sum(facts.sizes.values()),
            "files": dict(facts.sizes),
            "quantisation": "full int8 by post-training quantisation; representative examples of "
            "training patients",
            "layers": list(facts.layers),
        },
        "preprocessing": dict(texts.preprocessing),
        "data": {"sources": [dict(source) for source in texts.sources]},
        "protocol": {
            "what": "cross-validated on the development part, what is known to be of one patient "
            "in one fold, through the shipped streaming code; "
            f"{_FITTED if facts.named else ''}{texts.tested}",
            "folds": [list(fold) for fold in facts.folds],
            "seeds": list(recipe.seeds),
        },
        "scores": [dict(scores) for scores in facts.scores],
        **({"calibration": dict(facts.named.calibration)} if facts.named else {}),
        "agreement_int8_float32": {
            **(_agreement(facts.named) if facts.named else {}),
            "points_lost": facts.points_lost,
        },
        **task.figures(measured),
    }


def _agreement(named: Named) -> dict[str, Any]:
    return {
        "what": "classes under the decision, thresholds included",
        "held_out_by_fold": list(named.agreement),
        "final_model_on_records_it_was_trained_on": named.agreement_everybody,
    }


def rounded(card: Any) -> Any:  # noqa: ANN401 (JSON has no types)
    """Return JSON values with all fractions rounded to four digits."""
    if isinstance(card, Mapping):
        return {name: rounded(value) for name, value in card.items()}
    if isinstance(card, list | tuple):
        return [rounded(value) for value in card]
    return round(card, 4) if isinstance(card, float) else card


def as_markdown(task: Task[Any], card: Mapping[str, Any]) -> str:
    """Return the card for people.

    Parameters
    ----------
    task : Task
    card : mapping
        As of :func:`describe`, not rounded: each figure is rounded once, here.
    """
    model, protocol = card["model"], card["protocol"]
    pruned = f", {percent(model['sparsity'])} % of weights zero" if model["sparsity"] else ""
    names = list(card["scores"][0])
    lines = [
        f"# Model card: {card['task']} {'.'.join(map(str, card['version']))}",
        "",
        card["intended_use"],
        "",
        (
            f"{model['parameters']:,} parameters{pruned}; {model['tflite_bytes']:,} bytes of "
            f"models, {model['quantisation']}."
        ),
        "",
        "## Results",
        "",
        f"{protocol['what'][0].upper()}{protocol['what'][1:]}. {len(protocol['folds'])} folds.",
        "",
        f"| seed | {' | '.join(names)} |",
        f"|---|{'---:|' * len(names)}",
        *(
            f"| {seed} | {' | '.join(percent(scores[name]) for name in names)} |"
            for seed, scores in zip(protocol["seeds"], card["scores"], strict=True)
        ),
        "",
        "The networks of the first seed ship; all that follows is of them.",
        "",
        *task.report(card),
        "",
        "### int8 and float32",
        "",
        _int8(card["agreement_int8_float32"], names[0]),
        "",
    ]
    if "calibration" in card:
        lines += _calibration(card["calibration"])
    if card["chosen"]:
        lines += ["## Why this network", "", card["chosen"], ""]
    lines += ["## Limits", "", *(f"- {limit}" for limit in card["limits"])]
    lines += ["", "## Made by", "", f"    {card['command']}", "", "## Data", ""]
    for source in card["data"]["sources"]:
        licence = f" {source['licence']}." if source.get("licence") else ""
        lines.append(f"- {source['name']}.{licence} {source['cite']}")
    return "\n".join(lines) + "\n"


def _int8(told: Mapping[str, Any], score: str) -> str:
    cost = f"int8 costs {told['points_lost']:+.2f} points of {score}."
    if not (shares := told.get("held_out_by_fold")):
        return cost
    return (
        f"They name the same class in {percent(min(shares))} to {percent(max(shares))} % of the "
        f"held-out answers of a fold; {cost}"
    )


def _calibration(told: Mapping[str, Any]) -> list[str]:
    loss, error, unsure = told["log_loss"], told["expected_calibration_error"], told["unsure"]
    return [
        "### Probabilities",
        "",
        (
            f"Log loss {loss['before']:.4f} before, {loss['after']:.4f} after calibration; "
            f"expected calibration error {percent(error['before'])} and "
            f"{percent(error['after'])} %. Of all answers {percent(unsure['coverage'])} % are "
            f"given as known ({percent(unsure['coverage_asked'])} % were asked for): "
            f"{percent(unsure['right_where_sure'])} % of these are right, and "
            f"{percent(unsure['right_where_unsure'])} % of the others. All held out."
        ),
        "",
    ]


def percent(share: float | None) -> str:
    """Return a share in percent with one digit; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.1f}"
