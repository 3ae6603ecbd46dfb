"""A queue's view is EctoJob's table, as far as EctoJob can tell."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from contract.harness import Postgres
from contract.sessions import Session

from ectojob_py import Jobs
from ectojob_py.migrate import migrate

from .elixir import EctoJob, Job, StaleEntry
from .tables import migration

Conn = psycopg.Connection[Any]
NewEctoJob = Callable[..., EctoJob]

THEN = datetime(2017, 8, 17, 12, 20)
EXPIRY = datetime(2017, 8, 17, 12, 23, 34)
AFTER = datetime(2017, 8, 17, 12, 24)


@pytest.fixture
def ectojob(view: str, elixir: NewEctoJob) -> EctoJob:
    return elixir()


def row(conn: Conn, id: int) -> tuple[Any, ...] | None:
    return conn.execute(
        "select state, attempt, max_attempts, expires, last_error from jobs.job where queue = 'emails' and id = %s",
        [id],
    ).fetchone()


# Shape

COLUMNS = """
select attname, format_type(atttypid, atttypmod), collname, pg_get_expr(adbin, adrelid)
from pg_attribute
left join pg_attrdef on adrelid = attrelid and adnum = attnum
left join pg_collation on pg_collation.oid = attcollation
where attrelid = %s::regclass and attnum > 0 order by attnum
"""


def test_its_columns_types_and_defaults_are_those_of_version_3(conn: Conn, view: str) -> None:
    conn.execute("drop schema if exists theirs cascade; create schema theirs")
    for statement in migration("3", "theirs", usec="timestamp(6)"):
        conn.execute(statement.encode())
    theirs = conn.execute(COLUMNS, ["theirs.jobs"]).fetchall()
    ours = conn.execute(COLUMNS, ["public.jobs"]).fetchall()
    assert [column[:3] for column in ours] == [column[:3] for column in theirs]
    assert [column[3] for column in ours[1:]] == [column[3] for column in theirs[1:]]


def test_an_insert_of_nothing_but_params_gets_the_defaults(conn: Conn, view: str) -> None:
    conn.execute("insert into public.jobs (params, inserted_at, updated_at) values ('{}', now(), now())")
    [job] = conn.execute("select queue, state, attempt, max_attempts, notify, priority from jobs.job").fetchall()
    assert job == ("emails", "AVAILABLE", 0, 5, None, 0)


def test_moments_are_utc_whatever_the_session_says(conn: Conn, ectojob: EctoJob, jobs: Jobs) -> None:
    ectojob.repo.query("set time zone 'America/Caracas'")
    conn.execute("set time zone 'Asia/Tokyo'")
    schedule = datetime(2055, 5, 22, 12, 34, 44, 123456)
    theirs = ectojob.insert({}, schedule=schedule)
    [(moment,)] = conn.execute("select schedule at time zone 'UTC' from jobs.job where id = %s", [theirs]).fetchall()
    assert moment == schedule
    ours = jobs.enqueue("emails")
    job = ectojob.get(ours)
    assert job is not None
    assert abs(job.schedule - ectojob.now()) < timedelta(minutes=1)
    assert [job.id for job in ectojob.reserve(9)] == [ours]


# What its own tests expect of it


def test_a_job_runs_through_its_states(conn: Conn, ectojob: EctoJob, jobs: Jobs) -> None:
    id = ectojob.insert({"type": "mail", "deep": [1, {"2": None}]}, priority=3, max_attempts=7)
    [reserved] = ectojob.reserve(10)
    assert (reserved.id, reserved.state, reserved.attempt, reserved.priority) == (id, "RESERVED", 0, 3)
    assert (reserved.params, reserved.max_attempts) == ({"type": "mail", "deep": [1, {"2": None}]}, 7)
    begun = ectojob.start(reserved)
    assert begun is not None
    assert (begun.state, begun.attempt) == ("IN_PROGRESS", 1)
    assert ectojob.start(reserved) is None
    with ectojob.repo.transaction():
        ectojob.delete(begun)
    assert row(conn, id) is None
    with pytest.raises(StaleEntry), ectojob.repo.transaction():
        ectojob.delete(begun)


def test_what_is_reserved_comes_in_running_order_and_no_more_than_was_asked_for(
    conn: Conn, ectojob: EctoJob, jobs: Jobs
) -> None:
    conn.execute("set enable_hashjoin to on")
    late = [ectojob.insert({}, priority=2) for _ in range(3)]
    soon = [ectojob.insert({}, priority=1) for _ in range(3)]
    for plan in ("set enable_nestloop to off", "set enable_nestloop to on"):
        ectojob.repo.query(plan)
        ectojob.repo.query("begin")
        assert {job.id for job in ectojob.reserve(2)} == set(soon[:2])
        ectojob.repo.query("rollback")
    ectojob.repo.query("reset enable_nestloop")
    assert [job.id for job in ectojob.reserve(3)] == soon
    assert [job.id for job in ectojob.reserve(2)] == late[:2]
    assert [job.id for job in ectojob.reserve(10)] == late[2:]


def test_a_notify_that_it_cannot_hold_stays_as_it_was_enqueued(conn: Conn, ectojob: EctoJob, jobs: Jobs) -> None:
    id = jobs.enqueue("emails", notify="x" * 1000)
    [reserved] = ectojob.reserve(1)
    begun = ectojob.start(reserved)
    assert begun is not None
    assert begun.notify == "x" * 255
    [(kept,)] = conn.execute("select length(notify) from jobs.job where id = %s", [id]).fetchall()
    assert kept == 1000


def test_older_releases_reserve_in_two_statements(ectojob: EctoJob, jobs: Jobs) -> None:
    ids = [ectojob.insert({}) for _ in range(3)]
    assert [job.id for job in ectojob.reserve_as_2_does(2)] == ids[:2]
    assert [job.id for job in jobs.claim_batch("emails", 9)] == ids[2:]
    assert ectojob.reserve_as_2_does(2) == []


@pytest.mark.parametrize("state", ["SCHEDULED", "RETRY"])
def test_what_is_due_becomes_available_by_its_clock(ectojob: EctoJob, state: str) -> None:
    id = ectojob.insert({}, schedule=EXPIRY, state=state)
    assert ectojob.activate_scheduled(THEN) == 0
    assert ectojob.activate_scheduled(AFTER) == 1
    assert ectojob.get(id).state == "AVAILABLE"  # type: ignore[union-attr]


def test_a_reserved_job_without_lease_is_not_due(ectojob: EctoJob) -> None:
    id = ectojob.insert({}, schedule=EXPIRY, state="RESERVED")
    assert ectojob.activate_scheduled(AFTER) == 0
    assert ectojob.get(id).state == "RESERVED"  # type: ignore[union-attr]


@pytest.mark.parametrize("state", ["RESERVED", "IN_PROGRESS"])
def test_what_expired_becomes_available(ectojob: EctoJob, state: str) -> None:
    id = ectojob.insert({}, state=state, expires=EXPIRY)
    assert ectojob.activate_expired(THEN) == 0
    assert ectojob.activate_expired(AFTER) == 1
    assert ectojob.get(id).state == "AVAILABLE"  # type: ignore[union-attr]


def test_what_expired_without_an_attempt_left_is_failed(ectojob: EctoJob) -> None:
    id = ectojob.insert({}, max_attempts=10, attempt=10, state="IN_PROGRESS", expires=EXPIRY)
    assert ectojob.activate_expired(AFTER) == 0
    assert ectojob.fail_expired_at_max_attempts(AFTER) == 1
    assert ectojob.get(id).state == "FAILED"  # type: ignore[union-attr]


@pytest.mark.parametrize("attempt", [0, 2])
def test_a_job_is_started_by_its_clock_and_gets_the_lease_it_asks_for(ectojob: EctoJob, attempt: int) -> None:
    id = ectojob.insert({}, state="RESERVED", expires=EXPIRY, attempt=attempt)
    job = ectojob.get(id)
    assert job is not None
    assert ectojob.start(job, AFTER) is None
    begun = ectojob.start(job, THEN)
    assert begun is not None
    assert (begun.state, begun.attempt) == ("IN_PROGRESS", attempt + 1)
    assert begun.expires == THEN + timedelta(seconds=300 * (attempt + 1))


def test_a_job_is_not_started_when_its_attempt_or_state_changed(ectojob: EctoJob) -> None:
    id = ectojob.insert({}, state="RESERVED", expires=EXPIRY, attempt=3)
    job = ectojob.get(id)
    assert job is not None
    assert ectojob.start(Job(**{**vars(job), "attempt": 2}), THEN) is None
    assert ectojob.start(job, THEN) is not None
    assert ectojob.start(Job(**{**vars(job), "attempt": 4}), THEN) is None


def test_a_failed_job_waits_and_ends_in_failed(conn: Conn, ectojob: EctoJob) -> None:
    id = ectojob.insert({}, state="IN_PROGRESS", attempt=1, max_attempts=2, expires=EXPIRY)
    job = ectojob.get(id)
    assert job is not None
    retry = ectojob.job_failed(job, THEN)
    assert retry is not None
    assert (retry.state, retry.attempt, retry.expires) == ("RETRY", 1, EXPIRY)
    assert retry.schedule == THEN + timedelta(seconds=60)
    assert row(conn, id) == ("RETRY", 1, 2, None, "attempt 1 ended in EctoJob, which keeps no errors")
    assert ectojob.job_failed(job, THEN) is None
    ectojob.activate_scheduled()
    [reserved] = ectojob.reserve(1)
    last = ectojob.start(reserved)
    assert last is not None
    failed = ectojob.job_failed(last)
    assert failed is not None
    assert (failed.state, failed.attempt, failed.expires) == ("FAILED", 2, None)


def test_a_job_that_is_not_running_does_not_fail(ectojob: EctoJob) -> None:
    id = ectojob.insert({}, expires=EXPIRY)
    job = ectojob.get(id)
    assert job is not None
    assert ectojob.job_failed(job, THEN) is None


# Where its state machine differs, ours holds


def test_requeue_leaves_the_attempt_and_grants_new_ones(conn: Conn, ectojob: EctoJob) -> None:
    id = ectojob.insert({}, max_attempts=1)
    [reserved] = ectojob.reserve(1)
    zombie = ectojob.start(reserved)
    assert zombie is not None
    failed = ectojob.job_failed(zombie)
    assert failed is not None
    assert ectojob.requeue(failed) == 1
    assert (row(conn, id) or ())[:3] == ("AVAILABLE", 1, 2)
    [again] = ectojob.reserve(1)
    begun = ectojob.start(again)
    assert begun is not None
    assert begun.attempt == 2
    with pytest.raises(StaleEntry), ectojob.repo.transaction():
        ectojob.delete(zombie)
    with ectojob.repo.transaction():
        ectojob.delete(begun)


def test_a_wasted_reservation_counts_and_ends_in_failed(conn: Conn, ectojob: EctoJob) -> None:
    id = ectojob.insert({}, max_attempts=2)
    later = ectojob.now() + timedelta(hours=1)
    for state in ("AVAILABLE", "FAILED"):
        [reserved] = ectojob.reserve(1)
        assert ectojob.activate_expired(later) == 1
        assert ectojob.start(reserved, later) is None
        assert (row(conn, id) or ())[0] == state
    assert row(conn, id) == ("FAILED", 2, 2, None, "the reservation expired before the job began")


def test_a_paused_queue_hands_out_nothing(ectojob: EctoJob, jobs: Jobs) -> None:
    id = ectojob.insert({})
    jobs.pause_queue("emails")
    assert ectojob.reserve(1) == []
    jobs.resume_queue("emails")
    assert [job.id for job in ectojob.reserve(1)] == [id]


@pytest.mark.parametrize("params", [[1], "text", 4])
def test_params_that_would_crash_a_producer_are_refused(ectojob: EctoJob, params: Any) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="job_params_is_object"):
        ectojob.insert(params)


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "20000-01-01", "0044-03-15 BC"])
@pytest.mark.usefixtures("view")
@pytest.mark.parametrize("column", ["schedule", "expires", "inserted_at", "updated_at"])
def test_moments_that_a_worker_could_not_load_are_refused(conn: Conn, column: str, moment: str) -> None:
    row = {"state": "RESERVED", "expires": "2055-01-01", "inserted_at": "2026-01-01", "updated_at": "2026-01-01"}
    insert = "insert into public.jobs (params, {}) values ('{{}}', '{}') returning id"

    def inserted(**changes: str) -> Any:
        changed = row | changes
        return conn.execute(insert.format(", ".join(changed), "', '".join(changed.values())).encode()).fetchall()

    with pytest.raises(psycopg.errors.InvalidParameterValue, match=f"{column} .* is out of range"):
        inserted(**{column: moment})
    [(id,)] = inserted()
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=f"{column} .* is out of range"):
        conn.execute(f"update public.jobs set {column} = '{moment}' where id = {id}".encode())


def test_a_queue_with_a_view_is_not_dropped(conn: Conn, view: str, jobs: Jobs) -> None:
    with pytest.raises(psycopg.DatabaseError, match="still has a view for EctoJob"):
        jobs.drop_queue("emails", force=True)


# Both sides


def test_jobs_of_either_side_run_on_the_other(ectojob: EctoJob, jobs: Jobs) -> None:
    theirs = ectojob.insert({"from": "elixir"})
    [job] = jobs.claim_batch("emails", 10)
    assert (job.id, job.params) == (theirs, {"from": "elixir"})
    assert ectojob.reserve(10) == []
    jobs.complete("emails", job.id, job.attempt)
    ours = jobs.enqueue("emails", {"from": "python"}, priority=-1)
    [reserved] = ectojob.reserve(10)
    assert (reserved.id, reserved.params, reserved.priority) == (ours, {"from": "python"}, -1)
    assert jobs.claim_batch("emails", 10) == []


def test_the_fence_holds_across_both(ectojob: EctoJob, jobs: Jobs) -> None:
    ectojob.insert({})
    [reserved] = ectojob.reserve(1)
    zombie = ectojob.start(reserved)
    assert zombie is not None
    ectojob.activate_expired(ectojob.now() + timedelta(hours=1))
    [ours] = jobs.claim_batch("emails", 1)
    assert ours.attempt == 2
    assert ectojob.job_failed(zombie) is None
    with pytest.raises(StaleEntry), ectojob.repo.transaction():
        ectojob.delete(zombie)
    jobs.complete("emails", ours.id, 2)


def test_queues_are_apart(conn: Conn, ectojob: EctoJob, elixir: NewEctoJob, jobs: Jobs) -> None:
    conn.execute("drop schema if exists my_app cascade; create schema my_app")
    jobs.create_queue("my emails")
    conn.execute("""select jobs.create_ectojob_view('my emails', 'my_app."jobs"')""")
    prefixed = elixir(schema_prefix="my_app")
    theirs, ours = prefixed.insert({}), ectojob.insert({})
    assert [job.id for job in prefixed.reserve(9)] == [theirs]
    assert [job.id for job in ectojob.reserve(9)] == [ours]
    assert prefixed.start(Job(**{**vars(prefixed.get(theirs)), "id": ours})) is None


def test_a_queue_without_a_view_is_not_seen(ectojob: EctoJob, jobs: Jobs) -> None:
    id = jobs.enqueue("default")
    assert ectojob.reserve(9) == []
    assert ectojob.get(id) is None
    ectojob.repo.query("DELETE FROM jobs")
    assert [job.id for job in jobs.claim_batch("default", 1)] == [id]


# Concurrency: what one statement of EctoJob's locks and sees


@pytest.fixture
def sessions(connect: Callable[..., Conn], dsn: str) -> Callable[[], Session]:
    return lambda: Session(connect(autocommit=False), Postgres(dsn), connect(), "emails")


RESERVE = """
with available as (
    select id from public.jobs where state = 'AVAILABLE' order by priority, schedule, id limit 2 for update skip locked
)
update public.jobs as j0 set state = 'RESERVED', expires = now() at time zone 'UTC' + interval '1 minute'
from available where j0.id = available.id returning j0.id, j0.attempt
"""


def test_row_locks_reach_through_the_view(sessions: Callable[[], Session], view: str, jobs: Jobs) -> None:
    ids = jobs.enqueue_many("emails", [{}] * 5)
    first, second, ours = sessions(), sessions(), sessions()
    assert first.executes(RESERVE).result.fetchall() == [(ids[0], 0), (ids[1], 0)]
    assert second.executes(RESERVE).result.fetchall() == [(ids[2], 0), (ids[3], 0)]
    assert ours.claims(9).result == [ids[4]]
    first.rolls_back()
    third = sessions()
    assert third.executes(RESERVE).result.fetchall() == [(ids[0], 0), (ids[1], 0)]
    for session in (first, second, third, ours):
        session.close()


def test_a_job_that_moved_on_while_the_statement_slept_is_taken_as_it_is_now(
    conn: Conn, sessions: Callable[[], Session], view: str, jobs: Jobs
) -> None:
    """The statement's snapshot shows attempt 0; when it comes to the row, the job has failed once and waits again."""
    id = jobs.enqueue("emails", max_attempts=3)
    sleeper, gate = sessions(), sessions()
    assert not gate.executes("select pg_advisory_lock(1)").blocked
    statement = RESERVE.replace("where state", "where pg_advisory_lock(1) is not null and state")
    asleep = sleeper.executes(statement)
    assert asleep.blocked
    [job] = jobs.claim_batch("emails", 1)
    jobs.fail("emails", id, job.attempt, None, timedelta(0))
    jobs.activate_scheduled("emails")
    gate.executes("select pg_advisory_unlock(1)")
    assert asleep.result.fetchall() == [(id, 1)]
    sleeper.commits()
    assert (row(conn, id) or ())[:2] == ("RESERVED", 1)
    sleeper.close()
    gate.close()


