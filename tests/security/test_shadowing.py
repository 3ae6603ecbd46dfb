"""What a caller puts in front of our names does not reach the functions: every function under every kind of shadow."""

from typing import Any

import psycopg
import pytest
from contract.harness import HOUR, NOTHING, Db
from mysql.servers import MYSQL
from servers import POSTGRES

from ectojob_py import Jobs
from ectojob_py.release import release

from .places import ADMIN, OWNER, PRODUCER, WORKER, Place

on_postgres = pytest.mark.parametrize("place", POSTGRES, indirect=True, scope="session")


def life(conn: dict[str, Any], db: Db) -> list[object]:
    """Call every function once as the role it is for; return what can be compared of the results."""
    producer, worker, admin = (Jobs(conn[role]) for role in (PRODUCER, WORKER, ADMIN))
    said: list[object] = []
    admin.create_queue("mine", 2, HOUR, HOUR, HOUR)
    admin.pause_queue("mine")
    said.append(worker.claim_batch("mine", 1))
    admin.resume_queue("mine")
    id = producer.enqueue("mine", {"n": 1}, notify="told")
    more = producer.enqueue_many("mine", [{"n": 2}, {"n": 3}], priority=1)
    said.append([job.params for job in worker.reserve_batch("mine", 1)])
    begun = worker.begin_attempt("mine", id, 0)
    said.append(begun is not None and begun.attempt)
    said.append(worker.extend("mine", id, 1, HOUR) is not None)
    said.append(worker.release("mine", id, 1) is not None)
    said.append([job.id == id for job in worker.claim_batch("mine", 1)])
    failed = worker.fail("mine", id, 2, "error", NOTHING)
    said.append(failed is not None and failed.state)
    said.append((worker.next_due("mine") is not None, worker.activate_scheduled(), worker.reactivate_expired()))
    said.append([job.id == id for job in worker.claim_batch("mine", 1)])
    failed = worker.fail("mine", id, 3, "error")
    said.append(failed is not None and failed.state)
    said.append(admin.requeue("mine", id).state)
    said.append([job.id == id for job in worker.claim_batch("mine", 1)])
    worker.complete("mine", id, 4)
    said.append(admin.remove("mine", more[0]) is not None)
    worker.claim_batch("mine", 1)
    worker.complete_batch("mine", more[1:], [1])
    id = producer.enqueue_payload("mine", b"\x00\xff")
    said.append([job.payload for job in worker.claim_batch("mine", 1)])
    worker.complete("mine", id, 1)
    said.append(fell_asleep(conn[WORKER]))
    admin.drop_queue("mine")
    said.append((producer.version(), db.all_jobs()))
    return said


def fell_asleep(conn: Any) -> bool:
    """Fall asleep and wake up, where workers do that; return whether the answers are as they should be."""
    if not isinstance(conn, psycopg.Connection):
        return True
    [(asleep_at,)] = conn.execute("select jobs.fall_asleep('mine')").fetchall()
    [(in_flight,)] = conn.execute("select jobs.in_flight(%s)", [asleep_at]).fetchall()
    [(held,)] = conn.execute(HELD).fetchall()
    conn.execute("select jobs.wake_up('mine')")
    [(still_held,)] = conn.execute(HELD).fetchall()
    return (type(in_flight), held, still_held) == (bool, 1, 0)


HELD = """
select pg_catalog.count(*) from pg_catalog.pg_locks
where locktype operator(pg_catalog.=) 'advisory' and pid operator(pg_catalog.=) pg_catalog.pg_backend_pid()
"""


EXPECTED = [
    [], [{"n": 1}], 1, True, True, [True], "RETRY", (True, 1, 0), [True], "FAILED", "AVAILABLE", [True], True,
    [b"\x00\xff"], True, (release(), []),
]  # fmt: skip

