"""An evaluation as a page to read and print: one file, without scripts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from app.evaluation.protocol import PROTOCOL
from app.evaluation.tables import READING_TABLES, WAVE_TABLES
from app.report import NOTICE
from signals.ecg.beat import BeatClass
from signals.ecg.ec57.confusion import MATRIX_LABELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from app.evaluation.document import Evaluation
    from app.evaluation.tables import Table

_STYLE = """
:root { color-scheme: light dark; --line: #c9ced6; --quiet: #5b6472; --band: #f3f5f8; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3b4350; --quiet: #9aa5b5; --band: #1f242c; }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .2rem; }
p, li, dd { max-width: 50rem; }
.quiet { color: var(--quiet); margin: .2rem 0 .6rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem; }
th, td { padding: .22rem .7rem; text-align: right; border-bottom: 1px solid var(--line); }
th { font-weight: 600; vertical-align: bottom; }
th:first-child, td.text { text-align: left; }
tr.whole { background: var(--band); font-weight: 600; }
code { font-size: .8rem; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; }
dt { color: var(--quiet); }
dd { margin: 0; }
@media print {
  body { font-size: 9pt; margin: 0; max-width: none; }
  .wide { overflow: visible; }
  table { font-size: 7pt; }
  th, td { padding: .1rem .3rem; }
  h2 { break-after: avoid; }
  tr { break-inside: avoid; }
}
"""


def page(evaluation: Evaluation) -> str:
    """Return the page, HTML 5 in one piece."""
    title = f"Evaluation on {evaluation.database}"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            f'<p class="quiet">{escape(NOTICE)}</p>',
            _facts(evaluation),
            *_failed(evaluation),
            *_figures(evaluation),
            *_matrix(evaluation),
            *_shutdown(evaluation),
            "<h2>How it was scored</h2>",
            "<ul>",
            *(f"<li>{escape(sentence)}</li>" for sentence in PROTOCOL),
            "</ul>",
            *_inputs(evaluation),
            "</body></html>\n",
        ]
    )


def clock(seconds: float) -> str:
    """Return a time from the start of a recording as ``h:mm:ss``."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _facts(evaluation: Evaluation) -> str:
    scored = sum(r.duration_s - r.scored_from_s for r in evaluation.records)
    n_failures = sum(len(record.failures) for record in evaluation.records)
    facts = [
        ("Database", f"{evaluation.database}, {_n(len(evaluation.records), 'record')} scored"),
        ("Scored", f"{clock(scored)} of signal"),
        ("Reference", f"annotator {evaluation.annotator}"),
        ("Leads", evaluation.chosen),
        ("Disagreements", f"{n_failures:,}, each with its time in failures.csv"),
        ("Evaluated", evaluation.evaluated_at),
    ]
    if evaluation.caution:
        facts.append(("Caution", evaluation.caution))
    for origin in evaluation.origins:
        facts.append(("Software", origin.software))
        facts += [("Model", f"{model.id}, SHA-256 {model.sha256}") for model in origin.models]
        facts.append(("Run by", origin.runtime))
    items = (f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f"<dl>{''.join(items)}</dl>"


def _n(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def _failed(evaluation: Evaluation) -> Iterable[str]:
    if evaluation.failed:
        yield "<h2>Not scored</h2>"
        rows = [[failed.name, failed.problem] for failed in evaluation.failed]
        yield _table(["Record", "Why"], rows, n_texts=2)


def _figures(evaluation: Evaluation) -> Iterable[str]:
    gross = evaluation.gross.values()
    scored = [table for table in READING_TABLES if table.is_scored(gross)]
    for table in scored:
        yield from _figure_table(evaluation, table)
    left_out = [table.title for table in READING_TABLES if table not in scored]
    if scored and left_out:
        yield "<h2>Not applicable</h2>"
        yield "<p>The reference does not tell what these would be scored by:</p><ul>"
        yield from (f"<li>{escape(title)}</li>" for title in left_out)
        yield "</ul>"
    waves = [table for table in WAVE_TABLES if table.is_scored(gross)]
    if waves:
        yield "<h2>Wave by wave, all records</h2>"
        rows = [[t.title, *(column.shown(gross) for column in t.columns)] for t in waves]
        yield _table(["Point", *(column.title for column in waves[0].columns)], rows)
    for table in waves:
        yield from _figure_table(evaluation, table)


def _figure_table(evaluation: Evaluation, table: Table) -> Iterable[str]:
    lines = [("Gross", evaluation.gross), *((r.name, r.score) for r in evaluation.records)]
    rows = []
    for name, score in lines:
        values = score.values()
        rows.append([name, *(column.shown(values, score.shares) for column in table.columns)])
    rows.insert(1, ["Average", *(column.shown(evaluation.average) for column in table.columns)])
    yield f"<h2>{escape(table.title)}</h2>"
    yield f'<p class="quiet">{escape(table.about)}</p>'
    yield _table(["Record", *(column.title for column in table.columns)], rows, n_whole=2)


def _matrix(evaluation: Evaluation) -> Iterable[str]:
    counts = evaluation.gross.matrices.get("150ms")
    if counts is None:
        return
    yield "<h2>What the beats were taken for, 150 ms, all records</h2>"
    yield (
        '<p class="quiet">Rows: the reference. Columns: ours. O: no beat, X: the other side gave '
        "the signal up.</p>"
    )
    header = ["", *(label.lower() for label in MATRIX_LABELS)]
    rows = zip(MATRIX_LABELS, counts, strict=True)
    yield _table(header, [[label, *_cells(row)] for label, row in rows])


def _cells(row: NDArray[np.int64]) -> list[str]:
    return [f"{count:,}" for count in row.tolist()]


def _shutdown(evaluation: Evaluation) -> Iterable[str]:
    if "150ms" not in evaluation.gross.matrices:
        return
    yield "<h2>Shutdown</h2>"
    yield (
        '<p class="quiet">Seconds that our report calls unreadable, and the reference\'s beats '
        "missed in them.</p>"
    )
    scores = [("All records", evaluation.gross)]
    scores += [(record.name, record.score) for record in evaluation.records]
    rows = [
        [
            name,
            f"{score.unreadable_s:.0f}",
            *_cells(score.matrices["150ms"][: len(BeatClass), MATRIX_LABELS.index("X")]),
        ]
        for name, score in scores
        if "150ms" in score.matrices and (score.unreadable_s or score is evaluation.gross)
    ]
    yield _table(["Record", "seconds", *(cls.name for cls in BeatClass)], rows, n_whole=1)


def _inputs(evaluation: Evaluation) -> Iterable[str]:
    yield "<h2>What was read</h2>"
    rows = [
        [
            record.name,
            ", ".join(record.leads),
            clock(record.duration_s),
            clock(record.scored_from_s),
            record.provenance.input_sha256,
            " ".join(record.repairs),
        ]
        for record in evaluation.records
    ]
    header = ["Record", "Leads", "Length", "Scored from", "SHA-256 of the input", "Repairs"]
    yield _table(header, rows, n_texts=6)


def _table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, n_whole: int = 0, n_texts: int = 0
) -> str:
    """Return a table: `n_whole` rows that sum up, the first `n_texts` columns set as text."""
    lines = [f"<tr>{''.join(f'<th>{escape(title)}</th>' for title in header)}</tr>"]
    for number, (name, *cells) in enumerate(rows):
        kind = ' class="whole"' if number < n_whole else ""
        shown = "".join(
            f'<td class="text">{escape(cell)}</td>' if n < n_texts else f"<td>{escape(cell)}</td>"
            for n, cell in enumerate(cells, start=1)
        )
        lines.append(f"<tr{kind}><th>{escape(name)}</th>{shown}</tr>")
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'
