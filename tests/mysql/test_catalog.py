"""What the catalog says is what the files say, and a redeploy or a way back leaves nothing else."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ectojob_py.migrate import ROOT, migrate, rollback

from .conftest import Ask, socket_of

SQL = ROOT / "sql" / "mysql"
MANIFEST = re.findall(r"^source (\w\S+)", (SQL / "install.sql").read_text(), re.MULTILINE)
FILES = sorted(path.relative_to(SQL).as_posix() for path in SQL.glob("*/*.sql") if path.parent.name != "roles")
ROUTINES = {Path(name).stem for name in MANIFEST if not name.startswith("views/")}
VIEWS = {Path(name).stem for name in MANIFEST if name.startswith("views/")}
OBJECTS = """
    select table_name, table_type from information_schema.tables where table_schema = %s
    union all
    select routine_name, routine_type from information_schema.routines where routine_schema = %s
"""


def test_the_manifest_names_every_file_once() -> None:
    assert sorted(MANIFEST) == FILES


def test_the_state_machine_has_the_same_arrows_as_on_postgres() -> None:
    ours, theirs = SQL / "transitions", ROOT / "sql" / "postgres" / "transitions"
    arrows = {path.name: path.read_text().splitlines()[0] for path in ours.iterdir()}
    assert arrows == {path.name: path.read_text().splitlines()[0] for path in theirs.iterdir()}


def test_the_catalog_has_what_the_files_have(ask: Ask) -> None:
    found = ask("select routine_name from information_schema.routines where routine_schema = 'jobs'")
    assert {name for (name,) in found} == ROUTINES
    views = ask("select table_name from information_schema.views where table_schema = 'jobs'")
    assert {name for (name,) in views} == VIEWS


@pytest.mark.parametrize("name", [name for name in MANIFEST if not name.startswith("views/")])
def test_a_file_holds_the_routine_it_is_named_after(name: str) -> None:
    drop, create = (SQL / name).read_text().split(" //\n")
    [dropped] = re.findall(r"^/\*!80000 drop \w+ if exists `?(\w+)`? \*/$", drop, re.MULTILINE)
    [created] = re.findall(r"^create /\*M! or replace \*/ \w+ `?(\w+)`?\(", create, re.MULTILINE)
    assert dropped == created == Path(name).stem


def test_what_is_public_runs_with_its_owners_rights_and_the_rest_with_its_callers(ask: Ask) -> None:
    rows = ask("select routine_name, security_type, routine_comment from information_schema.routines")
    security = {name: (kind, comment) for name, kind, comment in rows if name in ROUTINES}
    for name, (kind, comment) in security.items():
        assert (kind == "INVOKER") == comment.startswith("Internal."), name


def test_every_argument_is_told_apart_from_the_columns(ask: Ask) -> None:
    names = ask("select parameter_name from information_schema.parameters where specific_schema = 'jobs'")
    assert [name for (name,) in names if name and not name.startswith("p_")] == []


def test_whoever_begins_a_transaction_undoes_it_in_the_same_words() -> None:
    guards = set()
    for name in FILES:
        text = (SQL / name).read_text()
        guard = re.findall(
            r"^    declare exit handler for sqlexception\n.*?^    end;\n", text, re.MULTILINE | re.DOTALL
        )
        begins = "call begin_call(" in text
        assert len(guard) == begins, name
        assert begins == ("call end_call(" in text), name
        guards |= set(guard)
    assert len(guards) == 1


def test_every_statement_is_static() -> None:
    for name in FILES:
        assert not re.search(r"\b(prepare|execute immediate|deallocate)\b", (SQL / name).read_text()), name


def test_the_way_back_leaves_nothing_but_what_is_yoyos(dsn: str, ask: Ask) -> None:
    migrate(dsn, "short lived")
    rollback(dsn, "short lived")
    left = {name for name, _ in ask(OBJECTS, "short lived", "short lived")}
    ask("drop database `short lived`")
    assert left == {"_yoyo_log", "_yoyo_migration", "_yoyo_version", "yoyo_lock"}


def test_an_interrupted_migration_is_begun_anew(dsn: str, ask: Ask) -> None:
    migrate(dsn, "short lived")
    ask("delete from `short lived`._yoyo_migration")
    ask("delete from `short lived`.migration")
    again = migrate(dsn, "short lived")
    queues = ask("select name from `short lived`.queue")
    ask("drop database `short lived`")
    assert (again, queues) == (["0001_queue", "0002_job"], [("default",)])


@pytest.mark.skipif(not shutil.which("mariadb"), reason="needs the mariadb client")
def test_the_client_installs_the_same_and_migrate_goes_on_from_there(dsn: str, ask: Ask) -> None:
    socket = socket_of(dsn)
    ask("create database by_client character set latin1")
    command = ["mariadb", "--no-defaults", "--comments", "-uroot", f"--socket={socket}", "by_client"]
    for _ in range(2):
        with (SQL / "install.sql").open() as script:
            subprocess.run(command, stdin=script, cwd=SQL, check=True, capture_output=True)
    definitions = """
        select routine_name, data_type, routine_definition, security_type, sql_mode, routine_comment
        from information_schema.routines where routine_schema = %s order by 1
    """
    columns = """
        select table_name, column_name, column_type, column_default, is_nullable, collation_name, column_comment
        from information_schema.columns where table_schema = %s and table_name not like '%%yoyo%%' order by 1, 2
    """
    indexes = """
        select table_name, index_name, seq_in_index, column_name from information_schema.statistics
        where table_schema = %s and table_name not like '%%yoyo%%' order by 1, 2, 3
    """
    same: list[Any] = [(ask(query, "by_client"), ask(query, "jobs")) for query in (definitions, columns, indexes)]
    applied = migrate(dsn, "by_client")
    ask("drop database by_client")
    for by_client, by_yoyo in same:
        assert by_client == by_yoyo
    assert applied == []


def test_a_server_that_refuses_functions_gets_everything_else(
    dsn: str, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    [(logs,)] = ask("select @@log_bin")
    ask("set global log_bin_trust_function_creators = 0")
    migrate(dsn, "short lived")
    ask("set global log_bin_trust_function_creators = 1")
    found = {name for name, _ in ask(OBJECTS, "short lived", "short lived")}
    ask("drop database `short lived`")
    assert found >= ROUTINES - {"enqueue_id"}
    assert ("enqueue_id" not in found) == bool(logs)
    assert ("log_bin_trust_function_creators" in caplog.text) == bool(logs)
