from datetime import timedelta

import pytest

from .harness import NOTHING, SECOND, Db


def test_a_failed_attempt_waits_for_the_retry_timeout_times_the_attempt(db: Db) -> None:
    db.a_queue(retry_timeout=timedelta(minutes=2))
    job = db.a_job("IN_PROGRESS", attempt=3)
    with db.within(timedelta(minutes=6)) as is_six_minutes_from_now:
        failed = db.jobs.fail("default", job["id"], 3, "no luck")
    assert failed
    assert (failed.state, failed.attempt, failed.max_attempts, failed.last_error) == ("RETRY", 3, 5, "no luck")
    assert failed.expires is None
    assert is_six_minutes_from_now(failed.schedule)


@pytest.mark.parametrize("retry_in", [NOTHING, 7 * SECOND, timedelta(days=3650)], ids=str)
def test_or_as_long_as_the_caller_says(db: Db, retry_in: timedelta) -> None:
    job = db.a_job("IN_PROGRESS", attempt=3)
    with db.within(retry_in) as is_that_far_from_now:
        failed = db.jobs.fail("default", job["id"], 3, retry_in=retry_in)
    assert failed
    assert is_that_far_from_now(failed.schedule)


@pytest.mark.parametrize(
    "retry_in", [-SECOND, timedelta(microseconds=-1), timedelta(days=3651), timedelta(days=999_999)]
)
def test_absurd_waits_are_refused(db: Db, retry_in: timedelta) -> None:
    job = db.a_job("IN_PROGRESS")
    with db.refuses("22023"):
        db.jobs.fail("default", job["id"], 1, retry_in=retry_in)


def test_without_an_attempt_left_it_is_failed_and_keeps_its_error(db: Db) -> None:
    job = db.a_job("IN_PROGRESS", attempt=2, max_attempts=2)
    failed = db.jobs.fail("default", job["id"], 2, "no luck")
    assert failed
    assert (failed.state, failed.attempt, failed.last_error) == ("FAILED", 2, "no luck")
    assert (failed.expires, failed.schedule) == (None, job["schedule"])


def test_retry_in_grants_no_attempt(db: Db) -> None:
    job = db.a_job("IN_PROGRESS", attempt=1, max_attempts=1)
    failed = db.jobs.fail("default", job["id"], 1, "no luck", SECOND)
    assert failed
    assert (failed.state, failed.schedule) == ("FAILED", job["schedule"])


def test_the_job_is_tried_max_attempts_times(db: Db) -> None:
    db.jobs.enqueue("default", max_attempts=3)
    attempts = []
    while taken := db.jobs.claim_batch("default", 1):
        attempts.append(taken[0].attempt)
        db.jobs.fail("default", taken[0].id, taken[0].attempt, retry_in=NOTHING)
        db.jobs.activate_scheduled("default")
    assert attempts == [1, 2, 3]


def test_without_an_error_the_last_one_is_forgotten(db: Db) -> None:
    job = db.a_job("IN_PROGRESS", attempt=2)
    assert job["last_error"] == "attempt 1 failed"
    db.jobs.fail("default", job["id"], 2)
    assert db.job(job["id"])["last_error"] is None


@pytest.mark.parametrize("letter", ["x", "ü"])
def test_ten_thousand_characters_of_an_error_are_kept(db: Db, letter: str) -> None:
    job = db.a_job("IN_PROGRESS")
    db.jobs.fail("default", job["id"], 1, letter * 10_001)
    assert db.job(job["id"])["last_error"] == letter * 10_000


def test_nul_is_taken_out_of_an_error(db: Db) -> None:
    job = db.a_job("IN_PROGRESS")
    db.jobs.fail("default", job["id"], 1, "a\x00b")
    assert db.job(job["id"])["last_error"] == "ab"


def test_a_job_fails_once_per_attempt(db: Db) -> None:
    job = db.a_job("IN_PROGRESS")
    assert db.jobs.fail("default", job["id"], 1, "first")
    with db.changes_nothing():
        assert db.another().fail("default", job["id"], 1, "second") is None
