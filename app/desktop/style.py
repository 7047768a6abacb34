"""The look of the controls, made from a theme's colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QColor, QPalette

from app.drawing.text import font

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from app.drawing.theme import Theme

_SHEET = """
* { font-size: 13px; }
QMainWindow, QDialog, #view { background: %(surface)s; }
QLabel { color: %(ink)s; background: transparent; }
QLabel[role="title"] { font-size: 28px; }
QLabel[role="heading"] { font-size: 15px; font-weight: 600; }
QLabel[role="muted"] { color: %(muted)s; }
QLabel[role="small"] { color: %(muted)s; font-size: 11px; }
QLabel[role="error"] { color: %(error)s; }
QLabel[role="badge"] { color: %(ink)s; border: 1px solid %(muted)s; border-radius: 4px;
  padding: 2px 8px; }
QLabel[role="key"] { font-size: 20px; background: %(panel)s; border: 1px solid %(hairline)s;
  border-radius: 4px; padding: 12px; }
QFrame#panel, QFrame#bar { background: %(panel)s; border: 0; }
QFrame#card { background: %(panel)s; border: 1px solid %(hairline)s; border-radius: 8px; }
QFrame#line { background: %(hairline)s; border: 0; }
QFrame#emergency { background: %(error)s; }
QFrame#emergency QLabel { color: %(panel)s; font-weight: 600; }
QFrame#message { background: %(panel)s; border: 1px solid %(error)s; border-radius: 4px; }
QLineEdit, QComboBox, QDoubleSpinBox { min-height: 30px; padding: 0 8px; color: %(ink)s;
  background: %(panel)s; border: 1px solid %(hairline)s; border-radius: 4px;
  selection-background-color: %(accent)s; selection-color: %(on_accent)s; }
QLineEdit:focus, QComboBox:focus, QDoubleSpinBox:focus { border: 1px solid %(accent)s; }
QDoubleSpinBox::up-button, QDoubleSpinBox::down-button { width: 0; border: 0; }
QDoubleSpinBox QLineEdit { min-height: 0; padding: 0 0 0 8px; border: 0;
  background: transparent; }
QComboBox::drop-down { border: 0; width: 20px; }
QComboBox QAbstractItemView { background: %(panel)s; color: %(ink)s; border: 1px solid %(hairline)s;
  selection-background-color: %(selection)s; selection-color: %(ink)s; }
QPushButton, QToolButton { min-height: 30px; padding: 0 12px; color: %(ink)s;
  background: %(panel)s; border: 1px solid %(hairline)s; border-radius: 4px; }
QPushButton:hover, QToolButton:hover { border-color: %(muted)s; }
QPushButton:focus, QToolButton:focus { border-color: %(accent)s; }
QPushButton:disabled, QToolButton:disabled { color: %(muted)s; }
QPushButton[role="primary"] { background: %(accent)s; color: %(on_accent)s;
  border-color: %(accent)s; font-weight: 600; }
QPushButton[role="primary"]:disabled { background: %(hairline)s; color: %(muted)s;
  border-color: %(hairline)s; }
QPushButton[role="link"] { background: transparent; border: 0; color: %(accent)s; padding: 0;
  text-align: left; }
QPushButton[role="link"]:focus { text-decoration: underline; }
QToolButton::menu-indicator { image: none; }
QTableView, QListView { background: %(panel)s; color: %(ink)s; border: 0; outline: 0;
  selection-background-color: %(selection)s; selection-color: %(ink)s; }
QTableView::item { padding: 0 9px; border-bottom: 1px solid %(hairline)s; }
QTableView::item:selected { background: %(selection)s; color: %(ink)s; }
QHeaderView { background: %(surface)s; }
QHeaderView::section { background: %(surface)s; color: %(muted)s; border: 0;
  border-bottom: 1px solid %(hairline)s; padding: 8px 12px; font-size: 11px; text-align: left; }
QMenuBar { background: %(surface)s; color: %(ink)s; }
QMenuBar::item { padding: 6px 10px; background: transparent; }
QMenuBar::item:selected { background: %(selection)s; }
QMenu { background: %(panel)s; color: %(ink)s; border: 1px solid %(hairline)s; padding: 4px; }
QMenu::item { padding: 6px 24px 6px 16px; }
QMenu::item:selected { background: %(selection)s; }
QMenu::item:disabled { color: %(muted)s; }
QProgressBar { background: %(hairline)s; border: 0; border-radius: 3px; max-height: 6px; }
QProgressBar::chunk { background: %(accent)s; border-radius: 3px; }
QScrollBar:vertical { background: transparent; width: 12px; margin: 0; }
QScrollBar:horizontal { background: %(surface)s; height: 14px; margin: 0; }
QScrollBar::handle { background: %(hairline)s; border-radius: 4px; margin: 3px; }
QScrollBar::handle:vertical { min-height: 32px; }
QScrollBar::handle:horizontal { min-width: 32px; }
QScrollBar::handle:hover { background: %(muted)s; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QSplitter::handle { background: %(hairline)s; }
QToolTip { background: %(panel)s; color: %(ink)s; border: 1px solid %(hairline)s; padding: 4px; }
QCheckBox { color: %(ink)s; spacing: 8px; }
"""


def style(application: QApplication, theme: Theme) -> None:
    """Give every control the theme's colours and the program's font."""
    palette = QPalette()
    for role, colour in (
        (QPalette.ColorRole.Window, theme.surface),
        (QPalette.ColorRole.WindowText, theme.ink),
        (QPalette.ColorRole.Base, theme.panel),
        (QPalette.ColorRole.Text, theme.ink),
        (QPalette.ColorRole.Button, theme.panel),
        (QPalette.ColorRole.ButtonText, theme.ink),
        (QPalette.ColorRole.Highlight, theme.accent),
        (QPalette.ColorRole.HighlightedText, theme.on_accent),
        (QPalette.ColorRole.PlaceholderText, theme.muted),
    ):
        palette.setColor(role, QColor(colour))
    application.setPalette(palette)
    application.setFont(font(13))
    colours = {name: getattr(theme, name) for name in theme.__dataclass_fields__}
    application.setStyleSheet(_SHEET % colours)
