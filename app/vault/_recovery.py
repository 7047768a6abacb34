"""The recovery key on paper: eight groups of eight letters, each with a check of its own.

A group holds 32 bits of the key and 8 check bits that depend on the group's place, in Crockford's
base 32. A slip of the pen, or two groups swapped, is so named by its group when it is typed back.
"""

from __future__ import annotations

import hashlib

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans("ILO", "110", " -\t\r\n")
_GROUPS = 8


def to_text(key: bytes) -> str:
    """Return the 32 bytes of `key` as they are shown once, to be written down."""
    groups = []
    for index in range(_GROUPS):
        part = key[4 * index : 4 * index + 4]
        bits = int.from_bytes(part + _check(index, part), "big")
        groups.append("".join(_ALPHABET[bits >> shift & 31] for shift in range(35, -1, -5)))
    return "-".join(groups)


def from_text(text: str) -> bytes:
    """Return the key that `text` writes, whatever its case, spaces and hyphens.

    Raises
    ------
    ValueError
        If it is no recovery key; the message names the first group that is wrong.
    """
    letters = text.upper().translate(_READ_AS)
    if len(letters) != 8 * _GROUPS:
        raise ValueError(
            f"a recovery key has {8 * _GROUPS} letters and digits; these are {len(letters)}"
        )
    key = bytearray()
    for index in range(_GROUPS):
        bits = 0
        for letter in letters[8 * index : 8 * index + 8]:
            place = _ALPHABET.find(letter)
            bits = bits << 5 | place if place >= 0 and bits >= 0 else -1
        part = bits.to_bytes(5, "big") if bits >= 0 else b""
        if part[4:] != _check(index, part[:4]):
            raise ValueError(f"group {index + 1} of the recovery key is mistyped")
        key += part[:4]
    return bytes(key)


def mistake(shown: str, typed: str) -> str | None:
    """Return what is wrong with a recovery key that was typed back, in plain words, or None.

    Parameters
    ----------
    shown : str
        From :func:`to_text`.
    typed : str
        The same, it is hoped, whatever its case, spaces and hyphens.
    """
    letters = typed.upper().translate(_READ_AS)
    if len(letters) != 8 * _GROUPS:
        return f"a recovery key has {8 * _GROUPS} letters and digits; these are {len(letters)}"
    for index, group in enumerate(shown.split("-")):
        if letters[8 * index : 8 * index + 8] != group:
            return f"group {index + 1} is not what is shown"
    return None


def _check(index: int, part: bytes) -> bytes:
    return hashlib.sha256(b"tracekeep-recovery-group" + bytes([index]) + part).digest()[:1]
