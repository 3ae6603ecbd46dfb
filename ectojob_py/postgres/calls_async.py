"""Calling the functions: ``select ... from jobs.f(...)``, and no other SQL."""

from typing import Any

import psycopg
from psycopg.rows import AsyncRowFactory, scalar_row

from ectojob_py.job import Job
from ectojob_py.postgres.statement import JOB, adapt, job_row, select


class AsyncPostgresCalls:
    """Calls on a psycopg connection, in whatever transaction it has."""

    def __init__(self, conn: psycopg.AsyncConnection[Any], schema: str) -> None:
        """Take the connection, and the schema the functions are in."""
        self._conn = conn
        self._schema = schema

    async def value(self, function: str, *args: object) -> Any:
        """Return the one value; of a function that returns nothing, or a row, nothing useful."""
        async with self._cursor(scalar_row) as cursor:
            await cursor.execute(select("answer", self._schema, function, len(args)), adapt(args, self._conn))
            return await cursor.fetchone()

    async def values(self, function: str, *args: object) -> list[Any]:
        """Return the set's values in order; of rows, the first column's."""
        async with self._cursor(scalar_row) as cursor:
            await cursor.execute(select("*", self._schema, function, len(args)), adapt(args, self._conn))
            return await cursor.fetchall()

    async def jobs(self, function: str, *args: object) -> list[Job]:
        """Return the jobs in order."""
        async with self._cursor(job_row) as cursor:
            await cursor.execute(select(JOB, self._schema, function, len(args)), adapt(args, self._conn))
            return await cursor.fetchall()

    def _cursor(self, rows: AsyncRowFactory[Any]) -> psycopg.AsyncCursor[Any]:
        """Return a cursor of the connection's kind, unless that takes ``%s`` as it stands."""
        if issubclass(self._conn.cursor_factory, psycopg.AsyncRawCursor):
            return psycopg.AsyncCursor(self._conn, row_factory=rows)
        return self._conn.cursor(row_factory=rows)
