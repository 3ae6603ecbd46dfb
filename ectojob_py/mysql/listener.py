"""The connection on which a worker claims and sweeps, and those that sleep until there is a job."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

import pymysql
from pymysql.constants import ER

from ectojob_py.bell import Bell
from ectojob_py.client import Jobs
from ectojob_py.errors import Locked, UnknownQueue
from ectojob_py.job import Job
from ectojob_py.mysql import connection
from ectojob_py.mysql.calls import MysqlCalls

NAP = 1.0
"""Seconds an ear sleeps in the server, at most, before it looks by itself: a job that was enqueued inside a transaction
wakes nobody, unless its client calls ``wake`` after the commit. After a job the naps are short and grow again."""

_SHORTEST_NAP = 0.05
_BREATH = 0.005
"""Seconds between two looks, at least."""

_LONGEST_BREATH = 0.05
"""It is doubled up to this, whenever an ear has heard of a job and no claim got it: others may have it locked."""

_UNLIMITED = "set autocommit = 1 /*M! , max_statement_time = 0 */"
"""On MariaDB, for a sweep takes as long as there are jobs that are due: cut off, it would be begun for ever. And an ear
sleeps in a statement. MySQL's ``max_execution_time`` is for SELECT alone."""


def _connect(dsn: str) -> pymysql.Connection[Any]:
    conn: pymysql.Connection[Any] = connection.connect_worker(dsn, autocommit=True, read_timeout=connection.PATIENCE)
    with conn.cursor() as cursor:
        cursor.execute(_UNLIMITED)
    return conn


class Listener:
    """An autocommit connection, and an ear per queue. Raises ``pymysql.MySQLError`` when it is lost."""

    def __init__(
        self, dsn: str, schema: str, queues: tuple[str, ...], _is_late: Callable[[], bool] = lambda: False
    ) -> None:
        """Connect; the ears connect when first asked to listen. No answer is waited for longer than ``PATIENCE``."""
        self._conn = _connect(dsn)
        self._schema = schema
        self._calls = MysqlCalls(self._conn, schema, waits=False)
        self.jobs = Jobs(self._conn, schema)
        self._ears = {queue: _Ear(dsn, schema, queue) for queue in queues}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for ear in self._ears.values():
            ear.close()
        with suppress(pymysql.MySQLError):
            self._conn.close()

    @property
    def where(self) -> str:
        """Which database this is, in words."""
        conn = self._conn
        return f"database {self._schema} at {conn.unix_socket or f'{conn.host}:{conn.port}'}"

    def due_in(self, queue: str) -> float | None:
        """Return the seconds until the sweep has work next, by the database's clock; ``None``: none known."""
        due = self._calls.value("next_due", queue)
        if due is None:
            return None
        with self._conn.cursor() as cursor:
            query = "select timestampdiff(microsecond, utc_timestamp(6), %s) / 1000000"
            cursor.execute(query, [due.replace(tzinfo=None)])
            [(seconds,)] = cursor.fetchall()
        return float(seconds)

    def claim(self, queue: str, demand: int, execution_timeout: timedelta | None) -> list[Job]:
        """Take up to ``demand`` jobs."""
        claimed = self.jobs.claim_batch(queue, demand, execution_timeout)
        self._ears[queue].looked(found=bool(claimed))
        return claimed

    def extend(self, job: Job, by: timedelta) -> Job | None:
        """Keep a lease; ``None``: someone else has the job by now. Raises ``Locked`` after a second for its row."""
        return self._at_once("extend", job, by)

    def release(self, job: Job) -> Job | None:
        """Give a job back; ``None``: someone else has it by now. Raises ``Locked`` after a second for its row."""
        return self._at_once("release", job)

    def fail(self, job: Job, error: str, retry_in: timedelta | None) -> Job | None:
        """Fail an attempt; ``None``: someone else has it by now. Raises ``Locked`` after a second for its row."""
        return self._at_once("fail", job, error, retry_in)

    def _at_once(self, procedure: str, job: Job, *args: object) -> Job | None:
        self._execute("set session innodb_lock_wait_timeout = 1")  # there is no less on MySQL
        try:
            moved = self._calls.jobs(procedure, job.queue, job.id, job.attempt, *args)
            return moved[0] if moved else None
        except pymysql.OperationalError as error:
            if error.args[0] != ER.LOCK_WAIT_TIMEOUT:
                raise
            raise Locked from error
        finally:
            with suppress(pymysql.MySQLError):  # it is lost, which the call has said
                self._execute("set session innodb_lock_wait_timeout = default")

    def _execute(self, statement: str) -> None:
        with self._conn.cursor() as cursor:
            cursor.execute(statement)

    def wait(self, timeout: float, bell: Bell, empty: set[str]) -> tuple[set[str], set[str]]:
        """Sleep until a wake-up of an empty queue, the bell, or ``timeout`` seconds.

        A wake-up doesn't say what happened, so a queue that was woken is in both sets.
        """
        for queue in empty:
            self._ears[queue].listen(bell)
        bell.wait(timeout)
        awake = {queue for queue, ear in self._ears.items() if ear.heard()}
        return awake, awake


