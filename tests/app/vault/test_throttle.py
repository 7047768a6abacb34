"""Guessing through the program is slowed, whoever is killed, restarted or copied in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from app.vault import Role, TooManyGuessesError, Vault, VaultLockedError, _people, _throttle
from app.vault._throttle import FREE, LONGEST_S, Guesses, delay_after
from tests.app.vault.samples import PASSPHRASE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.app.vault.samples import Filled

_WRONG = "a passphrase of nobody"


class _Clock:
    def __init__(self) -> None:
        self.now = 2e9

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(_throttle, "time", clock)
    return clock


@pytest.fixture
def vault(filled: Filled, tmp_path: Path) -> Path:
    return filled.copy(tmp_path)


def _wrong(path: Path, times: int = 1, user: str | None = None) -> None:
    for _ in range(times):
        with pytest.raises(VaultLockedError, match="the passphrase is wrong"):
            Vault.open(path, _WRONG, user=user)


def test_delays_grow_and_have_an_end() -> None:
    delays = [delay_after(n) for n in range(60)]
    assert delays[:FREE] == [0.0] * FREE
    assert delays[FREE : FREE + 4] == [1, 2, 4, 8]
    assert all(after >= before for before, after in pairwise(delays))
    assert delays[-1] == LONGEST_S == 900


def test_each_wrong_guess_makes_the_next_wait_longer(vault: Path, clock: _Clock) -> None:
    _wrong(vault, FREE)
    for delay in (1, 2, 4, 8, 16):
        for early in (0.0, delay - 0.5):
            clock.now += early
            with pytest.raises(TooManyGuessesError, match=r"wait [0-9]+ s before the next"):
                Vault.open(vault, PASSPHRASE)  # the right one tells nothing either
        clock.now += 0.6
        _wrong(vault)
    clock.now += 32
    Vault.open(vault, PASSPHRASE).close()
    _wrong(vault, FREE)  # from the beginning


def test_while_one_waits_no_passphrase_is_tried(
    vault: Path, clock: _Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _wrong(vault, FREE)
    monkeypatch.setattr(_people, "stretch", lambda *_: pytest.fail("it was tried"))
    with pytest.raises(TooManyGuessesError):
        Vault.open(vault, PASSPHRASE)


def test_a_copy_put_back_or_moved_resets_nothing(
    filled: Filled, vault: Path, tmp_path: Path, clock: _Clock
) -> None:
    _wrong(vault, FREE)
    with pytest.raises(TooManyGuessesError):
        Vault.open(filled.copy(tmp_path), PASSPHRASE)


def test_a_new_start_resets_nothing(vault: Path) -> None:
    script = (
        "import pathlib, sys; from app.vault import Vault, VaultLockedError\n"
        "try: Vault.open(pathlib.Path(sys.argv[1]), 'a passphrase of nobody')\n"
        "except VaultLockedError as error: print(type(error).__name__)"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", script, vault], capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(FREE)
    ]
    assert said == ["VaultLockedError"] * FREE
    with pytest.raises(TooManyGuessesError):
        Vault.open(vault, PASSPHRASE)


def test_to_be_killed_over_a_guess_resets_nothing(vault: Path) -> None:
    script = (
        "import os, pathlib, sys; from app.vault import Vault, _people\n"
        "_people.stretch = lambda *_: os.kill(os.getpid(), 9)\n"
        "Vault.open(pathlib.Path(sys.argv[1]), 'a passphrase of nobody')"
    )
    for _ in range(FREE):
        killed = subprocess.run([sys.executable, "-c", script, vault], check=False)
        assert killed.returncode == -signal.SIGKILL
    with pytest.raises(TooManyGuessesError):
        Vault.open(vault, PASSPHRASE)


def test_many_at_once_are_counted_one_by_one(vault: Path) -> None:
    guesses = [Guesses(vault, "ab" * 16) for _ in range(FREE)]
    for one in guesses:
        one.begin(["zoë"])  # none of them has ended yet
    with pytest.raises(TooManyGuessesError):
        Guesses(vault, "ab" * 16).begin(["zoë"])


def test_one_user_is_slowed_and_the_others_are_not(vault: Path, clock: _Clock) -> None:
    with Vault.open(vault, PASSPHRASE) as opened:
        opened.people.add("Zoë", Role.CLINICIAN, "nine fleas on a dog")
    _wrong(vault, FREE, user="zoë")
    with pytest.raises(TooManyGuessesError):
        Vault.open(vault, "nine fleas on a dog", user="Zoë")
    Vault.open(vault, PASSPHRASE, user="owner").close()
    Vault.open(vault, PASSPHRASE).close()  # whoever has it: Zoë's is not tried
    with pytest.raises(VaultLockedError, match="the passphrase is wrong"):
        Vault.open(vault, "nine fleas on a dog")
    clock.now += 2
    Vault.open(vault, "nine fleas on a dog").close()


def test_what_was_tried_on_others_first_is_not_held_against_them(
    vault: Path, clock: _Clock
) -> None:
    with Vault.open(vault, PASSPHRASE) as opened:
        opened.people.add("Zoë", Role.CLINICIAN, "nine fleas on a dog")
    for _ in range(2 * FREE):
        Vault.open(vault, "nine fleas on a dog").close()
    Vault.open(vault, PASSPHRASE).close()


def test_the_recovery_key_does_not_wait(filled: Filled, vault: Path, clock: _Clock) -> None:
    _wrong(vault, FREE)
    filled.open(vault).close()  # nobody guesses 256 bits


def test_a_clock_that_is_set_back_does_not_lock_for_long(vault: Path, clock: _Clock) -> None:
    _wrong(vault, FREE)
    clock.now -= 1e8
    with pytest.raises(TooManyGuessesError, match="wait 1 s"):
        Vault.open(vault, PASSPHRASE)


@pytest.mark.parametrize("years", [1, 70, 8000])
def test_a_clock_that_was_wrong_for_a_while_locks_nobody_out(
    vault: Path, clock: _Clock, years: int
) -> None:
    right = clock.now
    clock.now += years * 365 * 86400
    _wrong(vault, FREE)
    clock.now = right
    with pytest.raises(TooManyGuessesError, match="wait 1 s"):
        Vault.open(vault, PASSPHRASE)
    clock.now += 0.5
    with pytest.raises(TooManyGuessesError, match="wait 1 s"):
        Vault.open(vault, PASSPHRASE)  # to ask again does not begin the wait anew
    clock.now += 0.6
    Vault.open(vault, PASSPHRASE).close()


def test_a_long_wait_is_told_in_minutes(vault: Path, clock: _Clock) -> None:
    guesses = Guesses(vault, "ab" * 16)
    for _ in range(20):
        guesses.begin(["zoë"])
        clock.now += LONGEST_S
    guesses.begin(["zoë"])
    with pytest.raises(TooManyGuessesError, match="wait 15 minutes before"):
        guesses.begin(["zoë"])


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"a": 1}', b'{"a": [1]}', b'{"a": ["x", "y"]}', b"\xff"]
)
def test_a_damaged_count_keeps_nobody_out(vault: Path, content: bytes) -> None:
    with Vault.open(vault, PASSPHRASE) as opened:
        vault_id = opened.vault_id
    Guesses(vault, vault_id).begin(["zoë"])
    file = _throttle.state_folder() / "guesses" / f"{vault_id}.json"
    assert set(json.loads(file.read_bytes())) == {"zoë"}
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(content)
    Vault.open(vault, PASSPHRASE).close()


def test_where_nothing_can_be_written_nobody_is_kept_out(
    vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null/nowhere")
    _wrong(vault, 2 * FREE)
    Vault.open(vault, PASSPHRASE).close()


def test_the_count_names_nobody_and_no_passphrase(vault: Path) -> None:
    _wrong(vault, FREE, user="owner")
    folder = _throttle.state_folder()
    for place, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:  # noqa: PTH118, PTH123
                data = file.read()
            assert b"owner" not in data
            assert _WRONG.encode() not in data
