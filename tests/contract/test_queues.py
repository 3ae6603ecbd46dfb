"""Queues and their settings: create_queue, drop_queue, pause_queue, resume_queue, next_due, version."""

import re
from datetime import timedelta

import pytest

from .harness import HOUR, NOTHING, SECOND, STATES, Db

SETTINGS = ("max_attempts", "reservation_timeout", "execution_timeout", "retry_timeout")


def test_one_queue_is_there_from_the_start(db: Db) -> None:
    assert [row["name"] for row in db.snapshot()["queue"]] == ["default"]


def test_a_new_queue_has_the_defaults(db: Db) -> None:
    db.jobs.create_queue("emails")
    row = db.queue("emails")
    assert [row[name] for name in SETTINGS] == [5, timedelta(minutes=1), timedelta(minutes=5), timedelta(seconds=30)]
    assert row["paused_at"] is None


def test_or_what_is_passed(db: Db) -> None:
    db.jobs.create_queue("emails", 1, SECOND, 2 * SECOND, 3 * SECOND)
    assert [db.queue("emails")[name] for name in SETTINGS] == [1, SECOND, 2 * SECOND, 3 * SECOND]


@pytest.mark.parametrize(
    "change",
    [{"max_attempts": 9}, *({name: 9 * SECOND} for name in SETTINGS[1:])],
    ids=lambda change: next(iter(change)),
)
def test_creating_it_again_changes_only_what_is_passed(db: Db, change: dict[str, object]) -> None:
    db.jobs.create_queue("emails", 1, SECOND, 2 * SECOND, 3 * SECOND)
    before = db.queue("emails")
    db.jobs.create_queue("emails", **change)  # type: ignore[arg-type]
    after = db.queue("emails")
    assert {**before, **change, "updated_at": after["updated_at"]} == after
    assert after["updated_at"] > before["updated_at"]


def test_a_change_leaves_other_queues_alone_and_a_pause(db: Db) -> None:
    db.jobs.create_queue("emails")
    db.jobs.pause_queue("emails")
    others = db.queue("default")
    db.jobs.create_queue("emails", 9)
    assert db.queue("default") == others
    assert db.queue("emails")["paused_at"]


def test_jobs_already_enqueued_keep_their_max_attempts(db: Db) -> None:
    old = db.jobs.enqueue("default")
    db.jobs.create_queue("default", 9)
    new = db.jobs.enqueue("default")
    assert [db.job(id)["max_attempts"] for id in (old, new)] == [5, 9]


def test_timeouts_hold_from_the_next_transition_on(db: Db) -> None:
    job = db.a_job("RESERVED")
    db.jobs.create_queue("default", execution_timeout=7 * SECOND, retry_timeout=9 * SECOND)
    with db.within(7 * SECOND) as is_seven_seconds_from_now:
        begun = db.jobs.begin_attempt("default", job["id"], 0)
    assert begun
    assert begun.expires
    assert is_seven_seconds_from_now(begun.expires)
    with db.within(9 * SECOND) as is_nine_seconds_from_now:
        failed = db.jobs.fail("default", job["id"], 1)
    assert failed
    assert is_nine_seconds_from_now(failed.schedule)


LEGAL = [
    "e",
    "emails",
    "EMails",
    "e mails",
    "e.mails",
    "ümläute",
    "邮件",
    "'quoted'",
    '"quoted"',
    "%s",
    "a/b:c",
    "x" * 48,
]


@pytest.mark.parametrize("name", LEGAL)
def test_odd_but_legal_names(db: Db, name: str) -> None:
    db.jobs.create_queue(name)
    job = db.a_job("IN_PROGRESS", queue=name, notify="done")
    db.jobs.complete(name, job["id"], 1)
    db.jobs.drop_queue(name)


def test_names_differ_by_case_and_accents(db: Db) -> None:
    for name in ("emails", "Emails", "émails"):
        db.jobs.create_queue(name, max_attempts=len(name.encode()))
    db.jobs.enqueue("Emails")
    assert db.jobs.reserve_batch("emails", 1) == []
    assert len(db.snapshot()["queue"]) == 4


ILLEGAL = [
    "",
    " ",
    " emails",
    "emails ",
    "x" * 49,
    "ü" * 25,
    "a\nb",
    "a\tb",
    "a\x7fb",
    "a\x1bb",
    "emails.completed",
    "emails.retry",
    "emails.failed",
    "emails.scheduled",
    "x" * 10_000,
]


@pytest.mark.parametrize("name", ILLEGAL, ids=ascii)
def test_illegal_names_are_refused(db: Db, name: str) -> None:
    with db.refuses("22023"):
        db.jobs.create_queue(name)


def test_a_null_name_is_refused(db: Db) -> None:
    with db.refuses("22023"):
        db.raw.value("create_queue", None)


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("max_attempts", [0, -1, 10_001, 2_147_483_647])
def test_absurd_max_attempts_are_refused(db: Db, max_attempts: int, exists: bool) -> None:
    with db.refuses("22023"):
        db.jobs.create_queue("default" if exists else "emails", max_attempts)


@pytest.mark.parametrize("setting", SETTINGS[1:])
@pytest.mark.parametrize(
    "timeout", [NOTHING, -SECOND, timedelta(days=30, microseconds=1), timedelta(days=999_999)], ids=str
)
def test_absurd_timeouts_are_refused(db: Db, setting: str, timeout: timedelta) -> None:
    with db.refuses("22023"):
        db.jobs.create_queue("emails", **{setting: timeout})  # type: ignore[arg-type]