RESERVED = "update jobs.job set state = 'RESERVED', expires = '2055-01-01'"
RETRY = "update jobs.job set state = 'RETRY', attempt = 1"
STALE = {
    "it was claimed": ("select", "update jobs.job set state = 'RESERVED', expires = now()", "state = 'RESERVED'"),
    "it was begun": (RESERVED, "update jobs.job set state = 'IN_PROGRESS', attempt = 1", "state = 'AVAILABLE'"),
    "another attempt failed": (RETRY, "update jobs.job set attempt = 2", "state = 'AVAILABLE'"),
    "it is another state": (RETRY, "update jobs.job set state = 'AVAILABLE'", "priority = 9"),
    "it is another lease": (RESERVED, "update jobs.job set expires = '2056-01-01'", "state = 'IN_PROGRESS'"),
}


@pytest.mark.parametrize(("before", "ours", "theirs"), STALE.values(), ids=STALE)
def test_an_update_that_waited_for_a_lock_looks_again(
    conn: Conn, sessions: Callable[[], Session], view: str, jobs: Jobs, before: str, ours: str, theirs: str
) -> None:
    id = jobs.enqueue("emails")
    conn.execute(before.encode())
    first, second = sessions(), sessions()
    first.executes(ours)
    waiting = second.executes(f"update public.jobs set {theirs}")
    assert waiting.blocked
    first.commits()
    moved = row(conn, id)
    assert waiting.result.rowcount == 0
    second.commits()
    assert row(conn, id) == moved
    first.close()
    second.close()


