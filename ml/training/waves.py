"""Trains, tests and packs the wave model: cross-validation by patient, then the final model."""

from __future__ import annotations

import csv
import hashlib
import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml.bundle import Bundle, write_bundle
from ml.runtime import Model
from ml.tasks.wave_strips import MARGIN_POINTS, WaveStrips, model_input
from ml.tasks.waves import TASK
from ml.training import quantise, wave_card
from ml.training.wave_data import (
    Examples,
    Source,
    examples_of,
    read_arrhythmia,
    read_ludb,
    read_qtdb,
    read_strip,
    split,
)
from ml.training.wave_evaluation import (
    Comparison,
    PShare,
    test_ludb,
    test_p_waves,
    test_qtdb,
    unpacked,
)
from ml.training.wave_network import fit, vary
from signals.readers import open_recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import keras

DATABASES = ("ludb", "qtdb", "mitdb", "cinc2017", "nstdb")
STRIPS_OF_CINC = 388
"""Of fibrillation, which is all there are, and as many of sinus rhythm."""
LEAST_AGREEMENT = 0.99
_NOISES = ("bw", "ma")
_NOISE_POINTS = 400_000
_MOST_STRIPS = {"cinc2017": 2, "mitdb": 20}
_WEIGHTS = {"ludb": 1.0, "qtdb": 1.6, "mitdb": 0.4, "cinc2017": 0.15}
"""How likely a strip is drawn: so that the few marks of qtdb count beside those of ludb, and what
is known of P waves alone does not outweigh what readers marked."""
_REPRESENTATIVE = 300


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
        Length of each training, as for :func:`ml.training.wave_network.fit`.
    """

    seed: int = 0
    folds: int = 4
    epochs: int = 26
    steps: int = 100


@dataclass(frozen=True, slots=True)
class Material:
    """What there is to learn from and to be tested on.

    Parameters
    ----------
    tested : mapping
        Recordings with the marks of readers, and those with rhythm notes, by name.
    examples : Examples
        Strips of these and of the recordings of which P waves alone are known.
    noise : numpy.ndarray, shape (leads, n), float32
        On the grid, of unit variance.
    """

    tested: Mapping[str, Source]
    examples: Examples
    noise: NDArray[np.float32]

    def digest(self, recipe: Recipe) -> str:
        """Return a short name for what a fold's models follow from, the code apart."""
        digest = hashlib.sha256(json.dumps(asdict(recipe)).encode())
        parts = self.examples
        learnt = (parts.level, parts.marks, parts.inside, parts.known, parts.sinus)
        for values in (*learnt, self.noise):
            digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class _Models:
    float_model: bytes
    int8_model: bytes
    agreement: float


