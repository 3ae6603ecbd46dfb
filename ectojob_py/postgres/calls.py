"""Calling the functions: ``select ... from jobs.f(...)``, and no other SQL."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import scalar_row
from psycopg.types.json import Jsonb

from ectojob_py.job import COLUMNS, Document, Job, Verbatim


class PostgresCalls:
    """Calls on a psycopg connection, in whatever transaction it has."""

    def __init__(self, conn: psycopg.Connection[Any], schema: str) -> None:
        """Take the connection, and the schema the functions are in."""
        self._conn = conn
        self._schema = schema

    def value(self, function: str, *args: object) -> Any:
        """Return the one value; of a function that returns nothing, nothing useful."""
        with self._conn.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(_select("*", self._schema, function, len(args)), _adapt(args)).fetchone()

    def values(self, function: str, *args: object) -> list[Any]:
        """Return the set's values in order."""
        with self._conn.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(_select("*", self._schema, function, len(args)), _adapt(args)).fetchall()

    def jobs(self, function: str, *args: object) -> list[Job]:
        """Return the jobs in order."""
        with self._conn.cursor(row_factory=_job_row) as cursor:
            return cursor.execute(_select(_JOB, self._schema, function, len(args)), _adapt(args)).fetchall()


_JOB: LiteralString = ", ".join("params::text as params_json" if name == "params_json" else name for name in COLUMNS)


def _job_row(_cursor: object) -> Callable[[Sequence[Any]], Job]:
    """Make jobs of rows that have ``COLUMNS``, in their order."""
    return lambda values: Job(*values)


@cache
def _select(columns: LiteralString, schema: str, function: str, arity: int) -> bytes:
    """Return the statement as psycopg sends it: to compose it anew for every call takes longer than to send it."""
    return (
        sql.SQL("select {} from {}({})")
        .format(
            sql.SQL(columns),
            sql.Identifier(schema.replace("%", "%%"), function),
            sql.SQL(", ").join([sql.Placeholder()] * arity),
        )
        .as_bytes()
    )


def _adapt(args: tuple[object, ...]) -> list[object]:
    """Send documents as ``jsonb``; the rest is psycopg's usual adaptation."""
    return [_mark(arg) for arg in args]


def _mark(arg: object) -> object:
    if isinstance(arg, Document):
        return Jsonb(arg.value, dumps=_text if isinstance(arg.value, Verbatim) else None)
    if isinstance(arg, list):
        return [_mark(item) for item in arg]
    return arg


def _text(value: Verbatim) -> str:
    return value.text
