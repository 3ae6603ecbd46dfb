"""How a worker connects."""

from psycopg import conninfo

# A peer that vanished without a word is noticed after 15 s instead of two hours.
_DEFAULTS = {
    "application_name": "ectojob",
    "connect_timeout": "10",
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "15000",
}


def with_defaults(dsn: str) -> str:
    """Return the dsn with a worker's settings where it says nothing itself."""
    return conninfo.make_conninfo("", **{**_DEFAULTS, **conninfo.conninfo_to_dict(dsn)})
