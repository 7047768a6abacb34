"""Old pages, old files and the whole vault put back: each is reported until it is accepted."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from app.settings import state_folder
from app.vault import (
    NotAllowedError,
    Vault,
    VaultDamagedError,
    VaultError,
    _anchor,
    new_recovery_key,
)
from app.vault._digest import State, full_digest
from app.vault.roles import Role, Session
from tests.app.vault.decoder import Decoder
from tests.app.vault.samples import PASSPHRASE, make_pattern, make_recording, store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.app.vault.samples import Filled

_PAGE = 4096


def _saved(path: Path) -> Path:
    """Return a copy of a closed vault."""
    old = path.with_name("old.vault")
    shutil.rmtree(old, ignore_errors=True)
    return shutil.copytree(path, old)


def _put_back(old: Path, path: Path, *names: str) -> None:
    for name in names:
        shutil.copy(old / name, path / name)


def _actions(vault: Vault) -> list[str]:
    return [entry.action for entry in vault.log_entries()]


def _learn(filled: Filled, path: Path) -> None:
    with filled.open(path) as vault:
        vault.keep_pattern(vault.recordings()[1].id, make_pattern(filled.recordings[0]))


def test_the_sum_that_is_kept_is_the_sum_of_all_rows(filled: Filled, tmp_path: Path) -> None:
    with filled.open(filled.copy(tmp_path)) as vault:
        first = vault.recordings()[1]
        odd = make_recording(7, 100)
        odd.name, odd.patient = "a\udcff'\0b", make_recording(8, 100).patient
        for step in (
            lambda: store(vault, odd),
            lambda: vault.keep_pattern(first.id, make_pattern(filled.recordings[0])),
            lambda: vault.keep_pattern(first.id, None),
            lambda: vault.report(first.id),
            lambda: vault._log.add("x", None, text="ä\udcff", number=-1),
            lambda: vault.erase(first.id, whole_patient=True),
        ):
            before = vault._index.state()
            step()
            after = vault._index.state()
            assert before
            assert after
            assert after.generation > before.generation
            with vault._index._use() as connection:
                assert full_digest(connection) == after.digest != before.digest
        assert vault.check(1.0).warnings == ()


def test_what_fails_changes_neither_sum_nor_generation(filled: Filled, tmp_path: Path) -> None:
    with filled.open(filled.copy(tmp_path)) as vault:
        first, second = (one.id for one in vault.recordings())
        before = vault._index.state()
        with pytest.raises(ValueError, match="the patient that it was learned on"):
            vault.keep_pattern(first, make_pattern(filled.recordings[0]))
        assert vault._index.state() == before
        vault.keep_pattern(second, make_pattern(filled.recordings[0]))
        assert vault.check().warnings == ()


def test_a_vault_seen_for_the_first_time_is_trusted_and_that_is_noted(
    filled: Filled, tmp_path: Path
) -> None:
    path = filled.copy(tmp_path)
    for _ in range(2):
        with filled.open(path) as vault:
            assert vault.warnings == ()
    with filled.open(path) as vault:
        assert _actions(vault)[-4:].count("first seen") == 1
    (anchor,) = (state_folder() / "anchors").iterdir()
    assert anchor.stat().st_mode & 0o777 == 0o600
    assert anchor.stem == vault.vault_id


def _rows(filled: Filled, path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return what a closed vault holds, other than what each opening adds."""
    reader = Decoder(path, recovery_key=filled.recovery_key)
    tables = reader.rows("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'words'")
    own = {"fact", "entry", "checkpoint"}
    return {t: sorted(reader.rows(f"SELECT * FROM {t}")) for (t,) in tables if t not in own}


