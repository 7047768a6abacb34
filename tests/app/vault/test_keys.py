from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from hypothesis import given
from hypothesis import strategies as st

from app.vault import _keys, _recovery
from app.vault._keys import Purpose, Stretching
from tests.app.vault import decoder

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_keys_of_32 = st.binary(min_size=32, max_size=32)


def test_argon2id_is_that_of_rfc_9106_section_5_3() -> None:
    argon2 = Argon2id(
        salt=b"\x02" * 16, length=32, iterations=3, lanes=4, memory_cost=32,
        secret=b"\x03" * 8, ad=b"\x04" * 12,
    )  # fmt: skip
    assert argon2.derive(b"\x01" * 32).hex() == (
        "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
    )


def test_derived_keys_are_hkdf_expand_with_sha_512() -> None:
    ours = _keys.derive(bytes(32), Purpose.INDEX, "ab" * 16)
    assert ours == decoder.expand(bytes(32), b"tracekeep-vault/1 index\0" + b"\xab" * 16, 32)


@pytest.mark.parametrize(
    "cost", [(64 * 1024 - 1, 3, 4), (64 * 1024, 2, 4), (64 * 1024, 3, 3), (1 << 21, 3, 4)]
)
def test_no_cheaper_and_no_absurd_stretching(cost: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        Stretching(*cost)


def test_the_default_is_the_second_profile_of_rfc_9106() -> None:
    assert Stretching() == Stretching(65536, 3, 4)


@given(_keys_of_32)
def test_a_recovery_key_survives_paper(key: bytes) -> None:
    text = _recovery.to_text(key)
    assert [len(group) for group in text.split("-")] == [8] * 8
    for typed in (text, text.lower(), text.replace("-", ""), f" {text.replace('-', '  ')}\n"):
        assert _recovery.from_text(typed) == key
    assert _recovery.from_text(text.replace("1", "I").replace("0", "o")) == key
    assert _recovery.from_text(text.replace("1", "l").replace("0", "O")) == key


@given(_keys_of_32, st.integers(0, 63), st.sampled_from(_ALPHABET + "U!é"))
def test_a_slip_of_the_pen_is_named_or_gives_another_key(
    key: bytes, place: int, letter: str
) -> None:
    letters = _recovery.to_text(key).replace("-", "")
    typed = letters[:place] + letter + letters[place + 1 :]
    if typed == letters:
        return
    try:
        assert _recovery.from_text(typed) != key  # one in 256 slips is seen only by the vault
    except ValueError as error:
        assert str(error) == f"group {place // 8 + 1} of the recovery key is mistyped"  # noqa: PT017


def test_swapped_groups_are_noticed() -> None:
    groups = _recovery.to_text(bytes(range(32))).split("-")
    groups[2], groups[5] = groups[5], groups[2]
    with pytest.raises(ValueError, match="group 3"):
        _recovery.from_text("-".join(groups))
    with pytest.raises(ValueError, match="64 letters and digits; these are 56"):
        _recovery.from_text("-".join(groups[:7]))
