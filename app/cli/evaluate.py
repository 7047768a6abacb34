"""``tracekeep evaluate``: how well the analysis does on a database with reference annotations."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.exits import CommandError, ExitCode
from app.cli.inputs import find_inputs, with_option
from app.cli.options import JobsOption, JsonOption, LeadsOption, split_leads
from app.cli.output import say, say_json, say_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.evaluation import Evaluation, RecordResult, Task


def evaluate(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DB_FOLDER", readable=False, help="A WFDB database: its records' folder."
        ),
    ],
    *,
    annotator: Annotated[
        str,
        typer.Option(metavar="NAME", help="The reference: the ending of its annotation files."),
    ] = "atr",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            readable=False,
            show_default="evaluation-DATABASE[-NAME] in the working folder",
            help="Where the result goes: a new folder, or that of an earlier evaluation.",
        ),
    ] = None,
    jobs: JobsOption = 1,
    leads: LeadsOption = None,
    channels: Annotated[
        str | None,
        typer.Option(
            metavar='"0,1"',
            help="Analyse these channels of each record alone: their numbers in it, from 0.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Score the analysis on a WFDB database by ANSI/AAMI EC57 and IEC 60601-2-47.

    Every record is analysed just as "tracekeep analyze" does it, and the result is compared with
    the reference annotations beat by beat (within 150 ms and within 50 ms), run by run, episode by
    episode and in heart rate: record by record, gross and on average. The first five minutes of a
    record are not scored; one shorter than ten minutes is scored from its start. What the reference
    does not tell, say beats, is left out and never counted as zero.

    Annotations that bound P, QRS and T waves are scored point by point instead. Those of an
    annotator that is called like a lead (LUDB's "ii") are compared with the waves of that lead, as
    it is read among the others; add --leads ii to have it read alone.

    In DIR: index.html to read and print, report.json, records.csv, and failures.csv with every
    disagreement and its time. With --json: what report.json holds.
    """
    from app.evaluation import check_folder, write_evaluation

    labels, numbers = split_leads(leads), _numbers(channels)
    if labels and numbers is not None:
        raise typer.BadParameter("--leads and --channels exclude each other")
    tasks = _tasks(folder, annotator)
    place = folder.resolve()
    target = out or Path(f"evaluation-{place.name}" + f"-{annotator}" * (annotator != "atr"))
    check_folder(target)
    evaluation = _evaluate(tasks, place, annotator, labels, numbers, jobs, quiet=json)
    write_evaluation(evaluation, target)
    if json:
        say_json(evaluation.to_dict())
    else:
        _say_summary(evaluation, target)
    if evaluation.failed:
        raise typer.Exit(ExitCode.FAILED)


def _numbers(channels: str | None) -> list[int] | None:
    """Return the channels that ``--channels "0,1"`` names."""
    if channels is None:
        return None
    numbers = [number.strip() for number in channels.split(",")]
    if not all(number.isdecimal() for number in numbers):
        raise typer.BadParameter("it takes numbers such as 0 or 0,1", param_hint="--channels")
    return [int(number) for number in numbers]


def _tasks(folder: Path, annotator: str) -> list[Task]:
    """Return the records below a folder; CommandError if none has the annotations."""
    from app.evaluation import Task

    if not re.fullmatch(r"[\w\-]+", annotator):
        raise typer.BadParameter("it is a word, such as atr or ii", param_hint="--annotator")
    if not folder.is_dir():
        raise CommandError(f"{folder}: there is no such folder")
    headers = [path for path in find_inputs([folder])[folder] if path.suffix == ".hea"]
    if not any(header.with_suffix(f".{annotator}").is_file() for header in headers):
        raise CommandError(f"{folder}: no WFDB record in it has annotations called .{annotator}")
    named = ((header, header.relative_to(folder).with_suffix("")) for header in headers)
    return [Task(header, name.as_posix()) for header, name in named]


def _evaluate(
    tasks: Sequence[Task],
    place: Path,
    annotator: str,
    leads: Sequence[str] | None,
    channels: Sequence[int] | None,
    jobs: int,
    *,
    quiet: bool,
) -> Evaluation:
    """Score every record; CommandError if none can be."""
    from app.batch import problem_with
    from app.cli.progress import progress_bar
    from app.evaluation import Evaluation, Failed, evaluate_record, trained_on
    from app.workers import run_tasks

    work = partial(evaluate_record, annotator=annotator, leads=leads, channels=channels)
    records, failed = [], []
    with progress_bar("records", hidden=quiet) as bar:
        bar.show(0, len(tasks))
        with closing(run_tasks(work, tasks, jobs)) as results:
            for task, result in results:
                if isinstance(result, Exception):
                    problem = with_option(problem_with(task.header, result))
                    failed.append(Failed(task.name, problem))
                    if not quiet:
                        bar.note(f"failed: {problem}")
                else:
                    records.append(result)
                bar.show(len(records) + len(failed), len(tasks), task.name)
    if not records:
        raise CommandError(f"no record could be scored; the first: {failed[0].problem}")
    return Evaluation(
        database=place.name,
        annotator=annotator,
        chosen=_chosen(annotator, leads, channels, records),
        evaluated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        records=tuple(sorted(records, key=lambda record: _by_number(record.name))),
        failed=tuple(sorted(failed, key=lambda one: _by_number(one.name))),
        trained_on=trained_on(place, records),
    )


def _chosen(
    annotator: str,
    leads: Sequence[str] | None,
    channels: Sequence[int] | None,
    records: Sequence[RecordResult],
) -> str:
    if channels is not None:
        return f"by number in the record, from 0: {', '.join(map(str, channels))}"
    if leads:
        return ", ".join(leads)
    if all([lead.casefold() for lead in r.leads] == [annotator.casefold()] for r in records):
        return f"{annotator}, as the annotator is called"
    return "all that are ECG"


def _by_number(name: str) -> list[int | str]:
    """Return what to sort record names by, so that 10 comes after 9."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)]


def _say_summary(evaluation: Evaluation, target: Path) -> None:
    from app.evaluation import headline

    say_table(("", "Gross", "Average"), headline(evaluation.gross.values(), evaluation.average))
    if evaluation.caution:
        say(f"\n{evaluation.caution}")
    n_failures = sum(len(record.failures) for record in evaluation.records)
    say(
        f"\nRecords scored: {len(evaluation.records)}, failed: {len(evaluation.failed)}\n"
        f"Disagreements: {n_failures:,}, listed in {target / 'failures.csv'}\n"
        f"To read: {target / 'index.html'}"
    )
