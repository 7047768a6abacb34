"""The self-test: each primitive broken in turn, and nothing is opened."""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.vault import Vault, VaultError, _selftest
from tests.app.vault import decoder
from tests.app.vault.samples import PASSPHRASE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.app.vault.samples import Filled


def test_there_are_nine_and_all_pass_quickly(tmp_path: Path) -> None:
    assert len(_selftest.TESTS) == 9
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        _selftest.run(tmp_path)
        times.append(time.perf_counter() - begun)
    assert min(times) < 0.05


def test_the_known_answers_are_those_of_another_program() -> None:
    answer = decoder.decrypt(_selftest._KEY, b"self-test", _selftest._CHUNKED)
    assert answer == _selftest._SAID
    assert _hpke_open(_selftest._KEY, b"self-test", _selftest._SEALED) == _selftest._SAID


def _hpke_open(private: bytes, info: bytes, sealed: bytes) -> bytes:
    """RFC 9180, base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA512, AES-256-GCM."""
    suite = b"HPKE" + bytes.fromhex("002000030002")

    def labeled_extract(hash_: str, id_: bytes, label: bytes, ikm: bytes) -> bytes:
        return hmac.digest(b"", b"HPKE-v1" + id_ + label + ikm, hash_)

    def labeled_expand(hash_: str, id_: bytes, prk: bytes, *said: bytes, length: int) -> bytes:
        label, more = said
        labeled, out, block = length.to_bytes(2, "big") + b"HPKE-v1" + id_ + label + more, b"", b""
        while len(out) < length:
            n = len(out) // hmac.new(b"", b"", hash_).digest_size + 1
            block = hmac.digest(prk, block + labeled + bytes([n]), hash_)
            out += block
        return out[:length]

    half = X25519PrivateKey.from_private_bytes(private)
    enc, ciphertext = sealed[:32], sealed[32:]
    dh = half.exchange(X25519PublicKey.from_public_bytes(enc))
    kem = b"KEM" + bytes.fromhex("0020")
    shared = labeled_expand(
        "sha256", kem, labeled_extract("sha256", kem, b"eae_prk", dh),
        b"shared_secret", enc + half.public_key().public_bytes_raw(), length=32,
    )  # fmt: skip
    context = b"\0" + labeled_extract("sha512", suite, b"psk_id_hash", b"")
    context += labeled_extract("sha512", suite, b"info_hash", info)
    secret = hmac.digest(shared, b"HPKE-v1" + suite + b"secret", "sha512")
    key = labeled_expand("sha512", suite, secret, b"key", context, length=32)
    nonce = labeled_expand("sha512", suite, secret, b"base_nonce", context, length=12)
    return AESGCM(key).decrypt(nonce, ciphertext, b"")


class _PlainAesGcm:
    """Encrypts nothing."""

    def __init__(self, _key: bytes) -> None: ...

    def encrypt(self, _nonce: Any, data: Any, _more: Any) -> bytes:  # noqa: ANN401
        return bytes(data) + bytes(16)

    def encrypt_into(self, _nonce: Any, data: Any, _more: Any, buf: Any) -> int:  # noqa: ANN401
        buf[:] = bytes(data) + bytes(16)
        return len(buf)

    def decrypt(self, _nonce: Any, data: Any, _more: Any) -> bytes:  # noqa: ANN401
        return bytes(data)[:-16]


def _always(answer: object) -> Callable[..., object]:
    return lambda *_args, **_kwargs: answer


class _Argon2:
    def __init__(self, **_cost: object) -> None: ...

    def derive(self, _passphrase: bytes) -> bytes:
        return bytes(32)


class _AnySignature:
    @classmethod
    def from_public_bytes(cls, _public: bytes) -> _AnySignature:
        return cls()

    def verify(self, _signature: bytes, _said: bytes) -> None: ...


@pytest.mark.parametrize(
    ("name", "what", "broken"),
    [
        ("files", "app.vault._chunked.AESGCM", _PlainAesGcm),
        ("file was changed", "app.vault._chunked.unseal", _always(_selftest._SAID)),
        ("keys from keys", "app.vault._keys.derive", _always(bytes(32))),
        ("keys from passphrases", "app.vault._selftest.Argon2id", _Argon2),
        ("least cost", "app.vault._keys.Stretching.__post_init__", _always(None)),
        ("checksums with a key", "hmac.digest", _always(bytes(32))),
        ("signatures", "app.vault._selftest.Ed25519PublicKey", _AnySignature),
        ("signatures", "app.vault._keys.verifying_key", _always(bytes(32))),
        ("public key", "app.vault._keys._X25519", None),
        ("quantum", "app.vault._keys._HYBRID", None),
    ],
)
def test_a_broken_primitive_opens_nothing(
    filled: Filled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    what: str,
    broken: object,
) -> None:
    path = filled.copy(tmp_path)
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    with monkeypatch.context() as patch:
        patch.setattr(what, broken)
        for open_ in (
            lambda: filled.open(path),
            lambda: Vault.open(path, PASSPHRASE),
            lambda: Vault.create(tmp_path / "new", PASSPHRASE),
        ):
            with pytest.raises(VaultError, match="fails its own test") as caught:
                open_()
            assert name in caught.value.problem
            assert "install it anew" in caught.value.problem
    assert before == {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    assert not (tmp_path / "new").exists()
    filled.open(path).close()


def test_a_test_that_was_taken_out_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_selftest, "TESTS", _selftest.TESTS[:-1])
    with pytest.raises(VaultError, match="self-test itself"):
        _selftest.run(tmp_path)
