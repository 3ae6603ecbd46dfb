"""Connecting by a dsn: ``mysql://user:password@host:port/database?unix_socket=/path``, every part optional."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pymysql


def connect(dsn: str, kind: Any = pymysql.Connection, **options: Any) -> Any:
    """Open a PyMySQL connection of a kind; ``options`` win over the dsn. Without a host or a socket: localhost, TCP."""
    parts = urlsplit(dsn)
    said = {
        "host": parts.hostname,
        "port": parts.port,
        "user": parts.username and unquote(parts.username),
        "password": parts.password and unquote(parts.password),
        "database": unquote(parts.path.removeprefix("/")),
        **dict(parse_qsl(parts.query)),
    }
    return kind(**{name: value for name, value in said.items() if value}, **options)
