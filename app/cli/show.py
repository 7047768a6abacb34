"""``tracekeep show``: what was found in one recording, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.list import facts
from app.cli.options import (
    Access,
    IdArgument,
    JsonOption,
    PassphraseCommandOption,
    PassphraseFileOption,
    RecoveryKeyFileOption,
    VaultOption,
)
from app.cli.output import say, say_json
from app.cli.words import moment, patient_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.report import Finding, Report
    from app.vault import StoredRecording

_FEW = 30  # findings that are all listed
_LONGEST = 3


def show(
    recording_id: IdArgument,
    *,
    vault: VaultOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    every: Annotated[
        bool, typer.Option("--all", help="List every finding, not only the longest of each kind.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show what was found in a recording, and how.

    With --json: {"recording": as in `list`, "report": as in `export`, without the single beats}.
    """
    with Access(vault, passphrase_file, passphrase_command, recovery_key_file).open() as opened:
        recording = opened.recording(recording_id)
        report = opened.report(recording.id)
    if json:
        values = report.to_dict()
        del values["beats"]
        say_json({"recording": facts(recording), "report": values})
        return
    say("\n".join(_lines(recording, report, every)))


def _lines(recording: StoredRecording, report: Report, every: bool) -> list[str]:  # noqa: FBT001
    from app import wording
    from app.report import NOTICE
    from signals.ecg.beat import BeatClass

    leads = ", ".join(f"{lead.label} ({lead.rate:g} Hz)" for lead in report.subject.leads)
    total = len(report.beats)
    counts = report.beats.counts()
    lines = [
        *_block(
            "",
            [
                ("Recording", f"{recording.name} ({recording.format})"),
                ("Id", recording.id),
                ("Patient", patient_name(recording.patient) or "not named in the file"),
                ("Recorded", moment(recording.start)),
                ("Length", wording.duration(recording.duration_s)),
                ("Leads read", leads),
            ],
        ),
        *_block(
            "Measurements",
            [
                (wording.measurement_name(m), wording.measurement_value(m) + _at(m.at))
                for m in report.measurements
            ],
        ),
        *_block(
            "Beats",
            [
                (f"{wording.class_name(cls)} ({cls.name})", _count(counts[cls], total))
                for cls in BeatClass
            ],
        ),
        *_findings(report.findings, every),
        "",
    ]
    if report.subject.repairs:
        lines += ["The file was not in order", *(f"  {r}" for r in report.subject.repairs), ""]
    made = report.provenance
    lines += _block(
        "How this was found",
        [
            ("Software", made.software),
            ("Analysed", made.analysed_at),
            ("Model", f"{made.model_id}, SHA-256 {made.model_sha256}"),
            ("Run by", made.runtime),
            ("Input", f"SHA-256 {made.input_sha256}"),
        ],
    )
    return [*lines, NOTICE]


def _findings(findings: Sequence[Finding], every: bool) -> list[str]:  # noqa: FBT001
    """Return a line for each finding, or for each kind its number and its longest ones."""
    from app.wording import BY_WEIGHT, clock, describe, kind_name

    def line(finding: Finding) -> str:
        return f"  {clock(finding.onset):>8}  {describe(finding)}"

    if every or len(findings) <= _FEW:
        return [f"Findings: {len(findings) or 'none'}", *map(line, findings)]
    lines = [f"Findings: {len(findings)}, the longest of each kind (--all lists every one)"]
    for kind in BY_WEIGHT:
        alike = [finding for finding in findings if finding.kind == kind]
        if alike:
            longest = sorted(alike, key=lambda f: f.onset - f.end)[:_LONGEST]
            lines += [f"  {kind_name(kind)} ×{len(alike)}", *(f"  {line(f)}" for f in longest)]
    return lines


def _block(title: str, rows: list[tuple[str, str]]) -> list[str]:
    """Return rows of names and values in two columns below a title, and an empty line."""
    indent = "  " if title else ""
    width = max(len(name) for name, _ in rows)
    return [
        *([title] if title else []),
        *(f"{indent}{name[0].upper()}{name[1:]:<{width - 1}}  {value}" for name, value in rows),
        "",
    ]


def _at(seconds: float | None) -> str:
    from app.wording import clock

    return "" if seconds is None else f" at {clock(seconds)}"


def _count(count: int, total: int) -> str:
    return f"{count} ({100 * count / total:.1f} %)" if total else "0"
