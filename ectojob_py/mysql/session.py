"""A connection to MySQL or MariaDB for the command line and the demo."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pymysql
from pymysql.constants import ER
from pymysql.cursors import DictCursor

from ectojob_py.client import Jobs
from ectojob_py.errors import BadUsage
from ectojob_py.mysql.calls import MysqlCalls
from ectojob_py.mysql.connection import arguments, connect
from ectojob_py.session import Json, Row

Error = (pymysql.MySQLError, psycopg.DatabaseError, RuntimeError)
"""What the driver raises, and what ``MysqlCalls`` makes of it; a ``RuntimeError`` when a login needs cryptography."""

_MISSING = {ER.BAD_DB_ERROR, ER.BAD_FIELD_ERROR, ER.NO_SUCH_TABLE, ER.SP_DOES_NOT_EXIST}
_FORBIDDEN = {ER.DBACCESS_DENIED_ERROR, ER.TABLEACCESS_DENIED_ERROR, ER.PROCACCESS_DENIED_ERROR}


def check(dsn: str) -> None:
    """Raise ``BadUsage`` for a dsn that makes no sense; it isn't repeated, as the password might stand anywhere."""
    try:
        arguments(dsn)
    except ValueError as error:
        raise BadUsage(str(error), "Pass mysql://user:password@host:3306/, or mysql://user@/?unix_socket=...") from None


def is_missing(error: Exception) -> bool:
    """Tell whether the error says that ectojob, or what this release has, is not there."""
    return isinstance(error, pymysql.MySQLError) and bool(error.args) and error.args[0] in _MISSING


def is_forbidden(error: Exception) -> bool:
    """Tell whether the error says that this user may not do so."""
    return isinstance(error, pymysql.MySQLError) and bool(error.args) and error.args[0] in _FORBIDDEN


class Session:
    """One autocommit connection; see ``ectojob_py.session``."""

    def __init__(self, dsn: str, schema: str) -> None:
        """Connect."""
        self._conn = connect(dsn, autocommit=True, cursorclass=DictCursor)
        self._schema = schema
        self.jobs = Jobs(self._conn, schema)

    @property
    def where(self) -> str:
        """Which database this is, in words."""
        return f"the server {self._conn.get_host_info()}"

    def rows(self, query: str, **values: object) -> list[Row]:
        """Read."""
        with self._conn.cursor() as cursor:
            cursor.execute(self._named(query, bool(values)), values or None)
            return [{name: _plain(name, value) for name, value in row.items()} for row in cursor.fetchall()]

    def run(self, script: str, rows: Sequence[Sequence[object]] | None = None) -> None:
        """Run a script, whose statements are separated by ``//``; or a statement for each of the rows."""
        with self._conn.cursor() as cursor:
            if rows is not None:
                cursor.executemany(self._named(script, with_values=True), rows)
                return
            for statement in self._named(script).split(" //\n"):
                cursor.execute(statement)
                while cursor.nextset():
                    pass

    def clock(self) -> datetime:
        """Return the database's time."""
        [row] = self.rows("select utc_timestamp(6) as now")
        now: datetime = row["now"]
        return now

    @contextmanager
    def transaction(self, queue: str) -> Iterator[None]:
        """Do the whole block or none of it; then wake the workers of ``queue``."""
        self._conn.begin()
        try:
            yield
        except BaseException:
            with suppress(pymysql.MySQLError):  # the connection may be what broke
                self._conn.rollback()
            raise
        self._conn.commit()
        MysqlCalls(self._conn, self._schema).value("wake", queue)

    def close(self) -> None:
        """Close, unless it broke and is closed."""
        with suppress(pymysql.MySQLError):
            self._conn.close()

    def _named(self, query: str, with_values: bool = False) -> str:
        name = f"`{self._schema.replace('`', '``')}`"
        return query.replace("{schema}", name.replace("%", "%%") if with_values else name)


def _plain(name: str, value: Any) -> object:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return Json(value) if name == "params" else value
