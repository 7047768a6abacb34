from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from app.cli.users import _Role
from app.vault import Role, UnknownUserError, Vault, VaultLockedError
from tests.app.cli.helpers import Place, Run
from tests.app.cli.test_vault import _type_into

_FIRST, _HERS = "nine fleas on a dog", "seven teeth of a comb"


def _file(folder: Path, passphrase: str) -> Path:
    path = folder / f"{abs(hash(passphrase))}.txt"
    path.write_text(passphrase + "\n")
    return path


@pytest.fixture
def with_zoe(tracekeep: Run, vault: Place, tmp_path: Path) -> Place:
    done = tracekeep(
        "vault", "user", "add", "Zoë", "--role", "technician", *vault.options,
        "--new-passphrase-file", _file(tmp_path, _FIRST),
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return vault


def test_the_roles_are_those_of_the_vault() -> None:
    assert [role.value for role in _Role] == [role.value for role in Role]


def test_add_and_list(tracekeep: Run, with_zoe: Place) -> None:
    listed = tracekeep("vault", "user", "list", *with_zoe.options)
    assert listed.exit_code == 0
    assert re.search(r"^owner +administrator *$", listed.stdout, re.MULTILINE)
    assert re.search(r"^Zoë +technician +yes$", listed.stdout, re.MULTILINE)
    users = json.loads(tracekeep("vault", "user", "list", *with_zoe.options, "--json").stdout)
    assert [(u["user"], u["role"], u["must_change"]) for u in users] == [
        ("owner", "administrator", False),
        ("Zoë", "technician", True),
    ]
    assert {len(user["id"]) for user in users} == {32}


def test_a_first_passphrase_must_be_changed_and_can_be(
    tracekeep: Run, with_zoe: Place, tmp_path: Path
) -> None:
    hers = ["--vault", with_zoe.path, "--passphrase-file", _file(tmp_path, _FIRST)]
    refused = tracekeep("list", *hers)
    assert refused.exit_code == 1
    assert "choose a new one first" in refused.stderr
    weak = tracekeep(
        "vault", "user", "passphrase", *hers, "--new-passphrase-file", _file(tmp_path, "password")
    )
    assert weak.exit_code == 1
    assert "too easy to guess" in weak.stderr
    done = tracekeep(
        "vault", "user", "passphrase", *hers, "--user", "zoë",
        "--new-passphrase-command", f"echo '{_HERS}'",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    with Vault.open(with_zoe.path, _HERS) as vault:
        assert not vault.session.must_change
    refused = tracekeep("list", "--vault", with_zoe.path, "--passphrase-command", f"echo '{_HERS}'")
    assert refused.exit_code == 1
    assert "may not read recordings" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_role_and_remove(tracekeep: Run, with_zoe: Place) -> None:
    changed = tracekeep("vault", "user", "role", "Zoë", "auditor", *with_zoe.options)
    assert changed.exit_code == 0
    with Vault.open(with_zoe.path, _FIRST) as vault:
        assert vault.session.role is Role.AUDITOR
    assert tracekeep("vault", "user", "remove", "Zoë", *with_zoe.options).exit_code == 0
    with pytest.raises(VaultLockedError):
        Vault.open(with_zoe.path, _FIRST)
    with pytest.raises(UnknownUserError):
        Vault.open(with_zoe.path, _FIRST, user="Zoë")
    again = tracekeep("vault", "user", "remove", "Zoë", *with_zoe.options)
    assert again.exit_code == 1
    assert "no user “Zoë”" in again.stderr
    alone = tracekeep("vault", "user", "remove", "owner", *with_zoe.options)
    assert "this is you" in alone.stderr


def test_a_lost_passphrase_is_replaced(tracekeep: Run, with_zoe: Place, tmp_path: Path) -> None:
    new = ["--new-passphrase-file", _file(tmp_path, _HERS)]
    by_key = [
        "--vault",
        with_zoe.path,
        "--recovery-key-file",
        _file(tmp_path, with_zoe.recovery_key),
    ]
    assert tracekeep("vault", "user", "passphrase", *by_key, *new).exit_code == 2  # whose?
    done = tracekeep("vault", "user", "passphrase", "owner", *by_key, *new)
    assert done.exit_code == 0, done.output
    with Vault.open(with_zoe.path, _HERS, user="owner") as vault:
        assert vault.session.must_change


def test_a_change_is_demanded(tracekeep: Run, with_zoe: Place, tmp_path: Path) -> None:
    with Vault.open(with_zoe.path, _FIRST) as vault:
        vault.people.change_passphrase(_FIRST, _HERS)
    done = tracekeep("vault", "user", "passphrase", "Zoë", "--demand", *with_zoe.options)
    assert done.exit_code == 0
    with Vault.open(with_zoe.path, _HERS) as vault:
        assert vault.session.must_change
    assert tracekeep("vault", "user", "passphrase", "--demand", *with_zoe.options).exit_code == 2


def test_who_manages_nobody_is_not_asked_for_a_passphrase(
    tracekeep: Run, with_zoe: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Vault.open(with_zoe.path, _FIRST) as vault:
        vault.people.change_passphrase(_FIRST, _HERS)
    monkeypatch.setattr("getpass.getpass", lambda _question: pytest.fail("asked"))
    hers = ["--vault", with_zoe.path, "--passphrase-command", f"echo '{_HERS}'"]
    for command in (["add", "Eve", "--role", "auditor"], ["passphrase", "owner"]):
        done = tracekeep("vault", "user", *command, *hers)
        assert done.exit_code == 1
        assert "may not manage users" in done.stderr


def test_the_own_passphrase_at_a_terminal(vault: Place) -> None:
    code, shown = _type_into(
        ["vault", "user", "passphrase", "--vault", str(vault.path)],
        ["wrong", "correct horse", "short", _HERS, _HERS],
    )
    assert code == 0, shown
    assert "not the passphrase" in shown
    assert "too short" in shown
    assert _HERS not in shown
    Vault.open(vault.path, _HERS).close()
