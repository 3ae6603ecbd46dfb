"""A worker process that may be told to kill itself at a point. ``python -m chaos.worker``, told by CHAOS_WORKER.

The points are wrapped around the calls of the public client, the COMMIT of a handler's connection, and what is both in
one message, from outside: there is no test code in the product.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import psycopg

from ectojob_py import Job, Jobs, SetupError, Worker
from ectojob_py.postgres import direct, heartbeat
from ectojob_py.postgres.connection import HandlerConnection

Conn = psycopg.Connection[Any]

CALLS = ("claim_batch", "complete", "complete_batch", "fail", "extend", "activate_scheduled", "reactivate_expired")
POINTS = (
    *(f"{side} {call}" for call in CALLS for side in ("before", "after")),
    "handler begins",
    "handler wrote",
    "COMMIT sent",
    "COMMIT answered",
)
LEASE, SWEEP = 2.0, 1.0


@dataclass(frozen=True)
class Orders:
    """What a worker is told: where and how to work, where to note its executions, at which point to die.

    ``way``: ``jobs`` one per transaction, ``batches`` of them, or ``errands`` that are completed together afterwards.
    ``passes``: how often it passes the point before it dies there.
    """

    dsn: str
    notes: str
    way: str = "jobs"
    point: str | None = None
    passes: int = 0
    hands: int = 8

    def environment(self) -> dict[str, str]:
        return {**os.environ, "CHAOS_WORKER": json.dumps(asdict(self))}


class Reaper:
    """Kills this process when it passes its point for the n-th time."""

    def __init__(self, orders: Orders) -> None:
        self._point, self._left = orders.point, orders.passes

    def due(self, point: str) -> bool:
        if point != self._point:
            return False
        self._left -= 1
        return self._left < 0

    def at(self, point: str) -> None:
        if self.due(point):
            die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def lay_traps(reaper: Reaper) -> None:
    """Put a point before and after each call, and around COMMIT."""

    def trap(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def trapped(*args: Any, **kwargs: Any) -> Any:
            reaper.at(f"before {name}")
            answer = call(*args, **kwargs)
            if answer != []:  # a claim of nothing is nothing to die for
                reaper.at(f"after {name}")
            return answer

        return trapped

    for name in CALLS:
        setattr(Jobs, name, trap(name, getattr(Jobs, name)))

    commit = HandlerConnection.commit

    def trapped_commit(conn: HandlerConnection) -> None:
        if not conn.handing_out and reaper.due("COMMIT sent"):
            conn.pgconn.send_query(b"COMMIT")
            while conn.pgconn.flush():
                pass
            die()
        commit(conn)
        reaper.at("COMMIT answered")

    HandlerConnection.commit = trapped_commit  # type: ignore[method-assign, assignment]
    both = direct.complete_and_commit

    def trapped_both(*args: Any) -> Generator[Any, Any, None]:
        reaper.at("before complete")
        steps = both(*args)
        if reaper.due("COMMIT sent"):
            next(steps)  # up to waiting for the answer
            die()
        yield from steps
        reaper.at("COMMIT answered")
        reaper.at("after complete")

    direct.complete_and_commit = trapped_both  # type: ignore[assignment]


class Spare(threading.local):
    """A second connection for each thread, for errands and for getting in its own way; ``None``: not made yet."""

    conn: Conn | None = None


class Handler:
    """Runs each kind of job, notes the execution past all transactions, and leaves one effect; errands at least one."""

    def __init__(self, orders: Orders, reaper: Reaper) -> None:
        self._orders = orders
        self._reaper = reaper
        self._troubled: set[int] = set()
        self._spare = Spare()
        self._notes = os.open(orders.notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def options(self) -> dict[str, Any]:
        """How the worker is to work."""
        match self._orders.way:
            case "batches":
                return {"perform_batch": self.batch, "queue": "chaos", "batch_size": 10}
            case "errands":
                return {"perform": self.errand, "queue": "errands", "transaction": False}
        return {"perform": self.job, "queue": "chaos"}

    def job(self, conn: Conn, job: Job) -> None:
        self.batch(conn, [job])

    def batch(self, conn: Conn, jobs: list[Job]) -> None:
        self._note("began", *jobs)
        self._reaper.at("handler begins")
        for job in jobs:
            self._meet_trouble(conn, job)
        effects = [[job.id for job in jobs], [job.attempt for job in jobs], [job.params["key"] for job in jobs]]
        conn.execute(
            "insert into chaos.effect select * from unnest(%s::bigint[], %s::integer[], %s::bigint[])", effects
        )
        self._reaper.at("handler wrote")

    def errand(self, job: Job) -> None:
        self._note("began", job)
        self._reaper.at("handler begins")
        self._other().execute("insert into chaos.errand values (%s, %s)", [job.id, job.attempt])
        self._reaper.at("handler wrote")

    def _meet_trouble(self, conn: Conn, job: Job) -> None:
        kind = job.params["kind"]
        try:
            if kind == "poison" or (job.attempt == 1 and job.id not in self._troubled):
                self._troubled.add(job.id)
                self._trouble(kind, conn, job.id)
        except psycopg.Error as error:
            self._note(error.sqlstate or "connection", job)
            raise

    def _note(self, what: str, *jobs: Job) -> None:
        os.write(self._notes, "".join(f"{job.id} {what}\n" for job in jobs).encode())

    def _trouble(self, kind: str, conn: Conn, id: int) -> None:
        match kind:
            case "long":  # longer than its lease, which the worker extends
                time.sleep(1.5 * LEASE)
            case "fails" | "poison":
                raise RuntimeError(kind)
            case "statement timeout":
                conn.execute("set local statement_timeout = '5ms'")
                conn.execute("select pg_sleep(1)")
            case "lock timeout":
                other = self._other()
                with other.transaction():
                    other.execute("select pg_advisory_xact_lock(3, %s)", [id])
                    conn.execute("set local lock_timeout = '5ms'")
                    conn.execute("select pg_advisory_xact_lock(3, %s)", [id])
            case "serialization":
                conn.execute("set transaction isolation level repeatable read")
                conn.execute("select n from chaos.counter")
                self._other().execute("update chaos.counter set n = n + 1")
                conn.execute("update chaos.counter set n = n + 1")
            case "deadlock":
                conn.execute("set local deadlock_timeout = '10ms'")
                conn.execute("select pg_advisory_xact_lock(1, %s)", [id])
                with self._other() as other:  # which also ends it: it is stuck in the other half
                    other.execute("begin")
                    other.execute("select pg_advisory_xact_lock(2, %s)", [id])
                    other.pgconn.send_query(f"select pg_advisory_xact_lock(1, {id})".encode())
                    other.pgconn.flush()
                    try:
                        conn.execute("select pg_advisory_xact_lock(2, %s)", [id])
                    finally:
                        other.close()

    def _other(self) -> Conn:
        if self._spare.conn is None or self._spare.conn.closed:
            self._spare.conn = psycopg.connect(self._orders.dsn, autocommit=True)
        return self._spare.conn


KINDS = ("fails", "statement timeout", "lock timeout", "serialization", "deadlock")


def main() -> None:
    orders = Orders(**json.loads(os.environ["CHAOS_WORKER"]))
    logging.basicConfig(
        filename=Path(orders.notes).with_suffix(".log"), format=f"%(asctime)s {os.getpid()} %(message)s"
    )
    logging.getLogger("ectojob").setLevel("WARNING")
    heartbeat.INTERVAL = heartbeat.PATIENCE = heartbeat.LAST_PATIENCE = 1.0
    reaper = Reaper(orders)
    lay_traps(reaper)
    worker = Worker(
        orders.dsn,
        **Handler(orders, reaper).options(),
        max_demand=50,
        connections=orders.hands,
        poll_interval=SWEEP,
        execution_timeout=LEASE,
        retry_timeout=0.05,
        grace=5,
    )
    while True:
        try:
            sys.exit(3 if worker.run() else 0)
        except SetupError:  # it refuses to start while there is no database; a supervisor starts it again
            time.sleep(0.2)


if __name__ == "__main__":
    main()
