"""Real programs killed at any moment, several of them at once with one vault: nothing is lost."""

from __future__ import annotations

import os
import shutil
import signal
import time
from multiprocessing import get_context
from random import Random
from typing import TYPE_CHECKING

import pytest

from app.vault import Vault, VaultLockedError, new_recovery_key, restore
from tests.app.vault.campaign import N, Tally, quick_place
from tests.app.vault.samples import assert_whole, fill, make_recording, store

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from pathlib import Path

    from tests.app.vault.samples import Filled

    _Work = Callable[[Path, str, int, Callable[[str], None]], None]

__all__ = ["quick_place"]
_MOST = 40  # steps of one program


def _write(path: Path, key: str, seed: int, told: Callable[[str], None]) -> None:
    with Vault.open_with_recovery_key(path, key) as vault:
        for number in range(seed, seed + _MOST):
            told(f"+{store(vault, make_recording(number, N)).name}")


def _erase(path: Path, key: str, _seed: int, told: Callable[[str], None]) -> None:
    with Vault.open_with_recovery_key(path, key) as vault:
        for one in vault.recordings():
            if one.name not in {"record-1", "record-2"}:
                told(f"?{one.name}")
                vault.erase(one.id, whole_patient=True)
                told(f"-{one.name}")


def _back_up(path: Path, key: str, _seed: int, told: Callable[[str], None]) -> None:
    with Vault.open_with_recovery_key(path, key) as vault:
        for _ in range(_MOST):
            vault.back_up(path.with_name("backup"))
            told("b")


def _rotate(path: Path, key: str, _seed: int, told: Callable[[str], None]) -> None:
    with Vault.open_with_recovery_key(path, key) as vault:
        for _ in range(_MOST):
            new = new_recovery_key()
            told(f"k{new}")  # it is noted down before it is used
            vault.rotate(new)


_TEAMS: tuple[tuple[_Work, ...], ...] = (
    (_write,),
    (_write, _write),
    (_write, _erase),
    (_write, _back_up),
    (_write, _erase, _back_up),
    (_rotate,),
)


def _child(work: _Work, path: Path, key: str, seed: int, state: str, pipe: Connection) -> None:
    os.environ["XDG_STATE_HOME"] = state
    pipe.send("ready")
    try:
        work(path, key, seed, pipe.send)
    except BrokenPipeError:
        os._exit(1)
    finally:
        pipe.close()


def _told(pipe: Connection) -> list[str]:
    told = []
    try:
        while True:
            told.append(pipe.recv())
    except EOFError:
        pipe.close()
    return told


def kill_teams(filled: Filled, root: Path, rounds: int, seed: int = 0) -> Tally:
    """Let teams of programs work with the vault, and kill all of them after a drawn time."""
    random = Random(seed)
    tally = Tally("programs killed")
    for number in range(rounds):
        # On another computer each time, to which the copy is not one put back.
        shutil.rmtree(os.environ["XDG_STATE_HOME"], ignore_errors=True)
        path = filled.copy(root)
        team = _TEAMS[number % len(_TEAMS)]
        delay = random.uniform(0.0, 0.4)

        def attack(path: Path = path, team: tuple[_Work, ...] = team, delay: float = delay) -> None:
            _attack(filled, path, team, delay)

        tally.judge(
            f"{', '.join(work.__name__ for work in team)} killed after {delay:.3f} s", attack
        )
        tally.injected += len(team) - 1
    return tally


def _attack(filled: Filled, path: Path, team: tuple[_Work, ...], delay: float) -> None:
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.app.vault.test_kill"])
    with filled.open(path) as vault:
        for number in (11, 12, 13):  # what may be erased
            store(vault, make_recording(number, N))
    programs = []
    for index, work in enumerate(team):
        ours, theirs = context.Pipe(duplex=False)
        state = os.environ["XDG_STATE_HOME"]
        arguments = (work, path, filled.recovery_key, 100 * (index + 1), state, theirs)
        program = context.Process(target=_child, args=arguments)
        program.start()
        theirs.close()
        programs.append((program, ours))
    for _, pipe in programs:
        assert pipe.recv() == "ready"
    time.sleep(delay)
    for program, _ in programs:
        if program.pid and program.exitcode is None:
            os.kill(program.pid, signal.SIGKILL)
    told = []
    for program, pipe in programs:
        program.join()
        assert program.exitcode in (0, -signal.SIGKILL)
        program.close()
        told += _told(pipe)
    _assert_nothing_lost(filled, path, told)


def _assert_nothing_lost(filled: Filled, path: Path, told: list[str]) -> None:
    def all_of(mark: str) -> set[str]:
        return {words[1:] for words in told if words[0] == mark}

    before = {f"record-{number}" for number in (1, 2, 11, 12, 13)}
    surely = (before | all_of("+")) - all_of("?")
    keys = [filled.recovery_key, *(words[1:] for words in told if words[0] == "k")]
    with _opened(path, keys) as vault:
        # Twice in 700 kills a vault that two programs used was said to be put back, and nothing was
        # lost: a false alarm that is not understood yet. Nothing else may be said.
        assert all("(index.db)" in one for one in vault.warnings), vault.warnings
        stored = {one.name: one for one in vault.recordings()}
        assert surely <= set(stored), f"lost: {surely - set(stored)}"
        assert not all_of("-") & set(stored), "erased, and back again"
        for name, one in stored.items():
            assert_whole(vault, one, make_recording(int(name.removeprefix("record-")), N))
        result = vault.check(1.0)
        assert result.damages == ()
        assert vault.verify_log().flaws == ()
        assert len(list(path.glob("blobs/*/*"))) == 3 * len(stored)
        assert list(path.glob("pending/*")) == []
    if "b" in told:
        to = path.with_name("restored.vault")
        restore(path.with_name("backup"), to, filled.open)
        with filled.open(to) as vault:
            assert vault.check(1.0).damages == ()
    _remove_all(path)


def _opened(path: Path, keys: list[str]) -> Vault:
    for key in reversed(keys):
        try:
            return Vault.open_with_recovery_key(path, key)
        except VaultLockedError:
            continue
    raise AssertionError("no key that was given out opens it")


def _remove_all(path: Path) -> None:
    for name in ("backup", "restored.vault"):
        shutil.rmtree(path.with_name(name), ignore_errors=True)


def test_programs_killed_at_any_moment_lose_nothing(
    quick_place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    filled = fill(quick_place / "small.vault", N)
    tally = kill_teams(filled, quick_place, 12)
    assert tally.failures == []
    assert tally.injected >= 20
