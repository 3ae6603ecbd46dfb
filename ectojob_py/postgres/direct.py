"""How every job ends, by libpq as it is: a cursor of psycopg's takes twice as long for it, and COMMIT a round trip."""

from collections.abc import Generator
from functools import cache
from hashlib import sha256
from typing import Any

from psycopg import sql
from psycopg.errors import error_from_result
from psycopg.generators import execute, fetch_many, send
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn

from ectojob_py.job import Job

_ARGUMENTS = (25, 20, 23)  # the oids of text, bigint, integer
FORGOTTEN = b"26000"
"""What the server says when somebody has deallocated the statement."""

Answer = Generator[Any, Any, bytes | None]
"""For ``wait`` of a connection; gives the SQLSTATE of what went wrong, or ``None``."""


def prepare(pgconn: PGconn, schema: str) -> Answer:
    """Prepare the statement that ``complete`` executes."""
    pgconn.send_prepare(_name(schema), _statement(schema), _ARGUMENTS)
    return _answer(pgconn)


def complete(pgconn: PGconn, schema: str, job: Job) -> Answer:
    """Complete a job in a transaction of its own."""
    pgconn.send_query_prepared(_name(schema), _key(job))
    return _answer(pgconn)


def complete_and_commit(pgconn: PGconn, schema: str, job: Job, encoding: str) -> Generator[Any, Any, None]:
    """Complete a job and commit its transaction, in one message; raise what goes wrong: then nothing is committed.

    The server skips what follows an error, up to the sync. Nothing is prepared: a statement that somebody has
    deallocated would undo what the handler did.
    """
    pgconn.enter_pipeline_mode()
    pgconn.send_query_params(_statement(schema), _key(job), _ARGUMENTS)
    pgconn.send_query_params(b"COMMIT", None)
    pgconn.pipeline_sync()
    yield from send(pgconn)
    completed = yield from fetch_many(pgconn)
    committed = yield from fetch_many(pgconn)
    yield from fetch_many(pgconn)  # the sync
    pgconn.exit_pipeline_mode()
    for result in completed + committed:
        if result.status == ExecStatus.FATAL_ERROR:
            raise error_from_result(result, encoding)


def _answer(pgconn: PGconn) -> Answer:
    results = yield from execute(pgconn)
    state: bytes | None = results[-1].error_field(DiagnosticField.SQLSTATE)
    return state


def _key(job: Job) -> list[bytes]:
    return [job.queue.encode(), b"%d" % job.id, b"%d" % job.attempt]


@cache
def _name(schema: str) -> bytes:
    """Name the statement after the schema: behind a pooler, one that a session of another schema left may be there.

    By a hash, as the server cuts a name off after 63 bytes, which the schema's may have by itself.
    """
    return b"ectojob_complete_" + sha256(schema.encode()).hexdigest()[:16].encode()


@cache
def _statement(schema: str) -> bytes:
    """Write it without FROM, which would have the server keep the result of a function before it returns it."""
    return sql.SQL("select {}($1, $2, $3)").format(sql.Identifier(schema, "complete")).as_bytes()
