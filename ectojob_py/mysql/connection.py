"""Connecting by a dsn: ``mysql://user:password@host:port/database?unix_socket=/path``, every part optional."""

import socket
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pymysql

from ectojob_py.identity import session_name

_SETTINGS: dict[str, type] = {
    "unix_socket": str, "charset": str, "connect_timeout": int, "read_timeout": int, "write_timeout": int,
    "ssl_ca": str, "ssl_cert": str, "ssl_key": str, "ssl_verify_cert": bool, "ssl_verify_identity": bool,
}  # fmt: skip
_WORDS = {"true": True, "1": True, "false": False, "0": False}

# A peer that vanished without a word is noticed after 15 s instead of two hours.
_KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 15000}

PATIENCE = 20.0
"""Seconds after which a server that doesn't answer is given up, or looked after where it may have reason to take long.
An ear hears of it every nap; a longer sweep ends on the server all the same."""

READ_COMMITTED = "set session transaction isolation level read committed"
"""At REPEATABLE READ a claim leaves gap locks, and enqueuers wait for them."""

MIGRATORS_LOCK = "concat('ectojob migrate ', left(sha2(%s, 256), 40))"
"""What a deploy holds, by the schema's name; ``sql/mysql/install.sql`` and ``post-apply.py`` say it for themselves."""


def connect(dsn: str, kind: Any = pymysql.Connection, **options: Any) -> Any:
    """Open a PyMySQL connection of a kind; ``options`` win over the dsn. Without a host or a socket: localhost, TCP."""
    conn = kind(**{"program_name": session_name(), **arguments(dsn), **options})
    for name, value in _KEEPALIVE.items():
        with suppress(AttributeError, OSError):  # not every system has them, and a Unix socket needs none
            conn._sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return conn


def connect_worker(dsn: str, kind: Any = pymysql.Connection, **options: Any) -> Any:
    """Open a connection of a worker's, which may be idle for as long as it likes: so may a handler be."""
    conn = connect(dsn, kind, init_command=READ_COMMITTED, **options)
    with conn.cursor() as cursor:
        cursor.execute("set session wait_timeout = 2147483")  # the most there is on every system
    return conn


@dataclass(frozen=True)
class Session:
    """A connection, as the server knows it; not by the greeting, which a proxy makes up."""

    dsn: str
    id: int

    def is_busy(self) -> bool:
        """Tell whether the server is at a statement of it, as it says on another connection."""
        try:
            with closing(connect(self.dsn, read_timeout=PATIENCE)) as conn, conn.cursor() as cursor:
                cursor.execute(
                    "select 1 from information_schema.processlist where id = %s and command <> 'Sleep'", [self.id]
                )
                return cursor.fetchone() is not None
        except pymysql.MySQLError:
            return False


def arguments(dsn: str) -> dict[str, Any]:
    """Return what a dsn says, as PyMySQL takes it. Raises ``ValueError`` when it makes no sense."""
    try:
        parts = urlsplit(dsn)
    except ValueError:  # which repeats it
        raise ValueError("the dsn is not a URL") from None
    if parts.fragment or "@" in parts.path + parts.query:
        raise ValueError("the dsn's user or password has a character that must be written as %23, %2F or %3F")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("the dsn's port is no number from 0 to 65535") from None
    said = {
        "host": parts.hostname,
        "port": port,
        "user": parts.username and unquote(parts.username),
        "password": parts.password and unquote(parts.password),
        "database": unquote(parts.path.removeprefix("/")),
        **{name: _setting(name, value) for name, value in parse_qsl(parts.query)},
    }
    return {name: value for name, value in said.items() if value not in (None, "")}


def _setting(name: str, value: str) -> object:
    kind = _SETTINGS.get(name)
    if kind is None:
        raise ValueError(f"the dsn has an unknown setting; there are {', '.join(_SETTINGS)}")
    try:
        return _WORDS[value.lower()] if kind is bool else kind(value)
    except (KeyError, ValueError):
        raise ValueError(f"the dsn's {name} is no {'true or false' if kind is bool else 'whole number'}") from None
