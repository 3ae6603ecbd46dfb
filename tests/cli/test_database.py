"""Which database is meant, and what is said when there is none."""

import sys

import pytest
from contract.harness import Db
from psycopg.conninfo import conninfo_to_dict

from cli.conftest import Ask, Command

ODD = 'jobs%s "eu"'


def url(dsn: str) -> str:
    """Return a dsn as a URL."""
    if "://" in dsn:
        return dsn
    parts = conninfo_to_dict(dsn)
    return f"postgresql://{parts['user']}@/{parts['dbname']}?host={parts['host']}&port={parts['port']}"


def test_the_dsn_may_stand_anywhere(bare: Command, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bare("queues", "--dsn", dsn).code == 0
    assert bare("--dsn", url(dsn), "queues").code == 0
    monkeypatch.setenv("DATABASE_URL", url(dsn))
    assert bare("queues").code == 0
    monkeypatch.setenv("DATABASE_URL", "host=/nowhere")
    assert bare("--dsn", "host=/elsewhere", "queues", "--dsn", dsn).code == 0
    assert "/elsewhere" in bare("--dsn", "host=/elsewhere", "queues").err


def test_the_schema_may_stand_anywhere(ectojob: Command, db: Db) -> None:
    assert ectojob("migrate", "--schema", ODD).code == 0
    ectojob("--schema", ODD, "queue", "create", "eu")
    names = [row["queue"] for row in ectojob("queues", "--schema", ODD, "--json").document["queues"]]
    assert names == ["default", "eu"]
    assert [row["queue"] for row in ectojob("--json", "queues").document["queues"]] == [db.queue()["name"]]


def test_a_worker_works_in_any_schema(ectojob: Command) -> None:
    for command in (["migrate"], ["enqueue", "default"], ["work", "builtins:print", "-q", "default", "--until-empty"]):
        assert ectojob(*command, "--schema", ODD).code == 0
    assert ectojob("jobs", "--schema", ODD, "--json").document == {"jobs": []}


def test_moments_and_durations_are_read_in_whatever_style_the_database_prefers(
    ectojob: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ectojob("queues", "--settings", "--json").document
    monkeypatch.setenv("PGOPTIONS", "-c datestyle=German -c intervalstyle=iso_8601")
    assert ectojob("queues", "--settings", "--json").document == before
    assert ectojob("queue", "create", "emails").code == 0
    assert ectojob("enqueue", "emails").code == 0
    assert ectojob("jobs").code == 0


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "no database given"),
        (["--dsn", " "], "no database given"),
        (["--schema", ""], "--schema names no schema"),
        (["--dsn", "hush"], "neither a postgresql:// or mysql:// URL nor"),
        (["--dsn", "postgresql+psycopg://joe:hush@host/db"], "neither a postgresql:// or mysql:// URL nor"),
        (["--dsn", "mysql+pymysql://joe:hush@host/db"], "neither a postgresql:// or mysql:// URL nor"),
        (["--dsn", "postgresql://joe:hu@sh@host/db"], "more than one @"),
        (["--dsn", "host=x pasword=hush"], "neither a postgresql:// or mysql:// URL nor"),
        (["--dsn", "mysql://joe:hu#sh@host/db"], "must be written as %23"),
        (["--dsn", "mysql://joe:hu/sh@host/db"], "must be written as %23"),
        (["--dsn", "mysql://joe:hush@host:port/db"], "no number from 0 to 65535"),
        (["--dsn", "mysql://joe:hush@[host/db"], "not a URL"),
        (["--dsn", "mysql://joe:hush@host/?pasword=hush"], "unknown setting"),
        (["--dsn", "mysql://joe:hush@host/?connect_timeout=hush"], "connect_timeout is no whole number"),
        (["--dsn", "mysql://joe:hush@host/?ssl_verify_cert=hush"], "ssl_verify_cert is no true or false"),
    ],
)
def test_a_dsn_that_makes_no_sense_is_not_repeated(bare: Command, given: list[str], says: str) -> None:
    for command in (["queues"], ["migrate"], ["enqueue", "default"], ["work", "os.path:join", "-q", "default"]):
        result = bare(*command, *given)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("error: ")
        assert says in result.err
        assert "\nhint: " in result.err
        assert "hush" not in result.err
        assert "sh@" not in result.err


def test_a_mysql_dsn_without_the_driver(bare: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("pymysql", "ectojob_py.mysql."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pymysql", None)
    for command in (["queues"], ["migrate"], ["demo"], ["work", "os.path:join", "-q", "default"]):
        result = bare(*command, "--dsn", "mysql://joe@host/")
        assert (result.code, result.out) == (1, ""), command
        assert result.err.splitlines() == [
            "error: a mysql:// dsn needs PyMySQL",
            "hint: Install it, too: pip install PyMySQL",
        ]


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_database_that_cannot_be_reached(bare: Command, kind: str) -> None:
    for command in (["queues"], ["migrate"], ["enqueue", "default"]):
        result = bare(*command, "--dsn", f"{kind}://joe:hush@127.0.0.1:1/db")
        assert (result.code, result.out) == (1, "")
        [error, hint] = result.err.splitlines()
        assert "127.0.0.1" in error
        assert hint.startswith("hint: Check")
        assert "hush" not in result.err


def test_odd_settings_of_a_dsn_are_errors_like_any_other(bare: Command) -> None:
    result = bare("queues", "--dsn", "host=/nowhere connect_timeout=soon")
    assert (result.code, result.err.splitlines()[0]) == (
        1,
        "error: cannot connect: bad value for connect_timeout: 'soon'",
    )


@pytest.mark.parametrize(
    "command",
    [
        ["queues"],
        ["jobs"],
        ["jobs", "--queue", "default"],
        ["enqueue", "default"],
        ["requeue", "default", "1"],
        ["requeue", "default", "--all-failed"],
        ["remove", "default", "1"],
        ["queue", "create", "emails"],
    ],
    ids=" ".join,
)
def test_a_schema_without_ectojob(ectojob: Command, command: list[str]) -> None:
    result = ectojob(*command, "--schema", "nowhere")
    assert (result.code, result.out) == (1, "")
    assert result.err.splitlines() == [
        "error: ectojob is not installed in schema nowhere, or is older than this command",
        "hint: run: ectojob migrate --schema nowhere, with the owner's dsn",
    ]


def test_what_the_database_forbids(ectojob: Command, ask: Ask, dsn: str) -> None:
    if dsn.startswith("mysql:"):
        ask("create user stranger")
        stranger, code = dsn.replace("root", "stranger"), "[1142]"
        says = "error: SELECT command denied to user 'stranger'@'localhost' for table"
    else:
        ask("create role stranger login")
        stranger, code, says = f"{dsn} user=stranger", "[42501]", "error: permission denied for schema jobs"
    try:
        result = ectojob("queues", "--dsn", stranger)
        assert result.code == 1
        error, hint = result.err.splitlines()
        assert error.startswith(says)
        assert error.endswith(code)
        assert "jobs_reader or jobs_admin" in hint
    finally:
        ask("drop user stranger")
