"""What a worker needs of PostgreSQL."""

from functools import partial
from math import inf

import psycopg

from ectojob_py.engine import NotNow
from ectojob_py.errors import NotAllowed, SetupError, UnknownQueue
from ectojob_py.pool import Connections
from ectojob_py.pool_async import AsyncConnections
from ectojob_py.postgres.connection import HandlerConnection
from ectojob_py.postgres.connection_async import AsyncHandlerConnection
from ectojob_py.postgres.dsn import with_defaults
from ectojob_py.postgres.listener import Listener
from ectojob_py.release import how_to_migrate

__all__ = ["Error", "Listener", "attention_span", "is_lost", "open_async_pool", "open_pool", "setup_error"]

Error = (psycopg.Error,)
attention_span = inf

_LOST = ("08", "57P")
"""The SQLSTATEs of connections, and of a server that ends; what libpq says by itself has none."""


def open_pool(dsn: str) -> Connections[HandlerConnection]:
    """Make a pool of handlers' connections."""
    return Connections(partial(HandlerConnection.open, with_defaults(dsn)), psycopg.OperationalError)


def open_async_pool(dsn: str) -> AsyncConnections[AsyncHandlerConnection]:
    """Make a pool of async handlers' connections."""
    return AsyncConnections(partial(AsyncHandlerConnection.open, with_defaults(dsn)), psycopg.OperationalError)


def is_lost(error: Exception) -> bool:
    """Tell whether an error says that the connection is gone, and not that the database refused a call."""
    if isinstance(error, psycopg.OperationalError):
        return error.sqlstate is None or error.sqlstate.startswith(_LOST)
    return isinstance(error, psycopg.InterfaceError)


def setup_error(error: Exception, schema: str) -> SetupError:
    """Say what keeps a worker from starting, and the remedy; ``NotNow`` unless it stays so."""
    match error:
        case psycopg.errors.UndefinedFunction() | psycopg.errors.InvalidSchemaName():
            return SetupError(f"ectojob is not installed in schema {schema}", f"Run: {how_to_migrate(schema)}")
        case UnknownQueue():
            return SetupError(error.diag.message_primary or "unknown queue", error.diag.message_hint or "")
        case psycopg.errors.InsufficientPrivilege():
            return NotAllowed(error.diag.message_primary or "permission denied", schema, "worker")
        case psycopg.errors.ReadOnlySqlTransaction():
            message = error.diag.message_primary or "the server is read-only"
            return NotNow(message, "A standby? Or default_transaction_read_only, of the role or the database.")
    return NotNow(str(error).strip(), "Check the dsn, and that the server runs.")
