"""``tracekeep show``: what was found in one recording, in plain words."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from app.cli.corrected import n_corrections, pattern_of, report_of
from app.cli.list import facts
from app.cli.options import (
    Access,
    CorrectedOption,
    IdArgument,
    JsonOption,
    PassphraseCommandOption,
    PassphraseFileOption,
    RecoveryKeyFileOption,
    UserOption,
    VaultOption,
)
from app.cli.output import note, printable, say, say_json
from app.cli.words import moment, patient_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.report import Finding, Report
    from app.tables import Table
    from app.vault import StoredRecording, Vault
    from ml.adaptive import Work

_FEW = 30  # findings that are all listed
_LONGEST = 3
_WIDTH = 98  # of a note, in columns


def show(
    recording_id: IdArgument,
    *,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            help="List every finding with the rule that made it, not only the longest of each "
            "kind, every column of the hours, and how the beats were read.",
        ),
    ] = False,
    corrected: CorrectedOption = False,
    json: JsonOption = False,
) -> None:
    """Show what was found in a recording, and how.

    With --json: {"recording": as in `list`, "report": as in `export`, without the single beats,
    "corrections": {"of_recording", "of_patient", "marked_otherwise": how many beats a reader gave
    another class than the report does}, or null where there are none}.
    """
    with Access(
        vault, passphrase_file, passphrase_command, recovery_key_file, user
    ).open() as opened:
        recording = opened.recording(recording_id)
        report = report_of(opened, recording, corrected=corrected, quiet=json)
        known = _corrected(opened, recording, report)
    if json:
        values = report.to_dict()
        del values["beats"]
        corrections = known and known._asdict()
        say_json({"recording": facts(recording), "report": values, "corrections": corrections})
        return
    say("\n".join(_lines(recording, report, every, known)))


class _Corrected(NamedTuple):
    """How much a reader corrected."""

    of_recording: int
    of_patient: int
    marked_otherwise: int


def _corrected(vault: Vault, recording: StoredRecording, report: Report) -> _Corrected | None:
    """Return what a reader corrected; None if nothing, or if the vault lost it."""
    from app.vault import VaultDamagedError

    try:
        pattern = pattern_of(vault, recording)
    except VaultDamagedError as error:  # the report is whole
        note(f"tracekeep: {error}")
        return None
    if pattern is None:
        return None
    from app.corrections import n_marked_otherwise

    own = [one for one in pattern.corrections if one.recording == recording.input_sha256]
    marked = n_marked_otherwise(report, pattern)
    return _Corrected(len(own), len(pattern.corrections), marked)


def _about(corrected: _Corrected, recording: StoredRecording, report: Report) -> list[str]:
    """Return what a reader of the report must know of the corrections."""
    if followed := report.provenance.corrections:
        return [
            "Corrections by a reader",
            f"  What is below follows {n_corrections(followed)} of this patient.",
            "  The vault keeps the report as it was made.",
            "",
        ]
    own, elsewhere = corrected.of_recording, corrected.of_patient - corrected.of_recording
    counts = [f"{own:,} of this recording"] if own else []
    counts += [f"{elsewhere:,} of other recordings of this patient"] if elsewhere else []
    n = corrected.marked_otherwise
    beats = f"{'1 marked beat has' if n == 1 else f'{n:,} marked beats have'} another class"
    short = recording.id[:8]
    return [
        "Corrections by a reader",
        f"  {' and '.join(counts)}: {beats} than below; beats like them may follow.",
        f"  What is below does not follow them: tracekeep show {short} --corrected does",
        f"  What they change: tracekeep correct {short}",
        *([f"  To take them back: tracekeep correct {short} --undo all"] if own else []),
        "",
    ]


def _lines(
    recording: StoredRecording,
    report: Report,
    every: bool,  # noqa: FBT001
    corrected: _Corrected | None = None,
) -> list[str]:
    from app import wording
    from app.report import NOTICE
    from app.tables import main_tables, summary_tables

    leads = ", ".join(f"{lead.label} ({lead.rate:g} Hz)" for lead in report.subject.leads)
    patient = recording.patient
    unnamed = "not named in a field of its own" if patient.remarks else "not named in the file"
    # in EDF, which has no such fields, they may name the patient
    remarks = [("Remarks", patient.remarks)] if patient.remarks else []
    lines = _block(
        "",
        [
            ("Recording", f"{recording.name} ({recording.format})"),
            ("Id", recording.id),
            ("Patient", patient_name(patient) or unnamed),
            *remarks,
            ("Recorded", moment(recording.start)),
            ("Length", wording.duration(recording.duration_s)),
            ("Leads read", leads),
        ],
    )
    if report.subject.repairs:
        lines += ["The file was not in order", *(f"  {r}" for r in report.subject.repairs), ""]
    if corrected:
        lines += _about(corrected, recording, report)
    for table in main_tables(report):
        lines += _table(table, every)
    lines += [*_findings(report.findings, every), ""]
    for table in summary_tables(report):
        lines += _table(table, every)
    lines += [f"To draw a strip: tracekeep strip {recording.id[:8]} --at TIME --out FILE.png", ""]
    made = report.provenance
    lines += _block(
        "How this was found",
        [
            ("Software", made.software),
            ("Analysed", made.analysed_at),
            *(("Model", f"{used.id}, SHA-256 {used.sha256}") for used in made.models),
            ("Run by", made.runtime),
            *([("Reader", n_corrections(made.corrections))] if made.corrections else []),
            *(_work(made.work) if every else []),
            ("Input", f"SHA-256 {made.input_sha256}"),
        ],
    )
    return [*lines, NOTICE]


def _table(table: Table, every: bool) -> list[str]:  # noqa: FBT001
    """Return a title, aligned rows, what a reader must know of them, and an empty line."""
    from rich.cells import cell_len

    brief = bool(table.brief) and not every
    kept = [i for i, name in enumerate(table.header) if not brief or name in table.brief]
    rows = [tuple(printable(row[i]) for i in kept) for row in (table.header, *table.rows)]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        blanks = [width - cell_len(cell) for cell, width in zip(cells, widths, strict=True)]
        first = cells[0] + " " * blanks[0]
        return "  ".join(
            ["", first, *(" " * n + c for n, c in zip(blanks[1:], cells[1:], strict=True))]
        ).rstrip()

    titles = [line(rows[0])] if any(rows[0]) else []
    left_out = [name for i, name in enumerate(table.header) if i not in kept]
    more = f" --all shows {', '.join(left_out)} too." if left_out else ""
    note = textwrap.wrap(table.note + more, _WIDTH, initial_indent="  ", subsequent_indent="  ")
    return [table.title, *titles, *map(line, rows[1:]), *note, ""]


def _findings(findings: Sequence[Finding], every: bool) -> list[str]:  # noqa: FBT001
    """Return a line for each finding, or for each kind its number and its longest ones."""
    from app.wording import BY_WEIGHT, clock, describe, kind_name

    def line(finding: Finding) -> str:
        rule = f": {finding.rule}" if every and finding.rule else ""
        return f"  {clock(finding.onset):>8}  {describe(finding)}{rule}"

    if every or len(findings) <= _FEW:
        return [f"Findings: {len(findings) or 'none'}", *map(line, findings)]
    lines = [f"Findings: {len(findings)}, the longest of each kind (--all lists every one)"]
    for kind in BY_WEIGHT:
        alike = [finding for finding in findings if finding.kind == kind]
        if alike:
            longest = sorted(alike, key=lambda f: f.onset - f.end)[:_LONGEST]
            lines += [f"  {kind_name(kind)} ×{len(alike)}", *(f"  {line(f)}" for f in longest)]
    return lines


def _work(work: Work | None) -> list[tuple[str, str]]:
    """Return how the classes of the beats came about, if that is known."""
    if work is None:
        return []
    told = f"{work.full:,} in full, {work.quick:,} by the quick model, {work.skipped:,} unchanged"
    return [("Beats read", told)]


def _block(title: str, rows: list[tuple[str, str]]) -> list[str]:
    """Return rows of names and values in two columns below a title, and an empty line."""
    indent = "  " if title else ""
    width = max(len(name) for name, _ in rows)
    return [
        *([title] if title else []),
        *(f"{indent}{name[0].upper()}{name[1:]:<{width - 1}}  {value}" for name, value in rows),
        "",
    ]
