"""A patient's name is searched for in every byte that a day with a vault leaves anywhere."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.vault import _index, _rotation, drill
from tests.app.vault.campaign import Day, Moment, N, cheap_guesses, quick_place
from tests.app.vault.samples import MARKER, PASSPHRASE, fill

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.app.vault.samples import Filled

__all__ = ["cheap_guesses", "quick_place"]
_PLANTED = (MARKER, "Quarzuhr", "quarzuhr", "code-1", "1950-01-02", "MLII", PASSPHRASE)


def _found(place: Path) -> set[str]:
    """Search with another program: to close index.db here would drop SQLite's locks on it."""
    return {
        text
        for text in _PLANTED
        if subprocess.run(["grep", "-rqaF", text, place], check=False).returncode != 1
    }


@pytest.mark.usefixtures("cheap_guesses")
def test_no_step_of_a_day_leaves_a_name_on_the_disk(
    quick_place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In the folder, its log, the backup, the state folder, the temporary folder; at any step."""
    caplog.set_level(logging.DEBUG)
    for name in ("TMPDIR", "SQLITE_TMPDIR"):
        (quick_place / "temp").mkdir(exist_ok=True)
        monkeypatch.setenv(name, str(quick_place / "temp"))
    monkeypatch.setattr(tempfile, "tempdir", str(quick_place / "temp"))
    monkeypatch.setenv("XDG_STATE_HOME", str(quick_place / "state"))
    filled = fill(quick_place / "v", N)
    seen: list[str] = []

    def look(moment: Moment) -> None:
        seen.append(moment.step)
        assert _found(quick_place) == set(), moment.step

    def looking(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object) -> object:
            assert _found(quick_place) == set(), real.__name__
            result = real(*args)
            assert _found(quick_place) == set(), real.__name__
            return result

        return call

    # In the middle of a rotation, and in every transaction before it ends.
    for name in ("_write_files", "_switch", "_move"):
        monkeypatch.setattr(_rotation, name, looking(getattr(_rotation, name)))
    monkeypatch.setattr(_index, "read_state", looking(_index.read_state))
    day = Day(filled, filled.copy(quick_place), quick_place / "backup", look, checkpoint_pages=10)
    day.live()
    drill(quick_place / "backup", filled.open)
    assert _found(quick_place) == set()
    assert list((quick_place / "temp").iterdir()) == []
    assert {"add 7", "erase record-1", "rotate", "backup", "take in"} <= set(seen)
    assert not any(text in caplog.text for text in _PLANTED)


_PROGRAM = """
import pathlib, sys, time
from app.cli import main
import app.vault._vault as module
before = module.Vault.check
def check(self, *args, **kwargs):
    print("ready", file=sys.stderr, flush=True)
    sys.stdin.readline()
    return before(self, *args, **kwargs)
module.Vault.check = check
sys.argv = ["tracekeep", "vault", "check", "--vault", sys.argv[1], "--passphrase-file", sys.argv[2]]
main()
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc here")
def test_neither_arguments_nor_environment_of_a_program_hold_a_secret(
    filled: Filled, tmp_path: Path
) -> None:
    path = filled.copy(tmp_path)
    (tmp_path / "secret").write_text(PASSPHRASE + "\n")
    program = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, path, tmp_path / "secret"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
    )
    assert program.stderr is not None
    assert program.stderr.readline() == b"ready\n"
    try:  # the vault is open now
        known = subprocess.run(
            ["cat", f"/proc/{program.pid}/cmdline", f"/proc/{program.pid}/environ"],
            check=False,
            capture_output=True,
        )
    finally:
        out, error = program.communicate(b"\n", timeout=60)
    assert program.returncode == 0, error
    assert b"tracekeep" in known.stdout or b"Permission denied" in known.stderr
    for text in (*_PLANTED, filled.recovery_key):
        for said in (known.stdout, out, error):
            assert text.encode() not in said
