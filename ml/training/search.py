"""Which network is worth its size: ``search RECIPE`` trains many and draws the front."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.training import plots
from ml.training.choosing import mark, named, planned, reason
from ml.training.making import judge, run_fold
from ml.training.measuring import compressed_bytes, latency_us
from ml.training.prune_curve import pruning
from ml.training.quantise import slim
from ml.training.recipe import Recipe, Search

if TYPE_CHECKING:
    from ml.training.workshop import Workshop


def search(shop: Workshop, plan: Search, out: Path) -> list[dict[str, Any]]:
    """Train each point of the plan on its folds, and write the front and the choice.

    What is not searched is as the recipe has it; a point that is trained already is kept.

    Parameters
    ----------
    shop : Workshop
    plan : Search
        Of the recipe.
    out : pathlib.Path
        Folder of ``search.json``, ``search.md`` and ``search.png``.

    Returns
    -------
    list of dict
        ``network``, ``sparsity``, ``bits``, ``score``, ``scores``, ``bytes``,
        ``compressed_bytes``, ``latency_us``, ``on_front_bytes``, ``on_front_latency_us`` and
        ``chosen``, best first.
    """
    points: list[dict[str, Any]] = []
    networks = planned(plan)
    for number, (options, share) in enumerate(networks):
        student = replace(shop.recipe.student, network={**shop.recipe.student.network, **options})
        recipe = replace(
            shop.recipe, student=student, prune=pruning(shop.recipe, share) if share else None
        )
        for bits in plan.bits:
            done = [run_fold(shop, recipe, fold, recipe.seeds[0], (bits,)) for fold in plan.folds]
            scores = judge(shop, recipe, done, bits).scores[bits]
            models = slim(done[0].models[bits])
            points.append(
                {
                    "network": dict(options),
                    "sparsity": share,
                    "bits": bits,
                    "score": next(iter(scores.values())),
                    "scores": scores,
                    "bytes": sum(map(len, models.values())),
                    "compressed_bytes": compressed_bytes(models),
                    "latency_us": latency_us(models),
                }
            )
            told = ", ".join(f"{name} {value}" for name, value in options.items())
            shop.tell(
                f"{number + 1} of {len(networks)}: {told}, sparsity {share:g}, {bits}: "
                f"{points[-1]['score']:.4f}, {points[-1]['bytes']} bytes, "
                f"{points[-1]['latency_us']:.0f} µs"
            )
    mark(points, plan.tolerance)
    points.sort(key=lambda point: -float(point["score"]))
    _write(out, shop.recipe, plan, points)
    return points


def _write(out: Path, recipe: Recipe, plan: Search, points: Sequence[Mapping[str, Any]]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    name = next(iter(points[0]["scores"]))
    told = {
        "recipe": recipe.as_json(),
        "search": asdict(plan),
        "score": name,
        "points": list(points),
        "chosen": reason(points, plan),
    }
    (out / "search.json").write_text(json.dumps(told, indent=1) + "\n")
    lines = [
        f"# Search: {recipe.name}",
        "",
        (
            f"Held-out patients of fold {', '.join(map(str, plan.folds))}; one seed. Latency: one "
            "item, one thread, CPU time. Front: nothing else is as good for fewer bytes (B) or "
            "less time (T)."
        ),
        "",
        f"| network | {name} | bytes | compressed | latency µs | front | |",
        "|---|---:|---:|---:|---:|---|---|",
    ]
    for point in points:
        front = "B" * point["on_front_bytes"] + "T" * point["on_front_latency_us"]
        lines.append(
            f"| {named(point)} | {100 * point['score']:.2f} | {point['bytes']:,} | "
            f"{point['compressed_bytes']:,} | {point['latency_us']:.1f} | {front} | "
            f"{'chosen' if point['chosen'] else ''} |"
        )
    lines += ["", reason(points, plan), ""]
    (out / "search.md").write_text("\n".join(lines))
    plots.front(out / "search.png", points, name)
