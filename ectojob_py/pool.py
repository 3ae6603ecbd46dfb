# Made from pool_async.py by tests/client/unasync.py: change that one, then run make unasync.
"""The connections that handlers get, each opened when a hand first needs one more."""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from time import monotonic, sleep
from typing import Protocol, TypeVar

from ectojob_py.job import Job
from ectojob_py.stock import Idle, Stock

_PATIENCE = 10.0
"""Seconds that a job waits for its connection before it is given back."""


class Lent(Idle, Protocol):
    """A connection as a hand uses it: lent to the handler, then finished and reset."""

    @property
    def conflict(self) -> Exception | None:
        """What the server told the last transaction, when it had to yield to another one."""

    def gave_way(self, error: Exception) -> bool:
        """Tell whether the last transaction ended in ``error`` because it had to yield: run it again, as a whole."""

    def handed_out(self) -> AbstractContextManager[None]:
        """Guard the transaction while the handler has the connection; raise ``HandlerError`` when it was broken."""

    def finish_one(self, schema: str, job: Job) -> bool:
        """Do what ``finish`` does for one job, if there is a faster way; return whether it did."""

    def finish(self, complete: Callable[[], object], calls: int = 1) -> None:
        """Complete the jobs and commit, with what the handler wrote: all or nothing. ``calls``: how many it takes."""

    def reset(self) -> None:
        """Roll back what is open, and be as new."""


Conn = TypeVar("Conn", bound=Lent)


class Connections(Stock[Conn]):
    """Connections that are reused while they are good; there are never more than hands that use them.

    Whoever needs one opens it himself and tries again every second. ``psycopg_pool`` does so in the background, pausing
    twice as long each time, so that after an outage of minutes the jobs would wait for minutes.
    """

    def __init__(self, connect: Callable[[], Conn], error: type[Exception]) -> None:
        """Take what opens a connection, and what it raises while there is no server; nothing is opened yet."""
        super().__init__()
        self._connect = connect
        self._error = error

    def getconn(self) -> Conn:
        """Return a connection that isn't known to be broken: one that is there, or comes back, or can be opened.

        Raises what keeps it from opening one, after ten seconds: a role may have no more, and others use those it has.
        """
        deadline = monotonic() + _PATIENCE
        while (conn := self._good()) is None:
            try:
                conn = self._connect()
            except self._error:
                if monotonic() >= deadline or self._closed:
                    raise
                sleep(random.uniform(0.5, 1))
            else:
                self._trusted.add(conn)
                break
        return conn
