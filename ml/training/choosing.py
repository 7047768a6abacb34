"""Which points of a search are tried, which are on the front, and which one is chosen and why."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ml.training.recipe import Search

COSTS = ("bytes", "latency_us")


def planned(plan: Search) -> list[tuple[dict[str, Any], float]]:
    """Return the networks and sparsities to train: all combinations, or as many as are allowed."""
    grid = [
        (dict(zip(plan.network, values, strict=True)), share)
        for values in itertools.product(*plan.network.values())
        for share in plan.sparsity
    ]
    if len(grid) <= plan.budget:
        return grid
    drawn = np.random.default_rng(plan.seed).choice(len(grid), plan.budget, replace=False)
    return [grid[index] for index in sorted(drawn.tolist())]


def mark(points: Sequence[dict[str, Any]], tolerance: float) -> None:
    """Mark in place what is on the front of each cost, and what is chosen.

    On a front is what nothing else beats: no point is as good and costs less, or is better and
    costs no more. Chosen is the int8 point of the fewest bytes among those that lose no more than
    `tolerance` points against the best int8 one.
    """
    for point in points:
        for cost in COSTS:
            point[f"on_front_{cost}"] = not any(
                other["score"] >= point["score"]
                and other[cost] <= point[cost]
                and (other["score"], -other[cost]) != (point["score"], -point[cost])
                for other in points
            )
    whole = [point for point in points if point["bits"] == "int8"] or list(points)
    best = max(point["score"] for point in whole)
    near = [point for point in whole if 100 * (best - point["score"]) <= tolerance + 1e-9]
    choice = min(near, key=lambda point: (point["bytes"], point["latency_us"]))
    for point in points:
        point["chosen"] = point is choice


def reason(points: Sequence[Mapping[str, Any]], plan: Search) -> str:
    """Say what was chosen and why: the text for ``chosen`` in the recipe."""
    (choice,) = (point for point in points if point["chosen"])
    same = [point for point in points if point["bits"] == choice["bits"]]
    best = max(same, key=lambda point: float(point["score"]))
    name = next(iter(choice["scores"]))
    told = (
        f"Of {len(points)} points searched (fold {', '.join(map(str, plan.folds))}, "
        f"{name}), the smallest that loses at most {plan.tolerance:g} points against the best: "
    )
    if choice is best:
        return f"{told}the best itself, {_figures(choice)}."
    return f"{told}{_figures(choice)}; the best, {_figures(best)}."


def _figures(point: Mapping[str, Any]) -> str:
    return (
        f"{named(point)}, {100 * point['score']:.2f} % with {point['bytes']:,} bytes and "
        f"{point['latency_us']:.0f} µs"
    )


def named(point: Mapping[str, Any]) -> str:
    """Say what a point is in words."""
    options = [f"{name} {value}" for name, value in point["network"].items()]
    if point["sparsity"]:
        options.append(f"{point['sparsity']:.0%} of weights removed")
    return ", ".join([*options, point["bits"]])
