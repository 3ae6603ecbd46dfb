"""``ectojob adopt`` and ``unadopt``: what they say, and when they give up. What they do is in tests/ectojob."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from ectojob.tables import migration
from mysql.servers import MYSQL
from servers import POSTGRES

from cli.conftest import Command
from ectojob_py.cli import adopt

Conn = psycopg.Connection[Any]


on_postgres = pytest.mark.parametrize("dsn", POSTGRES, indirect=True)


@pytest.fixture
def connect(dsn: str) -> Iterator[Callable[..., Conn]]:
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(psycopg.connect(dsn, **{"autocommit": True, **options}))


@pytest.fixture
def conn(connect: Callable[..., Conn]) -> Conn:
    return connect()


@pytest.fixture
def table(conn: Conn) -> None:
    for statement in migration("2"):
        conn.execute(statement.encode())
    conn.execute("""
        insert into jobs (state, expires, attempt, params, inserted_at, updated_at) values
            ('AVAILABLE', null, 0, '{}', now(), now()), ('RETRY', now(), 1, '{}', now(), now())
    """)


@on_postgres
@pytest.mark.usefixtures("table")
def test_there_and_back(ectojob: Command, conn: Conn) -> None:
    first = ectojob("adopt", "public.jobs", "--queue", "emails", "--dry-run")
    assert (first.code, first.err) == (0, "")
    assert first.out.splitlines() == [
        "would adopt public.jobs as queue emails",
        "1 AVAILABLE",
        "1 RETRY",
        "1 of them adjusted to fit their state, see docs/from-ectojob.md",
        "without priorities, which the table did not have: 0",
    ]
    assert conn.execute("select count(*) from jobs.queue").fetchall() == [(1,)]
    done = ectojob("adopt", "public.jobs", "--queue", "emails")
    assert done.out == first.out.replace("would adopt", "adopted")
    assert ectojob("jobs", "--queue", "emails", "--json").document["jobs"][0]["state"] == "AVAILABLE"
    back = ectojob("unadopt", "emails", "--dry-run", "--json").document
    assert (back["relation"], back["states"], back["dry_run"]) == ("public.jobs", {"AVAILABLE": 1, "RETRY": 1}, True)
    assert ectojob("unadopt", "emails").out.splitlines()[0] == "gave public.jobs back to EctoJob"
    again = ectojob("unadopt", "emails")
    assert (again.code, again.out) == (1, "")
    assert "no adopted table" in again.err


@on_postgres
@pytest.mark.usefixtures("table")
def test_objections_are_said_and_the_code_is_not_0(ectojob: Command, conn: Conn) -> None:
    conn.execute("alter table public.jobs add tenant text; create view today as select * from public.jobs")
    for options in (["--dry-run"], []):
        result = ectojob("adopt", "public.jobs", "--queue", "emails", *options)
        assert result.code == 1
        assert "tenant" in result.out + result.err
    assert "but view public.today reads it" in ectojob("adopt", "public.jobs", "--queue", "emails", "--dry-run").out


@on_postgres
def test_wrong_usage(ectojob: Command) -> None:
    assert ectojob("adopt", "public.jobs").code == 2
    assert "does not name a relation" in ectojob("adopt", "jobs", "--queue", "emails").err
    assert "there is no table public.nothing" in ectojob("adopt", "public.nothing", "--queue", "emails").err


@on_postgres
@pytest.mark.usefixtures("table")
def test_a_lock_that_is_held_is_tried_for_again(
    ectojob: Command, conn: Conn, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = connect(autocommit=False)
    handler.execute("delete from public.jobs where id = 1")
    options = ("adopt", "public.jobs", "--queue", "emails", "--lock-timeout", "0.05")
    given_up = ectojob(*options, "--tries", "1")
    assert (given_up.code, "lock timeout" in given_up.err) == (1, True)
    paused = threading.Event()

    def pause(seconds: float) -> None:
        paused.set()
        handler.commit()

    monkeypatch.setattr(adopt, "sleep", pause)
    assert ectojob(*options).out.splitlines()[1:2] == ["1 RETRY"]
    assert paused.is_set()


@pytest.mark.parametrize("dsn", MYSQL, indirect=True)
def test_on_mysql_it_says_where_the_way_is(ectojob: Command) -> None:
    for command in (["adopt", "app.jobs", "--queue", "emails"], ["unadopt", "emails"]):
        result = ectojob(*command)
        assert (result.code, result.out) == (2, "")
        assert "docs/from-ectojob.md" in result.err
