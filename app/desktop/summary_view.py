"""The summary of a recording: every table of its report on one page, to go on from."""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QTextBrowser, QVBoxLayout, QWidget

from app.desktop.widgets import button, label, line
from app.desktop.worklist_model import facts, title
from app.drawing.text import font
from app.tables import NONE, NOT_MEASURABLE, Table, main_tables, summary_tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.drawing.theme import Theme
    from app.report import Report
    from app.vault import StoredRecording

_EARLIER = "This recording was analysed by an earlier version of Tracekeep, which made no summary."
_COLUMN = 392
_GAP = 24
_MARGIN = 16
_MOST_NARROW = 5
"""Columns of a table that stands beside others; a wider one has the width of the page."""
_NOTE_LETTERS = 60
"""Of a line of a note."""
_FAINT = frozenset({"0", "0.0 %", NONE, NOT_MEASURABLE})
_SCHEME = "at"


class SummaryView(QWidget):
    """Shows a report's tables; a click, or Tab and Enter, on a row that has a moment goes there.

    Parameters
    ----------
    theme : Theme
        Its colours.
    parent : QWidget
        Owner.
    """

    left = Signal()
    """Back to the tracing."""
    went = Signal(float)
    """The second of the recording to show."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("view")
        self._theme = theme
        self._report: Report | None = None
        self._columns = 0
        self._title = label("", "heading", self)
        self._facts = label("", "muted", self)
        self.page = QTextBrowser(self)
        self.page.setObjectName("page")
        self.page.setFrameShape(QTextBrowser.Shape.NoFrame)
        self.page.setAccessibleName("Summary")
        self.page.setFont(font(13))
        self.page.setOpenLinks(False)
        self.page.anchorClicked.connect(self._go)
        self.page.document().setDocumentMargin(_MARGIN)

        head = QHBoxLayout()
        head.setContentsMargins(16, 8, 16, 8)
        head.setSpacing(16)
        head.addWidget(button("‹ Tracing", "link", self, self.left.emit))
        head.addWidget(self._title)
        head.addWidget(self._facts)
        head.addStretch(1)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        rows.addLayout(head)
        rows.addWidget(line(self))
        rows.addWidget(self.page, 1)

    def show_recording(self, stored: StoredRecording, report: Report) -> None:
        """Show the summary of a recording, from the top."""
        self._title.setText(title(stored))
        self._facts.setText(f"{facts(stored)} · proposed, not confirmed")
        self._report = report
        self._set_page()

    def forget(self) -> None:
        """Show nothing."""
        self._title.clear()
        self._facts.clear()
        self._report = None
        self._set_page()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        self._set_page()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's form)
        """Use as many columns as there is room for."""
        super().resizeEvent(event)
        if self._columns_now() != self._columns:
            self._set_page()

    def _columns_now(self) -> int:
        room = self.width() - 2 * _MARGIN - self.page.verticalScrollBar().sizeHint().width()
        return max(1, (room + _GAP) // (_COLUMN + _GAP))

    def _set_page(self) -> None:
        self._columns = self._columns_now()
        if self._report is None:
            self.page.clear()
            return
        bar = self.page.verticalScrollBar()
        before = bar.value()
        self.page.setHtml(_html(self._report, self._columns, self._theme))
        bar.setValue(before)

    def _go(self, to: QUrl) -> None:
        self.went.emit(float(to.path()))


def _html(report: Report, columns: int, theme: Theme) -> str:
    """Return the page, in the part of HTML that Qt knows."""
    head = f"""<style>
    p.title {{ font-size: 15px; font-weight: 600; margin: 12px 0 4px 0; }}
    td, th {{ padding: 3px 5px; }}
    td {{ border-bottom: 1px solid {theme.hairline}; }}
    th {{ font-weight: 400; font-size: 11px; color: {theme.muted};
      border-bottom: 1px solid {theme.muted}; }}
    td.place {{ border: 0; padding: 0; }}
    p.note {{ font-size: 11px; color: {theme.muted}; margin: 6px 0 8px 0; }}
    span.faint {{ color: {theme.muted}; }}
    a {{ color: {theme.accent}; text-decoration: none; }}
    </style>"""
    tables = [*main_tables(report), *summary_tables(report)]
    parts = [head, f"<p>{_EARLIER}</p><br>"] if report.summary is None else [head]
    for wide, group in groupby(tables, key=lambda table: len(table.header) > _MOST_NARROW):
        if wide:
            parts += [_table(table, "99%") + "<br>" for table in group]
        else:
            parts.append(_side_by_side(list(group), columns))
    return "".join(parts)


def _side_by_side(tables: Sequence[Table], columns: int) -> str:
    """Return tables in columns of much the same length, in their order as far as that goes."""
    heights = [_height(table) for table in tables]
    places: list[list[int]] = [[] for _ in range(columns)]
    for index in sorted(range(len(tables)), key=lambda index: -heights[index]):
        min(places, key=lambda place: sum(heights[i] for i in place)).append(index)
    cells = (
        f'<td class="place" width="{_COLUMN}" valign="top">'
        f"{''.join(_table(tables[index], str(_COLUMN)) for index in sorted(place))}</td>"
        for place in sorted(filter(None, places), key=min)
    )
    gap = f'<td class="place" width="{_GAP}"></td>'
    return f'<table cellspacing="0"><tr>{gap.join(cells)}</tr></table>'


def _height(table: Table) -> int:
    """Return about how many rows a table is high with all that belongs to it."""
    return 3 + len(table.rows) + len(table.note) // _NOTE_LETTERS


def _table(table: Table, width: str) -> str:
    rows = [f"<tr>{_cells('th', table.header)}</tr>"] if any(table.header) else []
    moments: Iterable[float | None] = table.moments or (None,) * len(table.rows)
    for row, moment in zip(table.rows, moments, strict=True):
        rows.append(f"<tr>{_cells('td', row, moment)}</tr>")
    note = f'<p class="note">{escape(table.note) or "&nbsp;"}</p>'
    body = f'<table width="{width}" cellspacing="0">{"".join(rows)}</table>'
    return f'<p class="title">{escape(table.title)}</p>{body}{note}'


def _cells(tag: str, cells: Sequence[str], moment: float | None = None) -> str:
    """Return the cells of a row; the first is a link where the row has a moment."""
    first, *others = map(escape, cells)
    if moment is not None:
        first = f'<a href="{_SCHEME}:{moment}">{first}</a>'
    shown = (f'<span class="faint">{cell}</span>' if cell in _FAINT else cell for cell in others)
    values = (f'<{tag} align="right">{cell}</{tag}>' for cell in shown)
    return f'<{tag} align="left">{first}</{tag}>{"".join(values)}'
