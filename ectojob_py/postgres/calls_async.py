"""Calling the functions: ``select ... from jobs.f(...)``, and no other SQL."""

from typing import Any

import psycopg
from psycopg.rows import scalar_row

from ectojob_py.job import Job
from ectojob_py.postgres.statement import JOB, adapt, job_row, select


class AsyncPostgresCalls:
    """Calls on a psycopg connection, in whatever transaction it has."""

    def __init__(self, conn: psycopg.AsyncConnection[Any], schema: str) -> None:
        """Take the connection, and the schema the functions are in."""
        self._conn = conn
        self._schema = schema

    async def value(self, function: str, *args: object) -> Any:
        """Return the one value; of a function that returns nothing, nothing useful."""
        async with self._conn.cursor(row_factory=scalar_row) as cursor:
            await cursor.execute(select("*", self._schema, function, len(args)), adapt(args, self._conn))
            return await cursor.fetchone()

    async def values(self, function: str, *args: object) -> list[Any]:
        """Return the set's values in order."""
        async with self._conn.cursor(row_factory=scalar_row) as cursor:
            await cursor.execute(select("*", self._schema, function, len(args)), adapt(args, self._conn))
            return await cursor.fetchall()

    async def jobs(self, function: str, *args: object) -> list[Job]:
        """Return the jobs in order."""
        async with self._conn.cursor(row_factory=job_row) as cursor:
            await cursor.execute(select(JOB, self._schema, function, len(args)), adapt(args, self._conn))
            return await cursor.fetchall()
