"""Two programs that write to one vault: the second says that it waits, and goes on."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from app import waiting
from app.vault import VaultError, _files

if TYPE_CHECKING:
    from pathlib import Path

_LINE = "another program is writing to the vault; waiting\n"
_PROGRAM = """
import sys, pathlib
from app import waiting
import app.cli.program as module
from app.vault._files import writer_lock

def program(prog_name):
    with writer_lock(pathlib.Path(sys.argv[1])):
        print("written")

module.program = program
waiting.SILENT_S = 0.2
from app.cli import main
main()
"""


def _start(vault: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(vault)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("stopped", [False, True])
def test_the_command_says_once_that_it_waits_and_goes_on(tmp_path: Path, *, stopped: bool) -> None:
    held = os.open(tmp_path / "LOCK", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    with _start(tmp_path) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == _LINE
        time.sleep(0.5)
        assert process.poll() is None
        if stopped:
            process.send_signal(signal.SIGINT)
        else:
            os.close(held)
        out, rest = process.communicate(timeout=60)
    assert out == ("" if stopped else "written\n")
    assert rest == ""
    assert (process.returncode == 0) is not stopped
    if stopped:
        os.close(held)


def test_who_is_not_told_gets_an_error_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_files, "PATIENCE_S", 0.1)
    monkeypatch.setattr(waiting, "_LISTENERS", [])
    held = os.open(tmp_path / "LOCK", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    with (
        pytest.raises(VaultError, match="another program is writing"),
        _files.writer_lock(tmp_path),
    ):
        pytest.fail("it was not locked")
    os.close(held)
