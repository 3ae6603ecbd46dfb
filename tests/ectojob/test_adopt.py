"""An EctoJob table becomes a queue's view with the same jobs, and a table again, while EctoJob works on it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from ectojob_py import Jobs

from .elixir import COLUMNS, EctoJob, StaleEntry
from .tables import VERSIONS, migration

Conn = psycopg.Connection[Any]
NewEctoJob = Callable[..., EctoJob]

ROWS = """
insert into {table}
    (id, state, expires, schedule, attempt, max_attempts, params, notify, inserted_at, updated_at)
values
    (3, 'AVAILABLE', null, '2026-01-01 00:00:00.000001', 0, 5, '{{"b": 1, "a": [1.10, "\\u00e9"]}}', null,
        '2026-01-01', '2026-01-01'),
    (4, 'SCHEDULED', null, '2055-01-01', 0, 1, '{{}}', 'to be told', '2026-01-01', '2026-01-01'),
    (5, 'RESERVED', '2055-01-01', '2026-01-01', 2, 5, '{{}}', '', '2026-01-01', '2026-01-02'),
    (6, 'RESERVED', null, '2026-01-01', 0, 5, '{{}}', null, '2026-01-01', '2026-01-02'),
    (7, 'RESERVED', '2055-01-01', '2026-01-01', 5, 5, '{{}}', null, '2026-01-01', '2026-01-02'),
    (8, 'IN_PROGRESS', '2055-01-01', '2026-01-01', 1, 5, '{{}}', null, '2026-01-01', '2026-01-02'),
    (9, 'IN_PROGRESS', '2055-01-01', '2026-01-01', 0, 5, '{{}}', null, '2026-01-01', '2026-01-02'),
    (10, 'RETRY', '2026-02-01', '2055-01-01', 1, 5, '{{}}', null, '2026-01-01', '2026-01-02'),
    (11, 'FAILED', null, '2026-01-01', 5, 5, '{{}}', null, '2026-01-01', '2026-01-02'),
    (12, 'FAILED', null, '2026-01-01', 7, 5, '{{}}', null, '2026-01-01', '2026-01-02'),
    (9000000000, 'AVAILABLE', null, 'infinity'::timestamp - 'infinity'::interval, 0, 0, '{{}}', null,
        '2026-01-01', '2026-01-01')
""".replace("'infinity'::timestamp - 'infinity'::interval", "'1000-01-01'")
MENDED = 6
"""Jobs 6, 7, 9, 10, 12 and 9000000000: no lease, no attempt left, none counted, a lease that is over, too many."""

SHAPE = """
select 'column', attname, format_type(atttypid, atttypmod), concat(attnotnull, pg_get_expr(adbin, adrelid))
from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
where attrelid = 'public.jobs'::regclass and attnum > 0 and not attisdropped
union all
select 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid), ''
from pg_index where indrelid = 'public.jobs'::regclass
union all
select 'trigger', tgname, pg_get_triggerdef(oid), tgenabled::text from pg_trigger
where tgrelid = 'public.jobs'::regclass
union all
select 'constraint', conname, pg_get_constraintdef(oid), '' from pg_constraint
where conrelid = 'public.jobs'::regclass
union all
select 'sequence', pg_get_serial_sequence('public.jobs', 'id'), '', ''
union all
select 'relation', relkind::text, relacl::text, relowner::regrole::text from pg_class
where oid = 'public.jobs'::regclass
"""


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


def create(conn: Conn, version: str, **options: Any) -> None:
    for statement in migration(version, **options):
        conn.execute(statement.encode())


def app(elixir: NewEctoJob, version: str) -> EctoJob:
    """EctoJob as old as the table: 1.x and 2.x know no priorities."""
    return elixir(columns=[name for name in COLUMNS if name != "priority" or version.startswith("3")])


def content(conn: Conn) -> list[tuple[Any, ...]]:
    """Every row, every column, as text, in the column's order."""
    return sorted(conn.execute("select id, jobs::text from public.jobs").fetchall())


