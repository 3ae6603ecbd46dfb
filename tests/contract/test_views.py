"""What people see: the rows of each view, in which order, and how long ago it says that things were."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from .harness import HOUR, SECOND, STATES, Db, Row

JOBS: dict[str, tuple[str, dict[str, int]]] = {
    "later": ("SCHEDULED", {}),
    "due": ("SCHEDULED", {"schedule": -20}),
    "reserved": ("RESERVED", {"expires": 50}),
    "lapsed": ("RESERVED", {"expires": -40}),
    "running": ("IN_PROGRESS", {"expires": 20}),
    "lost": ("IN_PROGRESS", {"expires": -10}),
    "waiting": ("RETRY", {}),
    "again": ("RETRY", {"schedule": -30}),
    "failed": ("FAILED", {"updated_at": -70}),
    "failed last": ("FAILED", {}),
    "failed first": ("FAILED", {"updated_at": -80}),
    "available": ("AVAILABLE", {}),
}
"""By what is said of them: their states, and moments of theirs, in seconds from now."""

ROUNDING = timedelta(milliseconds=1)
"""MySQL and MariaDB tell seconds with four digits."""

Named = Callable[..., list[Row]]


@pytest.fixture
def named(db: Db) -> Named:
    """Jobs in every state, in two queues; the first in alphabetical order has the later ids."""
    jobs: dict[tuple[str, str], Row] = {}
    db.a_queue("a")
    for queue in ("default", "a"):
        for name, (state, moments) in JOBS.items():
            id = db.a_job(state, queue=queue)["id"]
            for column, seconds in {"inserted_at": -3600, "updated_at": -60, **moments}.items():
                db.move(id, column, seconds * SECOND)
            jobs[queue, name] = db.job(id)
    return lambda *names: [jobs[queue, name] for queue in ("a", "default") for name in names]


def seen(db: Db, view: str) -> tuple[list[Row], Callable[[datetime], bool]]:
    """Read a view; return its rows, and a test for the moment at which they were read."""
    before = db.now()
    rows = db.view(view)
    after = db.now()
    return rows, lambda moment: before - ROUNDING <= moment <= after + ROUNDING


def columns(jobs: list[Row], *names: str) -> list[Row]:
    return [{name: job[name] for name in names} for job in jobs]


def test_job_state_has_every_job_without_what_it_carries(db: Db, named: Named) -> None:
    rows = sorted(db.view("job_state"), key=lambda row: (row["queue"], row["id"]))
    carried = ("params", "notify")
    assert rows == [{name: job[name] for name in job if name not in carried} for job in named(*JOBS)]


def test_running_has_what_is_held_the_next_to_expire_first(db: Db, named: Named) -> None:
    rows, is_now = seen(db, "running")
    held = named("lapsed", "lost", "running", "reserved")
    for row, job in zip(rows, held, strict=True):
        assert is_now(job["updated_at"] + row.pop("held_for"))
        assert is_now(job["expires"] - row.pop("lease_left"))
    assert rows == columns(held, "queue", "id", "state", "attempt", "max_attempts")


def test_overdue_has_what_a_sweep_would_move_the_latest_first(db: Db, named: Named) -> None:
    rows, is_now = seen(db, "overdue")
    late = named("lapsed", "again", "due", "lost")
    for row, job in zip(rows, late, strict=True):
        assert is_now((job["expires"] or job["schedule"]) + row.pop("late_by"))
    assert rows == columns(late, "queue", "id", "state", "attempt", "max_attempts")


def test_failed_has_the_last_failure_first(db: Db, named: Named) -> None:
    jobs = [{**job, "failed_at": job["updated_at"]} for job in named("failed last", "failed", "failed first")]
    names = ("queue", "id", "attempt", "max_attempts", "last_error", "failed_at", "inserted_at")
    assert db.view("failed") == columns(jobs, *names)


def test_queue_depth_counts_the_jobs_of_each_state(db: Db) -> None:
    counts = {state.lower(): number for number, state in enumerate(STATES, 1)}
    for state in sorted(STATES, key=lambda state: state == "AVAILABLE"):
        for number in range(counts[state.lower()]):
            id = db.a_job(state)["id"]
            db.move(id, "schedule", -10 * number * SECOND if state in ("SCHEDULED", "RETRY") else -HOUR)
            db.move(id, "updated_at", -10 * number * SECOND if state in ("AVAILABLE", "IN_PROGRESS") else -HOUR)
    db.a_queue("a", max_attempts=7, reservation_timeout=SECOND, execution_timeout=2 * SECOND, retry_timeout=3 * SECOND)
    db.jobs.pause_queue("a")

    (idle, busy), is_now = seen(db, "queue_depth")
    for column, state in (("oldest_available", "AVAILABLE"), ("longest_running", "IN_PROGRESS")):
        since = [job["updated_at"] for job in db.all_jobs() if job["state"] == state]
        assert is_now(min(since) + busy.pop(column))
        assert idle.pop(column) is None
    assert busy.pop("next_due") == min(
        job["schedule"] for job in db.all_jobs() if job["state"] in ("SCHEDULED", "RETRY")
    )
    assert idle.pop("next_due") is None
    settings = ("paused_at", "max_attempts", "reservation_timeout", "execution_timeout", "retry_timeout")
    for row, name, counted in ((idle, "a", dict.fromkeys(counts, 0)), (busy, "default", counts)):
        [expected] = columns([db.queue(name)], *settings)
        assert row == {"queue": name, **counted, **expected}


def test_queue_depth_counts_the_jobs_of_a_queue_that_was_dropped(db: Db) -> None:
    db.a_queue("gone")
    db.a_job("AVAILABLE", queue="gone")
    db.lose_queue("gone")
    _, gone = db.view("queue_depth")
    assert (gone["queue"], gone["available"], gone["scheduled"]) == ("gone", 1, 0)
    assert (gone["paused_at"], gone["max_attempts"], gone["retry_timeout"]) == (None, None, None)
