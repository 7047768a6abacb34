"""Several people: who gets in as what, and what no edit of ``vault.json`` gives anybody."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.vault import (
    NotAllowedError,
    Role,
    UnknownUserError,
    Vault,
    VaultDamagedError,
    VaultError,
    VaultLockedError,
    VaultTooNewError,
    _header,
    _people,
)
from app.vault._header import read_header, sealed_to, write_header
from app.vault._keys import Kem, Stretching, cost_for, strongest_kem, verifying_key
from app.vault._strength import weakness
from tests.app.vault.decoder import Decoder
from tests.app.vault.faults import NEVER, Fault, install
from tests.app.vault.samples import (
    PASSPHRASE,
    assert_whole,
    make_recording,
    make_report,
    old_vault,
    store,
)
from tests.app.vault.test_crash import _run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.vault._header import Header
    from tests.app.vault.samples import Filled

_HERS = "nine fleas on a dog"
_NEW = "seven teeth of a comb"


@pytest.fixture
def vault(filled: Filled, tmp_path: Path) -> Path:
    """A vault of two: the owner, and Zoë, a technician who has chosen her passphrase."""
    path = filled.copy(tmp_path)
    with Vault.open(path, PASSPHRASE) as opened:
        opened.people.add("Zoë", Role.TECHNICIAN, _NEW)
    with Vault.open(path, _NEW) as opened:
        opened.people.change_passphrase(_NEW, _HERS)
    return path


def test_each_opens_it_by_a_passphrase_of_ones_own(vault: Path) -> None:
    with Vault.open(vault, PASSPHRASE) as opened:
        assert opened.session.user == "owner"
        users = [(user.user, user.role, user.must_change) for user in opened.people.users()]
        assert users == [
            ("owner", Role.ADMINISTRATOR, False),
            ("Zoë", Role.TECHNICIAN, False),
        ]
        assert opened.info().users == ("owner", "Zoë")
    for name in (None, "Zoë", "zoë", "Zoe\u0308", " ZOË "):
        with Vault.open(vault, _HERS, user=name) as opened:
            assert (opened.session.user, opened.session.role) == ("Zoë", Role.TECHNICIAN)
    with pytest.raises(VaultLockedError):
        Vault.open(vault, _HERS, user="owner")
    with pytest.raises(UnknownUserError, match="no user “Eve”"):
        Vault.open(vault, _HERS, user="Eve")


def test_the_second_reader_opens_it_by_each(vault: Path) -> None:
    owner = Decoder(vault, passphrase=PASSPHRASE)
    hers = Decoder(vault, passphrase=_HERS, user="Zoë")
    assert owner.vault_key == hers.vault_key
    kem = Kem(owner.header["inbox"]["suite"])
    assert kem.public_of(hers.private("inbox")).hex() == owner.header["inbox"]["public"]


def test_a_technician_adds_and_reads_nothing(vault: Path) -> None:
    recording = make_recording(7, 500)
    with Vault.open(vault, _HERS) as opened:
        stored = opened.commit(opened.intake().store(recording, make_report(recording)))
        known = opened.find_input(recording.sha256())
        assert known is not None
        assert (known.id, known.patient.name) == (stored.id, "")
        with pytest.raises(NotAllowedError, match="may not read recordings"):
            opened.recordings()
        with pytest.raises(NotAllowedError):
            opened.report(stored.id)
    with Vault.open(vault, PASSPHRASE) as opened:
        assert_whole(opened, opened.recording(stored.id), recording)


def test_a_first_passphrase_is_changed_before_anything_else(vault: Path) -> None:
    with Vault.open(vault, PASSPHRASE) as opened:
        opened.people.add("Eve", Role.ADMINISTRATOR, _NEW)
    with Vault.open(vault, _NEW) as opened:
        assert opened.session.must_change
        for work in (opened.recordings, opened.intake, opened.check, opened.people.users):
            with pytest.raises(NotAllowedError, match="choose a new one first"):
                work()
        with pytest.raises(VaultError, match="that you have already"):
            opened.people.change_passphrase(_NEW, _NEW)
        with pytest.raises(VaultLockedError):
            opened.people.change_passphrase(_HERS, "eight arms of a squid")
        opened.people.change_passphrase(_NEW, "eight arms of a squid")
        assert not opened.session.must_change
        assert len(opened.recordings()) == 2  # at once
    with pytest.raises(VaultLockedError):
        Vault.open(vault, _NEW, user="Eve")
    with Vault.open(vault, "eight arms of a squid", user="Eve") as opened:
        assert opened.session.role is Role.ADMINISTRATOR


def test_a_reset_passphrase_replaces_the_old_and_is_to_be_changed(vault: Path) -> None:
    with Vault.open(vault, PASSPHRASE) as opened:
        opened.people.reset_passphrase("Zoë", _NEW)
    with pytest.raises(VaultLockedError):
        Vault.open(vault, _HERS)
    with Vault.open(vault, _NEW) as opened:
        assert opened.session.must_change
        assert opened.session.role is Role.TECHNICIAN


def test_a_change_can_be_demanded(vault: Path) -> None:
    with Vault.open(vault, PASSPHRASE) as opened:
        opened.people.demand_change("Zoë")
    with Vault.open(vault, _HERS) as opened, pytest.raises(NotAllowedError, match="new one first"):
        opened.intake()


def test_a_changed_role_holds_from_the_next_opening_on(vault: Path) -> None:
    with Vault.open(vault, PASSPHRASE) as opened:
        opened.people.change_role("Zoë", Role.CLINICIAN)
    with Vault.open(vault, _HERS) as opened:
        assert len(opened.recordings()) == 2


def test_a_removed_user_gets_in_no_more(vault: Path) -> None:
    with Vault.open(vault, PASSPHRASE) as opened:
        opened.people.remove("Zoë")
        assert [user.user for user in opened.people.users()] == ["owner"]
    for name in (None, "Zoë"):
        with pytest.raises((VaultLockedError, UnknownUserError)):
            Vault.open(vault, _HERS, user=name)


def test_whoever_was_demoted_meanwhile_manages_nobody(vault: Path) -> None:
    with Vault.open(vault, PASSPHRASE) as opened:
        opened.people.change_role("Zoë", Role.ADMINISTRATOR)
        with Vault.open(vault, _HERS) as hers:
            hers.people.change_role("owner", Role.AUDITOR)
        with pytest.raises(NotAllowedError, match="has changed what you may do"):
            opened.people.remove("Zoë")
        assert opened.session.role is Role.AUDITOR
        with pytest.raises(NotAllowedError, match="may not manage users"):
            opened.people.remove("Zoë")
    with Vault.open(vault, _HERS) as hers, Vault.open(vault, PASSPHRASE) as opened:
        hers.people.remove("owner")
        with pytest.raises(UnknownUserError):
            opened.people.change_passphrase(PASSPHRASE, _NEW)
        hers.people.add("owner", Role.AUDITOR, _NEW)  # another of that name
        with pytest.raises(VaultLockedError, match="another user's of the same name"):
            opened.people.change_passphrase(_NEW, PASSPHRASE)


def test_there_is_always_an_administrator(filled: Filled, vault: Path) -> None:
    with Vault.open(vault, PASSPHRASE) as opened:
        for act in (
            lambda: opened.people.remove("owner"),
            lambda: opened.people.change_role("owner", Role.CLINICIAN),
            lambda: opened.people.reset_passphrase("owner", _NEW),
        ):
            with pytest.raises(NotAllowedError, match="this is you"):
                act()
    with filled.open(vault) as opened:  # the recovery key is nobody
        with pytest.raises(NotAllowedError, match="last administrator"):
            opened.people.remove("owner")
        with pytest.raises(NotAllowedError, match="last administrator"):
            opened.people.change_role("owner", Role.AUDITOR)
        opened.people.change_role("Zoë", Role.ADMINISTRATOR)
        opened.people.remove("owner")


def test_a_lost_passphrase_is_replaced_by_the_recovery_key(filled: Filled, vault: Path) -> None:
    with filled.open(vault) as opened:
        opened.people.reset_passphrase("owner", _NEW)
        with pytest.raises(NotAllowedError, match="not by a user"):
            opened.people.change_passphrase(_NEW, _HERS)
    with Vault.open(vault, _NEW, user="owner") as opened:
        opened.people.change_passphrase(_NEW, "eight arms of a squid")
        assert len(opened.recordings()) == 2


@pytest.mark.parametrize(
    ("name", "problem"),
    [("owner", "already"), ("OWNER", "already"), ("zoe\u0308", "already"), ("", "characters"),
     (" ", "characters"), ("x" * 65, "characters"), ("a\nb", "characters"), ("-x", "characters")],
)  # fmt: skip
def test_a_name_that_is_taken_or_none(vault: Path, name: str, problem: str) -> None:
    with Vault.open(vault, PASSPHRASE) as opened, pytest.raises(VaultError, match=problem):
        opened.people.add(name, Role.CLINICIAN, _NEW)


def test_each_change_is_in_the_log_and_counts_a_revision(vault: Path) -> None:
    revision = read_header(vault).revision
    with Vault.open(vault, PASSPHRASE) as opened:
        opened.people.add("Eve", Role.AUDITOR, _NEW)
        opened.people.change_role("Eve", Role.CLINICIAN)
        opened.people.demand_change("Eve")
        opened.people.reset_passphrase("Eve", "six strings of a lute")
        opened.people.remove("Eve")
        opened.people.change_passphrase(PASSPHRASE, "eight arms of a squid")
        said = [(e.action, e.user, e.detail.get("user")) for e in opened.log_entries()[-6:]]
    assert said == [
        ("user-added", "owner", "Eve"),
        ("user-role", "owner", "Eve"),
        ("user-must-change", "owner", "Eve"),
        ("user-passphrase-reset", "owner", "Eve"),
        ("user-removed", "owner", "Eve"),
        ("user-passphrase", "owner", "owner"),
    ]
    assert read_header(vault).revision == revision + 6


def test_the_recovery_key_survives_all_of_it(filled: Filled, vault: Path) -> None:
    with filled.open(vault) as opened:
        assert len(opened.recordings()) == 2


# Attacks on vault.json, by somebody who can write to the folder and has no passphrase.


def _edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    values = json.loads((path / "vault.json").read_text())
    change(values)
    (path / "vault.json").write_text(json.dumps(values, indent=2) + "\n")


@pytest.mark.parametrize(
    ("which", "change"),
    [
        (1, {"role": "administrator"}),
        (0, {"role": "auditor"}),
        (1, {"must_change": True}),
        (1, {"user": "Eve"}),
        (1, {"id": "0" * 32}),
        (1, {"role": "king"}),
        (1, {"must_change": 0}),
        (1, {"type": "passphrase"}),
    ],
)
def test_nobody_becomes_another_by_an_edit(
    filled: Filled, vault: Path, which: int, change: dict[str, Any]
) -> None:
    _edit(vault, lambda values: values["stanzas"][which].update(change))
    for passphrase in (_HERS, PASSPHRASE):
        with pytest.raises((VaultDamagedError, VaultLockedError)):
            Vault.open(vault, passphrase)
    with pytest.raises(VaultDamagedError):
        filled.open(vault)


_NONSENSE = (None, 0, -1, True, 1.5, "", "x", "00", [], {}, "00" * 4000)


@pytest.mark.parametrize(
    "place",
    ["revision", "epoch", "audit", "audit.public", "audit.wrapped", "inbox", "inbox.suite",
     "inbox.public", "inbox.wrapped", "stanzas", "stanzas.0", "stanzas.0.type", "stanzas.0.id",
     "stanzas.0.user", "stanzas.0.role", "stanzas.0.must_change", "stanzas.0.kdf",
     "stanzas.0.kdf.salt", "stanzas.0.public", "stanzas.0.private", "stanzas.0.sealed",
     "stanzas.2.wrapped", "mac"],
)  # fmt: skip
def test_nonsense_anywhere_in_the_header_is_told_in_plain_words(
    filled: Filled, vault: Path, place: str
) -> None:
    *way, last = place.split(".")
    whole = (vault / "vault.json").read_bytes()
    for nonsense in _NONSENSE:

        def put(values: Any, nonsense: object = nonsense) -> None:  # noqa: ANN401 (JSON)
            for step in way:
                values = values[int(step) if step.isdigit() else step]
            values[int(last) if last.isdigit() else last] = nonsense

        (vault / "vault.json").write_bytes(whole)
        _edit(vault, put)
        if (vault / "vault.json").read_bytes() == whole:
            continue
        with pytest.raises((VaultDamagedError, VaultLockedError)):
            filled.open(vault)


def test_a_user_twice_is_no_header(filled: Filled, vault: Path) -> None:
    _edit(vault, lambda values: values["stanzas"].append(values["stanzas"][0]))
    with pytest.raises(VaultDamagedError, match="header of the vault is damaged"):
        filled.open(vault)


@pytest.mark.parametrize("parts", [("private", "public", "kdf"), ("sealed",), ("public",)])
def test_nobody_opens_it_as_another_by_swapped_parts(vault: Path, parts: tuple[str, ...]) -> None:
    def swap(values: dict[str, Any]) -> None:
        for part in parts:
            values["stanzas"][0][part] = values["stanzas"][1][part]

    _edit(vault, swap)
    with pytest.raises((VaultDamagedError, VaultLockedError)):
        Vault.open(vault, PASSPHRASE, user="owner")
    with pytest.raises((VaultDamagedError, VaultLockedError)):
        Vault.open(vault, _HERS, user="owner")


def _forged(header: Header, user: str, attackers: bytes, *, own_log: bool) -> Header:
    """Return a header with a vault key of the attacker's, sealed to a user's public key."""
    (victim,) = (stanza for stanza in header.users if stanza.user == user)
    assert header.audit
    kem = strongest_kem()
    seed = bytes(31) + b"\1"
    made = header.with_keys(attackers, seed, kem, kem.new_private())
    assert made.audit
    if not own_log:  # the public key that the victim's private key is bound to
        made = replace(made, audit=replace(made.audit, public=header.audit.public))
    else:
        assert made.audit.public == verifying_key(seed)
    return made.with_users((sealed_to(made, victim, attackers),)).with_recovery(
        attackers, bytes(32)
    )


@pytest.mark.parametrize("own_log", [True, False])
def test_nobody_is_made_to_work_under_the_key_of_an_attacker(
    vault: Path, tmp_path: Path, *, own_log: bool
) -> None:
    """Else all that is added from then on could be read by whoever wrote into the folder once."""
    attackers = bytes(range(32))
    header = _forged(read_header(vault), "Zoë", attackers, own_log=own_log)
    write_header(vault, header, attackers)
    with pytest.raises((VaultDamagedError, VaultLockedError)):
        Vault.open(vault, _HERS)


def test_an_older_key_of_the_same_vault_is_refused(filled: Filled, vault: Path) -> None:
    """What was sealed to her in epoch 1 does not pass for that of epoch 2."""
    from app.vault import new_recovery_key

    before = json.loads((vault / "vault.json").read_text())
    with Vault.open(vault, PASSPHRASE) as opened:
        opened.rotate(new_recovery_key())

    def put_back(values: dict[str, Any]) -> None:
        values["stanzas"][1]["sealed"] = before["stanzas"][1]["sealed"]

    _edit(vault, put_back)
    with pytest.raises(VaultDamagedError, match="header of the vault was changed"):
        Vault.open(vault, _HERS)


# The passphrase itself.


@pytest.mark.parametrize(
    "passphrase",
    ["", "x", "short", "12345678", "1234567890123", "password", "Password123!", "P@ssw0rd2024",
     "qwertzuiop", "aaaaaaaaaaaaaaaa", "abcabcabcabcabc", "19500102", "tracekeep-vault",
     "Geheim!!2031", "passphrase", "abcdefghijklmnop"],
)  # fmt: skip
def test_the_very_weak_are_refused(vault: Path, tmp_path: Path, passphrase: str) -> None:
    with Vault.open(vault, PASSPHRASE) as opened:
        with pytest.raises(VaultError, match=r"too short|too easy to guess"):
            opened.people.add("Eve", Role.AUDITOR, passphrase)
        with pytest.raises(VaultError, match=r"too short|too easy to guess"):
            opened.people.change_passphrase(PASSPHRASE, passphrase)
    with pytest.raises(VaultError, match=r"too short|too easy to guess") as caught:
        Vault.create(tmp_path / "new", passphrase)
    told = caught.value.problem.replace("the passphrase is too short", "")
    assert len(passphrase) < 2 or passphrase not in told.replace("the passphrase is", "")
    assert not (tmp_path / "new").exists()


def test_ones_own_name_is_guessed_first() -> None:
    assert weakness("wilhelmina 7") is None
    assert weakness("wilhelmina 7", "Wilhelmina") is not None


@pytest.mark.parametrize(
    "passphrase",
    ["correct horse", PASSPHRASE, _HERS, "Zu4#kq9L", "kaffee tasse", "心電図を読む人は朝が早い",
     "tr0ub4dor&3x"],
)  # fmt: skip
def test_others_are_taken(passphrase: str) -> None:
    assert weakness(passphrase, "owner") is None


@given(st.text(max_size=40), st.text(max_size=10))
def test_a_judgement_of_anything(passphrase: str, name: str) -> None:
    told = weakness(passphrase, name)
    assert told is None or told.startswith("the passphrase is too ")
    if len(passphrase) < 8:
        assert told is not None


@pytest.mark.parametrize(
    ("floor_s", "cost"),
    [
        (2.0, (64, 3)),  # slower than we would like, and yet
        (0.6, (64, 3)),
        (0.3, (128, 3)),
        (0.26, (128, 3)),
        (0.25, (256, 3)),
        (0.1, (512, 3)),
        (0.04, (512, 5)),
        (0.001, (512, 16)),
    ],
)
def test_a_guess_costs_half_a_second_to_one_memory_first(
    floor_s: float, cost: tuple[int, int]
) -> None:
    made = cost_for(lambda asked: floor_s * asked.work / Stretching().work)
    assert (made.memory_kib // 1024, made.passes, made.lanes) == (*cost, 4)
    if 0.015 < floor_s < 1:
        assert 0.5 <= floor_s * made.work / Stretching().work <= 1.0


def test_a_new_passphrase_costs_no_less_than_the_one_before(
    vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_people, "measured_cost", lambda: Stretching(passes=5))
    with Vault.open(vault, _HERS) as opened:
        opened.people.change_passphrase(_HERS, _NEW)
    monkeypatch.setattr(_people, "measured_cost", Stretching)
    with Vault.open(vault, _NEW) as opened:
        opened.people.change_passphrase(_NEW, _HERS)
    assert [user.cost.passes for user in read_header(vault).users] == [3, 5]
    _edit(vault, lambda values: values["stanzas"][1]["kdf"].update(passes=3))
    with pytest.raises(VaultLockedError):
        Vault.open(vault, _HERS)


@pytest.mark.parametrize("kem", Kem)
def test_what_is_sealed_is_opened_by_its_key_alone(kem: Kem) -> None:
    private, other = kem.new_private(), kem.new_private()
    public = kem.public_of(private)
    sealed = kem.seal(public, b"for you", b"secret")
    assert (len(private), len(public)) == (kem.private_bytes, kem.public_bytes)
    assert len(sealed) == 6 + kem.overhead
    assert kem.unseal(private, b"for you", sealed) == b"secret"
    assert kem.unseal(other, b"for you", sealed) is None
    assert kem.unseal(private, b"for me", sealed) is None
    for cut in (0, 1, 40, len(sealed) - 1):
        assert kem.unseal(private, b"for you", sealed[:cut]) is None
    for place in range(0, len(sealed), 7):
        changed = bytearray(sealed)
        changed[place] ^= 4
        assert kem.unseal(private, b"for you", bytes(changed)) is None


# Version 1.


def test_version_1_becomes_version_2_when_its_passphrase_opens_it(tmp_path: Path) -> None:
    old = old_vault("vault-1", tmp_path)
    with old.open(old.path) as vault:  # the recovery key cannot, and works all the same
        assert vault.info().format_version == 1
        assert len(vault.recordings()) == 5
        with pytest.raises(VaultError, match="open it once with its passphrase"):
            vault.people.add("Zoë", Role.CLINICIAN, _HERS)
    before = read_header(old.path)
    with Vault.open(old.path, PASSPHRASE) as vault:
        assert vault.info().format_version == 2
        assert (vault.session.user, vault.session.role) == ("owner", Role.ADMINISTRATOR)
        assert len(vault.session.user_id) == 32
        vault.people.add("Zoë", Role.CLINICIAN, _HERS)
        assert len(vault.recordings()) == 5
    after = read_header(old.path)
    assert (after.vault_id, after.created, after.epoch) == (
        before.vault_id,
        before.created,
        before.epoch,
    )
    assert after.stanzas[-1] == before.stanzas[-1]  # the recovery key's
    for reader in (
        Decoder(old.path, passphrase=PASSPHRASE),
        Decoder(old.path, recovery_key=old.recovery_key),
    ):
        assert len(reader.keys) == 5
    with old.open(old.path) as vault:
        assert len(vault.recordings()) == 5


def test_a_lost_passphrase_of_version_1_is_replaced_by_the_recovery_key(tmp_path: Path) -> None:
    old = old_vault("vault-1", tmp_path)
    with old.open(old.path) as vault:
        vault.people.reset_passphrase("owner", _NEW)
    with Vault.open(old.path, _NEW) as vault:
        assert vault.session.must_change
        assert vault.info().format_version == 2


def test_a_changed_header_of_version_1_is_not_made_good_by_migrating(tmp_path: Path) -> None:
    old = old_vault("vault-1", tmp_path)
    _edit(old.path, lambda values: values.update(created="2000-01-01T00:00:00+00:00"))
    data = (old.path / "vault.json").read_bytes()
    with pytest.raises(VaultDamagedError, match="was changed"):
        Vault.open(old.path, PASSPHRASE)
    assert (old.path / "vault.json").read_bytes() == data


def test_version_1_on_a_disk_that_cannot_be_written_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = old_vault("vault-1", tmp_path)

    def refuse(*_: object) -> None:
        raise OSError(30, "read-only")

    monkeypatch.setattr("app.vault._header.write_atomically", refuse)
    with Vault.open(old.path, PASSPHRASE) as vault:
        assert vault.info().format_version == 1
        assert len(vault.recordings()) == 5


def _open(path: Path, passphrase: str, told: Callable[[str], None]) -> None:
    with Vault.open(path, passphrase) as vault:
        told(str(vault.info().format_version))


def test_killed_at_any_step_of_the_migration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = old_vault("vault-1", tmp_path / "whole")
    path = old.path
    migrated = at = 0
    while True:
        shutil.rmtree(path)
        old_vault("vault-1", tmp_path / str(at)).path.rename(path)
        code, _ = _run(_open, path, PASSPHRASE, at)
        migrated += read_header(path).version == 2
        with Vault.open_with_recovery_key(path, old.recovery_key) as vault:
            assert len(vault.recordings()) == 5
            assert vault.check().damages == ()
        with Vault.open(path, PASSPHRASE) as vault:
            assert len(vault.recordings()) == 5
            assert vault.info().format_version == 2
        if code == 0 or migrated > 3:
            break
        assert code == -signal.SIGKILL
        at += 1
    assert at > 5


def test_a_full_disk_during_a_change_leaves_the_old_or_the_new(
    filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = 0
    for at in range(NEVER):
        path = filled.copy(tmp_path)
        with filled.open(path) as vault:
            fault = Fault(at, kill=False)
            with monkeypatch.context() as patch:
                install(fault, patch)
                try:
                    vault.people.add("Zoë", Role.CLINICIAN, _HERS)
                except VaultError as error:
                    assert "no space is left" in error.problem  # noqa: PT017
                    failed += 1
        with filled.open(path) as vault:
            users = [user.user for user in vault.people.users()]
            assert users in (["owner"], ["owner", "Zoë"])
        if fault.count <= at:
            break
    assert failed > 1
    assert users == ["owner", "Zoë"]


def test_a_vault_of_a_newer_version_is_told(vault: Path) -> None:
    _edit(vault, lambda values: values.update(version=3))
    with pytest.raises(VaultTooNewError):
        Vault.open(vault, PASSPHRASE)


def test_what_was_stored_is_there_for_each_who_may_read(vault: Path) -> None:
    with Vault.open(vault, PASSPHRASE) as opened:
        stored = store(opened, make_recording(7, 500))
        opened.people.change_role("Zoë", Role.CLINICIAN)
    with Vault.open(vault, _HERS) as opened:
        assert_whole(opened, opened.recording(stored.id), make_recording(7, 500))


def test_no_header_is_written_that_could_not_be_read_again(
    vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Vault.open(vault, PASSPHRASE) as opened:
        before = (vault / "vault.json").read_bytes()
        (owner, *_) = opened._header.users
        many = tuple(
            replace(owner, id=f"{n:032x}", user=f"user {n}") for n in range(_header.MOST_USERS + 1)
        )
        for users, most in ((many, 1 << 20), (many[:2], 500)):
            monkeypatch.setattr(_header, "_LARGEST", most)
            with pytest.raises(VaultError, match="100 users at most"):
                write_header(vault, opened._header.with_users(users), opened._vault_key)
        monkeypatch.setattr(_header, "_LARGEST", 1 << 20)
        assert (vault / "vault.json").read_bytes() == before
        write_header(vault, opened._header.with_users(many[:-1]), opened._vault_key)
        assert len(read_header(vault).users) == _header.MOST_USERS


def test_no_header_makes_an_opening_work_for_hours(
    vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dear = Stretching(1024 * 1024, 16, 4)
    header = read_header(vault)
    (owner, *_) = header.users
    users = tuple(replace(owner, id=f"{n:032x}", user=f"u{n}", cost=dear) for n in range(9))
    tried: list[Stretching] = []
    monkeypatch.setattr(_people, "stretch", lambda _p, _s, cost: tried.append(cost) or bytes(32))
    (vault / "vault.json").write_bytes(header.with_users(users).to_json())
    with pytest.raises(VaultError, match="name the user"):
        Vault.open(vault, PASSPHRASE)
    assert tried == []
    with pytest.raises(VaultError, match="the passphrase is wrong"):
        Vault.open(vault, PASSPHRASE, user="u1")
    assert tried == [dear]
