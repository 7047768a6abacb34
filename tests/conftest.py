"""What every test shares: the recordings of ``shared/data``, where they are."""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from app.vault import _keys

if TYPE_CHECKING:
    from collections.abc import Iterator

# The same examples at every run, so that main is green or red for a reason that is in it.
# `pytest --hypothesis-profile=default` looks for new ones.
settings.register_profile("steady", derandomize=True)
settings.load_profile("steady")

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# What a vault keeps outside itself is not to be mixed up with that of the user who runs the tests.
_state = tempfile.TemporaryDirectory(prefix="tracekeep-tests-")
os.environ["XDG_STATE_HOME"] = _state.name
_computers = itertools.count()


def _recordings() -> Path | None:
    root = Path(os.environ.get("TRACEKEEP_DATA", Path.home() / ".cache/tracekeep/data"))
    return root if (root / "mitdb").is_dir() else None


@pytest.fixture(autouse=True, scope="session")
def _cheapest_guesses() -> Iterator[None]:
    """Make vaults whose passphrases cost as little as is allowed, whatever this machine can do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.vault._people.measured_cost", _keys.Stretching)
        yield


@pytest.fixture(autouse=True)
def _new_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be on a computer that has seen no vault: copies of one are not taken for it put back."""
    monkeypatch.setenv("XDG_STATE_HOME", f"{_state.name}/{next(_computers)}")


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Folder of the real recordings (``mitdb/``, ``svdb/``, ``samples/`` and so on)."""
    root = _recordings()
    assert root is not None, "a test that takes `recordings` carries the marker `realdata`"
    return root


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs real recordings where there are none, and say so."""
    if _recordings() is not None:
        return
    reason = "the real recordings are not on this machine (TRACEKEEP_DATA)"
    for item in items:
        if "realdata" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=reason))
