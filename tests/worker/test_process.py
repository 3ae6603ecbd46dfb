"""Workers as processes that are asked to stop, killed and frozen. Each job has one effect, counted without a key."""

import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ectojob_py import Jobs

from .conftest import working
from .waiting import asleep, line_with, until

Conn = psycopg.Connection[Any]
Start = Callable[..., subprocess.Popen[str]]

LEFT_BEHIND = 3

HANDLERS = """
import asyncio
import multiprocessing
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep


def perform(conn, job):
    conn.execute("insert into effect values (%s, pg_backend_pid())", [job.id])


def waits(conn, job):
    # The statement ends when the test lets go of the lock; until then the effect is written and not committed.
    perform(conn, job)
    conn.execute("select pg_advisory_xact_lock_shared(%s)", [job.params.get("gate", 1)])


pool = ThreadPoolExecutor(1)


def lasts():
    Path("begun").touch()
    sleep(60)


def uses_a_pool(conn, job):
    pool.submit(lasts).result()


async def uses_a_thread(conn, job):
    try:
        await asyncio.to_thread(lasts)
    finally:
        Path("tidied").touch()


def fork(job):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    match job.params["child"]:
        case "exits":
            sys.exit(7)
        case "gives up":
            sys.exit("no more")
        case "fails":
            raise ValueError("in the child")


def has_a_child(conn, job):
    perform(conn, job)
    if (code := fork(job)) is not None:
        conn.execute("insert into effect values (%s, %s)", [job.id, -code])


async def has_a_child_awaited(conn, job):
    await conn.execute("insert into effect values (%s, pg_backend_pid())", [job.id])
    if (code := fork(job)) is not None:
        await conn.execute("insert into effect values (%s, %s)", [job.id, -code])


def has_a_child_alone(job):
    if (code := fork(job)) is not None:
        with open("codes", "a") as codes:
            print(-code, file=codes)


def lingers(begun):
    begun.set()
    sleep(60)


def forks(conn, job):
    fork = multiprocessing.get_context("fork")
    begun = fork.Event()
    child = fork.Process(target=lingers, args=(begun,))
    child.start()
    begun.wait()
    child.terminate()
    child.join(10)
    ended = child.exitcode
    child.kill()
    conn.execute("insert into effect values (%s, %s)", [job.id, ended])
"""


@pytest.fixture
def effects(conn: Conn) -> Conn:
    conn.execute("create table effect (job bigint, backend integer)")
    return conn


@pytest.fixture
def start(dsn: str, tmp_path: Path) -> Iterator[Start]:
    """Start ``ectojob work`` in a folder that holds the handlers; what still runs in the end is killed."""
    (tmp_path / "handlers.py").write_text(HANDLERS)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # else, of tests under nohup, workers ignore it
    started: list[subprocess.Popen[str]] = []

    def start(handler: str, *options: str) -> subprocess.Popen[str]:
        started.append(working(tmp_path, dsn, handler, "default", *options))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def row(conn: Conn, id: int) -> Any:
    return conn.execute("select state, attempt, max_attempts from jobs.job where id = %s", [id]).fetchone()


def audit(conn: Conn) -> list[tuple[int, int]]:
    """Return the jobs that have more than one effect, and how many."""
    return conn.execute("select job, count(*) from effect group by job having count(*) > 1").fetchall()


def count(conn: Conn, query: str) -> int:
    [(number,)] = conn.execute(query.encode()).fetchall()
    return int(number)


def has_effects(conn: Conn, number: int) -> bool:
    return count(conn, "select count(*) from effect") >= number


def at_the_gate(conn: Conn) -> int:
    """How many handlers have written and now wait for the test."""
    waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    return count(conn, f"{waiting} and database = (select oid from pg_database where datname = current_database())")


