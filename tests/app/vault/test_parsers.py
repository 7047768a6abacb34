"""Anything in place of a file of a vault: an error in words, and never a trace.

What was tried by hand, or found by chance, is kept in ``corpus/KIND/NAME`` and tried each time.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.vault import VaultError, verify_log_file
from app.vault._anchor import Anchor, _index_parts
from app.vault._blobs import WAVEFORM, BlobFile, open_blob
from app.vault._header import read_header
from app.vault._inbox import _Sealed
from app.vault._keyring import Keyring
from app.vault._keys import Kem
from app.vault._manifest import read_manifest
from app.vault._sealed import Frame
from app.vault._throttle import Guesses
from app.vault.dropbox import Address

if TYPE_CHECKING:
    from collections.abc import Callable

_CORPUS = Path(__file__).with_name("corpus")
_ID = "0123456789abcdef" * 2
_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"  # RFC 8032
_PRIVATE = bytes(range(32))
_quick = settings(
    derandomize=True,
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def _header(place: Path, data: bytes) -> None:
    (place / "vault.json").write_bytes(data)
    read_header(place)


def _keyring(place: Path, data: bytes) -> None:
    (place / "keyring.bin").write_bytes(data)
    keyring = Keyring(place, _ID, 1, bytes(32))
    keyring.salvage()
    keyring.load()


def _blob(place: Path, data: bytes) -> None:
    (place / "blobs" / _ID[:2]).mkdir(parents=True, exist_ok=True)
    (place / "blobs" / _ID[:2] / f"{_ID}.c2sp").write_bytes(data)
    blob = BlobFile(_ID, _ID, WAVEFORM, len(data))
    open_blob(place, _ID, bytes(32), blob, salvaging=True).close()
    open_blob(place, _ID, bytes(32), blob).close()


def _inbox(place: Path, data: bytes) -> None:
    file = place / f"{_ID}.sealed"
    file.write_bytes(data)
    _Sealed(file, _ID, [(Kem.X25519, _PRIVATE)])


def _manifest(place: Path, data: bytes) -> None:
    (place / "manifest.json").write_bytes(data)
    read_manifest(place)


def _address(place: Path, data: bytes) -> None:
    (place / "address").write_bytes(data)
    Address.read(place / "address")


def _log(_place: Path, data: bytes) -> None:
    lines = data.decode("utf-8", "replace").splitlines(keepends=True)
    try:
        assert verify_log_file(lines, _KEY).flaws, "nobody signed this"
    except ValueError as error:
        raise VaultError("log", str(error)) from None


def _anchor(place: Path, data: bytes) -> None:
    folder = place / "tracekeep" / "anchors"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{_ID}.json").write_bytes(data)
    anchor = Anchor(place, _ID)
    seen = anchor.read()
    if seen:  # what is taken for a note can be compared with an index, and be kept
        with closing(apsw.Connection(":memory:")) as connection:
            connection.execute("CREATE TABLE entry (seq INTEGER PRIMARY KEY, hash BLOB)")
            connection.execute("INSERT INTO entry VALUES (?, ?)", (seen.seq, bytes(32)))
            for generation in (seen.generation, seen.generation + 1):
                _index_parts(connection, seen, replace(seen, generation=generation))
        anchor.follow(seen)
        assert anchor.read() == seen


def _guesses(place: Path, data: bytes) -> None:
    folder = place / "tracekeep" / "guesses"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{_ID}.json").write_bytes(data)
    guesses = Guesses(place, _ID)
    guesses.begin(["somebody"])
    guesses.right("somebody", ["somebody"])


PARSERS: dict[str, Callable[[Path, bytes], None]] = {
    "address": _address,
    "anchor": _anchor,
    "blob": _blob,
    "guesses": _guesses,
    "header": _header,
    "inbox": _inbox,
    "keyring": _keyring,
    "log": _log,
    "manifest": _manifest,
}


def _tried(kind: str, place: Path, data: bytes) -> None:
    try:
        PARSERS[kind](place, data)
    except VaultError as error:
        assert error.problem  # noqa: PT017
        assert "Traceback" not in str(error)  # noqa: PT017


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


_kept = sorted(path for path in _CORPUS.glob("*/*"))


@pytest.mark.parametrize("path", _kept, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_tried_before_is_refused_in_words(place: Path, path: Path) -> None:
    _tried(path.parent.name, place, path.read_bytes())


def test_something_is_kept_for_each_parser() -> None:
    assert {path.parent.name for path in _kept} == set(PARSERS)


_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([_ID, "00" * 16, "tracekeep-vault", 1, 2, 2**64, 10**400, -1, ""])
)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@st.composite
def mangled(draw: st.DrawFn, kind: str) -> bytes:
    """Return a file of the corpus with bytes, or values of its JSON, replaced by others."""
    data = draw(st.sampled_from([path for path in _kept if path.parent.name == kind])).read_bytes()
    if draw(st.booleans()):
        first, *rest = data.split(b"\n", 1) if kind == "log" else [data]
        try:
            values = json.loads(first)
        except (ValueError, RecursionError):
            pass
        else:
            return b"\n".join([json.dumps(_replaced(draw, values)).encode(), *rest])
    at = draw(st.integers(0, len(data)))
    cut = draw(st.integers(0, 40))
    return data[:at] + draw(st.binary(max_size=40)) + data[at + cut :]


def _replaced(draw: st.DrawFn, values: Any) -> Any:  # noqa: ANN401 (JSON)
    if isinstance(values, dict) and values and draw(st.integers(0, 3)):
        name = draw(st.sampled_from(sorted(values)))
        return {**values, name: _replaced(draw, values[name])}
    if isinstance(values, list) and values and draw(st.integers(0, 3)):
        at = draw(st.integers(0, len(values) - 1))
        return [*values[:at], _replaced(draw, values[at]), *values[at + 1 :]]
    return draw(_values)


@pytest.mark.parametrize("kind", PARSERS)
@_quick
@given(data=st.data())
def test_a_mangled_file_is_refused_in_words(place: Path, kind: str, data: st.DataObject) -> None:
    _tried(kind, place, data.draw(mangled(kind)))


@pytest.mark.parametrize("kind", PARSERS)
@_quick
@given(data=st.binary(max_size=300))
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"\xff" * 20)
@example(b"1" * 5000)
@example(b"")
def test_a_file_of_anything_is_refused_in_words(place: Path, kind: str, data: bytes) -> None:
    _tried(kind, place, data)


def test_a_frame_is_read_as_it_was_written() -> None:
    frame = Frame(Kem.X25519, _ID, _ID)
    assert Frame.from_bytes(frame.to_bytes()) == frame
