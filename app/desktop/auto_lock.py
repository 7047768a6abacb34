"""Tells when the vault is to be locked: nobody is there, the session is locked, or it sleeps.

Four things tell, each by itself: no key, click or wheel in the program for some minutes; the
session says that it is idle or locked; the machine is about to sleep; the machine has slept. The
session is asked through ``gdbus``, a program of its own, where there is one: this process opens no
connection to a bus. Without it the program's own clock and that of the machine remain.
"""

from __future__ import annotations

import os
import re
import time
from enum import Enum
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QProcess, QStandardPaths, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QHBoxLayout,
    QVBoxLayout,
    QWidget,
)

from app.desktop.widgets import Choice, button, label

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtCore import QSettings

LOCK_AFTER = "lock_after_minutes"
"""Name of the setting."""
_DEFAULT_MINUTES = 10
_CHOICES = (2, 5, 10, 15, 30)  # never is none of them

_PRESENCE = frozenset(
    {
        QEvent.Type.KeyPress,
        QEvent.Type.MouseButtonPress,
        QEvent.Type.MouseMove,
        QEvent.Type.Wheel,
        QEvent.Type.TouchBegin,
        QEvent.Type.TabletPress,
    }
)
_LOOK_EVERY_S = 5
_SLEPT_S = 3.0
_SESSION = re.compile(r"/org/freedesktop/login1/session/(\w+):")
_ESCAPED = re.compile(r"_([0-9a-f]{2})")


class Why(Enum):
    """Why the vault is to be locked."""

    IDLE = "nobody is there"
    AWAY = "the session is locked, or the machine sleeps"


def lock_after(settings: QSettings) -> int:
    """Return the minutes that a user chose."""
    told = str(settings.value(LOCK_AFTER, _DEFAULT_MINUTES))
    return int(told) if told.isdecimal() and int(told) in _CHOICES else _DEFAULT_MINUTES


def asleep_s() -> float:
    """Return for how long the machine has slept since it was started, seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


class AutoLock(QObject):
    """Emits :attr:`due` when the vault is to be locked; does nothing until :meth:`start`.

    Parameters
    ----------
    parent : QObject
        Owner.
    clock, slept : callable, optional
        Seconds that pass while somebody could be there, and seconds slept; for tests.
    """

    due = Signal(Why)
    """Why. Of :attr:`Why.IDLE` again and again for as long as nobody comes."""

    def __init__(
        self,
        parent: QObject,
        clock: Callable[[], float] = time.monotonic,
        slept: Callable[[], float] = asleep_s,
    ) -> None:
        super().__init__(parent)
        self.minutes = _DEFAULT_MINUTES
        self._clock, self._slept = clock, slept
        self._seen = clock()
        self._slept_before = slept()
        self._timer = QTimer(self)
        self._timer.setInterval(1000 * _LOOK_EVERY_S)
        self._timer.timeout.connect(self.look)
        self._session = QProcess(self)
        self._session.readyReadStandardOutput.connect(self._hear)

    def start(self) -> None:
        """Begin to watch: the vault is open."""
        self._seen, self._slept_before = self._clock(), self._slept()
        self._application().installEventFilter(self)
        self._timer.start()
        program = QStandardPaths.findExecutable("gdbus")
        if program and self._session.state() == QProcess.ProcessState.NotRunning:
            self._session.start(
                program, ["monitor", "--system", "--dest", "org.freedesktop.login1"]
            )

    def stop(self) -> None:
        """Watch no longer: the vault is locked."""
        self._timer.stop()
        self._application().removeEventFilter(self)
        if self._session.state() != QProcess.ProcessState.NotRunning:
            self._session.kill()
            self._session.waitForFinished(1000)

    def look(self) -> None:
        """Look at the clocks; :attr:`due` if nobody has been there, or the machine has slept."""
        if self._slept() - self._slept_before >= _SLEPT_S:
            self.due.emit(Why.AWAY)
        elif self._clock() - self._seen >= 60 * self.minutes:
            self.due.emit(Why.IDLE)

    def hear(self, line: str) -> None:
        """Take one line about the session: :attr:`due` if it locks, idles or is about to sleep."""
        if "Manager.PrepareForSleep (true" in line:
            self.due.emit(Why.AWAY)
        elif _is_own(line):
            if ".Session.Lock ()" in line or "'LockedHint': <true>" in line:
                self.due.emit(Why.AWAY)
            elif "'IdleHint': <true>" in line:
                self.due.emit(Why.IDLE)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt's form)
        """Take note that somebody is there, whichever window is in front."""
        if event.type() in _PRESENCE:
            self._seen = self._clock()
        return super().eventFilter(watched, event)

    def _hear(self) -> None:
        while self._session.canReadLine():
            self.hear(self._session.readLine().toStdString())

    @staticmethod
    def _application() -> QObject:
        application = QApplication.instance()
        if application is None:
            raise RuntimeError("there is no QApplication")
        return application


class IdleDialog(QDialog):
    """Asks after how many minutes without anybody there the vault is to be locked.

    Parameters
    ----------
    minutes : int
        As it is.
    parent : QWidget
        Owner.
    """

    chosen = Signal(int)

    def __init__(self, minutes: int, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Lock when nobody is there")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setFixedWidth(460)
        self.minutes = Choice(self)
        for choice in _CHOICES:
            self.minutes.addItem(f"{choice} minutes", choice)
        self.minutes.setCurrentIndex(self.minutes.findData(minutes))
        told = label(
            "The vault is locked when no key or mouse was used in this window for so long, when "
            "the session is locked, and when the computer sleeps. An analysis that is under way "
            "is finished first, unless the session is locked or the computer sleeps.",
            "muted",
            self,
        )
        told.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(button("Cancel", "", self, self.reject))
        buttons.addWidget(button("Keep", "primary", self, self.accept))
        rows = QVBoxLayout(self)
        rows.setContentsMargins(32, 24, 32, 24)
        rows.setSpacing(16)
        rows.addWidget(told)
        rows.addWidget(self.minutes)
        rows.addLayout(buttons)
        self.accepted.connect(lambda: self.chosen.emit(int(self.minutes.currentData())))


def _is_own(line: str) -> bool:
    """Return whether a line is of this session, or may be."""
    found = _SESSION.search(line)
    if found is None:
        return False
    told = _ESCAPED.sub(lambda code: chr(int(code[1], 16)), found[1])
    return told == os.environ.get("XDG_SESSION_ID", told)
