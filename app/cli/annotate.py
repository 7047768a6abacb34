"""``tracekeep annotate``: what was found, as WFDB annotation files. Needs no vault."""

from __future__ import annotations

import os
import re
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from app.cli.exits import CommandError, ExitCode
from app.cli.inputs import find_inputs, with_option, without_recordings
from app.cli.options import JobsOption, JsonOption, LeadsOption, PathsArgument, split_leads
from app.cli.output import say_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EXTENSION = "tk"


class Job(NamedTuple):
    """A recording, and the annotation file to write for it."""

    source: Path
    folder: Path
    name: str

    @property
    def target(self) -> Path:
        """The annotation file."""
        return self.folder / f"{self.name}.{EXTENSION}"


class _Written(NamedTuple):
    beats: int
    rhythm_changes: int
    repairs: tuple[str, ...]


def annotate(
    paths: PathsArgument,
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", readable=False, help="Where the files go; made if need be."
        ),
    ],
    jobs: JobsOption = 1,
    leads: LeadsOption = None,
    json: JsonOption = False,
) -> None:
    """Write WFDB annotation files, for EC57 tools to score.

    For each recording a file RECORD.tk is written; no vault is needed. It holds every beat, with
    the WFDB symbol of its AAMI class (N S V F Q), and every change of rhythm as a "+" annotation
    with a note such as "(AFIB", "(VT" or "(N", in order of time.

    What lies in a folder below one that is named goes to the same folder below DIR. Where two
    recordings would share a file, all go by their place below the folder that holds them all; if
    that is one folder too, by their whole file names.

    With --json: {"written": [{"path", "annotations", "beats", "rhythm_changes", "repairs"}],
    "failed": [{"path", "problem"}]}.
    """
    from app.batch import problem_with
    from app.cli.progress import progress_bar
    from app.workers import run_tasks

    labels = split_leads(leads)
    found = find_inputs(paths)
    plan = plan_files(found, out)
    _make_folder(out)
    work = partial(_annotate_one, leads=labels)
    written, failed = [], []
    with progress_bar("recordings", hidden=json) as bar:
        bar.show(0, len(plan))
        for line in () if json else without_recordings(found):
            bar.note(line)
        with closing(run_tasks(work, plan, jobs)) as results:
            for job, result in results:
                if isinstance(result, Exception):
                    problem = with_option(problem_with(job.source, result))
                    failed.append({"path": str(job.source), "problem": problem})
                    if not json:
                        bar.note(f"failed: {problem}")
                else:
                    where = {"path": str(job.source), "annotations": str(job.target)}
                    written.append({**where, **result._asdict()})
                    if not json:
                        bar.say(
                            f"{job.target}: {result.beats} beats, "
                            f"{result.rhythm_changes} rhythm changes"
                        )
                        for repair in result.repairs:
                            bar.note(f"{job.source}: read all the same: {repair}")
                bar.show(len(written) + len(failed), len(plan))
    if json:
        say_json({"written": written, "failed": failed})
    if failed:
        raise typer.Exit(ExitCode.FAILED)


def _make_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise CommandError(f"{path}: it is not a folder; --out names the folder to write to")
    path.mkdir(parents=True, exist_ok=True)


def plan_files(found: Mapping[Path, Sequence[Path]], out: Path) -> list[Job]:
    """Return which recording is written to which file; no two to one.

    Parameters
    ----------
    found : mapping
        The recordings below each path that was named.
    out : pathlib.Path
        The folder to write to.
    """
    places: dict[Path, Path] = {}  # each recording, and where it lies below what was named
    for named, sources_below in found.items():
        for source in sources_below:
            inside = named.is_dir() and source != named
            places.setdefault(source, source.relative_to(named) if inside else Path(source.name))
    targets = [_target(place, place.stem) for place in places.values()]
    if _repeated(targets):
        sources = [Path(os.path.abspath(source)) for source in places]  # noqa: PTH100 (keeps links)
        common = os.path.commonpath([source.parent for source in sources])
        places = dict(zip(places, (s.relative_to(common) for s in sources), strict=True))
        targets = [_target(place, place.stem) for place in places.values()]
        shared = _repeated(targets)
        targets = [
            _target(place, place.name) if target in shared else target
            for place, target in zip(places.values(), targets, strict=True)
        ]
    taken: set[Path] = set()
    jobs = []
    for source, target in zip(places, targets, strict=True):
        number = 2
        name = target.name
        while target in taken:  # two names that differ only in what WFDB cannot write
            target = target.with_name(f"{name}-{number}")
            number += 1
        taken.add(target)
        jobs.append(Job(source, out / target.parent, target.name))
    return jobs


def _target(place: Path, name: str) -> Path:
    """Return the record to write; names of WFDB files hold letters, digits and a few signs."""
    return place.parent / (re.sub(r"[^\w\-.]", "_", name) or "_")


def _repeated(targets: list[Path]) -> set[Path]:
    return {target for target, count in Counter(targets).items() if count > 1}


def _annotate_one(job: Job, *, leads: Sequence[str] | None) -> _Written:
    from app.analysis import analyze_recording
    from app.interop.annotations import RHYTHM_CHANGE, wfdb_annotations
    from signals.readers import open_recording
    from signals.writers.wfdb_annotations import write_annotations

    with open_recording(job.source) as recording:
        report = analyze_recording(recording, leads=leads)
    annotations = wfdb_annotations(report)
    job.folder.mkdir(parents=True, exist_ok=True)
    write_annotations(
        job.folder,
        job.name,
        EXTENSION,
        report.beats.rate,
        [a.sample for a in annotations],
        [a.symbol for a in annotations],
        [a.note for a in annotations],
    )
    changes = sum(a.symbol == RHYTHM_CHANGE for a in annotations)
    return _Written(len(report.beats), changes, report.subject.repairs)
