"""How a model is made, declared in one TOML file: read, checked, never guessed at."""

from __future__ import annotations

import json
import tomllib
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

RECIPES = Path(__file__).parent / "recipes"
METHODS = ("temperature", "vector")
BITS = ("int8", "int16x8", "float32")


class RecipeError(Exception):
    """A recipe cannot be read; the message names file, key and what was expected there."""


def _within(low: float, high: float | None = None, default: Any = MISSING) -> Any:  # noqa: ANN401
    """Return a dataclass field of a number, or a tuple of numbers, in these bounds."""
    return field(default=default, metadata={"low": low, "high": high})


@dataclass(frozen=True, slots=True)
class Folds:
    """Of the cross-validation by patient.

    Parameters
    ----------
    count : int
    seed : int
        Of the deal: fixed, so that all runs of a recipe share their folds.
    """

    count: int = _within(2)
    seed: int = _within(0, default=0)

    def has(self, numbers: Sequence[int]) -> bool:
        """Return whether these are some of the folds, each named once."""
        some = set(numbers)
        return bool(some) and len(some) == len(numbers) and some <= set(range(self.count))


@dataclass(frozen=True, slots=True)
class Student:
    """How the network that ships is trained.

    Parameters
    ----------
    epochs, steps : int
        `steps` batches in each of `epochs`; the learning rate rises for half an epoch and falls by
        a cosine.
    batch : int
        Examples, drawn with replacement by the task's weights.
    learning_rate, weight_decay : float
        Of AdamW.
    network : mapping
        Options of the task's network.
    """

    epochs: int = _within(1)
    steps: int = _within(1)
    batch: int = _within(1)
    learning_rate: float = _within(1e-7, 1)
    weight_decay: float = _within(0, 1, default=1e-3)
    network: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Teacher(Student):
    """How the networks that teach are trained; `count` of them are averaged."""

    count: int = _within(1, 16, default=1)


@dataclass(frozen=True, slots=True)
class Distil:
    """How the student learns from its teachers (Hinton et al. 2015).

    Parameters
    ----------
    temperature : float
        By which logits are divided before teachers and student are compared.
    share : float
        Of the loss that compares with the teachers; the rest compares with the labels.
    """

    temperature: float = _within(0.1, 100)
    share: float = _within(0, 1)


@dataclass(frozen=True, slots=True)
class Prune:
    """How weights are taken out of the trained student.

    Parameters
    ----------
    sparsity : float
        Share of all kernel weights that are zero in the end.
    ramp : int
        Epochs over which it rises to that, by a cubic schedule (Zhu & Gupta 2017).
    epochs : int
        In all; those after the ramp are fine-tuning.
    learning_rate : float
        Of these epochs, whose batches are those of the student's training.
    """

    sparsity: float = _within(0, 0.99)
    ramp: int = _within(1)
    epochs: int = _within(1)
    learning_rate: float = _within(1e-7, 1)


@dataclass(frozen=True, slots=True)
class Quantise:
    """Conversion and its gate.

    Parameters
    ----------
    examples : int
        Of training patients, from which the ranges of the tensors are taken.
    most_lost : float
        Points of the task's first score (hundredths) that int8 may cost against float32.
    least_agreement : float
        Share of answers that int8 and float32 have in common, in each fold.
    """

    examples: int = _within(1, default=4096)
    most_lost: float = _within(0, default=0.5)
    least_agreement: float = _within(0, 1, default=0.98)


@dataclass(frozen=True, slots=True)
class Calibrate:
    """How logits become probabilities, fitted out of fold.

    Parameters
    ----------
    method : str
        ``temperature`` (one scale) or ``vector`` (a scale, and an offset for each label).
    coverage : float
        Share of answers that are to be given as known; the least sure ones are "don't know".
    """

    method: str = field(metadata={"choices": METHODS})
    coverage: float = _within(0.5, 1)


