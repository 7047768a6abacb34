"""Trains, tests and packs the beat model: cross-validation by patient, then the final model."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml.bundle import Bundle, write_bundle
from ml.tasks.beats import LABELS, TASK
from ml.training import card, quantise
from ml.training.data import Beats, Record, extract, find_records, read_record, split
from ml.training.evaluation import classify, confusion, scores
from ml.training.network import fit, sampling_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import keras

ROOT = Path(__file__).parents[2]
_SOURCES = ("signals/**/*.py", "ml/tasks/**/*.py", "ml/training/**/*.py", "ml/*.py")
_WITHOUT_EFFECT = ("ml/training/card.py", "ml/training/__main__.py", "ml/registry.py")

PRIOR_SHARE = 0.5
"""How much of the balanced drawing of training beats is undone in the decision. All of it would
give the most right answers; the F1 of a rare class is greatest where it is said more readily."""

RELUCTANCE = (0.0, 0.0, 0.0, 1.0, 1.0)
"""Taken off the logits of N, S, V, F, Q: what few patients have is not to be said lightly."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides the result, beside the code and the data.

    Parameters
    ----------
    seed : int
        Of folds, weights, order and variation.
    folds : int
        Of the cross-validation.
    epochs, steps : int
        Length of each training, as for :func:`ml.training.network.fit`.
    """

    seed: int = 0
    folds: int = 5
    epochs: int = 5
    steps: int = 100

    def digest(self, records: Iterable[Record]) -> str:
        """Return a short name for all that a fold's answers follow from.

        That is this recipe, `records` by their content, the source files of signals and ml, and
        the version of every installed package.
        """
        packages = sorted({f"{package.name} {package.version}" for package in distributions()})
        digest = hashlib.sha256(json.dumps([asdict(self), packages]).encode())
        for source in sorted({path for pattern in _SOURCES for path in ROOT.glob(pattern)}):
            name = source.relative_to(ROOT).as_posix()
            if name not in _WITHOUT_EFFECT:
                digest.update(f"{name} {source.stat().st_size} ".encode())
                digest.update(source.read_bytes())
        for record in records:
            digest.update(f"{record.name} {record.rate} {record.samples.shape} ".encode())
            for values in (record.samples, record.peaks, record.classes):
                digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class _Trained:
    network: keras.Model
    float_model: bytes
    int8_model: bytes
    thresholds: tuple[float, ...]


def train_beats(
    data: Path,
    work: Path,
    out: Path,
    recipe: Recipe,
    version: tuple[int, int, int],
    tell: Callable[[str], None],
) -> Bundle:
    """Cross-validate, train on all development patients, write the bundle.

    Parameters
    ----------
    data : pathlib.Path
        Folder of ``mitdb/`` and ``svdb/``.
    work : pathlib.Path
        Where features and finished folds are kept; a run that was stopped goes on from there.
    out : pathlib.Path
        Folder of the bundle.
    recipe : Recipe
        How to train.
    version : tuple of int
        Of the bundle.
    tell : callable
        Is given one line at each step.

    Raises
    ------
    FileNotFoundError, RecordingError
        If recordings are missing or cannot be read.
    ConversionError
        If a converted model does not pass its gates.
    """
    names = find_records(data)
    folds = split(names, recipe.folds, recipe.seed)
    begun = time.monotonic()
    records: dict[str, Record] = {}
    beats: dict[str, Beats] = {}
    for name in names:
        records[name] = read_record(data, name)
        beats[name] = extract(records[name], recipe.seed)
    work = work / recipe.digest(records.values())
    work.mkdir(parents=True, exist_ok=True)
    tell(f"{len(names)} recordings read in {time.monotonic() - begun:.0f} s")

    results: dict[str, card.RecordResult] = {}
    for number, held_out in enumerate(folds):
        kept = work / f"fold-{number}.npz"
        if not kept.exists():
            begun = time.monotonic()
            training = Beats.of([beats[name] for name in names if name not in held_out])
            trained = _train(training, recipe, recipe.seed + number)
            _test(trained, [records[name] for name in held_out], beats, kept)
            tell(f"fold {number}: trained and tested in {time.monotonic() - begun:.0f} s")
        with np.load(kept) as answers:
            for name in held_out:
                of_float, of_int8 = (answers[f"{name} {kind}"] for kind in ("float32", "int8"))
                results[name] = card.RecordResult(
                    fold=number,
                    float32=confusion(records[name].classes, of_float),
                    int8=confusion(records[name].classes, of_int8),
                    same=int(np.count_nonzero(of_float == of_int8)),
                )
        tell(f"fold {number}: {_summary([results[name].int8 for name in held_out])}")
    tell(f"all folds, int8: {_summary([result.int8 for result in results.values()])}")

    everything = Beats.of([beats[name] for name in names])
    final = _train(everything, recipe, recipe.seed)
    facts = card.Facts(
        version=version,
        recipe=asdict(recipe),
        folds=folds,
        thresholds=final.thresholds,
        parameters=final.network.count_params(),
        size=len(final.int8_model),
        final_agreement=quantise.agreement(final.float_model, final.int8_model, everything),
        layers=[layer.__class__.__name__ for layer in final.network.layers],
    )
    described = card.describe(facts, results)
    bundle = write_bundle(
        out,
        TASK,
        version,
        {"model": final.int8_model},
        card.rounded(described),
        card.as_markdown(described),
    )
    tell(f"{bundle.id}: {len(bundle.model)} bytes, in {out}")
    return bundle


def _train(beats: Beats, recipe: Recipe, seed: int) -> _Trained:
    network = fit(beats, epochs=recipe.epochs, steps=recipe.steps, seed=seed)
    weights = sampling_weights(beats)
    return _Trained(
        network=network,
        float_model=quantise.to_float_tflite(network),
        int8_model=quantise.to_int8_tflite(network, beats, weights, seed),
        thresholds=decision_thresholds(beats.classes, weights),
    )


def decision_thresholds(
    classes: NDArray[np.int8], weights: NDArray[np.float64]
) -> tuple[float, ...]:
    """Return what is added to the logits before the greatest is taken.

    Parameters
    ----------
    classes : numpy.ndarray, shape (beats,)
        Of the training part, and of nothing else.
    weights : numpy.ndarray, shape (beats,)
        How likely each of its beats was drawn in training.
    """
    drawn = np.bincount(classes, weights, len(LABELS)) / weights.sum()
    there = np.bincount(classes, minlength=len(LABELS)) / len(classes)
    prior = np.log(np.maximum(there, 1e-6) / np.maximum(drawn, 1e-6))
    thresholds = PRIOR_SHARE * prior - RELUCTANCE
    return tuple(round(float(value), 4) for value in thresholds)


def _test(
    trained: _Trained, held_out: Sequence[Record], beats: dict[str, Beats], kept: Path
) -> None:
    """Classify whole held-out recordings with both models and keep the answers.

    Raises
    ------
    ConversionError
        If the two networks by themselves agree too little.
    """
    quantise.agreement(
        trained.float_model,
        trained.int8_model,
        Beats.of([beats[record.name] for record in held_out]),
    )
    answers: dict[str, Any] = {}
    for record in held_out:
        for kind, tflite in (("float32", trained.float_model), ("int8", trained.int8_model)):
            answers[f"{record.name} {kind}"] = classify(record, tflite, trained.thresholds)
    unfinished = kept.with_suffix(".part.npz")
    np.savez(unfinished, **answers)
    unfinished.replace(kept)


def _summary(counts: Sequence[NDArray[np.int64]]) -> str:
    by_class = scores(np.sum(counts, axis=0))
    return ", ".join(f"{label} F1 {score.f1:.3f}" for label, score in by_class.items())
