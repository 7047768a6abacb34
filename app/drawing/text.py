"""Type: one family, tabular figures, sizes in pixels of the design."""

from __future__ import annotations

from PySide6.QtGui import QFont, QPainter

_TABULAR = QFont.Tag("tnum")


def font(size: float, *, bold: bool = False) -> QFont:
    """Return the program's font; `size` is in pixels."""
    made = QFont()
    made.setPixelSize(max(1, round(size)))
    made.setBold(bold)
    made.setFeature(_TABULAR, 1)
    return made


def set_font(painter: QPainter, size: float, *, bold: bool = False) -> None:
    """Have the painter write with the program's font."""
    painter.setFont(font(size, bold=bold))
