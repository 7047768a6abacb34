"""The QR code, read back by a reader of its own, which OpenCV's agreed with when it was made."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.qr import qr_lines

_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_KEY = "-".join(f"{n}BCDEFG{n}" for n in range(8))


def _modules(lines: list[str]) -> list[list[int]]:
    rows = []
    for line in lines:
        rows += [[int(c not in "█▀") for c in line], [int(c not in "█▄") for c in line]]
    assert {module for row in rows[:4] + rows[37:] for module in row} == {0}
    return [row[4:37] for row in rows[4:37]]


def _is_function(y: int, x: int) -> bool:
    corner = (y < 9 and (x < 9 or x > 24)) or (y > 24 and x < 9)
    return corner or y == 6 or x == 6 or (24 <= y <= 28 and 24 <= x <= 28)


def _inverted(mask: int, y: int, x: int) -> bool:
    both = y * x
    sums = (
        y + x, y, x % 3, (y + x) % 3, y // 2 + x // 3,
        both % 2 + both % 3, both % 2 + both % 3, y + x + both % 3,
    )  # fmt: skip
    return sums[mask] == 0 if mask in (2, 3, 5) else sums[mask] % 2 == 0


def _field() -> list[int]:
    powers, value = [], 1
    for _ in range(255):
        powers.append(value)
        value = value * 2 ^ (0x11D if value > 127 else 0)
    return powers


def _read(lines: list[str]) -> str:
    code = _modules(lines)
    assert len(code) == len(code[0]) == 33
    said = [code[8][x] for x in (0, 1, 2, 3, 4, 5, 7, 8)] + [
        code[y][8] for y in (7, 5, 4, 3, 2, 1, 0)
    ]
    again = [code[y][8] for y in range(32, 25, -1)] + code[8][25:]
    assert said == again
    level_and_mask = int("".join(map(str, said[:5])), 2) ^ 0b10101
    assert level_and_mask >> 3 == 0  # M
    mask = level_and_mask & 7
    bits: list[int] = []
    up = True
    for right in (*range(32, 6, -2), 5, 3, 1):
        for y in range(32, -1, -1) if up else range(33):
            for x in (right, right - 1):
                bits += [] if _is_function(y, x) else [code[y][x] ^ _inverted(mask, y, x)]
        up = not up
    words = [int("".join(map(str, bits[at : at + 8])), 2) for at in range(0, 800, 8)]
    powers = _field()
    stream = ""
    for block in (0, 1):
        data = words[block:64:2]
        whole = data + words[64 + block :: 2]
        for root in range(18):  # each root of the divisor is one of an intact block
            value = 0
            for word in whole:
                value = (powers[(powers.index(value) + root) % 255] if value else 0) ^ word
            assert value == 0
        stream += "".join(f"{word:08b}" for word in data)
    assert stream[:4] == "0010"
    length, at, text = int(stream[4:13], 2), 13, ""
    while len(text) + 1 < length:
        pair = int(stream[at : at + 11], 2)
        text, at = text + _CHARACTERS[pair // 45] + _CHARACTERS[pair % 45], at + 11
    return text + (_CHARACTERS[int(stream[at : at + 6], 2)] if len(text) < length else "")


@given(st.text(_CHARACTERS, max_size=90))
def test_what_is_written_is_read(text: str) -> None:
    assert _read(qr_lines(text)) == text


def test_a_code_is_the_one_that_opencv_read() -> None:
    lines = "\n".join(qr_lines(_KEY))
    assert hashlib.sha256(lines.encode()).hexdigest() == (
        "5ecccebf26aa8873d83d343154db40668c21e587308274e328cf101c3fa007bd"
    )


@pytest.mark.parametrize("text", ["A" * 91, "a", "é"])
def test_what_it_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"too long|substring"):
        qr_lines(text)
