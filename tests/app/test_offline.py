"""The network is refused, in a process of its own: a hook cannot be taken away again."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PRELUDE = """
import os, socket, sys
ready = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
from app.offline import NetworkForbiddenError, forbid_network
forbid_network()
forbid_network()
"""


def _run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _PRELUDE + code], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.socket()",
        "socket.socket(socket.AF_INET6, socket.SOCK_STREAM)",
        "socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)",
        "socket.create_connection(('127.0.0.1', 9))",
        "socket.create_server(('127.0.0.1', 0))",
        "socket.getaddrinfo('localhost', 80)",
        "socket.gethostbyname('localhost')",
        "socket.gethostbyaddr('127.0.0.1')",
        "socket.getnameinfo(('127.0.0.1', 80), 0)",
        "ready.connect(('127.0.0.1', 9))",
        "ready.connect_ex(('127.0.0.1', 9))",
        "ready.bind(('127.0.0.1', 0))",
        "ready.sendto(b'x', ('127.0.0.1', 9))",
        "ready.sendmsg([b'x'], [], 0, ('127.0.0.1', 9))",
        "socket.socket(fileno=os.dup(ready.fileno())).connect(('127.0.0.1', 9))",
        "socket.SocketType().listen()",
        "import _socket; _socket.socket()",
        "import PySide6.QtNetwork",
        "from PySide6 import QtNetwork",
        "import http.client; http.client.HTTPConnection('127.0.0.1', 9).request('GET', '/')",
    ],
)
def test_network_is_refused(attempt: str) -> None:
    done = _run(
        "try:\n"
        f"    {attempt}\n"
        "except NetworkForbiddenError as error:\n"
        "    print('refused:', error)\n"
    )
    assert done.stdout.startswith("refused: Tracekeep works without a network"), done.stderr


def test_urllib_is_refused() -> None:
    done = _run(
        "import urllib.request, urllib.error\n"
        "try:\n"
        "    urllib.request.urlopen('http://127.0.0.1:9/')\n"
        "except urllib.error.URLError as error:\n"
        "    print(type(error.reason).__name__)\n"
    )
    assert done.stdout == "NetworkForbiddenError\n", done.stderr


def test_threads_are_refused_too() -> None:
    done = _run(
        "import threading\n"
        "seen = []\n"
        "def attempt():\n"
        "    try:\n"
        "        socket.socket()\n"
        "    except NetworkForbiddenError as error:\n"
        "        seen.append(error)\n"
        "thread = threading.Thread(target=attempt); thread.start(); thread.join()\n"
        "print(len(seen))\n"
    )
    assert done.stdout == "1\n", done.stderr


def test_sockets_of_this_machine_work(tmp_path: object) -> None:
    done = _run(
        "import asyncio\n"
        "left, right = socket.socketpair()\n"
        "left.sendmsg([b'hello'])\n"
        f"server = socket.socket(socket.AF_UNIX); server.bind({str(tmp_path)!r} + '/s')\n"
        "server.listen(); client = socket.socket(socket.AF_UNIX)\n"
        f"client.connect({str(tmp_path)!r} + '/s')\n"
        "asyncio.run(asyncio.sleep(0))\n"
        "print(right.recv(5).decode())\n"
    )
    assert done.stdout == "hello\n", done.stderr
