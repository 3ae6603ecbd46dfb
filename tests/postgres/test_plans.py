"""Among a million cold jobs, a call reads the rows it moves and hardly any other, whatever the planner knows.

The rows are counted by the server, per transaction: reads of whole-table scans, of index scans, and by row address.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pytest_postgresql.executors import NoopExecutor
from pytest_postgresql.janitor import DatabaseJanitor

from ectojob_py import Jobs

Conn = psycopg.Connection[Any]

COLD = """
insert into jobs.job (
    queue, id, state, priority, schedule, expires, attempt, max_attempts, params, inserted_at, updated_at
)
select
    {queue},
    {first} + n,
    {state},
    0,
    clock_timestamp() + {schedule} * interval '1 hour' + n * interval '1 ms',
    case when {state} in ('RESERVED', 'IN_PROGRESS') then clock_timestamp() + {expires} * interval '1 hour' end,
    case when {state} in ('AVAILABLE', 'SCHEDULED', 'RESERVED') then 0 else 1 end,
    case when {state} = 'FAILED' then 1 else 5 end,
    '{{"to": "joe"}}',
    clock_timestamp(),
    clock_timestamp()
from generate_series(1, {count}) as n
"""
MANY = 200_000

# Queue, state, how many, first id, schedule and expiry in hours from now.
ROWS = [
    ("default", "SCHEDULED", MANY, 1_000_000, 1, 0),
    ("default", "RETRY", MANY, 2_000_000, 1, 0),
    ("default", "FAILED", MANY, 3_000_000, -1, 0),
    ("default", "IN_PROGRESS", MANY, 4_000_000, -1, 1),
    ("deep", "AVAILABLE", MANY, 5_000_000, -1, 0),
    ("default", "AVAILABLE", 50, 6_000_000, -1, 0),
    ("default", "RESERVED", 50, 7_000_000, -1, 1),
    ("due", "SCHEDULED", MANY, 8_000_000, 1, 0),
    ("due", "SCHEDULED", 10, 9_000_000, -1, 0),
    ("due", "IN_PROGRESS", 10, 10_000_000, -1, -1),
]


QUEUES = ("deep", "due", "empty")


@contextmanager
def database(server: NoopExecutor, name: str) -> Iterator[str]:
    """A database with queues and no job, which autovacuum leaves alone."""
    own = DatabaseJanitor(
        user=server.user, host=server.host, port=server.port, dbname=name, template_dbname=server.template_dbname
    )
    with own:
        dsn = make_conninfo("", host=server.host, port=server.port, user=server.user, dbname=name)
        with psycopg.connect(dsn) as conn:
            conn.execute("alter table jobs.job set (autovacuum_enabled = off, toast.autovacuum_enabled = off)")
            for queue in QUEUES:
                conn.execute("insert into jobs.queue (name) values (%s)", [queue])
        yield dsn


@pytest.fixture(scope="module")
def crowd(postgres_server: NoopExecutor) -> Iterator[str]:
    """A database with a crowd of jobs that neither autovacuum nor ANALYZE has seen."""
    with database(postgres_server, "crowd") as dsn:
        with psycopg.connect(dsn) as conn:
            fill(conn, ROWS)
        yield dsn


def fill(conn: Conn, rows: list[tuple[str, str, int, int, int, int]]) -> None:
    conn.execute("set session_replication_role = replica")
    for queue, state, count, first, schedule, expires in rows:
        values = {"queue": queue, "state": state, "count": count, "first": first}
        times = {"schedule": schedule, "expires": expires}
        conn.execute(psycopg.sql.SQL(COLD).format(**values, **times))


@pytest.fixture(scope="module", params=["never analyzed", "analyzed", "analyzed while nothing was held"])
def conn(request: pytest.FixtureRequest, crowd: str) -> Iterator[Conn]:
    """A connection whose calls are rolled back: before the planner saw the crowd, after, and when it has changed."""
    with psycopg.connect(crowd, autocommit=True) as opened:
        if request.param == "analyzed while nothing was held":
            opened.execute("delete from jobs.job where expires is not null")
            opened.execute("analyze")
            fill(opened, [row for row in ROWS if row[1] in ("RESERVED", "IN_PROGRESS")])
            opened.execute("set session_replication_role = origin")
        elif request.param == "analyzed":
            opened.execute("analyze")
        [known] = opened.execute("select reltuples >= 0 from pg_class where oid = 'jobs.job'::regclass").fetchall()
        assert known[0] == (request.param != "never analyzed")
        yield opened


@pytest.fixture(scope="module")
def early(postgres_server: NoopExecutor) -> Iterator[Conn]:
    """A connection whose plans are those of an idle worker: made while the planner knew of no job."""
    with database(postgres_server, "early") as dsn, psycopg.connect(dsn, autocommit=True) as opened:
        opened.execute("vacuum analyze jobs.job")
        for _, function in CALLS.values():
            for _ in range(ENOUGH_FOR_A_GENERIC_PLAN):
                with suppress(psycopg.Error), opened.transaction(force_rollback=True):
                    function(Jobs(opened))
        with psycopg.connect(dsn) as conn:
            fill(conn, ROWS)
        yield opened


READS = """
select coalesce(seq_scan, 0), coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
from pg_stat_xact_user_tables where relid = 'jobs.job'::regclass
"""

CALLS: dict[str, tuple[int, Callable[[Jobs], Any]]] = {
    "enqueue": (0, lambda jobs: jobs.enqueue("default")),
    "enqueue_many": (0, lambda jobs: jobs.enqueue_many("default", [{}] * 10)),
    "reserve_batch": (10, lambda jobs: jobs.reserve_batch("default", 10)),
    "reserve_batch of a deep queue": (10, lambda jobs: jobs.reserve_batch("deep", 10)),
    "reserve_batch of an empty queue": (0, lambda jobs: jobs.reserve_batch("empty", 10)),
    "claim_batch": (10, lambda jobs: jobs.claim_batch("default", 10)),
    "claim_batch of a deep queue": (10, lambda jobs: jobs.claim_batch("deep", 10)),
    "claim_batch of an empty queue": (0, lambda jobs: jobs.claim_batch("empty", 10)),
    "begin_attempt": (1, lambda jobs: jobs.begin_attempt("default", 7_000_001, 0)),
    "complete": (1, lambda jobs: jobs.complete("default", 4_000_007, 1)),
    "complete_batch": (10, lambda jobs: jobs.complete_batch("default", range(4_000_011, 4_000_021), [1] * 10)),
    "fail": (1, lambda jobs: jobs.fail("default", 4_000_007, 1)),
    "fail of nobody's job": (1, lambda jobs: jobs.fail("default", 4_000_007, 2)),
    "extend": (1, lambda jobs: jobs.extend("default", 4_000_007, 1)),
    "release": (1, lambda jobs: jobs.release("default", 4_000_007, 1)),
    "requeue": (1, lambda jobs: jobs.requeue("default", 3_000_007)),
    "remove": (1, lambda jobs: jobs.remove("default", 3_000_007)),
    "next_due": (2, lambda jobs: jobs.next_due("default")),
    "next_due of an empty queue": (0, lambda jobs: jobs.next_due("empty")),
    "activate_scheduled": (10, lambda jobs: jobs.activate_scheduled("due")),
    "activate_scheduled of all queues": (10, lambda jobs: jobs.activate_scheduled()),
    "activate_scheduled of none": (0, lambda jobs: jobs.activate_scheduled("default")),
    "reactivate_expired": (10, lambda jobs: jobs.reactivate_expired("due")),
    "reactivate_expired of all queues": (10, lambda jobs: jobs.reactivate_expired()),
    "reactivate_expired of none": (0, lambda jobs: jobs.reactivate_expired("default")),
}

ENOUGH_FOR_A_GENERIC_PLAN = 7


@pytest.mark.parametrize("call", CALLS)
def test_a_call_reads_few_rows(conn: Conn, call: str) -> None:
    for _ in range(ENOUGH_FOR_A_GENERIC_PLAN):
        check_reads(conn, call)


@pytest.mark.parametrize("call", CALLS)
def test_a_plan_made_while_the_table_was_empty_reads_few_rows(early: Conn, call: str) -> None:
    check_reads(early, call)


def test_a_burst_of_failures_that_nobody_has_analyzed_is_not_read_for_each_requeue(
    postgres_server: NoopExecutor,
) -> None:
    with database(postgres_server, "failures") as dsn, psycopg.connect(dsn, autocommit=True) as opened:
        fill(opened, [("default", "FAILED", 20_000, 3_000_000, -1, 0)])
        opened.execute("set session_replication_role = origin")
        for _ in range(ENOUGH_FOR_A_GENERIC_PLAN):
            check_reads(opened, "requeue")


def test_a_scheduled_enqueue_does_not_read_what_is_overdue(conn: Conn) -> None:
    with conn.transaction(force_rollback=True):
        conn.execute(
            "update jobs.job set schedule = schedule - interval '2 hours' where queue = 'due' and id < 8020000"
        )
        [before] = conn.execute(READS).fetchall()
        for _ in range(ENOUGH_FOR_A_GENERIC_PLAN):
            Jobs(conn).enqueue("due", schedule=datetime.now(UTC) + timedelta(minutes=30))
        [after] = conn.execute(READS).fetchall()
    assert after[0] - before[0] == 0
    assert after[1] - before[1] <= 2 * ENOUGH_FOR_A_GENERIC_PLAN


def check_reads(conn: Conn, call: str) -> None:
    moved, function = CALLS[call]
    with conn.transaction(force_rollback=True):
        # The counters go on from transaction to transaction, until the server finds time to collect them.
        [before] = conn.execute(READS).fetchall()
        function(Jobs(conn))
        [after] = conn.execute(READS).fetchall()
    assert after[0] - before[0] == 0
    assert after[1] - before[1] <= 3 * moved + 2
