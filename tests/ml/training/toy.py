"""A task so small that the whole factory runs in seconds: points of three classes, by patient."""

# ruff: noqa: ARG002 (the arguments are those of the protocol)

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml.decision import Decision
from ml.runtime import Model
from ml.training.drawing import balanced
from ml.training.evaluation import confusion, scores
from ml.training.recipe import Calibrate, Decide, Folds, Quantise, Recipe, Student
from ml.training.task import Answers, Classifier, Examples, Inputs, Part, Texts

if TYPE_CHECKING:
    import keras

    from ml.training.calibration import Pool

LABELS = ("a", "b", "c")
WIDTH = 6
POINTS = 200

Record = tuple[str, NDArray[np.float32], NDArray[np.int8]]


class Toy(Classifier[Record]):
    """Twelve records of six patients; each patient's points are shifted a little."""

    name = "toy"
    labels = LABELS
    texts = Texts("For tests.", ("A toy.",), "toys", ({"name": "Toys", "cite": "Us."},), {})

    def __init__(self) -> None:
        self.relabelled: set[str] = set()

    def records(self, data: Path) -> list[str]:
        return [f"toys/{number:02}" for number in range(12)]

    def patient(self, record: str) -> str:
        return str(int(record[-2:]) // 2)

    def stratum(self, record: str) -> str:
        return "toys"

    def files(self, data: Path, record: str) -> list[Path]:
        return []

    def read(self, data: Path, record: str) -> Record:
        rng = np.random.default_rng(int(record[-2:]))
        classes = rng.choice(3, POINTS, p=[0.6, 0.25, 0.15]).astype(np.int8)
        middles = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]]).repeat(2, axis=1)
        points = 0.35 * middles[classes] + rng.normal(0, 0.18, (POINTS, WIDTH))
        points += rng.normal(0, 0.04, WIDTH)
        if record in self.relabelled:
            classes = ((classes + 1) % 3).astype(np.int8)
        return record, np.clip(points, -1, 1).astype(np.float32), classes

    def examples(self, record: Record) -> Examples:
        name, points, classes = record
        return Examples({"points": points.astype(np.float16)}, classes, np.full(POINTS, name))

    def weights(self, examples: Examples) -> NDArray[np.float64]:
        return balanced(examples.targets, examples.records, 50)

    def vary(self, inputs: Inputs, targets: NDArray[np.int8], rng: np.random.Generator) -> None:
        inputs["points"] += rng.normal(0, 0.02, inputs["points"].shape).astype(np.float32)

    def network(self, options: Mapping[str, Any]) -> keras.Model:
        import keras

        points = keras.Input((WIDTH,), name="points")
        x = keras.layers.Dense(options["width"], use_bias=False)(points)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
        x = keras.layers.Dense(options["width"], activation="relu")(x)
        return keras.Model(points, keras.layers.Dense(3)(x))

    def parts(self, network: keras.Model, inputs: Inputs) -> Mapping[str, Part]:
        return {"model": Part(network, inputs)}

    def answers(self, record: Record, models: Mapping[str, bytes]) -> Answers:
        return Answers(record[2], Model(models["model"], allow_float=True).run(record[1])[0])

    def worth(self, pool: Pool, decision: Decision) -> float:
        return scores(confusion(pool.truth, decision.classes(pool.logits), 3), LABELS)["c"].f1

    def measure(self, record: Record, answers: Answers, decision: Decision) -> dict[str, Any]:
        counts = confusion(answers.truth, decision.classes(answers.logits), 3)
        return {"confusion": counts.tolist()}

    def scores(self, measured: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
        counts = np.sum([one["confusion"] for one in measured.values()], axis=0)
        return {label: score.f1 for label, score in scores(counts, LABELS).items()}

    def figures(self, measured: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
        return {"results": {kind: self.scores(of_kind) for kind, of_kind in measured.items()}}

    def report(self, card: Mapping[str, Any]) -> list[str]:
        return [f"F1 of c: {card['results']['int8']['c']:.3f}"]


def recipe() -> Recipe:
    """Return a recipe that takes seconds."""
    return Recipe(
        name="toy",
        task="toy",
        version="0.0.1",
        folds=Folds(3),
        student=Student(3, 20, 64, 0.01, network={"width": 16}),
        calibrate=Calibrate("vector", 0.9),
        decide=Decide(("c",)),
        # a network trained for seconds is unsure, and unsure answers fall either way
        quantise=Quantise(256, most_lost=5.0, least_agreement=0.9),
    )
