"""app.vault: a process that has opened a vault shows its memory to nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
