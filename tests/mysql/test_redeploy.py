"""Deploying while others call: clean on MariaDB, a moment that the client bridges on MySQL."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pymysql
import pytest
from contract.harness import Db

from ectojob_py import Jobs
from ectojob_py.migrate import migrate

from .conftest import Ask, Connect


def test_callers_do_not_notice_a_redeploy(db: Db, dsn: str, connect: Connect) -> None:
    done = Event()

    def calls(jobs: Jobs) -> int:
        count = 0
        while not done.is_set():
            jobs.enqueue("default")
            for job in jobs.claim_batch("default", 2):
                jobs.complete("default", job.id, job.attempt)
            count += 1
        return count

    with ThreadPoolExecutor(2) as pool:
        callers = [pool.submit(calls, Jobs(connect())) for _ in range(2)]
        try:
            for _ in range(3):
                assert migrate(dsn) == []
        finally:
            done.set()
        rounds = sum(caller.result(60) for caller in callers)
    while jobs := db.jobs.claim_batch("default", 100):
        for job in jobs:
            db.jobs.complete("default", job.id, job.attempt)
    assert rounds > 0
    assert db.all_jobs() == []


def test_a_procedure_that_is_lost_comes_back(db: Db, dsn: str, ask: Ask) -> None:
    ask("drop procedure next_due")
    assert migrate(dsn) == []
    assert db.jobs.next_due("default") is None


def test_migrators_take_turns(dsn: str, ask: Ask) -> None:
    with ThreadPoolExecutor(3) as pool:
        applied = list(pool.map(lambda _: migrate(dsn, "short lived"), range(3)))
    ask("drop database `short lived`")
    assert sorted(applied, key=len) == [[], [], ["0001_queue", "0002_job"]]


@pytest.mark.parametrize("lost", ["end_call", "give_batch"])
@pytest.mark.parametrize("autocommit", [True, False])
def test_a_call_that_lacks_a_procedure_says_so_and_changes_nothing(
    db: Db, dsn: str, connect: Connect, ask: Ask, lost: str, autocommit: bool
) -> None:
    db.jobs.enqueue("default")
    conn = connect(autocommit=autocommit)
    ask(f"drop procedure {lost}")
    try:
        with db.changes_nothing():
            with pytest.raises(pymysql.OperationalError, match=lost):
                ask("call claim_batch('default', 1, null)", on=conn)
            conn.commit()
    finally:
        migrate(dsn)
