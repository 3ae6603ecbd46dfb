"""EctoJob nodes and our workers on one queue, both enqueuing, failing, crashing and overstaying; then an audit.

``ECTOJOB_TEST_SECONDS`` says how long; ``make test-ectojob`` takes 60.
"""

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import psycopg
import pytest
from worker.waiting import until

from ectojob_py import Job, Jobs, Worker
from ectojob_py.errors import LeaseLost

from . import elixir as sim
from .audit import TABLES, UNWATCH, WATCH, violations
from .elixir import EctoJob, Postgrex
from .node import Crashed, HandlerError, Node
from .tables import migration

Conn = psycopg.Connection[Any]

SECONDS = float(os.environ.get("ECTOJOB_TEST_SECONDS", "10"))
LEASE = 2


class Everybody:
    """Producers and consumers of both kinds, until told to stop."""

    def __init__(self, dsn: str, seed: int) -> None:
        self._dsn = dsn
        self._random = random.Random(seed)
        self._stop_producing = threading.Event()
        self._pause = threading.Event()
        self._producers: list[threading.Thread] = []
        self.nodes: list[Node] = []
        self._workers: list[tuple[Worker, threading.Thread]] = []
        self.errors: list[BaseException] = []

    # Handlers

    def begun(self, repo: Postgrex, job: sim.Job) -> None:
        repo.query("insert into begun (id, attempt, side) values ($1, $2, 'elixir')", job.id, job.attempt)

    def elixir(self, repo: Postgrex, job: sim.Job) -> None:
        statement = "insert into effects (key, id, attempt, side) values ($1, $2, $3, 'elixir')"
        repo.query(statement, job.params["key"], job.id, job.attempt)
        self._behave(Crashed, HandlerError)

    def python(self, conn: Conn, job: Job) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as log:
            log.execute("insert into begun (id, attempt, side) values (%s, %s, 'python')", [job.id, job.attempt])
        conn.execute(
            "insert into effects (key, id, attempt, side) values (%s, %s, %s, 'python')",
            [job.params["key"], job.id, job.attempt],
        )
        self._behave(HandlerError)

    def _behave(self, *faults: type[Exception]) -> None:
        if self._random.random() < 0.15:
            raise self._random.choice(faults)

    # Producers

    def enqueue_in_elixir(self) -> None:
        repo = Postgrex(self._dsn)
        ectojob = EctoJob(repo)
        while not self._stop_producing.wait(0.01):
            with suppress(HandlerError), repo.transaction():
                _, [(key,)] = repo.query("select nextval('keys')")
                options: dict[str, Any] = {"priority": self._random.choice([-1, 0, 0, 1])}
                if self._random.random() < 0.2:
                    options["schedule"] = ectojob.now() + timedelta(seconds=self._random.random())
                if self._random.random() < 0.2:
                    options["max_attempts"] = 1
                ectojob.insert({"key": key}, **options)
                repo.query("insert into enqueued (key) values ($1)", key)
                self._behave(HandlerError)
        repo.close()

    def enqueue_in_python(self) -> None:
        with psycopg.connect(self._dsn) as conn:
            while not self._stop_producing.wait(0.01):
                with suppress(HandlerError), conn.transaction():
                    [(key,)] = conn.execute("select nextval('keys')").fetchall()
                    schedule = datetime.now(UTC) + timedelta(seconds=self._random.random())
                    Jobs(conn).enqueue(
                        "emails",
                        {"key": key},
                        schedule=schedule if self._random.random() < 0.2 else None,
                        notify="told" if self._random.random() < 0.1 else None,
                    )
                    conn.execute("insert into enqueued (key) values (%s)", [key])
                    self._behave(HandlerError)

    def overstay_in_python(self) -> None:
        """Claim, and complete after the lease, as a worker that was suspended would."""
        with psycopg.connect(self._dsn) as conn:
            jobs = Jobs(conn)
            while not self._stop_producing.is_set():
                with conn.transaction():
                    claimed = jobs.claim_batch("emails", 1)
                self._stop_producing.wait(LEASE * 1.5)
                for job in claimed:
                    with suppress(LeaseLost), conn.transaction():
                        statement = "insert into effects (key, id, attempt, side) values (%s, %s, %s, 'late python')"
                        conn.execute(statement, [job.params["key"], job.id, job.attempt])
                        jobs.complete("emails", job.id, job.attempt)

    def overstay_in_elixir(self) -> None:
        ectojob = EctoJob(Postgrex(self._dsn), reservation_timeout=LEASE, execution_timeout=LEASE)
        while not self._stop_producing.is_set():
            begun = [ectojob.start(job) for job in ectojob.reserve(2)[:1]]  # the other is reserved and forgotten
            self._stop_producing.wait(LEASE * 1.5)
            for job in filter(None, begun):
                with suppress(sim.StaleEntry), ectojob.repo.transaction():
                    ectojob.delete(job)
                    statement = "insert into effects (key, id, attempt, side) values ($1, $2, $3, 'late elixir')"
                    ectojob.repo.query(statement, job.params["key"], job.id, job.attempt)
        ectojob.repo.close()

    # Life

    def produce(self, *work: Callable[[], None]) -> None:
        for each in work:
            thread = threading.Thread(target=self._guarded, args=[each])
            thread.start()
            self._producers.append(thread)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            self.errors.append(error)

    def add_node(self) -> Node:
        node = Node(
            self._dsn,
            self.elixir,
            self.begun,
            reservation_timeout=LEASE,
            execution_timeout=LEASE,
            retry_timeout=0,
        )
        node.start()
        self.nodes.append(node)
        return node

    def add_worker(self) -> None:
        worker = Worker(self._dsn, "emails", perform=self.python, max_demand=4, poll_interval=1, log=False)
        thread = threading.Thread(target=self._guarded, args=[worker.run])
        thread.start()
        self._workers.append((worker, thread))

    def stop_producing(self) -> None:
        self._stop_producing.set()
        for thread in self._producers:
            thread.join(30)
            assert not thread.is_alive()

    def stop(self) -> None:
        self.stop_producing()
        for node in self.nodes:
            node.stop()
        for worker, _ in self._workers:
            worker.stop(grace=5)
        for _, thread in self._workers:
            thread.join(30)
            assert not thread.is_alive()

    def check(self) -> None:
        assert self.errors == []
        assert [node.error for node in self.nodes if node.error] == []


