import pytest

from .harness import Db


@pytest.mark.parametrize("queue", [None, "default"])
def test_what_has_expired_is_taken_back_and_counted(db: Db, queue: str | None) -> None:
    expired = [db.a_job(state)["id"] for state in ("RESERVED", "IN_PROGRESS", "IN_PROGRESS")]
    held = [db.a_job(state)["id"] for state in ("RESERVED", "IN_PROGRESS")]
    for id in expired:
        db.let_lease_end(id)
    assert db.jobs.reactivate_expired(queue) == 3
    assert [db.job(id)["state"] for id in expired + held] == ["AVAILABLE"] * 3 + ["RESERVED", "IN_PROGRESS"]
    with db.changes_nothing():
        assert db.jobs.reactivate_expired(queue) == 0


def test_only_of_the_queue_that_is_named(db: Db) -> None:
    db.a_queue("other")
    ids = {queue: db.a_job("IN_PROGRESS", queue=queue)["id"] for queue in ("default", "other")}
    for id in ids.values():
        db.let_lease_end(id)
    assert db.jobs.reactivate_expired("other") == 1
    assert db.job(ids["default"])["state"] == "IN_PROGRESS"
    assert db.raw.value("reactivate_expired") == 1


def test_an_attempt_that_ran_out_is_not_counted_twice(db: Db) -> None:
    job = db.a_job("IN_PROGRESS", attempt=2)
    db.let_lease_end(job["id"])
    db.jobs.reactivate_expired()
    row = db.job(job["id"])
    assert (row["state"], row["attempt"], row["max_attempts"], row["expires"]) == ("AVAILABLE", 2, 5, None)
    assert "2" in row["last_error"]


def test_a_wasted_reservation_counts_as_an_attempt(db: Db) -> None:
    job = db.a_job("RESERVED", attempt=2)
    db.let_lease_end(job["id"])
    db.jobs.reactivate_expired()
    row = db.job(job["id"])
    assert (row["state"], row["attempt"], row["max_attempts"], row["expires"]) == ("AVAILABLE", 3, 5, None)
    assert "reservation" in row["last_error"]


def test_a_last_attempt_that_ran_out_is_failed(db: Db) -> None:
    job = db.a_job("IN_PROGRESS", attempt=2, max_attempts=2)
    db.let_lease_end(job["id"])
    assert db.jobs.reactivate_expired() == 1
    row = db.job(job["id"])
    assert (row["state"], row["attempt"], row["expires"]) == ("FAILED", 2, None)
    assert row["last_error"]


def test_a_job_whose_reservation_keeps_expiring_ends_in_failed(db: Db) -> None:
    id = db.jobs.enqueue("default", max_attempts=3)
    reservations = 0
    while db.jobs.reserve_batch("default", 1):
        reservations += 1
        db.let_lease_end(id)
        db.jobs.reactivate_expired()
    row = db.job(id)
    assert (reservations, row["state"], row["attempt"], row["max_attempts"]) == (3, "FAILED", 3, 3)
    assert row["last_error"]


def test_a_paused_queue_is_swept_all_the_same(db: Db) -> None:
    job = db.a_job("IN_PROGRESS")
    db.let_lease_end(job["id"])
    db.jobs.pause_queue("default")
    assert db.jobs.reactivate_expired() == 1