@pytest.mark.parametrize("setting", SETTINGS[1:])
@pytest.mark.parametrize("timeout", [timedelta(microseconds=1), timedelta(days=30)], ids=str)
def test_the_ends_of_the_range_of_timeouts(db: Db, setting: str, timeout: timedelta) -> None:
    db.jobs.create_queue("emails", **{setting: timeout})  # type: ignore[arg-type]
    assert db.queue("emails")[setting] == timeout


def test_the_longest_lease_of_the_last_attempt_can_be_stored(db: Db) -> None:
    db.jobs.create_queue("default", 10_000, execution_timeout=timedelta(days=30))
    job = db.a_job("RESERVED", attempt=3)
    assert db.jobs.begin_attempt("default", job["id"], 3)


# Dropping


def test_an_empty_queue_is_dropped(db: Db) -> None:
    db.jobs.create_queue("emails")
    db.jobs.drop_queue("emails")
    assert [row["name"] for row in db.snapshot()["queue"]] == ["default"]


@pytest.mark.parametrize("state", STATES)
def test_a_queue_with_jobs_is_not_dropped(db: Db, state: str) -> None:
    db.a_job(state)
    with db.refuses("JQ003"):
        db.jobs.drop_queue("default")
    with db.refuses("JQ003"):
        db.raw.value("drop_queue", "default", None)


@pytest.mark.parametrize("state", STATES)
def test_unless_by_force_and_then_with_its_jobs_alone(db: Db, state: str) -> None:
    db.jobs.create_queue("other")
    kept = db.a_job("SCHEDULED", queue="other")
    db.a_job(state)
    db.jobs.drop_queue("default", force=True)
    assert db.all_jobs() == [kept]
    assert [row["name"] for row in db.snapshot()["queue"]] == ["other"]


@pytest.mark.parametrize("force", [True, False])
def test_an_unknown_queue_cannot_be_dropped(db: Db, force: bool) -> None:
    with db.refuses("JQ002"):
        db.jobs.drop_queue("no such queue", force)
    with db.refuses("22023"):
        db.raw.value("drop_queue", None, force)


# Pausing


def test_pausing_twice_keeps_the_first_moment_and_resuming_forgets_it(db: Db) -> None:
    db.jobs.pause_queue("default")
    first = db.queue()["paused_at"]
    db.jobs.pause_queue("default")
    assert first
    assert db.queue()["paused_at"] == first
    db.jobs.resume_queue("default")
    db.jobs.resume_queue("default")
    assert db.queue()["paused_at"] is None


def test_what_runs_in_a_paused_queue_goes_on(db: Db) -> None:
    held = [db.a_job("IN_PROGRESS") for _ in range(4)]
    db.jobs.pause_queue("default")
    db.jobs.complete("default", held[0]["id"], 1)
    assert db.jobs.extend("default", held[1]["id"], 1)
    assert db.jobs.fail("default", held[2]["id"], 1)
    assert db.jobs.release("default", held[3]["id"], 1)


@pytest.mark.parametrize("function", ["pause_queue", "resume_queue", "next_due"])
def test_an_unknown_queue_is_refused(db: Db, function: str) -> None:
    with db.refuses("JQ002"):
        db.raw.value(function, "no such queue")
    with db.refuses("22023"):
        db.raw.value(function, None)


# The sweep's clock


@pytest.mark.parametrize("state", ["AVAILABLE", "FAILED"])
def test_nothing_is_due_while_nothing_waits_and_nothing_is_held(db: Db, state: str) -> None:
    db.a_job(state)
    assert db.jobs.next_due("default") is None


@pytest.mark.parametrize(
    ("state", "column"),
    [("SCHEDULED", "schedule"), ("RETRY", "schedule"), ("RESERVED", "expires"), ("IN_PROGRESS", "expires")],
)
def test_a_waiting_or_held_job_is_due_when_its_time_has_come(db: Db, state: str, column: str) -> None:
    job = db.a_job(state)
    assert db.jobs.next_due("default") == job[column]


def test_the_earliest_counts_of_that_queue(db: Db) -> None:
    db.jobs.create_queue("other")
    db.a_job("SCHEDULED", queue="other", schedule=db.now() + SECOND)
    for _ in range(2):
        db.a_job("SCHEDULED", schedule=db.now() + 3 * HOUR)
    assert db.jobs.next_due("default") == min(job["schedule"] for job in db.all_jobs() if job["queue"] == "default")
    held = db.a_job("IN_PROGRESS")
    assert db.jobs.next_due("default") == held["expires"]
    retry = db.a_job("RETRY")
    assert db.jobs.next_due("default") == retry["schedule"]
    reserved = db.a_job("RESERVED")
    assert db.jobs.next_due("default") == min(retry["schedule"], reserved["expires"])


def test_the_sweep_has_work_when_next_due_has_come(db: Db) -> None:
    job = db.a_job("SCHEDULED")
    db.let_schedule_come(job["id"])
    due = db.jobs.next_due("default")
    assert due
    assert due < db.now()
    db.jobs.activate_scheduled("default")
    assert db.jobs.next_due("default") is None


def test_the_release_is_a_version(db: Db) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", db.jobs.version())
