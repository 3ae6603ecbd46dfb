"""Noticing a server that is out of reach while its connection looks alive.

TCP sees that a host is gone (see ``dsn._WORKERS``), but not that a proxy between goes on acknowledging and passes
nothing on: such a connection raises nothing, and whoever waits for it waits forever.
"""

from collections.abc import Callable, Generator
from time import monotonic
from typing import Any, NoReturn, Self

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.waiting import READY_R

INTERVAL = 15.0
"""Seconds of silence after which an idle worker asks the server whether it is still there. It asks nothing else between
two polls, of which there is one per queue and ``poll_interval``."""

PATIENCE = 15.0
"""Seconds that the worker waits for an answer to a call of its own before it looks whether the server is at it."""

LAST_PATIENCE = 5.0
"""Seconds that a worker whose grace period is over waits for an answer, whatever the server does."""


class _Impatient(psycopg.BaseConnection[Any]):
    """A connection that raises ``psycopg.OperationalError`` when an answer is not there in time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make the connection, which has just heard of the server."""
        super().__init__(*args, **kwargs)
        self._heard_at = monotonic()
        self.is_late: Callable[[], bool] = lambda: False
        """Whether there is no time left to wait until the server is done."""

    @property
    def patience(self) -> float:
        """Seconds that it waits for an answer."""
        return LAST_PATIENCE if self.is_late() else PATIENCE

    def _listening(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Run a generator of psycopg's as it is, taking the time between what the server says."""
        since = monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready is not None and ready & READY_R:  # None: psycopg goes on with it after an interrupt
                    since = self._heard_at = monotonic()
                elif monotonic() - since > self.patience:
                    self._lose_patience()
                    since = monotonic()
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _lose_patience(self) -> None:
        self._give_up()

    def _give_up(self) -> NoReturn:
        self.pgconn.finish()  # an answer that came after all would be taken for the next call's
        raise psycopg.OperationalError(f"the server did not answer for {self.patience:g} seconds")


class _ImpatientConnection(_Impatient, psycopg.Connection[Any]):
    @classmethod
    def connect(cls, *args: Any, **kwargs: Any) -> Self:
        """Connect; raise ``psycopg.OperationalError`` also where psycopg has no descriptor left to wait by."""
        try:
            return super().connect(*args, **kwargs)
        except OSError as error:
            raise psycopg.OperationalError(str(error)) from error

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """Wait as psycopg does, but not forever."""
        return super().wait(self._listening(gen), *args, **kwargs)


class _Considerate(_Impatient):
    pid: int | None = None
    """The server's process, as it says itself: a pooler makes one up in its greeting."""

    def _lose_patience(self) -> None:
        """Wait on while the call runs: it may sweep very many jobs, or wait for a lock or for a standby."""
        if self.is_late():
            self._give_up()
        # 'disabled' is without track_activities.
        query = "select from pg_stat_activity where pid = %s and state in ('active', 'disabled')"
        try:
            with _ImpatientConnection.connect(make_conninfo(self.info.dsn, password=self.info.password)) as other:
                other.execute("set role none")  # who logged in may know the state, whatever role that takes
                if other.execute(query, [self.pid or self.info.backend_pid]).fetchone() is None:
                    self._give_up()
        except psycopg.Error:
            self._give_up()


class LivelyConnection(_Considerate, _ImpatientConnection):
    """A connection that gives a call up once nobody works on it, and can feel the server's pulse when there is none."""

    @property
    def next_beat(self) -> float:
        """When ``beat`` is due, in ``monotonic`` seconds, unless the server says something before."""
        return self._heard_at + INTERVAL

    def beat(self) -> None:
        """Ask the server whether it is there and takes writes; raise ``psycopg.Error`` when not.

        A primary that became a standby, or was set read-only in a failover, may keep its connections.
        """
        if self.execute("show transaction_read_only").fetchone() != ("off",):
            raise psycopg.errors.ReadOnlySqlTransaction("the server has become read-only")


class AsyncLivelyConnection(_Considerate, psycopg.AsyncConnection[Any]):
    """The same for handlers that are async; what looks whether the server is at it holds their loop up meanwhile."""

    @classmethod
    async def connect(cls, *args: Any, **kwargs: Any) -> Self:
        """Connect, likewise."""
        try:
            return await super().connect(*args, **kwargs)
        except OSError as error:
            raise psycopg.OperationalError(str(error)) from error

    async def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """Wait as psycopg does, but not forever."""
        return await super().wait(self._listening(gen), *args, **kwargs)
