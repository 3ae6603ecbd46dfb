from .harness import NOTHING, Db


def test_attempt_is_never_reset_and_max_attempts_is_raised(db: Db) -> None:
    job = db.a_job("FAILED", attempt=5)
    requeued = db.jobs.requeue("default", job["id"])
    assert (requeued.state, requeued.attempt, requeued.max_attempts) == ("AVAILABLE", 5, 10)
    assert requeued.last_error == "attempt 5 failed"


def test_as_many_attempts_as_the_queue_grants_by_now(db: Db) -> None:
    job = db.a_job("FAILED", attempt=5)
    db.a_queue(max_attempts=2)
    assert db.jobs.requeue("default", job["id"]).max_attempts == 7


def test_but_fewer_when_it_was_enqueued_with_fewer(db: Db) -> None:
    job = db.a_job("FAILED", attempt=1, max_attempts=1)
    requeued = db.jobs.requeue("default", job["id"])
    assert (requeued.attempt, requeued.max_attempts) == (1, 2)


def test_a_requeued_job_can_fail_and_be_requeued_again(db: Db) -> None:
    job = db.a_job("FAILED", attempt=1)
    for attempt in (2, 3, 4):
        db.jobs.requeue("default", job["id"])
        while taken := db.jobs.claim_batch("default", 1):
            db.jobs.fail("default", job["id"], taken[0].attempt, retry_in=NOTHING)
            db.jobs.activate_scheduled()
        assert db.job(job["id"])["state"] == "FAILED"
        assert db.job(job["id"])["attempt"] >= attempt


def test_it_keeps_its_schedule_and_so_runs_before_what_came_later(db: Db) -> None:
    job = db.a_job("FAILED")
    later = db.jobs.enqueue("default")
    db.jobs.requeue("default", job["id"])
    assert [taken.id for taken in db.jobs.claim_batch("default", 2)] == [job["id"], later]


def test_a_job_is_requeued_once(db: Db) -> None:
    job = db.a_job("FAILED")
    db.jobs.requeue("default", job["id"])
    with db.refuses("JQ004"):
        db.another().requeue("default", job["id"])
