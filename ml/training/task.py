"""What a package of ``ml.training`` gives for its model to be made: the :class:`Task` protocol.

A package ``ml/training/NAME/`` has a module ``task.py`` with an object ``TASK`` that satisfies
:class:`Task`; a recipe ``ml/training/recipes/RECIPE.toml`` says ``task = "NAME"``. Then
``python -m ml.training train RECIPE --data DIR`` does the rest (:mod:`ml.training.making`):

examples of every record -> folds by patient -> teachers -> student, distilled -> pruned -> full
int8 -> answers of whole held-out records through the shipped code -> calibration, thresholds and
"don't know" fitted on the answers of the OTHER folds -> figures -> card -> bundle. The last model
is trained on everybody.

What was made is kept, and made anew when what it follows from has changed: examples and answers
when the code of ``read``, ``examples`` or ``answers`` has (their source, what they name, and all
that this imports from ``signals`` and ``ml``); a network when the code of ``network``, ``vary`` or
``weights`` has (what they import from ``ml.training``), its options, its recipe, or the content of
the examples. So reading and answering belong in one module of the package (``data.py``), layers and
variation in another (``network.py``), and figures of the card in a third. ``task.py`` imports no
TensorFlow at its head: ``network`` imports ``network.py`` when it is called.

Arrays have examples as their first axis. Most tasks name classes (:class:`Classifier`): a class is
an index into ``labels``, -1 where it is not known (such positions are not learnt from). One class
an example: targets ``(n,)``, logits ``(n, labels)``; one for each of T positions: targets
``(n, T)``, logits ``(n, T, labels)``. A task that names none has a loss of its own, targets of the
shape and type that this takes, and no [calibrate] in its recipe: nothing is fitted to its answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pathlib import Path

    import keras

    from ml.decision import Decision
    from ml.training.calibration import Pool

R = TypeVar("R")
Floats = NDArray[np.float32]
Inputs = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Examples:
    """What a network learns from.

    Parameters
    ----------
    inputs : mapping of str to numpy.ndarray, shape (n, ...), float16 or float32
        By the names of the network's inputs.
    targets : numpy.ndarray, shape (n, ...)
        Classes, int8, -1 where not known; or what else the task's loss takes.
    records : numpy.ndarray of str, shape (n,)
        Where each is from.
    """

    inputs: Mapping[str, NDArray[Any]]
    targets: NDArray[Any]
    records: NDArray[np.str_]

    @classmethod
    def of(cls, parts: Sequence[Examples]) -> Examples:
        """Return all `parts`, one or more, as one."""
        return cls(
            {
                name: np.concatenate([part.inputs[name] for part in parts])
                for name in parts[0].inputs
            },
            np.concatenate([part.targets for part in parts]),
            np.concatenate([part.records for part in parts]),
        )

    def batch(self, chosen: NDArray[np.int64]) -> Inputs:
        """Return the inputs of the chosen ones, copied, as the network takes them."""
        return {name: array[chosen].astype(np.float32) for name, array in self.inputs.items()}


@dataclass(frozen=True, slots=True)
class Answers:
    """What the shipped code said of one whole record, in the order of time.

    Parameters
    ----------
    truth : numpy.ndarray, shape (n,), int8
        -1 where not known: not scored, nothing is fitted to it.
    logits : numpy.ndarray, shape (n, labels), float32
        Up to a constant in each row: the logarithm of the probabilities that come with a neutral
        :class:`ml.decision.Decision` (:func:`ml.training.evaluation.log_of`).
    found : mapping of str to numpy.ndarray
        What else was said, by names, for :meth:`Task.measure`: all there is of a task without
        classes.
    """

    truth: NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    logits: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    found: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """One of the files that a trained network becomes.

    Parameters
    ----------
    network : keras.Model
        Its inputs are named.
    inputs : mapping of str to numpy.ndarray, float32
        What it will be asked, of training patients: the ranges of the int8 tensors follow from it.
    batch : int
        Static; items that the shipped runtime takes at a time.
    """

    network: keras.Model
    inputs: Inputs
    batch: int = 32


@dataclass(frozen=True, slots=True)
class Texts:
    """What the card says in words.

    Parameters
    ----------
    intended_use : str
    limits : tuple of str
        Sentences.
    tested : str
        On what and how: "whole recordings, reference R peaks".
    sources : tuple of mapping
        ``name``, ``licence`` and ``cite`` of each database.
    preprocessing : mapping
        JSON values: rates, bands, look-ahead.
    """

    intended_use: str
    limits: tuple[str, ...]
    tested: str
    sources: tuple[Mapping[str, str], ...]
    preprocessing: Mapping[str, Any]


class Task(Protocol[R]):
    """What the factory asks of a task; `R` is what it makes of one record.

    Attributes
    ----------
    name : str
        Of the bundle's folder, and of its task.
    labels : tuple of str
        Of the classes, or of what else the logits are of, in order.
    texts : Texts
    """

    name: str
    labels: tuple[str, ...]
    texts: Texts

    def records(self, data: Path) -> list[str]:
        """Return the names of the development records under a folder.

        Raises
        ------
        FileNotFoundError
            If a database is not there; the message names it.
        """

    def patient(self, record: str) -> str:
        """Return whom a record is of: those of one patient are in one fold."""

    def stratum(self, record: str) -> str:
        """Return what is to be spread evenly over the folds: its database, say."""

    def files(self, data: Path, record: str) -> list[Path]:
        """Return all files that a record is read from: examples are kept while these are alike."""

    def read(self, data: Path, record: str) -> R:
        """Read a record.

        Raises
        ------
        RecordingError
            If a file cannot be read.
        """

    def examples(self, record: R) -> Examples:
        """Return what is learnt from a record, made by the code that ships. Deterministic."""

    def weights(self, examples: Examples) -> NDArray[np.float64]:
        """Return how likely each is drawn (see :mod:`ml.training.drawing`), adding up to 1."""

    def vary(self, inputs: Inputs, targets: NDArray[Any], rng: np.random.Generator) -> None:
        """Change a batch in place, in ways that its targets go along with."""

    def network(self, options: Mapping[str, Any]) -> keras.Model:
        """Return an untrained student or teacher: layers that become full int8, answers in logits.

        The first output is the logits; further ones (an embedding) ship, but are not trained for.
        :attr:`ml.runtime.Model.outputs` has them in the same order.
        Each layer whose name begins with ``logits`` learns for itself where there are any: members
        whose mean is the output, or exits.
        """

    def loss(self, targets: Any, logits: Any) -> Any:  # noqa: ANN401 (Keras has no types)
        """Return what is made small, a number, of a batch's targets and the logits: tensors."""

    def parts(self, network: keras.Model, inputs: Inputs) -> Mapping[str, Part]:
        """Return what ships, by the names of the files; ``model`` is always one of them.

        Parameters
        ----------
        network : keras.Model
            A trained student.
        inputs : dict
            Examples of training patients, as the network takes them. Most tasks return
            ``{"model": Part(network, inputs)}``; one whose encoder ships by itself cuts here.
        """

    def answers(self, record: R, models: Mapping[str, bytes]) -> Answers:
        """Run a whole record through the shipped code, block by block, with a neutral decision.

        `models` are ``.tflite`` files by the names of :meth:`parts`, float32 or int8
        (:func:`ml.training.evaluation.unpacked` makes a bundle of them).
        """

    def measure(self, record: R, answers: Answers, decision: Decision) -> dict[str, Any]:
        """Return how well a record was read, by a decision that saw nothing of it: JSON values.

        The decision is a neutral one where no classes are named.
        """

    def scores(self, measured: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
        """Return figures, 0..1, of what :meth:`measure` gave for many records, by their names.

        The first one is what pruning, search and the gate of int8 go by.
        """

    def figures(self, measured: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
        """Return the card's own sections, JSON values, from ``measured[kind][record]``.

        Kinds are ``float32`` and ``int8``.
        """

    def report(self, card: Mapping[str, Any]) -> list[str]:
        """Return the lines of Markdown that tell :meth:`figures`."""


@runtime_checkable
class Classifier(Task[R], Protocol[R]):
    """A task that names classes: the base of its class."""

    def loss(self, targets: Any, logits: Any) -> Any:  # noqa: ANN401 (Keras has no types)
        """Return the cross-entropy with the classes that are known."""
        from ml.training.distillation import cross_entropy

        return cross_entropy(targets, logits)

    def worth(self, pool: Pool, decision: Decision) -> float:
        """Return what the thresholds are to make greatest, of the answers of many records.

        Those of unknown truth are among them: what goes from one answer to the next, an alarm say,
        goes on through them.
        """


def find_task(name: str) -> Task[Any]:
    """Return the task of a package of ``ml.training``.

    Raises
    ------
    ModuleNotFoundError
        If there is none.
    """
    return cast("Task[Any]", import_module(f"ml.training.{name}.task").TASK)
