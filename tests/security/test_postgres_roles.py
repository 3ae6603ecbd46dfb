"""How roles come, stay through deploys, and go, on PostgreSQL."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from postgres.snapshot import Line, snapshot
from psycopg.conninfo import make_conninfo
from servers import POSTGRES

from ectojob_py import Jobs
from ectojob_py.cli import main
from ectojob_py.migrate import ROOT, migrate, rollback

Conn = psycopg.Connection[Any]
Psql = Callable[..., str]

SCHEMA = "jobs_eu"  # never jobs: roles belong to the whole server, and another test's database uses those
ROLES = {f"{SCHEMA}_{role}" for role in ("owner", "producer", "worker", "reader", "admin")}


@pytest.fixture
def plain(conn: Conn, dsn: str) -> Iterator[list[Line]]:
    """A schema without roles, and a server without traces of them in the end."""
    migrate(dsn, SCHEMA)
    yield snapshot(conn, SCHEMA)
    if conn.execute("select to_regnamespace(%s)", [SCHEMA]).fetchone() != (None,):
        migrate(dsn, SCHEMA, roles=False)
    assert roles(conn) == set()


@pytest.fixture
def psql(request: pytest.FixtureRequest, dsn: str) -> Psql:
    """The server's own psql, on a script of sql/postgres."""
    program = POSTGRES[request.node.callspec.params["postgres_server"]] / "psql"

    def run(script: str, *options: str) -> str:
        command = [str(program), "-X", "-q", "-d", dsn, "-v", f"schema={SCHEMA}", *options]
        return subprocess.run(
            [*command, "-f", str(ROOT / "sql/postgres" / script)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stderr

    return run


def roles(conn: Conn) -> set[str]:
    return {row[0] for row in conn.execute("select rolname from pg_roles where starts_with(rolname, 'jobs_eu_')")}


def owners(conn: Conn) -> set[str]:
    """Return who owns the schema, its relations, its types and its functions."""
    rows = conn.execute(
        "select pg_get_userbyid(nspowner) from pg_namespace where nspname = %(schema)s "
        "union select pg_get_userbyid(relowner) from pg_class where relnamespace = %(schema)s::regnamespace "
        "union select pg_get_userbyid(typowner) from pg_type where typnamespace = %(schema)s::regnamespace "
        "union select pg_get_userbyid(proowner) from pg_proc where pronamespace = %(schema)s::regnamespace",
        {"schema": SCHEMA},
    )
    return {row[0] for row in rows}


@contextmanager
def a_login(conn: Conn, attributes: str = "", *member_of: str) -> Iterator[str]:
    """A login that is gone when the test ends."""
    name = f"login_of_{conn.info.dbname}"
    conn.execute(f"create role {name} login {attributes}".encode())
    conn.execute(f"grant create on database {conn.info.dbname} to {name}".encode())
    for role in member_of:
        conn.execute(f"grant {role} to {name}".encode())
    yield name
    conn.execute(f"drop owned by {name} cascade; drop role {name}".encode())


def test_psql_and_migrate_do_the_same_any_number_of_times(conn: Conn, dsn: str, plain: list[Line], psql: Psql) -> None:
    migrate(dsn, SCHEMA, roles=True)
    granted = snapshot(conn, SCHEMA)
    assert granted != plain
    assert roles(conn) == ROLES
    assert owners(conn) == {f"{SCHEMA}_owner"}
    for again in (
        lambda: migrate(dsn, SCHEMA, roles=True),
        lambda: psql("roles.sql"),
        lambda: migrate(dsn, SCHEMA),
        lambda: psql("install.sql"),
    ):
        again()
        assert snapshot(conn, SCHEMA) == granted


def test_what_they_did_is_undone_without_a_trace(conn: Conn, dsn: str, plain: list[Line], psql: Psql) -> None:
    psql("roles.sql")
    assert psql("roles.rollback.sql") == ""
    assert snapshot(conn, SCHEMA) == plain
    assert owners(conn) == {"postgres"}
    assert roles(conn) == set()
    assert conn.execute("select * from pg_default_acl").fetchall() == []
    migrate(dsn, SCHEMA, roles=True)
    migrate(dsn, SCHEMA, roles=False)
    migrate(dsn, SCHEMA, roles=False)
    assert snapshot(conn, SCHEMA) == plain


def test_a_database_that_quotes_all_names_has_no_other_roles(
    conn: Conn, dsn: str, plain: list[Line], psql: Psql
) -> None:
    migrate(dsn, SCHEMA, roles=True)
    granted = snapshot(conn, SCHEMA)
    conn.execute(f"alter database {conn.info.dbname} set quote_all_identifiers = on".encode())
    for there in (lambda: psql("roles.sql"), lambda: migrate(dsn, SCHEMA, roles=True)):
        psql("roles.rollback.sql")
        assert snapshot(conn, SCHEMA) == plain
        there()
        assert snapshot(conn, SCHEMA) == granted
        assert owners(conn) == {f"{SCHEMA}_owner"}


def test_every_public_function_is_granted_or_the_owners(conn: Conn, dsn: str, plain: list[Line]) -> None:
    """A function that is added must be thought of in grants.sql, too."""
    migrate(dsn, SCHEMA, roles=True)
    ungranted = conn.execute(
        "select proname from pg_proc where pronamespace = %s::regnamespace and cardinality(proacl) = 1 "
        "and obj_description(oid, 'pg_proc') !~ '^Internal'",
        [SCHEMA],
    )
    assert {row[0] for row in ungranted} == {"adopt", "unadopt", "create_ectojob_view", "drop_ectojob_view"}


def test_a_role_that_another_database_uses_stays(conn: Conn, dsn: str, plain: list[Line], psql: Psql) -> None:
    psql("roles.sql")
    conn.execute(f"create table theirs (id integer); grant select on theirs to {SCHEMA}_reader".encode())
    assert f"role {SCHEMA}_reader is still in use and stays" in psql("roles.rollback.sql")
    assert roles(conn) == {f"{SCHEMA}_reader"}
    conn.execute("drop table theirs")


def test_roles_that_merely_exist_get_nothing(conn: Conn, dsn: str, plain: list[Line]) -> None:
    for role in ROLES:
        conn.execute(f"create role {role}".encode())
    migrate(dsn, SCHEMA)
    assert snapshot(conn, SCHEMA) == plain


def test_a_deploy_hands_over_and_grants_what_it_made(conn: Conn, dsn: str, plain: list[Line], psql: Psql) -> None:
    migrate(dsn, SCHEMA, roles=True)
    granted = snapshot(conn, SCHEMA)
    for deploy in (lambda: migrate(dsn, SCHEMA), lambda: psql("install.sql")):
        conn.execute(f"drop function {SCHEMA}.requeue; drop view {SCHEMA}.failed".encode())
        deploy()
        assert snapshot(conn, SCHEMA) == granted
        assert owners(conn) == {f"{SCHEMA}_owner"}


def test_a_function_of_the_future_is_for_nobody(conn: Conn, dsn: str, plain: list[Line]) -> None:
    migrate(dsn, SCHEMA, roles=True)
    conn.execute(
        f"set role {SCHEMA}_owner; create function {SCHEMA}.future() returns integer language sql as 'select 1'; "
        "reset role".encode()
    )
    public = conn.execute("select has_function_privilege('public', %s::regproc, 'execute')", [f"{SCHEMA}.future"])
    assert public.fetchall() == [(False,)]
    conn.execute(f"drop function {SCHEMA}.future".encode())


def test_each_schema_has_its_own_roles(conn: Conn, dsn: str, plain: list[Line]) -> None:
    migrate(dsn, SCHEMA, roles=True)
    with a_login(conn, "", f"{SCHEMA}_producer") as login, psycopg.connect(dsn, user=login, autocommit=True) as theirs:
        assert Jobs(theirs, SCHEMA).enqueue("default") == 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            Jobs(theirs, "jobs").enqueue("default")


def test_who_may_create_roles_need_not_be_a_superuser(conn: Conn, dsn: str, psql: Psql) -> None:
    with a_login(conn, "createrole") as login:
        theirs = make_conninfo(dsn, user=login)
        migrate(theirs, SCHEMA, roles=True)
        assert owners(conn) == {f"{SCHEMA}_owner"}
        conn.execute(f"drop function {SCHEMA}.requeue".encode())
        migrate(theirs, SCHEMA)
        psql("roles.sql", "-U", login)
        assert owners(conn) == {f"{SCHEMA}_owner"}
        migrate(theirs, SCHEMA, roles=False)
        assert owners(conn) == {login}
        migrate(theirs, SCHEMA, roles=True)
        assert "0001_queue" in rollback(theirs, SCHEMA)
        migrate(theirs, SCHEMA, roles=False)
    assert roles(conn) == set()


@pytest.mark.parametrize("may_create", [True, False])
def test_so_it_is_where_ectojob_has_a_view(conn: Conn, dsn: str, may_create: bool) -> None:
    """The view follows the rest where the owner role may have one in its schema; it works either way."""
    with a_login(conn, "createrole") as login, psycopg.connect(dsn, user=login, autocommit=True) as theirs:
        migrate(make_conninfo(dsn, user=login), SCHEMA)
        theirs.execute("create schema elixir")
        theirs.execute(f"select {SCHEMA}.create_ectojob_view('default', 'elixir.jobs')".encode())
        if may_create:
            theirs.execute(f"create role {SCHEMA}_owner".encode())
            theirs.execute(f"grant usage, create on schema elixir to {SCHEMA}_owner".encode())
        for roles_wanted, owner in ((True, f"{SCHEMA}_owner" if may_create else login), (False, login)):
            migrate(make_conninfo(dsn, user=login), SCHEMA, roles=roles_wanted)
            query = "select pg_get_userbyid(relowner) from pg_class where oid = 'elixir.jobs'::regclass"
            assert theirs.execute(query).fetchall() == [(owner,)]
            theirs.execute("insert into elixir.jobs (params, inserted_at, updated_at) values ('{}', now(), now())")
            assert theirs.execute("delete from elixir.jobs").rowcount == 1
        theirs.execute("drop schema elixir cascade")
        theirs.execute(f"drop schema {SCHEMA} cascade")
        conn.execute(f"drop role if exists {SCHEMA}_owner".encode())


def test_who_may_not_create_roles_is_told_so_and_nothing_happened(conn: Conn, dsn: str) -> None:
    with a_login(conn) as login:
        theirs = make_conninfo(dsn, user=login)
        migrate(theirs, SCHEMA)
        before = snapshot(conn, SCHEMA)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="create role"):
            migrate(theirs, SCHEMA, roles=True)
        assert snapshot(conn, SCHEMA) == before


@pytest.mark.parametrize(("script", "remedy"), [("roles.sql", "install.sql"), ("roles.rollback.sql", "-v schema")])
def test_where_nothing_is_installed_the_script_says_what_to_do(
    conn: Conn, psql: Psql, script: str, remedy: str
) -> None:
    for schema in ("", "create schema jobs_eu"):
        conn.execute(schema.encode())
        with pytest.raises(subprocess.CalledProcessError) as caught:
            psql(script)
        assert "not installed in schema" in caught.value.stderr
        assert remedy in caught.value.stderr


def test_roles_can_be_taken_back_when_the_tables_are_gone(conn: Conn, dsn: str, psql: Psql) -> None:
    migrate(dsn, SCHEMA, roles=True)
    rollback(dsn, SCHEMA)
    psql("roles.rollback.sql")
    assert roles(conn) == set()


def test_a_schema_whose_roles_would_have_cut_names_is_refused(conn: Conn, dsn: str) -> None:
    with pytest.raises(psycopg.errors.NameTooLong, match="more than 45 bytes"):
        migrate(dsn, "j" * 46, roles=True)
    assert conn.execute("select 1 from pg_roles where rolname ~ '^jjj'").fetchall() == []


def test_the_manifests_name_files_of_their_own() -> None:
    named = {
        line.split()[1]
        for script in ("install.sql", "roles.sql", "roles.rollback.sql")
        for line in (ROOT / "sql/postgres" / script).read_text().splitlines()
        if line.startswith("\\ir roles/")
    }
    assert named == {f"roles/{path.name}" for path in (ROOT / "sql/postgres/roles").glob("*.sql")}


def test_the_command_line_says_what_became_of_the_roles(
    conn: Conn, dsn: str, plain: list[Line], capsys: pytest.CaptureFixture[str]
) -> None:
    for flag, said, there in (("--roles", "granted", ROLES), ("--no-roles", "taken back", set())):
        assert main(["migrate", "--dsn", dsn, "--schema", SCHEMA, flag]) == 0
        assert f"roles jobs_eu_*: {said}" in capsys.readouterr().out
        assert roles(conn) == there
