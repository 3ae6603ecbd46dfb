"""The connections that handlers get, each opened when a hand first needs one more."""

import random
import select
from collections.abc import Callable
from contextlib import AbstractContextManager
from time import monotonic, sleep
from typing import Generic, Protocol, TypeVar

_PATIENCE = 10.0
"""Seconds that a job waits for its connection before it is given back."""


class Lent(Protocol):
    """A connection as a hand uses it: lent to the handler, then finished and reset."""

    @property
    def closed(self) -> bool:
        """Whether it is closed, or broken as far as the driver knows."""

    @property
    def demoted(self) -> bool:
        """Whether its server refused to write: then it isn't the primary, or isn't any more."""

    @property
    def conflict(self) -> Exception | None:
        """What the server told the last transaction, when it had to yield to another one: try it anew, as a whole."""

    def fileno(self) -> int:
        """Return its socket."""

    def handed_out(self) -> AbstractContextManager[None]:
        """Guard the transaction while the handler has the connection; raise ``HandlerError`` when it was broken."""

    def finish(self, complete: Callable[[], object]) -> None:
        """Complete the job and commit, with what the handler wrote."""

    def reset(self) -> None:
        """Roll back what is open, and be as new."""

    def close(self) -> None:
        """Close it."""


Conn = TypeVar("Conn", bound=Lent)


class Connections(Generic[Conn]):
    """Connections that are reused while they are good; there are never more than hands that use them.

    Whoever needs one opens it himself and tries again every second. ``psycopg_pool`` does so in the background, pausing
    twice as long each time, so that after an outage of minutes the jobs would wait for minutes.
    """

    def __init__(self, connect: Callable[[], Conn], error: type[Exception]) -> None:
        """Take what opens a connection, and what it raises while there is no server; nothing is opened yet."""
        self._connect = connect
        self._error = error
        self._idle: list[Conn] = []
        self._trusted: set[Conn] = set()
        self._closed = False

    def getconn(self) -> Conn:
        """Return a connection that isn't known to be broken, trying for ten seconds to open one."""
        while (conn := self._take()) is not None:
            if _silent(conn):
                return conn
            self._drop(conn)
        conn = self._open()
        self._trusted.add(conn)
        return conn

    def putconn(self, conn: Conn) -> None:
        """Take a connection back; close it if it is broken, or was lent before the last ``check``."""
        if conn.demoted:
            self.check()
        if conn.closed or conn not in self._trusted:
            self._drop(conn)
        else:
            self._idle.append(conn)
        if self._closed:
            self.check()

    def check(self) -> None:
        """Trust no connection opened so far: the server went away, or isn't the primary any more."""
        self._trusted = set()
        while (conn := self._take()) is not None:
            self._drop(conn)

    def close(self) -> None:
        """Close the idle connections, and the others when they come back."""
        self._closed = True
        self.check()

    def _open(self) -> Conn:
        deadline = monotonic() + _PATIENCE
        while True:
            try:
                return self._connect()
            except self._error:
                if monotonic() >= deadline or self._closed:
                    raise
                sleep(random.uniform(0.5, 1))

    def _take(self) -> Conn | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _drop(self, conn: Conn) -> None:
        self._trusted.discard(conn)
        conn.close()


def _silent(conn: Lent) -> bool:
    """Tell whether the server has said nothing since; what it says to an idle connection is that it closes it."""
    poll = select.poll()
    poll.register(conn.fileno(), select.POLLIN)
    return not poll.poll(0)
