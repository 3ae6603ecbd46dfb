"""Producers, workers and quarrelsome handlers for some seconds: nothing lost, nothing doubled, no error untried.

ECTOJOB_LOAD_SECONDS=30 pytest tests/mysql/test_load.py -s        # or: make load-mysql
"""

import logging
import os
import random
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from time import monotonic
from typing import Any

import pymysql
import pytest
from contract.harness import Db
from worker.waiting import until

from ectojob_py import Job, Jobs, Worker
from ectojob_py.calls import calls_on
from ectojob_py.mysql.calls import CONFLICTS
from ectojob_py.mysql.connection import connect

from .conftest import Ask

SECONDS = float(os.environ.get("ECTOJOB_LOAD_SECONDS", "3"))
ACCOUNTS = 8
AHEAD = threading.Semaphore(400)
"""By how many jobs the producers may be ahead of the handlers, about."""


class Tally(logging.Handler):
    """Counts what the client logs, by the words it begins to matter with."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.retried = 0
        self.untried: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "met a conflict" in record.msg or "is retried" in record.msg:
            self.retried += 1
        elif record.levelno >= logging.WARNING:
            self.untried.append(record.getMessage())


@pytest.fixture
def tally() -> Iterator[Tally]:
    logger, handler = logging.getLogger("ectojob"), Tally()
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


@pytest.fixture
def bank(ask: Ask) -> Iterator[None]:
    """Accounts that every handler moves money between, in any order; receipts have no key that would hide a double."""
    ask("create database bank")
    ask("create table bank.account (id integer primary key, balance integer not null)")
    ask("create table bank.receipt (job bigint not null)")
    ask("create table bank.request (job bigint not null)")
    ask(f"insert into bank.account values {', '.join(f'({id}, 1000)' for id in range(ACCOUNTS))}")
    yield
    ask("drop database bank")


def moves_money(conn: Any, job: Job) -> None:
    with conn.cursor() as cursor:
        for account, amount in (job.params["from"], -1), (job.params["to"], 1):
            cursor.execute("update bank.account set balance = balance + %s where id = %s", [amount, account])
        cursor.execute("insert into bank.receipt values (%s)", [job.id])
    AHEAD.release()


def produce(dsn: str, until_then: float, seed: int, retried: "list[int]") -> None:
    """Enqueue in transactions, each with a row of the producer's own; one in ten changes its mind."""
    dice = random.Random(seed)
    with closing(connect(dsn, autocommit=False)) as conn, conn.cursor() as cursor:
        for n in count():
            AHEAD.acquire(timeout=1)
            if monotonic() > until_then and n >= 20:  # on a busy machine the time is over before much has begun
                return
            try:
                params = dict(zip(("from", "to"), dice.sample(range(ACCOUNTS), 2), strict=True))
                id = Jobs(conn).enqueue("default", params, priority=n % 3, max_attempts=1)
                cursor.execute("insert into bank.request values (%s)", [id])
                if n % 10 == 9:
                    conn.rollback()
                    continue
                conn.commit()
                calls_on(conn, "jobs").value("wake", "default")
            except pymysql.OperationalError as error:
                conn.rollback()
                if error.args[0] not in CONFLICTS:
                    raise
                retried.append(n)


@pytest.mark.timeout(120 + 4 * SECONDS)
def test_eight_producers_and_eight_workers(db: Db, dsn: str, ask: Ask, bank: None, tally: Tally) -> None:
    before = deadlocks(ask)
    workers = [Worker(dsn, perform=moves_money, max_demand=4) for _ in range(8)]
    working = [threading.Thread(target=worker.run) for worker in workers]
    over = monotonic() + SECONDS
    retried: list[int] = []
    producing = [threading.Thread(target=produce, args=(dsn, over, n, retried)) for n in range(8)]
    try:
        for thread in [*working, *producing]:
            thread.start()
        for thread in producing:
            thread.join()
        until(lambda: ask("select count(*) from job") == [(0,)], seconds=60 + 2 * SECONDS)
    finally:
        for worker in workers:
            worker.stop(grace=5)
        for thread in working:
            thread.join(20)
    [(enqueued,)] = ask("select count(*) from bank.request")
    audit = {
        "lost": "select count(*) from bank.request left join bank.receipt using (job) where receipt.job is null",
        "doubled": "select count(*) from (select job from bank.receipt group by job having count(*) > 1) as twice",
        "of nobody": "select count(*) from bank.receipt left join bank.request using (job) where request.job is null",
        "money missing": f"select {ACCOUNTS} * 1000 - sum(balance) from bank.account",
    }
    found = {name: int(ask(query)[0][0]) for name, query in audit.items()}
    print(
        f"\n{enqueued} jobs in {SECONDS:g} s; deadlocks by the server's count: {deadlocks(ask) - before}; retried: "
        f"{tally.retried} by workers, {len(retried)} by producers; not retried: {len(tally.untried)}; audit: {found}"
    )
    assert set(found.values()) == {0}
    assert tally.untried == []
    assert enqueued >= 8 * 18
    assert tally.retried + len(retried) >= deadlocks(ask) - before >= (SECONDS >= 30)


def deadlocks(ask: Ask) -> int:
    """Return how many the server has broken up since it started."""
    found = ask("show global status like 'innodb_deadlocks'")
    query = "select count from information_schema.innodb_metrics where name = 'lock_deadlocks'"
    return int(found[0][1] if found else ask(query)[0][0])
