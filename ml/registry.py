"""Which bundle serves which task."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ml.bundle import Bundle, load_bundle

SHIPPED = Path(__file__).parent / "bundles"


@cache
def bundle_for(task: str) -> Bundle:
    """Return the shipped bundle of a task (``beats``, ``waves``), read and checked once.

    Raises
    ------
    BundleError
        If it is missing or damaged.
    """
    return load_bundle(SHIPPED / task, task)
