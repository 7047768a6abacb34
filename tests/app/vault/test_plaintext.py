"""Nothing of a patient or of a key is in any byte on the disk, whatever is going on."""

from __future__ import annotations

import subprocess
import tempfile
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from app.vault import Vault, VaultDamagedError
from app.vault._index import open_index
from app.vault._keys import Purpose, derive
from tests.app.vault.samples import (
    MARKER,
    PASSPHRASE,
    make_pattern,
    make_recording,
    make_report,
    store,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.app.vault.samples import Filled

_SECRETS = [MARKER, "code-1", "record-1", "1950-01-02", "MLII", "(AFIB", "lied about", PASSPHRASE]


def _found(places: list[Path], secrets: list[str]) -> set[str]:
    """Search with another program: closing index.db here would drop SQLite's locks on it."""
    return {
        secret
        for secret in secrets
        if subprocess.run(["grep", "-rqaF", secret, *places], check=False).returncode != 1
    }


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\0\xff" + MARKER.encode() + b"\0")
    assert _found([tmp_path], _SECRETS) == {MARKER}


def test_no_identity_on_the_disk_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temp = tmp_path / "temp"
    temp.mkdir()
    for name in ("TMPDIR", "SQLITE_TMPDIR"):
        monkeypatch.setenv(name, str(temp))
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    vault, recovery_key = Vault.create(tmp_path / "v", PASSPHRASE)
    recording = make_recording(1)
    pattern = make_pattern(recording)
    embeddings = b64encode(pattern.lessons[0].embeddings).decode()
    learned = ["tracekeep-personal", embeddings[:12], embeddings[:44], recording.sha256()]
    secrets = [*_SECRETS, *learned, recovery_key, recovery_key[:17], vault.vault_id[::-1]]
    assert all(secret in pattern.to_json() for secret in learned)
    places = [tmp_path]
    with vault:
        intake = vault.intake()
        receipt = intake.store(recording, make_report(recording))
        assert _found(places, secrets) == set()
        stored = vault.commit(receipt)
        vault.keep_pattern(stored.id, pattern)
        assert _found(places, secrets) == set()
        with vault._index._use() as connection:
            connection.pragma("cache_size", 10)
            with connection:
                for n in range(3000):
                    row = (f"{n:032x}", MARKER, "code-1", "", "1950-01-02", "x" * 100)
                    connection.execute("INSERT INTO patient VALUES (?, ?, ?, ?, ?, ?)", row)
                connection.execute("SELECT * FROM patient ORDER BY random()").fetchall()
                assert (tmp_path / "v" / "index.db-wal").stat().st_size > 500_000
                assert _found(places, secrets) == set()
                assert list(temp.iterdir()) == []
        assert _found(places, secrets) == set()
        vault.keep_pattern(stored.id, None)
        assert _found(places, secrets) == set()
    assert _found(places, secrets) == set()


def test_no_key_on_the_disk(filled: Filled) -> None:
    with filled.open(filled.path) as vault:
        key = vault._vault_key
        keys = [key, *vault._keyring.load().values()]
        keys += [derive(key, purpose, vault.vault_id) for purpose in Purpose]
    content = b"".join(file.read_bytes() for file in filled.path.rglob("*") if file.is_file())
    for secret in keys:
        assert secret not in content
        assert secret.hex().encode() not in content


def test_an_index_made_without_encryption_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a build of SQLite without the cipher accepts the key and ignores it."""
    monkeypatch.setattr("app.vault._index._set_up", lambda _connection, _key: None)
    with pytest.raises(VaultDamagedError, match="not encrypted"):
        open_index(tmp_path / "index.db", bytes(32), "0" * 32, create_new=True)


def test_another_cipher_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def set_up(connection, _key):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        connection.pragma("cipher", "chacha20")
        connection.pragma("key", "x")

    monkeypatch.setattr("app.vault._index._set_up", set_up)
    with pytest.raises(VaultDamagedError, match="not encrypted"):
        open_index(tmp_path / "index.db", bytes(32), "0" * 32, create_new=True)


def test_the_canary_is_looked_at(tmp_path: Path) -> None:
    path, key = tmp_path / "index.db", bytes(32)
    open_index(path, key, "a" * 32, create_new=True).close()
    open_index(path, key, "a" * 32).close()
    with pytest.raises(VaultDamagedError, match="belongs to another vault"):
        open_index(path, key, "b" * 32)


def test_errors_and_reprs_name_no_patient(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        stored = vault.recordings()[0]
        assert MARKER not in repr(stored)
        with pytest.raises(Exception, match="stored already") as caught:
            store(vault, filled.recordings[0])
        assert MARKER not in str(caught.value)


def test_the_index_runs_as_the_document_says(filled: Filled) -> None:
    wanted = {
        "cipher": "sqlcipher",
        "legacy": "4",
        "page_size": 4096,
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "temp_store": 2,
        "mmap_size": 0,
        "foreign_keys": 1,
        "user_version": 3,
    }
    with filled.open(filled.path) as vault, vault._index._use() as connection:
        assert {name: connection.pragma(name) for name in wanted} == wanted