def test_a_delete_that_waited_for_a_lock_looks_again(
    conn: Conn, sessions: Callable[[], Session], view: str, jobs: Jobs
) -> None:
    id = jobs.enqueue("emails")
    jobs.claim_batch("emails", 1)
    conn.execute("update jobs.job set expires = now() - interval '1 second'")
    ours, theirs = sessions(), sessions()
    ours.calls("reactivate_expired", "emails")
    ours.claims(1)
    waiting = theirs.executes(f"delete from public.jobs where attempt = 1 and id = {id}")
    assert waiting.blocked
    ours.commits()
    assert waiting.result.rowcount == 0
    theirs.commits()
    assert (row(conn, id) or ())[:2] == ("IN_PROGRESS", 2)
    ours.close()
    theirs.close()


# Notifications


def heard(ear: Conn) -> set[tuple[str, str]]:
    """Everything that was sent so far: each connection hears what was committed before its own note."""
    ear.execute("select pg_notify('end', '')")
    told: set[tuple[str, str]] = set()
    for notify in ear.notifies(timeout=20):
        if notify.channel == "end":
            return told
        told.add((notify.channel, notify.payload))
    pytest.fail("nothing was heard")


CHANNELS = ("jobs", "jobs.completed", "jobs.retry", "jobs.failed")


