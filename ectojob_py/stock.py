"""Connections that are reused while they are good."""

import select
from collections.abc import Hashable
from time import monotonic
from typing import Generic, Protocol, TypeVar

_FRESH = 0.01
"""Seconds after which an idle connection is asked whether the server has closed it: a system call, for which a hand has
to wait until it is its turn among the others again. A job that gets one closed within that time fails, as those that
were running then, and is tried again."""


class Idle(Hashable, Protocol):
    """A connection as far as it lies in stock."""

    @property
    def closed(self) -> bool:
        """Whether it is closed, or broken as far as the driver knows."""

    @property
    def demoted(self) -> bool:
        """Whether its server refused to write: then it isn't the primary, or isn't any more."""

    def fileno(self) -> int:
        """Return its socket."""

    def discard(self) -> None:
        """Close it, without waiting for anything."""


Conn = TypeVar("Conn", bound=Idle)


class Stock(Generic[Conn]):
    """Connections that nobody uses at the moment, and which of them all are to be trusted. From any thread."""

    def __init__(self) -> None:
        """Have none."""
        self._idle: list[tuple[Conn, float]] = []  # and since when, in ``monotonic`` seconds
        self._trusted: set[Conn] = set()
        self._closed = False

    def putconn(self, conn: Conn) -> None:
        """Take a connection back; close it if it is broken, or was lent before the last ``distrust``."""
        if conn.demoted:
            self.distrust()
        if conn.closed or conn not in self._trusted:
            self._drop(conn)
        else:
            self._idle.append((conn, monotonic()))
        if self._closed:
            self.distrust()

    def distrust(self) -> None:
        """Trust no connection opened so far: the server went away, or isn't the primary any more."""
        self._trusted = set()
        while (taken := self._take()) is not None:
            self._drop(taken[0])

    def close(self) -> None:
        """Close the idle connections, and the others when they come back."""
        self._closed = True
        self.distrust()

    def _good(self) -> Conn | None:
        """Take a connection that isn't known to be broken; ``None``: there is none."""
        while (taken := self._take()) is not None:
            conn, since = taken
            if monotonic() < since + _FRESH or _silent(conn):
                return conn
            self._drop(conn)
        return None

    def _take(self) -> tuple[Conn, float] | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _drop(self, conn: Conn) -> None:
        self._trusted.discard(conn)
        conn.discard()


def _silent(conn: Idle) -> bool:
    """Tell whether the server has said nothing since; what it says to an idle connection is that it closes it."""
    poll = select.poll()
    poll.register(conn.fileno(), select.POLLIN)
    return not poll.poll(0)
