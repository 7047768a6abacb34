"""What the operating system is asked not to do with a process that holds keys.

A core dump, or another program of the same user that looks into the memory, would show the keys of
an open vault. Linux is told to write no dump and to let nobody attach; only root still can. It is
not told to keep the memory from being swapped: a recording does not fit into what an ordinary user
may lock. Swap is to be encrypted, as ``docs/threat-model.md`` says.
"""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def forbid_dumps() -> None:
    """Have no core dump written of this process, and nobody of the same user attach to it.

    Once for the rest of its life, and for those forked from it. A machine that cannot is no reason
    not to open a vault.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
