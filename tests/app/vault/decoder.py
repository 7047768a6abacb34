"""A second reader of vaults, written from ``docs/vault-format.md`` alone, without ``app``."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import struct
import unicodedata
from pathlib import Path
from typing import Any

import apsw
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def expand(prk: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand of RFC 5869 with SHA-512."""
    out = block = b""
    while len(out) < length:
        block = hmac.digest(prk, block + info + bytes([len(out) // 64 + 1]), "sha512")
        out += block
    return out[:length]


def decrypt(key: bytes, context: bytes, data: bytes) -> bytes:
    label = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0"
    derived = expand(key, label + data[:24] + context, 76)
    assert derived[44:] == data[24:56], "commitment"
    aead, base = AESGCM(derived[:32]), derived[32:44]
    chunks = [data[at : at + 16400] for at in range(56, len(data), 16400)]
    if len(chunks[-1]) == 16400:
        raise ValueError("cut short")
    plain = b""
    for k, chunk in enumerate(chunks):
        nonce = bytes(a ^ b for a, b in zip(base, k.to_bytes(12, "big"), strict=True))
        plain += aead.decrypt(nonce, chunk, None)
    return plain


class Decoder:
    def __init__(
        self,
        folder: Path,
        passphrase: str | None = None,
        recovery_key: str | None = None,
        user: str = "owner",
    ) -> None:
        self.folder = folder
        text = (folder / "vault.json").read_text("ascii")
        header = json.loads(text)
        assert header["format"] == "tracekeep-vault"
        assert header["version"] in {1, 2}
        self.header, self.vault_id, self.epoch = header, header["vault_id"], header["epoch"]
        ways = header["stanzas"]
        if passphrase is None:
            (stanza,) = (way for way in ways if way["type"] == "recovery")
            secret = self._derived(self._typed(str(recovery_key)), "recovery-wrap")
            self.vault_key = self._wrapped(stanza, secret)
        elif header["version"] == 1:
            (stanza,) = (way for way in ways if way["type"] == "passphrase")
            secret = self._derived(self._stretched(stanza["kdf"], passphrase), "passphrase-wrap")
            self.vault_key = self._wrapped(stanza, secret)
        else:
            (stanza,) = (way for way in ways if way.get("user") == user)
            self.vault_key = self._sealed(stanza, passphrase)
        mac = hmac.digest(
            self._derived(self.vault_key, "header-mac"),
            text.replace(header["mac"], "").encode(),
            "sha512",
        )
        assert mac.hex() == header["mac"]
        if header["version"] > 1:
            seed = Ed25519PrivateKey.from_private_bytes(self.private("audit"))
            assert seed.public_key().public_bytes_raw().hex() == header["audit"]["public"]
        self.keys = self._keyring()

    def _wrapped(self, stanza: dict[str, Any], key: bytes) -> bytes:
        says = json.dumps({**stanza, "wrapped": ""}, sort_keys=True)
        context = f"tracekeep-vault/1|{self.vault_id}|stanza|{self.epoch}|{says}"
        return decrypt(key, context.encode(), bytes.fromhex(stanza["wrapped"]))

    def _sealed(self, stanza: dict[str, Any], passphrase: str) -> bytes:
        key = self._derived(self._stretched(stanza["kdf"], passphrase), "passphrase-wrap")
        says = {name: stanza[name] for name in ("id", "kdf", "public")}
        says["audit"] = self.header["audit"]["public"]
        context = f"tracekeep-vault/2|{self.vault_id}|private|{json.dumps(says, sort_keys=True)}"
        private = decrypt(key, context.encode(), bytes.fromhex(stanza["private"]))
        info = f"tracekeep-vault/2|{self.vault_id}|sealed|{self.epoch}|{stanza['id']}"
        suite = Suite(KEM.X25519, KDF.HKDF_SHA512, AEAD.AES_256_GCM)
        pair = X25519PrivateKey.from_private_bytes(private)
        assert pair.public_key().public_bytes_raw().hex() == stanza["public"]
        return suite.decrypt(bytes.fromhex(stanza["sealed"]), pair, info.encode())

    def private(self, name: str) -> bytes:
        """Return the seed of the log's key, or the private key of the inbox."""
        pair, label = self.header[name], f"{name}-wrap"
        context = f"tracekeep-vault/2|{self.vault_id}|{label}|{self.epoch}|{pair['public']}"
        key = self._derived(self.vault_key, label)
        return decrypt(key, context.encode(), bytes.fromhex(pair["wrapped"]))

    def _file(self, name: str) -> Path:
        moved = self.folder / f"next-{self.epoch}" / name
        return moved if moved.exists() else self.folder / name

    def _derived(self, key: bytes, label: str) -> bytes:
        info = b"tracekeep-vault/1 " + label.encode() + b"\0" + bytes.fromhex(self.vault_id)
        return expand(key, info, 32)

    def _stretched(self, kdf: dict[str, Any], passphrase: str) -> bytes:
        return Argon2id(
            salt=bytes.fromhex(kdf["salt"]), length=32, iterations=kdf["passes"],
            lanes=kdf["lanes"], memory_cost=kdf["memory_kib"],
        ).derive(unicodedata.normalize("NFC", passphrase).encode())  # fmt: skip

    def _typed(self, text: str) -> bytes:
        key = b""
        for i, group in enumerate(text.split("-")):
            bits = 0
            for letter in group:
                bits = bits * 32 + ALPHABET.index(letter)
            part, check = bits.to_bytes(5, "big")[:4], bits & 255
            salted = b"tracekeep-recovery-group" + bytes([i]) + part
            assert hashlib.sha256(salted).digest()[0] == check
            key += part
        return key

    def _keyring(self) -> dict[str, bytes]:
        data = self._file("keyring.bin").read_bytes()
        assert data.startswith(b"tracekeep-keys-1")
        context = f"tracekeep-vault/1|{self.vault_id}|keyring|".encode() + data[:20]
        body = decrypt(self._derived(self.vault_key, "keyring"), context, data[20:])
        _, count = struct.unpack_from(">QI", body)
        entries = [body[12 + 48 * i : 60 + 48 * i] for i in range(count)]
        return {entry[:16].hex(): entry[16:] for entry in entries}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the index; the caller closes every other user of it first."""
        connection = apsw.Connection(str(self._file("index.db")))
        try:
            connection.pragma("cipher", "sqlcipher")
            connection.pragma("legacy", 4)
            key = self._derived(self.vault_key, "index").hex()
            connection.execute(f"PRAGMA key = \"x'{key}'\"")
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def lessons(self, patient_id: str) -> list[dict[str, Any]]:
        """Return each correction of a patient's pattern, with the beats that stand for it."""
        query = f"SELECT text FROM pattern WHERE patient_id = '{patient_id}'"
        pattern = json.loads(self.rows(query)[0][0])
        assert pattern["schema"] == "tracekeep-personal"
        assert pattern["schema_version"] == 1
        lessons: list[dict[str, Any]] = pattern["lessons"]
        for lesson in lessons:
            for name in ("embeddings", "logits"):
                values = np.frombuffer(base64.b64decode(lesson[name]), "<f2")
                lesson[name] = values.reshape(len(lesson["samples"]), -1)
        return lessons

    def log(self) -> tuple[list[dict[str, Any]], int]:
        """Return the entries, and which is the last that is signed; all hashes must fit."""
        key = self._derived(
            self.rows("SELECT value FROM fact WHERE name = 'secret'")[0][0], "audit-chain"
        )
        head = hmac.digest(key, f"tracekeep-log/1|{self.vault_id}".encode(), "sha256")
        checkpoints = {row[0]: row[1:] for row in self.rows("SELECT * FROM checkpoint")}
        names = ("seq", "at", "user", "program", "action", "recording_id", "detail")
        entries, signed = [], 0
        for *said, found in self.rows("SELECT * FROM entry ORDER BY seq"):
            entry = dict(zip(names, said, strict=True))
            entry["detail"] = json.loads(entry["detail"])
            text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
            head = hmac.digest(key, head + text.encode(), "sha256")
            entries.append(entry)
            assert head == found
            assert entry["seq"] == len(entries)
            if entry["seq"] in checkpoints:
                at, signed_head, signature = checkpoints[entry["seq"]]
                assert signed_head == head
                public = bytes.fromhex(self.header["audit"]["public"])
                said = (
                    f"tracekeep-log/1|checkpoint|{self.vault_id}|{len(entries)}|{at}|{head.hex()}"
                )
                Ed25519PublicKey.from_public_bytes(public).verify(signature, said.encode())
                signed = len(entries)
        return entries, signed

    def digest(self) -> str:
        """Return the sum over all rows."""
        key = self._derived(
            self.rows("SELECT value FROM fact WHERE name = 'secret'")[0][0], "digest"
        )
        total = 0
        tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'words'"
        for (table,) in self.rows(tables):
            for row in self.rows(f"SELECT * FROM {table}"):
                if (table, row[0]) == ("fact", "digest"):
                    continue
                data = table.encode() + b"\0"
                for value in row:
                    if value is None:
                        data += b"n"
                        continue
                    letter, text = "#", repr(value).removesuffix(".0").encode()
                    if isinstance(value, str):
                        letter, text = "t", value.encode()
                    elif isinstance(value, bytes):
                        letter, text = "b", value
                    data += letter.encode() + len(text).to_bytes(4, "big") + text
                total += int.from_bytes(hmac.digest(key, data, "sha256"), "big")
        return f"{total % 2**256:064x}"

    def blob(self, recording_id: str, kind: str) -> bytes:
        blobs = {(r, k): id_ for id_, r, k in self.rows("SELECT id, recording_id, kind FROM blob")}
        id_ = blobs[recording_id, kind]
        data = (self.folder / "blobs" / id_[:2] / f"{id_}.c2sp").read_bytes()
        context = f"tracekeep-vault/1|{self.vault_id}|blob|{recording_id}|{kind}"
        return decrypt(self.keys[recording_id], context.encode(), data)

    def waveform(self, recording_id: str) -> tuple[dict[str, Any], list[np.ndarray]]:
        data = self.blob(recording_id, "waveform-1")
        length = int.from_bytes(data[:4], "little")
        header, at = json.loads(data[4 : 4 + length]), 4 + length
        samples: dict[int, list[np.ndarray]] = {}
        for group in header["groups"]:
            for start in range(0, group["n_samples"], group["block"]):
                count = min(group["block"], group["n_samples"] - start)
                for channel in group["channels"]:
                    part = np.frombuffer(data, group["sample"], count, at)
                    samples.setdefault(channel, []).append(part)
                    at += part.nbytes
        assert at == len(data)
        return header, [np.concatenate(samples[index]) for index in sorted(samples)]

    def envelope(self, recording_id: str) -> list[tuple[np.ndarray, np.ndarray]]:
        data = self.blob(recording_id, "envelope-1")
        at = 4 + int.from_bytes(data[:4], "little")
        envelopes = []
        for channel in json.loads(data[4:at]):
            both = np.frombuffer(data, channel["sample"], 2 * channel["buckets"], at)
            envelopes.append((both[: channel["buckets"]], both[channel["buckets"] :]))
            at += both.nbytes
        assert at == len(data)
        return envelopes
