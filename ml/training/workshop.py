"""Where the pieces of a model are made: examples, networks, their conversions, their answers.

Each network, each conversion and each record's answers are kept in the work folder under a name for
all that they follow from; a run that was stopped, or whose recipe changed in part, goes on from
what is still good.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from ml.training import fitting, quantise
from ml.training.folds import deal
from ml.training.keeping import (
    READERS,
    RUNTIMES,
    TRAINERS,
    Arrays,
    as_array,
    code_digest,
    digest_of,
    kept,
    versions,
)
from ml.training.recipe import RecipeError
from ml.training.task import Answers, Classifier, Examples

if TYPE_CHECKING:
    from ml.training.recipe import Prune, Recipe, Student
    from ml.training.task import Part, Task

EVERYBODY = -1
"""Stands for the fold in which nobody is held out."""

_SHIPPED_CODE = ("ml", "signals")
_TRAINING_CODE = ("ml.training",)


@dataclass(frozen=True, slots=True)
class Trained:
    """A network with what tells how it came about.

    Parameters
    ----------
    network : keras.Model
    losses : tuple of float
        Of each epoch.
    digest : str
        A name for all that it follows from.
    """

    network: keras.Model
    losses: tuple[float, ...]
    digest: str


@dataclass(slots=True)
class Workshop:
    """The data of a task, dealt into folds, and the place where results are kept.

    Parameters
    ----------
    task : Task
    recipe : Recipe
    data : pathlib.Path
        Folder of the databases.
    work : pathlib.Path
        Where results are kept.
    tell : callable
        Is given one line at each step.

    Raises
    ------
    FileNotFoundError
        If a database is not there.
    RecipeError
        If the recipe calibrates what names no classes, or does not calibrate what does.
    """

    task: Task[Any]
    recipe: Recipe
    data: Path
    work: Path
    tell: Callable[[str], None]
    names: list[str] = field(init=False)
    folds: list[list[str]] = field(init=False)
    _examples: dict[str, Examples] = field(init=False, default_factory=dict)
    _last_read: tuple[str, Any] = field(init=False, default=("", None))
    _training: tuple[int, Examples, str] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        task, folds = self.task, self.recipe.folds
        if isinstance(task, Classifier) != (self.recipe.calibrate is not None):
            raise RecipeError(
                f"{self.recipe.name}: calibrate: expected where a task names classes, only there"
            )
        self.names = task.records(self.data)
        self.folds = deal(self.names, task.patient, task.stratum, folds.count, folds.seed)

    def held_out(self, fold: int) -> list[str]:
        """Return the records of a fold; none where nobody is held out."""
        return [] if fold == EVERYBODY else self.folds[fold]

    def record(self, name: str) -> Any:  # noqa: ANN401 (what a task makes of it)
        """Return a record as the task reads it; the last one is held."""
        if self._last_read[0] != name:
            self._last_read = name, self.task.read(self.data, name)
        return self._last_read[1]

    def training(self, fold: int) -> tuple[Examples, str]:
        """Return the examples of all patients that a fold does not hold out, and their digest."""
        if self._training is None or self._training[0] != fold:
            if not self._examples:
                self._extract()
            self._training = None  # there is not always room for two of them
            left_out = set(self.held_out(fold))
            whole = Examples.of([self._examples[n] for n in self.names if n not in left_out])
            digest = digest_of(whole.inputs, whole.targets, whole.records)
            self._training = fold, whole, digest
        return self._training[1], self._training[2]

    def _extract(self) -> None:
        begun = time.monotonic()
        task = self.task
        code = code_digest((_own(task.read), _own(task.examples)), _SHIPPED_CODE)
        for number, name in enumerate(self.names):
            digest = digest_of(name, code, self._files(name), versions(*READERS))
            path = self.work / "examples" / f"{name.replace('/', '-')}-{digest}.npz"
            arrays = kept(path, partial(self._arrays_of, name))
            targets = arrays.pop("targets")
            self._examples[name] = Examples(arrays, targets, np.full(len(targets), name))
            if number % 20 == 19:
                self.tell(f"examples of {number + 1} of {len(self.names)} records")
        n = sum(len(one.targets) for one in self._examples.values())
        self.tell(f"{n} examples of {len(self.names)} records: {time.monotonic() - begun:.0f} s")

    def _arrays_of(self, name: str) -> Arrays:
        examples = self.task.examples(self.record(name))
        return {**examples.inputs, "targets": examples.targets}

    def trained(self, recipe: Recipe, fold: int, seed: int) -> Trained:
        """Return the student of a fold, taught and pruned as a recipe has it.

        Parameters
        ----------
        recipe : Recipe
            The workshop's own, or one that differs from it in how networks are made.
        fold : int
            Whose patients are held out: neither teachers nor student see them.
        seed : int
        """
        teaching, taught = None, []
        if recipe.teacher is not None and recipe.distil is not None:
            how = replace(recipe.teacher, count=1)
            teachers = [
                self._network("teacher", how, fold, [seed, number], {})
                for number in range(recipe.teacher.count)
            ]
            teaching = [teacher.network for teacher in teachers], recipe.distil
            taught = [asdict(recipe.distil), *(teacher.digest for teacher in teachers)]
        student = recipe.student
        follows: dict[str, Any] = {"taught": taught}
        dense = self._network("student", student, fold, [seed], follows, teaching)
        if recipe.prune is None:
            return dense
        follows |= {"prune": asdict(recipe.prune), "dense": dense.digest}
        return self._network(
            "pruned", student, fold, [seed], follows, teaching, recipe.prune, dense.network
        )

    def _network(
        self,
        stage: str,
        how: Student,
        fold: int,
        seeds: list[int],
        follows: Mapping[str, Any],
        teaching: fitting.Teaching | None = None,
        prune: Prune | None = None,
        start: keras.Model | None = None,
    ) -> Trained:
        examples, content = self.training(fold)
        seed = int(np.random.SeedSequence([*seeds, fold + 1]).generate_state(1)[0] >> 1)
        task = self.task
        network = fitting.built(task.network, how.network, seed)
        code = code_digest(
            (fitting.fit, *map(_own, (task.network, task.loss, task.vary, task.weights))),
            _TRAINING_CODE,
        )
        digest = digest_of(
            asdict(how), seeds, follows, content, network.to_json(), code, versions(*TRAINERS)
        )

        def train() -> Arrays:
            if start is not None:
                network.set_weights(start.get_weights())
            place = "everybody" if fold == EVERYBODY else f"fold {fold}"
            losses = fitting.fit(
                network,
                self.task,
                examples,
                how,
                seed,
                lambda line: self.tell(f"  {stage}, {place}: {line}"),
                teaching,
                prune,
            )
            weights = {f"{i:04}": array for i, array in enumerate(network.get_weights())}
            return weights | {"losses": np.array(losses)}

        arrays = kept(self.work / f"{stage}-{digest}.npz", train)
        losses = tuple(arrays.pop("losses").tolist())
        network.set_weights([arrays[name] for name in sorted(arrays)])
        return Trained(network, losses, digest_of(arrays, network.to_json()))

    def models(self, recipe: Recipe, trained: Trained, fold: int, bits: str) -> dict[str, bytes]:
        """Return a trained network as the files that ship.

        Parameters
        ----------
        recipe : Recipe
        trained : Trained
        fold : int
            In which it was trained: the ranges of int8 tensors are those of its training patients.
        bits : str
            As for :func:`ml.training.quantise.converted`.
        """
        _, content = self.training(fold)
        task = self.task
        code = code_digest(
            (quantise.converted, *map(_own, (task.parts, task.weights))), _TRAINING_CODE
        )
        n = recipe.quantise.examples
        digest = digest_of(trained.digest, n, bits, content, code, versions(*TRAINERS))

        def convert() -> Arrays:
            parts = self.parts(recipe, trained, fold)
            return {name: as_array(quantise.converted(part, bits)) for name, part in parts.items()}

        arrays = kept(self.work / f"{bits}-{digest}.npz", convert)
        return {name: array.tobytes() for name, array in arrays.items()}

    def parts(self, recipe: Recipe, trained: Trained, fold: int) -> Mapping[str, Part]:
        """Return what ships of a trained network, with examples of its training patients."""
        examples, _ = self.training(fold)
        weights = self.task.weights(examples)
        rng = np.random.default_rng(0)
        chosen = rng.choice(len(weights), recipe.quantise.examples, p=weights)
        return self.task.parts(trained.network, examples.batch(chosen))

    def answers(self, models: Mapping[str, bytes], names: Sequence[str]) -> dict[str, Answers]:
        """Return what models say of whole records, through the shipped code."""
        task = self.task
        code = code_digest((_own(task.read), _own(task.answers)), _SHIPPED_CODE)
        files = [self._files(name) for name in names]
        digest = digest_of(dict(models), list(names), *files, code, versions(*READERS, *RUNTIMES))

        def answer() -> Arrays:
            found: Arrays = {}
            for name in names:
                one = self.task.answers(self.record(name), models)
                if not np.isfinite(one.logits).all():
                    raise quantise.ConversionError(f"{name}: answers that are not finite")
                said = {**one.found, "truth": one.truth, "logits": one.logits}
                found |= {f"{name} {key}": array for key, array in said.items()}
            return found

        by_record: dict[str, Arrays] = {name: {} for name in names}
        for place, array in kept(self.work / f"answers-{digest}.npz", answer).items():
            name, _, key = place.partition(" ")
            by_record[name][key] = array
        return {
            name: Answers(said.pop("truth"), said.pop("logits"), said)
            for name, said in by_record.items()
        }

    def _files(self, name: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.task.files(self.data, name)}


def _own(method: Any) -> Any:  # noqa: ANN401 (a method's function)
    """Return the function of a bound method."""
    return method.__func__
