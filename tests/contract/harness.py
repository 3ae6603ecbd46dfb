"""The few words in which the contract is written, and what each dialect of SQL has for them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from json import loads
from typing import Any, Protocol

import psycopg
import pymysql
import pytest
from psycopg.rows import dict_row
from pymysql.cursors import DictCursor

from ectojob_py import Jobs
from ectojob_py.calls import Calls, calls_on
from ectojob_py.mysql.calls import CONFLICTS
from ectojob_py.mysql.connection import connect

Row = dict[str, Any]

STATES = ("SCHEDULED", "AVAILABLE", "RESERVED", "IN_PROGRESS", "RETRY", "FAILED")
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
NOTHING = timedelta(0)
KEYS = {"job": "order by queue, id", "queue": "order by name"}


class Dialect(Protocol):
    """What the harness must know of a database: every statement that is not a call of our functions."""

    refusal: type[Exception]
    block: str
    """What opens the body of a procedure, ``end`` closing it."""

    def connect(self, autocommit: bool = True) -> Any:
        """Open a session in which each call is a transaction of its own, or goes into one that the caller ends."""

    def rows(self, conn: Any, relation: str) -> list[Row]:
        """Read a whole table, ``job`` or ``queue``, in the order of its key; or a view, in its own."""

    def move(self, conn: Any, id: int, column: str, moment: datetime) -> None:
        """Write a moment of one job, behind the functions' back."""

    def lose(self, conn: Any, queue: str) -> None:
        """Delete a queue and leave its jobs, behind the functions' back."""

    def now(self, conn: Any) -> datetime:
        """Read the database's clock."""

    def clear(self, conn: Any) -> None:
        """Bring the installation back to how it was delivered."""

    def code(self, error: Exception) -> str | None:
        """Return the SQLSTATE that was raised."""

    def hint(self, error: Exception) -> str | None:
        """Return the remedy that came with it."""

    def blocked(self, observer: Any, conn: Any) -> bool:
        """Tell from the catalog whether a session waits for a lock of another."""

    def cancel(self, observer: Any, conn: Any) -> None:
        """Interrupt what a session does, if it does anything."""


class Postgres:
    """What the harness must know of PostgreSQL: every statement that is not a call of our functions."""

    refusal: type[Exception] = psycopg.Error
    block = "language sql begin atomic"

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def connect(self, autocommit: bool = True) -> psycopg.Connection[Any]:
        """Open a session in which each call is a transaction of its own, or goes into one that the caller ends."""
        return psycopg.connect(self._dsn, autocommit=autocommit)

    def rows(self, conn: psycopg.Connection[Any], relation: str) -> list[Row]:
        """Read a whole table, ``job`` or ``queue``, in the order of its key; or a view, in its own."""
        with conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(f"select * from jobs.{relation} {KEYS.get(relation, '')}".encode()).fetchall()

    def move(self, conn: psycopg.Connection[Any], id: int, column: str, moment: datetime) -> None:
        """Write a moment of one job, behind the functions' back."""
        conn.execute(f"update jobs.job set {column} = %s where id = %s".encode(), [moment, id])

    def lose(self, conn: psycopg.Connection[Any], queue: str) -> None:
        """Delete a queue and leave its jobs, behind the functions' back."""
        conn.execute("delete from jobs.queue where name = %s", [queue])

    def now(self, conn: psycopg.Connection[Any]) -> datetime:
        """Read the database's clock."""
        moment: datetime = conn.execute("select clock_timestamp()").fetchall()[0][0]
        return moment

    def clear(self, conn: psycopg.Connection[Any]) -> None:
        """Bring the installation back to how it was delivered."""
        conn.execute("delete from jobs.job")
        conn.execute("delete from jobs.queue")
        conn.execute("insert into jobs.queue (name) values ('default')")

    def code(self, error: Exception) -> str | None:
        """Return the SQLSTATE that was raised."""
        assert isinstance(error, psycopg.Error)
        return error.sqlstate

    def hint(self, error: Exception) -> str | None:
        """Return the remedy that came with it."""
        assert isinstance(error, psycopg.Error)
        return error.diag.message_hint

    def blocked(self, observer: psycopg.Connection[Any], conn: psycopg.Connection[Any]) -> bool:
        """Tell from the catalog whether a session waits for a lock of another."""
        # By a client: a vacuum that gives back the end of a table is in the way for a moment, too.
        statement = """
            select exists (
                select from pg_stat_activity
                where pid = any(pg_blocking_pids(%s)) and backend_type = 'client backend'
            )
        """
        [(by_client,)] = observer.execute(statement, [conn.info.backend_pid]).fetchall()
        return bool(by_client)

    def cancel(self, observer: psycopg.Connection[Any], conn: psycopg.Connection[Any]) -> None:
        """Interrupt what a session does, if it does anything."""
        observer.execute("select pg_cancel_backend(%s)", [conn.info.backend_pid])


