"""Which figures are shown together, under which words."""

from __future__ import annotations

from math import isnan, nan
from typing import TYPE_CHECKING, NamedTuple

from app.evaluation.record import EPISODES
from signals.ecg.ec57.runs import RunKind
from signals.ecg.ec57.waves import POINTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signals.ecg.ec57.share import Share

UNDEFINED = "–"


class Column(NamedTuple):
    """A figure: its name in a score's values, its title, its decimals, and how many make it."""

    name: str
    title: str
    decimals: int = 2
    is_counted: bool = False

    def shown(self, values: Mapping[str, float], shares: Mapping[str, Share] | None = None) -> str:
        """Return the figure as text, a dash where it is not defined.

        With the shares, a figure that is counted is followed by its counts: ``80 (4/5)``.
        """
        value = values.get(self.name, nan)
        if isnan(value):
            return UNDEFINED
        text = f"{value:.{self.decimals}f}"
        if not self.is_counted or shares is None:
            return text
        share = shares[self.name]
        return f"{text} ({share.part:.0f}/{share.whole:.0f})"


class Table(NamedTuple):
    """Figures with a title and a sentence about them."""

    title: str
    about: str
    columns: tuple[Column, ...]

    def is_scored(self, values: Mapping[str, float]) -> bool:
        """Return whether any of its figures was scored at all."""
        return any(column.name in values for column in self.columns)


_SE_PP = (("se", "Se"), ("pp", "+P"))
_WAVE_WORDS = {
    "p_on": "P onset",
    "p_peak": "P peak",
    "p_off": "P end",
    "qrs_on": "QRS onset",
    "r": "R peak",
    "qrs_off": "QRS end",
    "t_on": "T onset",
    "t_peak": "T peak",
    "t_off": "T end",
}


def _detection(window: str, words: str) -> Table:
    columns = [
        Column(f"{window}.{cls}_{figure}", f"{title} {word}")
        for cls, title in (("qrs", "QRS"), ("veb", "VEB"), ("sveb", "SVEB"))
        for figure, word in (*_SE_PP, *([("f1", "F1")] if cls == "qrs" else [("fpr", "FPR")]))
    ]
    columns.append(Column(f"{window}.clean", "10-s windows without error"))
    about = f"Percent. A detection belongs to a beat if it lies within {words} of it."
    return Table(f"Beat by beat, {words}", about, tuple(columns))


def _offset_table(window: str, words: str) -> Table:
    columns = [
        Column(f"{window}.{group}.{figure}_ms", f"{title}: {word}", 1)
        for group, title in (("all", "all beats"), ("N", "N"), ("V", "V"))
        for figure, word in (("mean", "mean"), ("median", "median"), ("sd", "SD"))
    ]
    about = "Milliseconds, ours minus the reference's mark. Gross: over all beats of all records."
    return Table(f"Where the R peak is marked, pairs within {words}", about, tuple(columns))


def _run_table(kind: RunKind) -> Table:
    columns = [
        Column(f"{kind.value}.{length}_{figure}", f"{title} {word}", 0, is_counted=True)
        for length, title in (
            ("couplet", "Couplets"),
            ("short", "Short runs (3–5)"),
            ("long", "Long runs (≥ 6)"),
        )
        for figure, word in _SE_PP
    ]
    about = "Percent; in brackets, how many of how many runs."
    return Table(f"Run by run, {kind.value}", about, tuple(columns))


def _episode_table(key: str, name: str) -> Table:
    columns = [
        Column(f"{key}.{weight}_{figure}", f"{title} {word}", is_counted=weight == "episode")
        for weight, title in (("episode", "Episodes"), ("duration", "Duration"))
        for figure, word in _SE_PP
    ]
    about = "Percent. Any overlap makes an episode found; durations weigh it by its length."
    return Table(f"Episodes of {name}", about, tuple(columns))


def _wave_table(point: str) -> Table:
    columns = [
        Column(f"{point}.se", "Se"),
        Column(f"{point}.pp", "+P"),
        Column(f"{point}.f1", "F1"),
        Column(f"{point}.mean_ms", "mean, ms", 1),
        Column(f"{point}.median_ms", "median, ms", 1),
        Column(f"{point}.sd_ms", "SD, ms", 1),
    ]
    about = "Percent, and milliseconds, ours minus the reference's mark."
    if point.startswith("p_"):
        about += " 100 less +P is the share of our marks where the reference has none."
    return Table(_WAVE_WORDS[point], about, tuple(columns))


READING_TABLES = (
    _detection("150ms", "150 ms"),
    _detection("50ms", "50 ms"),
    Table(
        "Beat by beat, 50 ms, the first five minutes included",
        "Percent. Not of EC57: the figure that detectors are compared by where exactness counts.",
        tuple(
            Column(f"50ms_whole.qrs_{figure}", f"QRS {word}")
            for figure, word in (*_SE_PP, ("f1", "F1"))
        ),
    ),
    _offset_table("150ms", "150 ms"),
    *(_run_table(kind) for kind in RunKind),
    *(_episode_table(key, name) for key, name in EPISODES.items()),
    Table(
        "Heart rate",
        "Root mean square error over windows of 10 s, in bpm and in percent of the reference's "
        "mean; windows that both have a heart rate for, and that the reference alone has.",
        (
            Column("heart_rate.rms_bpm", "RMS error, bpm"),
            Column("heart_rate.rms_percent", "RMS error, %"),
            Column("heart_rate.measured", "windows", 0),
            Column("heart_rate.unmeasured", "not measured", 0),
        ),
    ),
)
"""What two readings of a record are compared in, in the order of the page."""

WAVE_TABLES = tuple(_wave_table(point) for point in POINTS)
"""What the bounds of waves are compared in."""


_HEADLINE = (
    *(f"150ms.{figure}" for figure in ("qrs_se", "qrs_pp", "qrs_f1")),
    *(f"150ms.{figure}" for figure in ("veb_se", "veb_pp", "sveb_se", "sveb_pp")),
    "50ms.qrs_f1",
    "50ms_whole.qrs_f1",
    *(f"150ms.all.{figure}_ms" for figure in ("median", "sd")),
    *(f"{key}.{figure}" for key in EPISODES for figure in ("episode_se", "duration_se")),
    *(f"{key}.{figure}" for key in EPISODES for figure in ("episode_pp", "duration_pp")),
    "heart_rate.rms_bpm",
    *(f"{point}.{figure}" for point in POINTS for figure in ("f1", "mean_ms", "sd_ms")),
)


def headline(gross: Mapping[str, float], average: Mapping[str, float]) -> list[list[str]]:
    """Return rows of figure, gross and average: the ones that a short summary shows."""
    return [
        [f"{table.title}: {column.title}", column.shown(gross), column.shown(average)]
        for table in READING_TABLES + WAVE_TABLES
        for column in table.columns
        if column.name in gross and column.name in _HEADLINE
    ]
