"""What pruning keeps and saves, from no weight removed to nearly all: ``prune RECIPE``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.training import plots
from ml.training.making import judge, run_fold
from ml.training.measuring import compressed_bytes, latency_us
from ml.training.pruning import sparsity
from ml.training.quantise import slim
from ml.training.recipe import Prune, Recipe

if TYPE_CHECKING:
    from ml.training.workshop import Workshop

STEPS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
CLAIM = (0.9, 0.95)
"""Of the weights removed, of the accuracy kept: what is tested."""


def curve(shop: Workshop, folds: Sequence[int], out: Path) -> list[dict[str, Any]]:
    """Prune the dense student of each fold to each sparsity, test it, and write what came out.

    Every point is fine-tuned from the dense network, the one of which nothing is removed too, so
    that all have trained as long. The recipe's [prune] says for how long; where it has none: half
    the student's epochs, at a third of its rate.

    Parameters
    ----------
    shop : Workshop
    folds : sequence of int
        Two or more: each is judged by the decision of the others. One: see
        :func:`ml.training.making.judge`.
    out : pathlib.Path
        Folder of ``sparsity.json``, ``sparsity.md`` and ``sparsity.png``.
    """
    points = []
    for number, share in enumerate(STEPS):
        recipe = replace(shop.recipe, prune=pruning(shop.recipe, share))
        done = [run_fold(shop, recipe, fold, recipe.seeds[0], ("int8",)) for fold in folds]
        judged = judge(shop, recipe, done)
        scores = judged.scores["int8"]
        models = slim(done[0].models["int8"])
        name, value = next(iter(scores.items()))
        network = shop.trained(recipe, folds[0], recipe.seeds[0]).network
        points.append(
            {
                "sparsity": sparsity(network) if share else 0.0,
                "score": value,
                "scores": scores,
                "bytes": sum(map(len, models.values())),
                "compressed_bytes": compressed_bytes(models),
                "latency_us": latency_us(models),
            }
        )
        shop.tell(
            f"{number + 1} of {len(STEPS)}: {points[-1]['sparsity']:.0%} of weights removed, "
            f"{name} {value:.4f}, {points[-1]['compressed_bytes']} bytes compressed"
        )
    _write(out, shop.recipe, folds, points)
    shop.tell(verdict(points))
    return points


def verdict(points: Sequence[Mapping[str, Any]]) -> str:
    """Say whether the claim held: 90 % of weights removed with 95 % of the accuracy kept."""
    (point,) = (one for one in points if abs(one["sparsity"] - CLAIM[0]) < 0.02)
    kept = {
        name: value / points[0]["scores"][name]
        for name, value in point["scores"].items()
        if points[0]["scores"][name] > 0
    }
    name = next(iter(kept))
    word = "held" if kept[name] >= CLAIM[1] else "did not hold"
    rest = ", ".join(f"{other} {100 * share:.1f}" for other, share in kept.items() if other != name)
    return (
        f"The claim “{CLAIM[0]:.0%} of weights removed with at least {CLAIM[1]:.0%} of the "
        f"accuracy kept” {word}: {100 * kept[name]:.1f} % of {name} kept at {point['sparsity']:.1%}"
        + (f" (of {rest})." if rest else ".")
    )


def pruning(recipe: Recipe, share: float) -> Prune:
    """Return how to prune to a sparsity: as the recipe has it, or half as long as it trains."""
    if recipe.prune is not None:
        return replace(recipe.prune, sparsity=share)
    epochs = max(2, recipe.student.epochs // 2)
    return Prune(share, max(1, epochs // 2), epochs, recipe.student.learning_rate / 3)


def _write(
    out: Path, recipe: Recipe, folds: Sequence[int], points: Sequence[Mapping[str, Any]]
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    name = next(iter(points[0]["scores"]))
    told = {
        "recipe": recipe.as_json(),
        "folds": list(folds),
        "score": name,
        "points": list(points),
        "verdict": verdict(points),
    }
    (out / "sparsity.json").write_text(json.dumps(told, indent=1) + "\n")
    names = list(points[0]["scores"])
    lines = [
        f"# Pruning: {recipe.name}",
        "",
        (
            f"Held-out patients of fold {', '.join(map(str, folds))}, int8, each point fine-tuned "
            "from the dense network, all for as long. Compressed: deflate. Latency: one item, one "
            "thread, CPU time."
        ),
        "",
        f"| weights removed | {' | '.join(names)} | bytes | compressed | latency µs |",
        f"|---:|{'---:|' * (len(names) + 3)}",
    ]
    lines += [
        f"| {100 * point['sparsity']:.1f} % | "
        + " | ".join(f"{100 * point['scores'][one]:.2f}" for one in names)
        + f" | {point['bytes']:,} | {point['compressed_bytes']:,} | {point['latency_us']:.1f} |"
        for point in points
    ]
    lines += ["", verdict(points), ""]
    (out / "sparsity.md").write_text("\n".join(lines))
    plots.sparsity(out / "sparsity.png", points, name)
