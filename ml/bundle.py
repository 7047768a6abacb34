"""A model bundle: a folder with a model, its card, and a manifest that vouches for both.

::

    beats/
      manifest.json     format, id, task, version; SHA-256 and size of every other file
      model.tflite
      model-card.json   labels, decision offsets, and how well it does
      model-card.md     the same for people

:func:`load_bundle` is the one gate between those bytes and the rest of the program.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = 1
"""Version of the folder's layout; a reader refuses a greater one."""

MANIFEST = "manifest.json"
MODEL = "model.tflite"
CARD = "model-card.json"
CARD_TEXT = "model-card.md"
_FILES = (MODEL, CARD, CARD_TEXT)
_LARGEST_BYTES = 16 * 2**20


class BundleError(Exception):
    """A folder is not a whole, unaltered bundle for the task.

    Parameters
    ----------
    folder : pathlib.Path
        The bundle.
    problem : str
        What was found and what was expected, in plain words.
    """

    def __init__(self, folder: Path, problem: str) -> None:
        super().__init__(f"model bundle {folder}: {problem}")
        self.folder = folder
        self.problem = problem

    def __reduce__(self) -> tuple[type[BundleError], tuple[Path, str]]:
        return type(self), (self.folder, self.problem)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was checked.

    Parameters
    ----------
    id : str
        Task and version: ``beats-1.0.0``.
    task : str
        Which module of ``ml.tasks`` it serves.
    version : tuple of int
        Ordered; a later model has a greater one.
    sha256 : str
        Of the manifest, which holds those of all files: it names the bundle's content.
    model : bytes
        The ``.tflite`` file.
    card : mapping
        The model card.
    labels : tuple of str
        Names of the model's outputs, in order.
    thresholds : tuple of float
        Added to the outputs before the greatest is taken; one for each label.
    """

    id: str
    task: str
    version: tuple[int, int, int]
    sha256: str
    model: bytes = field(repr=False)
    card: Mapping[str, Any] = field(repr=False)
    labels: tuple[str, ...]
    thresholds: tuple[float, ...]


def load_bundle(folder: Path, task: str) -> Bundle:
    """Read and check a bundle.

    Parameters
    ----------
    folder : pathlib.Path
        Where it lies.
    task : str
        What it is to be used for.

    Raises
    ------
    BundleError
        If a file is missing, shortened or altered, the bundle is for another task, or it was
        written by a newer version of Tracekeep.
    """
    raw = _read(folder, MANIFEST)
    manifest = _json(folder, MANIFEST, raw)
    layout = manifest.get("format")
    if not isinstance(layout, int) or isinstance(layout, bool) or layout < 1:
        raise BundleError(folder, f"{MANIFEST} does not say which format the bundle has")
    if layout > FORMAT:
        raise BundleError(
            folder, f"format {layout} is newer than this program reads (up to {FORMAT}): update it"
        )
    if manifest.get("task") != task:
        raise BundleError(folder, f"it is for the task {manifest.get('task')!r}, not {task!r}")
    version = _version(folder, manifest.get("version"))
    identity = f"{task}-{'.'.join(map(str, version))}"
    if manifest.get("id") != identity:
        raise BundleError(folder, f"{MANIFEST} has the id {manifest.get('id')!r}, not {identity!r}")
    listed = manifest.get("files")
    if not isinstance(listed, dict) or set(listed) != set(_FILES):
        raise BundleError(folder, f"{MANIFEST} is to list {', '.join(_FILES)} and nothing else")
    content = {name: _checked(folder, name, listed[name]) for name in _FILES}
    card = _json(folder, CARD, content[CARD])
    labels, thresholds = _decision(folder, card)
    return Bundle(
        id=identity,
        task=task,
        version=version,
        sha256=hashlib.sha256(raw).hexdigest(),
        model=content[MODEL],
        card=card,
        labels=labels,
        thresholds=thresholds,
    )


def write_bundle(
    folder: Path,
    task: str,
    version: tuple[int, int, int],
    model: bytes,
    card: Mapping[str, Any],
    card_text: str,
) -> Bundle:
    """Write a bundle, the manifest last, and return it as :func:`load_bundle` reads it.

    Parameters
    ----------
    folder : pathlib.Path
        Made where it is missing.
    task, version
        As for :class:`Bundle`.
    model : bytes
        The ``.tflite`` file.
    card : mapping
        With ``labels`` and ``thresholds``; JSON values only.
    card_text : str
        The card for people, Markdown.

    Raises
    ------
    BundleError
        If what was written is no bundle.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        MODEL: model,
        CARD: (json.dumps(card, indent=1, ensure_ascii=False) + "\n").encode(),
        CARD_TEXT: card_text.encode(),
    }
    for name, data in content.items():
        (folder / name).write_bytes(data)
    manifest = {
        "format": FORMAT,
        "id": f"{task}-{'.'.join(map(str, version))}",
        "task": task,
        "version": list(version),
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in content.items()
        },
    }
    (folder / MANIFEST).write_bytes((json.dumps(manifest, indent=1) + "\n").encode())
    return load_bundle(folder, task)


def _read(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise BundleError(folder, f"{name} is missing") from None
    except OSError as error:
        raise BundleError(folder, f"{name} cannot be read: {error.strerror}") from error
    if len(data) > _LARGEST_BYTES:
        raise BundleError(folder, f"{name} is larger than {_LARGEST_BYTES // 2**20} MiB")
    return data


def _checked(folder: Path, name: str, entry: object) -> bytes:
    if not isinstance(entry, dict) or set(entry) != {"sha256", "bytes"}:
        raise BundleError(folder, f"{MANIFEST} is to give sha256 and bytes of {name}")
    data = _read(folder, name)
    if len(data) != entry["bytes"]:
        raise BundleError(
            folder, f"{name} has {len(data)} bytes where the manifest says {entry['bytes']}"
        )
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise BundleError(folder, f"{name} was altered: its SHA-256 is not the manifest's")
    return data


def _json(folder: Path, name: str, raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise BundleError(folder, f"{name} is not JSON") from None
    if not isinstance(value, dict):
        raise BundleError(folder, f"{name} is to hold a JSON object")
    return value


def _version(folder: Path, value: object) -> tuple[int, int, int]:
    match value:
        case [int(major), int(minor), int(patch)] if min(major, minor, patch) >= 0:
            return int(major), int(minor), int(patch)
        case _:
            raise BundleError(folder, f"{MANIFEST} is to give the version as three whole numbers")


def _decision(folder: Path, card: dict[str, Any]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    labels, thresholds = card.get("labels"), card.get("thresholds")
    if (
        not isinstance(labels, list)
        or not labels
        or not all(isinstance(label, str) for label in labels)
        or len(set(labels)) != len(labels)
    ):
        raise BundleError(folder, f"{CARD} is to name the labels, each once")
    if (
        not isinstance(thresholds, list)
        or len(thresholds) != len(labels)
        or not all(isinstance(value, int | float) and math.isfinite(value) for value in thresholds)
    ):
        raise BundleError(folder, f"{CARD} is to give one finite threshold for each label")
    return tuple(labels), tuple(float(value) for value in thresholds)