@pytest.mark.parametrize("change", ["a name", "a recording", "an erasure"])
def test_one_old_page_of_the_index_is_found_by_check(
    filled: Filled, tmp_path: Path, change: str
) -> None:
    """As `reference/vault.md` found: the cipher and SQLite's integrity check pass it."""
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        for n in range(20):
            store(vault, make_recording(20 + n, 100))
    old = (_saved(path) / "index.db").read_bytes()
    with filled.open(path) as vault:
        newest = vault.recordings()[0].id
        if change == "a name":
            with vault._index._writing() as connection:
                connection.execute("UPDATE recording SET name = 'renamed' WHERE id = ?", (newest,))
        elif change == "a recording":
            store(vault, make_recording(9, 100))
        else:
            vault.erase(newest, whole_patient=True)
    rows = _rows(filled, path)
    new = (path / "index.db").read_bytes()
    state = shutil.copytree(state_folder(), tmp_path / "seen")
    by_sum = 0
    for at in range(0, min(len(old), len(new)), _PAGE):
        page = old[at : at + _PAGE]
        if page == new[at : at + _PAGE]:
            continue
        (path / "index.db").write_bytes(new[:at] + page + new[at + _PAGE :])
        try:
            with filled.open(path) as vault:
                told = vault.warnings
                result = vault.check()
        except VaultDamagedError:
            pass  # of pages that do not fit together, SQLite refuses some
        else:
            # One that was free, or is only encrypted anew, does no harm.
            found = result.warnings or result.damages
            assert found or _rows(filled, path) == rows, at // _PAGE + 1
            by_sum += not told and not result.damages
        (path / "index.db").write_bytes(new)
        shutil.rmtree(state_folder())
        shutil.copytree(state, state_folder())
    # Some are found by nothing else; after an erasure the file is written anew, and none fits.
    assert by_sum > 0 or change == "an erasure"


@pytest.mark.parametrize("table", ["recording", "pattern", "entry", "blob", "patient"])
def test_a_row_changed_behind_the_back_of_the_vault_is_found(
    filled: Filled, tmp_path: Path, table: str
) -> None:
    path = filled.copy(tmp_path)
    _learn(filled, path)
    column = {"pattern": "text", "entry": "at", "blob": "kind"}.get(table, "name")
    with filled.open(path) as vault:
        with vault._index._use() as connection:
            connection.execute(f"UPDATE {table} SET {column} = {column} || ' '")
        (warning,) = vault.check().warnings
        assert "another time" in warning
        assert "tracekeep vault accept" in warning
        vault._log.add("x")
        assert vault.check().warnings  # work that goes on does not hide it
        assert vault.accept() == ("rows",)
        assert vault.check().warnings == ()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("index.db",), "list of recordings (index.db) was put back"),
        (("keyring.bin",), "keys of the recordings (keyring.bin) were put back"),
        (("index.db", "keyring.bin"), "list of recordings (index.db) was put back"),
    ],
)
def test_a_file_put_back_is_reported_until_it_is_accepted(
    filled: Filled, tmp_path: Path, names: tuple[str, ...], words: str
) -> None:
    path = filled.copy(tmp_path)
    filled.open(path).close()
    old = _saved(path)
    with filled.open(path) as vault:
        store(vault, make_recording(9, 100))
    _put_back(old, path, *names)
    for n in range(12):  # as many changes as would overtake what was put back
        with filled.open(path) as vault:
            assert any(words.lower() in warning.lower() for warning in vault.warnings)
            assert vault.recordings()  # a clinician must get at the record
            store(vault, make_recording(20 + n, 100))
    with filled.open(path) as vault:
        assert len(vault.accept()) == len(names)
        assert vault.warnings == ()
    with filled.open(path) as vault:
        assert vault.warnings == ()
        assert _actions(vault).count("put back") == 1
        assert _actions(vault).count("accept") == 1


def test_an_old_header_that_brings_a_removed_user_back_is_reported(
    filled: Filled, tmp_path: Path
) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        vault.people.add("Zoë", Role.CLINICIAN, "six words that are hers")
    old = _saved(path)
    with filled.open(path) as vault:
        vault.people.remove("Zoë")
    _put_back(old, path, "vault.json")
    for _ in range(3):
        with filled.open(path) as vault:
            (warning,) = vault.warnings
            assert "users and passphrases (vault.json) were put back" in warning.lower()
            vault.people.add(f"n{len(vault.people.users())}", Role.AUDITOR, "words of somebody")
    with filled.open(path) as vault:
        assert vault.accept() == ("older vault.json",)
    with filled.open(path) as vault:
        assert vault.warnings == ()


