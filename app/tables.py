"""A report as tables of words: for the terminal, the window and paper."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from app.report import UNREADABLE
from app.wording import (
    class_name,
    clock,
    is_worth_telling,
    kind_name,
    measurement_name,
    measurement_value,
)
from signals.ecg.beat import BeatClass
from signals.ecg.families import OTHER
from signals.ecg.qtc import QtFormula

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.report import Beats, Family, Hour, Report, StripRhythm, Summary
    from signals.ecg.ectopy import ExtremeRun
    from signals.ecg.hrv import HrvSummary
    from signals.ecg.intervals import Measured

NONE = "–"
"""Not measurable, or none; where there is room, :data:`NOT_MEASURABLE`."""
NOT_MEASURABLE = "not measurable"
_LEAST_HOURS = 2
_FAMILIES_SHOWN = 8
_LEAST_PERCENT = 0.05  # of a share; less would be written as none
_RHYTHMS = {
    "sinus": "sinus rhythm",
    "fibrillation": "atrial fibrillation",
    "other": "another rhythm",
    "unreadable": "unreadable",
}
_WORTH_A_WORD = 5  # percent from which another rhythm is named
_BY_THE_MEDIAN_BEAT_S = 60.0
"""From this length on intervals have a spread and windows of 10 s differ."""
_UNTOLD = "Fusion beats are seldom told rightly; paced beats are not recognised."
_INTERVALS = frozenset({"pr", "qrs", "qt", "qtc_bazett", "qtc_fridericia", "frontal_axis"})
_SHARES = frozenset({"ventricular_burden", "supraventricular_burden"})
_TEN_SECONDS = frozenset({"heart_rate_min", "heart_rate_max"})


@dataclass(frozen=True, slots=True)
class Table:
    """Words in rows and columns: names in the first one, to the left; values in the others.

    Parameters
    ----------
    title : str
        What it shows.
    header : tuple of str
        One for each column; the first is that of the rows' names.
    rows : tuple of tuple of str
        As long as the header.
    note : str
        What a reader must know of it; may be empty.
    moments : tuple of float or None
        For each row, the second of the recording that shows it; empty where rows have none.
    brief : tuple of str
        Of a wide table, the columns that matter most, where there is no room for all.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    moments: tuple[float | None, ...] = ()
    brief: tuple[str, ...] = ()


def main_tables(report: Report) -> Iterator[Table]:
    """Yield what every report has: its measurements and its beats by class."""
    yield _heart(report)
    yield _beats(report.beats)


def summary_tables(report: Report) -> Iterator[Table]:
    """Yield what a report's summary adds; none for a report of version 1, or without beats."""
    summary = report.summary
    if summary is None or not len(report.beats):
        return
    yield _intervals(summary)
    if summary.ventricular.beats or summary.supraventricular.beats:
        yield _ectopy(summary)
    if any(strip.onset > 0 for strip in summary.strips):  # else all is on the first page
        yield _strips(report, summary)
    if len(summary.hours) >= _LEAST_HOURS:
        yield _hours(report, summary)
    if summary.variability.rmssd_ms is not None:  # what needs least
        yield _variability(summary.variability)
    if any(st.j60 for st in summary.intervals.st):
        yield _st(summary)
    if len(summary.families) > 1 and report.beats.families is not None:
        yield _families(report.beats, summary.families)


def _heart(report: Report) -> Table:
    left_out = _SHARES | (_INTERVALS if report.summary is not None else frozenset())
    if report.subject.duration_s < _BY_THE_MEDIAN_BEAT_S:
        left_out |= _TEN_SECONDS
    rows = [
        (measurement_name(found), measurement_value(found), found.at)
        for found in report.measurements
        if found.name not in left_out and is_worth_telling(found)
    ]
    if report.summary is not None:
        if report.summary.rhythm is not None:
            rows.insert(0, ("Rhythm, by the model", _rhythm(report.summary.rhythm), None))
        ectopy = (
            ("V", report.summary.ventricular),
            ("S", report.summary.supraventricular),
        )
        for name, counts in ectopy:
            rows += _run(f"Longest {name} run", counts.longest_run)
            if counts.fastest_run != counts.longest_run:
                rows += _run(f"Fastest {name} run", counts.fastest_run)
        variability = report.summary.variability
        if variability.rmssd_ms is None and report.subject.duration_s >= _BY_THE_MEDIAN_BEAT_S:
            share = variability.nn_share
            why = NOT_MEASURABLE if share is None else f"too few NN: {100 * share:.0f} %"
            rows.append(("Heart-rate variability", why, None))
    return Table(
        "Heart rate and rhythm",
        ("", "", "At"),
        tuple((name, value, "" if at is None else clock(at)) for name, value, at in rows),
        moments=tuple(at for _, _, at in rows),
    )


