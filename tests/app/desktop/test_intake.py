from __future__ import annotations

import fcntl
import multiprocessing
import shutil
import socket
import time
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.actions import View
from app.desktop import intake_process
from app.desktop.background import Background
from app.desktop.intake import IntakeState
from app.desktop.window import MainWindow
from tests.app.desktop.conftest import is_shown, unlock

SLOW = 60_000


def blobs(vault: Path) -> int:
    return sum(1 for path in (vault / "blobs").rglob("*") if path.is_file())


def is_idle(window: MainWindow) -> bool:
    searching = window.findChildren(Background)
    return window.intake is not None and not window.intake.is_busy and not searching


def test_a_dropped_file_is_analysed_with_progress_and_then_in_the_list(
    qtbot: QtBot, window: MainWindow, holter: Path, tmp_path: Path
) -> None:
    states: list[IntakeState] = []
    assert window.intake is not None
    window.intake.changed.connect(lambda state: states.append(state) if state else None)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(holter))])
    nothing = Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(
        QPoint(50, 50), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, nothing
    )
    QApplication.sendEvent(window, enter)
    assert enter.isAccepted()
    drop = QDropEvent(
        QPointF(50, 50), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, nothing
    )
    QApplication.sendEvent(window, drop)
    qtbot.waitUntil(window.intake_line.isVisible)
    qtbot.waitUntil(lambda: is_idle(window), timeout=SLOW)
    assert window.worklist.model.rowCount() == 2
    assert not window.intake_line.isVisible()
    assert window.message.text == ""
    shares = [state.share for state in states if state.stage == "Analysing" and state.share]
    assert shares
    assert shares == sorted(shares)
    assert {state.stage for state in states} >= {"Opening", "Analysing"}

    copy = Path(shutil.copy(holter, tmp_path / "copy.edf"))
    window.take_in([holter, copy])
    qtbot.waitUntil(lambda: is_idle(window), timeout=SLOW)
    assert "copy.edf is in the vault already" in window.message.text
    assert window.worklist.model.rowCount() == 2
    assert is_shown(window, View.WORKLIST)

    window.message.clear()
    window.take_in([copy])
    qtbot.waitUntil(lambda: is_shown(window, View.READING), timeout=SLOW)
    assert window.reading.opened is not None
    assert window.reading.opened.stored.id == window.worklist.model.recording(0).id
    assert window.message.text == ""


def test_stopping_keeps_nothing_of_it(
    qtbot: QtBot, window: MainWindow, holter: Path, vault_path: Path
) -> None:
    before = blobs(vault_path)
    window.take_in([holter])
    qtbot.waitUntil(lambda: window.intake_line.text.text().startswith("Analysing"), timeout=SLOW)
    window.actions_by_id["cancel"].trigger()
    qtbot.waitUntil(lambda: is_idle(window), timeout=SLOW)
    assert "Stopped analysing holter.edf. Nothing of it was stored" in window.message.text
    assert window.worklist.model.rowCount() == 1
    assert blobs(vault_path) == before


def test_a_process_that_is_killed_is_told_of_and_leaves_nothing(
    qtbot: QtBot, window: MainWindow, holter: Path, vault_path: Path
) -> None:
    before = blobs(vault_path)
    window.take_in([holter])
    qtbot.waitUntil(lambda: window.intake_line.text.text().startswith("Analysing"), timeout=SLOW)
    for process in multiprocessing.active_children():
        process.kill()
    qtbot.waitUntil(lambda: is_idle(window), timeout=SLOW)
    assert "holter.edf: the process that worked on it was killed" in window.message.text
    assert window.worklist.model.rowCount() == 1
    assert blobs(vault_path) == before


def test_locking_in_the_middle_keeps_the_vault_whole(
    qtbot: QtBot, window: MainWindow, holter: Path, vault_path: Path
) -> None:
    before = blobs(vault_path)
    window.take_in([holter])
    qtbot.waitUntil(lambda: window.intake_line.text.text().startswith("Analysing"), timeout=SLOW)
    window.lock()
    assert is_shown(window, View.UNLOCK)
    assert not window.intake_line.isVisible()
    qtbot.waitUntil(lambda: not window.findChildren(Background), timeout=SLOW)
    unlock(qtbot, window)
    assert window.worklist.model.rowCount() == 1
    assert blobs(vault_path) == before


def test_what_cannot_be_read_is_named_and_the_others_go_on(
    qtbot: QtBot, window: MainWindow, holter: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.edf"
    broken.write_bytes(b"0       " + b"x" * 100)
    window.take_in([broken, holter])
    qtbot.waitUntil(lambda: is_idle(window), timeout=SLOW)
    assert "broken.edf" in window.message.text
    assert "Nothing of it was stored" in window.message.text
    assert "Traceback" not in window.message.text
    assert window.worklist.model.rowCount() == 2


def test_a_file_that_is_not_there_is_said_in_words(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    window.take_in([tmp_path / "missing.edf"])
    qtbot.waitUntil(lambda: "missing.edf" in window.message.text, timeout=SLOW)


def test_a_folder_is_searched_and_an_empty_one_is_said_to_be(
    qtbot: QtBot, window: MainWindow, holter: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    window.take_in([empty])
    qtbot.waitUntil(lambda: "no recording in this folder" in window.message.text)
    window.take_in([holter.parent])
    qtbot.waitUntil(window.intake_line.isVisible)
    qtbot.waitUntil(lambda: is_idle(window), timeout=SLOW)
    assert window.worklist.model.rowCount() == 2


def test_the_window_answers_while_another_program_writes_to_the_vault(
    qtbot: QtBot, window: MainWindow, holter: Path, vault_path: Path
) -> None:
    with (vault_path / "LOCK").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        window.take_in([holter])
        waiting = "Waiting for the vault"
        qtbot.waitUntil(lambda: window.intake_line.text.text().startswith(waiting), timeout=SLOW)
        began = time.monotonic()
        window.actions_by_id["cancel"].trigger()
        window.lock()
        assert time.monotonic() - began < 1
    qtbot.waitUntil(lambda: not window.findChildren(Background), timeout=SLOW)
    assert not list((vault_path / "pending").iterdir())
    unlock(qtbot, window)
    window.take_in([holter])
    qtbot.waitUntil(lambda: is_idle(window), timeout=SLOW)
    assert window.worklist.model.rowCount() == 2


def test_stopping_before_the_vault_is_free_keeps_nothing(
    qtbot: QtBot, window: MainWindow, holter: Path, vault_path: Path
) -> None:
    with (vault_path / "LOCK").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        window.take_in([holter])
        qtbot.waitUntil(window.intake_line.isVisible, timeout=SLOW)
        window.actions_by_id["cancel"].trigger()
    qtbot.waitUntil(lambda: is_idle(window), timeout=SLOW)
    assert "Stopped analysing holter.edf" in window.message.text
    assert not list((vault_path / "pending").iterdir())


def test_the_process_refuses_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[bool] = []
    monkeypatch.setattr(intake_process, "forbid_network", lambda: called.append(True))
    monkeypatch.setattr(intake_process, "_work", lambda *_: (_ for _ in ()).throw(OSError()))
    ours, theirs = socket.socketpair()

    class Pipe:
        def send(self, _message: object) -> None:
            assert called == [True]

        def close(self) -> None:
            ours.close()
            theirs.close()

    intake_process.take_in(Pipe(), Path("x"), None)  # type: ignore[arg-type]
    assert called == [True]
