"""The panel beside the tracing: findings to go to, beats by class, measurements."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app import wording
from app.desktop.widgets import Choice, button, label, line
from app.desktop.worklist_model import facts, title
from app.drawing.marks import paint_shape
from app.drawing.text import font
from signals.ecg.beat import BeatClass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtCore import QObject

    from app.drawing.theme import Theme
    from app.report import Finding, Report
    from app.vault import StoredRecording

Index = QModelIndex | QPersistentModelIndex
_ROW = 42
_SHOWN = frozenset(
    {
        *("heart_rate_mean", "pr", "qrs", "qtc_fridericia"),
        *("ventricular_burden", "af_burden", "vf_burden", "unreadable"),
    }
)
"""Measurements that stand beside the tracing; all are in the summary."""
_FINDING = Qt.ItemDataRole.UserRole


class FindingsPanel(QFrame):
    """Lists what was found; a click or Enter goes there.

    Parameters
    ----------
    theme : Theme
        Its colours.
    back, summarise : callable
        Show the list of recordings, and the summary of this one.
    parent : QWidget
        Owner.
    """

    chosen = Signal(object)
    """The Finding to go to."""
    beat_wanted = Signal(object)
    """The BeatClass of which the next beat is to be shown."""

    def __init__(
        self,
        theme: Theme,
        back: Callable[[], object],
        summarise: Callable[[], object],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self._title = label("", "heading", self)
        self._title.setWordWrap(True)
        self._facts = label("", "small", self)
        self._theme = theme
        self._report: Report | None = None
        self._model = _FindingsModel(self)
        self._delegate = _FindingDelegate(theme, self)
        self.kinds = Choice(self)
        self.kinds.setAccessibleName("Kind of finding")
        self.kinds.setSizeAdjustPolicy(
            Choice.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.kinds.currentIndexChanged.connect(lambda _index: self._filter())
        self.list = QListView(self)
        self.list.setModel(self._model)
        self.list.setItemDelegate(self._delegate)
        self.list.setUniformItemSizes(True)
        self.list.setAccessibleName("Findings")
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.clicked.connect(self._choose)
        self.list.activated.connect(self._choose)
        self._nothing = label("", "muted", self)
        self._nothing.setWordWrap(True)
        self._nothing.setContentsMargins(16, 8, 16, 8)
        self._beats = QGridLayout()
        self._beats.setContentsMargins(8, 6, 16, 6)
        self._beats.setVerticalSpacing(0)
        self._values = QGridLayout()
        self._values.setContentsMargins(16, 8, 16, 8)
        self._values.setVerticalSpacing(2)
        self._values.setHorizontalSpacing(12)

        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        rows.addLayout(self._head(back, summarise))
        rows.addWidget(self._nothing)
        rows.addWidget(self.list, 1)
        for below in (self._beats, self._values):
            rows.addWidget(line(self))
            rows.addLayout(below)

    def _head(self, back: Callable[[], object], summarise: Callable[[], object]) -> QVBoxLayout:
        ways = QHBoxLayout()
        ways.addWidget(button("‹ Recordings", "link", self, back))
        ways.addStretch(1)
        ways.addWidget(button("Summary ›", "link", self, summarise))
        head = QVBoxLayout()
        head.setContentsMargins(16, 8, 16, 8)
        head.setSpacing(4)
        head.addLayout(ways)
        head.addWidget(self._title)
        head.addWidget(self._facts)
        head.addSpacing(4)
        head.addWidget(self.kinds)
        return head

    def show_recording(self, stored: StoredRecording | None, report: Report | None) -> None:
        """Show a recording and its report, or nothing."""
        self._title.setText(title(stored) if stored else "")
        self._facts.setText(f"{facts(stored)}\nproposed, not confirmed" if stored else "")
        self._facts.setToolTip("\n".join(report.subject.repairs) if report else "")
        self._report = report
        findings = report.findings if report else ()
        counts = Counter(finding.kind for finding in findings)
        self.kinds.blockSignals(True)  # noqa: FBT003 (Qt's form)
        self.kinds.clear()
        self.kinds.addItem(f"All findings ({len(findings)})", "")
        for kind, count in counts.most_common():
            self.kinds.addItem(f"{wording.kind_name(kind)} ({count})", kind)
        self.kinds.blockSignals(False)  # noqa: FBT003 (Qt's form)
        self._filter()
        self._show_values()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = self._delegate.theme = theme
        self._show_values()
        self.list.viewport().update()

    def step(self, by: int, seen_from: float, seen_to: float) -> None:
        """Go to the finding after (1) or before (-1) the chosen one, or what is seen."""
        findings = self._model.findings
        current = self.list.currentIndex()
        if current.isValid() and _overlaps(findings[current.row()], seen_from, seen_to):
            row = current.row() + by
        elif by > 0:
            row = sum(1 for finding in findings if finding.onset < seen_from)
        else:
            row = sum(1 for finding in findings if finding.onset < seen_from) - 1
        if 0 <= row < len(findings):
            index = self._model.index(row)
            self.list.setCurrentIndex(index)
            self._choose(index)

    def _filter(self) -> None:
        findings = self._report.findings if self._report else ()
        kind = self.kinds.currentData()
        shown = [finding for finding in findings if not kind or finding.kind == kind]
        self._model.show_findings(shown)
        self._nothing.setVisible(not shown)
        self._nothing.setText(_why_nothing(self._report, kind))

    def _choose(self, index: QModelIndex) -> None:
        self.chosen.emit(index.data(_FINDING))

    def _show_values(self) -> None:
        for grid in (self._beats, self._values):
            while item := grid.takeAt(0):
                if widget := item.widget():
                    widget.hide()  # until it is deleted it would lie under the next numbers
                    widget.deleteLater()
        if self._report is None:
            return
        for row, (cls, count) in enumerate(self._report.beats.counts().items()):
            self._beats.addWidget(self._class_button(cls, count), row, 0)
            number = label(f"{count:,}", "", self)
            self._beats.addWidget(number, row, 1, Qt.AlignmentFlag.AlignRight)
        self._beats.setColumnStretch(0, 1)
        shown = (
            found
            for found in self._report.measurements
            if found.name in _SHOWN and wording.is_worth_telling(found)
        )
        for row, measurement in enumerate(shown):
            name = label(wording.measurement_name(measurement), "muted", self)
            name.setWordWrap(True)
            value = label(wording.measurement_value(measurement), "", self)
            self._values.addWidget(name, row, 0)
            self._values.addWidget(value, row, 1, Qt.AlignmentFlag.AlignRight)
        self._values.setColumnStretch(0, 1)

    def _class_button(self, cls: BeatClass, count: int) -> QToolButton:
        made = QToolButton(self)
        made.setIcon(_class_icon(cls, self._theme, self.devicePixelRatioF()))
        made.setIconSize(QSize(14, 14))
        made.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        made.setText(f"{cls.symbol}  {wording.class_name(cls)}")
        made.setToolTip("Go to the next one")
        made.setStyleSheet("border: 0; text-align: left; min-height: 24px; padding: 0 8px;")
        made.setEnabled(count > 0)
        made.clicked.connect(lambda _checked=False: self.beat_wanted.emit(cls))
        return made


def _why_nothing(report: Report | None, kind: str) -> str:
    """Return what to say in place of findings: that nothing was found is not that all is well."""
    if report is None:
        return ""
    if kind:
        return "There is no finding of this kind."
    shares = {found.name: found.value for found in report.measurements}
    if report.beats.times.size:
        if (shares.get("undetermined") or 0.0) > wording.MORE_THAN_NOT:
            return "No finding, but for most of the time the rhythm could not be determined."
        return "Nothing stands out in the rhythm. The beats are counted below."
    unreadable = shares.get("unreadable")
    how_much = "" if unreadable is None else f" {unreadable:.0f} % of the signal is unreadable."
    return f"No beats found, so nothing can be said of the rhythm.{how_much}"


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _overlaps(finding: Finding, start: float, end: float) -> bool:
    return finding.onset < end and finding.end > start


def _class_icon(cls: BeatClass, theme: Theme, dots: float) -> QIcon:
    picture = QPixmap(round(14 * dots), round(14 * dots))
    picture.setDevicePixelRatio(dots)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    paint_shape(painter, cls, QPointF(7, 7), 5, theme)
    painter.end()
    return QIcon(picture)


class _FindingsModel(QAbstractListModel):
    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.findings: tuple[Finding, ...] = ()

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """Show these."""
        self.beginResetModel()
        self.findings = tuple(findings)
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, N802 (Qt's form)
        """Return how many there are."""
        return 0 if parent.isValid() else len(self.findings)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return a finding, or its words."""
        finding = self.findings[index.row()]
        if role == _FINDING:
            return finding
        if role == Qt.ItemDataRole.DisplayRole:
            return wording.describe(finding)
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            where = f"{wording.describe(finding)}, at {wording.clock(finding.onset)}"
            return f"{where}\n{_capital(finding.rule)}" if finding.rule else where
        return None


