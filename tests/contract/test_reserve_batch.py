from datetime import timedelta

from .harness import SECOND, Db


def test_a_reservation_ends_after_the_queues_timeout(db: Db) -> None:
    db.a_queue(reservation_timeout=timedelta(minutes=3))
    db.jobs.enqueue("default")
    with db.within(timedelta(minutes=3)) as is_three_minutes_from_now:
        [job] = db.jobs.reserve_batch("default", 1)
    assert job.expires
    assert is_three_minutes_from_now(job.expires)


def test_or_after_the_callers(db: Db) -> None:
    db.jobs.enqueue("default")
    with db.within(7 * SECOND) as is_seven_seconds_from_now:
        [job] = db.jobs.reserve_batch("default", 1, 7 * SECOND)
    assert job.expires
    assert is_seven_seconds_from_now(job.expires)


def test_a_later_reservation_lasts_no_longer(db: Db) -> None:
    with db.within(timedelta(minutes=1)) as is_a_minute_from_now:
        job = db.a_job("RESERVED", attempt=2)
    assert is_a_minute_from_now(job["expires"])


def test_reserving_counts_no_attempt(db: Db) -> None:
    assert db.a_job("RESERVED")["attempt"] == 0
