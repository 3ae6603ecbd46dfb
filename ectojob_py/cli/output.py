"""Tables for people, one JSON document for machines, both from one query."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
import rich.box
from psycopg import sql
from psycopg.rows import dict_row, scalar_row
from psycopg.types.json import set_json_loads
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ectojob_py.cli.failures import printable

Row = dict[str, Any]
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
    query: sql.Composed
    columns: Sequence[Column]
    values: Mapping[str, object] = field(default_factory=dict)

    def print_json(self, conn: psycopg.Connection[Any]) -> int:
        """Print the rows as the database writes them in JSON, so that no number is rounded; return how many."""
        query = sql.SQL("select to_jsonb(listed)::text from ({}) as listed").format(self.query)
        with conn.cursor(row_factory=scalar_row) as cursor:
            documents = cursor.execute(query, self.values).fetchall()
        rows = ",".join(f"\n  {document}" for document in documents)
        print(f"{{{json.dumps(self.name)}: [{rows}\n]}}" if rows else f"{{{json.dumps(self.name)}: []}}")
        return len(documents)

    def print_table(self, conn: psycopg.Connection[Any]) -> int:
        """Print the rows as a table that cuts nothing off; return how many."""
        set_json_loads(_as_text, conn)
        with conn.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(self.query, self.values).fetchall()
        cells = [[_cell(column.show(row)) for column in self.columns] for row in rows]
        _draw(self.columns, cells)
        return len(rows)

    def print(self, conn: psycopg.Connection[Any], as_json: bool) -> int:
        """Print the rows either way."""
        return self.print_json(conn) if as_json else self.print_table(conn)


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


def _as_text(document: str | bytes) -> str:
    """Show JSON as it is stored; decoding could fail, or round."""
    return document if isinstance(document, str) else document.decode()
