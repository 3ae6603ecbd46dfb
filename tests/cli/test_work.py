"""``ectojob work``: a real process, its signals, and what it refuses before it starts."""

import logging
import re
import signal
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from contract.harness import Db
from worker.waiting import line_with

from cli.conftest import Ask, Command, Start

HANDLERS = """
import time

def perform(conn, job):
    with conn.cursor() as cursor:
        cursor.execute("insert into jobs.done values (%s)", [job.id])

by_type = {"receipt": perform}

def stubborn(conn, job):
    open("begun", "w").close()
    time.sleep(60)

async def later(conn, job): ...

class Shop:
    perform = staticmethod(perform)

empty = {}
odd = {"receipt": 42}
mixed = {"receipt": perform, "later": later}
limit = 7
"""


@pytest.fixture
def handlers(tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules in the current folder, and a table their handlers write into."""
    (tmp_path / "handlers.py").write_text(HANDLERS)
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n")
    (tmp_path / "faulty.py").write_text("x = 1\ndef perform(conn, job) return\n")
    (tmp_path / "leaving.py").write_text("raise SystemExit(0)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "handlers", raising=False)
    ask("create table jobs.done (id bigint)")
    yield
    ask("drop table jobs.done")
    logging.getLogger("ectojob").setLevel(logging.NOTSET)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("target", ["handlers:perform", "handlers:by_type", "handlers:Shop.perform"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_works_until_it_is_told_to_stop(start: Start, db: Db, ask: Ask, target: str, number: signal.Signals) -> None:
    jobs = db.jobs
    jobs.create_queue("emails")
    first = jobs.enqueue("default", {"type": "receipt"})
    process = start("work", target, "--queue", "default", "-q", "emails", "--max-demand", "2")
    assert re.match(r"\d{4}-\d\d-\d\d .* INFO +default\[1\] done in [0-9.]+ ms$", line_with(process, "done"))
    second = jobs.enqueue("emails", {"type": "receipt"})
    line_with(process, f"emails[{second}] done in")
    process.send_signal(number)
    said, _ = process.communicate(timeout=20)
    assert (process.returncode, said) == (0, "")
    assert ask("select id from jobs.done order by id") == [(first,), (second,)]
    assert db.all_jobs() == []


@pytest.mark.usefixtures("handlers")
def test_until_empty_it_ends_by_itself(start: Start, db: Db, ask: Ask) -> None:
    ids = [db.jobs.enqueue("default", {"type": "receipt"}) for _ in range(3)]
    later = db.jobs.enqueue("default", {"type": "receipt"}, schedule=db.now() + timedelta(hours=1))
    process = start("work", "handlers:by_type", "-q", "default", "--until-empty")
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert ask("select id from jobs.done order by id") == [(id,) for id in ids]
    assert [job["id"] for job in db.all_jobs()] == [later]


@pytest.mark.usefixtures("handlers")
def test_jobs_left_behind_are_exit_code_3(start: Start, db: Db, ask: Ask, tmp_path: Path) -> None:
    id = db.jobs.enqueue("default")
    process = start("work", "handlers:stubborn", "-q", "default", "--grace", "0.1")
    while not (tmp_path / "begun").exists():
        assert process.poll() is None
    process.terminate()
    _, said = process.communicate(timeout=20)
    assert process.returncode == 3
    assert f"default[{id}] outlived the grace period, released" in said
    assert ask("select state, attempt, max_attempts from jobs.job") == [("AVAILABLE", 1, 6)]


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(("options", "silent"), [(["--log-level", "warning"], "done"), (["--no-log"], "")])
def test_how_much_is_logged(start: Start, db: Db, ask: Ask, options: list[str], silent: str) -> None:
    id = db.jobs.enqueue("default", {"type": "receipt"})
    process = start("work", "handlers:by_type", "-q", "default", *options)
    while (id,) not in ask("select id from jobs.done"):
        assert process.poll() is None
    process.terminate()
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert silent not in said or said == silent


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("options", [[], ["--no-log"], ["--processes", "2"]])
def test_a_handlers_module_may_configure_logging(start: Start, db: Db, tmp_path: Path, options: list[str]) -> None:
    configured = "import logging.config\nlogging.config.dictConfig({'version': 1})\n"
    (tmp_path / "configured.py").write_text(configured + HANDLERS)
    id = db.jobs.enqueue("default", {"type": "receipt"})
    process = start("work", "configured:by_type", "-q", "default", "--until-empty", *options)
    _, said = process.communicate(timeout=40)
    assert process.returncode == 0
    assert (f"default[{id}] done in" in said) is (options != ["--no-log"])


@pytest.mark.usefixtures("handlers")
def test_the_options_reach_the_worker(ectojob: Command, monkeypatch: pytest.MonkeyPatch, dsn: str) -> None:
    given: dict[str, Any] = {}

    class Spy:
        def __init__(self, **options: Any) -> None:
            given.update(options)

        def run(self) -> int:
            return 0

    monkeypatch.setattr("ectojob_py.cli.work.Worker", Spy)
    assert ectojob("work", "handlers:perform", "-q", "default").code == 0
    assert callable(given.pop("perform"))
    defaults = {
        "dsn": dsn, "queue": ["default"], "schema": "jobs", "max_demand": 100, "connections": None, "log": True,
        "transaction": True, "batch_size": None,
        "poll_interval": 60.0, "execution_timeout": None, "retry_timeout": None, "grace": 30.0,
        "until_empty": False,
    }  # fmt: skip
    assert given == defaults

    options = ["--max-demand=5", "--connections=2", "--poll-interval=1m30s", "--execution-timeout=1h", "--no-log"]
    options += ["--retry-timeout=0.5", "--grace=0", "--schema=jobs_eu", "--queue=a", "--queue=b", "--until-empty"]
    assert ectojob("work", "handlers:by_type", *options).code == 0
    assert set(given.pop("perform")) == {"receipt"}
    assert given == {
        "dsn": dsn, "queue": ["a", "b"], "schema": "jobs_eu", "max_demand": 5, "connections": 2, "log": False,
        "transaction": True, "batch_size": None,
        "poll_interval": 90.0, "execution_timeout": 3600.0, "retry_timeout": 0.5, "grace": 0.0,
        "until_empty": True,
    }  # fmt: skip


@pytest.mark.usefixtures("handlers")
def test_targets_that_make_no_sense(ectojob: Command) -> None:
    for target, says, hint in [
        ("handlers", "does not name a handler", "module:function"),
        (":perform", "does not name a handler", "module:function"),
        ("handlers:", "does not name a handler", "module:function"),
        ("no_such_module:perform", "No module named 'no_such_module'", "Is it in /"),
        ("handlers.sub:perform", "'handlers' is not a package", "Is it in /"),
        ("..handlers:perform", "does not name a handler", "module:function"),
        ("../handlers:perform", "does not name a handler", "module:function"),
        ("broken:perform", "No module named 'nothing_of_that_name'", "broken.py, line 1"),
        ("faulty:perform", "SyntaxError", "faulty.py, line 2"),
        ("leaving:perform", "SystemExit", "leaving.py, line 1"),
        ("handlers:nope", "module handlers has no nope", "perform, stubborn"),
        ("handlers:limit", "handlers:limit: int can't be called", "function (conn, job)"),
        ("handlers:empty", "handlers:empty: dict with no handlers", "mapping"),
        ("handlers:odd", "dict with something that can't be called", "mapping"),
        ("handlers:mixed", "some of the handlers are async and some are not", "Two queues"),
    ]:
        result = ectojob("work", target, "--queue", "default")
        assert (result.code, result.out) == (2, ""), target
        [error, remedy] = result.err.splitlines()
        assert says in error, target
        assert hint in remedy, target


@pytest.mark.usefixtures("handlers")
def test_options_that_make_no_sense(ectojob: Command) -> None:
    for options in (
        [],
        ["-q", "default", "--max-demand", "0"],
        ["-q", "default", "--max-demand", "many"],
        ["-q", "default", "--connections", "0"],
        ["-q", "default", "--grace", "-1"],
        ["-q", "default", "--poll-interval", "soon"],
        ["-q", "default", "--log-level", "loud"],
    ):
        result = ectojob("work", "handlers:perform", *options)
        assert (result.code, result.out) == (2, ""), options
        assert "Usage: ectojob work" in result.err, options


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(
    ("option", "error", "hint"),
    [
        ("--no-transaction", "can't be called as (job)", "--no-transaction (job)"),
        ("--poll-interval=0", "poll_interval must be more than 0", "--help"),
        ("--execution-timeout=0", "execution_timeout must be more than 0", "--help"),
        ("--retry-timeout=31d", "retry_timeout must be at most 30 days", "--help"),
    ],
)
def test_what_would_make_every_job_fail_is_refused_before_the_first(
    ectojob: Command, option: str, error: str, hint: str
) -> None:
    result = ectojob("work", "handlers:perform", "-q", "default", option)
    assert (result.code, result.out) == (2, "")
    said, remedy = result.err.splitlines()
    assert error in said
    assert hint in remedy


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(
    ("options", "error", "hint"),
    [
        (["-q", "default", "-q", "nope"], "error: unknown queue 'nope'", "create_queue"),
        (["-q", "default", "--schema", "nowhere"], "error: ectojob is not installed in", "migrate"),
        (["-q", "default", "--dsn", "host=/nowhere user=joe password=hush"], "/nowhere", "dsn"),
    ],
)
def test_it_refuses_to_start(start: Start, options: list[str], error: str, hint: str) -> None:
    said, told = start("work", "handlers:perform", *options).communicate(timeout=20)
    assert said == ""
    assert [line.partition(":")[0] for line in told.splitlines()] == ["error", "hint"]
    assert error in told
    assert hint in told.splitlines()[1]
    assert "hush" not in told