def adopt(conn: Conn, **options: Any) -> dict[str, Any]:
    [(plan,)] = conn.execute(
        "select jobs.adopt('emails', 'public.jobs', dry_run => %s, lock_timeout => %s)",
        [options.get("dry_run", False), options.get("lock_timeout", timedelta(seconds=20))],
    ).fetchall()
    return plan  # type: ignore[no-any-return]


def unadopt(conn: Conn, **options: Any) -> dict[str, Any]:
    [(plan,)] = conn.execute(
        "select jobs.unadopt('emails', dry_run => %s, lock_timeout => %s)",
        [options.get("dry_run", False), options.get("lock_timeout", timedelta(seconds=20))],
    ).fetchall()
    return plan  # type: ignore[no-any-return]


# There and back


@pytest.mark.parametrize("usec", ["timestamp", "timestamp(6)"])
def test_a_table_comes_back_as_it_was(conn: Conn, version: str, usec: str) -> None:
    create(conn, version, usec=usec)
    conn.execute(ROWS.format(table="public.jobs").encode())
    conn.execute("select setval('public.jobs_id_seq', 9000000000)")
    shape, rows, objects = conn.execute(SHAPE).fetchall(), content(conn), count_objects(conn)
    plan = adopt(conn)
    assert plan["states"] == {
        "AVAILABLE": 2, "SCHEDULED": 1, "RESERVED": 3, "IN_PROGRESS": 2, "RETRY": 1, "FAILED": 2
    }  # fmt: skip
    assert (plan["mended"], plan["objections"]) == (MENDED, [])
    assert conn.execute("select count(*) from jobs.job where queue = 'emails'").fetchall() == [(11,)]
    assert conn.execute("select last_value from jobs.job_id_seq").fetchall() == [(9000000000,)]
    assert unadopt(conn)["states"] == plan["states"]
    assert content(conn) == rows
    assert sorted(conn.execute(SHAPE).fetchall()) == sorted(shape)
    assert count_objects(conn) == objects
    assert conn.execute("select from jobs.job where queue = 'emails'").fetchall() == []


def count_objects(conn: Conn) -> list[tuple[Any, ...]]:
    return conn.execute(
        "select (select count(*) from pg_class), (select count(*) from pg_trigger), (select count(*) from pg_depend)"
    ).fetchall()


def test_what_happened_meanwhile_comes_back_too(conn: Conn, version: str, elixir: NewEctoJob) -> None:
    create(conn, version)
    ectojob, jobs = app(elixir, version), Jobs(conn)
    ran, kept = ectojob.insert({"n": 1}), ectojob.insert({"n": 2}, max_attempts=9)
    adopt(conn)
    [reserved, _] = ectojob.reserve(2)
    assert reserved.id == ran
    begun = ectojob.start(reserved)
    assert begun is not None
    ectojob.delete(begun)
    new, ours = ectojob.insert({"n": 3}), jobs.enqueue("emails", {"n": 4}, notify="x" * 300)
    assert ran < kept < new < ours
    unadopt(conn)
    rows = conn.execute("select id, state, attempt, max_attempts, params ->> 'n' from public.jobs order by id")
    assert rows.fetchall() == [
        (kept, "RESERVED", 0, 9, "2"),
        (new, "AVAILABLE", 0, 5, "3"),
        (ours, "AVAILABLE", 0, 5, "4"),
    ]
    assert ectojob.insert({}) > ours
    adopt(conn)
    assert [job.id for job in jobs.claim_batch("emails", 9)][:2] == [new, ours]


def test_statements_that_ectojob_prepared_before_go_on(conn: Conn, version: str, elixir: NewEctoJob) -> None:
    create(conn, version)
    ectojob = app(elixir, version)

    def works() -> None:
        id = ectojob.insert({})
        failing = ectojob.insert({})
        begun = [ectojob.start(job) for job in ectojob.reserve(2)]
        assert [job.id for job in begun if job] == [id, failing]
        ectojob.delete(begun[0])  # type: ignore[arg-type]
        failed = ectojob.job_failed(begun[1])  # type: ignore[arg-type]
        assert failed is not None
        assert ectojob.requeue(failed) == 1
        ectojob.poll()
        assert ectojob.get(id) is None
        ectojob.repo.query("DELETE FROM jobs")

    for _ in range(7):  # by then the server has generic plans
        works()
    adopt(conn)
    works()
    unadopt(conn)
    works()
    adopt(conn)
    works()


