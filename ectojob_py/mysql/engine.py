"""What a worker needs of MySQL and MariaDB."""

from functools import partial
from typing import NoReturn

import psycopg
import pymysql
from pymysql.constants import ER

from ectojob_py.engine import NotNow
from ectojob_py.errors import NotAllowed, SetupError, UnknownQueue
from ectojob_py.mysql.handler_connection import HandlerConnection
from ectojob_py.mysql.listener import NAP, Listener
from ectojob_py.pool import Connections
from ectojob_py.release import how_to_migrate

__all__ = ["Error", "Listener", "attention_span", "is_lost", "open_async_pool", "open_pool", "setup_error"]

Error = (pymysql.MySQLError, psycopg.DatabaseError)
"""What the driver raises, and what ``MysqlCalls`` makes of the codes of the contract."""

attention_span = NAP

_LOST = {
    0,
    ER.CON_COUNT_ERROR,
    ER.SERVER_SHUTDOWN,
    ER.TOO_MANY_USER_CONNECTIONS,
    ER.USER_LIMIT_REACHED,
    1927,  # MariaDB's ER_CONNECTION_KILLED
    *range(2000, 2100),
}
"""The server ends, or has no connection left, or ended this one; and what PyMySQL says by itself."""


def open_pool(dsn: str) -> Connections[HandlerConnection]:
    """Make a pool of handlers' connections."""
    return Connections(partial(HandlerConnection.opened, dsn), pymysql.OperationalError)


def open_async_pool(_dsn: str) -> NoReturn:
    """Refuse: PyMySQL has nothing to await."""
    raise SetupError("async handlers need PostgreSQL", "Write them with def; PyMySQL has nothing to await.")


def is_lost(error: Exception) -> bool:
    """Tell whether an error says that the connection is gone, and not that the database refused a call."""
    return isinstance(error, pymysql.MySQLError) and (not error.args or error.args[0] in _LOST)


def setup_error(error: Exception, schema: str) -> SetupError:
    """Say what keeps a worker from starting, and the remedy; ``NotNow`` unless it stays so."""
    code, text = (*error.args, None, None)[:2] if isinstance(error, pymysql.MySQLError) else (None, str(error))
    if code in (ER.BAD_DB_ERROR, ER.SP_DOES_NOT_EXIST):
        return SetupError(f"ectojob is not installed in database {schema}", f"Run: {how_to_migrate(schema)}")
    if code == ER.PROCACCESS_DENIED_ERROR:
        return NotAllowed(str(text), schema, "worker")
    if isinstance(error, UnknownQueue):
        return SetupError(error.diag.message_primary or "unknown queue", error.diag.message_hint or "")
    return NotNow(str(text), "Check the dsn, and that the server runs.")