@dataclass(frozen=True, slots=True)
class Decide:
    """Which labels have a threshold of their own, chosen out of fold; the others have none.

    Parameters
    ----------
    labels : tuple of str
        May be empty: the most probable class is named.
    reach : float
        The greatest threshold that is tried, in logits.
    """

    labels: tuple[str, ...] = ()
    reach: float = _within(0, 20, default=3.0)


@dataclass(frozen=True, slots=True)
class Search:
    """What is tried by ``search``, on which folds, and how many of the combinations.

    Parameters
    ----------
    network : mapping
        For each option of the network the values to try.
    sparsity : tuple of float
        0: not pruned.
    bits : tuple of str
        ``int8``, ``int16x8`` (16-bit activations), ``float32``.
    folds : tuple of int
        On which each point is trained and tested.
    budget : int
        Trainings at most; where there are more combinations they are drawn by `seed`.
    tolerance : float
        Points of the first score that a smaller network may lose against the best one and still
        be chosen.
    """

    network: Mapping[str, Any] = field(default_factory=dict)
    sparsity: tuple[float, ...] = _within(0, 0.99, default=(0.0,))
    bits: tuple[str, ...] = field(default=("int8",), metadata={"choices": BITS})
    folds: tuple[int, ...] = _within(0, default=(0,))
    budget: int = _within(1, default=50)
    seed: int = _within(0, default=0)
    tolerance: float = _within(0, default=0.3)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is made.

    Parameters
    ----------
    name : str
        Of the file, without its ending.
    task : str
        The package of ``ml.training`` that knows the data and the network.
    version : str
        Of the bundle, ``1.2.0``.
    folds, student, decide, quantise
        Always there, be it by their defaults.
    calibrate : Calibrate or None
        None where the task names no classes.
    teacher, distil : Teacher, Distil or None
        Both or none.
    prune : Prune or None
    search : Search or None
    seeds : tuple of int
        The first one's networks ship; the others show how much the figures depend on it.
    searched : str
        Name of a file beside the recipe: the ``search.json`` of the search that this network was
        chosen by. Empty where none was made.
    chosen : str
        Why this network, from that file; not declared.
    """

    name: str
    task: str
    version: str
    folds: Folds
    student: Student
    calibrate: Calibrate | None = None
    teacher: Teacher | None = None
    distil: Distil | None = None
    prune: Prune | None = None
    search: Search | None = None
    quantise: Quantise = field(default_factory=Quantise)
    decide: Decide = field(default_factory=Decide)
    seeds: tuple[int, ...] = _within(0, default=(0,))
    searched: str = ""
    chosen: str = ""

    @property
    def numbers(self) -> tuple[int, int, int]:
        """The version as three numbers."""
        major, minor, patch = (int(part) for part in self.version.split("."))
        return major, minor, patch

    def as_json(self) -> dict[str, Any]:
        """Return what is declared, without what is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def find_recipe(name: str) -> Path:
    """Return the file of a recipe given by path, or by the name of one that is shipped.

    Raises
    ------
    RecipeError
        If there is none; the message lists the shipped ones.
    """
    for path in (Path(name), RECIPES / f"{name}.toml"):
        if path.is_file():
            return path
    shipped = ", ".join(sorted(path.stem for path in RECIPES.glob("*.toml")))
    raise RecipeError(f"{name}: no such file, nor a recipe of that name (there are: {shipped})")


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises
    ------
    RecipeError
        If it cannot be read, or a value is missing, unknown or not what it is to be.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path}: {error}") from error
    for name in ("name", "chosen"):
        if name in table:
            raise RecipeError(f"{path}: {name}: unknown; it follows from the files")
    recipe: Recipe = _built(Recipe, table | {"name": path.stem}, f"{path}: ", "")
    for holds, problem in _conditions(recipe):
        if not holds:
            raise RecipeError(f"{path}: {problem}")
    if recipe.searched:
        recipe = replace(recipe, chosen=_chosen(path, recipe))
    return recipe


