"""A model bundle: a folder with models, their card, and a manifest that vouches for them.

::

    beats/
      manifest.json     format, id, task, version; SHA-256 and size of every other file
      model.tflite      and further *.tflite where a task needs more than one network
      model-card.json   the decision, and how well it does
      model-card.md     the same for people

:func:`load_bundle` is the one gate between those bytes and the rest of the program.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ml.decision import Decision
from ml.runtime import Model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = 2
"""Version of the folder's layout; a reader refuses any other."""

MANIFEST = "manifest.json"
MODEL = "model.tflite"
CARD = "model-card.json"
CARD_TEXT = "model-card.md"
_CARDS = (CARD, CARD_TEXT)
_SUFFIX = ".tflite"
_MODEL_NAME = re.compile(r"[a-z][a-z0-9-]*\.tflite")
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
    models : mapping of str to bytes
        Each ``.tflite`` file by its name without the suffix; every bundle has ``model``.
    card : mapping
        The model card.
    decision : Decision
        What is made of the logits of ``model``.
    allow_float : bool
        Whether its models may be other than int8, as they are before they are quantised.
    """

    id: str
    task: str
    version: tuple[int, int, int]
    sha256: str
    models: Mapping[str, bytes] = field(repr=False)
    card: Mapping[str, Any] = field(repr=False)
    decision: Decision
    allow_float: bool = False

    @property
    def model(self) -> bytes:
        """The ``.tflite`` file that every bundle has."""
        return self.models["model"]

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the outputs of :attr:`model`, in order."""
        return self.decision.labels

    @property
    def trained_on(self) -> frozenset[str]:
        """Records that it learned from, by database and name: ``mitdb/100``."""
        return frozenset(name for fold in self.card["protocol"]["folds"] for name in fold)

    def ready(self, name: str = "model") -> Model:
        """Return one of its models, ready to run.

        Raises
        ------
        RuntimeMissingError, ModelError
            If it cannot be run here; see :class:`ml.runtime.Model`.
        """
        return Model(self.models[name], allow_float=self.allow_float)


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
        written for another version of Tracekeep.
    """
    raw = _read(folder, MANIFEST)
    manifest = _json(folder, MANIFEST, raw)
    layout = manifest.get("format")
    if not isinstance(layout, int) or isinstance(layout, bool) or layout < 1:
        raise BundleError(folder, f"{MANIFEST} does not say which format the bundle has")
    if layout > FORMAT:
        raise BundleError(
            folder, f"format {layout} is newer than this program reads ({FORMAT}): update it"
        )
    if layout < FORMAT:
        raise BundleError(folder, f"format {layout} is older than this program reads ({FORMAT})")
    if manifest.get("task") != task:
        raise BundleError(folder, f"it is for the task {manifest.get('task')!r}, not {task!r}")
    version = _version(folder, manifest.get("version"))
    identity = f"{task}-{'.'.join(map(str, version))}"
    if manifest.get("id") != identity:
        raise BundleError(folder, f"{MANIFEST} has the id {manifest.get('id')!r}, not {identity!r}")
    listed = manifest.get("files")
    names = sorted(set(listed) - set(_CARDS)) if isinstance(listed, dict) else []
    if (
        not isinstance(listed, dict)
        or not {MODEL, *_CARDS} <= set(listed)
        or not all(map(_MODEL_NAME.fullmatch, names))
    ):
        raise BundleError(
            folder,
            f"{MANIFEST} is to list {', '.join((MODEL, *_CARDS))} and nothing but further models",
        )
    content = {name: _checked(folder, name, entry) for name, entry in listed.items()}
    card = _json(folder, CARD, content[CARD])
    try:
        decision = Decision.from_json(card.get("decision"))
    except ValueError as error:
        raise BundleError(folder, f"{CARD}: the decision cannot be used: {error}") from None
    return Bundle(
        id=identity,
        task=task,
        version=version,
        sha256=hashlib.sha256(raw).hexdigest(),
        models={name.removesuffix(_SUFFIX): content[name] for name in names},
        card=card,
        decision=decision,
    )


def write_bundle(
    folder: Path,
    task: str,
    version: tuple[int, int, int],
    models: Mapping[str, bytes],
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
    models : mapping of str to bytes
        As for :class:`Bundle`; other models that lay in the folder are removed.
    card : mapping
        With ``decision`` as :meth:`ml.decision.Decision.as_json` gives it; JSON values only.
    card_text : str
        The card for people, Markdown.

    Raises
    ------
    BundleError
        If what was written is no bundle.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        **{f"{name}{_SUFFIX}": model for name, model in models.items()},
        CARD: (json.dumps(card, indent=1, ensure_ascii=False) + "\n").encode(),
        CARD_TEXT: card_text.encode(),
    }
    for old in folder.glob(f"*{_SUFFIX}"):
        if old.name not in content:
            old.unlink()
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
