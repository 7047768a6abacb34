"""Results that are kept under a name for all that they follow from, so that a run can go on."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
READERS = ("numpy", "scipy")
RUNTIMES = ("ai-edge-litert", "tflite-runtime")
TRAINERS = ("tensorflow", "tensorflow-cpu", "keras", "numpy")
"""Packages, of which one of two may be there, that examples, answers and networks follow from."""

Arrays = dict[str, NDArray[Any]]


def digest_of(*parts: object) -> str:
    """Return a short name for arrays, bytes, mappings of them, and JSON values."""
    digest = hashlib.sha256()
    for part in parts:
        _feed(digest, part)
    return digest.hexdigest()[:16]


def _feed(digest: Any, part: object) -> None:  # noqa: ANN401 (hashlib names no type)
    if isinstance(part, np.ndarray):
        digest.update(f"array {part.dtype} {part.shape} ".encode())
        digest.update(
            "\n".join(part.ravel().tolist()).encode()
            if part.dtype.kind == "U"
            else np.ascontiguousarray(part).data
        )
    elif isinstance(part, bytes):
        digest.update(f"bytes {len(part)} ".encode())
        digest.update(part)
    elif isinstance(part, Mapping):
        digest.update(f"mapping {len(part)} ".encode())
        for name in sorted(part):
            _feed(digest, str(name))
            _feed(digest, part[name])
    else:
        digest.update(f"json {json.dumps(part)} ".encode())


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of those that are there."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def code_digest(functions: Iterable[Any], within: tuple[str, ...]) -> str:
    """Return a short name for what functions do.

    That is their source, the modules within some packages that they import or whose functions and
    classes they name, all that those import there, and the values of the constants they name.

    Parameters
    ----------
    functions : iterable of callable
    within : tuple of str
        Packages; what lies elsewhere does not count.
    """
    sources, constants = [], {}
    modules: set[str] = set()
    for function in functions:
        source = textwrap.dedent(inspect.getsource(function))
        sources.append(source)
        modules.update(_imports(source.encode()))
        for name in _names(function.__code__):
            if name not in function.__globals__:
                continue
            value = function.__globals__[name]
            if inspect.ismodule(value):
                modules.add(value.__name__)
            elif home := getattr(value, "__module__", None):
                modules.add(home)
            else:
                constants[name] = repr(value)
    return digest_of(sources, constants, _sources_digest(tuple(sorted(modules)), within))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


@cache
def _sources_digest(modules: tuple[str, ...], within: tuple[str, ...]) -> str:
    found: dict[str, bytes] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        inside = any(name == package or name.startswith(f"{package}.") for package in within)
        path = _path(name) if inside else None
        if name in found or path is None:
            continue
        found[name] = path.read_bytes()
        waiting += _imports(found[name])
    return digest_of(found)


def _path(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _imports(source: bytes) -> Iterable[str]:
    """Yield what is imported at run time, not for the types alone."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def kept(path: Path, make: Callable[[], Arrays]) -> Arrays:
    """Return the arrays kept in a file, made and put there first where it is missing.

    The file is there whole or not at all.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.part.npz")
        arrays: Any = make()  # numpy's stub takes any name for that of its own flag
        np.savez(unfinished, **arrays)
        unfinished.replace(path)
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def as_array(data: bytes) -> NDArray[np.uint8]:
    """Return bytes as an array to be kept."""
    return np.frombuffer(data, np.uint8)
