"""How well the bundle that ships reads recordings that it did not learn from."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml.bundle import Bundle
    from ml.training.task import Task

_EACH = 20


def test(
    task: Task[Any], bundle: Bundle, data: Path, out: Path, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Read all records under a folder with a bundle, and write what came out.

    Counted as in the cross-validation on the bundle's card, but by the decision that ships; scores
    that move a threshold until something holds (a rate of false alarms) move it on these records.
    Nothing is kept: the next run reads anew.

    Parameters
    ----------
    task : Task
    bundle : Bundle
    data : pathlib.Path
        Folder of the databases, laid out as for training.
    out : pathlib.Path
        Folder of ``test.json``.
    tell : callable
        Is given one line at each step.

    Returns
    -------
    dict
        ``bundle``, ``sha256``, ``scores``, ``trained_on`` (those of the records that the bundle
        learned from) and ``records``, each as :meth:`ml.training.task.Task.measure` has it.

    Raises
    ------
    FileNotFoundError, RecordingError
        If recordings are missing or cannot be read.
    """
    names = task.records(data)
    measured = {}
    for number, name in enumerate(names, 1):
        record = task.read(data, name)
        measured[name] = task.measure(record, task.answers(record, bundle.models), bundle.decision)
        if number % _EACH == 0:
            tell(f"{number} of {len(names)} records")
    told: dict[str, Any] = {
        "bundle": bundle.id,
        "sha256": bundle.sha256,
        "scores": {name: _defined(one) for name, one in task.scores(measured).items()},
        "trained_on": sorted(bundle.trained_on.intersection(names)),
        "records": measured,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "test.json").write_text(json.dumps(told, indent=1, allow_nan=False) + "\n")
    tell(f"{bundle.id}, {len(names)} records:")
    for score, value in told["scores"].items():
        tell(f"  {score} " + ("not defined" if value is None else f"{value:.4f}"))
    if told["trained_on"]:
        tell(f"It learned from {len(told['trained_on'])} of them: new patients are harder to read.")
    return told


def _defined(value: float) -> float | None:
    return None if isnan(value) else value
