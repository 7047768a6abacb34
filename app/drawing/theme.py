"""Every colour of the program, by what it means."""

from __future__ import annotations

from dataclasses import dataclass

from app.report import UNREADABLE
from signals.ecg.beat import BeatClass


@dataclass(frozen=True, slots=True)
class Theme:
    """A set of colours, each ``#RRGGBB``.

    Parameters
    ----------
    name : str
        ``light`` or ``dark``.
    surface, panel, ink, muted, hairline : str
        Behind everything, behind controls, text, less important text, thin lines.
    accent, on_accent : str
        Focus and selection, and text on them; used for nothing else.
    selection : str
        Behind a selected row.
    paper, grid_minor, grid_major, trace, trace_far : str
        Of the tracing; the last where it is seen from so far that it is a surface, not a line.
    hatch : str
        Of stretches that cannot be read.
    normal_beat : str
        Of the mark of a normal beat.
    error : str
        Text that says what went wrong.
    """

    name: str
    surface: str
    panel: str
    ink: str
    muted: str
    hairline: str
    accent: str
    on_accent: str
    selection: str
    paper: str
    grid_minor: str
    grid_major: str
    trace: str
    trace_far: str
    hatch: str
    normal_beat: str
    error: str

    def beat(self, beat_class: BeatClass) -> str:
        """Return the colour of a class of beats."""
        return _ECTOPIC.get(beat_class, self.normal_beat)

    def finding(self, kind: str) -> str:
        """Return the colour of a kind of finding (:attr:`app.report.Finding.kind`)."""
        if kind == "atrial fibrillation":
            return _ATRIAL_FIBRILLATION
        if "supraventricular" in kind:
            return _ECTOPIC[BeatClass.S]
        if "ventricular" in kind and "atrioventricular" not in kind:
            return _ECTOPIC[BeatClass.V]
        return self.hatch if kind == UNREADABLE else self.normal_beat


# Okabe and Ito, "Color Universal Design" (2008): told apart by colour-blind eyes too.
_ECTOPIC = {
    BeatClass.S: "#0072B2",
    BeatClass.V: "#D55E00",
    BeatClass.F: "#CC79A7",
    BeatClass.Q: "#7F7F7F",
}
_ATRIAL_FIBRILLATION = "#56B4E9"

LIGHT = Theme(
    name="light",
    surface="#FAFAF8",
    panel="#FFFFFF",
    ink="#1B1F23",
    muted="#5C6670",
    hairline="#D9DCE0",
    accent="#0F766E",
    on_accent="#FFFFFF",
    selection="#D8EBE8",
    paper="#FFFFFF",
    grid_minor="#F6D9D6",
    grid_major="#EDB4AE",
    trace="#15181B",
    trace_far="#4E5A63",
    hatch="#9AA3AB",
    normal_beat="#5C6670",
    error="#8A1C12",
)

DARK = Theme(
    name="dark",
    surface="#101418",
    panel="#171C21",
    ink="#E6E9EC",
    muted="#98A2AC",
    hairline="#2A3138",
    accent="#2DD4BF",
    on_accent="#0B1215",
    selection="#173B39",
    paper="#101418",
    grid_minor="#1E2A2A",
    grid_major="#2B3C3B",
    trace="#D7F5E3",
    trace_far="#8DB3A1",
    hatch="#66707A",
    normal_beat="#98A2AC",
    error="#F0A79E",
)

THEMES = {theme.name: theme for theme in (LIGHT, DARK)}
