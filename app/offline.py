"""No network: the promise that nothing leaves this machine, kept by the interpreter itself.

:func:`forbid_network` installs an audit hook (:pep:`578`). Python asks it before it makes a socket,
looks up a name, connects, binds or sends, and the hook refuses whatever is not a socket of this
machine alone (``AF_UNIX``, which the desktop and worker processes need).

What it promises: no Python code in this process, ours or that of any package, reaches the network
through Python's own socket module, which is what ``urllib``, ``http``, ``requests``, ``aiohttp``,
``asyncio`` and ``ssl`` all stand on. A hook cannot be taken away again as long as the process
lives, and it sees later imports and every thread.

Qt's own network modules never ask Python, so their import is refused.

What it cannot promise: other compiled code that calls the operating system by itself (a C
extension, ``ctypes``) never asks Python either; a program that is started from here is a process
of its own; and a connection that was opened before can still be written to. That is why every
entry point calls this before anything else, worker processes included. Where even that must not be
possible, let the operating system forbid it (``systemd``: ``PrivateNetwork=yes``; Flatpak: no
``--share=network``).
"""

from __future__ import annotations

import socket
import sys
from typing import Any

_LOOK_UPS = frozenset(
    {
        "socket.getaddrinfo",
        "socket.gethostbyaddr",
        "socket.gethostbyname",
        "socket.getnameinfo",
        "socket.getservbyname",
        "socket.getservbyport",
    }
)
_USES = frozenset({"socket.bind", "socket.connect", "socket.sendmsg", "socket.sendto"})
_MODULES = frozenset({"PySide6.QtDBus", "PySide6.QtNetwork", "PySide6.QtWebSockets"})

_installed = False


class NetworkForbiddenError(PermissionError):
    """Something tried to reach the network.

    A kind of :class:`OSError`, so that a package which takes a missing network in its stride
    does so here too.
    """

    def __init__(self, attempt: str) -> None:
        super().__init__(f"Tracekeep works without a network, and refused {attempt}")


def forbid_network() -> None:
    """Refuse every use of the network in this process, from now on; again does nothing more."""
    global _installed
    if not _installed:
        _installed = True
        sys.addaudithook(_refuse)


def _refuse(event: str, args: tuple[Any, ...]) -> None:
    if event == "import":
        if args[0] in _MODULES:
            raise NetworkForbiddenError(f"to import {args[0]}")
    elif not event.startswith("socket."):  # the hook is asked about every opened file, too
        return
    elif event == "socket.__new__":
        # -1 stands for "as the descriptor is", but also for the default, which is AF_INET
        if args[1] != socket.AF_UNIX:
            raise NetworkForbiddenError("to open a network socket")
    elif event in _USES:
        if args[0].family != socket.AF_UNIX:
            raise NetworkForbiddenError(f"to {event.removeprefix('socket.')} a network socket")
    elif event in _LOOK_UPS:
        raise NetworkForbiddenError(f"to look up a name ({event.removeprefix('socket.')})")