class Mysql:
    """MySQL and MariaDB: moments without a zone, durations in seconds, hints in the message."""

    refusal: type[Exception] = psycopg.Error
    block = "begin"

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def connect(self, autocommit: bool = True) -> "pymysql.Connection[Any]":
        level = None if autocommit else "set session transaction isolation level read committed"
        return connect(self._dsn, database="jobs", autocommit=autocommit, init_command=level)

    def rows(self, conn: "pymysql.Connection[Any]", relation: str) -> list[Row]:
        with conn.cursor(DictCursor) as cursor:
            cursor.execute(f"select * from {relation} {KEYS.get(relation, '')}")
            return [self._row(row) for row in cursor.fetchall()]

    def _row(self, row: Row) -> Row:
        row.pop("token", None)  # says which call took the job, and is not returned by any
        return {name: self._value(name, value) for name, value in row.items()}

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, datetime):
            return value.replace(tzinfo=UTC)
        if isinstance(value, Decimal):
            return timedelta(microseconds=int(value * 1_000_000))
        return loads(value) if name == "params" else value

    def move(self, conn: "pymysql.Connection[Any]", id: int, column: str, moment: datetime) -> None:
        with conn.cursor() as cursor:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
            cursor.execute(f"update job set {column} = %s where id = %s", [moment, id])

    def lose(self, conn: "pymysql.Connection[Any]", queue: str) -> None:
        with conn.cursor() as cursor:
            cursor.execute("delete from queue where name = %s", [queue])

    def now(self, conn: "pymysql.Connection[Any]") -> datetime:
        with conn.cursor() as cursor:
            cursor.execute("select utc_timestamp(6)")
            [(moment,)] = cursor.fetchall()
        return moment.replace(tzinfo=UTC)  # type: ignore[no-any-return]

    def clear(self, conn: "pymysql.Connection[Any]") -> None:
        with conn.cursor() as cursor:
            cursor.execute("delete from job")
            cursor.execute("delete from queue")
            cursor.execute("call create_queue('default', null, null, null, null)")

    def code(self, error: Exception) -> str | None:
        if isinstance(error, pymysql.MySQLError):
            return "40001" if error.args[0] in CONFLICTS else "HY000"
        assert isinstance(error, psycopg.Error)
        return error.sqlstate

    def hint(self, error: Exception) -> str | None:
        assert isinstance(error, psycopg.Error)
        return error.diag.message_hint

    def blocked(self, observer: "pymysql.Connection[Any]", conn: "pymysql.Connection[Any]") -> bool:
        # Not information_schema.innodb_trx, which stands still while it is read more often than every 0.1 s.
        with observer.cursor() as cursor:
            cursor.execute("show engine innodb status")
            [(_, _, status)] = cursor.fetchall()
        sessions = status.partition("LIST OF TRANSACTIONS")[2].split("---TRANSACTION")
        [mine] = [text for text in sessions if f" thread id {conn.thread_id()}," in text] or [""]
        return "\nLOCK WAIT" in mine

    def cancel(self, observer: "pymysql.Connection[Any]", conn: "pymysql.Connection[Any]") -> None:
        with observer.cursor() as cursor:
            cursor.execute(f"kill query {conn.thread_id()}")


def dialect_at(dsn: str) -> Dialect:
    """Return the dialect of the database that a dsn names."""
    return Mysql(dsn) if dsn.startswith("mysql://") else Postgres(dsn)


