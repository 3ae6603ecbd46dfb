"""The connections that handlers get, each opened when a hand first needs one more."""

import random
import select
from time import monotonic, sleep

import psycopg

from ectojob_py.postgres.connection import HandlerConnection, with_defaults

_PATIENCE = 10.0
"""Seconds that a job waits for its connection before it is given back."""


class Connections:
    """Connections that are reused while they are good; there are never more than hands that use them.

    Whoever needs one opens it himself and tries again every second. ``psycopg_pool`` does so in the background, pausing
    twice as long each time, so that after an outage of minutes the jobs would wait for minutes.
    """

    def __init__(self, dsn: str) -> None:
        """Take the dsn; nothing is opened yet."""
        self._dsn = with_defaults(dsn)
        self._idle: list[HandlerConnection] = []
        self._trusted: set[HandlerConnection] = set()
        self._closed = False

    def getconn(self) -> HandlerConnection:
        """Return a connection that isn't known to be broken, trying for ten seconds to open one."""
        while (conn := self._take()) is not None:
            if _silent(conn):
                return conn
            self._drop(conn)
        conn = self._open()
        self._trusted.add(conn)
        return conn

    def putconn(self, conn: HandlerConnection) -> None:
        """Take a connection back; close it if it is broken, or was lent before the last ``check``."""
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

    def _open(self) -> HandlerConnection:
        deadline = monotonic() + _PATIENCE
        while True:
            try:
                return HandlerConnection.connect(self._dsn)
            except psycopg.OperationalError:
                if monotonic() >= deadline or self._closed:
                    raise
                sleep(random.uniform(0.5, 1))

    def _take(self) -> HandlerConnection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _drop(self, conn: HandlerConnection) -> None:
        self._trusted.discard(conn)
        conn.close()


def open_pool(dsn: str, _size: int) -> Connections:
    """Return connections for some hands; how many there are is up to them."""
    return Connections(dsn)


def _silent(conn: HandlerConnection) -> bool:
    """Tell whether the server has said nothing since; what it says to an idle connection is that it closes it."""
    poll = select.poll()
    poll.register(conn.fileno(), select.POLLIN)
    return not poll.poll(0)
