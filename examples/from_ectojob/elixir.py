"""The application before the move: an Elixir shop with EctoJob, played in Python by the statements it sends.

It knows one table, ``public.jobs``. Nothing in this file changes during the move, and nothing in it is restarted.
"""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import psycopg
from psycopg.types.json import Jsonb

RESERVE = """
WITH "available_jobs" AS (
    SELECT sj0."id" AS "id" FROM "jobs" AS sj0 WHERE (sj0."state" = 'AVAILABLE')
    ORDER BY sj0."priority", sj0."schedule", sj0."id" LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE "jobs" AS j0 SET "state" = 'RESERVED', "expires" = %s, "updated_at" = %s
FROM "available_jobs" AS a1 WHERE (j0."id" = a1."id") RETURNING j0."id", j0."attempt", j0."params"
"""
START = """
UPDATE "jobs" AS j0 SET "attempt" = %s, "state" = 'IN_PROGRESS', "expires" = %s, "updated_at" = %s
WHERE (j0."id" = %s) AND (j0."attempt" = %s) AND (j0."state" = 'RESERVED') AND (j0."expires" >= %s)
RETURNING j0."attempt"
"""
DONE = 'DELETE FROM "jobs" WHERE "attempt" = %s AND "id" = %s RETURNING "id"'
INSERT = """
INSERT INTO "jobs" ("attempt","params","priority","schedule","state","inserted_at","updated_at")
VALUES (0, %s, 0, %s, 'AVAILABLE', %s, %s) RETURNING "id"
"""


def now() -> datetime:
    """UTC without a zone, by this node's clock, as Ecto writes it."""
    return datetime.now(UTC).replace(tzinfo=None)


class Stoppable:
    """A part of the application in a thread of its own; ``with`` it runs."""

    def __init__(self, dsn: str) -> None:
        """Take the database."""
        self.dsn = dsn
        self.stopping = threading.Event()
        self.failed: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded)

    def work(self, conn: psycopg.Connection[Any]) -> None:
        """Do it, on a connection in autocommit, until ``stopping``."""
        raise NotImplementedError

    def _guarded(self) -> None:
        try:
            with psycopg.connect(self.dsn, autocommit=True) as conn:
                self.work(conn)
        except BaseException as error:  # noqa: BLE001
            self.failed = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and raise what ended it before."""
        self.stopping.set()
        self._thread.join()
        if self.failed:
            raise self.failed


class Orders(Stoppable):
    """Places an order and enqueues its mail, in one transaction, up to 200 times a second."""

    def work(self, conn: psycopg.Connection[Any]) -> None:
        """Place orders."""
        while not self.stopping.wait(0.005):
            with conn.transaction():
                [(order,)] = conn.execute("insert into orders default values returning id").fetchall()
                self.enqueue(conn, order)

    def enqueue(self, conn: psycopg.Connection[Any], order: int) -> None:
        """``Multi.insert(:order, ...) |> JobQueue.enqueue(:mail, %{"order" => id})``."""
        conn.execute(INSERT, [Jsonb({"order": order}), now(), now(), now()])


class ElixirWorkers(Stoppable):
    """EctoJob's producer and workers: reserve, start, and run each job in a transaction that deletes it first."""

    def work(self, conn: psycopg.Connection[Any]) -> None:
        """Reserve whenever a notification says so."""
        conn.execute("listen jobs")
        while not self.stopping.is_set():
            reserved = conn.execute(RESERVE, [10, now() + timedelta(minutes=1), now()]).fetchall()
            for id, attempt, params in reserved:
                expires = now() + timedelta(minutes=5) * (attempt + 1)
                if conn.execute(START, [attempt + 1, expires, now(), id, attempt, now()]).fetchall():
                    self.perform(conn, id, attempt + 1, params["order"])
            if not reserved:
                list(conn.notifies(timeout=0.5, stop_after=1))

    def perform(self, conn: psycopg.Connection[Any], id: int, attempt: int, order: int) -> None:
        """Send the mail of an order."""
        with conn.transaction() as transaction:
            if not conn.execute(DONE, [attempt, id]).fetchall():
                raise psycopg.Rollback(transaction)  # Ecto.StaleEntryError: somebody else has the job by now
            conn.execute("insert into mails (order_id, sent_by) values (%s, 'elixir')", [order])
