"""A connection to PostgreSQL for the command line and the demo."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads

from ectojob_py.client import Jobs
from ectojob_py.errors import BadUsage
from ectojob_py.postgres.dsn import with_encoding
from ectojob_py.session import Json, Row

Error = psycopg.Error

_CONNECT_TIMEOUT = 10
_MISSING = (
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InvalidSchemaName,
)


def check(dsn: str) -> None:
    """Raise ``BadUsage`` for a dsn that makes no sense; it isn't repeated, as the password might stand anywhere."""
    try:
        host = conninfo_to_dict(dsn).get("host") or ""
    except (psycopg.Error, UnicodeError):
        msg = "the dsn is neither a postgresql:// or mysql:// URL nor a libpq connection string"
        hint = "Pass postgresql://user@host:5432/db, or 'host=... user=... dbname=...', or mysql://user@host:3306/."
        raise BadUsage(msg, hint) from None
    if "@" in str(host)[1:]:
        raise BadUsage("the dsn has more than one @", "Write an @ in the user's name or password as %40.")


def is_missing(error: Exception) -> bool:
    """Tell whether the error says that ectojob, or what this release has, is not there."""
    return isinstance(error, _MISSING)


def is_forbidden(error: Exception) -> bool:
    """Tell whether the error says that this user may not do so."""
    return isinstance(error, psycopg.errors.InsufficientPrivilege)


class Session:
    """One autocommit connection; see ``ectojob_py.session``."""

    def __init__(self, dsn: str, schema: str) -> None:
        """Connect."""
        options: dict[str, Any] = {"autocommit": True, "fallback_application_name": "ectojob"}
        if "connect_timeout" not in conninfo_to_dict(dsn) and "PGCONNECT_TIMEOUT" not in os.environ:
            options["connect_timeout"] = _CONNECT_TIMEOUT
        self._conn = psycopg.connect(with_encoding(dsn), **options)
        self._conn.execute("set datestyle = iso; set intervalstyle = postgres")  # psycopg reads no other
        self._schema = schema
        set_json_loads(_undecoded, self._conn)
        self.jobs = Jobs(self._conn, schema)

    @property
    def where(self) -> str:
        """Which database this is, in words."""
        return f"database {self._conn.info.dbname} on {self._conn.info.host}"

    def rows(self, query: str, **values: object) -> list[Row]:
        """Read."""
        with self._conn.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(self._named(query, bool(values)), values or None).fetchall()
        return [{name: _plain(value) for name, value in row.items()} for row in rows]

    def run(self, script: str, rows: Sequence[Sequence[object]] | None = None) -> None:
        """Run a script, or a statement for each of the rows."""
        with self._conn.cursor() as cursor:
            if rows is None:
                cursor.execute(self._named(script))
            else:
                cursor.executemany(self._named(script, with_values=True), rows)

    def clock(self) -> datetime:
        """Return the database's time."""
        [row] = self.rows("select clock_timestamp() as now")
        now: datetime = row["now"]
        return now

    @contextmanager
    def transaction(self, queue: str) -> Iterator[None]:
        """Do the whole block or none of it."""
        with self._conn.transaction():
            yield

    def close(self) -> None:
        """Close."""
        self._conn.close()

    def _named(self, query: str, with_values: bool = False) -> bytes:
        name = sql.Identifier(self._schema).as_string()
        return query.replace("{schema}", name.replace("%", "%%") if with_values else name).encode()


def _undecoded(document: str | bytes) -> Json:
    return Json(document if isinstance(document, str) else document.decode())


def _plain(value: object) -> object:
    return value.total_seconds() if isinstance(value, timedelta) else value
