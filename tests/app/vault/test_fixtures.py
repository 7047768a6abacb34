"""A vault of each format version, kept for ever: read as it is, migrated, and used on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from app.vault import Role, Vault
from tests.app.vault.decoder import Decoder
from tests.app.vault.samples import (
    OLD_KEYS,
    PASSPHRASE,
    ZOES,
    assert_whole,
    make_pattern,
    make_recording,
    old_vault,
    store,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.app.vault.samples import Filled


def _assert_samples(vault: Vault, old: Filled) -> None:
    stored = {one.name: one for one in vault.recordings()}
    for original in old.recordings:
        with vault.waveform(stored[original.name].id) as read:
            for index, channel in enumerate(original.channels):
                np.testing.assert_array_equal(
                    read.read_digital([index], 0, channel.n_samples),
                    original.read_digital([index], 0, channel.n_samples),
                )


def _assert_second_reader_agrees(reader: Decoder) -> None:
    ids = dict(reader.rows("SELECT name, id FROM recording"))
    assert set(reader.keys) == set(ids.values())
    for number in range(1, 6):
        original = make_recording(number, 100)
        _, samples = reader.waveform(ids[original.name])
        for index, channel in enumerate(original.channels):
            expected = original.read_digital([index], 0, channel.n_samples)[0]
            np.testing.assert_array_equal(samples[index], expected)


@pytest.mark.parametrize("name", OLD_KEYS)
@pytest.mark.parametrize("by", ["passphrase", "recovery key"])
def test_each_is_opened_checked_migrated_and_used(tmp_path: Path, name: str, by: str) -> None:
    old = old_vault(name, tmp_path)
    secret = (
        {"passphrase": PASSPHRASE} if by == "passphrase" else {"recovery_key": old.recovery_key}
    )
    _assert_second_reader_agrees(Decoder(old.path, **secret))
    for _ in range(2):  # as it was, and as it is after that
        with (
            Vault.open(old.path, PASSPHRASE) if by == "passphrase" else old.open(old.path) as vault
        ):
            result = vault.check(1.0)
            assert (result.damages, result.warnings) == ((), ())
            _assert_samples(vault, old)
            assert vault.verify_log().flaws == ()
    with old.open(old.path) as vault:
        stored = store(vault, make_recording(7, 100))
    with Vault.open(old.path, PASSPHRASE) as vault:
        assert_whole(vault, stored, make_recording(7, 100))
        assert vault.info().format_version == 2
        found = {one.name for one in vault.search("record")}
        assert found == {f"record-{n}" for n in (1, 2, 3, 4, 5, 7)}
    _assert_second_reader_agrees(Decoder(old.path, **secret))


def test_what_only_version_2_has(tmp_path: Path) -> None:
    old = old_vault("vault-2", tmp_path)
    _assert_second_reader_agrees(Decoder(old.path, passphrase=ZOES, user="Zoë"))
    with Vault.open(old.path, ZOES) as vault:
        assert (vault.session.user, vault.session.role) == ("Zoë", Role.CLINICIAN)
        first = vault.recordings()[-1]
        assert vault.pattern_of(first.id) == make_pattern(make_recording(1, 100))
        for stored, original in zip(reversed(vault.recordings()), old.recordings, strict=True):
            assert_whole(vault, stored, original)
        assert vault._header.epoch == 2
    with Vault.open(old.path, PASSPHRASE) as vault:
        actions = [entry.action for entry in vault.log_entries()]
    for action in ("add", "correct", "user-added", "user-passphrase", "rotate", "read"):
        assert action in actions
