from datetime import timedelta

from .harness import SECOND, Db


def test_a_claim_counts_the_attempt_before_it_runs(db: Db) -> None:
    db.jobs.enqueue("default")
    [job] = db.jobs.claim_batch("default", 1)
    assert job.attempt == 1


def test_the_lease_is_the_queues_timeout_times_the_attempt(db: Db) -> None:
    db.a_queue(execution_timeout=timedelta(minutes=2))
    db.a_job(attempt=2)
    with db.within(timedelta(minutes=6)) as is_six_minutes_from_now:
        [job] = db.jobs.claim_batch("default", 1)
    assert job.attempt == 3
    assert job.expires
    assert is_six_minutes_from_now(job.expires)


def test_or_the_callers_times_the_attempt(db: Db) -> None:
    db.a_job(attempt=1)
    with db.within(14 * SECOND) as is_fourteen_seconds_from_now:
        [job] = db.jobs.claim_batch("default", 1, 7 * SECOND)
    assert job.expires
    assert is_fourteen_seconds_from_now(job.expires)


def test_jobs_of_one_batch_have_their_own_attempts(db: Db) -> None:
    old = db.a_job(attempt=3)
    new = db.jobs.enqueue("default")
    assert {job.id: job.attempt for job in db.jobs.claim_batch("default", 2)} == {old["id"]: 4, new: 1}
