"""A library of damaged vaults: each is made of a whole one by a function, and told in words."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.vault._blobs import blob_path
from tests.app.vault.samples import make_pattern, make_recording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.app.vault.samples import Filled


@dataclass(frozen=True)
class Damaged:
    """One way in which a vault is damaged.

    ``record-1`` is what is hit where it is one recording. `found` and `mended` are words that
    looking and repairing must say; `whole` names the recordings that are whole afterwards, `part`
    those that are still listed with a part missing. `patients` says whether it is still known who
    they are of.
    """

    damage: Callable[[Filled, Path], None]
    found: str
    mended: str
    whole: tuple[str, ...] = ("record-1", "record-2")
    part: tuple[str, ...] = ()
    patients: bool = True


def blob_of(filled: Filled, path: Path, kind: str, name: str = "record-1") -> Path:
    """Return a file of a recording."""
    with filled.open(path) as vault:
        (one,) = (one for one in vault.recordings() if one.name == name)
        (blob,) = (blob for blob in vault._index.blobs(one.id) if blob.kind == kind)
    return blob_path(path, blob.id)


def flip(path: Path, at: int) -> None:
    """Change one bit of a file, at an offset from its beginning or, below 0, from its end."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def cut(path: Path, keep: float) -> None:
    """Cut a file short."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])


def _missing(kind: str) -> Callable[[Filled, Path], None]:
    return lambda filled, path: blob_of(filled, path, kind).unlink()


def _flipped(kind: str, at: int) -> Callable[[Filled, Path], None]:
    return lambda filled, path: flip(blob_of(filled, path, kind), at)


def _cut(kind: str, keep: float) -> Callable[[Filled, Path], None]:
    return lambda filled, path: cut(blob_of(filled, path, kind), keep)


def _all_missing(filled: Filled, path: Path) -> None:
    for kind in ("waveform-1", "envelope-1", "report-1"):
        blob_of(filled, path, kind).unlink()


def _sql(statement: str) -> Callable[[Filled, Path], None]:
    def change(filled: Filled, path: Path) -> None:
        with filled.open(path) as vault, vault._index._writing() as connection:
            connection.execute(statement)

    return change


def _drop_rows(filled: Filled, path: Path) -> None:
    """Put back an index that did not know the first recording yet."""
    with filled.open(path) as vault, vault._index._writing() as connection:
        (id_,) = (one.id for one in vault.recordings() if one.name == "record-1")
        connection.execute("DELETE FROM blob WHERE recording_id = ?", (id_,))
        connection.execute("DELETE FROM recording WHERE id = ?", (id_,))
        connection.execute("DELETE FROM patient WHERE id NOT IN (SELECT patient_id FROM recording)")


def _remove_key(filled: Filled, path: Path) -> None:
    with filled.open(path) as vault:
        (id_,) = (one.id for one in vault.recordings() if one.name == "record-1")
        vault._keyring.remove(id_)


def _strange_files(filled: Filled, path: Path) -> None:
    (path / "blobs" / "ab").mkdir(exist_ok=True)
    (path / "blobs" / "ab" / ("ab" * 16 + ".c2sp")).write_bytes(b"x" * 1000)
    (path / "blobs" / "holiday.jpg").write_bytes(b"y")
    source = blob_of(filled, path, "report-1")
    shutil.copy(source, path / "blobs" / "ab" / ("ab" + "0" * 30 + ".c2sp"))


def _spoil_pattern(filled: Filled, path: Path) -> None:
    with filled.open(path) as vault:
        (id_,) = (one.id for one in vault.recordings() if one.name == "record-1")
        vault.keep_pattern(id_, make_pattern(make_recording(1, len_of(filled))))
        with vault._index._writing() as connection:
            connection.execute("UPDATE pattern SET text = 'x' || text")


def len_of(filled: Filled) -> int:
    """Return how many samples the recordings have."""
    return filled.recordings[0].channels[0].n_samples


LIBRARY = {
    "report missing": Damaged(
        _missing("report-1"), "a file of a recording is missing", "the report is lost",
        ("record-2",), ("record-1",),
    ),
    "report damaged": Damaged(
        _flipped("report-1", -1), "a file of a recording is damaged", "the report is lost",
        ("record-2",), ("record-1",),
    ),
    "overview missing": Damaged(
        _missing("envelope-1"), "a file of a recording is missing", "made again; nothing is lost"
    ),
    "overview damaged": Damaged(
        _flipped("envelope-1", 70), "a file of a recording is damaged",
        "made again; nothing is lost",
    ),
    "tracing missing": Damaged(
        _missing("waveform-1"), "a file of a recording is missing", "the tracing is lost",
        ("record-2",), ("record-1",),
    ),
    "tracing damaged at its head": Damaged(
        _flipped("waveform-1", 30), "a file of a recording is damaged", "the tracing is lost",
        ("record-2",), ("record-1",),
    ),
    "tracing damaged in a chunk": Damaged(
        _flipped("waveform-1", 56 + 16_400 + 100), "chunk 1 was changed",
        "shown as missing; the rest is kept", ("record-2",), (),
    ),
    "tracing cut short": Damaged(
        _cut("waveform-1", 0.7), "a file of a recording is damaged",
        "shown as missing; the rest is kept", ("record-2",), (),
    ),
    "recording gone": Damaged(
        _all_missing, "a file of a recording is missing",
        "nothing of this recording can be read", ("record-2",),
    ),
    "key lost": Damaged(
        _remove_key, "the key of this recording is missing", "its key is lost", ("record-2",)
    ),
    "keyring missing": Damaged(
        lambda _filled, path: (path / "keyring.bin").unlink(),
        "the keyring is missing", "cannot be read by anybody", (),
    ),
    "keyring damaged": Damaged(
        lambda _filled, path: flip(path / "keyring.bin", -1),
        "the key of this recording is lost", "cannot be read by anybody", (),
    ),
    "index missing": Damaged(
        lambda _filled, path: (path / "index.db").unlink(),
        "the index of the vault is missing", "who it is of is not known", patients=False,
    ),
    "index damaged at its head": Damaged(
        lambda _filled, path: flip(path / "index.db", 100),
        "the index of the vault is damaged", "who it is of is not known", patients=False,
    ),
    "index of an older time": Damaged(
        _drop_rows, "a recording that the keyring knows is not in the index",
        "is listed again", patients=False,
    ),
    "row of a file lost": Damaged(
        _sql("DELETE FROM blob WHERE kind = 'report-1'"),
        "the index names no report-1 for this recording", "files of it that were found again: 1",
    ),
    "files of strangers": Damaged(
        _strange_files, "no recording knows this file", "no recording knows this file"
    ),
    "pattern damaged": Damaged(
        _spoil_pattern, "what was learned about the patient is damaged", "it is taken out"
    ),
}  # fmt: skip