class _Ear:
    """A thread whose connection sleeps in ``wait_for_job``: MySQL has no LISTEN."""

    def __init__(self, dsn: str, schema: str, queue: str) -> None:
        self._dsn = dsn
        self._schema = schema
        self._queue = queue
        self._bell: Bell | None = None
        self._wanted = threading.Event()
        self._awake = threading.Event()
        self._closed = False
        self._breath = _BREATH
        self._heard_at = 0.0  # in ``monotonic`` seconds
        self._provoked = False  # whether the next look is its doing
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None
        self._conn: pymysql.Connection[Any] | None = None

    def listen(self, bell: Bell) -> None:
        """Ring the bell as soon as there is a job; once, until asked again."""
        self._bell = bell
        self._wanted.set()
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=f"ectojob-ear-{self._queue}", daemon=True)
            with suppress(RuntimeError):  # the system has none to give: it sweeps, and asks for one again
                thread.start()
                self._thread = thread

    def heard(self) -> bool:
        """Tell whether it was woken since last asked; raise what ended it."""
        if self._error is not None:
            raise self._error
        heard = self._awake.is_set()
        self._awake.clear()
        self._provoked |= heard
        return heard

    def looked(self, *, found: bool) -> None:
        """Listen again soon, if there was a job to take; else less soon each time that it was for nothing."""
        if found:
            self._breath = _BREATH
        elif self._provoked:
            self._breath = min(2 * self._breath, _LONGEST_BREATH)
        self._provoked = False

    def close(self) -> None:
        """Let the thread end, by hanging up when it sleeps, and wait for it."""
        self._closed = True
        self._wanted.set()
        if self._conn is not None:
            with suppress(OSError, AttributeError):  # it may have hung up by itself
                self._conn._sock.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join(2 * NAP)

    def _run(self) -> None:
        try:
            self._conn = _connect(self._dsn)
            try:
                self._listen(self._conn)
            finally:
                with suppress(pymysql.MySQLError):
                    self._conn.close()
        except (pymysql.MySQLError, UnknownQueue) as error:
            self._error = error
            self._ring()

    def _listen(self, conn: pymysql.Connection[Any]) -> None:
        nap = _SHORTEST_NAP
        while self._wanted.wait() and not self._closed:
            sleep(max(0.0, self._heard_at + self._breath - monotonic()))
            if self._job_within(conn, nap * random.uniform(0.75, 1)):
                self._wanted.clear()
                self._ring()
                nap = _SHORTEST_NAP
                self._heard_at = monotonic()
            else:
                nap = min(2 * nap, NAP)

    def _ring(self) -> None:
        self._awake.set()
        if self._bell is not None:
            self._bell.ring()

    def _job_within(self, conn: pymysql.Connection[Any], seconds: float) -> bool:
        """Sleep; tell whether to look: there is a job, or ``wake`` interrupted the sleep."""
        try:
            return MysqlCalls(conn, self._schema).value("wait_for_job", self._queue, seconds) != 0
        except pymysql.MySQLError as error:
            if error.args[0] != ER.QUERY_INTERRUPTED:
                raise
            with suppress(pymysql.MySQLError), conn.cursor() as cursor:  # else it is woken while it doesn't sleep, too
                cursor.execute("do release_all_locks()")
            return True
