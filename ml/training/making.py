"""From a recipe to a bundle: cross-validation by patient, then the model of everybody."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.bundle import Bundle, write_bundle
from ml.decision import Decision
from ml.training import calibration, card
from ml.training.folds import deal
from ml.training.pruning import sparsity
from ml.training.quantise import ConversionError, slim
from ml.training.report import write_report
from ml.training.task import Answers, Classifier
from ml.training.workshop import EVERYBODY, Workshop

if TYPE_CHECKING:
    from pathlib import Path

    from ml.training.recipe import Recipe

KINDS = ("float32", "int8")
_RECORDS_AGAIN = 6
"""Records on which the int8 and float32 models of everybody are compared."""
_GROUPS = 4


@dataclass(frozen=True, slots=True)
class Tested:
    """A fold: what was trained, and what it answered.

    Parameters
    ----------
    models : mapping
        The files that ship, by kind, then by name.
    answers : mapping
        Of the held-out records: by kind, then by record.
    losses : tuple of float
        Of each epoch of the training.
    """

    models: dict[str, dict[str, bytes]]
    answers: dict[str, dict[str, Answers]]
    losses: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """A cross-validation.

    Parameters
    ----------
    folds : list of Tested
    decisions : list of Decision
        For each fold, fitted on the answers of the others; neutral without classes.
    decision : Decision
        Fitted on all of them: it ships.
    measured : mapping
        ``measured[kind][record]`` as :meth:`ml.training.task.Task.measure` gives it.
    scores : mapping
        For each kind as :meth:`ml.training.task.Task.scores` gives it.
    """

    folds: list[Tested]
    decisions: list[Decision]
    decision: Decision
    measured: dict[str, dict[str, dict[str, Any]]]
    scores: dict[str, dict[str, float]]

    @property
    def points_lost(self) -> float:
        """What int8 costs of the first score, in hundredths."""
        name = next(iter(self.scores["int8"]))
        return 100 * (self.scores["float32"][name] - self.scores["int8"][name])


def make(shop: Workshop, out: Path, report: Path) -> Bundle:
    """Cross-validate with each seed, train on all patients with the first, write bundle and report.

    Parameters
    ----------
    shop : Workshop
    out : pathlib.Path
        Folder of the bundle.
    report : pathlib.Path
        Folder of the plots.

    Raises
    ------
    FileNotFoundError, RecordingError
        If recordings are missing or cannot be read.
    ConversionError
        If a converted model does not pass its gates.
    """
    recipe = shop.recipe
    judged = [cross_validate(shop, recipe, seed) for seed in recipe.seeds]
    shipped = judged[0]
    lost = shipped.points_lost
    name = next(iter(shipped.scores["int8"]))
    shop.tell(f"{name}: int8 costs {lost:+.2f} points; {recipe.quantise.most_lost:g} may be lost")
    if lost > recipe.quantise.most_lost:
        raise ConversionError(
            f"int8 costs {lost:.2f} points of {name}, more than the {recipe.quantise.most_lost:g} "
            "that the recipe allows: the network is to be made easier to quantise, or fine-tuned "
            "with quantisation simulated"
        )
    trained = shop.trained(recipe, EVERYBODY, recipe.seeds[0])
    models = {kind: shop.models(recipe, trained, EVERYBODY, kind) for kind in KINDS}
    ships = slim(models["int8"])
    named = _named(shop, shipped, models)
    facts = card.Facts(
        recipe=recipe,
        folds=shop.folds,
        decision=shipped.decision,
        parameters=trained.network.count_params(),
        sparsity=sparsity(trained.network),
        layers=tuple(layer.__class__.__name__ for layer in trained.network.layers),
        sizes={name: len(model) for name, model in ships.items()},
        points_lost=lost,
        named=named,
        scores=[one.scores["int8"] for one in judged],
    )
    described = card.describe(shop.task, facts, shipped.measured)
    bundle = write_bundle(
        out,
        shop.task.name,
        recipe.numbers,
        ships,
        card.rounded(described),
        card.as_markdown(shop.task, described),
    )
    losses = {f"fold {number}": fold.losses for number, fold in enumerate(shipped.folds)}
    parts = shop.parts(recipe, trained, EVERYBODY)
    losses["everybody"] = trained.losses
    write_report(report, shipped, losses, named.calibration if named else None, parts, models)
    shop.tell(
        f"{bundle.id}: {sum(facts.sizes.values())} bytes of models, in {out}; plots in {report}"
    )
    return bundle


def _named(
    shop: Workshop, shipped: Judged, models: Mapping[str, Mapping[str, bytes]]
) -> card.Named | None:
    """Return how classes were named, by the folds and by the `models` of everybody."""
    if shop.recipe.calibrate is None:
        return None
    step = max(1, len(shop.names) // _RECORDS_AGAIN)
    some = shop.names[::step]
    answers = {kind: shop.answers(models[kind], some) for kind in KINDS}
    return card.Named(
        agreement=[
            agreement(fold.answers, decision)
            for fold, decision in zip(shipped.folds, shipped.decisions, strict=True)
        ],
        agreement_everybody=agreement(answers, shipped.decision),
        calibration=calibration.told(
            [fold.answers["int8"] for fold in shipped.folds],
            shipped.decisions,
            shop.recipe.calibrate.coverage,
        ),
    )


def cross_validate(shop: Workshop, recipe: Recipe, seed: int) -> Judged:
    """Train, convert and test each fold; fit each fold's decision on the others.

    Raises
    ------
    ConversionError
        If float32 and int8 agree too little in a fold.
    """
    folds: list[Tested] = []
    begun = time.monotonic()
    for number in range(len(shop.folds)):
        folds.append(run_fold(shop, recipe, number, seed))
        left = (time.monotonic() - begun) / len(folds) * (len(shop.folds) - len(folds))
        shop.tell(
            f"seed {seed}: {len(folds)} of {len(shop.folds)} folds done; about {left / 60:.0f} "
            "min left of this seed"
        )
    judged = judge(shop, recipe, folds)
    if recipe.calibrate is not None:
        _refuse_disagreement(judged, recipe.quantise.least_agreement)
    told = ", ".join(f"{name} {value:.4f}" for name, value in judged.scores["int8"].items())
    shop.tell(f"seed {seed}, all folds, int8: {told}")
    return judged


def _refuse_disagreement(judged: Judged, least: float) -> None:
    for number, (fold, decision) in enumerate(zip(judged.folds, judged.decisions, strict=True)):
        if (share := agreement(fold.answers, decision)) < least:
            raise ConversionError(
                f"fold {number}: int8 and float32 agree on {share:.1%} of the answers; "
                f"{least:.0%} are asked"
            )


def run_fold(
    shop: Workshop, recipe: Recipe, fold: int, seed: int, kinds: Sequence[str] = KINDS
) -> Tested:
    """Train the student of a fold, convert it, and let it answer to the fold's records.

    Parameters
    ----------
    shop, recipe, fold, seed
        As for :meth:`ml.training.workshop.Workshop.trained`.
    kinds : sequence of str
        As for :func:`ml.training.quantise.converted`.
    """
    trained = shop.trained(recipe, fold, seed)
    models = {kind: shop.models(recipe, trained, fold, kind) for kind in kinds}
    answers = {kind: shop.answers(models[kind], shop.folds[fold]) for kind in kinds}
    return Tested(models, answers, trained.losses)


def judge(shop: Workshop, recipe: Recipe, folds: Sequence[Tested], decides: str = "int8") -> Judged:
    """Fit the decision of each fold on the others, and measure each record under it.

    Decisions are fitted on the answers of one kind, `decides`, and serve all. Of a
    single fold, the patients are dealt into groups that stand for folds: no record is judged by
    what was fitted to it, but the figures are of fewer answers.
    """
    task = shop.task
    if len(folds) == 1:
        folds = _groups(shop, folds[0])
    decision = Decision(task.labels)
    decisions = [decision] * len(folds)
    if isinstance(task, Classifier) and recipe.calibrate is not None:
        decisions, decision = calibration.honest(
            [fold.answers[decides] for fold in folds],
            task.labels,
            recipe.calibrate,
            recipe.decide,
            task.worth,
        )
    measured: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in folds[0].answers}
    for fold, of_fold in zip(folds, decisions, strict=True):
        for name in fold.answers[decides]:
            for kind, answers in fold.answers.items():
                measured[kind][name] = task.measure(shop.record(name), answers[name], of_fold)
    scores = {kind: task.scores(of_kind) for kind, of_kind in measured.items()}
    return Judged(list(folds), decisions, decision, measured, scores)


def _groups(shop: Workshop, fold: Tested) -> list[Tested]:
    task, names = shop.task, list(next(iter(fold.answers.values())))
    dealt = deal(names, task.patient, task.stratum, _GROUPS, shop.recipe.folds.seed)
    return [
        replace(
            fold,
            answers={
                kind: {name: answers[name] for name in group}
                for kind, answers in fold.answers.items()
            },
        )
        for group in dealt
        if group
    ]


def agreement(answers: Mapping[str, Mapping[str, Answers]], decision: Decision) -> float:
    """Return the share of answers of both kinds that name the same class."""
    same = np.concatenate(
        [
            decision.classes(answers["float32"][name].logits) == decision.classes(one.logits)
            for name, one in answers["int8"].items()
        ]
    )
    return float(same.mean())
