"""How many pixels of a screen make a millimetre: told by the system, or measured by the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QLineF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QDialog, QDoubleSpinBox, QHBoxLayout, QVBoxLayout, QWidget

from app.desktop.widgets import button, label
from signals.scale import MM_PER_INCH

if TYPE_CHECKING:
    from PySide6.QtCore import QSettings
    from PySide6.QtGui import QScreen

_BAR_PX = 400
_SANE = (2.0, 20.0)  # dots in a mm; outside, the system does not know the size of its screen
_USUAL = 96 / MM_PER_INCH


def dots_per_mm(screen: QScreen, settings: QSettings) -> tuple[float, bool]:
    """Return the pixels in a millimetre, and whether somebody measured that."""
    measured = settings.value(_key(screen))
    if measured is not None:
        return float(str(measured)), True
    told = screen.physicalDotsPerInch() / MM_PER_INCH
    return (told if _SANE[0] <= told <= _SANE[1] else _USUAL), False


def _key(screen: QScreen) -> str:
    maker = f"{screen.manufacturer()} {screen.model()} {screen.name()}".replace("/", " ")
    return f"screens/{maker} {screen.geometry().width()}x{screen.geometry().height()}"


class CalibrationDialog(QDialog):
    """Has the user measure a bar with a ruler.

    Parameters
    ----------
    screen : QScreen
        That the window is on.
    settings : QSettings
        Where the measure is kept.
    parent : QWidget
        Owner.
    """

    def __init__(self, screen: QScreen, settings: QSettings, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Calibrate the screen")
        self._screen = screen
        self._settings = settings
        now, _ = dots_per_mm(screen, settings)
        why = label(
            "Lay a ruler on the screen and measure the bar from end to end. From then on a "
            "millimetre of the tracing is a millimetre.",
            "",
            self,
        )
        why.setWordWrap(True)
        self.length = QDoubleSpinBox(self)
        self.length.setRange(_BAR_PX / _SANE[1], _BAR_PX / _SANE[0])
        self.length.setDecimals(1)
        self.length.setSingleStep(0.5)
        self.length.setSuffix(" mm")
        self.length.setValue(_BAR_PX / now)
        self.length.lineEdit().setTextMargins(8, 0, 0, 0)
        self.length.setAccessibleName("Length of the bar")
        rows = QVBoxLayout(self)
        rows.setContentsMargins(32, 24, 32, 24)
        rows.setSpacing(16)
        rows.addWidget(why)
        rows.addWidget(_Bar(self))
        row = QHBoxLayout()
        row.addWidget(label("Length of the bar", "", self))
        row.addWidget(self.length)
        row.addStretch(1)
        row.addWidget(button("Cancel", "", self, self.reject))
        row.addWidget(button("Keep", "primary", self, self.accept))
        rows.addLayout(row)

    def accept(self) -> None:
        """Keep the measure."""
        self._settings.setValue(_key(self._screen), _BAR_PX / self.length.value())
        super().accept()


class _Bar(QWidget):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFixedSize(QSize(_BAR_PX + 2, 40))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 (Qt's form)
        """Paint a bar with ends that a ruler can be laid to."""
        painter = QPainter(self)
        colour: QColor = self.palette().windowText().color()
        painter.setPen(QPen(colour, 1, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
        middle = self.height() / 2
        painter.drawLines(
            [
                QLineF(0.5, middle, _BAR_PX + 0.5, middle),
                QLineF(0.5, 4, 0.5, self.height() - 4),
                QLineF(_BAR_PX + 0.5, 4, _BAR_PX + 0.5, self.height() - 4),
            ]
        )
        painter.end()
