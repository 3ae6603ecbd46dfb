from .harness import Db


def test_a_begun_attempt_stays_counted_and_max_attempts_is_raised(db: Db) -> None:
    job = db.a_job("IN_PROGRESS", attempt=2, max_attempts=2)
    released = db.jobs.release("default", job["id"], 2)
    assert released
    assert (released.state, released.attempt, released.max_attempts, released.expires) == ("AVAILABLE", 2, 3, None)


def test_a_reservation_counted_no_attempt(db: Db) -> None:
    job = db.a_job("RESERVED", attempt=1, max_attempts=2)
    released = db.jobs.release("default", job["id"], 1)
    assert released
    assert (released.state, released.attempt, released.max_attempts, released.expires) == ("AVAILABLE", 1, 2, None)


def test_deploys_use_up_no_attempts(db: Db) -> None:
    id = db.jobs.enqueue("default", max_attempts=1)
    for _ in range(5):
        [job] = db.jobs.claim_batch("default", 1)
        db.jobs.release("default", id, job.attempt)
    [job] = db.jobs.claim_batch("default", 1)
    failed = db.jobs.fail("default", id, job.attempt)
    assert failed
    assert (failed.state, failed.attempt) == ("FAILED", 6)


def test_a_released_job_keeps_its_place_in_the_order(db: Db) -> None:
    first, second = db.jobs.enqueue_many("default", [{}, {}])
    db.jobs.claim_batch("default", 1)
    db.jobs.release("default", first, 1)
    assert [job.id for job in db.jobs.claim_batch("default", 2)] == [first, second]


def test_it_keeps_its_last_error(db: Db) -> None:
    job = db.a_job("IN_PROGRESS", attempt=2)
    db.jobs.release("default", job["id"], 2)
    assert db.job(job["id"])["last_error"] == "attempt 1 failed"
