"""The caller's connection and transaction stay the caller's, however he set them up."""

from typing import Any

import psycopg
import pytest
from conftest import Connect
from psycopg import rows
from psycopg.pq import TransactionStatus

from ectojob_py import Jobs, LeaseLost

Conn = psycopg.Connection[Any]


def stored(conn: Conn) -> list[int]:
    return [id for (id,) in conn.execute("select id from jobs.job order by id")]


def all_calls(jobs: Jobs) -> None:
    """Call each method once."""
    jobs.create_queue("q")
    jobs.pause_queue("q")
    jobs.resume_queue("q")
    first, second, third = jobs.enqueue("q", max_attempts=1), *jobs.enqueue_many("q", [{}, {}])
    jobs.reserve_batch("q", 1)
    jobs.begin_attempt("q", first, 0)
    jobs.extend("q", first, 1)
    jobs.fail("q", first, 1)
    jobs.requeue("q", first)
    jobs.remove("q", first)
    jobs.claim_batch("q", 2)
    jobs.complete("q", second, 1)
    jobs.complete_batch("q", [], [])
    jobs.release("q", third, 1)
    jobs.activate_scheduled()
    jobs.reactivate_expired()
    jobs.next_due("q")
    jobs.version()
    jobs.drop_queue("q", force=True)


def test_no_call_begins_or_ends_a_transaction_in_autocommit(connect: Connect) -> None:
    conn = connect()
    all_calls(Jobs(conn))
    assert conn.info.transaction_status == TransactionStatus.IDLE
    assert conn.autocommit


def test_no_call_ends_the_callers_transaction(conn: Conn, connect: Connect) -> None:
    mine = connect(autocommit=False)
    [(transaction,)] = mine.execute("select pg_current_xact_id()").fetchall()
    all_calls(Jobs(mine))
    assert mine.info.transaction_status == TransactionStatus.INTRANS
    assert mine.execute("select pg_current_xact_id()").fetchone() == (transaction,)
    mine.rollback()
    assert conn.execute("select count(*) from jobs.queue").fetchone() == (1,)


def test_an_enqueue_is_rolled_back_with_the_callers_rows(conn: Conn, connect: Connect) -> None:
    conn.execute("create table thing (name text)")
    mine = connect(autocommit=False)
    for name, end in (("kept", mine.commit), ("taken back", mine.rollback)):
        mine.execute("insert into thing values (%s)", [name])
        Jobs(mine).enqueue("default", {"name": name})
        before = stored(conn)
        end()
        assert (stored(conn) != before) == (name == "kept")
    assert conn.execute("select name from thing").fetchall() == [("kept",)]
    assert conn.execute("select params from jobs.job").fetchall() == [({"name": "kept"},)]


def test_in_a_transaction_block_and_its_savepoints(conn: Conn, connect: Connect) -> None:
    mine = connect()
    jobs = Jobs(mine)
    with mine.transaction():
        kept = jobs.enqueue("default")
        with mine.transaction(force_rollback=True):
            jobs.enqueue("default")
        assert stored(conn) == []
    assert stored(conn) == [kept]


def test_a_refused_call_aborts_the_transaction_and_is_survived_by_a_savepoint(conn: Conn, connect: Connect) -> None:
    mine = connect(autocommit=False)
    jobs = Jobs(mine)
    kept = jobs.enqueue("default")
    with pytest.raises(LeaseLost), mine.transaction():
        jobs.complete("default", kept, 1)
    mine.commit()
    assert stored(conn) == [kept]
    with pytest.raises(LeaseLost):
        jobs.complete("default", kept, 1)
    assert mine.info.transaction_status == TransactionStatus.INERROR


class Odd:
    """What a row factory of the caller's may return."""

    def __init__(self, **_: object) -> None: ...


@pytest.mark.parametrize(
    "factory", [rows.dict_row, rows.tuple_row, rows.namedtuple_row, rows.scalar_row, rows.class_row(Odd)]
)
def test_any_row_factory_works_and_stays(conn: Conn, connect: Connect, factory: Any) -> None:
    mine = connect(row_factory=factory)
    jobs = Jobs(mine)
    ids = [jobs.enqueue("default"), *jobs.enqueue_many("default", [{"n": 1}])]
    claimed = jobs.claim_batch("default", 2)
    assert [(job.id, job.params) for job in claimed] == [(ids[0], {}), (ids[1], {"n": 1})]
    all_calls(jobs)
    assert mine.row_factory is factory
    assert stored(conn) == ids


@pytest.mark.parametrize("factory", [psycopg.Cursor, psycopg.ClientCursor])
def test_cursor_factories_of_the_callers(connect: Connect, factory: Any) -> None:
    mine = connect(cursor_factory=factory, prepare_threshold=0)
    all_calls(Jobs(mine))
    assert mine.cursor_factory is factory


def test_in_a_pipeline(conn: Conn, connect: Connect) -> None:
    mine = connect()
    with mine.pipeline(), mine.transaction():
        mine.execute("select 1")
        id = Jobs(mine).enqueue("default", {"n": 1})
        all_calls(Jobs(mine))
        assert stored(conn) == []
    assert stored(conn) == [id]


def test_names_are_quoted(conn: Conn) -> None:
    odd = "a'b\"c.%s {} é"
    jobs = Jobs(conn)
    jobs.create_queue(odd)
    id = jobs.enqueue(odd, {odd: odd}, notify=odd)
    [job] = jobs.claim_batch(odd, 1)
    assert (job.queue, job.id, job.params, job.notify) == (odd, id, {odd: odd}, odd)
    with pytest.raises(psycopg.errors.InvalidSchemaName):
        Jobs(conn, schema='jobs".enqueue(1); --').version()
