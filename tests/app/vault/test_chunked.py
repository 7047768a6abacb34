from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.vault._chunked import CHUNK, HEAD, TAG, NotAuthenticError, Reader, Writer, seal, unseal
from tests.app.vault import decoder

if TYPE_CHECKING:
    from pathlib import Path

_KEY, _CONTEXT = bytes(range(32)), b"what it means"
_sizes = st.sampled_from([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 70 * CHUNK + 5])
_quick = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def _write(path: Path, message: bytes, cuts: list[int]) -> bytes:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        writer = Writer(file, _KEY, _CONTEXT)
        edges = [0, *sorted(cut % (len(message) + 1) for cut in cuts), len(message)]
        for start, stop in itertools.pairwise(edges):
            writer.write(message[start:stop])
        assert writer.finish() == path.stat().st_size
    finally:
        os.close(file)
    return path.read_bytes()


@_quick
@given(size=_sizes, cuts=st.lists(st.integers(0, 10**7), max_size=4), data=st.data())
def test_what_is_written_in_any_pieces_is_read_in_any_pieces(
    tmp_path: Path, size: int, cuts: list[int], data: st.DataObject
) -> None:
    message = os.urandom(size)
    sealed = _write(tmp_path / "blob", message, cuts)
    assert len(sealed) == HEAD + size + (size // CHUNK + 1) * TAG
    assert decoder.decrypt(_KEY, _CONTEXT, sealed) == message
    assert unseal(_KEY, _CONTEXT, sealed) == message
    with Reader(tmp_path / "blob", _KEY, _CONTEXT) as reader:
        assert reader.size == size
        assert reader.read() == message
        start = data.draw(st.integers(0, size))
        stop = data.draw(st.integers(start, size))
        assert reader.read(start, stop - start) == message[start:stop]
        with pytest.raises(ValueError, match="of a message"):
            reader.read(size, 1)


@pytest.mark.parametrize("size", [0, 5, CHUNK, 2 * CHUNK + 1])
def test_sealing_in_memory_is_the_same_format(size: int) -> None:
    message = os.urandom(size)
    sealed = seal(_KEY, _CONTEXT, message)
    assert decoder.decrypt(_KEY, _CONTEXT, sealed) == unseal(_KEY, _CONTEXT, sealed) == message
    assert seal(_KEY, _CONTEXT, message) != sealed


@_quick
@given(size=_sizes, place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_refused(tmp_path: Path, size: int, place: float, bit: int) -> None:
    sealed = bytearray(seal(_KEY, _CONTEXT, bytes(size)))
    sealed[int(place * len(sealed))] ^= 1 << bit
    _assert_refused(tmp_path, bytes(sealed))


@pytest.mark.parametrize("size", [0, 5, CHUNK, 3 * CHUNK + 7])
def test_any_other_length_is_refused(tmp_path: Path, size: int) -> None:
    sealed = seal(_KEY, _CONTEXT, os.urandom(size))
    whole_chunks = [HEAD + k * (CHUNK + TAG) for k in range(size // CHUNK + 1)]
    for keep in {0, 1, 23, 24, 55, HEAD, HEAD + 1, HEAD + TAG - 1, len(sealed) - 1, *whole_chunks}:
        _assert_refused(tmp_path, sealed[:keep])
    _assert_refused(tmp_path, sealed + b"\0")
    _assert_refused(tmp_path, sealed + bytes(TAG))
    _assert_refused(tmp_path, sealed + bytes(CHUNK))


def test_reordered_repeated_and_dropped_chunks_are_refused(tmp_path: Path) -> None:
    sealed = seal(_KEY, _CONTEXT, os.urandom(3 * CHUNK + 9))
    step = CHUNK + TAG
    head, *chunks, last = (
        sealed[:HEAD],
        *(sealed[at : at + step] for at in range(HEAD, len(sealed), step)),
    )
    for order in ([1, 0, 2], [0, 2, 1], [0, 1, 1], [0, 1], [0, 1, 2, 2], []):
        _assert_refused(tmp_path, b"".join([head, *(chunks[k] for k in order), last]))


def test_another_key_or_context_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(seal(_KEY, _CONTEXT, b"message"))
    for key, context in [(bytes(32), _CONTEXT), (_KEY, b""), (_KEY, _CONTEXT + b"x")]:
        with pytest.raises(NotAuthenticError, match="belongs here"):
            Reader(path, key, context)
        with pytest.raises(NotAuthenticError, match="belongs here"):
            unseal(key, context, path.read_bytes())


def test_a_file_cut_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(seal(_KEY, _CONTEXT, bytes(3 * CHUNK)))
    with Reader(path, _KEY, _CONTEXT) as reader:
        os.truncate(path, HEAD + CHUNK)
        with pytest.raises(NotAuthenticError, match="cut short"):
            reader.read()


def _assert_refused(folder: Path, sealed: bytes) -> None:
    path = folder / "blob"
    path.write_bytes(sealed)
    with pytest.raises(NotAuthenticError), Reader(path, _KEY, _CONTEXT) as reader:
        reader.read()
    with pytest.raises(NotAuthenticError):
        unseal(_KEY, _CONTEXT, sealed)
    with pytest.raises((AssertionError, InvalidTag, ValueError, IndexError)):
        decoder.decrypt(_KEY, _CONTEXT, sealed)
