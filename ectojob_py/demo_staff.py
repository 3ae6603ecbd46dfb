"""Who works in the demo's shop: a till that may only enqueue, and workers that may only work; neither owns anything."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ectojob_py.migrate import migrate

_LOGINS = {"till": "jobs_producer", "worker": "jobs_worker"}
_RIGHTS = """
grant usage on schema demo_shop to demo_till, demo_worker;
grant select on demo_shop.till to demo_till;
grant insert on demo_shop.orders to demo_till;
grant insert on demo_shop.receipts to demo_worker;
"""
_UNLIKE_ROLES = """
select coalesce(
    (select pg_get_userbyid(nspowner) <> 'jobs_owner' from pg_namespace where nspname = 'jobs'), false
)
"""


def install(dsn: str) -> bool:
    """Install ectojob, with its roles if possible; return whether they are there.

    A database that has ectojob without roles is left as it is.
    """
    with psycopg.connect(dsn, autocommit=True) as conn:
        without = conn.execute(_UNLIKE_ROLES).fetchall() == [(True,)]
    migrate(dsn)
    if without:
        return False
    try:
        migrate(dsn, roles=True)
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


@contextmanager
def hired(dsn: str) -> Iterator[tuple[str, str]]:
    """Yield how the till and a worker log in; raise ``psycopg.Error`` where they can't. They are gone afterwards."""
    passwords = {login: secrets.token_urlsafe() for login in _LOGINS}
    with psycopg.connect(dsn, autocommit=True) as conn:
        _dismiss(conn)
        try:
            for login, role in _LOGINS.items():
                name = sql.Identifier(f"demo_{login}")
                password = sql.Literal(passwords[login])
                conn.execute(sql.SQL("create role {} login password {}").format(name, password))
                conn.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), name))
            conn.execute(_RIGHTS)
            till, worker = (
                make_conninfo(dsn, user=f"demo_{login}", password=password) for login, password in passwords.items()
            )
            for login in (till, worker):
                psycopg.connect(login).close()
            yield till, worker
        finally:
            _dismiss(conn)


def _dismiss(conn: psycopg.Connection[tuple[object, ...]]) -> None:
    for login in _LOGINS:
        if conn.execute("select to_regrole(%s)", [f"demo_{login}"]).fetchone() != (None,):
            name = sql.Identifier(f"demo_{login}")
            conn.execute(sql.SQL("drop owned by {}").format(name))
            conn.execute(sql.SQL("drop role {}").format(name))