def train_waves(
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
        Folder of ``ludb/``, ``qtdb/``, ``mitdb/``, ``cinc2017/`` and ``nstdb/``.
    work : pathlib.Path
        Where finished models are kept; a run that was stopped goes on from there.
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
    begun = time.monotonic()
    material = read_material(data, recipe.seed)
    names = sorted(set(material.examples.records.tolist()))
    tell(f"{len(names)} recordings read in {time.monotonic() - begun:.0f} s")
    work = work / f"waves-{material.digest(recipe)}"
    work.mkdir(parents=True, exist_ok=True)
    folds = split(names, recipe.folds, recipe.seed)
    results: dict[str, list[dict[str, Comparison]]] = {kind: [] for kind in wave_card.KINDS}
    p_shares: dict[str, PShare] = {}
    for number, held_out in enumerate(folds):
        models = _trained(material, held_out, recipe, recipe.seed + number, work / f"{number}.npz")
        tell(f"fold {number}: int8 and float32 agree on {models.agreement:.2%} of steps")
        tested = [material.tested[name] for name in held_out if name in material.tested]
        marked = [source for source in tested if source.marks]
        p_shares |= {
            source.name: test_p_waves(unpacked(models.int8_model), source)
            for source in tested
            if not source.marks
        }
        for kind, model in zip(
            wave_card.KINDS, (models.float_model, models.int8_model), strict=True
        ):
            results[kind] += [_test(model, source) for source in marked]
        tell(f"fold {number}: {wave_card.summary(results['int8'])}")
    final = _trained(material, (), recipe, recipe.seed, work / "final.npz")
    described = wave_card.describe(
        wave_card.Facts(version, asdict(recipe), folds, len(final.int8_model), final.agreement),
        results,
        p_shares,
    )
    bundle = write_bundle(
        out, TASK, version, {"model": final.int8_model}, described, wave_card.as_markdown(described)
    )
    tell(f"{bundle.id}: {len(bundle.model)} bytes, in {out}")
    return bundle


def read_material(data: Path, seed: int) -> Material:
    """Read the development recordings.

    Raises
    ------
    FileNotFoundError
        If a database is not there.
    RecordingError
        If a file cannot be read.
    """
    records = {}
    for database in DATABASES:
        records[database] = sorted(path.stem for path in (data / database).glob("*.hea"))
        if not records[database]:
            raise FileNotFoundError(f"{data / database}: no WFDB records (*.hea) are there")
    tested = [read_ludb(data, name) for name in sorted(records["ludb"], key=int)]
    tested += [read_qtdb(data, name) for name in records["qtdb"]]
    parts = [examples_of(source) for source in tested]
    there = set(records["cinc2017"])
    with (data / "cinc2017/REFERENCE-v3.csv").open(newline="") as rows:
        called = [row for row in csv.reader(rows) if row[0] in there]
    rng = np.random.default_rng(seed)
    for label in ("A", "N"):
        of_label = rng.permutation([name for name, given in called if given == label])
        for name in sorted(of_label[:STRIPS_OF_CINC].tolist()):
            source = read_strip(data, name, fibrillates=label == "A")
            parts.append(examples_of(source, _MOST_STRIPS["cinc2017"]))
    for name in records["mitdb"]:
        tested.append(read_arrhythmia(data, name))
        parts.append(examples_of(tested[-1], _MOST_STRIPS["mitdb"]))
    return Material(
        {source.name: source for source in tested}, Examples.of(parts), read_noise(data)
    )


def read_noise(data: Path) -> NDArray[np.float32]:
    """Return the noises of nstdb on the grid, shape (leads, n), each of unit variance."""
    leads = []
    for name in _NOISES:
        with open_recording(data / f"nstdb/{name}.hea") as recording:
            channels = recording.channels
            samples = recording.read(range(len(channels)), 0, channels[0].n_samples)
        strips = WaveStrips(channels[0].rate, len(channels))
        strips.push(samples.astype(np.float32), np.zeros(0, np.int64))
        strips.finish()
        parts = []
        while (cut := strips.take()) is not None:
            parts += list(cut.level[:, :, MARGIN_POINTS : MARGIN_POINTS + strips.core])
        noise = np.concatenate(parts, axis=1)[:, :_NOISE_POINTS]
        leads.append(noise / noise.std(axis=1, keepdims=True))
    return np.concatenate(leads).astype(np.float32)


def _trained(
    material: Material, held_out: Sequence[str], recipe: Recipe, seed: int, kept: Path
) -> _Models:
    """Return the models of a fold, from `kept` if they were made before."""
    examples = material.examples.only(~np.isin(material.examples.records, list(held_out)))
    if kept.exists():
        with np.load(kept) as models:
            float_model, int8_model = models["float32"].tobytes(), models["int8"].tobytes()
    else:
        databases = [name.partition("/")[0] for name in examples.records.tolist()]
        weights = np.array([_WEIGHTS[database] for database in databases])
        network = fit(
            examples,
            weights,
            material.noise,
            epochs=recipe.epochs,
            steps=recipe.steps,
            seed=seed,
        )
        float_model, int8_model = converted(network, examples, weights, material.noise)
        unfinished = kept.with_suffix(".part.npz")
        np.savez(
            unfinished,
            float32=np.frombuffer(float_model, np.uint8),
            int8=np.frombuffer(int8_model, np.uint8),
        )
        unfinished.replace(kept)
    return _Models(float_model, int8_model, agreement(float_model, int8_model, examples))


def converted(
    network: keras.Model,
    examples: Examples,
    weights: NDArray[np.float64],
    noise: NDArray[np.float32],
) -> tuple[bytes, bytes]:
    """Return the network as a float32 and as a full-int8 model, one strip at a time.

    Raises
    ------
    ConversionError
        If a tensor of the latter is not int8.
    """
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(weights), _REPRESENTATIVE, p=weights / weights.sum())
    level = examples.level[chosen].astype(np.float32)
    vary(level, noise, rng)
    inputs = model_input(level, examples.marks[chosen].astype(np.float32))

    def representative() -> Iterator[dict[str, NDArray[np.float32]]]:
        for one in inputs:
            yield {"strips": one[None]}

    return quantise.to_float_tflite(network, 1), quantise.to_full_int8(network, representative, 1)


def agreement(one: bytes, other: bytes, examples: Examples) -> float:
    """Return the share of answers that are on the same side of zero, in strips of `examples`.

    Raises
    ------
    ConversionError
        If it is below LEAST_AGREEMENT.
    """
    every = slice(None, None, max(1, len(examples.level) // 200))
    inputs = model_input(
        examples.level[every].astype(np.float32), examples.marks[every].astype(np.float32)
    )
    sides = [Model(tflite, allow_float=True).run(inputs)[0] > 0 for tflite in (one, other)]
    share = float((sides[0] == sides[1]).mean())
    if share < LEAST_AGREEMENT:
        raise quantise.ConversionError(
            f"the int8 model agrees with the float model on {share:.1%} of steps only; "
            f"{LEAST_AGREEMENT:.0%} are asked"
        )
    return share


def _test(model: bytes, source: Source) -> dict[str, Comparison]:
    test: Any = test_ludb if source.name.startswith("ludb/") else test_qtdb
    compared: dict[str, Comparison] = test(unpacked(model), source)
    return compared
