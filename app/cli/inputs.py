"""The recordings that a command is given, and the words for those it cannot use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from app.cli.exits import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_NAME_IT = "name it as a lead"  # what the analysis says where no label shows an ECG


def find_inputs(paths: Sequence[Path]) -> dict[Path, list[Path]]:
    """Return the recordings below each path that is named, none where a folder holds none.

    Raises
    ------
    CommandError
        If there is no recording at all.
    """
    from signals.readers import find_recordings

    found = {path: list(find_recordings([path])) for path in paths}
    if not any(found.values()):
        raise CommandError(f"there is no recording in {', '.join(map(str, paths))}")
    return found


def each_once(found: Mapping[Path, Sequence[Path]]) -> list[Path]:
    """Return every recording once, as it was named first."""
    once: dict[str, Path] = {}
    for path in (path for inside in found.values() for path in inside):
        once.setdefault(os.path.realpath(path), path)
    return list(once.values())


def without_recordings(found: Mapping[Path, Sequence[Path]]) -> list[str]:
    """Return a line for each folder that holds no recording."""
    return [f"{path}: there is no recording in it" for path, inside in found.items() if not inside]


def with_option(problem: str) -> str:
    """Return what is wrong with a recording, with the option that helps, if one does."""
    return problem.replace(_NAME_IT, f'{_NAME_IT} (--leads "LABEL")')
