"""What the card of the ventricular alarm says of how well it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ml.decision import Decision
from ml.tasks.ventricular import threshold_of
from ml.training.ventricular.data import STRIPS
from ml.training.ventricular.scoring import SHIFTS, pooled

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ml.training.ventricular.scoring import Counts

FALSE_AN_HOUR = 0.1
_EPISODES = "vfdb"
_UNSURE_BELOW = 0.9
"""Probability of the likelier class, up to which the card says apart how often it is right."""


def scores_of(measured: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return F1 of windows as alarmed, and what of vfdb is with 0.1 false alarms an hour."""
    noted = _noted(measured)
    total = pooled([cast("Counts", one) for one in noted.values()])
    at = _at_rate(noted)
    found = total["windows_alarmed"]
    return {
        "windows F1": 2 * found / max(1, found + total["windows"] + total["windows_false"]),
        "windows Se at 0.1/h": at["windows_se"],
        "episodes Se at 0.1/h": at["episodes_se"],
    }


def figures_of(measured: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Return the sections ``at_0.1_an_hour``, ``as_decided``, ``asked`` and ``records``.

    ``asked`` is the share of the seconds in which the network was, where episodes are noted.
    """
    return {
        "at_0.1_an_hour": {kind: _at_rate(_noted(records)) for kind, records in measured.items()},
        "as_decided": {kind: _as_decided(records) for kind, records in measured.items()},
        "asked": _asked(_noted(measured["int8"]).values()),
        "records": {
            name: {key: value for key, value in one.items() if key != "curve"}
            for name, one in measured["int8"].items()
            if one["windows"] or one["false_alarms"]
        },
    }


def report_of(card: Mapping[str, Any]) -> list[str]:
    """Return these sections as Markdown."""
    lines = [
        (
            "A window is the last 4 s, at each second, alarmed if there is an alarm at its end; it "
            "is positive where four fifths lie in an "
            "episode noted VT, VF or VFL (or in 3 and more ventricular beats at 100 a minute and "
            "more). Episodes of 4 s and more are found if there is an alarm between their begin "
            "and 8 s after their end. False alarms are those more than 2 s before and 8 s after "
            "all episodes; less than 10 s apart they are one. Stretches noted NOISE or ASYS are "
            "apart."
        ),
        "",
        (
            "The alarm is rule and network together. The rule's weights are fitted without the "
            "patient, but have seen cinc2017, whose row is not out of fold in them; how both are "
            "added up, and how an alarm begins and ends, was chosen on these same answers."
        ),
        "",
        (
            "The threshold moved alike in all folds until there is 0.1 of a false alarm an hour "
            "over all databases (on these records: what the alarm can tell apart, not how well a "
            "threshold holds elsewhere):"
        ),
        "",
        "| network | windows of vfdb alarmed | mean over records | episodes | false |",
        "|---|---|---|---|---|",
    ]
    for kind, at in card["at_0.1_an_hour"].items():
        lines.append(
            f"| {kind} | {at['windows_se']:.1%} | {at['windows_se_mean']:.1%} | "
            f"{at['episodes_se']:.1%} | {at['false_alarms']} in {at['hours']:.1f} h |"
        )
    lines += [
        "",
        (
            "Each fold by the threshold of the others (it stands beside each record; "
            f"{threshold_of(Decision.from_json(card['decision'])):g} ships, fitted on all), as "
            "int8:"
        ),
        "",
        (
            "| database | windows alarmed | episodes | delay, median, 90 % | false alarms | "
            "in doubt | network asked |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for database, one in card["as_decided"]["int8"].items():
        delay = one["delay_s"]
        lines.append(
            f"| {database} | {one['windows_alarmed']}/{one['windows']} | "
            f"{one['episodes_found']}/{one['episodes']} | "
            f"{f'{delay[0]:.1f}, {delay[1]:.1f} s' if delay else '-'} | "
            f"{one['false_alarms']} in {one['hours']:.1f} h | "
            f"{one['doubtful_alarms']} in {one['doubtful_hours']:.1f} h | "
            f"{one['asked']:.1%} of seconds |"
        )
    lines += [
        "",
        "| record | windows alarmed | episodes | false alarms at (s) | threshold |",
        "|---|---|---|---|---|",
    ]
    for name, one in card["records"].items():
        lines.append(
            f"| {name} | {one['windows_alarmed']}/{one['windows']} | "
            f"{len(one['delays_s'])}/{one['episodes']} | "
            f"{', '.join(map(str, one['false_at'])) or '-'} | {one['threshold']:g} |"
        )
    lines += [
        "",
        (
            f"The network was asked in {card['asked']:.1%} of the seconds of recordings with noted "
            "episodes. What is said of probabilities below is of all seconds of which anything is "
            "known; one in which it was not asked counts as 0.2 %. "
            f"{_overconfident(card['calibration']['reliability']['after'])}"
        ),
    ]
    return lines


def _overconfident(bins: Mapping[str, Sequence[float]]) -> str:
    """Say how often those answers are right of which the alarm is least sure."""
    share, promised, kept = (np.array(bins[name]) for name in ("share", "promised", "kept"))
    unsure = promised < _UNSURE_BELOW
    if not (total := share[unsure].sum()):
        return ""
    told, true = (float((share * values)[unsure].sum() / total) for values in (promised, kept))
    return (
        f"Where it is unsure it promises too much: answers given less than {_UNSURE_BELOW:.0%} "
        f"({total:.1%} of all) promise {told:.0%} in the mean, and {true:.0%} of them are right."
    )


def _noted(measured: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return what was measured where somebody has noted episodes."""
    return {name: one for name, one in measured.items() if not name.startswith(STRIPS)}


def _at_rate(measured: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the figures at the lowest threshold that keeps to FALSE_AN_HOUR from there on."""
    false = np.sum([one["curve"]["false_alarms"] for one in measured.values()], axis=0)
    hours = sum(one["hours"] for one in measured.values())
    too_many = np.flatnonzero(false > FALSE_AN_HOUR * hours)
    at = min(int(too_many[-1]) + 1, len(SHIFTS) - 1) if len(too_many) else 0
    of_vfdb = [
        one for name, one in measured.items() if name.startswith(_EPISODES) and one["windows"]
    ]
    windows = sum(one["windows"] for one in of_vfdb)
    found = [one["curve"]["windows_alarmed"][at] for one in of_vfdb]
    episodes = sum(one["episodes"] for one in of_vfdb)
    return {
        "shift": SHIFTS[at],
        "windows_se": sum(found) / max(1, windows),
        "windows_se_mean": float(
            np.mean([n / one["windows"] for n, one in zip(found, of_vfdb, strict=True)])
        )
        if of_vfdb
        else 0.0,
        "episodes_se": sum(one["curve"]["episodes_found"][at] for one in of_vfdb)
        / max(1, episodes),
        "false_alarms": int(false[at]),
        "hours": hours,
    }


def _as_decided(measured: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    by_database: dict[str, list[Any]] = {}
    for name, one in measured.items():
        by_database.setdefault(name.partition("/")[0], []).append(one)
    sections = {}
    for database, parts in by_database.items():
        total = pooled(parts)
        delays = total["delays_s"]
        sections[database] = {
            "windows": total["windows"],
            "windows_alarmed": total["windows_alarmed"],
            "episodes": total["episodes"],
            "episodes_found": len(delays),
            "delay_s": np.percentile(delays, (50, 90)).round(2).tolist() if delays else None,
            "false_alarms": total["false_alarms"],
            "hours": round(total["hours"], 2),
            "doubtful_alarms": total["doubtful_alarms"],
            "doubtful_hours": round(total["doubtful_hours"], 2),
            "asked": _asked(parts),
        }
    return sections


def _asked(parts: Collection[Mapping[str, Any]]) -> float:
    """Return the share of the seconds in which the network was asked."""
    asked, seconds = (sum(one[name] for one in parts) for name in ("seconds_asked", "seconds"))
    return float(asked / max(1, seconds))
