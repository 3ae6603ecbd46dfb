"""Tables for people, one JSON document for machines, both from one query."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
import rich.box
from psycopg import sql
from psycopg.rows import dict_row, scalar_row
from psycopg.types.json import set_json_loads
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ectojob_py.cli.failures import printable

Row = dict[str, Any]
_WIDE = 100_000
"""The width where no terminal limits it."""


@dataclass(frozen=True)
class Column:
    """One column of a table: its title, what it shows of a row, and whether it is a number."""

    title: str
    show: Callable[[Row], object]
    number: bool = False


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
        console = Console(soft_wrap=False) if sys.stdout.isatty() else Console(width=_WIDE, color_system=None)
        table = Table(box=rich.box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False, header_style="bold")
        for place, column in enumerate(self.columns):
            whole = place == 0 or column.number
            table.add_column(column.title, justify="right" if column.number else "left", no_wrap=whole, overflow="fold")
        for row in rows:
            table.add_row(*(_cell(column.show(row)) for column in self.columns))
        console.print(table)
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
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=silent or not console.is_terminal,
    )
    bar.add_task(doing, total=total)
    return bar


def _cell(value: object) -> Text:
    if value is None:
        return Text("")
    if isinstance(value, datetime):
        return Text(value.isoformat(sep=" ", timespec="seconds"))
    return Text(printable(str(value)))


def _as_text(document: str | bytes) -> str:
    """Show JSON as it is stored; decoding could fail, or round."""
    return document if isinstance(document, str) else document.decode()
