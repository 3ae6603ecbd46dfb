"""Many sessions at once: no job is taken twice, and no job is lost, whoever owns the transactions."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pymysql
import pytest
from contract.harness import Db

from ectojob_py import Jobs

from .conftest import Ask, Connect, Connection

SESSIONS = 6
JOBS = 600
RETRIED = {1213, 1205, 1020}


def in_one(conn: Connection, work: Callable[[], Any]) -> Any:
    """Run in a transaction, and again when the database asks for it."""
    while True:
        try:
            result = work()
            conn.commit()
        except pymysql.OperationalError as error:
            conn.rollback()
            if error.args[0] not in RETRIED:
                raise
        else:
            return result


@pytest.mark.parametrize("call", ["reserve_batch", "claim_batch"])
@pytest.mark.parametrize("autocommit", [True, False])
def test_each_job_is_taken_once(db: Db, connect: Connect, call: str, autocommit: bool) -> None:
    ids = db.jobs.enqueue_many("default", [{"n": n} for n in range(JOBS)])

    def takes(conn: Connection) -> list[int]:
        taken: list[int] = []
        take = getattr(Jobs(conn), call)
        while batch := in_one(conn, lambda: take("default", 7)):
            assert len(batch) <= 7
            taken += [job.id for job in batch]
        return taken

    level = "set session transaction isolation level read committed"
    sessions = [connect(autocommit=autocommit, init_command=level) for _ in range(SESSIONS)]
    with ThreadPoolExecutor(SESSIONS) as pool:
        taken = [id for share in pool.map(takes, sessions) for id in share]
    # A session that finds the rest locked by others goes home; what it left was taken by those.
    assert Counter(taken) == Counter(ids)


def test_an_open_reservation_keeps_nobody_waiting(db: Db, connect: Connect) -> None:
    level = "set session transaction isolation level read committed"
    first, second = (connect(autocommit=False, init_command=level) for _ in range(2))
    ids = db.jobs.enqueue_many("default", [{}] * 6)
    assert [job.id for job in Jobs(first).claim_batch("default", 2)] == ids[:2]
    assert [job.id for job in Jobs(second).reserve_batch("default", 2)] == ids[2:4]
    late = Jobs(second).enqueue("default")
    assert db.jobs.reactivate_expired() == 0
    assert [job.id for job in db.jobs.claim_batch("default", 9)] == ids[4:]
    first.rollback()
    second.commit()
    assert [job.id for job in db.jobs.claim_batch("default", 9)] == [*ids[:2], late]


def test_every_effect_happens_once(db: Db, connect: Connect, ask: Ask) -> None:
    ask("create table if not exists effect (job bigint not null, attempt integer not null)")
    ask("delete from effect")
    produced: list[int] = []

    def produces(conn: Connection) -> None:
        for n in range(40):
            produced.extend(in_one(conn, lambda: Jobs(conn).enqueue_many("default", [{}, {}], max_attempts=100)))
            if n % 10 == 0:
                in_one(conn, Jobs(conn).reactivate_expired)

    def works(conn: Connection) -> None:
        jobs, idle = Jobs(conn), 0
        while idle < 20:
            batch = in_one(conn, lambda: jobs.claim_batch("default", 5))
            idle = 0 if batch else idle + 1
            for n, job in enumerate(batch):
                if n % 5 == 4:
                    in_one(conn, partial(jobs.release, "default", job.id, job.attempt))
                else:
                    in_one(conn, partial(runs, conn, job.id, job.attempt))

    def runs(conn: Connection, id: int, attempt: int) -> None:
        with conn.cursor() as cursor:
            cursor.execute("insert into effect values (%s, %s)", [id, attempt])
        Jobs(conn).complete("default", id, attempt)

    level = "set session transaction isolation level read committed"
    sessions = [connect(autocommit=False, init_command=level) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(produces if n < 2 else works, conn) for n, conn in enumerate(sessions)]
        for future in running:
            future.result(60)
    works(sessions[0])
    effects = ask("select job from effect")
    ask("drop table effect")
    assert db.all_jobs() == []
    assert Counter(job for (job,) in effects) == Counter(produced)
    assert len(produced) == 160
