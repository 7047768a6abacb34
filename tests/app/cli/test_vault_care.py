from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.program import program
from app.vault import Vault, _restore
from app.vault.dropbox import Address, seal
from tests.app.cli.helpers import PASSPHRASE, Place, Run
from tests.app.vault.samples import MARKER, make_recording, make_report, store


@pytest.fixture
def filled(vault: Place) -> Place:
    """Two recordings of one patient, ``record-1`` and ``record-8``, and one of another."""
    with vault.open() as opened:
        first = make_recording(1, 500)
        store(opened, first)
        again = make_recording(8, 500)
        again.patient = first.patient
        store(opened, again)
        store(opened, make_recording(2, 500))
    return vault


def _id(place: Place, name: str) -> str:
    with place.open() as opened:
        return next(one.id for one in opened.recordings() if one.name == name)


def _blob(place: Place, name: str, kind: str) -> Path:
    with place.open() as opened:
        id_ = next(one.id for one in opened.recordings() if one.name == name)
        (blob,) = (blob for blob in opened._index.blobs(id_) if blob.kind == kind)
    return place.path / "blobs" / blob.id[:2] / f"{blob.id}.c2sp"


def _typing(text: str, *arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(program, [str(a) for a in arguments], input=text)
    return done.exit_code, done.stdout, done.stderr


# backup, restore, drill


def test_a_backup_is_made_tried_and_restored(tracekeep: Run, filled: Place, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    done = tracekeep("vault", "backup", folder, *filled.options)
    assert done.exit_code == 0
    assert "3 recordings, 12 files copied" in done.stdout
    key = tmp_path / "key"
    key.write_text(filled.recovery_key)
    drilled = tracekeep("vault", "drill", folder, "--recovery-key-file", key)
    assert drilled.exit_code == 0
    assert "The backup works" in drilled.stdout
    assert "less than a day old" in drilled.stdout
    restored = tracekeep("vault", "restore", folder, tmp_path / "new", *filled.options[2:])
    assert restored.exit_code == 0
    assert "with 3 recordings" in restored.stdout
    with Vault.open(tmp_path / "new", PASSPHRASE) as opened:
        assert len(opened.recordings()) == 3
        assert opened.check(1.0).damages == ()


def test_backup_restore_and_drill_as_json(tracekeep: Run, filled: Place, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    made = json.loads(tracekeep("vault", "backup", folder, *filled.options, "--json").stdout)
    assert (made["recordings"], made["files"], made["missing"]) == (3, 12, [])
    again = json.loads(tracekeep("vault", "backup", folder, *filled.options, "--json").stdout)
    assert again["copied"] == 3
    key = tmp_path / "key"
    key.write_text(filled.recovery_key)
    seen = json.loads(
        tracekeep("vault", "drill", folder, "--recovery-key-file", key, "--json").stdout
    )
    assert (seen["recordings"], seen["path"]) == (3, str(folder))
    assert seen["age_days"] < 0.1
    new = tmp_path / "new"
    told = tracekeep("vault", "restore", folder, new, *filled.options[2:], "--json")
    assert json.loads(told.stdout)["path"] == str(new)


def test_an_old_backup_is_said_to_be_old(
    tracekeep: Run, filled: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracekeep("vault", "backup", tmp_path / "b", *filled.options)
    (tmp_path / "key").write_text(filled.recovery_key)
    monkeypatch.setattr(_restore.Restored, "age_days", 45.3)
    done = tracekeep("vault", "drill", tmp_path / "b", "--recovery-key-file", tmp_path / "key")
    assert "(45 days old)" in done.stdout
    assert "Make a new one" in done.stderr


def test_a_drill_with_another_key_is_code_3(tracekeep: Run, filled: Place, tmp_path: Path) -> None:
    tracekeep("vault", "backup", tmp_path / "b", *filled.options)
    other, key = Vault.create(tmp_path / "other", "Grundlos 17 Zwiebeln")
    other.close()
    (tmp_path / "key").write_text(key)
    done = tracekeep("vault", "drill", tmp_path / "b", "--recovery-key-file", tmp_path / "key")
    assert (done.exit_code, done.stdout) == (3, "")
    assert str(tmp_path / "b") in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_damaged_backup_is_code_4_and_names_the_file(
    tracekeep: Run, filled: Place, tmp_path: Path
) -> None:
    tracekeep("vault", "backup", tmp_path / "b", *filled.options)
    blob = next((tmp_path / "b").glob("blobs/*/*"))
    blob.write_bytes(blob.read_bytes()[:-1])
    done = tracekeep("vault", "restore", tmp_path / "b", tmp_path / "new", *filled.options[2:])
    assert (done.exit_code, done.stdout) == (4, "")
    assert blob.name in done.stderr
    assert not (tmp_path / "new").exists()


def test_the_backup_of_a_damaged_vault_is_code_4_and_made(
    tracekeep: Run, filled: Place, tmp_path: Path
) -> None:
    _blob(filled, "record-1", "report-1").unlink()
    done = tracekeep("vault", "backup", tmp_path / "b", *filled.options)
    assert done.exit_code == 4
    assert "The backup is complete" in done.stdout
    assert "lacks files of 1 recording" in done.stderr


# check, repair


def test_check_names_the_patient(tracekeep: Run, filled: Place) -> None:
    _blob(filled, "record-1", "report-1").unlink()
    done = tracekeep("vault", "check", *filled.options)
    assert done.exit_code == 4
    assert f"(recording record-1 of {MARKER})" in done.stdout
    told = json.loads(tracekeep("vault", "check", *filled.options, "--json").stdout)
    assert [damage["patient"] for damage in told["damages"]] == [MARKER]


def test_repair_asks_for_a_word_and_says_what_it_did(tracekeep: Run, filled: Place) -> None:
    blob = _blob(filled, "record-1", "envelope-1")
    blob.unlink()
    for typed in ("\n", "yes\n", ""):
        code, out, err = _typing(typed, "vault", "repair", *filled.options)
        assert (code, out) == (1, "")
        assert f"recording record-1 of {MARKER}" in err
        assert "nothing was changed" in err
    assert not (filled.path / "lost").exists()
    code, out, _ = _typing("repair\n", "vault", "repair", *filled.options)
    assert code == 0
    assert f"record-1 of {MARKER}: the overview of the tracing was made again" in out
    assert str(filled.path / "lost") in out
    assert "all is well" in tracekeep(
        "vault", "check", *filled.options, "--read-data", "100%"
    ).stdout  # fmt: skip


def test_repair_opens_what_does_not_open(tracekeep: Run, filled: Place) -> None:
    (filled.path / "keyring.bin").unlink()
    assert tracekeep("list", *filled.options).exit_code == 4
    done = tracekeep("vault", "repair", *filled.options, "--yes", "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert {damage["recording_name"] for damage in told["found"]} == {
        "", "record-1", "record-2", "record-8"
    }  # fmt: skip
    assert Path(told["lost"]).is_dir()
    assert tracekeep("list", *filled.options).exit_code == 0


def test_repair_of_a_sound_vault_changes_nothing(tracekeep: Run, filled: Place) -> None:
    done = tracekeep("vault", "repair", *filled.options)
    assert (done.exit_code, done.stdout) == (0, "Nothing is damaged, and nothing was changed.\n")
    assert not (filled.path / "lost").exists()


def test_repair_waits_for_others_to_close_the_vault(tracekeep: Run, filled: Place) -> None:
    blob = _blob(filled, "record-1", "envelope-1")
    with filled.open():
        blob.unlink()
        done = tracekeep("vault", "repair", *filled.options, "--yes")
    assert done.exit_code == 1
    assert "close it there" in done.stderr


# erase


def test_erase_says_what_goes_and_asks_for_a_word(tracekeep: Run, filled: Place) -> None:
    id_ = _id(filled, "record-1")
    for typed in ("\n", "y\n", ""):
        code, out, err = _typing(typed, "vault", "erase", id_[:8], *filled.options)
        assert (code, out) == (1, "")
        assert "record-1" in err
        assert "record-8" in err
        assert MARKER in err
        assert "Backups that were made before" in err
        assert "1 more recording; to be erased by themselves" in err  # record-2: the same name
        assert "nothing was changed" in err
    assert len(json.loads(tracekeep("list", *filled.options, "--json").stdout)) == 3
    code, out, err = _typing("erase\n", "vault", "erase", id_[:8], *filled.options)
    assert code == 0
    assert "Erased: 2 recordings, 6 files" in out
    assert "make a new one into the same folder" in err
    (left,) = json.loads(tracekeep("list", *filled.options, "--json").stdout)
    assert left["name"] == "record-2"


def test_erase_one_recording_as_json(tracekeep: Run, filled: Place) -> None:
    id_ = _id(filled, "record-1")
    done = tracekeep("vault", "erase", id_, *filled.options, "--only-this", "--yes", "--json")
    assert json.loads(done.stdout) == {"recordings": [id_], "files": 3, "remains": ""}
    names = {r["name"] for r in json.loads(tracekeep("list", *filled.options, "--json").stdout)}
    assert names == {"record-2", "record-8"}


def test_what_is_erased_is_in_the_log_without_a_name(tracekeep: Run, filled: Place) -> None:
    id_ = _id(filled, "record-1")
    tracekeep("vault", "erase", id_, *filled.options, "--yes")
    with filled.open() as opened:
        entries = [e for e in opened.log_entries() if e.action in {"erase", "erased"}]
    assert [e.action for e in entries] == ["erase", "erase", "erased", "erased"]
    assert {e.recording_id for e in entries} >= {id_}
    assert MARKER not in str(entries)


# inbox


def _address(tracekeep: Run, place: Place, file: Path) -> Address:
    done = tracekeep("vault", "inbox", "--address", *place.options)
    assert done.exit_code == 0
    file.write_text(done.stdout)
    return Address.read(file)


def test_inbox(tracekeep: Run, filled: Place, tmp_path: Path) -> None:
    address = _address(tracekeep, filled, tmp_path / "address")
    assert "empty" in tracekeep("vault", "inbox", *filled.options).stderr
    for seed in (5, 6):
        recording = make_recording(seed, 500)
        seal(filled.path / "inbox", address, recording, make_report(recording))
    done = tracekeep("vault", "inbox", *filled.options)
    assert done.exit_code == 0
    assert done.stdout.count("taken in: ") == 2
    assert "record-5" in done.stdout


def test_inbox_names_what_stays(tracekeep: Run, filled: Place) -> None:
    (filled.path / "inbox" / "strange").write_bytes(b"x")
    done = tracekeep("vault", "inbox", *filled.options, "--json")
    assert done.exit_code == 1
    (left,) = json.loads(done.stdout)["left"]
    assert left == {"name": "strange", "problem": "this is not a sealed recording"}
    other = tracekeep("list", *filled.options)
    assert other.exit_code == 0
    assert "strange: this is not a sealed recording" in other.stderr


def test_a_sealed_recording_in_a_backup_is_taken_in_from_the_restored_vault(
    tracekeep: Run, filled: Place, tmp_path: Path
) -> None:
    address = _address(tracekeep, filled, tmp_path / "address")
    with filled.open() as opened:
        recording = make_recording(5, 500)
        seal(filled.path / "inbox", address, recording, make_report(recording))
        assert opened.back_up(tmp_path / "b").recordings == 3
    shutil.rmtree(filled.path)
    done = tracekeep("vault", "restore", tmp_path / "b", tmp_path / "new", *filled.options[2:])
    assert done.exit_code == 0
    with Vault.open(tmp_path / "new", PASSPHRASE) as opened:
        assert {one.name for one in opened.recordings()} >= {"record-5"}