def test_a_job_that_runs_during_the_adoption_completes_after_it(conn: Conn, version: str, elixir: NewEctoJob) -> None:
    create(conn, version)
    ectojob, jobs = app(elixir, version), Jobs(conn)
    ectojob.insert({})
    begun = ectojob.start(ectojob.reserve(1)[0])
    assert begun is not None
    adopt(conn)
    assert jobs.claim_batch("emails", 1) == []
    with ectojob.repo.transaction():
        ectojob.delete(begun)
    assert conn.execute("select from jobs.job").fetchall() == []


def test_a_job_of_ours_that_runs_while_the_table_goes_back_loses_its_lease(conn: Conn, elixir: NewEctoJob) -> None:
    create(conn, "3")
    adopt(conn)
    jobs, ectojob = Jobs(conn), elixir()
    id = jobs.enqueue("emails")
    [job] = jobs.claim_batch("emails", 1)
    unadopt(conn)
    with pytest.raises(psycopg.DatabaseError, match="is over"):
        jobs.complete("emails", job.id, job.attempt)
    ectojob.activate_expired(ectojob.now() + timedelta(hours=1))
    assert [job.id for job in ectojob.reserve(1)] == [id]


def test_a_zombie_from_before_meets_no_other_job_after(conn: Conn, elixir: NewEctoJob) -> None:
    create(conn, "3")
    ectojob, jobs = elixir(), Jobs(conn)
    ectojob.insert({})
    zombie = ectojob.start(ectojob.reserve(1)[0])
    assert zombie is not None
    ectojob.repo.query("DELETE FROM jobs")
    adopt(conn)
    jobs.enqueue("emails")
    jobs.claim_batch("emails", 1)
    with pytest.raises(StaleEntry):
        ectojob.delete(zombie)


def test_the_rights_on_the_table_are_rights_on_the_view(conn: Conn, elixir: NewEctoJob) -> None:
    conn.execute("create role elixir_owner login; create role elixir_reader")
    try:
        create(conn, "3")
        conn.execute("alter table public.jobs owner to elixir_owner; grant select on public.jobs to elixir_reader")
        adopt(conn)
        ectojob = elixir()
        ectojob.repo.query("set role elixir_owner")
        ectojob.insert({})
        begun = ectojob.start(ectojob.reserve(1)[0])
        assert begun is not None
        ectojob.delete(begun)
        conn.execute("set role elixir_reader")
        conn.execute("select * from public.jobs")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("delete from public.jobs")
        conn.execute("reset role")
        unadopt(conn)
        owner = "select relowner::regrole::text from pg_class where oid = 'public.jobs'::regclass"
        assert conn.execute(owner.encode()).fetchall() == [("elixir_owner",)]
    finally:
        conn.execute("reset role; drop owned by elixir_owner, elixir_reader; drop role elixir_owner, elixir_reader")


def test_a_table_in_another_schema(conn: Conn, elixir: NewEctoJob) -> None:
    conn.execute("drop schema if exists my_app cascade; create schema my_app")
    create(conn, "3", prefix="my_app")
    ectojob = elixir(schema_prefix="my_app")
    id = ectojob.insert({})
    conn.execute("select jobs.adopt('emails', 'my_app.jobs')")
    assert [job.id for job in ectojob.reserve(1)] == [id]
    conn.execute("select jobs.unadopt('emails')")
    assert conn.execute("select id, state from my_app.jobs").fetchall() == [(id, "RESERVED")]
    conn.execute("drop schema my_app cascade")


# Dry


def test_a_dry_run_says_what_would_happen_and_takes_no_lock(conn: Conn, version: str, connect: Any) -> None:
    create(conn, version)
    conn.execute(ROWS.format(table="public.jobs").encode())
    rows = content(conn)
    other = connect(autocommit=False)
    other.execute("lock table public.jobs in share mode")
    plan = adopt(conn, dry_run=True)
    assert content(conn) == rows
    assert conn.execute("select from jobs.ectojob_view").fetchall() == []
    assert conn.execute("select from jobs.queue where name = 'emails'").fetchall() == []
    other.rollback()
    assert adopt(conn) == plan
    assert plan["priority"] == version.startswith("3")
    back = unadopt(conn, dry_run=True)
    assert back["states"] == plan["states"]
    assert conn.execute("select count(*) from public.jobs").fetchall() == [(11,)]
    assert unadopt(conn) == back