TABLE = "create temporary table {name} (id integer, name text, queue text, state text)"
SHADOWS = {
    "tables": [TABLE.format(name=name) for name in ("job", "queue", "migration", "failed")],
    "tables named like types": ["create type pg_temp.job as (x integer)", "create type pg_temp.queue as (x integer)"],
    "domains": ["create domain pg_temp.interval as integer", "create domain pg_temp.text as integer"],
    "functions": [
        f"create function pg_temp.{name}({arguments}) returns {result} language plpgsql as "
        "$$ begin raise 'taken over'; end $$"
        for name, arguments, result in [
            ("wake", "text", "void"),
            ("announce", "text, text, text", "void"),
            ("check_queue", "text", "void"),
            ("check_params", "jsonb", "void"),
            ("clock_timestamp", "", "timestamptz"),
            ("jsonb_typeof", "jsonb", "text"),
            ("coalesce", "text, text", "text"),
            ("pg_notify", "text, text", "void"),
            ("left", "text, integer", "text"),
            ("format", "text", "text"),
            ("current_schema", "", "name"),
            ("queue_settings", "text", "jobs.queue"),
            ("lower", "text", "text"),
            ("cardinality", "bigint[]", "integer"),
        ]
    ],
    "operators": [
        "create function pg_temp.taken(text, text) returns boolean language plpgsql as "
        "$$ begin raise 'taken over'; end $$",
        "create function pg_temp.taken(bigint, bigint) returns boolean language plpgsql as "
        "$$ begin raise 'taken over'; end $$",
        *(
            f"create operator pg_temp.{operator} (leftarg = {type}, rightarg = {type}, function = pg_temp.taken)"
            for operator in ("=", "<", "<=", ">", ">=", "<>")
            for type in ("text", "bigint")
        ),
    ],
    "a schema in front": [
        "create schema attacker",
        "create table attacker.job (id integer)",
        "create table attacker.queue (name text)",
        "create function attacker.clock_timestamp() returns timestamptz language plpgsql as "
        "$$ begin raise 'taken over'; end $$",
        "create operator attacker.= (leftarg = text, rightarg = text, function = texteq)",
        "set search_path = attacker, jobs, pg_catalog",
    ],
}


@pytest.fixture
def sessions(place: Place) -> Any:
    """One session of each role, on PostgreSQL, with the right to create schemas."""
    with psycopg.connect(place.dsn, autocommit=True) as conn:
        conn.execute("grant create on database security to public")
    opened = {role: place.connect(role) for role in (OWNER, PRODUCER, WORKER, ADMIN)}
    yield opened
    for conn in opened.values():
        conn.close()
    with psycopg.connect(place.dsn, autocommit=True) as conn:
        conn.execute("drop schema if exists attacker cascade")
        conn.execute("revoke create on database security from public")


@on_postgres
@pytest.mark.parametrize("shadow", SHADOWS, ids=lambda shadow: shadow.replace(" ", "-"))
@pytest.mark.parametrize("attacker", [OWNER, PRODUCER, WORKER, ADMIN])
def test_a_shadow_changes_nothing(sessions: dict[str, Any], db: Db, shadow: str, attacker: str) -> None:
    session = sessions[attacker]
    for statement in SHADOWS[shadow]:
        session.execute(statement.encode())
    session.execute("set search_path = pg_temp, public" if shadow != "a schema in front" else "select")
    each = sessions if attacker != OWNER else dict.fromkeys(sessions, session)
    assert life(each, db) == EXPECTED


@on_postgres
def test_without_shadows_too(sessions: dict[str, Any], db: Db) -> None:
    assert life(sessions, db) == EXPECTED


@pytest.mark.parametrize("place", MYSQL, indirect=True, scope="session")
def test_a_temporary_table_cannot_be_made_where_it_would_shadow(place: Place) -> None:
    """MySQL looks for a temporary table first, even inside a procedure, so nobody gets the right to make one."""
    for role in (PRODUCER, WORKER, ADMIN, "reader", "stranger"):
        with place.connect(role) as conn:
            for statement in ("create temporary table jobs.job (id integer)", "create table jobs.mine (id integer)"):
                with pytest.raises(place.Error) as caught:
                    place.execute(conn, statement)
                assert place.denied(caught.value)
