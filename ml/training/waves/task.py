"""The delineator as a task of the factory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml.tasks.wave_strips import (
    BASELINE_S,
    CUTOFF_HZ,
    GRID_RATE,
    STEP_POINTS,
    STRIP_POINTS,
    model_input,
)
from ml.tasks.waves import LABELS
from ml.tasks.waves import TASK as NAME
from ml.training.task import Answers, Examples, Part, Task, Texts
from ml.training.waves.answering import answers_of
from ml.training.waves.data import Source, files_of, find_records, patient_of, read_record
from ml.training.waves.figures import figures_of, report_of, scores_of
from ml.training.waves.scoring import measured
from ml.training.waves.strips import examples_of
from ml.training.waves.variation import disturb, vary, weights_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import keras

    from ml.decision import Decision
    from ml.training.task import Inputs

_LICENCE = "ODC-By 1.0"
_SOURCES = (
    {
        "name": "Lobachevsky University Electrocardiography Database",
        "licence": _LICENCE,
        "cite": "Kalyakulina AI, et al. LUDB: a new open-access validation tool for "
        "electrocardiogram delineation algorithms. IEEE Access 8:186181-186190 (2020).",
    },
    {
        "name": "QT Database",
        "licence": _LICENCE,
        "cite": "Laguna P, Mark RG, Goldberger AL, Moody GB. A database for evaluation of "
        "algorithms for measurement of QT and other waveform intervals in the ECG. Computers in "
        "Cardiology 24:673-676 (1997).",
    },
    {
        "name": "MIT-BIH Arrhythmia Database",
        "licence": _LICENCE,
        "cite": "Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. "
        "IEEE Eng in Med and Biol 20(3):45-50 (2001).",
    },
    {
        "name": "PhysioNet/CinC Challenge 2017",
        "licence": _LICENCE,
        "cite": "Clifford GD, et al. AF classification from a short single lead ECG recording: "
        "the PhysioNet/Computing in Cardiology Challenge 2017. Computing in Cardiology 44 (2017).",
    },
    {
        "name": "MIT-BIH Noise Stress Test Database",
        "licence": _LICENCE,
        "cite": "Moody GB, Muldrow WK, Mark RG. A noise stress test for arrhythmia detectors. "
        "Computers in Cardiology 11:381-384 (1984).",
    },
    {
        "name": "PhysioNet",
        "licence": _LICENCE,
        "cite": "Goldberger AL, et al. PhysioBank, PhysioToolkit, and PhysioNet. "
        "Circulation 101(23):e215-e220 (2000).",
    },
)

_INTENDED_USE = (
    "Decision support for trained readers of electrocardiograms in adults: proposes where P, QRS "
    "and T of each detected beat begin and end, in each lead and in all. Every result is "
    "unconfirmed until a reader has reviewed it. Research use only; not a medical device, not for "
    "alarms."
)

_LIMITS = (
    (
        "Cross-validated by patient on the development parts of ludb and qtdb: the model that "
        "ships has learnt from all of them, so that any figure it gives on them is better than it "
        "will be on others. Excerpts of one recording are in one fold."
    ),
    (
        "R peaks are those of our own detector. Network, length of training and thresholds were "
        "chosen while looking at cross-validated results of the same patients."
    ),
    (
        "P waves that are small, or hidden in the T wave before (first-degree block, fast rates), "
        "are missed in a few patients throughout: see the shares by recording."
    ),
    "Few recordings have dissociation or blocked beats: UNRELATED and lone P waves are not scored.",
    "Not tested on children, during exercise, or with implanted pacemakers beyond those of ludb.",
)

_TEXTS = Texts(
    intended_use=_INTENDED_USE,
    limits=_LIMITS,
    tested="whole recordings, against the marks of readers",
    sources=_SOURCES,
    preprocessing={
        "grid_hz": GRID_RATE,
        "strip_points": STRIP_POINTS,
        "points_an_answer": STEP_POINTS,
        "low_pass_hz": CUTOFF_HZ,
        "baseline_s": BASELINE_S,
    },
)


class _Waves(Task[Source]):
    """See :class:`ml.training.task.Task`."""

    name = NAME
    labels = LABELS
    texts = _TEXTS

    def records(self, data: Path) -> list[str]:
        return find_records(data)

    def patient(self, record: str) -> str:
        return patient_of(record)

    def stratum(self, record: str) -> str:
        return patient_of(record).partition("/")[0]

    def files(self, data: Path, record: str) -> list[Path]:
        return files_of(data, record)

    def read(self, data: Path, record: str) -> Source:
        return read_record(data, record)

    def examples(self, record: Source) -> Examples:
        return examples_of(record)

    def weights(self, examples: Examples) -> NDArray[np.float64]:
        return weights_of(examples)

    def vary(self, inputs: Inputs, targets: NDArray[Any], rng: np.random.Generator) -> None:
        vary(inputs, targets, rng)

    def network(self, options: Mapping[str, Any]) -> keras.Model:
        from ml.training.waves.network import wave_network

        return wave_network(options)

    def loss(self, targets: Any, logits: Any) -> Any:  # noqa: ANN401 (Keras has no types)
        from ml.training.waves.network import wave_loss

        return wave_loss(targets, logits)

    def parts(self, network: keras.Model, inputs: Inputs) -> Mapping[str, Part]:
        level = inputs["level"].copy()
        disturb(level, inputs["noise"], np.random.default_rng(0))
        # strip by strip: the shipped code asks for as many as there are
        return {"model": Part(network, {"strips": model_input(level, inputs["marks"])}, batch=1)}

    def answers(self, record: Source, models: Mapping[str, bytes]) -> Answers:
        return answers_of(record, models)

    def measure(self, record: Source, answers: Answers, decision: Decision) -> dict[str, Any]:
        del decision  # nothing is decided on
        return measured(record, answers)

    def scores(self, measured: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
        return scores_of(measured)

    def figures(self, measured: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
        return figures_of(measured)

    def report(self, card: Mapping[str, Any]) -> list[str]:
        return report_of(card)


TASK = _Waves()
