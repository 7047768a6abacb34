"""How a network is fitted: batches drawn by weight and varied, AdamW, a cosine of the rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from ml.training.distillation import Teachers, loss
from ml.training.pruning import Pruning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ml.training.recipe import Distil, Prune, Student
    from ml.training.task import Examples, Inputs, Task

    Teaching = tuple[Sequence[keras.Model], Distil]

_LEARNS = "logits"
_FIRST_RATE = 0.05


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches drawn with replacement; what a batch is told is made for it as it was varied.

    Parameters
    ----------
    task : Task
    examples : Examples
        Of training patients.
    size, steps : int
        Examples of a batch, batches of an epoch.
    seed : int
        Of draw and variation.
    teachers : Teachers, optional
    outputs : int
        Of the network that is fitted; each is told the same.
    """

    def __init__(
        self,
        task: Task[Any],
        examples: Examples,
        size: int,
        steps: int,
        seed: int,
        teachers: Teachers | None,
        outputs: int,
    ) -> None:
        super().__init__()
        self._task = task
        self._examples = examples
        self._cumulative = np.cumsum(task.weights(examples))
        self._size, self._steps = size, steps
        self._rng = np.random.default_rng(seed)
        self._teachers = teachers
        self._outputs = outputs

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> tuple[Inputs, tuple[NDArray[np.float32], ...]]:
        chosen = np.searchsorted(self._cumulative, self._rng.random(self._size), side="right")
        chosen = np.minimum(chosen, len(self._cumulative) - 1)
        inputs = self._examples.batch(chosen)
        targets = self._examples.targets[chosen]
        self._task.vary(inputs, targets, self._rng)
        truth = targets[..., None].astype(np.float32)
        if self._teachers is not None:
            truth = np.concatenate((truth, self._teachers.shares(inputs)), axis=-1)
        return inputs, (truth,) * self._outputs


class _Progress(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, epochs: int, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._epochs, self._tell = epochs, tell
        self.losses: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.losses.append(float((logs or {})["loss"]))
        self._tell(f"epoch {epoch + 1} of {self._epochs}: loss {self.losses[-1]:.4f}")


def built(
    make: Callable[[Any], keras.Model],
    options: Mapping[str, Any],
    seed: int,
) -> keras.Model:
    """Return an untrained network, the same for the same seed, names of its layers included."""
    # layers are numbered on from those made before, and their names are kept in the model's bytes
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    return make(options)


def fit(
    network: keras.Model,
    task: Task[Any],
    examples: Examples,
    how: Student,
    seed: int,
    tell: Callable[[str], None],
    teaching: Teaching | None = None,
    prune: Prune | None = None,
) -> list[float]:
    """Fit a network in place and return the loss of each epoch.

    Parameters
    ----------
    network : keras.Model
        As built, or, to be pruned, as trained.
    task : Task
    examples : Examples
        Of training patients.
    how : Student
        Or teacher: length, batches, rate.
    seed : int
        Of draw, variation and dropout.
    tell : callable
        Is given one line an epoch.
    teaching : (networks, Distil), optional
        From whom to learn, and how.
    prune : Prune, optional
        Then its length and rate count.
    """
    keras.utils.set_random_seed(seed)
    epochs = prune.epochs if prune else how.epochs
    schedule = keras.optimizers.schedules.CosineDecay(
        _FIRST_RATE * (rate := prune.learning_rate if prune else how.learning_rate),
        max(1, epochs * how.steps - how.steps // 2),
        warmup_target=rate,
        warmup_steps=how.steps // 2,
    )
    outputs = [layer.output for layer in network.layers if layer.name.startswith(_LEARNS)]
    learners = keras.Model(network.inputs, outputs or [network.outputs[0]])
    share, temperature, teachers = 0.0, 1.0, None
    if teaching is not None:
        networks, distil = teaching
        share, temperature = distil.share, distil.temperature
        teachers = Teachers(networks, temperature)
    learners.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=how.weight_decay),
        loss=[loss(task.loss, share, temperature)] * len(learners.outputs),
        jit_compile=False,  # on one core XLA took five times as long a step (the beat network)
    )
    batches = Batches(task, examples, how.batch, how.steps, seed, teachers, len(learners.outputs))
    progress = _Progress(epochs, tell)
    callbacks = [progress]
    if prune:
        callbacks.append(Pruning(network, prune.sparsity, prune.ramp * how.steps))
    learners.fit(batches, epochs=epochs, verbose=0, callbacks=callbacks)
    return progress.losses
