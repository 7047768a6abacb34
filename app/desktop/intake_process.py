"""The process that analyses one file: it knows the key of one recording, and no window."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.faults import explain
from app.offline import forbid_network
from app.vault import forbid_dumps

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from pathlib import Path

    from app.vault import Intake, Receipt

_TELL_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Opened:
    """The file is a recording with this content; the other side answers whether to go on."""

    sha256: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Progress:
    """What is being done, and the share of it that is done, 0 to 1."""

    stage: str
    share: float


@dataclass(frozen=True, slots=True)
class Stored:
    """All is written; the receipt waits to be committed."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing was kept, for a reason in one plain sentence."""

    problem: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The other side wanted no more; nothing was kept."""


Message = Opened | Progress | Stored | Failed | Stopped

GO_ON = "go on"
STOP = "stop"


class _Stop(BaseException):
    """Ends the work from within a progress callback."""


def take_in(connection: Connection[Any, Any], path: Path, intake: Intake) -> None:
    """Analyse a file and store it; tell of it through `connection`, and listen there for STOP."""
    forbid_dumps()  # it holds the key of the recording from here on
    forbid_network()
    warnings.simplefilter("ignore")
    message: Message
    try:
        message = Stored(_work(connection, path, intake))
    except _Stop:
        message = Stopped()
    except Exception as error:  # noqa: BLE001 (whatever it is, the window says it in words)
        message = Failed(explain(error))
    connection.send(message)
    connection.close()


def _work(connection: Connection[Any, Any], path: Path, intake: Intake) -> Receipt:
    from app.analysis import analyze_recording
    from signals.readers import open_recording

    with open_recording(path) as recording:
        connection.send(Opened(recording.sha256(), recording.duration))
        if connection.recv() == STOP:
            raise _Stop
        report = analyze_recording(recording, progress=_teller(connection, "Analysing"))
        return intake.store(recording, report, _teller(connection, "Storing"))


def _teller(connection: Connection[Any, Any], stage: str) -> Callable[[float], None]:
    told = 0.0

    def tell(share: float) -> None:
        nonlocal told
        if connection.poll() and connection.recv() == STOP:
            raise _Stop
        now = time.monotonic()
        if now - told >= _TELL_EVERY_S or share >= 1:
            told = now
            connection.send(Progress(stage, share))

    return tell
