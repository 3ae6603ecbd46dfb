"""The connections on which a worker runs handlers, and their pool."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, LifoQueue
from typing import Any

import pymysql
from pymysql.constants import SERVER_STATUS

from ectojob_py.errors import HandlerError
from ectojob_py.mysql.connection import connect

READ_COMMITTED = "set session transaction isolation level read committed"
"""At REPEATABLE READ a claim leaves gap locks, and enqueuers wait for them."""


class HandlerConnection(pymysql.Connection):
    """A PyMySQL connection that a handler may use for everything but ending its transaction, which is the worker's.

    The transaction begins at the handler's first statement, and ends with the job.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make the connection; nothing is handed out yet."""
        self._handed_out = False
        self._misuse: HandlerError | None = None
        super().__init__(*args, **kwargs)

    @contextmanager
    def handed_out(self) -> Iterator[None]:
        """Guard the transaction for the time of the block; raise ``HandlerError`` at its end if it was broken."""
        self._misuse = None
        self._handed_out = True
        try:
            yield
        finally:
            self._handed_out = False
        if self._misuse:
            raise self._misuse

    def finish(self, complete: Callable[[], object]) -> None:
        """Complete the job, and commit it with what the handler wrote."""
        complete()
        self.commit()

    def reset(self) -> None:
        """Roll back what is open."""
        self.rollback()

    def query(self, sql: Any, unbuffered: bool = False) -> int:
        """Run a statement, and look whether it ended the transaction: COMMIT does, and so does any DDL."""
        open_before = self._in_transaction()
        affected = super().query(sql, unbuffered)
        if self._handed_out and open_before and not self._in_transaction():
            self._refuse("ended the transaction with a statement")
        return affected

    def _in_transaction(self) -> bool:
        return bool(self.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS) if self._result else False

    def _refuse(self, deed: str) -> None:
        if self._handed_out:
            self._misuse = HandlerError(
                f"the handler {deed}; its writes commit together with the job's completion, so leave that to the worker"
            )
            raise self._misuse

    def begin(self) -> None:
        """Begin a transaction; not for handlers, who have one."""
        self._refuse("called begin()")
        super().begin()

    def commit(self) -> None:
        """Commit; not for handlers."""
        self._refuse("called commit()")
        super().commit()

    def rollback(self) -> None:
        """Roll back; not for handlers, who raise an exception instead."""
        self._refuse("called rollback()")
        super().rollback()

    def close(self) -> None:
        """Close; not for handlers."""
        self._refuse("called close()")
        super().close()

    def autocommit(self, value: bool) -> None:
        """Set autocommit; not for handlers."""
        self._refuse("set autocommit")
        super().autocommit(value)


class Pool:
    """As many connections as there are hands, opened when first needed; the one used last is used first."""

    def __init__(self, dsn: str, size: int) -> None:
        """Open nothing yet."""
        self._dsn = dsn
        self._idle: LifoQueue[HandlerConnection] = LifoQueue(size)
        self._closed = False

    def getconn(self) -> HandlerConnection:
        """Return an idle connection, or a new one."""
        with suppress(Empty):
            return self._idle.get_nowait()
        return connect(self._dsn, HandlerConnection, autocommit=False, init_command=READ_COMMITTED)

    def putconn(self, conn: HandlerConnection) -> None:
        """Take it back, unless it broke."""
        if self._closed or not conn.open:
            with suppress(pymysql.MySQLError):
                conn.close()
        else:
            self._idle.put(conn)

    def check(self) -> None:
        """Throw away the connections that broke while they were idle."""
        for _ in range(self._idle.qsize()):
            with suppress(Empty):
                conn = self._idle.get_nowait()
                with suppress(pymysql.MySQLError):
                    conn.ping(reconnect=False)
                self.putconn(conn)

    def close(self) -> None:
        """Close the connections, those in use when they come back."""
        self._closed = True
        with suppress(Empty):
            while True:
                self._idle.get_nowait().close()
