"""How the functions of the ``jobs`` schema are called on a connection, whichever kind it is."""

import sys
from typing import Any, Protocol

import psycopg

from ectojob_py.job import Job
from ectojob_py.postgres.calls import PostgresCalls
from ectojob_py.postgres.calls_async import AsyncPostgresCalls


class Calls(Protocol):
    """How a client calls a function of the ``jobs`` schema, by name, with positional arguments."""

    def value(self, function: str, *args: object) -> Any:
        """Call a function that returns one value, or nothing."""

    def values(self, function: str, *args: object) -> list[Any]:
        """Call a function that returns a set of values."""

    def jobs(self, function: str, *args: object) -> list[Job]:
        """Call a function that returns jobs."""


def calls_on(conn: Any, schema: str) -> Calls:
    """Return the calls for the kind of connection that ``conn`` is."""
    if isinstance(conn, psycopg.Connection):
        return PostgresCalls(conn, schema)
    if "pymysql" in sys.modules:  # an optional dependency: whoever has a connection of it has imported it
        import pymysql  # noqa: PLC0415

        if isinstance(conn, pymysql.Connection):
            from ectojob_py.mysql.calls import MysqlCalls  # noqa: PLC0415

            return MysqlCalls(conn, schema)
    if conn is None:
        raise TypeError("Jobs needs a connection, not None; Django has none yet: call connection.ensure_connection()")
    if isinstance(conn, psycopg.AsyncConnection):
        raise TypeError("Jobs needs a connection that isn't async; on this one: await AsyncJobs(conn).enqueue(...)")
    kind = f"{type(conn).__module__}.{type(conn).__qualname__}"
    msg = (
        f"Jobs needs a psycopg 3 or PyMySQL connection, not {kind}; take the one beneath: "
        "session.connection().connection.driver_connection in SQLAlchemy, connection.connection in Django"
    )
    raise TypeError(msg)


def async_calls_on(conn: Any, schema: str) -> AsyncPostgresCalls:
    """Return the calls that are awaited; only psycopg has them."""
    if isinstance(conn, psycopg.AsyncConnection):
        return AsyncPostgresCalls(conn, schema)
    kind = f"{type(conn).__module__}.{type(conn).__qualname__}"
    msg = f"AsyncJobs needs a psycopg 3 AsyncConnection, not {kind}; on one that isn't async: Jobs(conn).enqueue(...)"
    raise TypeError(msg)