def test_all_three_files_put_back_are_the_whole_vault(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    filled.open(path).close()
    old = _saved(path)
    with filled.open(path) as vault:
        vault.people.add("Zoë", Role.CLINICIAN, "six words that are hers")
        store(vault, make_recording(9, 100))
    _put_back(old, path, "vault.json", "index.db", "keyring.bin")
    with filled.open(path) as vault:
        (warning,) = vault.warnings
        assert warning.startswith("The whole vault was put back to an older state. ")


def test_a_new_vault_key_raises_no_alarm(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        digest = vault.check().warnings
        key = new_recovery_key()
        vault.rotate(key)
        assert vault.warnings == digest == ()
    with Vault.open_with_recovery_key(path, key) as vault:
        assert vault.warnings == ()
        assert vault.verify_log().flaws == ()


def test_an_old_keyring_that_brings_an_erased_key_back_is_reported(
    filled: Filled, tmp_path: Path
) -> None:
    path = filled.copy(tmp_path)
    filled.open(path).close()
    old = _saved(path)
    with filled.open(path) as vault:
        erased = vault.recordings()[0].id
        vault.erase(erased, whole_patient=True)
    _put_back(old, path, "keyring.bin")
    with filled.open(path) as vault:
        (warning,) = vault.warnings
        assert "keyring.bin" in warning
        assert {damage.recording_id for damage in vault.check().damages} == {erased}


def test_an_old_blob_put_back_is_reported(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    old = _saved(path)
    with filled.open(path) as vault:
        vault.erase(vault.recordings()[0].id, whole_patient=True)
    shutil.copytree(old / "blobs", path / "blobs", dirs_exist_ok=True)
    with filled.open(path) as vault:
        problems = [damage.problem for damage in vault.check().damages]
    assert problems == ["no recording knows this file"] * 3


def test_the_whole_vault_put_back_is_reported(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    filled.open(path).close()
    old = _saved(path)
    with filled.open(path) as vault:
        store(vault, make_recording(9, 100))
    shutil.rmtree(path)
    shutil.copytree(old, path)
    for _ in range(3):
        with filled.open(path) as vault:
            assert vault.warnings
            assert vault.check(1.0).warnings == vault.warnings
            assert vault.check(1.0).damages == ()
    # Put back once more, to before any of that was noted in it.
    shutil.rmtree(path)
    shutil.copytree(old, path)
    with filled.open(path) as vault:
        assert vault.warnings


def test_another_history_that_has_grown_longer_is_reported(filled: Filled, tmp_path: Path) -> None:
    """Put back, and used on another computer until nothing looks old."""
    path = filled.copy(tmp_path)
    filled.open(path).close()
    old = _saved(path)
    with filled.open(path) as vault:
        store(vault, make_recording(9, 100))
    shutil.rmtree(path)
    shutil.copytree(old, path)
    shutil.move(state_folder(), tmp_path / "elsewhere")
    with filled.open(path) as vault:
        for n in range(8):
            store(vault, make_recording(20 + n, 100))
        assert vault.warnings == ()
    shutil.rmtree(state_folder())
    shutil.move(tmp_path / "elsewhere", state_folder())
    with filled.open(path) as vault:
        (warning,) = vault.warnings
        assert "not the one that this computer left" in warning


def test_a_lost_log_of_sqlite_is_reported(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    filled.open(path).close()
    with filled.open(path) as vault:
        store(vault, make_recording(9, 100))
        killed = shutil.copytree(path, tmp_path / "killed")
    shutil.rmtree(path)
    shutil.move(killed, path)  # as a program leaves it that was killed
    (path / "index.db-wal").unlink()
    with filled.open(path) as vault:
        assert any("index.db" in warning for warning in vault.warnings)


def test_a_copy_in_another_place_is_compared_with_the_furthest(
    filled: Filled, tmp_path: Path
) -> None:
    path = filled.copy(tmp_path)
    filled.open(path).close()
    copy, older = tmp_path / "moved.vault", _saved(path)
    with filled.open(path) as vault:
        store(vault, make_recording(9, 100))
    shutil.copytree(path, copy)
    with filled.open(copy) as vault:
        assert vault.warnings == ()
        store(vault, make_recording(10, 100))
    with filled.open(older) as vault:
        assert vault.warnings
    with filled.open(path) as vault:  # it lags behind its copy, and is where it was left
        assert vault.warnings == ()


def test_a_vault_that_went_on_elsewhere_is_no_alarm(
    filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filled.copy(tmp_path)
    filled.open(path).close()
    with monkeypatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path / "other computer"))
        with filled.open(path) as vault:
            store(vault, make_recording(9, 100))
    with filled.open(path) as vault:
        assert vault.warnings == ()


def test_programs_that_write_at_once_raise_no_alarm(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as one:
        for n in range(5):
            store(one, make_recording(20 + n, 100))
            with filled.open(path) as other:
                assert other.warnings == ()
                store(other, make_recording(40 + n, 100))
            assert one.warnings == ()
    with filled.open(path) as vault:
        assert vault.check().warnings == ()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"places": [{}]}', '{"places": [{"place": 1, "generation": "x"}]}']
)
def test_an_anchor_of_anything_is_no_anchor(filled: Filled, tmp_path: Path, text: str) -> None:
    path = filled.copy(tmp_path)
    filled.open(path).close()
    (anchor,) = (state_folder() / "anchors").iterdir()
    anchor.write_text(text)
    with filled.open(path) as vault:
        assert vault.warnings == ()
        assert _actions(vault)[-2:] == ["first seen", "unlock"]


def test_where_no_anchor_can_be_kept_the_vault_works_and_says_so(
    filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filled.copy(tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with filled.open(path) as vault:
        (warning,) = vault.warnings
        assert "cannot note where the vault stands" in warning
        store(vault, make_recording(9, 100))
        with pytest.raises(VaultError, match="cannot note it"):
            vault.accept()


def test_a_place_more_pushes_the_oldest_out(tmp_path: Path) -> None:
    for n in range(20):
        _anchor.Anchor(tmp_path / f"{n}.vault", "ab" * 16).follow(State(n, "0" * 64, 0, "", 0, 0))
    (anchor,) = (state_folder() / "anchors").iterdir()
    places = [known["place"] for known in json.loads(anchor.read_text())["places"]]
    assert places == [str(tmp_path / f"{n}.vault") for n in range(4, 20)]


def test_who_may_not_repair_may_not_accept(filled: Filled, tmp_path: Path) -> None:
    with filled.open(filled.copy(tmp_path)) as vault:
        vault.session = Session("", "c", Role.CLINICIAN, "test", by_recovery_key=False)
        with pytest.raises(NotAllowedError):
            vault.accept()


def test_accepting_where_nothing_can_be_written_leaves_the_warning(
    filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filled.copy(tmp_path)
    filled.open(path).close()
    old = _saved(path)
    with filled.open(path) as vault:
        store(vault, make_recording(9, 100))
    _put_back(old, path, "keyring.bin")
    with filled.open(path) as vault:
        with monkeypatch.context() as patch:
            patch.setattr(_anchor, "set_fact", _full)
            with pytest.raises(VaultError, match="no space"):
                vault.accept()
        assert vault.warnings


def _full(*_: object) -> None:
    raise apsw.FullError("no space")


def test_an_old_vault_is_summed_up_when_it_is_migrated(filled: Filled, tmp_path: Path) -> None:
    from tests.app.vault.samples import old_vault

    old = old_vault("vault-1", tmp_path)
    with Vault.open(old.path, PASSPHRASE) as vault:
        assert vault.check(1.0).warnings == ()
        assert vault._index.state() is not None
    with Vault.open(old.path, PASSPHRASE) as vault:
        assert vault.warnings == ()