OBJECTIONS = {
    "a column too many": ("alter table jobs add column tenant text", "column tenant is text"),
    "a column too few": ("alter table jobs drop column notify", "column notify is missing"),
    "a column of another type": ("alter table jobs alter params type text", "column params is text"),
    "an unknown state": ("update jobs set state = 'COMPLETED' where id = 3", "row 3 is no job"),
    "params that are no object": ("update jobs set params = '[]' where id = 3", "row 3 is no job"),
    "a schedule forever": ("update jobs set schedule = 'infinity' where id = 3", "row 3 is no job"),
    "a lease forever": ("update jobs set expires = '20000-01-01' where id = 5", "row 5 is no job"),
    "a row as old as time": ("update jobs set inserted_at = '-infinity' where id = 3", "row 3 is no job"),
    "a row of times to come": ("update jobs set updated_at = '20000-01-01' where id = 3", "row 3 is no job"),
    "a foreign key": ("create table mail (job bigint references jobs)", "foreign key mail_job_fkey of public.mail"),
    "a view": ("create view jobs_today as select * from jobs", "view public.jobs_today reads it"),
    "a trigger": (
        "create trigger audit before update on jobs for each row execute function suppress_redundant_updates_trigger()",
        "trigger audit is on it",
    ),
    "what an earlier adoption left": (
        "create table jobs_adopted (id bigint)",
        "relation jobs_adopted is there already",
    ),
    "row security": ("alter table jobs enable row level security", "row security"),
    "an id that is taken": (
        "insert into jobs.job (queue, id, state, priority, schedule, max_attempts, params, inserted_at, updated_at) "
        "values ('emails', 3, 'AVAILABLE', 0, now(), 5, '{}', now(), now())",
        "1 of its ids are jobs of the queue already",
    ),
}


@pytest.mark.parametrize(("statement", "objection"), OBJECTIONS.values(), ids=OBJECTIONS)
def test_what_stands_in_the_way_is_said_and_nothing_changes(conn: Conn, statement: str, objection: str) -> None:
    create(conn, "3")
    conn.execute(ROWS.format(table="public.jobs").encode())
    conn.execute(statement.encode())
    rows = content(conn)
    [found] = adopt(conn, dry_run=True)["objections"]
    assert objection in found
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="cannot be adopted"):
        adopt(conn)
    assert content(conn) == rows


def test_nothing_is_adopted_twice_and_nothing_goes_back_that_was_not(conn: Conn, jobs: Jobs) -> None:
    for change in (adopt, unadopt):
        with pytest.raises(psycopg.Error):
            change(conn)
    conn.execute("select jobs.create_ectojob_view('emails', 'public.jobs')")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="cannot be adopted"):
        adopt(conn)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="no adopted table"):
        unadopt(conn)


def test_an_adoption_that_is_for_good(conn: Conn, elixir: NewEctoJob) -> None:
    create(conn, "3")
    id = elixir().insert({})
    adopt(conn)
    conn.execute("select jobs.drop_ectojob_view('emails')")
    assert conn.execute("select id from public.jobs_adopted").fetchall() == [(id,)]
    assert [job.id for job in Jobs(conn).claim_batch("emails", 9)] == [id]


# Failures


@pytest.mark.parametrize("wait", [timedelta(0), timedelta(days=31)])
def test_it_is_told_how_long_it_may_wait(conn: Conn, wait: timedelta) -> None:
    create(conn, "3")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="lock_timeout must be") as refused:
        adopt(conn, lock_timeout=wait)
    assert refused.value.diag.message_hint == "null means 2 seconds."
    adopt(conn, lock_timeout=timedelta(days=30))
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="lock_timeout must be"):
        unadopt(conn, lock_timeout=wait)
    unadopt(conn, lock_timeout=timedelta(microseconds=400))


