"""How to connect."""

from psycopg import conninfo

from ectojob_py.identity import session_name

# Not what the server, database or role has by default: Python's strings need an encoding that has all characters, and
# that psycopg decodes, which SQL_ASCII isn't.
_ENCODING = {"client_encoding": "utf8"}

# A peer that vanished without a word is noticed after 15 s instead of two hours.
_WORKERS = {
    **_ENCODING,
    "connect_timeout": "10",
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "15000",
}


def with_encoding(dsn: str) -> str:
    """Return the dsn with the encoding that Python's strings need, where it says nothing itself."""
    return _with(dsn, _ENCODING)


def with_defaults(dsn: str) -> str:
    """Return the dsn with a worker's settings where it says nothing itself."""
    return _with(dsn, {**_WORKERS, "application_name": session_name()})


def _with(dsn: str, defaults: dict[str, str]) -> str:
    return conninfo.make_conninfo("", **{**defaults, **conninfo.conninfo_to_dict(dsn)})
