import pytest

from .harness import HOUR, Db


@pytest.mark.parametrize("queue", [None, "default"])
def test_what_is_due_becomes_available_and_is_counted(db: Db, queue: str | None) -> None:
    due = [db.a_job(state)["id"] for state in ("SCHEDULED", "RETRY", "SCHEDULED")]
    waits = [db.a_job(state)["id"] for state in ("SCHEDULED", "RETRY")]
    for id in due:
        db.let_schedule_come(id)
    assert db.jobs.activate_scheduled(queue) == 3
    assert [db.job(id)["state"] for id in due + waits] == ["AVAILABLE"] * 3 + ["SCHEDULED", "RETRY"]
    with db.changes_nothing():
        assert db.jobs.activate_scheduled(queue) == 0


def test_only_of_the_queue_that_is_named(db: Db) -> None:
    db.a_queue("other")
    ids = {queue: db.a_job("SCHEDULED", queue=queue)["id"] for queue in ("default", "other")}
    for id in ids.values():
        db.let_schedule_come(id)
    assert db.jobs.activate_scheduled("other") == 1
    assert db.job(ids["default"])["state"] == "SCHEDULED"
    assert db.jobs.activate_scheduled() == 1


def test_without_an_argument_all_queues(db: Db) -> None:
    job = db.a_job("SCHEDULED")
    db.let_schedule_come(job["id"])
    assert db.raw.value("activate_scheduled") == 1


def test_schedule_attempt_and_error_are_kept(db: Db) -> None:
    job = db.a_job("RETRY", attempt=2)
    db.let_schedule_come(job["id"])
    before = db.job(job["id"])
    db.jobs.activate_scheduled()
    after = db.job(job["id"])
    assert {key for key in before if after[key] != before[key]} == {"state", "updated_at"}


def test_jobs_then_run_in_the_order_of_their_schedules(db: Db) -> None:
    ids = [db.jobs.enqueue("default", schedule=db.now() + hours * HOUR) for hours in (3, 1, 2)]
    for id in (ids[0], ids[2], ids[1]):
        db.let_schedule_come(id)
    db.jobs.activate_scheduled()
    assert [job.id for job in db.jobs.reserve_batch("default", 3)] == [ids[0], ids[2], ids[1]]


def test_a_paused_queue_is_swept_all_the_same(db: Db) -> None:
    job = db.a_job("SCHEDULED")
    db.let_schedule_come(job["id"])
    db.jobs.pause_queue("default")
    assert db.jobs.activate_scheduled() == 1
