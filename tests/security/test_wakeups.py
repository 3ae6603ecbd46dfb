"""What a hostile session can do to a worker's sleep: forge wake-ups, flood it, hold its locks. At worst it is late."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest
from contract.harness import Db
from servers import POSTGRES

from ectojob_py import Jobs, Worker
from ectojob_py.postgres.listener import Listener
from ectojob_py.postgres.sleeper import _IN_ADVANCE, VAIN

from .places import STRANGER, WORKER, Place

pytestmark = pytest.mark.parametrize("place", POSTGRES, indirect=True, scope="session")


@contextmanager
def working(place: Place) -> Iterator[Callable[[int], None]]:
    """Run a worker as ``jobs_worker``; yields how to wait for the end of a job."""
    done: dict[int, threading.Event] = {}
    lock = threading.Lock()

    def event(id: int) -> threading.Event:
        with lock:
            return done.setdefault(id, threading.Event())

    worker = Worker(place.dsn_of(WORKER), perform=lambda conn, job: event(job.id).set())
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()

    def await_(id: int) -> None:
        assert event(id).wait(30), "the job was lost, or waits for the worker's poll of a minute"

    try:
        yield await_
    finally:
        worker.stop(10)
        thread.join(30)


@pytest.fixture
def owner(place: Place) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(place.dsn, autocommit=True) as conn:
        yield conn


def test_a_worker_wakes_for_jobs_as_jobs_worker(place: Place, db: Db) -> None:
    with working(place) as await_:
        for _ in range(5):
            await_(db.jobs.enqueue("default"))


def await_sleep(db: Db) -> None:
    """Wait until the worker holds the lock by which enqueuers know that somebody sleeps."""
    query = "select count(*) from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and granted"
    deadline = time.monotonic() + 20
    while db.conn.execute(query).fetchall() != [(1,)]:
        assert time.monotonic() < deadline, "it doesn't sleep"
        time.sleep(0.01)


@pytest.mark.parametrize("suffix", ["", ".scheduled"])
def test_a_flood_of_forged_wake_ups_is_no_flood_of_looks(
    place: Place, db: Db, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most one look per 50 ms and a few in advance, however long the flood takes."""
    looks: list[float] = []
    for looking in ("claim", "due_in"):
        look = getattr(Listener, looking)

        def counted(*arguments: Any, look: Any = look) -> Any:
            looks.append(time.monotonic())
            return look(*arguments)

        monkeypatch.setattr(Listener, looking, counted)

    with working(place) as await_, place.connect(STRANGER) as stranger:
        await_(db.jobs.enqueue("default"))
        await_sleep(db)
        started = time.monotonic()
        sent = 0
        while time.monotonic() < started + 2:
            stranger.execute(f'notify "jobs.default{suffix}"'.encode())
            sent += 1
        lasted = time.monotonic() - started
        looked = len([look for look in looks if look > started])
        await_(db.jobs.enqueue("default"))
    print(f"{sent} forged wake-ups in {lasted:.2f} s, {looked} looks")
    assert sent > 100
    provoked = lasted / VAIN + _IN_ADVANCE + 1
    if suffix:
        assert looked <= 2 * provoked  # a sweep asks what is due next, and then claims
    else:  # those in advance come so fast that it rises, and looks by itself once more when it falls asleep again
        assert looked <= provoked * (1 + 1 / _IN_ADVANCE)


HELD = ["_lock", "_lock_shared"]


@pytest.mark.parametrize("mode", HELD)
@pytest.mark.parametrize("when", ["before it falls asleep", "while it sleeps"])
def test_whoever_holds_the_lock_of_sleepers_makes_nobody_late_for_long(
    place: Place, db: Db, owner: psycopg.Connection[Any], mode: str, when: str
) -> None:
    oid = owner.execute("select 'jobs.job'::regclass::oid::integer").fetchall()[0][0]
    hostile = place.connect(STRANGER)

    def hold() -> None:
        with suppress(psycopg.Error):  # it may wait until the end
            hostile.execute(f"select pg_advisory{mode}({oid}, hashtext('default'))".encode())

    waiter = threading.Thread(target=hold, daemon=True)
    try:
        if when == "before it falls asleep":
            hold()
        with working(place) as await_:
            await_(db.jobs.enqueue("default"))
            if when != "before it falls asleep":
                waiter.start()  # it may have to wait for the sleeper, and stands in the way of the next one
            for _ in range(10):
                await_(db.jobs.enqueue("default"))
    finally:
        if waiter.is_alive():
            hostile.cancel_safe(timeout=10)
            waiter.join(30)
        hostile.close()


def test_a_transaction_that_stays_open_makes_nobody_late_for_long(place: Place, db: Db) -> None:
    """``in_flight`` goes on to say yes, so the worker looks by itself, once a second in the end."""
    with place.connect("producer", autocommit=False) as hostile:
        Jobs(hostile).enqueue("default", priority=9)
        with working(place) as await_:
            for _ in range(5):
                await_(db.jobs.enqueue("default"))
        hostile.rollback()


def test_a_worker_reads_moments_whatever_its_role_prefers(place: Place, db: Db, owner: psycopg.Connection[Any]) -> None:
    owner.execute("alter role a_worker set datestyle = 'German'; alter role a_worker set intervalstyle = sql_standard")
    try:
        with working(place) as await_:
            await_(db.jobs.enqueue("default"))
    finally:
        owner.execute("alter role a_worker reset all")
