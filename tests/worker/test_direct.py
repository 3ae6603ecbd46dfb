"""A single job is completed past psycopg's cursors, with the COMMIT of what its handler wrote, and like any other."""

import logging
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ectojob_py import Job, Jobs, LeaseLost
from ectojob_py.attempt import Transactions, singly
from ectojob_py.handler import Outcome
from ectojob_py.postgres import engine
from ectojob_py.postgres.connection import HandlerConnection

Conn = psycopg.Connection[Any]


@pytest.fixture
def lent(dsn: str) -> Iterator[HandlerConnection]:
    """A connection as a hand has it."""
    pool = engine.open_pool(dsn)
    conn = pool.getconn()
    yield conn
    pool.putconn(conn)
    pool.close()


def claimed(conn: Conn, queue: str = "default", notify: str | None = None) -> Job:
    Jobs(conn).enqueue(queue, notify=notify)
    [job] = Jobs(conn).claim_batch(queue, 1)
    return job


def left(conn: Conn) -> list[int]:
    return [id for (id,) in conn.execute("select id from jobs.job order by id")]


def test_it_completes_in_a_transaction_of_its_own(conn: Conn, lent: HandlerConnection) -> None:
    conn.execute('listen "jobs.default.completed"')
    job = claimed(conn, notify="see")
    assert lent.finish_one("jobs", job)
    assert left(conn) == []
    assert [notice.payload for notice in conn.notifies(timeout=10, stop_after=1)] == ["see"]


def test_a_lost_lease_is_left_to_finish_to_tell(conn: Conn, lent: HandlerConnection) -> None:
    job = claimed(conn)
    Jobs(conn).release(job.queue, job.id, job.attempt)
    assert not lent.finish_one("jobs", job)
    assert left(conn) == [job.id]
    with pytest.raises(LeaseLost):
        lent.finish(lambda: Jobs(lent).complete(job.queue, job.id, job.attempt))
    lent.reset()
    assert lent.finish_one("jobs", claimed(conn)), "a lost lease is no reason to do without it"


@pytest.mark.parametrize("forget", ["deallocate all", "discard all"])
def test_a_statement_that_somebody_deallocated_is_prepared_again(
    conn: Conn, lent: HandlerConnection, forget: str
) -> None:
    assert lent.finish_one("jobs", claimed(conn))
    lent.autocommit = True
    lent.execute(forget.encode())
    lent.autocommit = False
    job = claimed(conn)
    assert not lent.finish_one("jobs", job)
    assert lent.finish_one("jobs", job)
    assert left(conn) == []


def test_a_statement_that_a_session_of_another_schema_left_is_not_taken_for_ours(
    conn: Conn, lent: HandlerConnection
) -> None:
    conn.execute("create schema other")
    conn.execute("create function other.complete(text, bigint, integer) returns void as '' language sql")
    assert lent.finish_one("jobs", claimed(conn))
    lent._can_complete = False  # as a new connection, which a pooler gives the same session
    job = claimed(conn)
    assert lent.finish_one("other", job)
    assert left(conn) == [job.id]
    assert lent.finish_one("jobs", job)


def test_it_commits_what_the_handler_wrote(conn: Conn, lent: HandlerConnection) -> None:
    conn.execute('listen "jobs.default.completed"')
    job = claimed(conn, notify="see")
    lent.execute("create table written (id bigint)")
    assert lent.finish_one("jobs", job)
    assert lent.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert left(conn) == []
    assert conn.execute("select count(*) from written").fetchone() == (0,)
    assert [notice.payload for notice in conn.notifies(timeout=10, stop_after=1)] == ["see"]
    assert lent.execute("select 1").fetchone() == (1,), "the connection is as good as before"


def test_a_lost_lease_undoes_what_the_handler_wrote(conn: Conn, lent: HandlerConnection) -> None:
    job = claimed(conn)
    Jobs(conn).release(job.queue, job.id, job.attempt)
    lent.execute("create table written (id bigint)")
    with pytest.raises(LeaseLost, match="attempt 1 of job"):
        lent.finish_one("jobs", job)
    lent.reset()
    assert left(conn) == [job.id]
    assert conn.execute("select to_regclass('written')").fetchone() == (None,)
    lent.execute("select")
    assert lent.finish_one("jobs", claimed(conn)), "a lost lease is no reason to do without it"


def test_a_commit_that_is_refused_leaves_the_job(conn: Conn, lent: HandlerConnection) -> None:
    job = claimed(conn)
    lent.execute("create temporary table one (id bigint unique deferrable initially deferred)")
    lent.execute("insert into one values (1), (1)")
    with pytest.raises(psycopg.errors.UniqueViolation, match="duplicate key"):
        lent.finish_one("jobs", job)
    assert left(conn) == [job.id]
    assert lent.execute("select to_regclass('one')").fetchone() == (None,)


def test_a_conflict_at_the_commit_is_known_as_one(conn: Conn, lent: HandlerConnection) -> None:
    conn.execute("create table pair (id integer primary key, n integer)")
    conn.execute("insert into pair values (1, 0), (2, 0)")
    job = claimed(conn)
    lent.execute("set transaction isolation level serializable")
    lent.execute("select sum(n) from pair")
    lent.execute("update pair set n = 1 where id = 1")
    with conn.transaction():
        conn.execute("set transaction isolation level serializable")
        conn.execute("select sum(n) from pair")
        conn.execute("update pair set n = 1 where id = 2")
    with pytest.raises(psycopg.errors.SerializationFailure):
        lent.finish_one("jobs", job)
    assert isinstance(lent.conflict, psycopg.errors.SerializationFailure)
    assert left(conn) == [job.id]


def test_a_handler_may_deallocate_all_statements(conn: Conn, lent: HandlerConnection) -> None:
    assert lent.finish_one("jobs", claimed(conn))
    lent.execute("deallocate all")
    assert lent.finish_one("jobs", claimed(conn))
    assert left(conn) == []


def test_a_pipeline_that_is_left_open_is_for_finish(conn: Conn, lent: HandlerConnection) -> None:
    job = claimed(conn)
    with lent.pipeline():
        assert not lent.finish_one("jobs", job)
    lent.rollback()
    assert left(conn) == [job.id]


def test_a_queues_name_of_other_letters_is_left_to_finish(conn: Conn, lent: HandlerConnection) -> None:
    Jobs(conn).create_queue("größe")
    lent.execute("set client_encoding = latin1")
    lent.commit()
    job = claimed(conn, "größe")
    assert not lent.finish_one("jobs", job)
    lent.finish(lambda: Jobs(lent).complete(job.queue, job.id, job.attempt))
    assert left(conn) == []


def test_a_server_that_ended_the_session_leaves_the_job(conn: Conn, lent: HandlerConnection) -> None:
    job = claimed(conn)
    conn.execute("select pg_terminate_backend(%s, 10000)", [lent.info.backend_pid])
    with pytest.raises(psycopg.OperationalError):
        lent.finish_one("jobs", job)
    assert left(conn) == [job.id]


def test_the_hands_use_it(conn: Conn, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("finish was not to be needed")

    monkeypatch.setattr(HandlerConnection, "finish", refuse)
    pool = engine.open_pool(dsn)
    for handler in (lambda _conn, _job: None, lambda conn, _job: conn.execute("select")):
        hand = Transactions(singly(handler), pool, engine, "jobs", logging.getLogger(__name__))
        for _ in range(3):
            [report] = hand.run([claimed(conn)])
            assert (report.outcome, report.error) == (Outcome.DONE, None)
    pool.close()
    assert left(conn) == []