@pytest.fixture
def ear(connect: Callable[..., Conn], view: str) -> Conn:
    ear = connect()
    for channel in (*CHANNELS, *(f"jobs.emails{suffix[4:]}" for suffix in CHANNELS), "jobs.emails.scheduled", "end"):
        ear.execute(f'listen "{channel}"'.encode())
    return ear


def test_whatever_makes_a_job_available_wakes_ectojob(ear: Conn, jobs: Jobs, elixir: NewEctoJob, conn: Conn) -> None:
    ectojob = elixir()

    def wakes() -> bool:
        return ("jobs", "") in heard(ear)

    ectojob.insert({})
    assert wakes()
    jobs.claim_batch("emails", 1)
    assert not wakes()
    jobs.enqueue_many("emails", [{}] * 3)
    assert wakes()
    [job, *_] = jobs.claim_batch("emails", 3)
    jobs.release("emails", job.id, job.attempt)
    assert wakes()
    [job] = jobs.claim_batch("emails", 1)
    jobs.fail("emails", job.id, job.attempt, None, timedelta(0))
    assert not wakes()
    jobs.activate_scheduled()
    assert wakes()
    jobs.claim_batch("emails", 1)
    conn.execute("update jobs.job set expires = now() - interval '1 hour'")
    jobs.reactivate_expired()
    assert wakes()
    jobs.resume_queue("emails")
    assert wakes()
    jobs.enqueue("default")
    assert not wakes()


