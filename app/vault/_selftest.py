"""Known answers, asked for before a vault is opened: this installation computes as it must.

A library that was exchanged, built wrong or runs on a faulty processor would write what nobody
can read again, or what everybody can. That the database is really encrypted is looked at by
:func:`app.vault._index.open_index`, each time.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from app.vault import _chunked, _keys
from app.vault._errors import VaultError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_KEY = bytes(range(32))
_SAID = b"tracekeep self-test"
_CHUNKED = bytes.fromhex(
    "74fd540841175f7e23c248ed2327d0b1cf2d0a7ef87650e3035f2b89c794468c4400fa87a7d4beb72917943d"
    "1ca3830a43b2353c81baf2662f70a92bba88e5e4fc0b5add6b94253d8c89265595531eba1d12a5c37cb5d7a8"
    "668d83"
)
_SEALED = bytes.fromhex(
    "c730ea362796912ae239d330be106b3a3195a2483cdb578180e5ee62e86546675e30465f56728b272dfc2f4f"
    "b417d73ebbf1bbd93a4f52ac0c3f8d14834c4ad7b888d1"
)
_HYBRID_PUBLIC = "d99e4496af749b54ee4a2d270c8057450624ecc5dc0866295ffc504a26134ad4"  # SHA-256


def _chunked_message() -> bool:
    if _chunked.unseal(_KEY, b"self-test", _CHUNKED) != _SAID:
        return False
    long = bytes(_chunked.CHUNK) + _SAID  # a chunk, and the short one after it
    sealed = _chunked.seal(_KEY, b"", long)
    return _SAID not in sealed and _chunked.unseal(_KEY, b"", sealed) == long


def _chunked_message_changed() -> bool:
    for wrong in (_CHUNKED[:-1] + bytes([_CHUNKED[-1] ^ 1]), _CHUNKED[:-1]):
        try:
            _chunked.unseal(_KEY, b"self-test", wrong)
        except _chunked.NotAuthenticError:
            continue
        return False
    return True


def _derived_key() -> bool:
    derived = _keys.derive(_KEY, _keys.Purpose.INDEX, "00" * 16)
    return derived.hex() == "75779c7db0f4f6ff18c162649b6ef77aaa994bccbdcd37d704d7caa450cf243e"


def _argon2() -> bool:
    """RFC 9106, section 5.3: 32 KiB, which take no time."""
    argon2 = Argon2id(
        salt=b"\x02" * 16,
        length=32,
        iterations=3,
        lanes=4,
        memory_cost=32,
        secret=b"\x03" * 8,
        ad=b"\x04" * 12,
    )
    return argon2.derive(b"\x01" * 32).hex() == (
        "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
    )


def _argon2_floor() -> bool:
    for cheap in ((64 * 1024 - 1, 3, 4), (64 * 1024, 2, 4), (64 * 1024, 3, 3)):
        try:
            _keys.Stretching(*cheap)
        except ValueError:
            continue
        return False
    return True


def _macs() -> bool:
    """RFC 4231, test case 2."""
    key, data = b"Jefe", b"what do ya want for nothing?"
    return hmac.digest(key, data, hashlib.sha256).hex() == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    ) and hmac.digest(key, data, hashlib.sha512).hex().startswith(
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
    )


def _signature() -> bool:
    """RFC 8032, section 7.1, test 2."""
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    made = Ed25519PrivateKey.from_private_bytes(seed)
    return (
        _keys.verifying_key(seed).hex() == public
        and made.sign(b"\x72") == signature
        and _is_signed(signature, b"\x72")
        and not _is_signed(signature, b"\x73")
    )


def _is_signed(signature: bytes, said: bytes) -> bool:
    public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(signature, said)
    except InvalidSignature:
        return False
    return True


def _sealing() -> bool:
    kem = _keys.Kem.X25519
    sealed = kem.seal(kem.public_of(_KEY), b"other", _SAID)
    return (
        kem.unseal(_KEY, b"self-test", _SEALED) == _SAID
        and kem.unseal(_KEY, b"other", _SEALED) is None
        and kem.unseal(_KEY, b"other", sealed) == _SAID
    )


def _hybrid_sealing() -> bool:
    kem = _keys.Kem.HYBRID
    if _keys.strongest_kem() is not kem:
        return True  # nothing is sealed that way on this device
    private = bytes(range(kem.private_bytes))
    public = kem.public_of(private)
    sealed = kem.seal(public, b"self-test", _SAID)
    return (
        hashlib.sha256(public).hexdigest() == _HYBRID_PUBLIC
        and kem.unseal(private, b"self-test", sealed) == _SAID
        and kem.unseal(private, b"other", sealed) is None
    )


TESTS: tuple[tuple[str, Callable[[], bool]], ...] = (
    ("the encryption of files", _chunked_message),
    ("what tells that a file was changed", _chunked_message_changed),
    ("keys from keys", _derived_key),
    ("keys from passphrases", _argon2),
    ("the least cost of a passphrase", _argon2_floor),
    ("checksums with a key", _macs),
    ("signatures", _signature),
    ("encryption to a public key", _sealing),
    ("encryption that withstands quantum computers", _hybrid_sealing),
)
_NUMBER = 9  # none is lost unnoticed


def run(vault: Path) -> None:
    """Ask for all known answers; it takes a few milliseconds.

    Raises
    ------
    VaultError
        If one is wrong: nothing must be opened or written then.
    """
    wrong = [name for name, works in TESTS if not _passes(works)]
    if len(TESTS) != _NUMBER:
        wrong.append("the self-test itself")
    if wrong:
        raise VaultError(
            vault,
            f"it is left alone, for this program fails its own test ({', '.join(wrong)}): install "
            "it anew, and if that does not help, use another computer",
        )


def _passes(works: Callable[[], bool]) -> bool:
    try:
        return works()
    except Exception:  # noqa: BLE001 (what is broken fails in any way)
        return False