class Db:
    """One database under contract, seen through an autocommit session."""

    def __init__(self, dialect: Dialect) -> None:
        """Open a session and start from an empty installation."""
        self._dialect = dialect
        self._observer = dialect.connect()
        self._sessions = [self._observer]
        dialect.clear(self._observer)
        self.conn = self._open()
        self.jobs = Jobs(self.conn)

    def _open(self) -> Any:
        self._sessions.append(self._dialect.connect())
        return self._sessions[-1]

    def close(self) -> None:
        """End every session that was opened."""
        for session in self._sessions:
            session.close()

    def another(self) -> Jobs:
        """Return the functions as a second session calls them."""
        return Jobs(self._open())

    @property
    def raw(self) -> Calls:
        """Call by name, with arguments that ``Jobs`` would not take."""
        return calls_on(self.conn, "jobs")

    # Reading

    def now(self) -> datetime:
        """Return the database's time."""
        return self._dialect.now(self._observer)

    def job(self, id: int) -> Row:
        """Return the one row of a job."""
        [row] = [row for row in self.all_jobs() if row["id"] == id]
        return row

    def all_jobs(self) -> list[Row]:
        """Return every job."""
        return self._dialect.rows(self._observer, "job")

    def queue(self, name: str = "default") -> Row:
        """Return the settings of a queue."""
        [row] = [row for row in self._dialect.rows(self._observer, "queue") if row["name"] == name]
        return row

    def view(self, name: str) -> list[Row]:
        """Return what people see."""
        return self._dialect.rows(self._observer, name)

    def snapshot(self) -> dict[str, list[Row]]:
        """Return everything there is."""
        return {table: self._dialect.rows(self._observer, table) for table in ("job", "queue")}

    # Arranging

    def a_queue(self, name: str = "default", **settings: Any) -> None:
        """Create a queue, or change what is passed."""
        self.jobs.create_queue(name, **settings)

    def a_job(self, state: str = "AVAILABLE", attempt: int | None = None, queue: str = "default", **job: Any) -> Row:
        """Bring a new job into a state by the public functions, its ``attempt`` having been counted by failures.

        No other job of the queue may be AVAILABLE meanwhile, because it might be taken instead.
        """
        begun = attempt if attempt is not None else int(state in ("IN_PROGRESS", "RETRY", "FAILED"))
        if state == "FAILED":
            job.setdefault("max_attempts", begun)
        if state == "SCHEDULED":
            job.setdefault("schedule", self.now() + HOUR)
        id = self.jobs.enqueue(queue, **job)
        for lived in range(1, begun + 1):
            self._same(id, self.jobs.claim_batch(queue, 1))
            if state == "IN_PROGRESS" and lived == begun:
                break
            self.jobs.fail(
                queue, id, lived, f"attempt {lived} failed", None if state == "RETRY" and lived == begun else NOTHING
            )
            if lived < begun or state in ("AVAILABLE", "RESERVED"):
                self.jobs.activate_scheduled(queue)
        if state == "RESERVED":
            self._same(id, self.jobs.reserve_batch(queue, 1))
        row = self.job(id)
        assert (row["state"], row["attempt"]) == (state, begun), "the harness brought the job elsewhere"
        return row

    def _same(self, id: int, taken: list[Any]) -> None:
        assert [job.id for job in taken] == [id], "another job was AVAILABLE: arrange that one last"

    def move(self, id: int, column: str, distance: timedelta) -> None:
        """Write a moment of a job: that far from now."""
        self._dialect.move(self._observer, id, column, self.now() + distance)

    def let_lease_end(self, id: int) -> None:
        """Move the end of a job's lease into the past."""
        self.move(id, "expires", -SECOND)

    def let_schedule_come(self, id: int) -> None:
        """Move a job's schedule into the past."""
        self.move(id, "schedule", -SECOND)

    def lose_queue(self, name: str) -> None:
        """Delete a queue and leave its jobs, as when somebody drops it before the transaction that enqueued commits."""
        self._dialect.lose(self._observer, name)

    # Judging

    @contextmanager
    def changes_nothing(self) -> Iterator[None]:
        """Compare whole tables before and after."""
        before = self.snapshot()
        yield
        assert self.snapshot() == before

    @contextmanager
    def refuses(self, code: str, message: str | None = None) -> Iterator[None]:
        """Expect an error of this SQLSTATE, with this in its message, that tells the remedy and changes nothing."""
        with self.changes_nothing(), pytest.raises(self._dialect.refusal, match=message) as caught:
            yield
        assert self._dialect.code(caught.value) == code
        assert self._dialect.hint(caught.value), "a refusal tells the remedy"

    @contextmanager
    def within(self, duration: timedelta) -> Iterator[Callable[[datetime], bool]]:
        """Yield a test for "``duration`` from now", now being a moment of the body."""
        moments = [self.now()]

        def is_that_far(moment: datetime) -> bool:
            return moments[0] + duration <= moment <= self.now() + duration

        yield is_that_far