def test_the_notify_text_is_told_on_both_sides_whoever_runs_the_job(ear: Conn, jobs: Jobs, elixir: NewEctoJob) -> None:
    ectojob = elixir()
    ectojob.insert({}, notify="a")
    [job] = jobs.claim_batch("emails", 1)
    jobs.complete("emails", job.id, 1)
    assert {("jobs.completed", "a"), ("jobs.emails.completed", "a")} <= heard(ear)

    jobs.enqueue("emails", notify="b", max_attempts=1)
    begun = ectojob.start(ectojob.reserve(1)[0])
    assert begun is not None
    ectojob.job_failed(begun)
    told = heard(ear)
    assert ("jobs.emails.failed", "b") in told
    assert ("jobs.failed", "b") not in told  # EctoJob says so itself, as it does now:

    jobs.enqueue("emails", notify="c")
    begun = ectojob.start(ectojob.reserve(1)[0])
    assert begun is not None
    with ectojob.repo.transaction():
        ectojob.delete(begun)
    told = heard(ear)
    assert ("jobs.emails.completed", "c") in told
    assert ("jobs.completed", "c") not in told
    ectojob.notify_completed(begun)
    assert heard(ear) == {("jobs.completed", "c")}


def test_what_ectojob_makes_available_or_lets_wait_wakes_our_workers(ear: Conn, elixir: NewEctoJob) -> None:
    ectojob = elixir()

    def told(channel: str) -> bool:
        ear.execute("select jobs.fall_asleep('emails')")
        return (channel, "") in heard(ear)

    ear.execute("select jobs.fall_asleep('emails')")
    ectojob.insert({}, schedule=datetime(2040, 1, 1))
    assert told("jobs.emails.scheduled")
    ectojob.insert({})
    assert told("jobs.emails")
    begun = ectojob.start(ectojob.reserve(1)[0])
    assert begun is not None
    ectojob.job_failed(begun)
    assert told("jobs.emails.scheduled")
    assert ectojob.activate_scheduled(datetime(2030, 1, 1)) == 1
    assert told("jobs.emails")


