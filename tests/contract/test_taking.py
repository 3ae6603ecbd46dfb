"""What reserve_batch and claim_batch promise alike: whom they take, and in which order."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from ectojob_py import Jobs

from .harness import NOTHING, SECOND, Db

TAKES = {"reserve_batch": Jobs.reserve_batch, "claim_batch": Jobs.claim_batch}
STATE_AFTER = {"reserve_batch": "RESERVED", "claim_batch": "IN_PROGRESS"}

pytestmark = pytest.mark.parametrize("name", TAKES)


def test_the_rows_returned_are_the_rows_stored(db: Db, name: str) -> None:
    id = db.jobs.enqueue("default", {"to": "joe"}, priority=4, notify="done")
    [job] = TAKES[name](db.jobs, "default", 10)
    row = db.job(id)
    assert {key: getattr(job, key) for key in row} == row
    assert job.state == STATE_AFTER[name]


def test_the_order_is_priority_then_schedule_then_id(db: Db, name: str) -> None:
    early, late = datetime(2001, 1, 1, tzinfo=UTC), datetime(2002, 1, 1, tzinfo=UTC)
    enqueue = partial(db.jobs.enqueue, "default")
    ids = [
        enqueue(schedule=late, priority=1),
        enqueue(schedule=early, priority=1),
        enqueue(schedule=late, priority=-1),
        enqueue(schedule=early, priority=1),
        enqueue(schedule=late, priority=0),
    ]
    expected = [ids[2], ids[4], ids[1], ids[3], ids[0]]
    assert [job.id for job in TAKES[name](db.jobs, "default", 10)] == expected


def test_each_call_takes_the_next_ones_of_that_order(db: Db, name: str) -> None:
    ids = [db.jobs.enqueue("default", priority=priority) for priority in (3, 1, 2, 0)]
    taken = [[job.id for job in TAKES[name](db.jobs, "default", demand)] for demand in (1, 2, 5, 1)]
    assert taken == [[ids[3]], [ids[1], ids[2]], [ids[0]], []]


def test_no_more_than_demand(db: Db, name: str) -> None:
    db.jobs.enqueue_many("default", [{}] * 50)
    assert len(TAKES[name](db.jobs, "default", 7)) == 7
    assert [job["state"] for job in db.all_jobs()].count("AVAILABLE") == 43


def test_a_demand_of_everything(db: Db, name: str) -> None:
    db.jobs.enqueue_many("default", [{}] * 50)
    assert len(TAKES[name](db.jobs, "default", 2_147_483_647)) == 50


def test_only_jobs_of_that_queue(db: Db, name: str) -> None:
    db.a_queue("other")
    db.jobs.enqueue("other")
    mine = db.jobs.enqueue("default")
    assert [job.id for job in TAKES[name](db.jobs, "default", 10)] == [mine]


def test_a_paused_queue_hands_out_nothing(db: Db, name: str) -> None:
    db.jobs.enqueue("default")
    db.jobs.pause_queue("default")
    with db.changes_nothing():
        assert TAKES[name](db.jobs, "default", 10) == []
    db.jobs.resume_queue("default")
    assert len(TAKES[name](db.jobs, "default", 10)) == 1


def test_a_job_that_became_due_waits_for_the_sweep(db: Db, name: str) -> None:
    job = db.a_job("SCHEDULED")
    db.let_schedule_come(job["id"])
    assert TAKES[name](db.jobs, "default", 10) == []
    db.jobs.activate_scheduled()
    assert len(TAKES[name](db.jobs, "default", 10)) == 1


def test_two_sessions_share_no_job(db: Db, name: str) -> None:
    ids = db.jobs.enqueue_many("default", [{}] * 4)
    taken = [job.id for jobs in (db.jobs, db.another()) for job in TAKES[name](jobs, "default", 2)]
    assert taken == ids


@pytest.mark.parametrize("demand", [None, 0, -1, -2_147_483_648])
def test_absurd_demands_are_refused(db: Db, name: str, demand: int | None) -> None:
    db.jobs.enqueue("default")
    with db.refuses("22023"):
        db.raw.jobs(name, "default", demand)


@pytest.mark.parametrize("timeout", [NOTHING, -SECOND, timedelta(days=30, microseconds=1), timedelta(days=999_999)])
def test_absurd_timeouts_are_refused(db: Db, name: str, timeout: timedelta) -> None:
    db.jobs.enqueue("default")
    with db.refuses("22023"):
        db.raw.jobs(name, "default", 1, timeout)


@pytest.mark.parametrize("timeout", [timedelta(microseconds=1), timedelta(days=30)])
def test_the_ends_of_the_range_of_timeouts(db: Db, name: str, timeout: timedelta) -> None:
    id = db.jobs.enqueue("default")
    with db.within(timeout) as is_timeout_from_now:
        db.raw.jobs(name, "default", 1, timeout)
    assert is_timeout_from_now(db.job(id)["expires"])


def test_a_paused_queue_still_refuses_absurd_values(db: Db, name: str) -> None:
    db.jobs.pause_queue("default")
    with db.refuses("22023"):
        db.raw.jobs(name, "default", 0)
