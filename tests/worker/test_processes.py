"""``ectojob work --processes``: workers that are stopped, killed and refused, and what watches over them."""

import errno
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from multiprocessing.context import SpawnProcess
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest

from ectojob_py import Jobs
from ectojob_py.cli import processes
from ectojob_py.cli.processes import _Supervisor, supervise

from .conftest import working
from .waiting import asleep, line_with, until

Conn = psycopg.Connection[Any]
Start = Callable[..., subprocess.Popen[str]]

LEFT_BEHIND = 3

pytestmark = pytest.mark.usefixtures("one_server")

HANDLERS = """
import os


def perform(conn, job):
    conn.execute("insert into effect values (%s, %s)", [job.id, os.getpid()])


async def waits(conn, job):
    await conn.execute("insert into effect values (%s, %s)", [job.id, os.getpid()])
    await conn.execute("select pg_advisory_xact_lock_shared(1)")


def batch(conn, jobs):
    for job in jobs:
        perform(conn, job)


def errand(job):
    open("ran", "a").write(f"{job.id} ")
"""


@pytest.fixture
def effects(conn: Conn) -> Conn:
    conn.execute("create table effect (job bigint, process integer)")
    return conn


@pytest.fixture
def start(dsn: str, tmp_path: Path) -> Iterator[Start]:
    """Start ``ectojob work`` in a folder that holds the handlers; what still runs in the end is killed."""
    (tmp_path / "handlers.py").write_text(HANDLERS)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # else, of tests under nohup, workers ignore it
    started: list[subprocess.Popen[str]] = []

    def start(handler: str, *options: str, queue: str = "default") -> subprocess.Popen[str]:
        started.append(working(tmp_path, dsn, handler, queue, *options))
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.terminate()
            sleep(0.6)
            process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=20)
        process.kill()
        process.communicate()


def states(conn: Conn) -> list[str]:
    return [state for (state,) in conn.execute("select state from jobs.job order by id")]


def at_the_gate(conn: Conn) -> int:
    """How many handlers have written and now wait for the test."""
    query = "select count(*) from pg_locks where locktype = 'advisory' and objid = 1 and not granted"
    [(waiting,)] = conn.execute(query).fetchall()
    return int(waiting)