def _rhythm(found: StripRhythm) -> str:
    (first, most), *others = found.percent.items()
    worth = [(first, most), *(one for one in others if one[1] >= _WORTH_A_WORD)]
    told = [f"{_RHYTHMS.get(name, name)} {share} %" for name, share in worth]
    return ("not sure: " if found.unsure else "") + ", ".join(told)


def _run(name: str, run: ExtremeRun | None) -> list[tuple[str, str, float | None]]:
    if run is None:
        return []
    return [(name, f"{run.n_beats:,} beats, {run.rate_bpm:.0f} bpm", run.onset)]


def _beats(beats: Beats) -> Table:
    rows = tuple(
        (_capital(f"{class_name(cls)} ({cls.name})"), f"{count:,}", _share(count, len(beats)))
        for cls, count in beats.counts().items()
    )
    if beats.unsure is not None and len(beats.unsure):
        unsure = len(beats.unsure)
        rows += (("Of all classes, not sure", f"{unsure:,}", _share(unsure, len(beats))),)
    return Table("Beats", ("", "Number", "Share"), rows, _UNTOLD)


def _share(part: float, whole: float) -> str:
    if not whole:
        return NONE
    percent = 100 * part / whole
    return "< 0.1 %" if 0 < percent < _LEAST_PERCENT else f"{percent:.1f} %"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _intervals(summary: Summary) -> Table:
    found = summary.intervals

    def row(name: str, measured: Measured | None, unit: str, scale: float) -> tuple[str, ...]:
        if measured is None:
            return (name, NOT_MEASURABLE, "", "")
        spread = NONE if measured.spread is None else f"{scale * measured.spread:,.0f}{unit}"
        return (name, f"{scale * measured.value:,.0f}{unit}", spread, f"{measured.n_beats:,}")

    rows = (
        *(
            row(name, measured, " ms", 1000.0)
            for name, measured in (
                ("RR", found.rr),
                ("PR", found.pr),
                ("QRS", found.qrs),
                ("QT", found.qt),
                *((f"QTc ({formula})", found.qtc[formula]) for formula in QtFormula),
            )
        ),
        row("Frontal QRS axis", found.axis, "°", 1.0),
    )
    if found.end_s - found.start_s < _BY_THE_MEDIAN_BEAT_S:
        return Table(
            "Intervals",
            ("", "", "Beats"),
            tuple((name, value, n) for name, value, _, n in rows),
            "Measured on the median of so many normal beats.",
        )
    return Table(
        "Intervals",
        ("", "Median", "IQR", "Beats"),
        rows,
        "Of steady normal beats of the most frequent shape. IQR, interquartile range: "
        "how far apart the middle half of the beats lies.",
    )


def _ectopy(summary: Summary) -> Table:
    names = (
        ("Single beats", "singles"),
        ("Couplets", "couplets"),
        ("Runs of 3 to 5", "short_runs"),
        ("Runs of 6 or more", "long_runs"),
        ("Beats in bigeminy", "bigeminy_beats"),
        ("Beats in trigeminy", "trigeminy_beats"),
        ("R-on-T beats", "r_on_t"),
    )
    kinds = (summary.ventricular, summary.supraventricular)
    return Table(
        "Ectopic beats",
        ("", "Ventricular", "Supraventricular"),
        tuple((name, *(f"{getattr(kind, value):,}" for kind in kinds)) for name, value in names),
        "R on T is told by time alone: it is to be looked at.",
    )


