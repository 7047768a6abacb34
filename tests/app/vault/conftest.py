"""A vault made once, and Argon2id computed once for each passphrase and salt."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from app.vault import _keys, _people
from tests.app.vault.samples import Filled, fill

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True, scope="session")
def _argon2_once() -> Iterator[None]:
    """Remember what Argon2id gave; the parameters and the results stay the real ones."""
    remembered = cache(_keys.stretch)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_people, "stretch", remembered)
        yield


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return fill(tmp_path_factory.mktemp("vault") / "filled.vault")
