"""app.desktop.auto_lock: what locks the vault, and what nothing keeps from locking it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtWidgets import QApplication, QLabel, QTableView
from pytestqt.qtbot import QtBot

from app.actions import View
from app.desktop.auto_lock import LOCK_AFTER, AutoLock, IdleDialog, Why, lock_after
from app.desktop.intake import IntakeQueue
from app.desktop.window import MainWindow
from tests.app.desktop.conftest import is_shown

MINE = "/org/freedesktop/login1/session/_3200: "
CHANGED = f"{MINE}org.freedesktop.DBus.Properties.PropertiesChanged "


class Clocks:
    """Time that passes when a test says so, and sleep."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 50.0


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def watch(qtbot: QtBot, clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> Iterator[AutoLock]:
    monkeypatch.setenv("XDG_SESSION_ID", "200")
    parent = QLabel()
    qtbot.addWidget(parent)
    watch = AutoLock(parent, lambda: clocks.now, lambda: clocks.slept)
    yield watch
    watch.stop()
    parent.close()


@pytest.fixture
def heard(watch: AutoLock) -> list[Why]:
    said: list[Why] = []
    watch.due.connect(said.append)
    return said


def test_it_is_due_when_nobody_was_there_for_the_minutes_chosen(
    watch: AutoLock, clocks: Clocks, heard: list[Why], qtbot: QtBot
) -> None:
    watch.start()
    clocks.now += 599
    watch.look()
    assert heard == []
    somewhere = watch.parent()
    assert isinstance(somewhere, QLabel)
    qtbot.keyClick(somewhere, Qt.Key.Key_A)
    clocks.now += 599
    watch.look()
    assert heard == [], "a key was pressed in the meantime"
    clocks.now += 1
    watch.look()
    assert heard == [Why.IDLE]
    watch.minutes = 30
    watch.look()
    assert heard == [Why.IDLE]


def test_what_qt_sends_by_itself_is_no_sign_of_somebody(
    watch: AutoLock, clocks: Clocks, heard: list[Why]
) -> None:
    watch.start()
    clocks.now += 600
    QApplication.processEvents()
    somewhere = watch.parent()
    assert isinstance(somewhere, QLabel)
    somewhere.setText("something happened")
    somewhere.grab()
    watch.look()
    assert heard == [Why.IDLE]


def test_it_is_due_when_the_machine_has_slept(
    watch: AutoLock, clocks: Clocks, heard: list[Why]
) -> None:
    watch.start()
    clocks.slept += 2
    watch.look()
    assert heard == [], "clocks are read one after the other"
    clocks.slept += 3600
    watch.look()
    assert heard == [Why.AWAY]
    watch.stop()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (f"{MINE}org.freedesktop.login1.Session.Lock ()", Why.AWAY),
        (
            f"{CHANGED}({{'LockedHint': <true>}}, @as [])",
            Why.AWAY,
        ),
        (
            f"{CHANGED}({{'IdleHint': <true>, 'Idle': <7>}}, @as [])",
            Why.IDLE,
        ),
        (
            "/org/freedesktop/login1: org.freedesktop.login1.Manager.PrepareForSleep (true,)",
            Why.AWAY,
        ),
        (
            "/org/freedesktop/login1: org.freedesktop.login1.Manager.PrepareForSleep (false,)",
            None,
        ),
        (
            "/org/freedesktop/login1/session/_3300: org.freedesktop.login1.Session.Lock ()",
            None,
        ),
        (f"{MINE}org.freedesktop.login1.Session.Unlock ()", None),
        ("Monitoring signals from all objects owned by org.freedesktop.login1", None),
        ("", None),
    ],
)
def test_the_session_tells(watch: AutoLock, heard: list[Why], line: str, why: Why | None) -> None:
    watch.hear(line)
    assert heard == ([] if why is None else [why])


