"""An older ``vault.json`` put back: who was removed gains nothing by it."""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING

import pytest

from app.settings import state_folder
from app.vault import NotAllowedError, Vault, VaultError, new_recovery_key
from app.vault.roles import Role
from tests.app.vault.samples import PASSPHRASE, ZOES, old_vault

if TYPE_CHECKING:
    from pathlib import Path

    from tests.app.vault.samples import Filled


def test_a_header_of_version_1_put_back_is_not_taken_for_one_to_migrate(tmp_path: Path) -> None:
    old = old_vault("vault-1", tmp_path)
    path, first = old.path, (old.path / "vault.json").read_bytes()
    with Vault.open(path, PASSPHRASE) as vault:
        assert vault.warnings == ()
        assert vault.info().format_version == 2
        key = vault._log.public_key
    (path / "vault.json").write_bytes(first)
    for seen in (True, False):  # by this computer, or by the index alone
        if not seen:
            shutil.rmtree(state_folder())
        with Vault.open(path, PASSPHRASE) as vault:
            (warning,) = vault.warnings
            assert "vault.json" in warning
            assert vault.recordings()
        assert (path / "vault.json").read_bytes() == first
    with old.open(path) as vault:
        with pytest.raises(VaultError, match="put back to an older state"):
            vault.people.reset_passphrase("owner", "seven goats in a boat")
        assert vault.accept() == ("older vault.json",)
    with Vault.open(path, PASSPHRASE) as vault:  # which has lost its key for the log for good
        assert vault.warnings == ()
        assert vault._log.public_key != key


def test_a_removed_administrator_who_is_put_back_decides_nothing(
    filled: Filled, tmp_path: Path
) -> None:
    path, hers = filled.copy(tmp_path), "seven goats in a boat"
    with filled.open(path) as vault:
        vault.people.add("Zoë", Role.ADMINISTRATOR, ZOES)
    with Vault.open(path, ZOES) as vault:
        vault.people.change_passphrase(ZOES, hers)
    old = (path / "vault.json").read_bytes()
    with Vault.open(path, PASSPHRASE) as vault:
        vault.people.remove("Zoë")
    (path / "vault.json").write_bytes(old)
    shutil.rmtree(state_folder())  # or any other computer
    for passphrase in (hers, PASSPHRASE, hers):
        with Vault.open(path, passphrase) as vault:
            assert vault.session.role is Role.ADMINISTRATOR
            (warning,) = vault.warnings
            assert "only the recovery key accepts this" in warning
            id_ = vault.recordings()[0].id  # the record is at hand all the same
            for act in (
                vault.accept,
                vault.people.users,
                partial(vault.people.add, "Eve", Role.ADMINISTRATOR, "words of somebody"),
                partial(vault.people.remove, "owner"),
                partial(vault.rotate, new_recovery_key()),
                partial(vault.erase, id_, whole_patient=True),
            ):
                with pytest.raises(NotAllowedError, match="with the recovery key"):
                    act()
    with filled.open(path) as vault:
        assert vault.accept() == ("older vault.json",)
        vault.people.remove("Zoë")
    with Vault.open(path, PASSPHRASE) as vault:
        assert vault.warnings == ()
        assert [user.user for user in vault.people.users()] == ["owner"]