def _strips(report: Report, summary: Summary) -> Table:
    return _with_clock(
        report,
        Table(
            "Strips to look at",
            ("", "From"),
            tuple((_criterion(strip.criterion), clock(strip.onset)) for strip in summary.strips),
            moments=tuple(strip.onset for strip in summary.strips),
        ),
    )


def _criterion(criterion: str) -> str:
    """Return why a strip was chosen; what is only suspected is called so."""
    which, _, kind = criterion.partition(" ")
    if which != "longest" or not kind:
        return _capital(criterion)
    name, _, _ = kind_name(kind).partition(" (")
    return f"Longest {name[0].lower()}{name[1:]}{' stretch' if kind == UNREADABLE else ''}"


def _hours(report: Report, summary: Summary) -> Table:
    v, s = BeatClass.V, BeatClass.S
    formula = QtFormula.FRIDERICIA
    columns: dict[str, Callable[[Hour], str]] = {
        "Beats": lambda hour: f"{sum(hour.beats):,}",
        "HR min": lambda hour: _number(hour.heart_rate_min),
        "HR mean": lambda hour: _number(hour.heart_rate_mean),
        "HR max": lambda hour: _number(hour.heart_rate_max),
        "V": lambda hour: f"{hour.beats[v]:,}",
        "V pairs": lambda hour: f"{hour.ventricular.couplets:,}",
        "V runs": lambda hour: f"{hour.ventricular.short_runs + hour.ventricular.long_runs:,}",
        "S": lambda hour: f"{hour.beats[s]:,}",
        "S pairs": lambda hour: f"{hour.supraventricular.couplets:,}",
        "S runs": lambda hour: (
            f"{hour.supraventricular.short_runs + hour.supraventricular.long_runs:,}"
        ),
        "Pauses": lambda hour: f"{hour.pauses:,}",
        "RR max": lambda hour: _number(hour.longest_rr_s, 2),
        "AF %": lambda hour: _percent(hour.af_s, hour.end_s - hour.start_s - hour.unreadable_s),
        "Unread. %": lambda hour: _percent(hour.unreadable_s, hour.end_s - hour.start_s),
        "PR": lambda hour: _milliseconds(hour.intervals.pr),
        "QRS": lambda hour: _milliseconds(hour.intervals.qrs),
        "QT": lambda hour: _milliseconds(hour.intervals.qt),
        "QTcF": lambda hour: _milliseconds(hour.intervals.qtc[formula]),
    }
    cells = {name: tuple(map(cell, summary.hours)) for name, cell in columns.items()}
    shown = {name: column for name, column in cells.items() if set(column) != {NONE}}
    starts = tuple(clock(hour.start_s) for hour in summary.hours)
    return _with_clock(
        report,
        Table(
            "Hour by hour",
            ("From", *shown),
            tuple(zip(starts, *shown.values(), strict=True)),
            "HR: heart rate, bpm, least and greatest over 10 s. V, S: ventricular and "
            "supraventricular ectopic beats. RR max in s; AF: suspected atrial fibrillation, of "
            "what can be read; PR, QRS, QT and QTcF (Fridericia) in ms.",
            tuple(hour.start_s for hour in summary.hours),
            (
                *("From", "Clock", "Beats", "HR min", "HR mean", "HR max", "V", "V runs"),
                *("S", "S runs", "Pauses", "AF %", "Unread. %"),
            ),
        ),
    )


def _with_clock(report: Report, table: Table) -> Table:
    """Return the table with the time of day behind the time from the start, if it is known."""
    start = report.subject.start
    if start is None:
        return table
    at = table.header.index("From") + 1

    def told(row: tuple[str, ...], of_day: str) -> tuple[str, ...]:
        return (*row[:at], of_day, *row[at:])

    days = [start + timedelta(seconds=moment or 0.0) for moment in table.moments]
    return Table(
        table.title,
        told(table.header, "Clock"),
        tuple(told(row, f"{day:%H:%M}") for row, day in zip(table.rows, days, strict=True)),
        table.note,
        table.moments,
        table.brief,
    )


