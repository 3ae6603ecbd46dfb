"""What the views make of how long ago something was, and of jobs without a queue."""

from datetime import timedelta

import pytest
from contract.harness import HOUR, NOTHING, SECOND, Db, Row

from ectojob_py import Jobs

from .conftest import Connect


def depth(db: Db, queue: str = "default") -> Row:
    [row] = [row for row in db.view("queue_depth") if row["queue"] == queue]
    return row


@pytest.mark.parametrize("way", ["requeue", "release", "activate_scheduled", "reactivate_expired", "a past schedule"])
def test_a_job_has_been_available_since_it_became_so(db: Db, way: str) -> None:
    if way == "a past schedule":
        db.jobs.enqueue("default", schedule=db.now() - HOUR)
    else:
        states = {"requeue": "FAILED", "activate_scheduled": "SCHEDULED"}
        id = db.a_job(states.get(way, "IN_PROGRESS"))["id"]
        db.move(id, "schedule", -HOUR)
        db.move(id, "updated_at", -HOUR)
        if way == "reactivate_expired":
            db.let_lease_end(id)
        key = {"requeue": ("default", id), "release": ("default", id, 1)}.get(way, ("default",))
        db.raw.values(way, *key)
    assert NOTHING <= depth(db)["oldest_available"] < 60 * SECOND


def test_the_longest_wait_of_an_available_job_counts(db: Db) -> None:
    old, _ = (db.jobs.enqueue("default") for _ in range(2))
    db.move(old, "updated_at", -HOUR)
    assert HOUR <= depth(db)["oldest_available"] < HOUR + 60 * SECOND


@pytest.mark.parametrize("state", ["SCHEDULED", "RETRY"])
def test_the_next_job_that_waits_is_due_next(db: Db, state: str) -> None:
    db.a_job("IN_PROGRESS")
    assert depth(db)["next_due"] is None
    first, _ = db.a_job(state), db.a_job("SCHEDULED", schedule=db.now() + 24 * HOUR)
    assert depth(db)["next_due"] == first["schedule"]


def test_the_longest_running_is_the_oldest_attempt(db: Db) -> None:
    db.move(db.a_job("RESERVED")["id"], "updated_at", -2 * HOUR)
    assert depth(db)["longest_running"] is None
    old, _ = (db.a_job("IN_PROGRESS")["id"] for _ in range(2))
    db.move(old, "updated_at", -HOUR)
    assert HOUR <= depth(db)["longest_running"] < HOUR + 60 * SECOND


@pytest.mark.parametrize("by", [None, HOUR], ids=str)
def test_whoever_extends_has_the_job_as_long_as_before(db: Db, by: timedelta | None) -> None:
    job = db.a_job("IN_PROGRESS")
    db.move(job["id"], "updated_at", -HOUR)
    assert db.jobs.extend("default", job["id"], 1, by)
    [row] = db.view("running")
    assert row["held_for"] >= HOUR
    assert depth(db)["longest_running"] >= HOUR


def test_a_job_whose_queue_was_dropped_is_counted(db: Db, connect: Connect) -> None:
    db.a_queue("emails")
    late = connect(autocommit=False)
    Jobs(late).enqueue("emails")
    db.jobs.drop_queue("emails")
    late.commit()
    row = depth(db, "emails")
    assert (row["available"], row["failed"], row["max_attempts"], row["retry_timeout"]) == (1, 0, None, None)
    assert [row["queue"] for row in db.view("queue_depth")] == ["default", "emails"]
    db.a_queue("emails")
    assert depth(db, "emails")["max_attempts"] == 5
