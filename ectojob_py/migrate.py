"""Deploying: apply the migrations that are pending, then always reload the functions, views and triggers."""

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
from psycopg import conninfo, sql
from yoyo import exceptions, get_backend, read_migrations

from ectojob_py.errors import SetupError

logger = logging.getLogger("ectojob")

# In a wheel the folders are inside the package, in a checkout beside it.
_HERE = Path(__file__).resolve().parent
ROOT = _HERE if (_HERE / "migrations").is_dir() else _HERE.parent
"""The folder that holds ``sql/`` and ``migrations/``."""


def migrate(dsn: str, schema: str = "jobs") -> list[str]:
    """Bring a schema to this release, creating it if need be; return the ids of the migrations that were applied.

    Functions, triggers and views are replaced even when no migration is pending. Several callers at once take turns.
    A migration that the schema records as its own (psql applied it, or a crash came before yoyo's mark) is marked, not
    applied again. Raises ``SetupError`` when another tool holds yoyo's lock.
    """
    with _Turn(dsn, schema) as backend:
        migrations = read_migrations(str(ROOT / "migrations" / "postgres"))
        pending = backend.to_apply(migrations)
        recorded = _recorded(backend)
        backend.mark_migrations(pending.filter(lambda migration: migration.id in recorded))
        pending = backend.to_apply(migrations)
        backend.apply_migrations_only(pending)
        backend.run_post_apply(migrations)
        return [migration.id for migration in pending]


def rollback(dsn: str, schema: str = "jobs") -> list[str]:
    """Undo every migration, jobs and all; return their ids. The empty schema and yoyo's own tables stay."""
    with _Turn(dsn, schema) as backend:
        applied = backend.to_rollback(read_migrations(str(ROOT / "migrations" / "postgres")))
        backend.rollback_migrations(applied)
        return [migration.id for migration in applied]


class _Turn:
    """yoyo's backend for a schema, while no other migrator runs.

    The advisory lock is PostgreSQL's own, so a killed migrator leaves nothing to break; ``sql/postgres/install.sql``
    takes the same one. yoyo's lock is a row that a killed ``yoyo`` leaves behind, and only keeps plain ``yoyo`` out.
    """

    def __init__(self, dsn: str, schema: str) -> None:
        self._dsn = dsn
        self._schema = schema
        self._stack = ExitStack()

    def __enter__(self) -> Any:
        with self._stack:
            conn = self._stack.enter_context(psycopg.connect(self._dsn, autocommit=True))
            conn.execute("select pg_advisory_lock(hashtextextended('ectojob migrate ' || %s, 0))", [self._schema])
            conn.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(self._schema)))
            backend = self._stack.enter_context(get_backend(self._uri()))
            try:
                self._stack.enter_context(backend.lock())
            except exceptions.LockTimeout as error:
                hint = "If no migration runs, remove the lock it left behind: delete from yoyo_lock in that schema."
                raise SetupError(str(error), hint) from error
            self._stack = self._stack.pop_all()
            return backend

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def _uri(self) -> str:
        """Return yoyo's form of the dsn; it sets the search path that every migration and function relies on."""
        path = f"{sql.Identifier(self._schema).as_string()}, pg_temp"
        parameters = {**conninfo.conninfo_to_dict(self._dsn), "schema": path}
        return f"postgresql+psycopg://?{urlencode(parameters)}"


def _recorded(backend: Any) -> set[str]:
    """Return the ids of the migrations that the schema says it has."""
    if "migration" not in backend.list_tables():
        return set()
    return {row[0] for row in backend.execute("select id from migration").fetchall()}
