"""The connection on which a worker listens, claims and sweeps."""

from collections.abc import Callable
from datetime import timedelta
from math import inf
from time import monotonic
from types import TracebackType
from typing import Self

from psycopg import Notify, errors, sql
from psycopg.adapt import AdaptersMap
from psycopg.generators import notifies
from psycopg.postgres import register_default_adapters, register_default_types
from psycopg.types import TypesRegistry

from ectojob_py.bell import Bell, listen
from ectojob_py.client import Jobs
from ectojob_py.errors import Locked
from ectojob_py.job import Job
from ectojob_py.postgres.dsn import with_defaults
from ectojob_py.postgres.frontier import Frontier
from ectojob_py.postgres.heartbeat import LivelyConnection
from ectojob_py.postgres.sleeper import Sleeper
from ectojob_py.release import release

_SCHEDULED = ".scheduled"
"""How the channel ends on which workers are told that the next due moment may have changed."""

_UNLIMITED = """
select pg_catalog.set_config(name, '0', false) from pg_catalog.pg_settings
where name in ('statement_timeout', 'transaction_timeout', 'idle_session_timeout')
"""
"""A sweep takes as long as there are jobs that are due: cut off, and so rolled back, it would be begun for ever. And a
worker that nobody has work for is idle."""

_BRIEF = "set idle_in_transaction_session_timeout = '15s'"
"""A worker that is frozen, or gone with its machine, between two statements of a transaction has a job's row locked: no
longer than that, as the sweep of the others passes over it."""


def _own_adapters() -> AdaptersMap:
    """Return psycopg's adapters without what the application has registered for itself: a time that is text, say."""
    types = TypesRegistry()
    register_default_types(types)
    adapters = AdaptersMap(types=types)
    register_default_adapters(adapters)
    return adapters


class Listener:
    """An autocommit connection that hears the wake-ups of some queues. Raises ``psycopg.Error`` when it is lost."""

    def __init__(
        self, dsn: str, schema: str, queues: tuple[str, ...], is_late: Callable[[], bool] = lambda: False
    ) -> None:
        """Connect and listen. ``is_late``: whether there is no time left to wait for a call that the server is at."""
        self._schema = schema
        self._channels = {
            f"{schema}.{queue}{suffix}": (queue, suffix) for queue in queues for suffix in ("", _SCHEDULED)
        }
        self._conn = LivelyConnection.connect(with_defaults(dsn), autocommit=True, context=_own_adapters())
        self._conn.is_late = is_late
        self._heard: set[tuple[str, str]] = set()
        self._conn.add_notify_handler(self._hear)  # called also for what arrives while other statements run
        self.jobs = Jobs(self._conn, schema)
        self._sleepers = {queue: Sleeper(self._conn, schema, queue) for queue in queues}
        self._frontiers = {queue: Frontier(self.jobs, queue) for queue in queues}
        try:
            [self._conn.pid] = self._conn.execute("select pg_backend_pid()").fetchone() or [None]
            self._conn.execute("select set_config('ectojob.release', %s, false)", [release()])  # see next_due
            self._conn.execute("set default_transaction_isolation = 'read committed'")  # above it, claims conflict
            self._conn.execute(_UNLIMITED)
            self._conn.execute(_BRIEF)
            self._conn.execute("set datestyle = iso")  # psycopg reads no other, whatever the role's default is
            for channel in self._channels:
                self._conn.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
        except BaseException:
            self._conn.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._conn.close()

    @property
    def where(self) -> str:
        """Which schema of which database this is, in words."""
        info = self._conn.info
        return f"schema {self._schema} of database {info.dbname} at {info.host}:{info.port}"

    def due_in(self, queue: str) -> float | None:
        """Return the seconds until the sweep has work next, both ends by the database's clock; ``None``: none known."""
        statement = sql.SQL("select extract(epoch from due - clock_timestamp()) from {}(%s) as due")
        function = sql.Identifier(self._schema.replace("%", "%%"), "next_due")
        row = self._conn.execute(statement.format(function), [queue]).fetchone()
        return None if row is None or row[0] is None else float(row[0])

    def claim(self, queue: str, demand: int, execution_timeout: timedelta | None) -> list[Job]:
        """Take up to ``demand`` jobs; after fewer, ``wait`` returns the queue once it is worth a look again."""
        if self._sleepers[queue].looking():
            self._heard.add((queue, _SCHEDULED))
        claimed = self._frontiers[queue].claim(demand, execution_timeout)
        if claimed:
            self._sleepers[queue].found()
        else:
            self._sleepers[queue].vain()
        return claimed

    def extend(self, job: Job, by: timedelta) -> Job | None:
        """Keep a lease; ``None``: someone else has the job by now. Raises ``Locked`` rather than wait for its row."""
        return self._at_once(lambda: self.jobs.extend(job.queue, job.id, job.attempt, by))

    def release(self, job: Job) -> Job | None:
        """Give a job back; ``None``: someone else has it by now. Raises ``Locked`` rather than wait for its row."""
        return self._at_once(lambda: self.jobs.release(job.queue, job.id, job.attempt))

    def fail(self, job: Job, error: str, retry_in: timedelta | None) -> Job | None:
        """Fail an attempt; ``None``: someone else has it by now. Raises ``Locked`` rather than wait for its row."""
        return self._at_once(lambda: self.jobs.fail(job.queue, job.id, job.attempt, error, retry_in))

    def _at_once(self, move: Callable[[], Job | None]) -> Job | None:
        try:
            with self._conn.transaction():
                self._conn.execute("set local lock_timeout = '10ms'")
                moved = move()
                self._conn.execute("set local lock_timeout = 0")  # the COMMIT of a NOTIFY waits for that of any other
                return moved
        except errors.LockNotAvailable as error:
            raise Locked from error

    def wait(self, timeout: float, bell: Bell, empty: set[str]) -> tuple[set[str], set[str]]:
        """Sleep until a wake-up of any queue, the bell, or ``timeout`` seconds; or to feel the server's pulse.

        Returns the queues that are worth a look now, and those whose next due moment may have changed. Wake-ups are
        asked for only where they are needed, for the queues that are ``empty``.
        """
        for queue, sleeper in self._sleepers.items():
            if queue in empty:
                sleeper.rest(self._frontiers[queue].owed_at)
            else:
                sleeper.rise()
        if not self._heard:
            wake_at = min(self._conn.next_beat, *(sleeper.look_at for sleeper in self._sleepers.values()))
            deaf_until = max(sleeper.not_before for sleeper in self._sleepers.values())
            deaf = monotonic() < deaf_until
            ears: list[Bell | LivelyConnection] = [bell] if deaf else [bell, self._conn]
            wake_at = min(wake_at, deaf_until if deaf else inf)
            ready = listen(ears, max(0.0, min(timeout, wake_at - monotonic())))
            if bell in ready:
                bell.silence()
            if self._conn in ready:
                self._conn.wait(notifies(self._conn.pgconn))
            if self._conn.next_beat <= monotonic():
                self._conn.beat()
        heard, self._heard = self._heard, set()
        awake = {queue for queue, suffix in heard if not suffix and self._sleepers[queue].woken()}
        due = {queue for queue in empty if self._sleepers[queue].look_at <= monotonic()}
        return awake | due, {queue for queue, suffix in heard if suffix}

    def _hear(self, notification: Notify) -> None:
        """Remember what arrived until ``wait`` returns it; payloads don't matter, anyone may send."""
        if notification.channel in self._channels:
            self._heard.add(self._channels[notification.channel])
