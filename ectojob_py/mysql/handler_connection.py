"""The connections on which a worker runs handlers."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from time import monotonic
from typing import Any, Self

import pymysql
from pymysql.constants import CR, ER, SERVER_STATUS

from ectojob_py.bell import listen
from ectojob_py.guard import AUTOCOMMIT, ENDED, Guard
from ectojob_py.job import Job
from ectojob_py.mysql import connection
from ectojob_py.mysql.calls import CONFLICTS

_GAP = r"(?:\s|--[^\n]*\n|#[^\n]*\n|/\*(?![!M]).*?\*/)"  # white space, and comments that nobody executes
_BEGINS_ANOTHER = re.compile(
    rf"{_GAP}*(begin(?!{_GAP}+not\b)|start{_GAP}+transaction|(commit|rollback){_GAP}+(work{_GAP}+)?and{_GAP}+chain)\b",
    re.I | re.S,
)
"""What ends a transaction, and has another one open when the server tells."""


class HandlerConnection(Guard, pymysql.Connection):
    """A PyMySQL connection that a handler may use for everything but ending its transaction, which is the worker's.

    The transaction begins at the handler's first statement, and ends with the job.
    """

    _unsure = False
    """Whether a statement of the handler's failed, and its transaction may have ended by that."""
    _asks = False
    """Whether it is the worker who says something, though the handler has it."""
    _session: connection.Session | None = None
    """Where to ask whether the server is at what it was told."""
    _rolls_back = False
    """Whether the server rolls everything back, and not just the statement, when that has waited too long."""

    @classmethod
    def opened(cls, dsn: str) -> Self:
        """Connect."""
        conn: Self = connection.connect_worker(dsn, cls, autocommit=False)
        with conn.cursor() as cursor:
            cursor.execute("select connection_id(), @@innodb_rollback_on_timeout")
            [(id, conn._rolls_back)] = cursor.fetchall()
        conn._session = connection.Session(dsn, id)
        return conn

    def _execute_command(self, command: int, sql: Any) -> None:
        """Send it, and if it is the worker's wait while the server is at it, or as long as the dsn says.

        A handler's takes as long as it takes, and so do results that it left, which are read before anything is sent.
        """
        super()._execute_command(command, sql)
        if self._session is None or (self.handing_out and not self._asks):
            return
        late_at = monotonic() + (self._read_timeout or inf)
        while not listen([self], min(connection.PATIENCE, max(0.0, late_at - monotonic()))):
            if monotonic() >= late_at or not self._session.is_busy():
                self._force_close()
                raise pymysql.OperationalError(CR.CR_SERVER_LOST, "Lost connection: the server did not answer in time")

    def catch_up(self) -> None:
        """Ask the server about the transaction, when it was open before a result that was left or a statement failed.

        A DDL statement that fails has committed all the same, and an error comes without the session's status.
        """
        if self._in_transaction() and not self._undone and (self._result is None or self._result.has_next):
            self._ask()

    def take_back(self) -> None:
        """Refuse to go on after a deadlock, which has undone all that came before."""
        if self.conflict and self._undone:
            raise self.conflict

    def gave_way(self, error: BaseException | None) -> bool:
        """Leave out a lock that the handler didn't get, caught, and did without; MariaDB's NOWAIT says so, too.

        And DDL that waited for its table in vain: before it did, it has committed.
        """
        if self._undone or not super().gave_way(error):
            return self._undone
        if self._unsure:
            self._unsure = False
            with suppress(pymysql.Error):
                self._ask()
            return self._in_transaction()
        return True

    @property
    def _undone(self) -> bool:
        """Whether a conflict has undone the transaction, and not just a statement."""
        return self.conflict is not None and (self._rolls_back or self.conflict.args[0] != ER.LOCK_WAIT_TIMEOUT)

    def finish_one(self, schema: str, job: Job) -> bool:
        """Leave it to ``finish``: there is no faster way."""
        return False

    def finish(self, complete: Callable[[], object], calls: int = 1) -> None:
        """Complete the jobs, and commit them with what the handler wrote."""
        complete()
        with self._watched():
            self.commit()

    def reset(self) -> None:
        """Roll back what is open, and be as new."""
        self._unsure = False
        self.rollback()
        if self.get_autocommit():
            self.autocommit(False)

    def query(self, sql: Any, unbuffered: bool = False) -> int:
        """Run a statement, and look whether it ended the transaction: COMMIT does, and so does any DDL.

        One that failed may have: an error comes without the session's status, so that it is asked for now.
        """
        if self._unsure:
            self._unsure = False
            self._ask()
        if self._in_transaction() and _BEGINS_ANOTHER.match(
            sql if isinstance(sql, str) else sql[:100].decode("latin1")
        ):
            self.refuse(ENDED)
        with self._watched():
            return super().query(sql, unbuffered)

    def next_result(self, unbuffered: bool = False) -> int:
        """Go on to a procedure's next result, and look likewise: what it committed after the one before is told now."""
        with self._watched():
            return super().next_result(unbuffered)

    def _ask(self) -> None:
        self._asks = True
        try:
            with self._watched():
                self.ping(reconnect=False)
        finally:
            self._asks = False

    @contextmanager
    def _watched(self) -> Iterator[None]:
        open_before = self._in_transaction()
        try:
            yield
        except pymysql.MySQLError as error:
            self.demoted |= error.args[0] == ER.OPTION_PREVENTS_STATEMENT
            if error.args[0] in CONFLICTS and not self._undone:
                self.conflict = error
            self._unsure = self.handing_out and open_before and not self._undone
            raise
        if open_before and not self._in_transaction() and not self._undone:
            self.refuse(ENDED)
        if self.get_autocommit():
            self.refuse(AUTOCOMMIT)

    def _in_transaction(self) -> bool:
        return bool(self.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)

    @property
    def closed(self) -> bool:
        """Whether it is closed, or broken as far as PyMySQL knows."""
        return not self.open

    def fileno(self) -> int:
        """Return its socket."""
        return self._sock.fileno()

    def begin(self) -> None:
        """Begin a transaction; not for handlers, who have one."""
        self.refuse("called begin()")
        super().begin()

    def commit(self) -> None:
        """Commit; not for handlers."""
        self.refuse("called commit()")
        super().commit()

    def rollback(self) -> None:
        """Roll back; not for handlers, who raise an exception instead."""
        self.refuse("called rollback()")
        super().rollback()

    def close(self) -> None:
        """Close, unless it broke and is closed; not for handlers."""
        self.refuse("called close()")
        with suppress(pymysql.Error):
            super().close()

    def discard(self) -> None:
        """Close it; nobody uses it."""
        self.close()

    def autocommit(self, value: bool) -> None:
        """Set autocommit; not for handlers."""
        self.refuse(AUTOCOMMIT)
        super().autocommit(value)
