from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import default_vault_path


def test_the_vault_is_in_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_vault_path() == tmp_path / "tracekeep" / "vault"
