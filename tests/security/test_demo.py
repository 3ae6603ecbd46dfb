"""The demo's till and workers are members of their roles, where its account may create some."""

from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ectojob_py import demo
from ectojob_py.migrate import migrate

Conn = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def few_sales(conn: Conn, monkeypatch: pytest.MonkeyPatch) -> None:
    conn.execute("drop schema jobs cascade")
    sales = demo._sales()
    monkeypatch.setattr(demo, "_sales", lambda: sales[:300])


def logins(conn: Conn) -> list[tuple[Any, ...]]:
    return conn.execute("select rolname from pg_roles where rolname in ('demo_till', 'demo_worker')").fetchall()


def test_it_runs_as_members_of_roles_who_are_gone_afterwards(
    conn: Conn, dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(demo._Shop(dsn, tmp_path, "psql")) as shop:
        assert shop.run() == 0
        users = [conninfo_to_dict(login)["user"] for login in (shop._till, shop._worker)]
        assert users == ["demo_till", "demo_worker"]
        assert len(logins(conn)) == 2
        with psycopg.connect(shop._worker, autocommit=True) as worker:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                worker.execute("select * from jobs.job")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                worker.execute("select jobs.enqueue('default')")
    assert logins(conn) == []
    migrate(dsn, roles=False)


def test_where_it_may_create_no_roles_it_goes_on_as_the_owner_and_says_so(
    conn: Conn, dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conn.execute(f"create role plain login; grant create on database {conn.info.dbname} to plain".encode())
    theirs = make_conninfo(dsn, user="plain")
    with closing(demo._Shop(theirs, tmp_path, "psql")) as shop:
        assert shop.run() == 0
        assert shop._worker == theirs
    assert "Everybody logs in as the owner" in capsys.readouterr().out
    conn.execute("drop owned by plain cascade; drop role plain")
