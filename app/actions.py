"""Every user action, declared once: menus, shortcuts, help and tests are made from this table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class View(StrEnum):
    """A view of the window, in which an action can be used."""

    UNLOCK = "unlock"
    WORKLIST = "worklist"
    READING = "reading"
    SUMMARY = "summary"


_OPEN_VAULT = frozenset({View.WORKLIST, View.READING, View.SUMMARY})
_READING = frozenset({View.READING})
_SUMMARY = frozenset({View.SUMMARY})
_EVERYWHERE = frozenset(View)


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a user can do.

    Parameters
    ----------
    id : str
        Names it in the program.
    text : str
        Names it in the menu and in the help.
    keys : tuple of str
        Shortcuts, as Qt writes them; the first one is shown.
    menu : str
        Where it stands.
    views : frozenset of View
        Where it can be used.
    """

    id: str
    text: str
    keys: tuple[str, ...]
    menu: str
    views: frozenset[View]


ACTIONS = (
    Action("open", "Open recording…", ("Ctrl+O",), "File", _OPEN_VAULT),
    Action("worklist", "List of recordings", ("Esc",), "File", _READING),
    Action("search", "Filter the list", ("Ctrl+K", "Ctrl+F"), "File", _OPEN_VAULT),
    Action("cancel", "Stop the analysis", ("Ctrl+.",), "File", _OPEN_VAULT),
    Action("lock", "Lock", ("Ctrl+L",), "File", _OPEN_VAULT),
    Action("idle", "Lock when nobody is there…", ("Ctrl+Shift+L",), "File", _EVERYWHERE),
    Action("emergency", "Emergency access…", ("Ctrl+Shift+E",), "File", _OPEN_VAULT),
    Action("quit", "Quit", ("Ctrl+Q",), "File", _EVERYWHERE),
    Action("next_finding", "Next finding", ("N",), "Go", _READING),
    Action("previous_finding", "Previous finding", ("P",), "Go", _READING),
    Action("next_ectopic", "Next ectopic beat", ("Ctrl+Right",), "Go", _READING),
    Action("previous_ectopic", "Previous ectopic beat", ("Ctrl+Left",), "Go", _READING),
    Action("second_on", "One second on", ("Right",), "Go", _READING),
    Action("second_back", "One second back", ("Left",), "Go", _READING),
    Action("page_on", "One page on", ("PgDown", "Space"), "Go", _READING),
    Action("page_back", "One page back", ("PgUp", "Shift+Space"), "Go", _READING),
    Action("to_start", "Start of the recording", ("Home",), "Go", _READING),
    Action("to_end", "End of the recording", ("End",), "Go", _READING),
    Action("tracing", "Back to the tracing", ("Esc", "R"), "Go", _SUMMARY),
    Action("summary", "Summary of the recording", ("R",), "View", _READING),
    Action("zoom_in", "Faster paper", ("+", "="), "View", _READING),
    Action("zoom_out", "Slower paper", ("-",), "View", _READING),
    Action("gain_up", "Higher gain", ("Shift+Up",), "View", _READING),
    Action("gain_down", "Lower gain", ("Shift+Down",), "View", _READING),
    Action("standard", "25 mm/s, 10 mm/mV", ("0",), "View", _READING),
    Action("whole", "Whole recording", ("W",), "View", _READING),
    Action("theme", "Light or dark", ("Ctrl+D",), "View", _EVERYWHERE),
    Action("calibrate", "Calibrate the screen…", (), "View", _EVERYWHERE),
    Action("help", "All keys", ("?", "F1"), "Help", _EVERYWHERE),
)

BY_ID = {action.id: action for action in ACTIONS}