def _percent(seconds: float, whole: float) -> str:
    if whole <= 0:
        return NONE
    return f"{min(100.0, 100 * seconds / whole):.1f}" if seconds else "0"


def _number(value: float | None, digits: int = 0) -> str:
    return NONE if value is None else f"{value:,.{digits}f}"


def _milliseconds(found: Measured | None) -> str:
    return f"{1000 * found.value:.0f}" if found else NONE


def _variability(found: HrvSummary) -> Table:
    every = (
        ("Mean NN", _number(found.mean_nn_ms), " ms"),
        ("SDNN", _number(found.sdnn_ms), " ms"),
        ("SDANN", _number(found.sdann_ms), " ms"),
        ("SDNN index", _number(found.sdnn_index_ms), " ms"),
        ("RMSSD", _number(found.rmssd_ms), " ms"),
        ("pNN50", _number(found.pnn50_percent, 1), " %"),
        ("Triangular index", _number(found.triangular_index, 1), ""),
        ("TINN", _number(found.tinn_ms), " ms"),
        ("ULF power", _number(found.ulf_ms2), " ms²"),
        ("VLF power", _number(found.vlf_ms2), " ms²"),
        ("LF power", _number(found.lf_ms2), " ms²"),
        ("HF power", _number(found.hf_ms2), " ms²"),
        ("LF/HF", _number(found.lf_hf, 2), ""),
        ("SD1", _number(found.sd1_ms), " ms"),
        ("SD2", _number(found.sd2_ms), " ms"),
        ("DFA α1", _number(found.dfa_alpha1, 2), ""),
        ("DFA α2", _number(found.dfa_alpha2, 2), ""),
        ("Sample entropy", _number(found.sample_entropy, 2), ""),
    )
    rows = [(name, value + unit) for name, value, unit in every if value != NONE]
    if found.nn_share is not None:
        rows.insert(0, ("Time in NN intervals", f"{100 * found.nn_share:.1f} %"))
    missing = [name for name, value, _ in every if value == NONE]
    lacking = f"Not measurable here: {', '.join(missing)}. " if missing else ""
    return Table("Heart-rate variability", ("", "Value"), tuple(rows), f"{lacking}{found.method}.")


def _st(summary: Summary) -> Table:
    def level(found: Measured | None) -> str:
        return NONE if found is None else _signed(found.value, 2)

    def slope(found: Measured | None) -> str:
        return NONE if found is None else _signed(found.value, 1)

    return Table(
        "ST segment",
        ("Lead", "J + 60 ms", "J + 80 ms", "Slope"),
        tuple(
            (st.lead, level(st.j60), level(st.j80), slope(st.slope)) for st in summary.intervals.st
        ),
        "Levels in mV against the level before the QRS, slope from J to J + 80 ms in mV/s; "
        f"{NONE} is not measurable.",
    )


def _signed(value: float, digits: int) -> str:
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}" if rounded else f"{0:.{digits}f}"


def _families(beats: Beats, families: tuple[Family, ...]) -> Table:
    assert beats.families is not None
    known = [family for family in families if family.id != OTHER][:_FAMILIES_SHOWN]
    rows: list[tuple[str, ...]] = []
    moments: list[float | None] = []
    for family in known:
        own = np.flatnonzero(beats.families == family.id)
        usual = BeatClass(int(np.bincount(beats.classes[own]).argmax())) if len(own) else None
        name = f"{family.id}, mostly {class_name(usual)}" if usual is not None else f"{family.id}"
        first = float(beats.times[own[0]]) if len(own) else None
        when = NONE if first is None else clock(first)
        rows.append((name, f"{family.n_beats:,}", _share(family.n_beats, len(beats)), when))
        moments.append(first)
    rest = len(beats) - sum(family.n_beats for family in known)
    if rest:
        rows.append(("Other shapes", f"{rest:,}", _share(rest, len(beats)), ""))
        moments.append(None)
    return Table(
        "Beats by shape", ("Family", "Beats", "Share", "First"), tuple(rows), moments=tuple(moments)
    )
