"""Every role tries every public method of a vault: the table decides, and nothing else."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.vault import ALLOWED, Action, NotAllowedError, Role, Session, Vault, VaultError
from app.vault._emergency import Emergencies
from app.vault._people import People
from signals.recording import Patient
from tests.app.vault.samples import MARKER, PASSPHRASE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.app.vault.samples import Filled

_ROOT = Path(__file__).parents[3]
_KEY = "0" * 64
# What may be done by whoever has the vault open, and why nothing of a patient comes out by it.
_FREE = {
    "close",
    "create",
    "inbox_address",  # a public key
    "log_public_key",
    "info",  # numbers, and what stands in the clear in vault.json
    "open",
    "open_with_recovery_key",
    "require",
    "warnings",
}
_CALLS: dict[str, tuple[Action, Callable[[Vault, Path], Any]]] = {
    "accept": (Action.REPAIR, lambda v, _: v.accept()),
    "back_up": (Action.BACKUP, lambda v, to: v.back_up(to / "backup")),
    "check": (Action.CHECK, lambda v, _: v.check()),
    "commit": (Action.ADD, lambda v, _: v.commit(_Receipt())),
    "discard": (Action.ADD, lambda v, _: v.discard(_Receipt())),
    "envelope": (Action.READ, lambda v, _: v.envelope("ab")),
    "erase": (Action.ERASE, lambda v, _: v.erase("ab", whole_patient=False)),
    "find_input": (Action.ADD, lambda v, _: v.find_input("ab")),
    "export_log": (Action.READ_LOG, lambda v, _: v.export_log()),
    "intake": (Action.ADD, lambda v, _: v.intake()),
    "keep_pattern": (Action.CORRECT, lambda v, _: v.keep_pattern("ab", None)),
    "log_entries": (Action.READ_LOG, lambda v, _: v.log_entries()),
    "note_export": (Action.EXPORT, lambda v, _: v.note_export("ab", "csv")),
    "pattern_of": (Action.READ, lambda v, _: v.pattern_of("ab")),
    "recording": (Action.READ, lambda v, _: v.recording("ab")),
    "recordings": (Action.READ, lambda v, _: v.recordings()),
    "recordings_of_patient": (Action.READ, lambda v, _: v.recordings_of_patient("ab")),
    "replace_pattern": (Action.CORRECT, lambda v, _: v.replace_pattern("ab", None, None)),
    "report": (Action.READ, lambda v, _: v.report("ab")),
    "rotate": (Action.ROTATE, lambda v, _: v.rotate(_KEY)),
    "take_in_inbox": (Action.ADD, lambda v, _: v.take_in_inbox()),
    "search": (Action.READ, lambda v, _: v.search("ab")),
    "verify_log": (Action.READ_LOG, lambda v, _: v.verify_log()),
    "waveform": (Action.READ, lambda v, _: v.waveform("ab")),
    "emergencies.all": (Action.REVIEW, lambda v, _: v.emergencies.all()),
    "emergencies.open": (Action.EMERGENCY, lambda v, _: v.emergencies.open("ab", "", "short")),
    "emergencies.review": (Action.REVIEW, lambda v, _: v.emergencies.review("ab", "")),
    "people.add": (Action.MANAGE_USERS, lambda v, _: v.people.add("x", Role.AUDITOR, "short")),
    "people.change_role": (
        Action.MANAGE_USERS,
        lambda v, _: v.people.change_role("x", Role.AUDITOR),
    ),
    "people.demand_change": (Action.MANAGE_USERS, lambda v, _: v.people.demand_change("x")),
    "people.remove": (Action.MANAGE_USERS, lambda v, _: v.people.remove("x")),
    "people.reset_passphrase": (
        Action.MANAGE_USERS,
        lambda v, _: v.people.reset_passphrase("x", "short"),
    ),
    "people.users": (Action.MANAGE_USERS, lambda v, _: v.people.users()),
}
_FREE_OF_PEOPLE = {"authenticate", "change_passphrase"}  # one's own
_FREE_OF_EMERGENCIES = {"covering", "current", "readable"}  # what is one's own anyway


# What stands in a vault's object. A part of it with methods of its own is in the table above.
_ATTRIBUTES = {
    "emergencies",
    "inbox",  # of whom the recordings are is told to those who may read
    "path",
    "people",
    "session",
    "vault_id",
}


class _Receipt:
    recording_id = "of nobody"


def _public(cls: type) -> set[str]:
    return {
        name
        for name, member in inspect.getmembers(cls)
        if not name.startswith("_") and (callable(member) or isinstance(member, property))
    }


def test_the_table_below_has_every_public_method() -> None:
    """A method that is added without a line here fails, and so is not left without a role."""
    assert set(_CALLS) == (_public(Vault) - _FREE) | {
        f"people.{name}" for name in _public(People) - _FREE_OF_PEOPLE
    } | {f"emergencies.{name}" for name in _public(Emergencies) - _FREE_OF_EMERGENCIES}


def test_nothing_else_is_to_be_had_from_the_object(filled: Filled, tmp_path: Path) -> None:
    """A part of the vault that stands in it under a public name passes by the roles."""
    with filled.open(filled.copy(tmp_path)) as vault:
        for part, known in (
            (vault, _ATTRIBUTES),
            (vault.people, set()),
            (vault.emergencies, set()),
        ):
            assert {name for name in vars(part) if not name.startswith("_")} == known


def test_who_adds_is_told_that_a_content_is_there_and_not_whose_it_is(
    filled: Filled, tmp_path: Path
) -> None:
    sha256 = filled.recordings[0].sha256()
    with filled.open(filled.copy(tmp_path)) as vault:
        full = vault.find_input(sha256)
        assert full is not None
        assert full.patient.name == MARKER
        vault.session = _session(Role.TECHNICIAN)
        told = vault.find_input(sha256)
        assert told is not None
        assert told.id == full.id
        assert (told.name, told.start, told.patient, told.headline) == ("", None, Patient(), {})
        assert vault.find_input("0" * 64) is None


def _session(role: Role) -> Session:
    """Return a session of somebody whom no change of the users affects."""
    return Session("", "Zoë", role, "test", by_recovery_key=True)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("name", _CALLS)
def test_each_role_and_each_method(filled: Filled, tmp_path: Path, role: Role, name: str) -> None:
    action, call = _CALLS[name]
    with filled.open(filled.copy(tmp_path)) as vault:
        vault.session = _session(role)
        refused = False
        try:
            call(vault, tmp_path)
        except NotAllowedError as error:
            refused = True
            assert error.problem == (  # noqa: PT017
                f"Zoë may not {action.value}: that is not for "
                f"{'an' if role in (Role.ADMINISTRATOR, Role.AUDITOR) else 'a'} {role.value}"
            )
        except VaultError:
            pass  # it may, and what it asked for is not there
        assert refused is (action not in ALLOWED[role])


@pytest.mark.parametrize("name", _CALLS)
def test_who_must_change_the_passphrase_does_nothing_else(
    filled: Filled, tmp_path: Path, name: str
) -> None:
    with filled.open(filled.copy(tmp_path)) as vault:
        vault.session = replace(_session(Role.ADMINISTRATOR), must_change=True)
        with pytest.raises(NotAllowedError, match="choose a new one first"):
            _CALLS[name][1](vault, tmp_path)


def test_the_document_has_the_table_of_roles() -> None:
    text = (_ROOT / "docs" / "vault-format.md").read_text("utf-8")
    text = text.split("## People")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| ([a-z]+) \| (.*) \|$", text, re.MULTILINE))
    assert rows.pop("role") == "may"
    assert set(rows) == {role.value for role in Role}
    assert ALLOWED[Role.ADMINISTRATOR] == set(Action)
    assert rows.pop("administrator") == "everything"
    for role, may in rows.items():
        assert {Action(words) for words in may.split("; ")} == ALLOWED[Role(role)]


def test_a_recovery_key_acts_as_an_administrator(filled: Filled, tmp_path: Path) -> None:
    with filled.open(filled.copy(tmp_path)) as vault:
        assert vault.session.by_recovery_key
        assert vault.session.role is Role.ADMINISTRATOR


def test_a_session_says_who_and_by_what(filled: Filled, tmp_path: Path) -> None:
    with Vault.open(filled.copy(tmp_path), PASSPHRASE, program="batch") as vault:
        session = vault.session
    assert (session.user, session.role, session.program) == (
        "owner",
        Role.ADMINISTRATOR,
        "batch",
    )
    assert len(session.user_id) == 32
    assert not session.by_recovery_key
