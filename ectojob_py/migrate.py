"""Deploying: apply the migrations that are pending, then always reload the functions, views and triggers."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

from yoyo import exceptions, get_backend, read_migrations

from ectojob_py.engine import kind_of, room_of
from ectojob_py.errors import SetupError
from ectojob_py.release import ROOT, check_replaced

__all__ = ["ROOT", "migrate", "rollback"]

logger = logging.getLogger("ectojob")

VERSION = {"mysql": "call {schema}.version()", "postgres": "select {schema}.version() as version"}
"""Asked without ``Jobs``, which waits for a deploy, and so for us, when there is no such procedure."""


def migrate(dsn: str, schema: str = "jobs", roles: bool | None = None) -> list[str]:
    """Bring a schema to this release, creating it if need be; return the ids of the migrations that were applied.

    ``roles``: ``True`` creates the roles of ``roles.sql`` and hands the schema to its owner role, ``False`` takes that
    back, ``None`` leaves it as it is.

    Functions, triggers and views are replaced even when no migration is pending. Several callers at once take turns.
    A migration that the schema records as its own (psql applied it, or a crash came before yoyo's mark) is marked, not
    applied again; one that it does not (psql undid it) is applied whatever yoyo's mark. Raises ``SetupError`` when
    another tool holds yoyo's lock, or the schema has a later release.
    """
    room = room_of(dsn, "migrate")
    with room.turn(dsn, schema) as uri:
        check_replaced(_installed(dsn, schema), schema)
        room.check_schema(dsn, schema)
        with _yoyo(uri, kind_of(dsn)) as (backend, migrations):
            with _accounted("applied", lambda: backend.to_apply(migrations)) as pending:
                room.apply(backend, migrations, dsn, schema)
                backend.run_post_apply(migrations)
                if roles is not None:
                    room.set_roles(dsn, schema, roles)
                    backend.run_post_apply(migrations)  # with the owner that the functions have from now on
            return pending


def rollback(dsn: str, schema: str = "jobs") -> list[str]:
    """Undo every migration, jobs and all; return their ids. The empty schema and yoyo's own tables stay."""
    room = room_of(dsn, "migrate")
    if not room.has_migrations(dsn, schema):
        return []  # a turn would create the schema, and yoyo its tables
    with room.turn(dsn, schema) as uri, _yoyo(uri, kind_of(dsn)) as (backend, migrations):
        with _accounted("rolled back", lambda: backend.to_rollback(migrations)) as applied:
            room.roll_back(backend, migrations, dsn, schema)
        return applied


@contextmanager
def _accounted(done: str, left: Callable[[], Any]) -> Iterator[list[str]]:
    """Give the ids of the migrations that are to be done; when that fails, its error says how many of them were."""
    ids = [migration.id for migration in left()]
    try:
        yield ids
    except Exception as error:
        with suppress(Exception):  # the connection may be gone
            missing = {migration.id for migration in left()}
            error.__notes__ = [f"{done} before that: {', '.join(id for id in ids if id not in missing) or 'nothing'}"]
        raise


@contextmanager
def _yoyo(uri: str, kind: str) -> Iterator[tuple[Any, Any]]:
    """Return yoyo's backend for a schema whose turn it is, and the migrations of its kind of database.

    The turn is the database's own lock, which leaves nothing to break when a migrator is killed; ``install.sql`` takes
    the same one. yoyo's is a row, which only keeps plain ``yoyo`` out.
    """
    with ExitStack() as stack:
        backend = stack.enter_context(get_backend(uri))
        try:
            stack.enter_context(_yoyos_lock(backend))
        except exceptions.LockTimeout as error:
            hint = "If no migration runs, remove the lock it left behind: delete from yoyo_lock in that schema."
            raise SetupError(str(error), hint) from error
        migrations = read_migrations(str(ROOT / "migrations" / kind))
        recorded = _recorded(backend)
        backend.mark_migrations(backend.to_apply(migrations).filter(lambda migration: migration.id in recorded))
        backend.unmark_migrations(
            backend.to_rollback(migrations).filter(lambda migration: migration.id not in recorded)
        )
        yield backend, migrations


@contextmanager
def _yoyos_lock(backend: Any) -> Iterator[None]:
    """Hold it by a row with a negative pid. One that is there already is of a migrator that was killed in its turn."""
    _execute(backend, "delete from yoyo_lock where pid < 0")
    with backend.lock():
        _execute(backend, "update yoyo_lock set pid = -pid")
        try:
            yield
        finally:
            _execute(backend, "delete from yoyo_lock where pid < 0")


def _execute(backend: Any, statement: str) -> None:
    with backend.transaction():
        backend.execute(statement)


def _installed(dsn: str, schema: str) -> str:
    """Return the release that the schema has; of none, what is no version."""
    room = room_of(dsn, "session")
    with closing(room.Session(dsn, schema)) as session:
        try:
            [row] = session.rows(VERSION[kind_of(dsn)])
        except room.Error as error:
            if not room.is_missing(error):
                raise
            return ""
        return str(row["version"])


def _recorded(backend: Any) -> set[str]:
    """Return the ids of the migrations that the schema says it has; yoyo knows nothing of what psql did, or undid."""
    if "migration" not in backend.list_tables():
        return set()
    return {row[0] for row in backend.execute("select id from migration").fetchall()}