@pytest.mark.parametrize("wait", [timedelta(milliseconds=50), None], ids=str)
def test_it_waits_no_longer_than_it_may(conn: Conn, connect: Any, elixir: NewEctoJob, wait: timedelta | None) -> None:
    conn.execute("set statement_timeout = '30s'")
    create(conn, "3")
    ectojob = elixir()
    ectojob.insert({})
    begun = ectojob.start(ectojob.reserve(1)[0])
    assert begun is not None
    with ectojob.repo.transaction():
        ectojob.delete(begun)
        with pytest.raises(psycopg.errors.LockNotAvailable, match="locked by someone else") as adopted:
            adopt(conn, lock_timeout=wait)
    adopt(conn)
    with connect(autocommit=False) as other:
        other.execute("select from public.jobs")
        with pytest.raises(psycopg.errors.LockNotAvailable, match="locked by someone else") as returned:
            unadopt(conn, lock_timeout=wait)
    for refusal in (adopted, returned):
        assert "call again" in str(refusal.value.diag.message_hint)
    [(timeout,)] = conn.execute("show lock_timeout").fetchall()
    assert timeout == "0"
    unadopt(conn)


def test_it_keeps_nobody_waiting_who_holds_the_queues_settings(conn: Conn, connect: Any, elixir: NewEctoJob) -> None:
    create(conn, "3")
    Jobs(conn).create_queue("emails")
    with connect(autocommit=False) as other:
        Jobs(other).pause_queue("emails")
        conn.execute("set statement_timeout = '10s'")
        adopt(conn)
        Jobs(other).enqueue("emails")
        other.commit()
    assert [job.queue for job in Jobs(conn).reserve_batch("emails", 9)] == []  # it is paused
    unadopt(conn)


FAIL = """
create schema fault;
create sequence fault.step;
create function fault.step() returns event_trigger language plpgsql as $$
begin
    if nextval('fault.step') = current_setting('fault.at')::integer then
        {action}
    end if;
end $$;
create function fault.row() returns trigger language plpgsql as $$
begin
    if nextval('fault.step') = current_setting('fault.at')::integer then
        {action}
    end if;
    return null;
end $$;
create trigger fault after insert or delete on jobs.job for each statement execute function fault.row();
create event trigger fault_before on ddl_command_start execute function fault.step();
create event trigger fault_after on ddl_command_end execute function fault.step();
create event trigger fault_drop on sql_drop execute function fault.step();
"""
MEND = """
drop event trigger fault_before; drop event trigger fault_after; drop event trigger fault_drop;
drop trigger fault on jobs.job; drop schema fault cascade
"""


@pytest.mark.parametrize("action", ["raise 'fault';", "perform pg_terminate_backend(pg_backend_pid());"])
def test_a_failure_at_any_step_changes_nothing(
    conn: Conn, connect: Any, action: str, elixir: NewEctoJob, request: pytest.FixtureRequest
) -> None:
    create(conn, "2")
    conn.execute(ROWS.format(table="public.jobs").encode())
    ectojob = app(elixir, "2")
    conn.execute(FAIL.format(action=action).encode())
    request.addfinalizer(lambda: conn.execute(MEND))
    original = content(conn)
    assert failed_steps(conn, connect, adopt) >= 20
    assert [id for id, _ in content(conn)] == [id for id, _ in original]
    assert failed_steps(conn, connect, unadopt) >= 8
    assert content(conn) == original
    assert ectojob.insert({}) > 9000000000


def failed_steps(conn: Conn, connect: Any, change: Callable[..., Any]) -> int:
    """Let the change fail at its first step, its second, and so on until it succeeds; return how many failed."""
    before = content(conn)
    for step in range(1, 200):
        victim = connect()
        victim.execute("select set_config('fault.at', %s, false)", [str(step)])
        conn.execute("select setval('fault.step', 1, false)")
        try:
            change(victim)
        except psycopg.Error as error:
            if not any(word in str(error) for word in ("fault", "terminating", "closed")):
                raise
        else:
            return step - 1
        assert content(conn) == before
    pytest.fail("it never succeeded")
