"""An exported log: written so that it can be verified without the vault, and the verification.

The file has one JSON object a line: what the log is, its entries and checkpoints in their order,
and at the end a signature on all of it, without which the file was cut. `docs/vault-format.md`,
"The log".
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.vault._audit import FORMAT, Checkpoint, Entry, genesis, signed
from app.vault._errors import VaultError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from app.vault._audit import AuditLog, Snapshot

_LONGEST = 1 << 20  # characters of a line; an entry has some hundreds
_NAMES = {field.name for field in fields(Entry)}


@dataclass(frozen=True, slots=True)
class Flaw:
    """A place where a log is not what was written.

    Parameters
    ----------
    seq : int or None
        The number of the entry; None where it is about the whole.
    problem : str
        In plain words.
    """

    seq: int | None
    problem: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What the verification of a log found.

    Parameters
    ----------
    entries, checkpoints : int
        How many there are.
    signed_up_to : int
        Number of the last entry that a valid signature covers; 0 without any.
    flaws : tuple of Flaw
        By their place; empty where all is as it was written.
    """

    entries: int
    checkpoints: int
    signed_up_to: int
    flaws: tuple[Flaw, ...]


class Verifier:
    """Follows a log entry by entry.

    Parameters
    ----------
    vault_id : str
        Of the vault.
    chain_key : bytes
        What the hashes are made with.
    public_key : bytes or None
        Ed25519, 32 bytes; without it nothing that is signed counts.
    """

    def __init__(self, vault_id: str, chain_key: bytes, public_key: bytes | None) -> None:
        self.flaws: list[Flaw] = []
        self.checkpoints = self.signed_up_to = 0
        self.seq = 0  # of the last entry
        self.n = 0
        self._vault_id, self._key = vault_id, chain_key
        self._public = Ed25519PublicKey.from_public_bytes(public_key) if public_key else None
        self._head = genesis(chain_key, vault_id)

    def entry(self, entry: Entry) -> None:
        """Go on by one entry."""
        expected = self.seq + 1
        if entry.seq > expected:
            last = entry.seq - 1
            which = f"entry {last} is" if last == expected else f"entries {expected} to {last} are"
            self._flaw(expected, f"{which} missing")
        elif entry.seq < expected:
            self._flaw(entry.seq, "this entry is out of its order, or there twice")
        if entry.hash != entry.chained(self._key, self._head):
            what = (
                "this entry was changed or put in, or one before it was taken out"
                if entry.seq == expected
                else "the entries before this one are not those that it was written after"
            )
            self._flaw(entry.seq, what)
        self._head, self.seq = entry.hash, entry.seq
        self.n += 1

    def checkpoint(self, checkpoint: Checkpoint, *, what: str = "checkpoint") -> None:
        """Compare a signature with the entry that it is about, which was the last."""
        self.checkpoints += what == "checkpoint"
        told = "the signature at the end" if what == "end" else "the checkpoint"
        if checkpoint.seq > self.seq:
            self._flaw(checkpoint.seq, f"{told} covers this entry, and it is missing")
        elif checkpoint.seq < self.seq:
            self._flaw(checkpoint.seq, f"{told} is out of its place")
        elif checkpoint.head != self._head:
            self._flaw(checkpoint.seq, f"{told} was made for another entry of this number")
        elif self._is_signed(checkpoint, what):
            if not any(flaw.seq is None or flaw.seq <= checkpoint.seq for flaw in self.flaws):
                self.signed_up_to = checkpoint.seq
        else:
            self._flaw(checkpoint.seq, f"{told} was not signed by the key of this vault")

    def whole(self, problem: str) -> None:
        """Add a flaw of the whole."""
        self.flaws.append(Flaw(None, problem))

    def result(self) -> Verification:
        """Return what was found."""
        flaws = tuple(dict.fromkeys(self.flaws))
        return Verification(self.n, self.checkpoints, self.signed_up_to, flaws)

    def _is_signed(self, checkpoint: Checkpoint, what: str) -> bool:
        if self._public is None:
            return False
        said = signed(what, self._vault_id, checkpoint.seq, checkpoint.at, checkpoint.head)
        try:
            self._public.verify(bytes.fromhex(checkpoint.signature), said)
        except (InvalidSignature, ValueError):
            return False
        return True

    def _flaw(self, seq: int, problem: str) -> None:
        self.flaws.append(Flaw(seq, problem))


