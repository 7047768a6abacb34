"""The command as a process: what holds for every command alike."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from app.cli.exits import ExitCode
from app.vault import VaultDamagedError, VaultError, VaultLockedError, VaultTooNewError
from signals.recording import RecordingError
from tests.app.cli.helpers import Place, Run

_MAIN = "from app.cli import main; main()"
_COMMANDS = [
    ["analyze"],
    ["annotate"],
    ["list"],
    ["show"],
    ["correct"],
    ["export"],
    ["desktop"],
    ["vault", "create"],
    ["vault", "info"],
    ["vault", "check"],
]


def _process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _MAIN, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_version() -> None:
    done = _process("--version")
    assert (done.returncode, done.stdout) == (0, "tracekeep 0.1.0\n")


@pytest.mark.parametrize("command", [[], ["vault"], *_COMMANDS])
def test_every_command_has_help_with_the_exit_codes(tracekeep: Run, command: list[str]) -> None:
    done = tracekeep(*command, "--help")
    assert done.exit_code == 0
    words = " ".join(done.stdout.split())
    for code in (0, 1, 2, 3, 4):
        assert f"{code} {ExitCode(code).meaning}" in words


@pytest.mark.parametrize("command", [c for c in _COMMANDS if c != ["desktop"]])
def test_every_command_speaks_json(tracekeep: Run, command: list[str]) -> None:
    assert "--json" in tracekeep(*command, "--help").stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, contextlib\n"
        "sys.argv = ['tracekeep', '--help']\n"
        "from app.cli import main\n"
        "with contextlib.suppress(SystemExit): main()\n"
        "print('LOADED', *sorted({m.partition('.')[0] for m in sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.partition("LOADED ")[2].split())
    heavy = {"numpy", "scipy", "wfdb", "apsw", "cryptography", "ai_edge_litert", "PySide6"}
    assert not loaded & (heavy | {"edfio", "joblib", "multiprocessing"})


@pytest.mark.parametrize("arguments", [["nonsense"], ["show"], ["list", "--nonsense"], ["vault"]])
def test_wrong_usage_is_code_2(tracekeep: Run, arguments: list[str]) -> None:
    assert tracekeep(*arguments).exit_code == 2


def test_the_network_is_refused_in_the_process_of_the_command(vault: Place) -> None:
    # The passphrase command is looked up through shlex, which is loaded by then: a place to ask.
    code = (
        "import sys, shlex, socket\n"
        "def split(command):\n"
        "    try: socket.create_connection(('127.0.0.1', 9))\n"
        "    except Exception as error: print(type(error).__name__, file=sys.stderr)\n"
        "    return ['echo', 'correct horse']\n"
        "shlex.split = split\n" + _MAIN
    )
    options = ["--vault", str(vault.path), "--passphrase-command", "x", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", code, "list", *options], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("[]\n", "NetworkForbiddenError\n")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RecordingError("a.edf", "cut short"), 1),
        (VaultError("v", "no space is left on the disk"), 1),
        (VaultTooNewError("v", "made by a newer version"), 1),
        (VaultLockedError("v", "the passphrase is wrong"), 3),
        (VaultDamagedError("v", "the index is damaged"), 4),
        (MemoryError(), 1),
        (PermissionError(13, "Permission denied", "/x"), 1),
        (ValueError("Jane Doe"), 70),
        (KeyboardInterrupt(), 130),
        (typer.Exit(4), 4),
    ],
)
def test_every_end_has_its_code_and_no_trace(
    tracekeep: Run, vault: Place, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(*_asked: object) -> object:
        raise error

    monkeypatch.delenv("TRACEKEEP_DEBUG", raising=False)
    monkeypatch.setattr("app.vault.Vault.recordings", fail)
    done = tracekeep("list", *vault.options)
    assert (done.exit_code, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
    assert "Jane" not in done.stderr


def test_a_fault_of_ours_tells_how_to_get_a_trace(
    tracekeep: Run, vault: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: object) -> object:
        raise ValueError("Jane Doe")

    monkeypatch.setattr("app.vault.Vault.recordings", fail)
    assert "TRACEKEEP_DEBUG=1" in tracekeep("list", *vault.options).stderr
    monkeypatch.setenv("TRACEKEEP_DEBUG", "1")
    traced = tracekeep("list", *vault.options)
    assert 'app/cli/list.py", line' in traced.stderr
    assert traced.exit_code == 70


def test_a_closed_pipe_ends_quietly(vault: Place) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", _MAIN, "list", *vault.options, "--json"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_the_readme_tells_the_same_exit_codes() -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    told = {int(n) for n in re.findall(r"^\| (\d+) \|", readme, re.MULTILINE)}
    assert {0, 1, 2, 3, 4} <= told
