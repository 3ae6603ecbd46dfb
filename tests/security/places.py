"""Each database with ectojob and its roles in it, and a login that is a member of each role."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Protocol

import psycopg
import pymysql
from contract.harness import Db, Mysql, Postgres
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ectojob_py.migrate import migrate
from ectojob_py.mysql.connection import connect

OWNER, PRODUCER, WORKER, READER, ADMIN, STRANGER = "owner", "producer", "worker", "reader", "admin", "stranger"
ROLES = (OWNER, PRODUCER, WORKER, READER, ADMIN)

ENQUEUING = {"enqueue", "enqueue_many", "enqueue_payload"}
TAKING = {"reserve_batch", "begin_attempt", "claim_batch"}
ENDING = {"complete", "complete_batch", "fail", "extend", "release"}
SWEEPING = {"activate_scheduled", "reactivate_expired"}
WATCHING = {"next_due"}
MANAGING = {"create_queue", "drop_queue", "pause_queue", "resume_queue", "requeue", "remove"}
MAY_CALL = {
    OWNER: ENQUEUING | TAKING | ENDING | SWEEPING | WATCHING | MANAGING | {"version"},
    PRODUCER: ENQUEUING | {"version"},
    WORKER: TAKING | ENDING | SWEEPING | WATCHING | {"version"},
    READER: WATCHING | {"version"},
    ADMIN: SWEEPING | WATCHING | MANAGING | {"release", "version"},
    STRANGER: set[str](),
}
"""Which functions each role is for: the specification of ``grants.sql``."""

MAY_READ = {OWNER, READER, ADMIN}
VIEWS = ("queue_depth", "job_state", "running", "overdue", "failed")


class Place(Protocol):
    """One server's database under attack."""

    dsn: str
    dialect: Any
    Error: type[Exception]

    def dsn_of(self, role: str) -> str:
        """Return how a member of a role connects."""

    def connect(self, role: str, **options: Any) -> Any:
        """Open an autocommit session of a member of a role."""

    def denied(self, error: Exception) -> bool:
        """Tell whether the server refused for want of a right."""

    def execute(self, conn: Any, statement: str, *args: object) -> list[tuple[Any, ...]]:
        """Execute a statement and return its rows."""


class PostgresPlace:
    """PostgreSQL: the members are named after their role."""

    Error: type[Exception] = psycopg.Error

    def __init__(self, dsn: str) -> None:
        """Take a superuser's dsn."""
        self.dsn = dsn
        self.dialect = Postgres(dsn)

    def dsn_of(self, role: str) -> str:
        return make_conninfo(self.dsn, user=f"a_{role}")

    def connect(self, role: str, **options: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(self.dsn_of(role), **{"autocommit": True, **options})

    def denied(self, error: Exception) -> bool:
        return isinstance(error, psycopg.errors.InsufficientPrivilege)

    def execute(self, conn: psycopg.Connection[Any], statement: str, *args: object) -> list[tuple[Any, ...]]:
        cursor = conn.execute(statement.encode(), args or None)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def postgres_place(dsn: str) -> Iterator[PostgresPlace]:
    """Install the roles in a database, and take them back."""
    migrate(dsn, roles=True)
    with psycopg.connect(dsn, autocommit=True) as conn:
        for role in (*ROLES, STRANGER):
            name = sql.Identifier(f"a_{role}")
            conn.execute(sql.SQL("create role {} login").format(name))
            if role != STRANGER:
                conn.execute(sql.SQL("grant {} to {}").format(sql.Identifier(f"jobs_{role}"), name))
        yield PostgresPlace(dsn)
        for role in (*ROLES, STRANGER):
            name = sql.Identifier(f"a_{role}")
            conn.execute(sql.SQL("drop owned by {} cascade").format(name))
            conn.execute(sql.SQL("drop role {}").format(name))
    migrate(dsn, roles=False)


class MysqlPlace:
    """MySQL and MariaDB: the members are named after their role."""

    Error: type[Exception] = Exception
    DENIED = (1044, 1045, 1142, 1143, 1227, 1370)

    def __init__(self, dsn: str) -> None:
        """Take a superuser's dsn."""
        self.dsn = dsn
        self.dialect = Mysql(dsn)

    def dsn_of(self, role: str) -> str:
        return self.dsn.replace("root@", f"a_{role}@")

    def connect(self, role: str, **options: Any) -> "pymysql.Connection[Any]":
        return connect(self.dsn_of(role), **{"autocommit": True, **options})

    def denied(self, error: Exception) -> bool:
        return isinstance(error, pymysql.MySQLError) and error.args[0] in self.DENIED

    def execute(self, conn: Any, statement: str, *args: object) -> list[tuple[Any, ...]]:
        with conn.cursor() as cursor:
            cursor.execute(statement, args)
            return list(cursor.fetchall())


@contextmanager
def mysql_place(dsn: str) -> Iterator[MysqlPlace]:
    """Install the roles on a server, and take them back."""
    migrate(dsn, roles=True)
    place = MysqlPlace(dsn)
    with closing(connect(dsn, autocommit=True)) as conn:
        on_mariadb = "MariaDB" in place.execute(conn, "select version()")[0][0]
        for role in (*ROLES, STRANGER):
            place.execute(conn, f"create user a_{role}@localhost")
            if role == OWNER:  # nobody is jobs_owner, whose account is locked: this is who deploys
                place.execute(conn, f"grant all on jobs.* to a_{role}@localhost")
            elif role != STRANGER:
                place.execute(conn, f"grant jobs_{role} to a_{role}@localhost")
                to = "for" if on_mariadb else "to"
                place.execute(conn, f"set default role jobs_{role} {to} a_{role}@localhost")
        yield place
        for role in (*ROLES, STRANGER):
            place.execute(conn, f"drop user a_{role}@localhost")
    migrate(dsn, roles=False)


def words(place: Place) -> Any:
    """Return the words of the contract, spoken by a superuser, over an emptied installation."""
    return closing(Db(place.dialect))


__all__ = ["MAY_CALL", "MAY_READ", "ROLES", "VIEWS", "Place", "mysql_place", "postgres_place", "words"]
