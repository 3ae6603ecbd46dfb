"""Two sessions at once, each call apart from its COMMIT. A blocked one is seen in the catalog, never awaited."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic
from typing import Any

import psycopg
import pytest
from contract.harness import HOUR, SECOND, Db
from contract.sessions import Session

from ectojob_py.errors import JobNotFailed, LeaseLost, QueueNotEmpty, UnknownQueue


def states(db: Db) -> list[str]:
    return [job["state"] for job in db.all_jobs()]


# Taking


@pytest.mark.parametrize("take", [Session.reserves, Session.claims])
@pytest.mark.parametrize("second_take", [Session.reserves, Session.claims])
def test_two_takers_never_share_a_job_and_never_wait(
    db: Db, first: Session, second: Session, take: Callable[..., Any], second_take: Callable[..., Any]
) -> None:
    ids = db.jobs.enqueue_many("default", [{}] * 5)
    assert take(first, 3).result == ids[:3]
    step = second_take(second, 3)
    assert not step.blocked
    assert step.result == ids[3:]
    first.commits()
    second.commits()
    assert second_take(second, 3).result == []


@pytest.mark.parametrize("take", [Session.reserves, Session.claims])
def test_what_a_taker_rolls_back_others_may_have(
    db: Db, first: Session, second: Session, take: Callable[..., Any]
) -> None:
    ids = db.jobs.enqueue_many("default", [{}] * 5)
    take(first, 3)
    assert take(second, 3).result == ids[3:]
    first.rolls_back()
    assert take(second, 3).result == ids[:3]
    second.commits()
    assert {job["id"] for job in db.all_jobs() if job["state"] != "AVAILABLE"} == set(ids)
    assert all(job["attempt"] == (take is Session.claims) for job in db.all_jobs())


def test_a_job_is_taken_only_after_its_enqueuer_commits(db: Db, first: Session, second: Session) -> None:
    first.calls("enqueue", "default")
    step = second.reserves(1)
    assert not step.blocked
    assert step.result == []
    first.commits()
    assert len(second.reserves(1).result) == 1


def test_a_taker_does_not_wait_for_who_removes(db: Db, first: Session, second: Session) -> None:
    ids = db.jobs.enqueue_many("default", [{}] * 2)
    first.removes(ids[0])
    step = second.claims(2)
    assert not step.blocked
    assert step.result == ids[1:]


def test_who_removes_waits_for_a_taker_and_then_leaves_the_job_alone(db: Db, first: Session, second: Session) -> None:
    id = db.jobs.enqueue("default")
    first.claims(1)
    step = second.removes(id)
    assert step.blocked
    first.commits()
    assert step.result is None
    second.commits()
    assert states(db) == ["IN_PROGRESS"]


# One held job whose lease has ended, and two who want to move it on

FENCED: dict[str, Callable[[Session, int], Any]] = {
    "complete": Session.completes,
    "fail": Session.fails,
    "extend": Session.extends,
    "release": Session.releases,
}
OVER: dict[str, Callable[[Session, int], Any]] = {
    **FENCED,
    "reactivate_expired": lambda session, _: session.reactivates(),
}
MOVED = {"complete": [], "fail": ["RETRY"], "extend": ["IN_PROGRESS"], "release": ["AVAILABLE"]}
MOVED_BY_ANY = {**MOVED, "reactivate_expired": ["AVAILABLE"]}


@pytest.mark.parametrize("late", FENCED)
@pytest.mark.parametrize("early", [name for name in OVER if name != "extend"])
def test_whoever_comes_second_loses_the_lease(db: Db, first: Session, second: Session, early: str, late: str) -> None:
    id = expired(db)
    assert not OVER[early](first, id).blocked
    step = FENCED[late](second, id)
    assert step.blocked
    first.commits()
    if late == "complete":
        with pytest.raises(LeaseLost):
            _ = step.result
        second.rolls_back()
    else:
        assert step.result is None
        second.commits()
    assert states(db) == MOVED_BY_ANY[early]


@pytest.mark.parametrize("late", FENCED)
@pytest.mark.parametrize("early", OVER)
def test_when_the_first_one_rolls_back_the_second_one_moves_the_job(
    db: Db, first: Session, second: Session, early: str, late: str
) -> None:
    id = expired(db)
    OVER[early](first, id)
    step = FENCED[late](second, id)
    assert step.blocked
    first.rolls_back()
    assert step.result or late == "complete"
    second.commits()
    assert states(db) == MOVED[late]


@pytest.mark.parametrize("late", FENCED)
def test_an_extended_lease_is_still_its_holders(db: Db, first: Session, second: Session, late: str) -> None:
    id = expired(db)
    first.extends(id)
    step = FENCED[late](second, id)
    assert step.blocked
    first.commits()
    assert step.result or late == "complete"
    second.commits()
    assert states(db) == MOVED[late]


@pytest.mark.parametrize("early", OVER)
def test_a_sweep_passes_over_what_somebody_is_moving(db: Db, first: Session, second: Session, early: str) -> None:
    id = expired(db)
    others = [expired(db), expired(db)]
    if early == "reactivate_expired":
        assert first.reactivates().result == 3
    else:
        OVER[early](first, id)
    step = second.reactivates()
    assert not step.blocked
    assert step.result == (0 if early == "reactivate_expired" else 2)
    second.commits()
    first.commits()
    assert [db.job(other)["state"] for other in others] == ["AVAILABLE"] * 2
    assert [job["state"] for job in db.all_jobs() if job["id"] == id] == MOVED_BY_ANY[early]


def expired(db: Db) -> int:
    id: int = db.a_job("IN_PROGRESS")["id"]
    db.let_lease_end(id)
    return id


def test_an_extension_keeps_the_sweep_away_for_good(db: Db, first: Session, second: Session) -> None:
    id = expired(db)
    first.extends(id)
    first.commits()
    assert second.reactivates().result == 0


# Beginning


def test_who_begins_a_swept_reservation_comes_too_late(db: Db, first: Session, second: Session) -> None:
    id = db.a_job("RESERVED")["id"]
    db.let_lease_end(id)
    first.reactivates()
    step = second.begins(id)
    first.commits()
    assert step.result is None
    second.commits()
    assert (db.job(id)["state"], db.job(id)["attempt"]) == ("AVAILABLE", 1)


def test_who_begins_in_time_holds_the_sweep_off(db: Db, first: Session, second: Session) -> None:
    id = db.a_job("RESERVED")["id"]
    first.begins(id)
    db_says = second.reactivates()
    assert not db_says.blocked
    assert db_says.result == 0
    first.commits()
    assert second.reactivates().result == 0


def test_a_reservation_is_begun_by_one(db: Db, first: Session, second: Session) -> None:
    id = db.a_job("RESERVED")["id"]
    assert first.begins(id).result
    step = second.begins(id)
    assert step.blocked
    first.commits()
    assert step.result is None
    second.commits()
    assert db.job(id)["attempt"] == 1


def test_when_beginning_is_rolled_back_the_attempt_was_not_counted(db: Db, first: Session, second: Session) -> None:
    id = db.a_job("RESERVED")["id"]
    first.begins(id)
    step = second.begins(id)
    first.rolls_back()
    assert step.result.attempt == 1


def test_who_waited_beyond_the_reservation_does_not_begin(db: Db, first: Session, second: Session) -> None:
    id = db.a_job("RESERVED")["id"]
    first.executes("select from jobs.job for update")
    step = second.begins(id)
    assert step.blocked
    first.executes("update jobs.job set expires = clock_timestamp()")
    first.commits()
    assert step.result is None


# Completing


def test_the_callers_writes_are_undone_with_the_lease(db: Db, first: Session, second: Session) -> None:
    db.conn.execute("create table effect (job bigint)")
    id = expired(db)
    first.executes("insert into effect values (%s)", id)
    second.reactivates()
    second.commits()
    [again] = second.claims(1).result
    second.executes("insert into effect values (%s)", again)
    second.completes(again, attempt=2)
    second.commits()
    with pytest.raises(LeaseLost):
        _ = first.completes(id).result
    with pytest.raises(Exception, match="current transaction is aborted"):
        _ = first.executes("insert into effect values (0)").result
    first.commits()
    second.commits()
    effects = db.conn.execute("select job from effect").fetchall()
    db.conn.execute("drop table effect")
    assert effects == [(id,)]


def test_a_job_of_a_batch_that_somebody_completes_first_refuses_the_batch(
    db: Db, first: Session, second: Session
) -> None:
    db.jobs.enqueue_many("default", [{}] * 3)
    ids = [job.id for job in db.jobs.claim_batch("default", 3)]
    first.completes(ids[1])
    step = second.calls("complete_batch", "default", ids, [1] * 3)
    assert step.blocked
    first.commits()
    with pytest.raises(LeaseLost, match=f"job {ids[1]} "):
        _ = step.result
    second.rolls_back()
    assert [job["id"] for job in db.all_jobs()] == [ids[0], ids[2]]


# Sweeping


def test_two_sweeps_of_due_jobs_never_wait_for_each_other(db: Db, first: Session, second: Session) -> None:
    for _ in range(2):
        db.let_schedule_come(db.a_job("SCHEDULED")["id"])
    assert first.activates().result == 2
    late = db.a_job("SCHEDULED")["id"]
    db.let_schedule_come(late)
    step = second.activates()
    assert not step.blocked
    assert step.result == 1
    second.commits()
    first.rolls_back()
    assert [job["state"] for job in db.all_jobs()] == ["SCHEDULED", "SCHEDULED", "AVAILABLE"]


def test_a_due_job_is_removed_or_activated(db: Db, first: Session, second: Session) -> None:
    id = db.a_job("SCHEDULED")["id"]
    db.let_schedule_come(id)
    first.removes(id)
    step = second.activates()
    assert not step.blocked
    assert step.result == 0


# Mending


def test_a_job_is_requeued_or_removed(db: Db, first: Session, second: Session) -> None:
    id = db.a_job("FAILED")["id"]
    first.removes(id)
    step = second.requeues(id)
    assert step.blocked
    first.commits()
    with pytest.raises(JobNotFailed):
        _ = step.result


def test_a_job_that_was_requeued_meanwhile_is_removed_from_where_it_is(db: Db, first: Session, second: Session) -> None:
    id = db.a_job("FAILED")["id"]
    first.requeues(id)
    step = second.removes(id)
    assert step.blocked
    first.commits()
    assert step.result.state == "AVAILABLE"


def test_a_job_is_requeued_once(db: Db, first: Session, second: Session) -> None:
    id = db.a_job("FAILED")["id"]
    first.requeues(id)
    step = second.requeues(id)
    assert step.blocked
    first.commits()
    with pytest.raises(JobNotFailed):
        _ = step.result
    second.rolls_back()
    assert db.job(id)["max_attempts"] == 2


# Queues


def test_two_who_create_a_queue_take_turns(db: Db, first: Session, second: Session) -> None:
    first.calls("create_queue", "emails", 3)
    step = second.calls("create_queue", "emails", None, 7 * SECOND)
    assert step.blocked
    first.commits()
    assert step.result is None
    second.commits()
    assert (db.queue("emails")["max_attempts"], db.queue("emails")["reservation_timeout"]) == (3, 7 * SECOND)


def test_producers_and_workers_do_not_wait_for_each_other_or_for_a_change_of_settings(
    db: Db, first: Session, second: Session
) -> None:
    db.jobs.enqueue("default")
    first.calls("pause_queue", "default")
    for step in (second.calls("enqueue", "default"), second.claims(1)):
        assert not step.blocked
        assert step.result


def test_a_dropped_queue_is_gone_for_whoever_comes_after_the_commit(db: Db, first: Session, second: Session) -> None:
    first.calls("drop_queue", "default")
    assert not second.calls("enqueue", "default").blocked
    second.rolls_back()
    first.commits()
    with pytest.raises(UnknownQueue):
        _ = second.calls("enqueue", "default").result


def test_a_queue_with_a_job_that_is_being_completed_is_not_empty_yet(db: Db, first: Session, second: Session) -> None:
    id = db.a_job("IN_PROGRESS")["id"]
    first.completes(id)
    with pytest.raises(QueueNotEmpty):
        _ = second.calls("drop_queue", "default").result
    second.rolls_back()
    first.commits()
    second.calls("drop_queue", "default")


def test_who_creates_a_queue_gets_it_however_often_others_drop_it(
    db: Db, connect_shared: Callable[[], psycopg.Connection[Any]]
) -> None:
    until = monotonic() + 2

    def creates(conn: psycopg.Connection[Any]) -> list[str | None]:
        got = []
        while monotonic() < until:
            got += [name for (name,) in conn.execute("select name from jobs.create_queue('brief')")]
        return got

    def drops(conn: psycopg.Connection[Any]) -> list[str | None]:
        while monotonic() < until:
            with suppress(UnknownQueue):
                conn.execute("select jobs.drop_queue('brief')")
        return []

    with ThreadPoolExecutor() as pool:
        running = [pool.submit(act, connect_shared()) for act in (creates, creates, drops, drops)]
        got = [name for each in running for name in each.result()]
    assert set(got) == {"brief"}


# Long transactions: leases are decided by the clock, not by the transaction's start


@pytest.mark.parametrize("take", ["reserve_batch", "claim_batch"])
def test_a_lease_granted_late_in_a_long_transaction_is_not_born_expired(db: Db, first: Session, take: str) -> None:
    db.jobs.enqueue("default")
    first.executes("select now()")
    asked = db.now()
    [job] = first.calls(take, "default", 1, SECOND).result
    assert job.expires >= asked + SECOND
    assert job.updated_at >= asked


@pytest.mark.parametrize(
    ("state", "transition", "attempt"),
    [("RESERVED", "begin_attempt", 0), ("IN_PROGRESS", "extend", 1), ("IN_PROGRESS", "fail", 1)],
)
def test_nor_one_that_is_begun_or_extended_or_a_wait(
    db: Db, first: Session, state: str, transition: str, attempt: int
) -> None:
    db.a_queue(execution_timeout=SECOND, retry_timeout=SECOND)
    id = db.a_job(state)["id"]
    first.executes("select now()")
    asked = db.now()
    job = first.calls(transition, "default", id, attempt).result
    assert (job.expires or job.schedule) >= asked + SECOND


def test_a_job_enqueued_late_in_a_long_transaction_is_not_older_than_it_is(db: Db, first: Session) -> None:
    first.executes("select now()")
    asked = db.now()
    first.calls("enqueue", "default")
    first.commits()
    assert db.all_jobs()[0]["schedule"] >= asked


def test_what_became_due_during_a_long_transaction_is_swept_in_it(db: Db, first: Session) -> None:
    first.executes("select now()")
    scheduled = db.jobs.enqueue("default", schedule=db.now() + HOUR)
    db.conn.execute("update jobs.job set schedule = clock_timestamp() where id = %s", [scheduled])
    held = db.a_job("IN_PROGRESS")["id"]
    db.conn.execute("update jobs.job set expires = clock_timestamp() where id = %s", [held])
    assert first.activates().result == 1
    assert first.reactivates().result == 1


def test_a_reservation_that_ended_during_a_long_transaction_is_not_begun_in_it(db: Db, first: Session) -> None:
    first.executes("select now()")
    id = db.a_job("RESERVED")["id"]
    db.conn.execute("update jobs.job set expires = clock_timestamp() where id = %s", [id])
    assert first.begins(id).result is None
