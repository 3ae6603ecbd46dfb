"""Tables for people, one JSON document for machines, both from one query."""

import codecs
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import rich.box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ectojob_py.session import Json, Row
from ectojob_py.wording import printable

_TEXT_WIDTH = 24
"""What long text gets at least on a terminal, where it is folded."""


@dataclass(frozen=True)
class Column:
    """One column of a table: its title, what it shows of a row, and whether it is a number, or long text."""

    title: str
    show: Callable[[Row], object]
    number: bool = False
    text: bool = False


@dataclass(frozen=True)
class Listing:
    """Rows of a query: its result in JSON under ``name``, or these columns."""

    name: str
    columns: Sequence[Column]
    rows: Sequence[Row]

    def print(self, as_json: bool) -> None:
        """Print the rows either way; a table cuts nothing off."""
        if as_json:
            rows = ",".join(f"\n  {_document(row)}" for row in self.rows)
            print(f"{{{json.dumps(self.name)}: [{rows}\n]}}" if rows else f"{{{json.dumps(self.name)}: []}}")
        else:
            _draw(self.columns, [[_cell(column.show(row)) for column in self.columns] for row in self.rows])


def spell_out() -> None:
    """Let stdout and stderr escape what their encoding lacks, as JSON does, so that a document stays one."""
    codecs.register_error("ectojob", _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None when it is closed
            stream.reconfigure(errors="ectojob")


def report(as_json: bool, document: Mapping[str, object], *lines: str) -> None:
    """Say what was done: a document, or lines."""
    if as_json:
        print(json.dumps(document))
    else:
        for line in lines:
            print(printable(line))


def progress(doing: str, total: float | None, silent: bool = False) -> Progress:
    """Return a bar on stderr, where somebody sees it; add what is done with ``advance(task, ...)`` on its one task."""
    console = Console(stderr=True)
    console.quiet = silent or not console.is_terminal
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=console.quiet,
    )
    bar.add_task(doing, total=total)
    return bar


def spoken(seconds: float | None) -> str:
    """Write a duration for a person: ``1h30m``, ``250ms``; nothing for none."""
    if seconds is None:
        return ""
    if abs(seconds) < 1:
        return f"{seconds * 1000:.0f}ms" if seconds else "0s"
    sign, rest, said = "-" if seconds < 0 else "", round(abs(seconds)), []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        said += [f"{count}{unit}"] if count else []
    return sign + "".join(said[:2])


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _draw(columns: Sequence[Column], cells: list[list[str]]) -> None:
    """Draw a table that cuts nothing off, however narrow the terminal; without frills where there is none."""
    console = Console()
    frills = console.is_terminal
    table = Table(box=rich.box.SIMPLE_HEAD if frills else None, pad_edge=False, header_style="bold")
    needed = 2
    for place, column in enumerate(columns):
        width = max(cell_len(text) for text in [column.title, *(row[place] for row in cells)])
        if frills and column.text:
            width = min(width, _TEXT_WIDTH)
        needed += width + 3  # rich's padding and rule
        justify: JustifyMethod = "right" if column.number else "left"
        table.add_column(column.title, justify=justify, min_width=width, no_wrap=not column.text, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    console.width = max(console.width if frills else 0, needed)
    if frills:
        console.print(table)
    else:
        with console.capture() as capture:
            console.print(table)
        print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return printable(str(value))


def _document(row: Row) -> str:
    """Write a row in JSON; the documents in it as they are stored, so that no number is rounded."""
    return f"{{{', '.join(f'{json.dumps(name)}: {_value(value)}' for name, value in row.items())}}}"


def _value(value: object) -> str:
    if isinstance(value, Json):
        return value
    return json.dumps(value.isoformat() if isinstance(value, datetime) else value)
