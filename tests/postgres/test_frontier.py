"""Claiming behind what is gone: cheap while an old snapshot is open, and nobody starves in front of it."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from contract.harness import HOUR, Db
from contract.sessions import Session

from ectojob_py import Job
from ectojob_py.postgres import frontier
from ectojob_py.postgres.frontier import Frontier

TICK = 0.1
"""Seconds that each claim takes by the clock of these tests: it is dear, as with a long tail of dead rows."""

PATIENCE = int(frontier.LONGEST / TICK) + 1
"""Claims within which a job must come that the frontier has left behind."""

BACKLOG = 200


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by a tick each time it is read, and not otherwise."""
    times: Iterator[float] = (n * TICK for n in range(1_000_000))
    monkeypatch.setattr(frontier, "monotonic", lambda: next(times))


@pytest.fixture
def busy(db: Db) -> Frontier:
    """A frontier in the midst of a backlog: each claim finds as many jobs as it asks for."""
    db.jobs.enqueue_many("default", [{}] * BACKLOG)
    found = Frontier(db.jobs, "default")
    claims(found, 5)
    return found


def claims(found: Frontier, times: int, demand: int = 2) -> list[Job]:
    return [job for _ in range(times) for job in found.claim(demand, None)]


def more_urgent(db: Db, _: Session | None = None) -> int:
    return db.jobs.enqueue("default", priority=-1)


def a_retry(db: Db, _: Session) -> int:
    [job] = db.jobs.claim_batch("default", 1)
    db.conn.execute("update jobs.job set schedule = now() - interval '1 hour' where id = %s", [job.id])
    db.jobs.release("default", job.id, 1)
    return job.id


def a_late_commit(db: Db, session: Session) -> int:
    session.calls("enqueue", "default", {}, db.now() - HOUR)
    session.commits()
    [(id,)] = db.conn.execute("select max(id) from jobs.job").fetchall()
    return int(id)


def one_given_back_by_a_rollback(db: Db, session: Session) -> int:
    urgent = db.jobs.enqueue("default", priority=-1)
    session.calls("claim_batch", "default", 1)
    session.rolls_back()
    return urgent


@pytest.mark.parametrize("comes", [more_urgent, a_retry, a_late_commit, one_given_back_by_a_rollback])
def test_what_comes_in_front_of_the_frontier_is_claimed_within_a_second(
    db: Db, busy: Frontier, first: Session, comes: Callable[[Db, Session], int]
) -> None:
    id = comes(db, first)
    claimed = claims(busy, PATIENCE)
    assert len(claimed) == 2 * PATIENCE  # there was always enough behind the frontier
    assert id in [job.id for job in claimed]


def test_a_claim_passes_over_what_is_in_front_meanwhile(db: Db, busy: Frontier) -> None:
    busy.claim(2, None)
    id = more_urgent(db)
    looks = [id in [job.id for job in busy.claim(2, None)] for _ in range(PATIENCE)]
    assert looks.count(True) == 1
    assert not looks[0]


def test_many_that_are_more_urgent_all_come_first_once_seen(db: Db, busy: Frontier) -> None:
    urgent = db.jobs.enqueue_many("default", [{}] * 8, priority=-1)
    order = [job.id for job in claims(busy, PATIENCE + 4)]
    start = order.index(urgent[0])
    assert order[start : start + 8] == urgent


def test_too_few_behind_the_frontier_means_that_a_look_is_owed(db: Db) -> None:
    found = Frontier(db.jobs, "default")
    db.jobs.enqueue_many("default", [{}] * 3)
    assert len(claims(found, 1, 3)) == 3
    hidden = more_urgent(db)
    assert found.claim(3, None) == []
    assert found.owed_at < float("inf")
    looks = claims(found, PATIENCE, 3)
    assert [job.id for job in looks] == [hidden]
    assert found.claim(3, None) == []


@pytest.mark.parametrize("from_the_frontier", [True, False])
def test_under_an_old_snapshot_only_a_look_at_all_walks_over_the_dead(
    db: Db, shared: str, from_the_frontier: bool
) -> None:
    with psycopg.connect(shared) as old:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("select from jobs.job")
        db.jobs.enqueue_many("default", [{}] * 2010)
        claimed = db.jobs.claim_batch("default", 2000)
        db.jobs.complete_batch("default", [job.id for job in claimed], [1] * len(claimed))
        after = (claimed[-1].priority, claimed[-1].schedule, claimed[-1].id) if from_the_frontier else (None,) * 3
        read = entries(db.conn, "select from jobs.claim_batch('default', 10, null, %s, %s, %s)", after)
        assert (read <= 30) == from_the_frontier


def entries(conn: psycopg.Connection[Any], query: str, args: tuple[object, ...]) -> int:
    """Return how many entries of the index of available jobs a query reads."""
    count = "select pg_stat_get_xact_tuples_returned('jobs.job_available'::regclass)"
    with conn.transaction(force_rollback=True):
        conn.execute("set local enable_seqscan = off")  # of a table so small, once autovacuum has analyzed it
        conn.execute("set local enable_sort = off")
        [(before,)] = conn.execute(count).fetchall()
        conn.execute(query.encode(), args)
        [(after,)] = conn.execute(count).fetchall()
    return int(after - before)