def ended(process: subprocess.Popen[str]) -> int:
    return process.wait(timeout=20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_lets_the_running_jobs_end_and_takes_no_more(
    effects: Conn, start: Start, number: signal.Signals
) -> None:
    effects.execute("select pg_advisory_lock(1)")
    running, waiting = Jobs(effects).enqueue_many("default", [{}, {}])
    process = start("waits", "--max-demand", "1")
    until(lambda: at_the_gate(effects) == 1)
    process.send_signal(number)
    line_with(process, f"{number.name}: stopping")
    assert row(effects, running)[0] == "IN_PROGRESS"
    effects.execute("select pg_advisory_unlock(1)")
    assert ended(process) == 0
    assert row(effects, running) is None
    assert row(effects, waiting) == ("AVAILABLE", 0, 5)
    assert count(effects, "select count(*) from effect") == 1


def test_an_idle_worker_ends_at_once(effects: Conn, start: Start) -> None:
    process = start("perform", "--grace", "1h")
    id = Jobs(effects).enqueue("default")
    until(lambda: row(effects, id) is None)
    process.terminate()
    assert ended(process) == 0


@pytest.mark.usefixtures("one_server")
def test_under_nohup_it_outlives_its_terminal(effects: Conn, start: Start) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = start("perform")
    finally:
        signal.signal(signal.SIGHUP, before)
    for _ in range(2):
        id = Jobs(effects).enqueue("default")
        line_with(process, f"default[{id}] done in")
        process.send_signal(signal.SIGHUP)
    process.terminate()
    assert ended(process) == 0


@pytest.mark.usefixtures("one_server")
def test_a_signal_is_heard_also_while_it_connects(dsn: str, start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = start("perform", "--dsn", make_conninfo(dsn, host="127.0.0.1", port=server.getsockname()[1]))
        near, _ = server.accept()
        with near:
            process.terminate()
            line_with(process, "SIGTERM: stopping")
    assert ended(process) == 0


def test_what_outlives_the_grace_period_is_given_back_with_its_attempt(effects: Conn, start: Start) -> None:
    effects.execute("select pg_advisory_lock(1)")
    id = Jobs(effects).enqueue("default", max_attempts=1)
    process = start("waits", "--grace", "0.1")
    until(lambda: at_the_gate(effects) == 1)
    process.terminate()
    assert ended(process) == LEFT_BEHIND
    assert row(effects, id) == ("AVAILABLE", 1, 2)
    effects.execute("select pg_advisory_unlock(1)")
    start("perform")
    until(lambda: row(effects, id) is None)
    assert count(effects, "select count(*) from effect") == 1


@pytest.mark.usefixtures("one_server")
@pytest.mark.parametrize("handler", ["uses_a_pool", "uses_a_thread"])
@pytest.mark.parametrize("processes", ["1", "2"])
def test_the_grace_period_is_the_end_whatever_threads_a_handler_has_started(
    conn: Conn, start: Start, tmp_path: Path, handler: str, processes: str
) -> None:
    id = Jobs(conn).enqueue("default")
    process = start(handler, "--grace", "0.1", "--processes", processes)
    until((tmp_path / "begun").exists)
    process.terminate()
    _, said = process.communicate(timeout=20)
    assert process.returncode == LEFT_BEHIND
    assert f"default[{id}] outlived the grace period, released" in said
    assert (tmp_path / "tidied").exists() is (handler == "uses_a_thread")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(effects: Conn, start: Start, number: signal.Signals) -> None:
    effects.execute("select pg_advisory_lock(1)")
    id = Jobs(effects).enqueue("default", max_attempts=1)
    process = start("waits", "--grace", "1h")
    until(lambda: at_the_gate(effects) == 1)
    process.terminate()
    process.send_signal(number)  # of the same stop
    line_with(process, ": stopping")
    sleep(0.6)
    assert process.poll() is None
    process.send_signal(number)
    assert ended(process) == LEFT_BEHIND
    assert row(effects, id) == ("AVAILABLE", 1, 2)
    assert count(effects, "select count(*) from effect") == 0


@pytest.mark.usefixtures("one_server")
def test_a_child_that_a_handler_forked_can_be_terminated(effects: Conn, start: Start) -> None:
    start("forks")
    id = Jobs(effects).enqueue("default")
    until(lambda: row(effects, id) is None)
    assert effects.execute("select job, backend from effect").fetchall() == [(id, -signal.SIGTERM)]


@pytest.mark.usefixtures("one_server")
@pytest.mark.parametrize("handler", ["has_a_child", "has_a_child_awaited", "has_a_child_alone"])
def test_a_child_that_a_handler_forked_ends_with_the_handler_and_leaves_its_transaction_alone(
    effects: Conn, start: Start, tmp_path: Path, handler: str
) -> None:
    for child in ("returns", "exits", "gives up", "fails"):
        Jobs(effects).enqueue("default", {"child": child}, max_attempts=1)
    alone = handler == "has_a_child_alone"
    process = start(handler, "--max-demand", "1", "--until-empty", *["--no-transaction"] * alone)
    _, said = process.communicate(timeout=40)
    assert process.returncode == 0
    assert said.count("done in") == 4
    assert "ValueError: in the child\n" in said
    assert "no more\n" in said
    if alone:
        codes = [int(code) for code in (tmp_path / "codes").read_text().split()]
    else:
        codes = [code for (code,) in effects.execute("select backend from effect where backend <= 0 order by job")]
        assert count(effects, "select count(*) from effect where backend > 0") == 4
    assert codes == [0, -7, -1, -1]


@pytest.mark.usefixtures("one_server")
def test_killed_workers_leave_every_job_exactly_one_effect(effects: Conn, start: Start) -> None:
    jobs, kills = 500, 4
    ids = Jobs(effects).enqueue_many("default", [{}] * jobs, max_attempts=kills + 1)
    options = ("--execution-timeout", "1s", "--max-demand", "4", "--connections", "4", "--log-level", "warning")
    workers = [start("waits", *options)]
    for kill in range(kills):
        enough = (kill + 1) * jobs // (kills + 1)
        until(partial(has_effects, effects, enough))
        effects.execute("select pg_advisory_lock(1)")
        until(lambda: at_the_gate(effects) >= 2)
        workers[-1].kill()
        workers[-1].wait()
        effects.execute("select pg_advisory_unlock(1)")
        workers.append(start("waits", *options))
    until(lambda: count(effects, "select count(*) from jobs.job") == 0)
    assert audit(effects) == []
    assert sorted(id for (id,) in effects.execute("select job from effect")) == ids


@pytest.mark.usefixtures("one_server")
def test_a_frozen_worker_that_comes_back_changes_nothing(effects: Conn, start: Start) -> None:
    effects.execute("select pg_advisory_lock(1)")
    id = Jobs(effects).enqueue("default")
    zombie = start("waits", "--execution-timeout", "0.5")
    until(lambda: at_the_gate(effects) == 1)
    zombie.send_signal(signal.SIGSTOP)
    start("perform", "--execution-timeout", "30s")
    until(lambda: row(effects, id) is None)
    [(job, backend)] = effects.execute("select job, backend from effect").fetchall()
    assert job == id
    effects.execute("select pg_advisory_unlock(1)")
    zombie.send_signal(signal.SIGCONT)
    assert zombie.stderr
    said = ""
    while "someone else has it by now" not in said:
        said = zombie.stderr.readline()
        assert said, "the zombie ended without a word"
    assert effects.execute("select job, backend from effect").fetchall() == [(id, backend)]
    zombie.terminate()
    assert ended(zombie) == 0


OWN_ADAPTERS = """
import psycopg
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumper, TextLoader

psycopg.adapters.register_dumper(str, StrDumper)
psycopg.adapters.register_dumper(int, Int8Dumper)
psycopg.adapters.register_loader("timestamptz", TextLoader)


def batch(conn, jobs):
    for job in jobs:
        perform(conn, job)


def errand(job):
    pass
"""


@pytest.mark.usefixtures("one_server")
@pytest.mark.parametrize("how", [("perform",), ("batch", "--batch"), ("errand", "--no-transaction")])
def test_what_an_application_registers_with_psycopg_is_not_for_the_workers_own_calls(
    effects: Conn, start: Start, tmp_path: Path, how: tuple[str, ...]
) -> None:
    (tmp_path / "handlers.py").write_text(HANDLERS + OWN_ADAPTERS)
    jobs = Jobs(effects)
    jobs.create_queue("größe")  # where the name isn't ASCII, jobs complete in another way
    for queue in ("default", "größe"):
        jobs.enqueue_many(queue, [{}] * 5)
    process = start(*how, "-q", "größe")
    until(lambda: count(effects, "select count(*) from jobs.job") == 0)
    until(lambda: asleep(effects) == 2)
    process.terminate()
    _, said = process.communicate(timeout=20)
    assert (process.returncode, re.findall("WARNING .*", said)) == (0, ["WARNING SIGTERM: stopping"])