def verify(log: Snapshot) -> Verification:
    """Verify the log of an open vault."""
    verifier = Verifier(log.vault_id, log.chain_key, log.public_key)
    checkpoints = deque(log.checkpoints)
    for entry in log.entries:
        while checkpoints and checkpoints[0].seq < entry.seq:
            verifier.checkpoint(checkpoints.popleft())
        verifier.entry(entry)
    for checkpoint in checkpoints:
        verifier.checkpoint(checkpoint)
    return verifier.result()


def export(vault: Path, audit_log: AuditLog) -> Iterator[str]:
    """Return the lines of an exported log; see :meth:`app.vault.Vault.export_log`."""
    log = audit_log.snapshot()
    if log.public_key is None:
        raise VaultError(
            vault,
            "it has no key yet to sign its log with: open it once with the passphrase of its owner",
        )
    if not log.entries:
        raise VaultError(vault, "the log is empty, and nothing can be written to it")
    return _lines(log, audit_log.end_of(log))


def _lines(log: Snapshot, end: Checkpoint) -> Iterator[str]:
    yield _line(
        {
            "format": FORMAT,
            "vault_id": log.vault_id,
            "public_key": (log.public_key or b"").hex(),
            "chain_key": log.chain_key.hex(),
        }
    )
    checkpoints = {checkpoint.seq: checkpoint for checkpoint in log.checkpoints}
    for entry in log.entries:
        yield _line(entry.to_dict())
        if entry.seq in checkpoints:
            yield _line({"checkpoint": _values(checkpoints[entry.seq])})
    yield _line({"end": _values(end)})


def verify_file(lines: Iterable[str], public_key: str) -> Verification:
    """Verify an exported log with nothing but the public key of its vault.

    Parameters
    ----------
    lines : iterable of str
        Of the file.
    public_key : str
        64 hexadecimal digits, from another source than the file: whoever forged the file would
        have put a key of their own into it.

    Raises
    ------
    ValueError
        If `public_key` is none, or the file is no exported log at all; the message says so.
    """
    try:
        wanted = bytes.fromhex(public_key.strip())
        Ed25519PublicKey.from_public_bytes(wanted)
    except ValueError:
        raise ValueError("the public key must be 64 hexadecimal digits") from None
    rest = iter(lines)
    verifier = _begun(next(rest, ""), wanted)
    ended = False
    for number, line in enumerate(rest, 2):
        if ended:
            verifier.whole(f"line {number}: something was added after the end")
            break
        try:
            ended = _follow(verifier, line)
        except (ValueError, TypeError, KeyError, RecursionError):
            verifier.whole(f"line {number}: this is no entry of a log")
    if not ended:
        verifier.whole(f"the file was cut after entry {verifier.seq}: its end is missing")
    return verifier.result()


def _begun(line: str, wanted: bytes) -> Verifier:
    try:
        values = _object(line)
        if values["format"] != FORMAT:
            raise ValueError(FORMAT)
        vault_id, chain_key = str(values["vault_id"]), bytes.fromhex(values["chain_key"])
        verifier = Verifier(vault_id, chain_key, wanted)
        named = bytes.fromhex(values["public_key"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError("this file is not the exported log of a vault") from None
    if named != wanted:
        verifier.whole("the file was made with another public key than the one that was given")
    return verifier


def _follow(verifier: Verifier, line: str) -> bool:
    """Go on by a line; return whether it was the end."""
    values = _object(line)
    if "end" in values:
        verifier.checkpoint(Checkpoint(**values["end"]), what="end")
        return True
    if "checkpoint" in values:
        verifier.checkpoint(Checkpoint(**values["checkpoint"]))
    elif set(values) == _NAMES and type(values["seq"]) is int:
        bytes.fromhex(values["hash"])
        verifier.entry(Entry(**values))
    else:
        raise ValueError("not an entry")
    return False


def _object(line: str) -> dict[str, Any]:
    if len(line) > _LONGEST:
        raise ValueError("too long")
    values = json.loads(line)
    if not isinstance(values, dict):
        raise TypeError("no object")
    return values


def _values(checkpoint: Checkpoint) -> dict[str, Any]:
    return {field.name: getattr(checkpoint, field.name) for field in fields(Checkpoint)}


def _line(values: dict[str, Any]) -> str:
    return json.dumps(values) + "\n"
