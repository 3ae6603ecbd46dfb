"""What the client and the worker ask of a database, and which one answers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlsplit

import psycopg

from ectojob_py.job import Job
from ectojob_py.postgres.calls import PostgresCalls

if TYPE_CHECKING:
    from ectojob_py.bell import Bell
    from ectojob_py.client import Jobs
    from ectojob_py.errors import SetupError


class Calls(Protocol):
    """How a client calls a function of the ``jobs`` schema, by name, with positional arguments."""

    def value(self, function: str, *args: object) -> Any:
        """Call a function that returns one value, or nothing."""

    def values(self, function: str, *args: object) -> list[Any]:
        """Call a function that returns a set of values."""

    def jobs(self, function: str, *args: object) -> list[Job]:
        """Call a function that returns jobs."""


class Listener(AbstractContextManager["Listener"], Protocol):
    """The connection on which a worker listens, claims and sweeps; any of its errors means that it is lost."""

    jobs: Jobs

    def due_in(self, queue: str) -> float | None:
        """Return the seconds until the sweep has work next, by the database's clock; ``None``: none known."""

    def wait(self, timeout: float, bell: Bell, empty: set[str]) -> tuple[set[str], set[str]]:
        """Sleep; return the queues that have a job to run, and those whose next due moment may have changed.

        ``empty``: the queues that had no more jobs when last looked at, and so are worth listening to.
        """


class Lent(Protocol):
    """A connection as a hand uses it: lent to the handler, then finished and reset."""

    def handed_out(self) -> AbstractContextManager[None]:
        """Guard the transaction while the handler has the connection; raise ``HandlerError`` when it was broken."""

    def finish(self, complete: Callable[[], object]) -> None:
        """Complete the job and commit, with what the handler wrote."""

    def reset(self) -> None:
        """Roll back what is open, and be as new."""


class Pool(Protocol):
    """Connections for the hands, opened when first needed."""

    def getconn(self) -> Any:
        """Return a connection."""

    def putconn(self, conn: Any) -> None:
        """Take it back; a broken one is replaced."""

    def check(self) -> None:
        """Throw away the connections that broke while they were idle."""

    def close(self) -> None:
        """Close the connections, those in use when they come back."""


class Engine(Protocol):
    """What a worker needs of a database. A module: ``ectojob_py.postgres.engine``."""

    @property
    def Error(self) -> tuple[type[Exception], ...]:
        """What the driver raises."""

    @property
    def attention_span(self) -> float:
        """For how many seconds at most wake-ups are to be trusted, whatever the poll interval."""

    @property
    def Listener(self) -> Callable[[str, str, tuple[str, ...]], Listener]:
        """Connect and listen: dsn, schema, queues."""

    @property
    def open_pool(self) -> Callable[[str, int], Pool]:
        """Make a pool: dsn, size."""

    @property
    def setup_error(self) -> Callable[[Exception, str], SetupError]:
        """Say what keeps a worker from starting, and the remedy: error, schema."""


def kind_of(dsn: str) -> str:
    """Return which database a dsn names: ``mysql`` for a ``mysql://`` one (MariaDB too), else ``postgres``."""
    return "mysql" if urlsplit(dsn).scheme == "mysql" else "postgres"


def engine_of(dsn: str) -> Engine:
    """Return the engine that a dsn names."""
    return cast(Engine, import_module(f"ectojob_py.{kind_of(dsn)}.engine"))


def calls_on(conn: Any, schema: str) -> Calls:
    """Return the calls for the kind of connection that ``conn`` is."""
    if isinstance(conn, psycopg.Connection):
        return PostgresCalls(conn, schema)
    if "pymysql" in sys.modules:  # an optional dependency: whoever has a connection of it has imported it
        import pymysql  # noqa: PLC0415

        if isinstance(conn, pymysql.Connection):
            from ectojob_py.mysql.calls import MysqlCalls  # noqa: PLC0415

            return MysqlCalls(conn, schema)
    kind = f"{type(conn).__module__}.{type(conn).__qualname__}"
    msg = (
        f"Jobs needs a psycopg 3 or PyMySQL connection, not {kind}; take the one beneath: "
        "session.connection().connection.driver_connection in SQLAlchemy, connection.connection in Django"
    )
    raise TypeError(msg)
