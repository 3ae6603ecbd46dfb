"""The one call that every job makes, by libpq as it is: a cursor of psycopg's takes twice as long for it."""

from collections.abc import Generator
from functools import cache
from typing import Any

from psycopg import sql
from psycopg.generators import execute
from psycopg.pq import DiagnosticField
from psycopg.pq.abc import PGconn

from ectojob_py.job import Job

_NAME = b"ectojob_complete"
_ARGUMENTS = (25, 20, 23)  # the oids of text, bigint, integer
FORGOTTEN = b"26000"
"""What the server says when somebody has deallocated the statement."""

Answer = Generator[Any, Any, bytes | None]
"""For ``wait`` of a connection; gives the SQLSTATE of what went wrong, or ``None``."""


def prepare(pgconn: PGconn, schema: str) -> Answer:
    """Prepare the statement that ``complete`` executes."""
    pgconn.send_prepare(_NAME, _statement(schema), _ARGUMENTS)
    return _answer(pgconn)


def complete(pgconn: PGconn, job: Job) -> Answer:
    """Complete a job in a transaction of its own."""
    pgconn.send_query_prepared(_NAME, [job.queue.encode(), b"%d" % job.id, b"%d" % job.attempt])
    return _answer(pgconn)


def _answer(pgconn: PGconn) -> Answer:
    results = yield from execute(pgconn)
    state: bytes | None = results[-1].error_field(DiagnosticField.SQLSTATE)
    return state


@cache
def _statement(schema: str) -> bytes:
    return sql.SQL("select from {}($1, $2, $3)").format(sql.Identifier(schema, "complete")).as_bytes()
