"""Small widgets that every view uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable


def label(text: str, role: str, parent: QWidget) -> QLabel:
    """Return a text that looks as its role says (:mod:`app.desktop.style`)."""
    made = QLabel(text, parent)
    made.setProperty("role", role)
    made.setTextFormat(Qt.TextFormat.PlainText)  # names from files are never markup
    return made


def button(text: str, role: str, parent: QWidget, do: Callable[[], object]) -> QPushButton:
    """Return a button; the role is ``primary``, ``link`` or ``""``."""
    made = QPushButton(text, parent)
    made.setProperty("role", role)
    made.setAutoDefault(False)
    made.clicked.connect(lambda _checked=False: do())
    return made


def line(parent: QWidget, *, vertical: bool = False) -> QFrame:
    """Return a hairline."""
    made = QFrame(parent)
    made.setObjectName("line")
    if vertical:
        made.setFixedWidth(1)
    else:
        made.setFixedHeight(1)
    return made


class Choice(QComboBox):
    """A choice of a few, with a chevron in the colour of its text."""

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's form)
        """Paint it; a style sheet alone can only show a chevron from a file."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.palette().text().color(), 1.5))
        x, y = self.width() - 16.0, self.height() / 2
        painter.drawPolyline([QPointF(x - 4, y - 2), QPointF(x, y + 2), QPointF(x + 4, y - 2)])
        painter.end()


class MessageBar(QFrame):
    """Says what happened, what was kept and what to do, until it is dismissed."""

    dismissed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("message")
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 4, 4, 4)
        self._text = label("", "error", self)
        self._text.setWordWrap(True)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row.addWidget(self._text, 1)
        row.addWidget(button("Dismiss", "", self, self.clear))
        self.hide()

    @property
    def text(self) -> str:
        """What it says; empty when it says nothing."""
        return self._text.text()

    def say(self, text: str) -> None:
        """Show a message, under those that were not dismissed yet."""
        shown = [old for old in self.text.split("\n") if old]
        self._text.setText("\n".join([*shown, text][-4:]))
        self.show()

    def clear(self) -> None:
        """Take the messages away."""
        self._text.setText("")
        self.hide()
        self.dismissed.emit()
