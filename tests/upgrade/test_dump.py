"""What pg_dump writes comes back whole: roles, rights, pins, the sequence and the jobs; also under another owner."""

import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from postgres.snapshot import snapshot
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from servers import POSTGRES

from ectojob_py import Jobs
from ectojob_py.migrate import migrate

Conn = psycopg.Connection[Any]
SCHEMA = "jobs_eu"
ROLES = ("owner", "producer", "worker", "reader", "admin")


@pytest.fixture
def moved(
    request: pytest.FixtureRequest, conn: Conn, dsn: str
) -> Iterator[Callable[..., tuple[Conn, psycopg.Connection[Any]]]]:
    """Dump a schema with roles and jobs, and restore it elsewhere; returns a superuser there and a stranger."""
    programs = POSTGRES[request.node.callspec.params["postgres_server"]]
    migrate(dsn, SCHEMA, roles=True)
    jobs = Jobs(conn, SCHEMA)
    for number in range(3):
        jobs.enqueue("default", {"n": number})
    jobs.claim_batch("default", 1)
    there = make_conninfo(dsn, dbname="moved")
    opened: list[Conn] = []
    conn.execute("drop database if exists moved with (force)")
    conn.execute("create database moved")
    conn.execute("create role stranger login; create role heir login")
    conn.execute("grant create on database moved to heir")

    def move(*options: str, user: str = "postgres", dump: tuple[str, ...] = ("-n", SCHEMA)) -> tuple[Conn, Conn]:
        host = conninfo_to_dict(dsn)["host"]
        dumped = subprocess.run(
            [programs / "pg_dump", "-d", dsn, "-Fc", *dump], capture_output=True, check=True, timeout=60
        ).stdout
        command = [
            str(programs / "pg_restore"),
            "-h",
            str(host),
            "-U",
            user,
            "-d",
            "moved",
            "--exit-on-error",
            *options,
        ]
        subprocess.run([*command, *options], input=dumped, check=True, capture_output=True, timeout=60)
        for login in ("postgres", "stranger"):
            opened.append(psycopg.connect(make_conninfo(there, user=login), autocommit=True))
        return opened[0], opened[1]

    yield move
    for session in opened:
        session.close()
    conn.execute("drop database moved with (force)")
    conn.execute("drop role stranger; drop role heir")
    migrate(dsn, SCHEMA, roles=False)


def plain(conn: Conn) -> list[tuple[str, str, str]]:
    """Return what there is; parsed once more, a constraint has other brackets."""
    return [(kind, name, re.sub("[()]", "", text)) for kind, name, text in snapshot(conn, SCHEMA)]


def jobs_of(conn: Conn) -> list[tuple[Any, ...]]:
    return conn.execute(f"select * from {SCHEMA}.job order by id".encode()).fetchall()


def test_all_comes_back(conn: Conn, moved: Callable[..., tuple[Conn, Conn]]) -> None:
    there, stranger = moved()
    assert plain(there) == plain(conn)
    assert jobs_of(there) == jobs_of(conn)
    assert Jobs(there, SCHEMA).enqueue("default") == 4
    pins = there.execute(
        "select distinct proconfig[1] from pg_proc where pronamespace = %s::regnamespace", [SCHEMA]
    ).fetchall()
    assert pins == [(f"search_path={SCHEMA}, pg_temp",)]
    there.execute(f"set role {SCHEMA}_worker".encode())
    [job] = Jobs(there, SCHEMA).claim_batch("default", 1)
    Jobs(there, SCHEMA).complete("default", job.id, 1)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        Jobs(there, SCHEMA).enqueue("default")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        Jobs(stranger, SCHEMA).enqueue("default")


@pytest.mark.parametrize("options", [["--no-owner"], ["--no-owner", "--no-acl"]], ids=" ".join)
def test_another_owner_can_go_on_with_it_and_nobody_else_gets_in(
    moved: Callable[..., tuple[Conn, Conn]], dsn: str, options: list[str]
) -> None:
    there, stranger = moved(*options, user="heir")
    heir = make_conninfo(dsn, dbname="moved", user="heir")
    for deployed in (False, True):
        if deployed:
            migrate(heir, SCHEMA)
        with psycopg.connect(heir, autocommit=True) as conn:
            id = Jobs(conn, SCHEMA).enqueue("default", priority=-1)
            assert [job.id for job in Jobs(conn, SCHEMA).claim_batch("default", 1)] == [id]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            Jobs(stranger, SCHEMA).enqueue("default")
    public = there.execute(
        "select proname from pg_proc where pronamespace = %s::regnamespace "
        "and has_function_privilege('public', oid, 'execute')",
        [SCHEMA],
    )
    assert public.fetchall() == []
    migrate(make_conninfo(dsn, dbname="moved"), SCHEMA, roles=True)
    there.execute(f"set role {SCHEMA}_producer".encode())
    assert Jobs(there, SCHEMA).enqueue("default") > 4


def test_a_copy_without_data_says_what_it_lacks(conn: Conn, moved: Callable[..., tuple[Conn, Conn]], dsn: str) -> None:
    there = make_conninfo(dsn, dbname="moved")
    moved(dump=("-n", SCHEMA, "-s"))
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="no record of what made them") as refused:
        migrate(there, SCHEMA)
    assert f"-T {SCHEMA}.job" in str(refused.value.diag.message_hint)
    copy, _ = moved(dump=("-a", "-n", SCHEMA, "-T", f"{SCHEMA}.job"))
    migrate(there, SCHEMA)
    assert Jobs(copy, SCHEMA).enqueue("default")
