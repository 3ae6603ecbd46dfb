from datetime import timedelta

import pytest

from .harness import NOTHING, SECOND, Db


def test_by_adds_to_what_is_left(db: Db) -> None:
    job = db.a_job("IN_PROGRESS")
    extended = db.jobs.extend("default", job["id"], 1, 7 * SECOND)
    assert extended
    assert extended.expires == job["expires"] + 7 * SECOND


def test_by_counts_from_now_when_the_lease_has_ended(db: Db) -> None:
    job = db.a_job("IN_PROGRESS")
    db.let_lease_end(job["id"])
    with db.within(7 * SECOND) as is_seven_seconds_from_now:
        extended = db.jobs.extend("default", job["id"], 1, 7 * SECOND)
    assert extended
    assert extended.expires
    assert is_seven_seconds_from_now(extended.expires)


def test_null_is_a_whole_lease_from_now(db: Db) -> None:
    db.a_queue(execution_timeout=timedelta(minutes=2))
    job = db.a_job("IN_PROGRESS", attempt=3)
    with db.within(timedelta(minutes=6)) as is_six_minutes_from_now:
        extended = db.jobs.extend("default", job["id"], 3)
    assert extended
    assert extended.expires
    assert is_six_minutes_from_now(extended.expires)


def test_null_never_shortens_a_lease(db: Db) -> None:
    db.jobs.enqueue("default")
    [job] = db.jobs.claim_batch("default", 1, timedelta(days=1))
    extended = db.jobs.extend("default", job.id, 1)
    assert extended
    assert extended.expires == job.expires


def test_nothing_but_expires_changes(db: Db) -> None:
    job = db.a_job("IN_PROGRESS", notify="done")
    db.jobs.extend("default", job["id"], 1, SECOND)
    after = db.job(job["id"])
    assert {key for key in job if after[key] != job[key]} == {"expires"}


@pytest.mark.parametrize("by", [NOTHING, -SECOND, timedelta(days=30, microseconds=1), timedelta(days=999_999)], ids=str)
def test_absurd_values_are_refused(db: Db, by: timedelta) -> None:
    job = db.a_job("IN_PROGRESS")
    with db.refuses("22023"):
        db.jobs.extend("default", job["id"], 1, by)
