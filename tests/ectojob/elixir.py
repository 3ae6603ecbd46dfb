"""EctoJob 3.1 as PostgreSQL sees it: its statements word for word, prepared and sent as Postgrex does."""

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

EPOCH = datetime(2000, 1, 1)
OK = {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}
Row = tuple[Any, ...]


def _timestamp(value: datetime) -> bytes:
    return struct.pack("!q", (value - EPOCH) // timedelta(microseconds=1))


ENCODE = {
    17: bytes,  # bytea
    20: lambda value: struct.pack("!q", value),  # bigint
    23: lambda value: struct.pack("!i", value),  # integer
    25: str.encode,  # text
    1016: lambda ids: struct.pack(
        f"!iiiii{len(ids) * 'iq'}", 1, 0, 20, len(ids), 1, *(x for id in ids for x in (8, id))
    ),
    1043: str.encode,  # varchar
    1114: _timestamp,  # timestamp without time zone
    3802: lambda value: b"\x01" + json.dumps(value).encode(),  # jsonb
}
DECODE = {
    17: bytes,
    20: lambda value: struct.unpack("!q", value)[0],
    23: lambda value: struct.unpack("!i", value)[0],
    25: bytes.decode,
    1043: bytes.decode,
    1114: lambda value: EPOCH + timedelta(microseconds=struct.unpack("!q", value)[0]),
    2278: lambda _: None,  # void
    3802: lambda value: json.loads(value[1:]),
}


class Postgrex:
    """One connection of an Ecto repo. Each statement is prepared once, by name, and the server infers every type."""

    def __init__(self, dsn: str) -> None:
        self.conn = psycopg.connect(dsn, autocommit=True)
        self._prepared: dict[str, tuple[bytes, list[int]]] = {}

    def close(self) -> None:
        self.conn.close()

    def _checked(self, result: Any) -> Any:
        if result.status not in OK:
            raise error_from_result(result)
        return result

    def query(self, statement: str, *values: object) -> tuple[int, list[Row]]:
        """Execute; return how many rows were affected, as the server says, and those returned."""
        pgconn = self.conn.pgconn
        if statement not in self._prepared:
            name = f"ecto_{len(self._prepared)}".encode()
            self._checked(pgconn.prepare(name, statement.encode()))
            described = self._checked(pgconn.describe_prepared(name))
            self._prepared[statement] = name, [described.param_type(n) for n in range(described.nparams)]
        name, types = self._prepared[statement]
        encoded: list[Any] = [
            None if value is None else ENCODE[oid](value)  # type: ignore[no-untyped-call]
            for oid, value in zip(types, values, strict=True)
        ]
        result = self._checked(pgconn.exec_prepared(name, encoded, [1] * len(encoded), 1))
        rows = [tuple(self._value(result, row, n) for n in range(result.nfields)) for row in range(result.ntuples)]
        return result.command_tuples or 0, rows

    def _value(self, result: Any, row: int, column: int) -> Any:
        value = result.get_value(row, column)
        return None if value is None else DECODE[result.ftype(column)](value)  # type: ignore[no-untyped-call]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.query("begin")
        try:
            yield
        except BaseException:
            self.query("rollback")
            raise
        self.query("commit")


@dataclass(frozen=True)
class Job:
    """The struct of an ``EctoJob.JobQueue`` schema."""

    id: int
    state: str
    expires: datetime | None
    schedule: datetime
    attempt: int
    max_attempts: int
    params: Any
    notify: str | None
    priority: int
    inserted_at: datetime
    updated_at: datetime


COLUMNS = list(Job.__dataclass_fields__)


class StaleEntry(Exception):
    """``Ecto.StaleEntryError``: the optimistic lock matched no row, so the Multi is rolled back."""


@dataclass
class EctoJob:
    """A ``JobQueue`` module: its table, its prefix, its options in seconds, and the clock of its node."""

    repo: Postgrex
    table_name: str = "jobs"
    schema_prefix: str | None = None
    reservation_timeout: int = 60
    execution_timeout: int = 300
    retry_timeout: int = 30
    skew: timedelta = timedelta(0)
    columns: list[str] = field(default_factory=lambda: list(COLUMNS))

    @property
    def source(self) -> str:
        return f'"{self.schema_prefix}"."{self.table_name}"' if self.schema_prefix else f'"{self.table_name}"'

    @property
    def returning(self) -> str:
        return ", ".join(f'j0."{name}"' for name in self.columns)

    def now(self) -> datetime:
        return datetime.now(UTC).replace(tzinfo=None) + self.skew

    def after(self, now: datetime, seconds: int) -> datetime:
        return now.replace(microsecond=0) + timedelta(seconds=seconds)

    def jobs(self, rows: list[Row]) -> list[Job]:
        named = [dict(zip(self.columns, row, strict=True)) for row in rows]
        return [Job(**{"priority": 0, **row}) for row in named]

    # What an application calls

    def insert(self, params: Any, **fields: Any) -> int:
        """``params |> JobQueue.new(opts) |> Repo.insert()``: what is nil is left out, the rest in this order."""
        now = self.now()
        values = {
            "attempt": 0,
            "params": params,
            "priority": 0,
            "schedule": fields.get("schedule") or now,
            "state": "SCHEDULED" if "schedule" in fields else "AVAILABLE",
            "inserted_at": now.replace(microsecond=0),
            "updated_at": now.replace(microsecond=0),
            **fields,
        }
        values = {name: value for name, value in values.items() if value is not None and name in self.columns}
        names = ",".join(f'"{name}"' for name in values)
        places = ",".join(f"${n}" for n in range(1, len(values) + 1))
        statement = f'INSERT INTO {self.source} ({names}) VALUES ({places}) RETURNING "id"'
        _, [(id,)] = self.repo.query(statement, *values.values())
        return int(id)

    def get(self, id: int) -> Job | None:
        statement = f'SELECT {self.returning} FROM {self.source} AS j0 WHERE (j0."id" = $1)'
        _, rows = self.repo.query(statement, id)
        return self.jobs(rows)[0] if rows else None

    def requeue(self, job: Job) -> int:
        """The update of ``JobQueue.requeue/3``; how many rows it changed."""
        statement = f'UPDATE {self.source} SET "attempt" = $1, "state" = $2, "updated_at" = $3 WHERE "id" = $4'
        count, _ = self.repo.query(statement, 0, "SCHEDULED", self.now().replace(microsecond=0), job.id)
        return count

    # What its producer sends

    def reserve(self, demand: int, now: datetime | None = None) -> list[Job]:
        now = now or self.now()
        order = ", ".join(f'sj0."{name}"' for name in ("priority", "schedule", "id") if name in self.columns)
        statement = (
            f'WITH "available_jobs" AS (SELECT sj0."id" AS "id" FROM {self.source} AS sj0 '
            f"WHERE (sj0.\"state\" = 'AVAILABLE') ORDER BY {order} LIMIT $1 FOR UPDATE SKIP LOCKED) "
            f'UPDATE {self.source} AS j0 SET "state" = $2, "expires" = $3, "updated_at" = $4 '
            f'FROM "available_jobs" AS a1 WHERE (j0."id" = a1."id") RETURNING {self.returning}'
        )
        expires = self.after(now, self.reservation_timeout)
        count, rows = self.repo.query(statement, demand, "RESERVED", expires, now)
        assert count == len(rows) <= demand
        return self.jobs(rows)

    def reserve_as_2_does(self, demand: int) -> list[Job]:
        """What releases before 3.0 send: lock, then update, in a transaction."""
        now = self.now()
        select = (
            f'SELECT j0."id" FROM {self.source} AS j0 WHERE (j0."state" = \'AVAILABLE\') '
            'ORDER BY j0."schedule", j0."id" LIMIT $1 FOR UPDATE SKIP LOCKED'
        )
        update = (
            f'UPDATE {self.source} AS j0 SET "state" = $1, "expires" = $2, "updated_at" = $3 '
            f'WHERE (j0."id" = ANY($4)) RETURNING {self.returning}'
        )
        with self.repo.transaction():
            _, ids = self.repo.query(select, demand)
            expires = self.after(now, self.reservation_timeout)
            _, rows = self.repo.query(update, "RESERVED", expires, now, [id for (id,) in ids])
        return self.jobs(rows)

    def fail_expired_at_max_attempts(self, now: datetime | None = None) -> int:
        now = now or self.now()
        statement = (
            f'UPDATE {self.source} AS j0 SET "state" = $1, "expires" = $2, "updated_at" = $3 '
            'WHERE (j0."state" IN (\'IN_PROGRESS\')) AND (j0."attempt" >= j0."max_attempts") '
            'AND (j0."expires" < $4)'
        )
        return self.repo.query(statement, "FAILED", None, now, now)[0]

    def activate_scheduled(self, now: datetime | None = None) -> int:
        now = now or self.now()
        statement = (
            f'UPDATE {self.source} AS j0 SET "state" = $1, "updated_at" = $2 '
            "WHERE (j0.\"state\" IN ('SCHEDULED','RETRY')) AND (j0.\"schedule\" <= $3)"
        )
        return self.repo.query(statement, "AVAILABLE", now, now)[0]

    def activate_expired(self, now: datetime | None = None) -> int:
        now = now or self.now()
        statement = (
            f'UPDATE {self.source} AS j0 SET "state" = $1, "expires" = $2, "updated_at" = $3 '
            'WHERE (j0."state" IN (\'RESERVED\',\'IN_PROGRESS\')) AND (j0."attempt" < j0."max_attempts") '
            'AND (j0."expires" < $4)'
        )
        return self.repo.query(statement, "AVAILABLE", None, now, now)[0]

    def poll(self) -> None:
        self.fail_expired_at_max_attempts()
        self.activate_scheduled()
        self.activate_expired()

    # What its worker sends

    def start(self, job: Job, now: datetime | None = None) -> Job | None:
        """``update_job_in_progress``: the begun job, or nothing when the reservation is gone."""
        now = now or self.now()
        statement = (
            f'UPDATE {self.source} AS j0 SET "attempt" = $1, "state" = $2, "expires" = $3, "updated_at" = $4 '
            'WHERE (j0."id" = $5) AND (j0."attempt" = $6) AND (j0."state" = \'RESERVED\') AND (j0."expires" >= $7) '
            f"RETURNING {self.returning}"
        )
        attempt = job.attempt + 1
        expires = self.after(now, self.execution_timeout * attempt)
        count, rows = self.repo.query(statement, attempt, "IN_PROGRESS", expires, now, job.id, job.attempt, now)
        assert count == len(rows) <= 1
        return self.jobs(rows)[0] if rows else None

    def delete(self, job: Job) -> None:
        """What ``initial_multi`` holds, inside the handler's transaction."""
        statement = f'DELETE FROM {self.source} WHERE "attempt" = $1 AND "id" = $2'
        count, _ = self.repo.query(statement, job.attempt, job.id)
        if count != 1:
            raise StaleEntry

    def notify_completed(self, job: Job) -> None:
        if job.notify is not None:
            self.repo.query("SELECT pg_notify($1, $2)", f"{self.table_name}.completed", job.notify)

    def job_failed(self, job: Job, now: datetime | None = None) -> Job | None:
        now = now or self.now()
        where = (
            'WHERE (j0."id" = $4) AND (j0."attempt" = $5) AND (j0."state" = \'IN_PROGRESS\') '
            f"RETURNING {self.returning}"
        )
        head = f'UPDATE {self.source} AS j0 SET "state" = $1, '
        if job.attempt >= job.max_attempts:
            statement = head + '"expires" = $2, "updated_at" = $3 ' + where
            values: list[object] = ["FAILED", None, now]
        else:
            statement = head + '"schedule" = $2, "updated_at" = $3 ' + where
            values = ["RETRY", self.after(now, self.retry_timeout * (job.attempt + 1)), now]
        _, rows = self.repo.query(statement, *values, job.id, job.attempt)
        return self.jobs(rows)[0] if rows else None
