"""What a call reads does not grow with the jobs that it has nothing to do with."""

import pytest
from contract.harness import HOUR, Db

from ectojob_py.calls import calls_on

from .conftest import Ask, Connection

MANY = 1000
READ = "show session status like 'Handler\\_read%%'"

RESERVED, IN_PROGRESS, SCHEDULED = "RESERVED", "IN_PROGRESS", "SCHEDULED"
"""In place of an id: that of a job in this state."""

CALLS: list[tuple[object, ...]] = [
    ("next_due", "default"),
    ("enqueue", "default"),
    ("enqueue_many", "default", [{}]),
    ("reserve_batch", "default", 1),
    ("claim_batch", "default", 1),
    ("begin_attempt", "default", RESERVED, 0),
    ("extend", "default", IN_PROGRESS, 1),
    ("release", "default", RESERVED, 0),
    ("fail", "default", IN_PROGRESS, 1),
    ("complete", "default", IN_PROGRESS, 1),
    ("activate_scheduled",),
    ("reactivate_expired",),
    ("remove", "default", SCHEDULED),
    ("wait_for_job", "default", 0),
    ("pause_queue", "default"),
]


@pytest.fixture
def ids(db: Db) -> dict[object, list[int]]:
    """Many jobs in each state, by their ids."""
    ids: dict[object, list[int]] = {RESERVED: db.jobs.enqueue_many("default", [{}] * MANY)}
    db.jobs.reserve_batch("default", MANY)
    ids[IN_PROGRESS] = db.jobs.enqueue_many("default", [{}] * MANY)
    db.jobs.claim_batch("default", MANY)
    ids[SCHEDULED] = db.jobs.enqueue_many("default", [{}] * MANY, schedule=db.now() + HOUR)
    db.jobs.enqueue_many("default", [{}] * MANY)
    return ids


def test_no_call_reads_more_than_its_jobs(conn: Connection, ask: Ask, ids: dict[object, list[int]]) -> None:
    calls = calls_on(conn, "jobs")
    ask("update job set state = 'RETRY' where id > %s and state = 'SCHEDULED'", ids[SCHEDULED][MANY // 2])
    read = {}
    for name, *args in CALLS:
        ask("flush status", on=conn)
        calls.values(str(name), *[ids[arg].pop() if isinstance(arg, str) and arg in ids else arg for arg in args])
        read[name] = sum(int(count) for _, count in ask(READ, on=conn))
    assert {name: count for name, count in read.items() if count > 100} == {}
