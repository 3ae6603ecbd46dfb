# Made from connection_async.py by tests/client/unasync.py: change that one, then run make unasync.
"""The connections a worker opens: one that listens and one per running handler."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from ectojob_py.errors import HandlerError
from ectojob_py.guard import AUTOCOMMIT, ENDED, Guard
from ectojob_py.job import Job
from ectojob_py.postgres import direct
from ectojob_py.postgres.heartbeat import LivelyConnection

LEVEL = psycopg.IsolationLevel.READ_COMMITTED
"""What handlers begin with, whatever the server's default: above it, an extension of their lease is a conflict."""


class HandlerCursor(psycopg.Cursor[Any]):
    """A cursor that notices a COMMIT sent as text, whatever comes after it."""

    def execute(self, *args: Any, **kwargs: Any) -> "HandlerCursor":
        """Execute as psycopg does, and look what became of the transaction."""
        super().execute(*args, **kwargs)
        if isinstance(self.connection, HandlerConnection):
            self.connection.watch(self.statusmessage)
        return self


class HandlerConnection(Guard, LivelyConnection):
    """A psycopg connection that a handler may use for everything but ending its transaction, which is the worker's.

    The transaction begins at the handler's first statement, and ends with the job. ``with conn.transaction():`` is a
    savepoint in it, even as the first thing a handler does.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make the connection; nothing is handed out yet."""
        super().__init__(*args, **kwargs)
        self.cursor_factory = HandlerCursor
        self._begun = False
        self._waits = False
        self._can_complete = False

    @classmethod
    def open(cls, dsn: str) -> Self:
        """Connect. A handler may do without the database for as long as it likes, so idle sessions are not ended."""
        conn = cls.connect(dsn, autocommit=True)
        patient = "select pg_backend_pid(), set_config('idle_session_timeout', '0', false)"
        try:
            [conn.pid, _] = (conn.execute(patient)).fetchone() or [None, None]
            conn.reset()
        except BaseException:
            conn.discard()
            raise
        return conn

    @property
    def patience(self) -> float:
        """A handler's statements take as long as they take; what the worker itself says is short."""
        return inf if self.handing_out else super().patience

    def gave_way(self, error: BaseException | None) -> bool:
        """Leave out a conflict that the handler met in a savepoint, caught, and went on from."""
        aborted = self.pgconn.transaction_status == TransactionStatus.INERROR
        return self.conflict is not None and (aborted or super().gave_way(error))

    def take_back(self) -> None:
        """Refuse to go on with an aborted transaction, or in the middle of an answer."""
        if self._left_unread:
            msg = "the handler left a statement of which it had not read all: iterate a stream to its end, or close it"
            raise HandlerError(msg)
        if self.pgconn.transaction_status == TransactionStatus.INERROR:
            msg = "the handler caught an error that aborted its transaction; wrap the statement in conn.transaction()"
            raise HandlerError(msg)

    def finish_one(self, schema: str, job: Job) -> bool:
        """Complete one job, and commit what its handler wrote, in one round trip; return whether that was done.

        On False call ``finish``: it completes the job in the ordinary way, or raises what is wrong with its lease.
        """
        pgconn = self.pgconn
        if pgconn.pipeline_status or not job.queue.isascii():
            return False
        if pgconn.transaction_status == TransactionStatus.IDLE:
            return self._complete_alone(schema, job)
        with self.lock:
            self.wait(direct.complete_and_commit(pgconn, schema, job, self.info.encoding))
        return True

    def _complete_alone(self, schema: str, job: Job) -> bool:
        pgconn = self.pgconn
        with self.lock:
            if not self._can_complete:
                self._can_complete = super().wait(direct.prepare(pgconn, schema)) is None
            failure = super().wait(direct.complete(pgconn, schema, job))
        self._can_complete &= failure != direct.FORGOTTEN
        return failure is None

    def finish(self, complete: Callable[[], object], calls: int = 1) -> None:
        """Complete the jobs and commit; a handler that wrote nothing needs no BEGIN and COMMIT around a single call."""
        if calls == 1 and self.pgconn.transaction_status == TransactionStatus.IDLE:
            self.set_autocommit(True)
            complete()
        else:
            complete()
            self.commit()

    def reset(self) -> None:
        """Roll back what is open, and be as new; raise ``psycopg.OperationalError`` in the middle of an answer."""
        if self._left_unread:
            raise psycopg.OperationalError("the rest of an answer is still to come")  # its reader has the lock
        if self.pgconn.transaction_status != TransactionStatus.IDLE:
            self.rollback()
        if self.autocommit:
            self.set_autocommit(False)
        if (self.isolation_level, self.read_only, self.deferrable) != (LEVEL, None, None):  # each takes its time to set
            self.set_isolation_level(LEVEL)
            self.set_read_only(None)
            self.set_deferrable(None)
        self.row_factory, self.cursor_factory = tuple_row, HandlerCursor

    def watch(self, command: str | None) -> None:
        """Refuse COMMIT AND CHAIN, after which a transaction is open as before; ``wait`` sees any other end."""
        if command == "COMMIT":
            self.refuse(ENDED)

    def _get_tx_start_command(self) -> bytes:
        """Note that psycopg begins a transaction: the statement it waits for in the same breath may end it."""
        self._begun = True
        return super()._get_tx_start_command()

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        """Wait as psycopg does, whatever for, and look whether a transaction that was open still is."""
        self._waits = True
        try:
            return super().wait(*args, **kwargs)
        except psycopg.errors.ReadOnlySqlTransaction:
            self.demoted = True
            raise
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure) as error:
            self.conflict = error
            raise
        finally:
            self._waits = False
            idle = self.pgconn.transaction_status == TransactionStatus.IDLE
            if self._begun and idle:
                self.refuse(ENDED)
            self._begun = not idle

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave ``with conn:``, which ends the transaction; not for handlers, but an error of theirs comes first."""
        if error is None:
            self.commit()
        else:
            with suppress(HandlerError):
                self.rollback()

    def commit(self) -> None:
        """Commit; not for handlers."""
        self.refuse("called commit()")
        super().commit()

    def rollback(self) -> None:
        """Roll back; not for handlers, who raise an exception instead."""
        self.refuse("called rollback()")
        super().rollback()

    def close(self) -> None:
        """Close; not for handlers."""
        self.refuse("called close()")
        super().close()

    def discard(self) -> None:
        """Close without a word, from whatever thread; not while somebody waits for an answer, who would crash."""
        if not self._waits:
            self.pgconn.finish()

    @property
    def _left_unread(self) -> bool:
        """Whether a statement's answer was left in the middle, and nothing of the handler's still waits for it."""
        return self.pgconn.transaction_status == TransactionStatus.ACTIVE and not self._waits

    def set_autocommit(self, value: bool) -> None:
        """Set autocommit; not for handlers."""
        self.refuse(AUTOCOMMIT)
        super().set_autocommit(value)

    @contextmanager
    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> Iterator[psycopg.Transaction]:
        """Open a transaction; for handlers a savepoint, always."""
        # An outermost block would be a transaction of its own for psycopg, which commits it.
        if self.handing_out and self.pgconn.transaction_status == TransactionStatus.IDLE:
            self.execute("select")
        with super().transaction(savepoint_name, force_rollback) as block:
            yield block
