"""All keys on one page, made from the table of actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QDialog, QGridLayout, QHBoxLayout, QVBoxLayout

from app.actions import ACTIONS
from app.desktop.widgets import button, label

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

_MOUSE = (
    ("Scroll", "Wheel"),
    ("Zoom at the pointer", "Ctrl + wheel"),
    ("Gain", "Shift + wheel"),
    ("Pull the paper along", "Drag"),
    ("Back to 25 mm/s there", "Double click"),
)


class KeysHelp(QDialog):
    """Shows every action that has a key."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("All keys")
        groups: dict[str, list[tuple[str, str]]] = {}
        for action in ACTIONS:
            if action.keys:
                shown = ", ".join(_shown(key) for key in action.keys)
                groups.setdefault(action.menu, []).append((action.text, shown))
        groups["Mouse"] = list(_MOUSE)
        columns = QHBoxLayout()
        columns.setSpacing(48)
        for names in (("File", "Help"), ("Go",), ("View", "Mouse")):
            grid = QGridLayout()
            grid.setHorizontalSpacing(24)
            grid.setVerticalSpacing(6)
            row = 0
            for name in names:
                grid.addWidget(label(name, "heading", self), row, 0)
                for text, keys in groups[name]:
                    row += 1
                    grid.addWidget(label(text, "", self), row, 0)
                    right = Qt.AlignmentFlag.AlignRight
                    grid.addWidget(label(keys, "muted", self), row, 1, right)
                row += 1
                grid.setRowMinimumHeight(row, 16)
                row += 1
            grid.setRowStretch(row, 1)
            columns.addLayout(grid)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(32, 24, 32, 24)
        rows.addLayout(columns)
        rows.addWidget(
            button("Close", "primary", self, self.accept), 0, Qt.AlignmentFlag.AlignRight
        )


def _shown(key: str) -> str:
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)
