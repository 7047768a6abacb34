"""A QR code of a recovery key, as text for the terminal (ISO/IEC 18004).

One size serves: version 4, error correction M, alphanumeric, which holds 90 characters of
``0-9A-Z $%*+-./:``; a recovery key has 71.
"""

from __future__ import annotations

_SIZE = 33
_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_MOST = 90
_BLOCKS, _DATA, _CHECK = 2, 32, 18  # codewords of each block
_QUIET = 4  # light modules around

# GF(256) with the polynomial x^8 + x^4 + x^3 + x^2 + 1.
_EXP = [1]
for _ in range(254):
    _EXP.append(_EXP[-1] << 1 ^ (0x11D if _EXP[-1] & 128 else 0))
_LOG = {value: power for power, value in enumerate(_EXP)}


def qr_lines(text: str) -> list[str]:
    """Return the lines of a QR code, two modules to a character, dark on light.

    Raises
    ------
    ValueError
        If `text` is longer than 90 characters, or one of them is not of the alphanumeric mode.
    """
    modules = _best_masked(_bits(text))
    around = _SIZE + 2 * _QUIET
    rows = [[False] * around for _ in range(around + around % 2)]
    for y, row in enumerate(modules):
        rows[y + _QUIET][_QUIET : _QUIET + _SIZE] = row
    light = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
    return [
        "".join(light[pair] for pair in zip(rows[y], rows[y + 1], strict=True))
        for y in range(0, len(rows), 2)
    ]


def _bits(text: str) -> list[int]:
    """Return the bits of all codewords, those of the two blocks taken in turn."""
    if len(text) > _MOST:
        raise ValueError("too long for this QR code")
    values = [_CHARACTERS.index(character) for character in text]
    bits = f"0010{len(values):09b}"
    for at in range(0, len(values) - 1, 2):
        bits += f"{45 * values[at] + values[at + 1]:011b}"
    if len(values) % 2:
        bits += f"{values[-1]:06b}"
    room = 8 * _BLOCKS * _DATA
    bits += "0" * min(4, room - len(bits))
    bits += "0" * (-len(bits) % 8)
    data = [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]
    while len(data) < _BLOCKS * _DATA:
        data += [0xEC, 0x11]
    blocks = [data[_DATA * n : _DATA * (n + 1)] for n in range(_BLOCKS)]
    checks = [_remainder(block) for block in blocks]
    words = [word for column in zip(*blocks, strict=True) for word in column]
    words += [word for column in zip(*checks, strict=True) for word in column]
    return [word >> place & 1 for word in words for place in range(7, -1, -1)]


def _times(a: int, b: int) -> int:
    return _EXP[(_LOG[a] + _LOG[b]) % 255] if a and b else 0


def _remainder(block: list[int]) -> list[int]:
    """Return the Reed–Solomon codewords of a block."""
    divisor = [1]
    for power in range(_CHECK):
        shifted = [*divisor, 0]
        for n, value in enumerate(divisor):
            shifted[n + 1] ^= _times(value, _EXP[power])
        divisor = shifted
    left = [*block, *[0] * _CHECK]
    for at in range(len(block)):
        factor = left[at]
        for n, value in enumerate(divisor):
            left[at + n] ^= _times(value, factor)
    return left[len(block) :]


def _frame() -> dict[tuple[int, int], bool]:
    """Return what is the same in each code of this size, by row and column; format bits light."""
    fixed: dict[tuple[int, int], bool] = {}
    for n in range(8):  # both copies of the format, and the module that is always dark
        end = _SIZE - 1 - n
        fixed |= {(8, n): False, (n, 8): False, (8, end): False, (end, 8): False}
    fixed |= {(8, 8): False, (_SIZE - 8, 8): True}
    for n in range(8, _SIZE - 8):  # timing
        fixed |= {(6, n): n % 2 == 0, (n, 6): n % 2 == 0}
    for top, left in ((0, 0), (0, _SIZE - 7), (_SIZE - 7, 0)):  # finders, and what separates them
        for y in range(-1, 8):
            for x in range(-1, 8):
                if 0 <= top + y < _SIZE and 0 <= left + x < _SIZE:
                    ring = max(abs(y - 3), abs(x - 3))
                    fixed[top + y, left + x] = ring in (0, 1, 3)
    for y in range(-2, 3):  # the one alignment pattern
        for x in range(-2, 3):
            fixed[_SIZE - 7 + y, _SIZE - 7 + x] = max(abs(y), abs(x)) != 1
    return fixed


_MASKS = (
    lambda y, x: (y + x) % 2,
    lambda y, _x: y % 2,
    lambda _y, x: x % 3,
    lambda y, x: (y + x) % 3,
    lambda y, x: (y // 2 + x // 3) % 2,
    lambda y, x: y * x % 2 + y * x % 3,
    lambda y, x: (y * x % 2 + y * x % 3) % 2,
    lambda y, x: ((y + x) % 2 + y * x % 3) % 2,
)


def _best_masked(bits: list[int]) -> list[list[bool]]:
    """Return the modules under that mask which leaves the fewest runs and squares of one colour."""
    return min((_masked(bits, mask) for mask in range(8)), key=_penalty)


def _masked(bits: list[int], mask: int) -> list[list[bool]]:
    placed = _frame()
    free, at = set(placed), 0
    column, upwards = _SIZE - 1, True
    while column > 0:
        column -= column == 6  # the timing's column is skipped
        for step in range(_SIZE):
            y = _SIZE - 1 - step if upwards else step
            for x in (column, column - 1):
                if (y, x) not in free:
                    bit = bits[at] if at < len(bits) else 0
                    placed[y, x] = bool(bit) is not (_MASKS[mask](y, x) == 0)
                    at += 1
        column, upwards = column - 2, not upwards
    code = mask  # error correction M is 00
    rest = code << 10
    for place in range(4, -1, -1):
        rest ^= 0x537 << place if rest >> place + 10 & 1 else 0
    code = (code << 10 | rest) ^ 0x5412
    for n in range(15):
        bit = bool(code >> n & 1)
        placed[n if n < 6 else n + 1 if n < 8 else _SIZE - 15 + n, 8] = bit
        placed[8, _SIZE - 1 - n if n < 8 else 15 - n if n < 9 else 14 - n] = bit
    return [[placed[y, x] for x in range(_SIZE)] for y in range(_SIZE)]


def _penalty(modules: list[list[bool]]) -> int:
    lines = ["".join("01"[dark] for dark in line) for line in modules]
    lines += ["".join("01"[row[x]] for row in modules) for x in range(_SIZE)]
    runs = sum(line.count(five) for line in lines for five in ("00000", "11111"))
    squares = sum(
        modules[y][x] is modules[y + 1][x] is modules[y][x + 1] is modules[y + 1][x + 1]
        for y in range(_SIZE - 1)
        for x in range(_SIZE - 1)
    )
    false = sum(line.count(finder) for line in lines for finder in ("10111010000", "00001011101"))
    return 3 * runs + 3 * squares + 40 * false