class _FindingDelegate(QStyledItemDelegate):
    """A hollow mark (proposed), the words, and when; the colour is that of the bar."""

    def __init__(self, theme: Theme, parent: QObject) -> None:
        super().__init__(parent)
        self.theme = theme

    def sizeHint(  # noqa: N802 (Qt's form)
        self, option: QStyleOptionViewItem, index: Index
    ) -> QSize:
        """Return the size of a row."""
        return QSize(super().sizeHint(option, index).width(), _ROW)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint a row."""
        finding: Finding = index.data(_FINDING)
        box = QRectF(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(box, QColor(self.theme.selection))
        painter.setPen(QPen(QColor(self.theme.finding(finding.kind)), 2))
        painter.drawEllipse(QRectF(box.left() + 17, box.top() + 10, 8, 8))
        painter.setFont(font(13))
        when = wording.clock(finding.onset)
        width = painter.fontMetrics().horizontalAdvance(when)
        painter.setPen(QColor(self.theme.muted))
        right = QRectF(box.right() - width - 16, box.top() + 21, width, 18)
        painter.drawText(right, Qt.AlignmentFlag.AlignVCenter, when)
        what, _, measures = wording.describe(finding).partition(", ")
        words = QRectF(box.left() + 34, box.top() + 4, box.width() - 50, 18)
        painter.setPen(QColor(self.theme.ink))
        text = painter.fontMetrics().elidedText(
            what, Qt.TextElideMode.ElideRight, int(words.width())
        )
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, text)
        words.moveTop(box.top() + 21)
        painter.setFont(font(11))
        painter.setPen(QColor(self.theme.muted))
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, measures)
        painter.restore()