PLANS = {
    "reserve": """
        with available as (
            select id from public.jobs where state = 'AVAILABLE' order by priority, schedule, id limit 10
            for update skip locked
        )
        update public.jobs as j0 set state = 'RESERVED' from available where j0.id = available.id
    """,
    "exhausted": """
        update public.jobs set state = 'FAILED' where state in ('IN_PROGRESS') and attempt >= max_attempts
            and expires < '2055-01-01'
    """,
    "due": """
        update public.jobs set state = 'AVAILABLE' where state in ('SCHEDULED', 'RETRY') and schedule <= '2055-01-01'
    """,
    "expired": """
        update public.jobs set state = 'AVAILABLE' where state in ('RESERVED', 'IN_PROGRESS')
            and attempt < max_attempts and expires < '2055-01-01'
    """,
}


@pytest.mark.parametrize("analyzed", [True, False], ids=["statistics", "no statistics"])
def test_no_statement_reads_more_than_it_needs(conn: Conn, view: str, analyzed: bool) -> None:
    conn.execute("""
        insert into jobs.job (queue, state, priority, schedule, attempt, max_attempts, params, inserted_at, updated_at)
        select 'emails', state, 0, timestamptz '2056-01-01' + n * interval '1 s', 0, 5, '{}', now(), now()
        from generate_series(1, 5000) as n, unnest(array['AVAILABLE', 'FAILED', 'SCHEDULED']) as state
    """)
    if analyzed:
        conn.execute("analyze jobs.job")
    for name in PLANS if analyzed else ["reserve"]:  # a poll comes once a minute, and autovacuum before it
        statement = PLANS[name]
        plan = "\n".join(row[0] for row in conn.execute(f"explain {statement}".encode()).fetchall())
        assert "Seq Scan on job" not in plan, (name, plan)
        assert "Sort" not in plan, (name, plan)
        assert "ectojob:emails" in plan or "job_held" in plan, (name, plan)