def children(process: subprocess.Popen[str]) -> list[int]:
    """Return the workers among a process's children: all that are not the tracker that multiprocessing starts."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in listed if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_them_all_when_their_jobs_have_ended(
    effects: Conn, start: Start, number: signal.Signals
) -> None:
    effects.execute("select pg_advisory_lock(1)")
    ids = Jobs(effects).enqueue_many("default", [{}, {}, {}])
    process = start("waits", "--processes", "2", "--max-demand", "1")
    until(lambda: at_the_gate(effects) == 2, 40)
    assert len(children(process)) == 2
    process.send_signal(number)
    assert f"watcher {number.name}: stopping" in line_with(process, "stopping")
    assert "SIGTERM: stopping" in line_with(process, "worker-")
    assert "SIGTERM: stopping" in line_with(process, "worker-")
    effects.execute("select pg_advisory_unlock(1)")
    assert process.wait(timeout=40) == 0
    assert states(effects) == ["AVAILABLE"]
    done = effects.execute("select job, count(*) over (partition by process) from effect order by 1").fetchall()
    assert done == [(ids[0], 1), (ids[1], 1)]


def test_a_signal_to_every_process_is_one(effects: Conn, start: Start) -> None:
    effects.execute("select pg_advisory_lock(1)")
    Jobs(effects).enqueue_many("default", [{}, {}])
    process = start("waits", "--processes", "2", "--max-demand", "1", "--grace", "1h")
    until(lambda: at_the_gate(effects) == 2, 40)
    for pid in [*children(process), process.pid]:
        os.kill(pid, signal.SIGTERM)
    for _ in range(3):
        line_with(process, "SIGTERM: stopping")
    sleep(0.6)
    effects.execute("select pg_advisory_unlock(1)")
    assert process.wait(timeout=40) == 0
    assert states(effects) == []


def test_jobs_left_behind_are_exit_code_3(effects: Conn, start: Start) -> None:
    effects.execute("select pg_advisory_lock(1)")
    Jobs(effects).enqueue_many("default", [{}, {}])
    process = start("waits", "--processes", "2", "--max-demand", "1", "--grace", "1h")
    until(lambda: at_the_gate(effects) == 2, 40)
    process.terminate()
    line_with(process, "SIGTERM: stopping")
    line_with(process, "worker-")
    line_with(process, "worker-")
    sleep(0.6)  # else it is of the same stop
    process.terminate()
    assert process.wait(timeout=40) == LEFT_BEHIND
    assert states(effects) == ["AVAILABLE"] * 2


@pytest.mark.parametrize(
    ("number", "name"),
    [(signal.SIGKILL, "SIGKILL"), (signal.SIGRTMIN + 2, f"signal {signal.SIGRTMIN + 2}")],
    ids=["with a name", "without"],
)
def test_one_that_is_killed_is_started_again(effects: Conn, start: Start, number: int, name: str) -> None:
    process = start("perform", "--processes", "2")
    until(lambda: len(children(process)) == 2, 40)
    killed, spared = children(process)
    os.kill(killed, number)
    assert f"was killed by {name}, starting it again in" in line_with(process, "watcher")
    until(lambda: len(children(process)) == 2, 40)
    assert spared in children(process)
    until(lambda: asleep(effects) == 2, 40)
    id = Jobs(effects).enqueue("default")
    assert " worker-" in line_with(process, f"default[{id}] done in")
    process.terminate()
    assert process.wait(timeout=40) == 0


def test_one_that_dies_while_the_database_is_away_ends_no_other(effects: Conn, start: Start) -> None:
    process = start("perform", "--processes", "2")
    until(lambda: asleep(effects) == 2, 40)
    killed, spared = children(process)
    database = effects.info.dbname
    with psycopg.connect(effects.info.dsn, dbname="postgres", autocommit=True) as doorman:
        doorman.execute(f"alter database {database} allow_connections false".encode())
        try:
            os.kill(killed, signal.SIGKILL)
            line_with(process, "was killed by SIGKILL")
            assert "not currently accepting connections" in line_with(process, "error: ")
            assert "ended with exit code 1, starting it again in" in line_with(process, "watcher")
        finally:
            doorman.execute(f"alter database {database} allow_connections true".encode())
    until(lambda: asleep(effects) == 2, 40)
    assert spared in children(process)
    process.terminate()
    assert process.wait(timeout=40) == 0


def test_nor_does_one_whose_handlers_can_not_be_imported(effects: Conn, start: Start, tmp_path: Path) -> None:
    process = start("perform", "--processes", "2")
    until(lambda: asleep(effects) == 2, 40)
    killed, spared = children(process)
    (tmp_path / "handlers.py").write_text("half a file, as in the middle of a dep")
    os.kill(killed, signal.SIGKILL)
    line_with(process, "error: cannot import handlers")
    line_with(process, "ended with exit code 1, starting it again in")
    (tmp_path / "handlers.py").write_text(HANDLERS)
    until(lambda: asleep(effects) == 2, 40)
    assert spared in children(process)


def test_one_that_can_not_be_started_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refusals = 3

    def begin(process: SpawnProcess) -> None:
        nonlocal refusals
        refusals -= 1
        if refusals == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(SpawnProcess, "start", begin)
    before = signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert supervise(int, 1, logging.getLogger("ectojob")) == 0
    assert caplog.text.count("worker-1 can't be started: [Errno 11] Resource temporarily unavailable, starting it") == 3
    assert (signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, [])) == before


def deaf(begun: Path) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    begun.touch()
    sleep(60)
    return 0


def test_one_that_can_not_end_is_killed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"

    def stop() -> None:
        until(begun.exists, 40)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(processes, "_MERCY", 0.1)
    thread = threading.Thread(target=stop)
    thread.start()
    assert supervise(partial(deaf, begun), 1, logging.getLogger("ectojob"), grace=0.1) == LEFT_BEHIND
    thread.join()
    assert "worker-1 doesn't end: killing it" in caplog.text


def test_no_further_signal_puts_the_end_off() -> None:
    supervisor = _Supervisor(int, 1, logging.getLogger("ectojob"), may_end=False, grace=0)
    supervisor._stop()
    first = supervisor._kill_at
    supervisor._stop()
    supervisor._bell.close()
    assert supervisor._kill_at == first <= monotonic() + processes._MERCY


def naps() -> int:
    sleep(60)
    return 0


def test_a_grace_period_may_be_longer_than_poll_can_wait() -> None:
    stop = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
    stop.start()
    assert supervise(naps, 1, logging.getLogger("ectojob"), grace=1e7) == 0
    stop.join()


def test_a_signal_in_the_middle_of_a_start_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    blocked: list[bool] = []

    def begin(_process: SpawnProcess) -> None:
        os.kill(os.getpid(), signal.SIGTERM if blocked else signal.SIGINT)
        blocked.append(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(SpawnProcess, "start", begin)
    assert supervise(int, 1, logging.getLogger("ectojob")) == 0
    assert blocked == [True]


def test_until_empty_all_end_and_one_that_was_killed_is_started_again(effects: Conn, start: Start) -> None:
    ids = Jobs(effects).enqueue_many("default", [{}] * 2)
    effects.execute("select pg_advisory_lock(1)")
    process = start("waits", "--processes", "2", "--max-demand", "1", "--until-empty")
    until(lambda: at_the_gate(effects) == 2, 40)
    os.kill(children(process)[0], signal.SIGKILL)
    line_with(process, "starting it again")
    effects.execute("select pg_advisory_unlock(1)")
    _, said = process.communicate(timeout=40)
    assert process.returncode == 0, said
    [(done,)] = effects.execute("select job from effect").fetchall()
    assert done in ids
    assert states(effects) == ["IN_PROGRESS"]


def test_one_that_always_dies_is_started_for_ever() -> None:
    supervisor = _Supervisor(int, 1, logging.getLogger("ectojob"), may_end=False, grace=0)
    [place] = supervisor._places
    for _ in range(1500):
        place.start_at = monotonic()
        supervisor._ended(place, 1)
    supervisor._bell.close()
    assert 14 < place.start_at - monotonic() <= 30


def test_workers_stop_when_nobody_watches_over_them(effects: Conn, start: Start) -> None:
    process = start("perform", "--processes", "2")
    until(lambda: asleep(effects) == 2, 40)
    left = children(process)
    process.kill()
    until(lambda: all(gone(pid) for pid in left), 40)


@pytest.mark.usefixtures("effects")
def test_what_can_not_start_says_so_once(start: Start) -> None:
    process = start("perform", "--processes", "3", queue="nope")
    _, said = process.communicate(timeout=40)
    assert process.returncode == 1
    assert [line.partition(":")[0] for line in said.splitlines()] == ["error", "hint"]


def test_functions_of_another_release_end_them_all(effects: Conn, start: Start) -> None:
    process = start("perform", "--processes", "2")
    until(lambda: asleep(effects) == 2, 40)
    effects.execute("create or replace function jobs.version() returns text immutable return '99.0.0'")
    effects.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'ectojob%'")
    line_with(process, "which no longer serves")
    assert process.wait(timeout=40) == 1


def test_batches_and_errands(effects: Conn, start: Start, tmp_path: Path) -> None:
    Jobs(effects).create_queue("errands")
    ids = Jobs(effects).enqueue_many("default", [{}] * 20)
    errands = [str(id) for id in Jobs(effects).enqueue_many("errands", [{}] * 20)]
    start("batch", "--batch", "--batch-size", "5")
    start("errand", "--no-transaction", queue="errands")
    until(lambda: states(effects) == [], 40)
    assert [id for (id,) in effects.execute("select job from effect order by 1")] == ids
    assert sorted((tmp_path / "ran").read_text().split(), key=int) == errands
