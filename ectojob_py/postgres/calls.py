# Made from calls_async.py by tests/client/unasync.py: change that one, then run make unasync.
"""Calling the functions: ``select ... from jobs.f(...)``, and no other SQL."""

from typing import Any

import psycopg
from psycopg.rows import RowFactory, scalar_row

from ectojob_py.job import Job
from ectojob_py.postgres.statement import JOB, adapt, job_row, select


class PostgresCalls:
    """Calls on a psycopg connection, in whatever transaction it has."""

    def __init__(self, conn: psycopg.Connection[Any], schema: str) -> None:
        """Take the connection, and the schema the functions are in."""
        self._conn = conn
        self._schema = schema

    def value(self, function: str, *args: object) -> Any:
        """Return the one value; of a function that returns nothing, or a row, nothing useful."""
        with self._cursor(scalar_row) as cursor:
            cursor.execute(select("answer", self._schema, function, len(args)), adapt(args, self._conn))
            return cursor.fetchone()

    def values(self, function: str, *args: object) -> list[Any]:
        """Return the set's values in order; of rows, the first column's."""
        with self._cursor(scalar_row) as cursor:
            cursor.execute(select("*", self._schema, function, len(args)), adapt(args, self._conn))
            return cursor.fetchall()

    def jobs(self, function: str, *args: object) -> list[Job]:
        """Return the jobs in order."""
        with self._cursor(job_row) as cursor:
            cursor.execute(select(JOB, self._schema, function, len(args)), adapt(args, self._conn))
            return cursor.fetchall()

    def _cursor(self, rows: RowFactory[Any]) -> psycopg.Cursor[Any]:
        """Return a cursor of the connection's kind, unless that takes ``%s`` as it stands."""
        if issubclass(self._conn.cursor_factory, psycopg.RawCursor):
            return psycopg.Cursor(self._conn, row_factory=rows)
        return self._conn.cursor(row_factory=rows)
