"""What deploying needs of MySQL and MariaDB: the migrators' turn, the database, and yoyo's form of the dsn."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pymysql
from pymysql.constants import ER

from ectojob_py.errors import SetupError
from ectojob_py.mysql.connection import MIGRATORS_LOCK, arguments, connect
from ectojob_py.release import ROOT

PATIENCE = 3600

ROUTINES = """
select routine_type, routine_name from information_schema.routines where routine_schema = %s and definer = %s
"""

_PLAIN = "set sql_mode = 'STRICT_ALL_TABLES', sql_safe_updates = 0"
"""What the server prefers would keep yoyo from reading its own tables, or from deleting in them, and would have another
syntax."""


@contextmanager
def turn(dsn: str, schema: str) -> Iterator[str]:
    """Yield yoyo's form of the dsn while no other migrator runs; create the database ``schema`` if need be."""
    with closing(connect(dsn, autocommit=True)) as conn, conn.cursor() as cursor:
        cursor.execute(f"select get_lock({MIGRATORS_LOCK}, %s)", [schema, PATIENCE])
        if cursor.fetchone() != (1,):
            hint = "show processlist tells who is connected, and what for."
            raise SetupError(f"another migrator has been at work for {PATIENCE} s", hint)
        cursor.execute("select 1 from information_schema.schemata where schema_name = %s", [schema])
        if not cursor.fetchall():
            name = schema.replace("`", "``")
            cursor.execute(f"create database `{name}` character set utf8mb4 collate utf8mb4_bin")
        yield _uri(dsn, schema, conn.thread_id())


def has_migrations(dsn: str, schema: str) -> bool:
    """Tell whether migrations were ever applied to the database ``schema``, by yoyo or by install.sql."""
    name = schema.replace("`", "``")
    with closing(connect(dsn, autocommit=True)) as conn, conn.cursor() as cursor:
        try:
            cursor.execute(f"show tables from `{name}`")
        except pymysql.MySQLError as error:
            if error.args[0] == ER.BAD_DB_ERROR:
                return False
            raise
        return not {"migration", "_yoyo_migration"}.isdisjoint(table for (table,) in cursor.fetchall())


def check_schema(dsn: str, schema: str) -> None:
    """Raise ``SetupError`` for a table of another application's that would be taken for ours, and dropped as ours."""
    with closing(connect(dsn, autocommit=True)) as conn, conn.cursor() as cursor:
        cursor.execute(
            "select table_name, column_name from information_schema.columns where table_schema = %s", [schema]
        )
        columns = set(cursor.fetchall())
    for table, column in (("migration", "applied_at"), ("queue", "execution_timeout"), ("job", "max_attempts")):
        if table in {name for name, _ in columns} and (table, column) not in columns:
            msg = f"database {schema} has a table {table} that is not ectojob's"
            raise SetupError(msg, "Give it a database of its own, by --schema.")


def apply(backend: Any, migrations: Any, _dsn: str, _schema: str) -> None:
    """Apply what is pending."""
    backend.apply_migrations_only(backend.to_apply(migrations))


def roll_back(backend: Any, migrations: Any, _dsn: str, _schema: str) -> None:
    """Undo what was applied."""
    backend.rollback_migrations(backend.to_rollback(migrations))


def who_may(_dsn: str, schema: str) -> str:
    """Say who may deploy to the database ``schema``."""
    return f"Deploying takes all privileges on database {schema}; --roles takes CREATE USER, too."


def _uri(dsn: str, schema: str, holder: int) -> str:
    """Return the dsn as yoyo takes it: with settings that are text, for it knows no others.

    Its connections know which one has the turn: ``post-apply.py`` waits for it otherwise.
    """
    parts = urlsplit(dsn)
    settings = {name: value for name, value in arguments(dsn).items() if name in dict(parse_qsl(parts.query))}
    text = {name: value for name, value in settings.items() if isinstance(value, str) or value is True}
    text["init_command"] = f"{_PLAIN}, @ectojob_turn = {holder}"
    return parts._replace(path="/" + schema, query=urlencode(text)).geturl()


def set_roles(dsn: str, schema: str, wanted: bool) -> None:
    """Create the roles, or drop them; say by a procedure of that definer, or by none, which those to come have."""
    script = "roles/create_roles.sql" if wanted else "roles.rollback.sql"
    name = schema.replace("`", "``")
    text = (ROOT / "sql/mysql" / script).read_text().replace("`jobs", f"`{name}")
    with closing(connect(dsn, autocommit=True, init_command=_PLAIN)) as conn, conn.cursor() as cursor:
        on_mariadb = "mariadb" in conn.get_server_info().lower()
        cursor.execute(ROUTINES, [schema, f"{schema}_owner@localhost"])
        for kind, routine in [] if wanted else cursor.fetchall():
            cursor.execute(f"drop {kind} `{name}`.`{routine}`")
        for statement in re.sub(r"^--.*\n", "", text, flags=re.MULTILINE).split(";\n"):
            if statement.strip() and not (on_mariadb and statement.strip().startswith("/*!80000")):
                cursor.execute(statement)
        if wanted:
            cursor.execute(f"drop procedure if exists `{name}`.`version`")
            definer = f"definer = `{name}_owner`@`localhost`"
            cursor.execute(f"create {definer} procedure `{name}`.`version`() select '' as version")