@pytest.fixture
def everybody(conn: Conn, dsn: str) -> Iterator[Everybody]:
    seed = int(os.environ.get("ECTOJOB_TEST_SEED", "0")) or random.randrange(1_000_000)
    print(f"ECTOJOB_TEST_SEED={seed}")
    conn.execute(TABLES)
    conn.execute(WATCH)
    conn.execute(
        "select jobs.create_queue('emails', retry_timeout => '0.1 s', execution_timeout => make_interval(secs => %s))",
        [LEASE],
    )
    everybody = Everybody(dsn, seed)
    yield everybody
    everybody.stop()
    conn.execute(UNWATCH)


def settled(conn: Conn) -> bool:
    return conn.execute("select from public.jobs where state <> 'FAILED' limit 1").fetchall() == []


@pytest.mark.timeout(SECONDS + 120)
def test_both_sides_on_one_queue(conn: Conn, jobs: Jobs, everybody: Everybody, view: str) -> None:
    everybody.produce(
        everybody.enqueue_in_elixir,
        everybody.enqueue_in_python,
        everybody.overstay_in_python,
        everybody.overstay_in_elixir,
    )
    for _ in range(2):
        everybody.add_node()
        everybody.add_worker()
    threading.Event().wait(SECONDS)
    everybody.stop_producing()
    until(lambda: settled(conn), 60)
    everybody.stop()
    everybody.check()
    assert violations(conn) == {}
    sides = dict(conn.execute("select side, count(*) from effects group by side").fetchall())
    print(f"effects by side: {sides}")
    assert sides["elixir"] > SECONDS
    assert sides["python"] > SECONDS
    both = "select from begun a join begun b using (id) where a.side = 'elixir' and b.side = 'python' limit 1"
    assert conn.execute(both.encode()).fetchall() != []  # some jobs crossed over between two attempts


@pytest.mark.timeout(SECONDS + 120)
def test_a_table_that_is_adopted_and_given_back_again_and_again(conn: Conn, everybody: Everybody) -> None:
    for statement in migration("3"):
        conn.execute(statement.encode())
    everybody.produce(everybody.enqueue_in_elixir, everybody.overstay_in_elixir)
    everybody.add_node()
    everybody.add_node()
    everybody.add_worker()
    deadline, moves = monotonic() + SECONDS / 2, 0
    while monotonic() < deadline or moves % 2 == 0:
        statement = "select jobs.unadopt('emails')" if moves % 2 else "select jobs.adopt('emails', 'public.jobs')"
        with suppress(psycopg.errors.LockNotAvailable):
            conn.execute(statement.encode())
            moves += 1
        threading.Event().wait(0.3)
    everybody.stop_producing()
    until(lambda: settled(conn), 60)
    everybody.stop()
    everybody.check()
    print(f"moves: {moves}")
    assert violations(conn) == {}
    assert moves > 3
