"""The audit finds what it is there to find: for each invariant, somebody who breaks it."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pytest_postgresql.executors import NoopExecutor

from ectojob_py import Jobs

from .cluster import HERE
from .verdict import Seen, judge

Conn = psycopg.Connection[Any]
ORDERLY = Seen(Counter(), Counter({0: 5, 3: 1, -9: 10, -15: 2}), idle=2.9, descriptors=9, seconds=60)


@pytest.fixture(scope="module")
def audited(postgres_at: Callable[[str], NoopExecutor]) -> Iterator[str]:
    """How to connect to a database for these tests alone."""
    server = postgres_at("postgres-18")
    dsn = make_conninfo("", host=server.host, user=server.user)
    with psycopg.connect(dsn, dbname="postgres", autocommit=True) as conn:
        template = sql.Identifier(server.template_dbname)
        conn.execute(sql.SQL("create database audited template {}").format(template))
        yield make_conninfo(dsn, dbname="audited")
        conn.execute("drop database audited")


@pytest.fixture
def history(audited: str) -> Iterator[Conn]:
    """Three jobs with an orderly history: done at once, done after its lease ended, and FAILED. It is rolled back."""
    with psycopg.connect(audited) as conn:
        write_history(conn)
        yield conn
        conn.rollback()


def write_history(conn: Conn) -> None:
    conn.execute((HERE / "chaos.sql").read_bytes())
    conn.execute("alter sequence jobs.job_id_seq restart")
    jobs = Jobs(conn)
    jobs.create_queue("chaos")
    jobs.enqueue_many("chaos", [{"key": 1}, {"key": 2}, {"key": 3}], max_attempts=2)
    conn.execute(
        "insert into chaos.journal values (1, 'committed'), (2, 'committed'), (3, 'committed'), (4, 'refused')"
    )
    first, second, third = jobs.claim_batch("chaos", 3)
    conn.execute("update jobs.job set expires = clock_timestamp() - interval '2 s' where id = %s", [second.id])
    jobs.reactivate_expired("chaos")
    [second] = jobs.claim_batch("chaos", 1)
    jobs.fail("chaos", third.id, 1, "no", None)
    conn.execute("update jobs.job set schedule = clock_timestamp() where id = %s", [third.id])
    jobs.activate_scheduled("chaos")
    jobs.claim_batch("chaos", 1)
    jobs.fail("chaos", third.id, 2, "no", None)
    for job in (first, second):
        conn.execute("insert into chaos.effect values (%s, %s, %s)", [job.id, job.attempt, job.params["key"]])
        jobs.complete("chaos", job.id, job.attempt)


def broken(conn: Conn, folder: Path, seen: Seen) -> set[str]:
    return {name for name, rows in judge(conn, folder, seen, patience=0).items() if rows}


def test_an_orderly_history_breaks_nothing(history: Conn, tmp_path: Path) -> None:
    assert broken(history, tmp_path, ORDERLY) == set()


def add_step(**columns: Any) -> Callable[[Conn], object]:
    """Insert a step as the trigger would."""
    columns["queue"] = "chaos"
    names = ", ".join(columns)
    values = ", ".join(["%s"] * len(columns))
    query = f"insert into chaos.step (job, {names}) values (1, {values})".encode()
    return lambda conn: conn.execute(query, list(columns.values()))


def says(query: str) -> Callable[[Conn], object]:
    return lambda conn: conn.execute(query.encode())


@pytest.mark.parametrize(
    ("view", "deed"),
    [
        ("i1_lost", says("insert into chaos.journal values (5, 'committed')")),
        ("i1_lost", says("set local session_replication_role = replica; delete from jobs.job")),
        ("i1_born_twice", says("select jobs.enqueue('chaos', '{\"key\": 1}')")),
        ("i2_effect_twice", says("insert into chaos.effect select * from chaos.effect limit 1")),
        ("i3_effect_without_completion", says("insert into chaos.effect select id, 2, 3 from jobs.job")),
        ("i3_completion_without_effect", says("delete from chaos.effect where job = 1")),
        ("i3_completion_without_effect", says("update chaos.effect set attempt = 5 where job = 1")),
        ("i3_errand_completed_and_not_run", says("update chaos.step set queue = 'errands'")),
        ("i4_stuck", says("select jobs.enqueue('chaos')")),
        ("i4_stuck", says("update chaos.step set expired = expired - interval '2 s' where expired < at")),
        ("i5_attempts", says("update chaos.step set attempt = 0 where attempt = attempt_was and attempt > 0")),
        ("i5_attempts", says("update chaos.step set max_attempts = 1")),
        ("i5_begun_twice", add_step(was="AVAILABLE", became="IN_PROGRESS", attempt_was=0, attempt=1, max_attempts=2)),
        ("i6_no_such_edge", add_step(was="RETRY", became="IN_PROGRESS", attempt_was=1, attempt=2, max_attempts=2)),
        ("i6_no_such_edge", add_step(was="AVAILABLE", became="IN_PROGRESS", attempt_was=1, attempt=1, max_attempts=2)),
        ("i7_two_holders", add_step(was="IN_PROGRESS", became="RETRY", attempt_was=1, attempt=1, max_attempts=2)),
        ("i8_sum", says("set local session_replication_role = replica; delete from jobs.job")),
        ("i9_refused_and_done", says("select jobs.enqueue('chaos', '{\"key\": 4}')")),
    ],
)
def test_each_breach_is_found(history: Conn, tmp_path: Path, view: str, deed: Callable[[Conn], object]) -> None:
    deed(history)
    assert view in broken(history, tmp_path, ORDERLY)


def test_a_session_left_behind_is_found(audited: str, history: Conn, tmp_path: Path) -> None:
    with psycopg.connect(audited):
        assert broken(history, tmp_path, ORDERLY) == {"i10_left_behind"}


@pytest.mark.parametrize(
    ("check", "seen"),
    [
        ("exit codes", replace(ORDERLY, exits=Counter({0: 5, 1: 1}))),
        ("exit codes", replace(ORDERLY, exits=Counter({-11: 1}))),
        ("i4_idle_hands", replace(ORDERLY, idle=3.1)),
    ],
)
def test_what_only_the_harness_sees_is_judged(history: Conn, tmp_path: Path, check: str, seen: Seen) -> None:
    assert broken(history, tmp_path, seen) == {check}


def test_journals_are_read(history: Conn, tmp_path: Path) -> None:
    (tmp_path / "journal-0").write_text("10 3 intended\n10 3 committed\n20 2 intended\n20 2 refused\n30 9 intended\n")
    assert broken(history, tmp_path, ORDERLY) == {"i1_lost"}
    assert history.execute("select key from chaos.i1_lost order by key").fetchall() == [(10,), (11,), (12,)]