# Making and dropping


def test_dropping_the_view_leaves_nothing_but_the_queue(conn: Conn, jobs: Jobs, elixir: NewEctoJob) -> None:
    everything = "select oid from pg_class union all select oid from pg_trigger order by 1"
    before = conn.execute(everything).fetchall()
    conn.execute("select jobs.create_ectojob_view('emails', 'public.jobs')")
    id = elixir().insert({})
    assert conn.execute(everything).fetchall() != before
    conn.execute("select jobs.drop_ectojob_view('emails')")
    assert conn.execute(everything).fetchall() == before
    assert [job.id for job in jobs.claim_batch("emails", 1)] == [id]


@pytest.mark.parametrize(
    ("queue", "relation", "error"),
    [
        ("nope", "public.jobs", "unknown queue"),
        ("emails", "jobs", "does not name a relation"),
        ("emails", "a.b.c", "does not name a relation"),
        ("emails", "public.'; drop", "does not name a relation"),
        ("emails", None, "does not name a relation"),
        ("emails", f"public.{'j' * 54}", "at most 53 bytes|does not name"),
        ("emails", "nowhere.jobs", "schema nowhere is not there"),
        ("emails", "jobs.job", "or has a relation job already"),
    ],
)
def test_bad_arguments_are_refused(conn: Conn, jobs: Jobs, queue: str, relation: str | None, error: str) -> None:
    with pytest.raises(psycopg.Error, match=error):
        conn.execute("select jobs.create_ectojob_view(%s, %s)", [queue, relation])
    assert conn.execute("select from jobs.ectojob_view").fetchall() == []


