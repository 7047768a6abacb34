"""Plots and fold models of a training run, beside the results that are kept: not in the bundle."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.training import plots
from ml.training.evaluation import confusion
from ml.training.int8_error import int8_errors
from ml.training.keeping import as_array

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ml.training.evaluation import Confusion
    from ml.training.making import Judged
    from ml.training.task import Part


def write_report(
    folder: Path,
    judged: Judged,
    losses: Mapping[str, tuple[float, ...]],
    told: Mapping[str, Any] | None,
    parts: Mapping[str, Part],
    models: Mapping[str, Mapping[str, bytes]],
) -> None:
    """Write the plots of a training run, and the int8 models and decision of each fold.

    Parameters
    ----------
    folder : pathlib.Path
    judged : Judged
        Of the seed whose networks ship.
    losses : mapping
        Of each epoch, by the name of the training.
    told : mapping or None
        The card's section on calibration; None where no classes are named.
    parts : mapping
        Of the network that ships, with inputs of training patients.
    models : mapping
        The same, converted: by kind, then by name.
    """
    plots.learning_curves(folder / "learning-curves.png", losses)
    if told is not None:
        plots.confusion(folder / "confusion.png", _confusion(judged), judged.decision.labels)
        plots.reliability(folder / "reliability.png", told)
    plots.int8_error(
        folder / "int8-error.png",
        {
            name: int8_errors(models["float32"][name], models["int8"][name], part.inputs)
            for name, part in parts.items()
        },
    )

    for number, (fold, decision) in enumerate(zip(judged.folds, judged.decisions, strict=True)):
        arrays: Any = {name: as_array(model) for name, model in fold.models["int8"].items()}
        arrays["records"] = np.array(list(fold.answers["int8"]))
        arrays["decision"] = np.array(json.dumps(decision.as_json()))
        np.savez(folder / f"fold-{number}.npz", **arrays)


def _confusion(judged: Judged) -> Confusion:
    k = len(judged.decision.labels)
    counts = np.zeros((k, k), np.int64)
    for fold, decision in zip(judged.folds, judged.decisions, strict=True):
        for one in fold.answers["int8"].values():
            counts += confusion(one.truth, decision.classes(one.logits), k)
    return counts
