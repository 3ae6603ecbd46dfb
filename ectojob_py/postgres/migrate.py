"""What deploying needs of PostgreSQL: the migrators' turn, the schema, and yoyo's form of the dsn."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from urllib.parse import urlencode

import psycopg
from psycopg import conninfo, sql

from ectojob_py.postgres.dsn import with_encoding
from ectojob_py.release import ROOT

_MOMENT = 50
"""Milliseconds that a migration waits for its locks before it lets others pass, and tries again."""

_TRIES = 100
"""How often it does: who came between looking and taking is gone the next time."""


@contextmanager
def turn(dsn: str, schema: str) -> Iterator[str]:
    """Yield yoyo's form of the dsn while no other migrator runs; create the schema if need be."""
    with psycopg.connect(with_encoding(dsn), autocommit=True) as conn:
        conn.execute("select pg_advisory_lock(hashtextextended('ectojob migrate ' || %s, 0))", [schema])
        query = "select has_schema_privilege(oid, 'create') from pg_namespace where nspname = %s"
        row = conn.execute(query, [schema]).fetchone()
        if row is None:
            conn.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        elif not row[0]:  # yoyo would see no tables, or wait for a lock
            raise psycopg.errors.InsufficientPrivilege(f"permission denied for schema {schema}")
        yield _uri(dsn, schema)


def who_may(dsn: str, schema: str) -> str:
    """Say who may deploy to a schema."""
    with psycopg.connect(with_encoding(dsn), autocommit=True) as conn:
        row = conn.execute("select pg_get_userbyid(nspowner) from pg_namespace where nspname = %s", [schema]).fetchone()
        who = f"a role with CREATE on database {conn.info.dbname}"
    if row is not None:
        who = f"role {row[0]}, which owns schema {schema}, or a member of it"
    return f"Deploying takes {who}; --roles takes CREATEROLE, too."


def has_migrations(dsn: str, schema: str) -> bool:
    """Tell whether migrations were ever applied to a schema, by yoyo or by psql."""
    query = (
        "select from pg_class where relnamespace = (select oid from pg_namespace where nspname = %s) "
        "and relname in ('migration', '_yoyo_migration')"
    )
    with psycopg.connect(with_encoding(dsn), autocommit=True) as conn:
        return conn.execute(query, [schema]).fetchone() is not None


def check_schema(dsn: str, schema: str) -> None:
    """Raise what the deploy would raise: before the migrations, which yoyo commits one by one."""
    with _path_of(dsn, schema) as conn:
        conn.execute((ROOT / "sql/postgres/deploy/check_schema.sql").read_bytes())


def apply(backend: Any, migrations: Any, dsn: str, schema: str) -> None:
    """Apply what is pending; raise ``LockNotAvailable`` when the locks for it can't be had."""
    _in_moments(lambda: backend.to_apply(migrations), backend.apply_migrations_only, backend, dsn, schema)


def roll_back(backend: Any, migrations: Any, dsn: str, schema: str) -> None:
    """Undo what was applied; raise ``LockNotAvailable`` when the locks for it can't be had."""
    _in_moments(lambda: backend.to_rollback(migrations), backend.rollback_migrations, backend, dsn, schema)


def _in_moments(left: Callable[[], Any], change: Callable[[Any], object], backend: Any, dsn: str, schema: str) -> None:
    """Make a change until none is left, each for a moment at a time: nobody queues up behind one that waits for locks.

    It is mostly ``lock_relations.sql`` that raises ``LockNotAvailable``, and says who has them.
    """
    lock_relations = (ROOT / "sql/postgres/deploy/lock_relations.sql").read_bytes()
    tries = count(1)
    while some := left():
        with _path_of(dsn, schema) as conn:
            conn.execute("set local ectojob.migrating = on")
            conn.execute(lock_relations)
        with _momentary_locks(backend):
            try:
                change(some)
            except psycopg.errors.LockNotAvailable:
                if next(tries) == _TRIES:
                    raise


def set_roles(dsn: str, schema: str, wanted: bool) -> None:
    """Do what ``roles.sql`` or ``roles.rollback.sql`` does in psql, in one transaction, too."""
    script = ROOT / "sql/postgres" / ("roles.sql" if wanted else "roles.rollback.sql")
    with _path_of(dsn, schema) as conn:
        conn.execute("set local ectojob.migrating = on")
        for name in re.findall(r"^\\ir (\w\S+)", script.read_text(), re.MULTILINE):
            conn.execute((script.parent / name).read_bytes())


@contextmanager
def _momentary_locks(backend: Any) -> Iterator[None]:
    backend.execute(f"set lock_timeout = {_MOMENT}")
    try:
        yield
    finally:
        backend.execute("reset lock_timeout")


@contextmanager
def _path_of(dsn: str, schema: str) -> Iterator[psycopg.Connection[Any]]:
    """Open a transaction with the path that the scripts rely on."""
    with psycopg.connect(with_encoding(dsn)) as conn:
        conn.execute("set local quote_all_identifiers = off")
        conn.execute(sql.SQL("set local search_path = {}, pg_temp").format(sql.Identifier(schema)))
        yield conn


def _uri(dsn: str, schema: str) -> str:
    """Return yoyo's form of the dsn; it sets the search path that every migration and function relies on."""
    path = f"{sql.Identifier(schema).as_string()}, pg_temp"
    parameters = {**conninfo.conninfo_to_dict(with_encoding(dsn)), "schema": path}
    return f"postgresql+psycopg://?{urlencode(parameters)}"