def test_a_queue_has_one_view(conn: Conn, view: str, jobs: Jobs) -> None:
    for queue, relation in [("emails", "public.other"), ("default", "public.jobs")]:
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="already"):
            conn.execute("select jobs.create_ectojob_view(%s, %s)", [queue, relation])


OWNER = "select relowner::regrole::text from pg_class where oid = 'public.jobs'::regclass"


def test_it_outlives_the_roles(conn: Conn, dsn: str, jobs: Jobs, elixir: NewEctoJob) -> None:
    migrate(dsn, roles=True)
    jobs.create_ectojob_view("emails", "public.jobs")
    assert conn.execute(OWNER.encode()).fetchall() == [("jobs_owner",)]
    ectojob = elixir()
    ectojob.insert({})
    migrate(dsn, roles=False)
    assert conn.execute(OWNER.encode()).fetchall() == [("postgres",)]
    assert conn.execute("select from pg_roles where rolname = 'jobs_owner'").fetchall() == []
    assert len(ectojob.reserve(1)) == 1


def test_it_goes_to_the_owner_role_with_the_rest(conn: Conn, dsn: str, view: str, elixir: NewEctoJob) -> None:
    ectojob = elixir()
    ectojob.insert({})
    migrate(dsn, roles=True)
    assert conn.execute(OWNER.encode()).fetchall() == [("jobs_owner",)]
    conn.execute("create role deployer; grant jobs_owner to deployer")
    try:
        assert len(ectojob.reserve(1)) == 1
        conn.execute("set role deployer")
        conn.execute("select jobs.drop_ectojob_view(%s)", [view])
    finally:
        conn.execute("reset role; drop role deployer")
        migrate(dsn, roles=False)


def test_whoever_owned_it_may_use_it_when_the_owner_role_has_it(
    conn: Conn, dsn: str, jobs: Jobs, elixir: NewEctoJob
) -> None:
    conn.execute("create role elixir_app login")
    try:
        jobs.create_ectojob_view("emails", "public.jobs")
        conn.execute("alter view public.jobs owner to elixir_app")
        ectojob = elixir()
        migrate(dsn, roles=True)
        ectojob.repo.query("set role elixir_app")
        ectojob.insert({})
        assert len(ectojob.reserve(1)) == 1
    finally:
        migrate(dsn, roles=False)
        conn.execute("drop owned by elixir_app; drop role elixir_app")


def test_an_application_needs_rights_on_the_view_alone(conn: Conn, view: str, elixir: NewEctoJob) -> None:
    conn.execute("create role elixir_app login")
    try:
        conn.execute("grant select, insert, update, delete on public.jobs to elixir_app")
        ectojob = elixir()
        ectojob.repo.query("set role elixir_app")
        ectojob.insert({})
        ectojob.poll()
        begun = ectojob.start(ectojob.reserve(1)[0])
        assert begun is not None
        ectojob.delete(begun)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ectojob.repo.query("select count(*) from jobs.job")
    finally:
        conn.execute("drop owned by elixir_app; drop role elixir_app")