def test_where_the_session_has_no_name_every_lock_counts(
    watch: AutoLock, heard: list[Why], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_SESSION_ID")
    watch.hear(f"{MINE}org.freedesktop.login1.Session.Lock ()")
    assert heard == [Why.AWAY]


def test_the_window_locks_with_a_dialog_open_and_nothing_of_a_patient_is_left(
    qtbot: QtBot, reading: MainWindow
) -> None:
    told = []
    reading.locked.connect(lambda: told.append(True))
    reading.actions_by_id["help"].trigger()
    reading.choose_idle_minutes()
    dialog = reading.findChild(IdleDialog)
    assert dialog is not None
    assert dialog.isVisible()
    reading.auto_lock.due.emit(Why.IDLE)
    assert is_shown(reading, View.UNLOCK)
    assert told == [True]
    qtbot.waitUntil(lambda: reading.findChild(IdleDialog) is None)
    assert QApplication.activeModalWidget() is None
    texts = [found.text() for found in reading.findChildren(QLabel)]
    assert not any("simulated-5" in text for text in texts)
    assert all(table.model().rowCount() == 0 for table in reading.findChildren(QTableView))


def test_an_analysis_is_finished_first_unless_the_session_is_locked(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(IntakeQueue, "is_busy", property(lambda _self: True))
    window.auto_lock.due.emit(Why.IDLE)
    assert is_shown(window, View.WORKLIST)
    window.auto_lock.due.emit(Why.AWAY)
    assert is_shown(window, View.UNLOCK)


def test_the_minutes_are_chosen_and_kept(
    qtbot: QtBot, window: MainWindow, settings: QSettings
) -> None:
    window.choose_idle_minutes()
    dialog = window.findChild(IdleDialog)
    assert dialog is not None
    dialog.minutes.setCurrentIndex(0)
    dialog.accept()
    assert window.auto_lock.minutes == 2
    assert lock_after(settings) == 2
    settings.setValue(LOCK_AFTER, 100000)
    assert lock_after(settings) == 10, "never is no choice"


def test_closing_the_window_is_no_lock(window: MainWindow) -> None:
    told: list[bool] = []
    window.locked.connect(lambda: told.append(True))
    window.close()
    assert told == []


def test_the_process_that_held_the_keys_is_gone_after_a_lock(
    vault_path: Path, tmp_path: Path
) -> None:
    """After a lock the process is another program image: nothing of its memory is left."""
    script = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
import app.desktop as desktop
from app.desktop.window import MainWindow
from app.vault import Vault

def lock(window):
    window.use_vault(Vault.open(Path(sys.argv[1]), sys.argv[2]))
    print("unlocked", flush=True)
    window.lock()

before = MainWindow.show
def show(window):
    before(window)
    QTimer.singleShot(0, lambda: lock(window))
MainWindow.show = show
desktop.run(Path(sys.argv[1]), [])
"""
    (tmp_path / "app").mkdir()  # what lies about where the window was started is not run
    (tmp_path / "app" / "__init__.py").write_text("raise SystemExit('hostile')\n")
    environment = os.environ | {
        "QT_QPA_PLATFORM": "offscreen",
        "HOME": str(vault_path.parent),
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", script, str(vault_path), "correct horse battery staple"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "unlocked\n"
        command = Path(f"/proc/{process.pid}/cmdline")
        for _ in range(600):
            if b"correct horse battery staple" not in command.read_bytes():
                break
            time.sleep(0.1)
        arguments = command.read_bytes().split(b"\0")
        assert b"correct horse battery staple" not in arguments
        assert str(vault_path).encode() in arguments
        asks = Path(f"/proc/{process.pid}/maps")
        for _ in range(600):
            if process.poll() is not None or b"libQt6Widgets" in asks.read_bytes():
                break
            time.sleep(0.1)
        assert process.poll() is None
        assert b"libQt6Widgets" in asks.read_bytes(), "the window is there again"
    finally:
        process.kill()
        process.communicate()
