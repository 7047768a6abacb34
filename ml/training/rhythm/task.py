"""The rhythm model as a task of the factory."""

# ruff: noqa: ARG002 (the arguments are those of the protocol)

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml.bundle import MANIFEST
from ml.registry import SHIPPED
from ml.tasks.rhythm import LABELS, LEAST_READABLE
from ml.tasks.rhythm import TASK as NAME
from ml.tasks.rhythm_features import FEATURES
from ml.tasks.rhythm_grid import BAND_HZ, GRID_RATE
from ml.tasks.rhythm_segments import SEGMENT_POINTS
from ml.tasks.waves import TASK as WAVES
from ml.training.evaluation import confusion
from ml.training.rhythm import figures
from ml.training.rhythm.data import (
    DATABASE,
    REFERENCE,
    Strip,
    answers_of,
    examples_of,
    read_strip,
    references,
)
from ml.training.task import Answers, Classifier, Examples, Inputs, Part, Texts

if TYPE_CHECKING:
    from pathlib import Path

    import keras

    from ml.decision import Decision
    from ml.training.calibration import Pool

_SOURCES = (
    {
        "name": "PhysioNet/Computing in Cardiology Challenge 2017, training set",
        "licence": "Open Data Commons Attribution License 1.0 (ODC-By 1.0)",
        "cite": "Clifford GD, Liu C, Moody B, Lehman LH, Silva I, Li Q, Johnson AE, Mark RG. AF "
        "classification from a short single lead ECG recording: the PhysioNet/Computing in "
        "Cardiology Challenge 2017. Computing in Cardiology 44 (2017).",
    },
    {
        "name": "PhysioNet",
        "licence": "",
        "cite": "Goldberger AL, et al. PhysioBank, PhysioToolkit, and PhysioNet. "
        "Circulation 101(23):e215-e220 (2000).",
    },
)

_INTENDED_USE = (
    "Decision support for trained readers of electrocardiograms in adults: proposes whether a "
    "stretch of one lead shows normal sinus rhythm, atrial fibrillation, another rhythm, or cannot "
    "be read. Every result is unconfirmed until a reader has reviewed it. Research use only; not a "
    "medical device, not for alarms."
)

_LIMITS = (
    (
        "Cross-validated by strip on half of the public training set; who a strip is of is not "
        "told by its source, so that two strips of one person may lie in different folds."
    ),
    (
        "Features, network, length of training and the way that thresholds are chosen were settled "
        "while looking at cross-validated results of the same strips: the figures are optimistic "
        "to that extent."
    ),
    (
        "“Other” is whatever its readers called neither normal nor fibrillation: extra beats, slow "
        "and fast rhythms, blocks. They did not agree among themselves on a good part of them."
    ),
    (
        "Strips were taken by the wearers with one handheld device, lead I, 300 Hz. Other leads "
        "and devices, children and exercise were not trained for."
    ),
    ("It reads P waves from the wave model: with another one of these it is to be trained again."),
    (
        "That wave model learned from 776 of these strips, all those of fibrillation among them, "
        "that they have P waves or none. With wave models of folds that had not seen a strip the "
        "mean F1 of version 1.1.0 is 82.9 instead of 83.7 %, that of fibrillation 83.4 instead of "
        "85.1 %; what the features of the training strips owe to it is not in that."
    ),
)

_TEXTS = Texts(
    intended_use=_INTENDED_USE,
    limits=_LIMITS,
    tested="whole strips of 9 to 61 s, R peaks and waves as the product finds them",
    sources=_SOURCES,
    preprocessing={
        "band_hz": list(BAND_HZ),
        "grid_hz": GRID_RATE,
        "segment_points": SEGMENT_POINTS,
        "features": list(FEATURES),
        "least_readable": LEAST_READABLE,
    },
)


class _Rhythm(Classifier[Strip]):
    """See :class:`ml.training.task.Task`."""

    name = NAME
    labels = LABELS
    texts = _TEXTS

    def __init__(self) -> None:
        self._rhythms: Mapping[str, int] = {}

    def records(self, data: Path) -> list[str]:
        self._rhythms = references(data)
        return list(self._rhythms)

    def patient(self, record: str) -> str:
        return record

    def stratum(self, record: str) -> str:
        return LABELS[self._rhythms[record]]

    def files(self, data: Path, record: str) -> list[Path]:
        header = data / f"{record}.hea"
        # features hold the P waves that the wave model finds
        waves = SHIPPED / WAVES / MANIFEST
        return [header, header.with_suffix(".mat"), data / DATABASE / REFERENCE, waves]

    def read(self, data: Path, record: str) -> Strip:
        return read_strip(data, record)

    def examples(self, record: Strip) -> Examples:
        return examples_of(record)

    def weights(self, examples: Examples) -> NDArray[np.float64]:
        n = len(examples.targets)
        return np.full(n, 1 / n)

    def vary(self, inputs: Inputs, targets: NDArray[np.int8], rng: np.random.Generator) -> None:
        from ml.training.rhythm.network import vary

        vary(inputs["segments"], inputs["features"], rng)

    def network(self, options: Mapping[str, Any]) -> keras.Model:
        from ml.training.rhythm.network import rhythm_network

        return rhythm_network(options)

    def parts(self, network: keras.Model, inputs: Inputs) -> Mapping[str, Part]:
        from ml.training.rhythm.network import parts

        return parts(network, inputs)

    def answers(self, record: Strip, models: Mapping[str, bytes]) -> Answers:
        return answers_of(record, models)

    def worth(self, pool: Pool, decision: Decision) -> float:
        return figures.mean_f1(confusion(pool.truth, decision.classes(pool.logits), len(LABELS)))

    def measure(self, record: Strip, answers: Answers, decision: Decision) -> dict[str, Any]:
        return {
            "true": int(record.rhythm),
            "said": int(decision.classes(answers.logits)[0]),
            "unsure": bool(decision.unsure(answers.logits)[0]),
        }

    def scores(self, measured: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
        return figures.main_scores(measured)

    def figures(self, measured: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
        return figures.figures(measured)

    def report(self, card: Mapping[str, Any]) -> list[str]:
        return figures.report(card)


TASK = _Rhythm()