def _conditions(recipe: Recipe) -> Iterator[tuple[bool, str]]:
    """Yield what must hold between values that are each right by themselves."""
    parts = recipe.version.split(".")
    numbers = len(parts) == 3 and all(part.isdecimal() for part in parts)
    yield numbers, "version: expected three numbers as in '1.2.0'"
    classes = recipe.calibrate or not (recipe.decide.labels or recipe.distil)
    yield bool(classes), "decide.labels and [distil] need classes: add [calibrate]"
    together = (recipe.teacher is None) == (recipe.distil is None)
    yield together, "[teacher] and [distil] go together: expected both or none"
    yield bool(recipe.seeds), "seeds: expected at least one number"
    if recipe.prune:
        yield recipe.prune.ramp <= recipe.prune.epochs, "prune.ramp: expected at most prune.epochs"
    if search := recipe.search:
        known = recipe.folds.has(search.folds)
        yield known, "search.folds: expected numbers below folds.count, each once"
        lists = all(isinstance(values, list) and values for values in search.network.values())
        yield lists, "search.network: expected a list of values for each option"


def _chosen(path: Path, recipe: Recipe) -> str:
    """Return why a search chose the network of a recipe.

    Raises
    ------
    RecipeError
        If the search's result cannot be read, or chose another network.
    """
    try:
        result = json.loads((path.parent / recipe.searched).read_text(encoding="utf-8"))
        (point,) = (one for one in result["points"] if one["chosen"])
        chosen = {**point["network"], "sparsity": point["sparsity"], "bits": point["bits"]}
        reason = str(result["chosen"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecipeError(f"{path}: searched: {recipe.searched} cannot be read: {error}") from error
    ours = {**recipe.student.network, "sparsity": 0.0, "bits": "int8"}
    if recipe.prune:
        ours["sparsity"] = recipe.prune.sparsity
    for name, value in chosen.items():
        if ours.get(name) != value:
            raise RecipeError(
                f"{path}: searched: {recipe.searched} chose {name} {value}, not {ours.get(name)}"
            )
    return reason


def _built(kind: Any, table: Any, where: str, key: str) -> Any:  # noqa: ANN401 (any dataclass)
    if not isinstance(table, dict):
        raise RecipeError(f"{where}{key}: expected a table, not {table!r}")
    hints = get_type_hints(kind)
    known = {one.name: one for one in fields(kind)}
    for name in table:
        if name not in known:
            raise RecipeError(
                f"{where}{_joined(key, name)}: unknown; expected one of {', '.join(known)}"
            )
    values = {}
    for name, one in known.items():
        path = _joined(key, name)
        if name in table:
            values[name] = _value(hints[name], table[name], where, path, one.metadata)
        elif one.default is MISSING and one.default_factory is MISSING:
            raise RecipeError(f"{where}{path}: missing; expected {_words(hints[name])}")
    return kind(**values)


def _value(hint: Any, value: Any, where: str, path: str, bounds: Mapping[str, Any]) -> Any:  # noqa: ANN401
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (one for one in get_args(hint) if one is not type(None))
    if is_dataclass(hint):
        return _built(hint, value, where, path)
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise RecipeError(f"{where}{path}: expected {_words(hint)}, not {value!r}")
        return tuple(_value(get_args(hint)[0], one, where, path, bounds) for one in value)
    kinds = {int: int, float: int | float, str: str}.get(hint, dict)
    fits = isinstance(value, kinds) and not isinstance(value, bool)
    low, high, choices = (bounds.get(name) for name in ("low", "high", "choices"))
    if (
        not fits
        or (low is not None and value < low)
        or (high is not None and value > high)
        or (choices is not None and value not in choices)
    ):
        expected = f"one of {', '.join(choices)}" if choices else _words(hint)
        if low is not None:
            expected += f" of at least {low:g}" + (f" and at most {high:g}" if high else "")
        raise RecipeError(f"{where}{path}: expected {expected}, not {value!r}")
    return float(value) if hint is float else value


def _words(hint: Any) -> str:  # noqa: ANN401 (any type)
    if get_origin(hint) is tuple:
        return f"a list, each {_words(get_args(hint)[0])}"
    return {int: "a whole number", float: "a number", str: "text"}.get(hint, "a table")


def _joined(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
