"""Who is woken by what, on which channel, and that nobody else is."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from contract.harness import HOUR, NOTHING, Db, Row
from contract.sessions import PATIENCE, Session
from psycopg import sql
from worker.waiting import until

from ectojob_py import Jobs
from ectojob_py.migrate import migrate

OUTCOMES = ("", ".scheduled", ".completed", ".retry", ".failed")


class Ear:
    """A session that listens, and tells what it has heard by a given commit."""

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        self._conn = conn
        self.listen("end")

    def listen(self, channel: str) -> None:
        self._conn.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))

    def queue(self, queue: str, schema: str = "jobs") -> None:
        """Listen to all that is said of a queue, and sleep for it as a worker does."""
        for outcome in OUTCOMES:
            self.listen(f"{schema}.{queue}{outcome}")
        self._conn.execute(sql.SQL("select {}(%s)").format(sql.Identifier(schema, "fall_asleep")), [queue])

    def wakes_up(self, queue: str = "default") -> None:
        self._conn.execute("select jobs.wake_up(%s)", [queue])

    def heard(self, db: Db) -> list[tuple[str, str]]:
        """Return channels and payloads, up to a notification sent now: they arrive in the order of their commits."""
        db.conn.execute('notify "end"')
        return sorted(self._until_the_end())

    def _until_the_end(self) -> Iterator[tuple[str, str]]:
        for notification in self._conn.notifies(timeout=PATIENCE):
            if notification.channel == "end":
                return
            yield notification.channel, notification.payload
        pytest.fail("the end was never heard")


@pytest.fixture
def ear(watch: psycopg.Connection[Any]) -> Ear:
    listening = Ear(watch)
    listening.queue("default")
    return listening


WAKE = ("jobs.default", "")
SLEEP_ANEW = ("jobs.default.scheduled", "")


# What each call sends. The job is brought into its state before anybody listens; "last": it has no attempt left.

SENDS: dict[tuple[str, str], tuple[Callable[[Db, Row], Any], list[tuple[str, str]]]] = {
    ("enqueue", "AVAILABLE"): (lambda db, _: db.jobs.enqueue("default"), [WAKE]),
    ("enqueue a scheduled one", "AVAILABLE"): (
        lambda db, _: db.jobs.enqueue("default", schedule=db.now() + HOUR),
        [SLEEP_ANEW],
    ),
    ("enqueue_many", "AVAILABLE"): (lambda db, _: db.jobs.enqueue_many("default", [{}] * 9), [WAKE]),
    ("enqueue_many of none", "AVAILABLE"): (lambda db, _: db.jobs.enqueue_many("default", []), []),
    ("enqueue_many scheduled ones", "AVAILABLE"): (
        lambda db, _: db.jobs.enqueue_many("default", [{}] * 9, db.now() + HOUR),
        [SLEEP_ANEW],
    ),
    ("reserve_batch", "AVAILABLE"): (lambda db, _: db.jobs.reserve_batch("default", 1), []),
    ("claim_batch", "AVAILABLE"): (lambda db, _: db.jobs.claim_batch("default", 1), []),
    ("begin_attempt", "RESERVED"): (lambda db, job: db.jobs.begin_attempt("default", job["id"], 0), []),
    ("extend", "IN_PROGRESS"): (lambda db, job: db.jobs.extend("default", job["id"], 1), []),
    ("complete", "IN_PROGRESS"): (
        lambda db, job: db.jobs.complete("default", job["id"], 1),
        [("jobs.default.completed", "hello")],
    ),
    ("complete_batch", "IN_PROGRESS"): (
        lambda db, job: db.jobs.complete_batch("default", [job["id"]], [1]),
        [("jobs.default.completed", "hello")],
    ),
    ("fail", "IN_PROGRESS"): (
        lambda db, job: db.jobs.fail("default", job["id"], 1),
        [("jobs.default.retry", "hello"), SLEEP_ANEW],
    ),
    ("fail", "last IN_PROGRESS"): (
        lambda db, job: db.jobs.fail("default", job["id"], 1),
        [("jobs.default.failed", "hello")],
    ),
    ("fail a stale attempt", "IN_PROGRESS"): (lambda db, job: db.jobs.fail("default", job["id"], 0), []),
    ("release", "RESERVED"): (lambda db, job: db.jobs.release("default", job["id"], 0), [WAKE]),
    ("release", "IN_PROGRESS"): (lambda db, job: db.jobs.release("default", job["id"], 1), [WAKE]),
    ("release a stale attempt", "IN_PROGRESS"): (lambda db, job: db.jobs.release("default", job["id"], 0), []),
    ("activate_scheduled", "due SCHEDULED"): (lambda db, _: db.jobs.activate_scheduled(), [WAKE]),
    ("activate_scheduled", "due RETRY"): (lambda db, _: db.jobs.activate_scheduled("default"), [WAKE]),
    ("activate_scheduled", "SCHEDULED"): (lambda db, _: db.jobs.activate_scheduled(), []),
    ("reactivate_expired", "expired RESERVED"): (lambda db, _: db.jobs.reactivate_expired(), [WAKE]),
    ("reactivate_expired", "expired IN_PROGRESS"): (lambda db, _: db.jobs.reactivate_expired("default"), [WAKE]),
    ("reactivate_expired", "IN_PROGRESS"): (lambda db, _: db.jobs.reactivate_expired(), []),
    ("reactivate_expired", "last expired RESERVED"): (
        lambda db, _: db.jobs.reactivate_expired(),
        [("jobs.default.failed", "hello")],
    ),
    ("reactivate_expired", "last expired IN_PROGRESS"): (
        lambda db, _: db.jobs.reactivate_expired(),
        [("jobs.default.failed", "hello")],
    ),
    ("requeue", "FAILED"): (lambda db, job: db.jobs.requeue("default", job["id"]), [WAKE]),
    ("remove", "FAILED"): (lambda db, job: db.jobs.remove("default", job["id"]), []),
    ("pause_queue", "AVAILABLE"): (lambda db, _: db.jobs.pause_queue("default"), []),
    ("resume_queue", "AVAILABLE"): (lambda db, _: db.jobs.resume_queue("default"), [WAKE]),
    ("create_queue", "AVAILABLE"): (lambda db, _: db.jobs.create_queue("default", 3), []),
    ("drop_queue", "AVAILABLE"): (lambda db, _: db.jobs.drop_queue("default", force=True), []),
    ("next_due", "SCHEDULED"): (lambda db, _: db.jobs.next_due("default"), []),
}


@pytest.mark.parametrize("case", SENDS, ids=" of ".join)
def test_what_a_call_sends(db: Db, ear: Ear, case: tuple[str, str]) -> None:
    call, expected = SENDS[case]
    *clock, state = case[1].split()
    job = db.a_job(state, notify="hello", max_attempts=1 if "last" in clock or state == "FAILED" else 5)
    if "due" in clock:
        db.let_schedule_come(job["id"])
    if "expired" in clock:
        db.let_lease_end(job["id"])
    ear.heard(db)
    call(db, job)
    assert ear.heard(db) == expected


def test_a_job_without_notify_sends_no_outcome(db: Db, ear: Ear) -> None:
    jobs = [db.a_job("IN_PROGRESS", max_attempts=1) for _ in range(4)]
    db.let_lease_end(jobs[3]["id"])
    ear.heard(db)
    db.jobs.complete("default", jobs[0]["id"], 1)
    db.jobs.complete_batch("default", [jobs[1]["id"]], [1])
    db.jobs.fail("default", jobs[2]["id"], 1)
    db.jobs.reactivate_expired()
    assert ear.heard(db) == []


def test_an_empty_notify_is_sent(db: Db, ear: Ear) -> None:
    job = db.a_job("IN_PROGRESS", notify="")
    ear.heard(db)
    db.jobs.complete("default", job["id"], 1)
    assert ear.heard(db) == [("jobs.default.completed", "")]


def test_every_job_of_a_batch_sends_its_own(db: Db, ear: Ear) -> None:
    ids = [db.a_job("IN_PROGRESS", notify=f"hello {n}")["id"] for n in range(3)]
    ear.heard(db)
    db.jobs.complete_batch("default", ids, [1] * 3)
    assert ear.heard(db) == [("jobs.default.completed", f"hello {n}") for n in range(3)]


def test_every_job_of_a_sweep_sends_its_own_and_wakes_once(db: Db, ear: Ear) -> None:
    jobs = [db.a_job("IN_PROGRESS", notify=f"hello {n}", max_attempts=n) for n in (1, 1, 2, 2, 2)]
    for job in jobs:
        db.let_lease_end(job["id"])
    ear.heard(db)
    db.jobs.reactivate_expired()
    assert ear.heard(db) == [WAKE, ("jobs.default.failed", "hello 1")]


# Only when somebody sleeps


@pytest.mark.parametrize(
    "case", [case for case, (_, sent) in SENDS.items() if {WAKE, SLEEP_ANEW} & {*sent}], ids=" of ".join
)
def test_nobody_is_told_who_does_not_sleep(db: Db, ear: Ear, case: tuple[str, str]) -> None:
    ear.wakes_up()
    call, expected = SENDS[case]
    *clock, state = case[1].split()
    job = db.a_job(state, notify="hello")
    if "due" in clock:
        db.let_schedule_come(job["id"])
    if "expired" in clock:
        db.let_lease_end(job["id"])
    ear.heard(db)
    call(db, job)
    assert ear.heard(db) == [sent for sent in expected if sent not in (WAKE, SLEEP_ANEW)]


def test_one_who_sleeps_is_enough(db: Db, ear: Ear, connect_shared: Callable[[], psycopg.Connection[Any]]) -> None:
    other = connect_shared()
    other.execute("select jobs.fall_asleep('default')")
    ear.wakes_up()
    db.jobs.enqueue("default")
    assert ear.heard(db) == [WAKE]
    other.close()
    until_nobody_sleeps(db)
    db.jobs.enqueue("default")
    assert ear.heard(db) == []


def test_who_sleeps_for_another_queue_wakes_nobody(db: Db, ear: Ear) -> None:
    db.a_queue("other")
    ear.queue("other")
    ear.wakes_up()
    db.jobs.enqueue("default")
    assert ear.heard(db) == []


def test_an_insert_calls_the_trigger_only_when_someone_sleeps_for_its_queue(db: Db, ear: Ear) -> None:
    db.a_queue("other")
    ear.queue("other")
    insert = f"explain (analyze, timing off) {INSERT} (values ('default', 'AVAILABLE')) as rows (queue, state)"
    called = "Trigger wake_on_insert: calls=1"
    assert called in str(db.conn.execute(insert.encode()).fetchall())
    ear.wakes_up()
    assert "Trigger" not in str(db.conn.execute(insert.encode()).fetchall())


def test_each_sleep_ends_with_one_waking(db: Db, ear: Ear) -> None:
    ear.queue("default")
    ear.wakes_up()
    db.jobs.enqueue("default")
    assert ear.heard(db) == [WAKE]
    ear.wakes_up()
    db.jobs.enqueue("default")
    assert ear.heard(db) == []


def until_nobody_sleeps(db: Db) -> None:
    query = "select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database "
    query += "where datname = current_database())"
    until(lambda: db.conn.execute(query.encode()).fetchone() == (0,))


# A transaction in flight may not have seen the sleeper, and says so until it ends.


@pytest.mark.parametrize("end", ["commits", "rolls_back"])
def test_an_enqueuer_that_came_before_the_sleeper_is_in_flight_until_its_end(
    db: Db, ear: Ear, first: Session, second: Session, end: str
) -> None:
    ear.wakes_up()
    first.calls("enqueue", "default")
    [(before,)] = db.conn.execute("select jobs.fall_asleep('default')").fetchall()
    assert in_flight(db, before)
    second.calls("enqueue", "default")
    second.commits()  # it came later, and woke whoever sleeps
    assert ear.heard(db) == [WAKE]
    assert in_flight(db, before)
    getattr(first, end)()
    assert ear.heard(db) == []
    assert not in_flight(db, before)
    db.conn.execute("select jobs.wake_up('default')")


def test_who_comes_after_the_sleeper_is_not_waited_for(db: Db, first: Session) -> None:
    [(before,)] = db.conn.execute("select jobs.fall_asleep('default')").fetchall()
    first.calls("enqueue", "default")
    assert not in_flight(db, before)
    first.rolls_back()
    db.conn.execute("select jobs.wake_up('default')")


def test_a_lock_in_the_way_is_not_waited_for(db: Db, ear: Ear, first: Session) -> None:
    ear.wakes_up()
    first.executes("select pg_advisory_xact_lock('jobs.job'::regclass::oid::integer, hashtext('default'))")
    assert db.conn.execute("select jobs.fall_asleep('default')").fetchone() == (None,)
    first.rolls_back()
    until_nobody_sleeps(db)
    assert db.conn.execute("select jobs.fall_asleep('default') is not null").fetchone() == (True,)
    db.conn.execute("select jobs.wake_up('default')")


def in_flight(db: Db, before: str) -> bool:
    return bool(db.conn.execute("select jobs.in_flight(%s)", [before]).fetchone() == (True,))


def test_of_scheduled_jobs_only_the_next_to_come_due_is_told(db: Db, ear: Ear) -> None:
    for hours, sent in ((3, [SLEEP_ANEW]), (4, []), (2, [SLEEP_ANEW]), (3, []), (2, [])):
        db.jobs.enqueue("default", schedule=db.now() + hours * HOUR)
        assert ear.heard(db) == sent, hours


@pytest.mark.parametrize(("minutes", "sent"), [(0.9, [SLEEP_ANEW]), (2, [])])
def test_a_job_is_told_when_an_earlier_one_may_have_run_before_its_transaction_ends(
    db: Db, ear: Ear, first: Session, minutes: float, sent: list[tuple[str, str]]
) -> None:
    db.jobs.enqueue("default", schedule=db.now() + minutes / 60 * HOUR)
    first.calls("enqueue", "default", None, db.now() + HOUR)
    ear.heard(db)
    first.commits()
    assert ear.heard(db) == sent


# Transactions


def test_nothing_is_heard_before_the_commit_and_nothing_at_all_of_a_rollback(db: Db, ear: Ear, first: Session) -> None:
    first.calls("enqueue", "default")
    first.calls("enqueue", "default", None, db.now() + HOUR)
    assert ear.heard(db) == []
    first.commits()
    assert ear.heard(db) == [WAKE, SLEEP_ANEW]
    first.calls("enqueue", "default")
    first.calls("enqueue", "default", None, db.now() + HOUR)
    first.rolls_back()
    assert ear.heard(db) == []


def test_the_outcome_is_sent_with_the_completion_or_not_at_all(db: Db, ear: Ear, first: Session) -> None:
    id = db.a_job("IN_PROGRESS", notify="hello")["id"]
    ear.heard(db)
    first.completes(id)
    first.rolls_back()
    assert ear.heard(db) == []
    first.completes(id)
    assert ear.heard(db) == []
    first.commits()
    assert ear.heard(db) == [("jobs.default.completed", "hello")]


def test_a_refused_batch_sends_nothing(db: Db, ear: Ear, first: Session) -> None:
    ids = [db.a_job("IN_PROGRESS", notify="hello")["id"] for _ in range(2)]
    ear.heard(db)
    first.executes("savepoint here")
    first.calls("complete_batch", "default", ids, [1, 2])
    first.executes("rollback to here")
    first.commits()
    assert ear.heard(db) == []


def test_many_enqueues_of_one_transaction_wake_once(db: Db, ear: Ear, first: Session) -> None:
    for _ in range(3):
        first.calls("enqueue", "default")
    first.commits()
    assert ear.heard(db) == [WAKE]


# Inserting behind the functions' back

INSERT = (
    "insert into jobs.job (queue, state, priority, schedule, max_attempts, params, inserted_at, updated_at) "
    "select queue, state, 0, now(), 5, '{}', now(), now() from "
)


def test_one_insert_wakes_each_queue_once(db: Db, ear: Ear) -> None:
    for queue in ("a", "b", "c"):
        db.a_queue(queue)
        ear.queue(queue)
    db.conn.execute(
        INSERT + "(values ('a', 'AVAILABLE'), ('a', 'AVAILABLE'), ('a', 'SCHEDULED'), ('b', 'SCHEDULED'), "
        "('c', 'RETRY'), ('default', 'AVAILABLE')) as rows (queue, state)"
    )
    assert ear.heard(db) == [("jobs.a", ""), ("jobs.a.scheduled", ""), ("jobs.b.scheduled", ""), WAKE]


def test_an_insert_of_no_row_wakes_nobody(db: Db, ear: Ear) -> None:
    db.conn.execute(INSERT + "(values ('default', 'AVAILABLE')) as rows (queue, state) where false")
    assert ear.heard(db) == []


def test_copy_wakes_like_insert(db: Db, ear: Ear) -> None:
    db.a_queue("a")
    ear.queue("a")
    columns = "queue, state, priority, schedule, max_attempts, params, inserted_at, updated_at"
    with db.conn.cursor().copy(f"copy jobs.job ({columns}) from stdin".encode()) as copy:
        for queue in ("a", "default", "a", "default"):
            copy.write_row([queue, "AVAILABLE", 0, db.now(), 5, "{}", db.now(), db.now()])
    assert ear.heard(db) == [("jobs.a", ""), WAKE]


# Channels


@pytest.mark.parametrize(
    "queue",
    ["E Mails", 'a "quoted" one', "it's", "ümläute", "邮件", "a.b", "a.completed.b", "%I", "back\\slash", "x" * 48],
)
def test_odd_but_legal_names_are_heard(db: Db, ear: Ear, queue: str) -> None:
    db.a_queue(queue)
    ear.queue(queue)
    job = db.a_job("IN_PROGRESS", queue=queue, notify="hello")
    db.jobs.fail(queue, job["id"], 1, retry_in=NOTHING)
    db.jobs.activate_scheduled(queue)
    [again] = db.jobs.claim_batch(queue, 1)
    db.jobs.complete(queue, again.id, 2)
    assert set(ear.heard(db)) == {
        (f"jobs.{queue}", ""),
        (f"jobs.{queue}.scheduled", ""),
        (f"jobs.{queue}.retry", "hello"),
        (f"jobs.{queue}.completed", "hello"),
    }


def test_queues_of_one_schema_do_not_wake_each_other(db: Db, ear: Ear) -> None:
    db.a_queue("other")
    db.a_job("SCHEDULED", queue="other")
    db.a_job("AVAILABLE", queue="other")
    assert ear.heard(db) == []


@pytest.mark.parametrize("schema", ["jobs_eu", "Jobs EU"])
def test_schemas_of_one_database_do_not_wake_each_other(db: Db, ear: Ear, shared: str, schema: str) -> None:
    migrate(shared, schema)
    ear.queue("default", schema)
    theirs = Jobs(db.conn, schema)
    theirs.enqueue("default", notify="hello", max_attempts=1)
    [job] = theirs.claim_batch("default", 1)
    theirs.fail("default", job.id, 1)
    theirs.remove("default", theirs.enqueue("default", schedule=db.now() + HOUR))
    outcomes = {"": "", ".failed": "hello", ".scheduled": ""}
    assert ear.heard(db) == [(f"{schema}.default{outcome}", payload) for outcome, payload in outcomes.items()]
    db.jobs.enqueue("default")
    assert ear.heard(db) == [WAKE]


def test_the_longest_name_depends_on_the_schema(db: Db, ear: Ear, shared: str) -> None:
    migrate(shared, "jobs_eu")
    theirs = Jobs(db.conn, "jobs_eu")
    theirs.create_queue("x" * 45)
    ear.queue("x" * 45, "jobs_eu")
    theirs.enqueue("x" * 45)
    assert ear.heard(db) == [(f"jobs_eu.{'x' * 45}", "")]
    with db.refuses("22023"):
        theirs.create_queue("x" * 46)
