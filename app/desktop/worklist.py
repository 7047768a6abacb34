"""The list of recordings, filtered by typing, with the line that says what is being analysed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QModelIndex, QRectF, QSortFilterProxyModel, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QStackedLayout,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from app.desktop.widgets import button, label, line
from app.desktop.worklist_model import FINDINGS, SEARCHED, STATE, WHO, WorklistModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtCore import QObject, QPersistentModelIndex

    from app.drawing.theme import Theme
    from app.vault import StoredRecording

_ROW = 40
_WIDTHS = (120, 200, 160, 150, 110, 140, 360, 150)


class WorklistView(QWidget):
    """All recordings of the vault.

    Parameters
    ----------
    theme : Theme
        Its colours.
    open_files : callable
        Asks for files.
    parent : QWidget
        Owner.
    """

    chosen = Signal(str)
    """Id of the recording to read."""

    def __init__(self, theme: Theme, open_files: Callable[[], object], parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("view")
        self.model = WorklistModel(self)
        self._filtered = QSortFilterProxyModel(self)
        self._filtered.setSourceModel(self.model)
        self._filtered.setFilterKeyColumn(-1)
        self._filtered.setFilterRole(SEARCHED)
        self._filtered.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.search = QLineEdit(self)
        self.search.setPlaceholderText("Filter by patient, finding, date …")
        self.search.setClearButtonEnabled(True)
        self.search.setFixedWidth(320)
        self.search.textChanged.connect(self._filter)
        self.search.installEventFilter(self)
        self._count = label("", "muted", self)
        self._state = _StateDelegate(theme, self)
        self.table = self._make_table()
        self._nothing = label("", "muted", self)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)

        head = QHBoxLayout()
        head.setContentsMargins(12, 12, 12, 12)
        head.setSpacing(12)
        head.addWidget(label("Recordings", "heading", self))
        head.addWidget(self._count)
        head.addStretch(1)
        head.addWidget(self.search)
        head.addWidget(button("Open recording…", "primary", self, open_files))
        self._body = QStackedLayout()
        self._body.addWidget(self.table)
        self._body.addWidget(self._nothing)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        rows.addLayout(head)
        rows.addWidget(line(self))
        rows.addLayout(self._body, 1)

    def set_recordings(self, stored: Sequence[StoredRecording]) -> None:
        """Show these, and keep the row that was chosen."""
        before = self._current_id()
        self.model.set_recordings(stored)
        self._update()
        self.select(before or (stored[0].id if stored else ""))

    def add(self, stored: StoredRecording) -> None:
        """Show one more, unless it is there already."""
        if self.model.row_of(stored.id) is None:
            self.model.add(stored)
            self._update()

    def select(self, recording_id: str) -> None:
        """Choose a row, if it is shown."""
        row = self.model.row_of(recording_id)
        if row is not None:
            shown = self._filtered.mapFromSource(self.model.index(row, 0))
            if shown.isValid():
                self.table.selectRow(shown.row())

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._state.theme = theme
        self.table.viewport().update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt's form)
        """Let the arrows and Enter work in the table while the filter is typed."""
        if watched is self.search and isinstance(event, QKeyEvent):
            pressed = event.type() == QEvent.Type.KeyPress
            if pressed and event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Up):
                self.table.setFocus()
                if not self.table.currentIndex().isValid():
                    self.table.selectRow(0)
                return True
            if pressed and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._activate(self.table.currentIndex())
                return True
        return super().eventFilter(watched, event)

    def _make_table(self) -> QTableView:
        table = QTableView(self)
        table.setModel(self._filtered)
        table.setItemDelegateForColumn(STATE, self._state)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setShowGrid(False)
        table.setWordWrap(False)
        table.setTabKeyNavigation(False)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(_ROW)
        head = table.horizontalHeader()
        head.setHighlightSections(False)
        head.setMinimumSectionSize(80)
        for column, width in enumerate(_WIDTHS):
            table.setColumnWidth(column, width)
        head.setSectionResizeMode(WHO, QHeaderView.ResizeMode.Interactive)
        head.setSectionResizeMode(FINDINGS, QHeaderView.ResizeMode.Stretch)
        table.activated.connect(self._activate)
        return table

    def _filter(self, text: str) -> None:
        self._filtered.setFilterFixedString(text.strip())
        self._update()
        if self._filtered.rowCount():
            self.table.selectRow(0)

    def _update(self) -> None:
        all_of_them, shown = self.model.rowCount(), self._filtered.rowCount()
        self._count.setText(str(shown) if shown == all_of_them else f"{shown} of {all_of_them}")
        if not all_of_them:
            self._nothing.setText(
                "No recordings yet.\n\n"
                "Drop a file here, or press Ctrl+O. WFDB, EDF and BDF are read."
            )
        else:
            self._nothing.setText("Nothing matches.\n\nClear the filter to see all recordings.")
        self._body.setCurrentWidget(self.table if shown else self._nothing)

    def _current_id(self) -> str:
        index = self.table.currentIndex()
        if not index.isValid():
            return ""
        return self.model.recording(self._filtered.mapToSource(index).row()).id

    def _activate(self, index: QModelIndex) -> None:
        if index.isValid():
            self.chosen.emit(self.model.recording(self._filtered.mapToSource(index).row()).id)


class _StateDelegate(QStyledItemDelegate):
    """Puts the mark of the state before its word: hollow while nobody confirmed it."""

    def __init__(self, theme: Theme, parent: QObject) -> None:
        super().__init__(parent)
        self.theme = theme

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        """Paint the cell with its mark."""
        self.initStyleOption(option, index)
        option.text = f"     {index.data()}"
        view = self.parent()
        assert isinstance(view, WorklistView)
        style = view.style()
        style.drawControl(style.ControlElement.CE_ItemViewItem, option, painter, view.table)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(self.theme.ink), 1.5))
        box = option.rect
        painter.drawEllipse(QRectF(box.left() + 14, box.center().y() - 4, 9, 9))
        painter.restore()
