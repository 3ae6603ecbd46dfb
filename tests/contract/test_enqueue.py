from datetime import UTC, datetime, timedelta, timezone

import pytest

from ectojob_py.job import Document

from .harness import HOUR, SECOND, Db


def test_a_job_is_available_at_once(db: Db) -> None:
    with db.within(timedelta(0)) as is_now:
        job = db.job(db.jobs.enqueue("default", {"to": "joe"}))
    assert is_now(job["schedule"])
    assert job["inserted_at"] == job["updated_at"] == job["schedule"]
    assert {key: job[key] for key in job if key not in ("id", "schedule", "inserted_at", "updated_at")} == {
        "queue": "default",
        "state": "AVAILABLE",
        "priority": 0,
        "expires": None,
        "attempt": 0,
        "max_attempts": 5,
        "params": {"to": "joe"},
        "notify": None,
        "last_error": None,
    }


def test_every_argument_is_kept(db: Db) -> None:
    moment = datetime(2050, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    job = db.job(db.jobs.enqueue("default", {"a": [1, None, "ü"]}, moment, 7, -3, "done"))
    assert (job["state"], job["schedule"], job["max_attempts"], job["priority"], job["notify"], job["params"]) == (
        "SCHEDULED",
        moment,
        7,
        -3,
        "done",
        {"a": [1, None, "ü"]},
    )


def test_nothing_but_a_queue_is_needed(db: Db) -> None:
    job = db.job(db.raw.value("enqueue", "default"))
    assert (job["state"], job["params"]) == ("AVAILABLE", {})


def test_null_means_the_default(db: Db) -> None:
    db.a_queue(max_attempts=8)
    job = db.job(db.raw.value("enqueue", "default", Document({}), None, None, None, None))
    assert (job["state"], job["max_attempts"], job["priority"], job["notify"]) == ("AVAILABLE", 8, 0, None)


def test_a_schedule_in_the_past_is_available_and_kept_for_the_order(db: Db) -> None:
    moment = datetime(2001, 1, 1, tzinfo=UTC)
    job = db.job(db.jobs.enqueue("default", schedule=moment))
    assert (job["state"], job["schedule"]) == ("AVAILABLE", moment)


@pytest.mark.parametrize("ago", [timedelta(0), SECOND])
def test_a_schedule_that_has_just_come_is_available(db: Db, ago: timedelta) -> None:
    assert db.job(db.jobs.enqueue("default", schedule=db.now() - ago))["state"] == "AVAILABLE"


def test_a_schedule_to_come_is_scheduled(db: Db) -> None:
    assert db.job(db.jobs.enqueue("default", schedule=db.now() + 30 * SECOND))["state"] == "SCHEDULED"


def test_ids_grow_over_all_queues(db: Db) -> None:
    db.a_queue("other")
    ids = [db.jobs.enqueue(queue) for queue in ("default", "other", "default")]
    assert ids == sorted(set(ids))


def test_a_paused_queue_takes_jobs(db: Db) -> None:
    db.jobs.pause_queue("default")
    assert db.job(db.jobs.enqueue("default"))["state"] == "AVAILABLE"


@pytest.mark.parametrize("params", [[], [{}], "text", 1, 1.5, True, None], ids=repr)
def test_params_must_be_an_object(db: Db, params: object) -> None:
    with db.refuses("22023"):
        db.raw.value("enqueue", "default", Document(params))


def test_params_must_not_be_null(db: Db) -> None:
    with db.refuses("22023"):
        db.raw.value("enqueue", "default", None)


@pytest.mark.parametrize("max_attempts", [0, -1, 10_001, 2_147_483_647, -2_147_483_648])
def test_absurd_max_attempts_are_refused(db: Db, max_attempts: int) -> None:
    with db.refuses("22023"):
        db.jobs.enqueue("default", max_attempts=max_attempts)


@pytest.mark.parametrize("max_attempts", [1, 10_000])
def test_the_ends_of_the_range_of_max_attempts(db: Db, max_attempts: int) -> None:
    assert db.job(db.jobs.enqueue("default", max_attempts=max_attempts))["max_attempts"] == max_attempts


@pytest.mark.parametrize(
    "schedule",
    [
        datetime(1, 1, 1, tzinfo=timezone(14 * HOUR)),  # in UTC there is no such date
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(999, 12, 31, tzinfo=UTC),
        datetime(9999, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, tzinfo=timezone(-14 * HOUR)),
    ],
    ids=str,
)
def test_a_schedule_out_of_range_is_refused(db: Db, schedule: datetime) -> None:
    with db.refuses("22023"):
        db.jobs.enqueue("default", schedule=schedule)


@pytest.mark.parametrize(
    "schedule", [datetime(1000, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC) - SECOND], ids=str
)
def test_the_ends_of_the_range_of_schedule(db: Db, schedule: datetime) -> None:
    assert db.job(db.jobs.enqueue("default", schedule=schedule))["schedule"] == schedule


@pytest.mark.parametrize("priority", [-2_147_483_648, 2_147_483_647])
def test_the_ends_of_the_range_of_priority(db: Db, priority: int) -> None:
    assert db.job(db.jobs.enqueue("default", priority=priority))["priority"] == priority


@pytest.mark.parametrize("notify", ["x" * 8000, "ü" * 4000], ids=["bytes", "characters"])
def test_a_notify_that_cannot_be_sent_is_refused(db: Db, notify: str) -> None:
    with db.refuses("22023"):
        db.jobs.enqueue("default", notify=notify)


def test_the_longest_notify_can_be_sent(db: Db) -> None:
    job = db.a_job("IN_PROGRESS", notify="x" * 7999)
    db.jobs.complete("default", job["id"], 1)
    assert db.all_jobs() == []


def test_a_naive_schedule_is_refused_before_it_is_sent(db: Db) -> None:
    with pytest.raises(ValueError, match="time zone"):
        db.jobs.enqueue("default", schedule=datetime(2050, 1, 1))


def test_a_schedule_in_another_time_zone_is_the_same_moment(db: Db) -> None:
    here = db.now() + HOUR
    id = db.jobs.enqueue("default", schedule=here.astimezone(datetime.now().astimezone().tzinfo))
    assert db.job(id)["schedule"] == here
