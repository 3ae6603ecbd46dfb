from datetime import timedelta

from .harness import Db


def test_beginning_counts_the_attempt_and_grants_a_lease_that_grows_with_it(db: Db) -> None:
    db.a_queue(execution_timeout=timedelta(minutes=2))
    reserved = db.a_job("RESERVED", attempt=2)
    with db.within(timedelta(minutes=6)) as is_six_minutes_from_now:
        job = db.jobs.begin_attempt("default", reserved["id"], 2)
    assert job
    assert (job.state, job.attempt) == ("IN_PROGRESS", 3)
    assert job.expires
    assert is_six_minutes_from_now(job.expires)


def test_a_reservation_begins_once(db: Db) -> None:
    reserved = db.a_job("RESERVED")
    assert db.jobs.begin_attempt("default", reserved["id"], 0)
    with db.changes_nothing():
        assert db.another().begin_attempt("default", reserved["id"], 0) is None
        assert db.another().begin_attempt("default", reserved["id"], 1) is None


def test_a_paused_queue_lets_reserved_jobs_begin(db: Db) -> None:
    reserved = db.a_job("RESERVED")
    db.jobs.pause_queue("default")
    assert db.jobs.begin_attempt("default", reserved["id"], 0)


def test_a_reservation_that_was_swept_is_gone_even_when_reserved_anew(db: Db) -> None:
    reserved = db.a_job("RESERVED")
    db.let_lease_end(reserved["id"])
    db.jobs.reactivate_expired("default")
    [again] = db.another().reserve_batch("default", 1)
    with db.changes_nothing():
        assert db.jobs.begin_attempt("default", reserved["id"], reserved["attempt"]) is None
    assert db.jobs.begin_attempt("default", again.id, again.attempt)
