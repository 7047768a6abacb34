"""app.vault: a process that has opened a vault shows its memory to nobody."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.workers import run_tasks
from signals.simulate import EcgScenario, simulate_ecg
from signals.writers.edf import write_edf
from tests.app.vault.samples import PASSPHRASE, Filled

_DIES = """
import ctypes, os, resource, sys
from pathlib import Path
from app.vault import Vault

hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
if sys.argv[1] == "open":
    vault = Vault.open(Path(sys.argv[2]), sys.argv[3])
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE), flush=True)
os.abort()
"""


def _die(how: str, vault: Path, folder: Path) -> tuple[list[int], bool]:
    """Crash a process; return what it was allowed to show, and whether the system dumped it."""
    process = subprocess.Popen(
        [sys.executable, "-c", _DIES, how, str(vault), PASSPHRASE],
        stdout=subprocess.PIPE,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert process.stdout is not None
    told = [int(word) for word in process.stdout.read().split()]
    process.stdout.close()
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -1  # it was waited for
    assert os.WIFSIGNALED(status)
    return told, os.WCOREDUMP(status)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_a_crash_leaves_no_image_of_the_memory(filled: Filled, tmp_path: Path) -> None:
    (dumpable, *_), _ = _die("look on", filled.path, tmp_path)
    assert dumpable == 1, "the test can fail"
    (dumpable, soft, hard), dumped = _die("open", filled.path, tmp_path)
    assert (dumpable, soft, hard) == (0, 0, 0)
    assert not dumped
    assert list(tmp_path.iterdir()) == []


def _look(_task: int) -> int:
    return ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_workers_that_get_a_recordings_key_show_their_memory_to_nobody() -> None:
    assert [dumpable for _, dumpable in run_tasks(_look, [1, 2], jobs=2)] == [0, 0]


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_the_desktops_worker_shows_its_memory_to_nobody(tmp_path: Path) -> None:
    """While it waits to be told whether to go on: before anything is stored."""
    file = tmp_path / "a.edf"
    write_edf(file, simulate_ecg(EcgScenario(seed=1)).recording)
    code = (
        "import ctypes, sys\n"
        "from pathlib import Path\n"
        "from app.desktop.intake_process import STOP, take_in\n"
        "class Pipe:\n"
        "    def send(self, message): print(type(message).__name__)\n"
        "    def close(self): pass\n"
        "    def recv(self):\n"
        "        print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
        "        return STOP\n"
        "take_in(Pipe(), Path(sys.argv[1]), None)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    assert done.stdout.split() == ["Opened", "0", "Stopped"]
