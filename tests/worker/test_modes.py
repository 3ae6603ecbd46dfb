"""The ways to run handlers: one transaction per job, one per batch, none; and jobs that lie ready for quick ones."""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial, wraps
from math import nan
from time import sleep
from typing import Any

import psycopg
import pytest

from ectojob_py import Job, Jobs, Retry, Worker
from ectojob_py.bell import Bell
from ectojob_py.completions import Completions
from ectojob_py.handler import Report
from ectojob_py.hands import Hands

from .conftest import StartWorker
from .waiting import until

Conn = psycopg.Connection[Any]


@pytest.fixture
def receipts(conn: Conn) -> Conn:
    """A table for effects, without a key that would hide a duplicate."""
    conn.execute("create table receipt (job bigint)")
    return conn


def write(conn: Conn, jobs: list[Job]) -> None:
    with conn.cursor() as cursor:
        cursor.executemany("insert into receipt values (%s)", [[job.id] for job in jobs])


def written(conn: Conn) -> Counter[int]:
    return Counter(id for (id,) in conn.execute("select job from receipt"))


def states(conn: Conn) -> dict[int, str]:
    return dict(conn.execute("select id, state from jobs.job").fetchall())


# Batches


def test_a_batch_is_one_transaction(receipts: Conn, start_worker: StartWorker) -> None:
    transactions: list[tuple[int, list[int]]] = []

    def perform(conn: Conn, jobs: list[Job]) -> None:
        write(conn, jobs)
        [(transaction,)] = conn.execute("select pg_current_xact_id()::text").fetchall()
        transactions.append((transaction, [job.id for job in jobs]))

    ids = Jobs(receipts).enqueue_many("default", [{}] * 50)
    start_worker(perform_batch=perform, max_demand=20)
    until(lambda: states(receipts) == {})
    assert written(receipts) == Counter(ids)
    assert max(len(batch) for _, batch in transactions) == 10
    assert len({transaction for transaction, _ in transactions}) == len(transactions)


def test_a_batch_that_fails_runs_one_by_one(receipts: Conn, start_worker: StartWorker) -> None:
    sizes: list[int] = []

    def perform(conn: Conn, jobs: list[Job]) -> None:
        sizes.append(len(jobs))
        write(conn, jobs)
        if any(job.params for job in jobs):
            raise ValueError("one is bad")

    ids = Jobs(receipts).enqueue_many("default", [{}, {}, {"bad": True}, {}], max_attempts=1)
    start_worker(perform_batch=perform, batch_size=4)
    until(lambda: states(receipts) == {ids[2]: "FAILED"})
    assert written(receipts) == Counter([*ids[:2], ids[3]])
    assert sizes == [4, 1, 1, 1, 1]
    assert "ValueError: one is bad" in receipts.execute("select last_error from jobs.job").fetchall()[0][0]


@pytest.mark.parametrize("kind", ["threads", "tasks"])
def test_a_small_batch_that_takes_long_keeps_jobs_from_no_other_hand(
    conn: Conn, start_worker: StartWorker, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    caplog.set_level("INFO", "ectojob")
    gate = threading.Event()

    def perform(_conn: Conn, _jobs: list[Job]) -> None:
        assert gate.wait(20)

    async def awaited(_conn: object, _jobs: list[Job]) -> None:
        while not gate.is_set():
            await asyncio.sleep(0.01)

    jobs = Jobs(conn)
    start_worker(perform_batch=perform if kind == "threads" else awaited)
    for _ in range(2):
        jobs.enqueue("default")
        until(lambda: set(states(conn).values()) == {"IN_PROGRESS"})
    jobs.enqueue("default")
    sleep(2.5)  # longer than jobs lie ready
    assert Counter(states(conn).values()) == {"IN_PROGRESS": 2, "AVAILABLE": 1}
    gate.set()
    until(lambda: states(conn) == {})
    assert "not begun" not in caplog.text


def test_a_batch_run_one_by_one_forgets_no_job_that_was_taken_from_it_meanwhile(conn: Conn, dsn: str) -> None:
    jobs = Jobs(conn)
    first, second = jobs.enqueue_many("default", [{}, {}])

    def perform(_conn: Conn, batch: list[Job]) -> None:
        if len(batch) == 2:
            held[:] = batch
            raise ValueError("together they fail")
        if batch[0].id == first:
            jobs.release("default", second, 1)
            [taken] = jobs.claim_batch("default", 1)
            jobs.complete("default", second, taken.attempt)
            assert held[1].lease_lost.wait(20)

    held: list[Job] = []
    ended: list[int] = []
    worker = Worker(dsn, perform_batch=perform, execution_timeout=0.5, until_empty=True)
    thread = threading.Thread(target=lambda: ended.append(worker.run()), daemon=True)
    thread.start()
    thread.join(10)
    worker.stop(grace=0)
    assert (ended, states(conn)) == ([0], {})


def test_a_batch_that_lost_a_lease_writes_nothing_for_it(receipts: Conn, start_worker: StartWorker) -> None:
    taken = threading.Event()

    def perform(conn: Conn, jobs: list[Job]) -> None:
        if not taken.is_set():
            taken.set()
            receipts.execute("update jobs.job set attempt = attempt + 1 where id = %s", [jobs[0].id])
        write(conn, jobs)

    ids = Jobs(receipts).enqueue_many("default", [{}] * 3)
    start_worker(perform_batch=perform, batch_size=3)
    until(lambda: states(receipts) == {ids[0]: "IN_PROGRESS"})
    assert written(receipts) == Counter(ids[1:])


def test_a_batch_of_several_queues_completes(receipts: Conn, start_worker: StartWorker) -> None:
    Jobs(receipts).create_queue("other")
    ids = [id for queue in ("default", "other") for id in Jobs(receipts).enqueue_many(queue, [{}] * 5)]
    start_worker(queue=["default", "other"], perform_batch=write, connections=1, batch_size=10)
    until(lambda: states(receipts) == {})
    assert written(receipts) == Counter(ids)


def test_a_batch_of_several_queues_that_wrote_nothing_completes_as_one(conn: Conn, start_worker: StartWorker) -> None:
    began, gate = threading.Event(), threading.Event()
    there: list[bool] = []
    mixed = 0

    def perform(_conn: Conn, jobs: list[Job]) -> None:
        nonlocal mixed
        if jobs[0].params == {"quick": True}:
            return
        if jobs[0].params:
            began.set()
            assert gate.wait(20)
        there.extend(job.id in states(conn) for job in jobs)
        if len({job.queue for job in jobs}) > 1:
            mixed += 1
            lost = next(job for job in jobs if job.queue == "other")
            Jobs(conn).release(lost.queue, lost.id, lost.attempt)

    jobs = Jobs(conn)
    jobs.create_queue("other")
    start_worker(queue=["default", "other"], perform_batch=perform, connections=1, max_demand=20, batch_size=10)
    jobs.enqueue_many("default", [{"quick": True}] * 10)  # so that others will lie ready
    until(lambda: states(conn) == {})
    jobs.enqueue("default", {"first": True})
    assert began.wait(20)
    with conn.transaction():
        jobs.enqueue_many("default", [{}, {}])
        jobs.enqueue("other")
    until(lambda: Counter(states(conn).values()) == {"IN_PROGRESS": 4})
    gate.set()
    until(lambda: states(conn) == {})
    assert mixed == 1
    assert all(there)


# Errands: no transaction


def test_an_errand_gets_the_job_alone(conn: Conn, start_worker: StartWorker) -> None:
    ran: list[int] = []
    ids = Jobs(conn).enqueue_many("default", [{}] * 250)
    start_worker(perform=lambda job: ran.append(job.id), transaction=False)
    until(lambda: states(conn) == {})
    assert sorted(ran) == ids


def test_errands_are_completed_together_and_soon(conn: Conn, start_worker: StartWorker) -> None:
    conn.execute("create table ended (transaction xid8, id bigint)")
    conn.execute(
        "create function note() returns trigger language plpgsql as $$ begin "
        "insert into public.ended select pg_current_xact_id(), old.id; return null; end $$"
    )
    conn.execute("create trigger note after delete on jobs.job for each row execute function note()")
    ids = Jobs(conn).enqueue_many("default", [{}] * 200)
    start_worker(perform=lambda job: None, transaction=False)
    until(lambda: states(conn) == {})
    [(jobs, transactions)] = conn.execute("select count(*), count(distinct transaction) from ended").fetchall()
    assert jobs == len(ids)
    assert transactions < len(ids) / 4


def test_an_errand_that_fails_is_tried_again(conn: Conn, start_worker: StartWorker) -> None:
    ran: list[int] = []

    def perform(job: Job) -> None:
        ran.append(job.attempt)
        if job.attempt == 1:
            raise SystemExit

    Jobs(conn).enqueue("default")
    start_worker(perform=perform, transaction=False, retry_timeout=0.05)
    until(lambda: states(conn) == {})
    assert ran == [1, 2]


def test_an_errand_whose_lease_was_lost_keeps_no_other_from_completing(
    conn: Conn, start_worker: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    gate = threading.Barrier(4)
    ids = Jobs(conn).enqueue_many("default", [{}] * 3)
    start_worker(perform=lambda job: gate.wait(20), transaction=False)
    until(lambda: set(states(conn).values()) == {"IN_PROGRESS"})
    conn.execute("update jobs.job set attempt = attempt + 1 where id = %s", [ids[1]])
    gate.wait(20)
    until(lambda: states(conn) == {ids[1]: "IN_PROGRESS"})
    assert f"default[{ids[1]}] ran, and someone else has it by now" in caplog.text


def test_a_mapping_of_errands(conn: Conn, start_worker: StartWorker) -> None:
    ran: list[int] = []
    id = Jobs(conn).enqueue("default", {"type": "a"})
    other = Jobs(conn).enqueue("default", {"type": "b"}, max_attempts=1)
    start_worker(perform={"a": lambda job: ran.append(job.id)}, transaction=False)
    until(lambda: states(conn) == {other: "FAILED"})
    assert ran == [id]


def test_a_stopping_worker_completes_what_ran(conn: Conn, start_worker: StartWorker) -> None:
    ran, go_on = threading.Event(), threading.Event()

    def perform(job: Job) -> None:
        ran.set()
        go_on.wait(20)

    Jobs(conn).enqueue("default")
    worker = start_worker(perform=perform, transaction=False)
    assert ran.wait(20)
    worker.stop(grace=20)
    go_on.set()
    until(lambda: states(conn) == {})


# Jobs that lie ready


def test_jobs_that_lie_ready_behind_slow_ones_are_given_back(conn: Conn, start_worker: StartWorker) -> None:
    stuck, go_on = threading.Event(), threading.Event()
    began: list[int] = []

    def perform(_conn: Conn, job: Job) -> None:
        began.append(job.id)
        if job.params:
            stuck.set()
            go_on.wait(30)

    quick = Jobs(conn).enqueue_many("default", [{}] * 200)
    [slow] = Jobs(conn).enqueue_many("default", [{"slow": True}])
    late = Jobs(conn).enqueue_many("default", [{}] * 30)
    start_worker(perform=perform, connections=1, max_demand=50)
    try:
        assert stuck.wait(20)
        until(lambda: set(states(conn).values()) == {"IN_PROGRESS", "AVAILABLE"})
        until(lambda: Counter(states(conn).values()) == {"IN_PROGRESS": 1, "AVAILABLE": len(late)})
        assert [job.id for job in Jobs(conn).claim_batch("default", 100)] == late
    finally:
        go_on.set()
    until(lambda: slow not in states(conn))
    assert began == [*quick, slow]


def test_a_stopping_worker_gives_back_what_lies_ready(conn: Conn, start_worker: StartWorker) -> None:
    stuck, go_on = threading.Event(), threading.Event()

    def perform(_conn: Conn, job: Job) -> None:
        if job.params:
            stuck.set()
            go_on.wait(30)

    Jobs(conn).enqueue_many("default", [{}] * 200)
    Jobs(conn).enqueue("default", {"slow": True})
    late = Jobs(conn).enqueue_many("default", [{}] * 30)
    worker = start_worker(perform=perform, connections=1, max_demand=50)
    assert stuck.wait(20)
    worker.stop(grace=30)
    until(lambda: all(states(conn).get(id) == "AVAILABLE" for id in late))
    go_on.set()
    until(lambda: set(states(conn)) == set(late))


def test_slow_jobs_are_not_claimed_ahead(conn: Conn, start_worker: StartWorker) -> None:
    gate = threading.Semaphore(0)
    ids = Jobs(conn).enqueue_many("default", [{}] * 9)
    start_worker(perform=lambda _conn, _job: gate.acquire(timeout=20), connections=2, max_demand=50)
    until(lambda: Counter(states(conn).values()) == {"IN_PROGRESS": 2, "AVAILABLE": 7})
    gate.release(len(ids))
    until(lambda: states(conn) == {})


def test_none_is_claimed_ahead_after_jobs_lay_ready_in_vain(conn: Conn, start_worker: StartWorker) -> None:
    gate = threading.Event()

    def perform(_conn: Conn, job: Job) -> None:
        if job.params:
            gate.wait(30)

    Jobs(conn).enqueue_many("default", [{}] * 300)
    slow = Jobs(conn).enqueue_many("default", [{"slow": True}] * 23)
    start_worker(perform=perform)
    until(lambda: Counter(states(conn).values()) == {"IN_PROGRESS": 20, "AVAILABLE": 3})
    sleep(3)
    attempts = [attempt for (attempt,) in conn.execute("select attempt from jobs.job where id = any(%s)", [slow[20:]])]
    gate.set()
    assert max(attempts) <= 1
    until(lambda: states(conn) == {})


def test_an_errand_that_ends_while_others_are_completed_is_completed_soon(
    conn: Conn, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    last_but_one, flushing, last, gate = (threading.Event() for _ in range(4))

    def perform(job: Job) -> None:
        n = job.params["n"]
        if 0 < n < 6:
            sleep(0.04)  # so that one job lies ready
        elif n == 6:
            last_but_one.set()
            flushing.wait(20)
        elif n == 7:
            last.set()
            gate.wait(20)

    flush = Completions.flush

    def slow_flush(completions: Completions, jobs: Jobs) -> Iterator[Report]:
        yield from flush(completions, jobs)
        if last_but_one.is_set() and not flushing.is_set():
            flushing.set()
            last.wait(20)
            sleep(0.02)

    monkeypatch.setattr(Completions, "flush", slow_flush)
    ids = Jobs(conn).enqueue_many("default", [{"n": n} for n in range(8)])
    start_worker(perform=perform, transaction=False, connections=1)
    assert last.wait(20)
    try:
        until(lambda: set(states(conn)) == {ids[-1]}, seconds=5)
    finally:
        gate.set()


class Slow(Hands):
    """Hands that have not yet taken what lies ready."""

    def _call(self) -> None: ...

    def close(self) -> None: ...


def test_a_job_that_its_hand_has_not_yet_taken_keeps_no_free_hand_waiting(conn: Conn) -> None:
    Jobs(conn).enqueue("default")
    [job] = Jobs(conn).claim_batch("default", 1)
    bell = Bell()
    hands = Slow(3, 3, 1, bell)
    hands.give([job])
    assert hands.demand == 2
    bell.close()


# Until empty


@pytest.mark.parametrize("mode", ["perform", "perform_batch", "errand", "async"])
def test_until_empty_it_ends_when_no_job_can_run(conn: Conn, dsn: str, mode: str) -> None:
    jobs, ran = Jobs(conn), Counter[str]()

    def perform(job: Job) -> None:
        name = job.params["name"]
        ran[name] += 1
        if name == "first":
            with psycopg.connect(dsn) as other:
                Jobs(other).enqueue("default", {"name": "what it enqueued"})
        if name == "fails":
            raise Retry("later", after=3600)

    async def await_perform(_conn: Any, job: Job) -> None:
        perform(job)

    def perform_batch(_conn: Any, batch: list[Job]) -> None:
        for job in batch:
            perform(job)

    modes: dict[str, dict[str, Any]] = {
        "perform": {"perform": lambda _conn, job: perform(job)},
        "perform_batch": {"perform_batch": perform_batch, "batch_size": 1},
        "errand": {"perform": perform, "transaction": False},
        "async": {"perform": await_perform},
    }
    jobs.enqueue("default", {"name": "another's"})
    jobs.claim_batch("default", 1)
    jobs.enqueue_many("default", [{"name": "first"}, {"name": "fails"}])
    jobs.enqueue("default", {"name": "tomorrow"}, schedule=datetime.now(UTC) + timedelta(days=1))
    assert Worker(dsn, until_empty=True, **modes[mode]).run() == 0
    assert ran == Counter(["first", "fails", "what it enqueued"])
    assert sorted(states(conn).values()) == ["IN_PROGRESS", "RETRY", "SCHEDULED"]


def test_until_empty_it_looks_for_what_is_more_urgent_before_it_ends(
    conn: Conn, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ectojob_py.postgres.frontier._SHARE", 10**9)  # by itself it would not look for a second

    def perform(_conn: Conn, job: Job) -> None:
        if job.priority > -3:
            Jobs(conn).enqueue("default", priority=job.priority - 1)

    Jobs(conn).enqueue("default")
    assert Worker(dsn, perform=perform, until_empty=True, max_demand=1).run() == 0
    assert states(conn) == {}


def test_until_empty_it_runs_nothing_of_queues_that_are_empty_or_paused(conn: Conn, dsn: str) -> None:
    jobs = Jobs(conn)
    jobs.create_queue("paused")
    jobs.enqueue("paused")
    jobs.pause_queue("paused")
    assert Worker(dsn, ["default", "paused"], perform=print, until_empty=True).run() == 0
    assert list(states(conn).values()) == ["AVAILABLE"]


# What doesn't go together


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"perform": print, "perform_batch": print},
        {"perform_batch": print, "transaction": False},
        {"perform_batch": print, "batch_size": 0},
        {"perform": print, "queue": []},
    ],
)
def test_handlers_that_do_not_go_together_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"pass|more than 0"):
        Worker("host=nowhere", log_level=logging.INFO, **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"execution_timeout": 0}, "execution_timeout must be more than 0, not 0"),
        ({"execution_timeout": 1e-7}, "execution_timeout must be more than 0, not 1e-07"),
        ({"retry_timeout": 1e-7}, "retry_timeout must be more than 0, not 1e-07"),
        ({"retry_timeout": nan}, "retry_timeout must be more than 0, not nan"),
        ({"poll_interval": nan}, "poll_interval must be more than 0, not nan"),
        ({"grace": nan}, "grace must be 0 or more, not nan"),
        ({"grace": -1}, "grace must be 0 or more, not -1"),
        ({"execution_timeout": 1e30}, "execution_timeout must be at most 30 days"),
        ({"poll_interval": "5m"}, "poll_interval must be seconds, as a number, not '5m'"),
        ({"execution_timeout": "5m"}, "execution_timeout must be seconds, as a number, not '5m'"),
        ({"max_demand": "5"}, "max_demand must be a number, not '5'"),
        ({"grace": "30"}, "grace must be 0 or more, not '30'"),
        ({"max_demand": 2.5}, "max_demand must be a whole number, not 2.5"),
        ({"connections": 2.0}, "connections must be a whole number, not 2.0"),
        ({"log_level": "loud"}, "log_level must be a number or one of critical, .*debug, .*, not 'loud'"),
        ({"log_level": None}, "log_level must be a number or one of critical, .*debug, .*, not None"),
    ],
)
def test_settings_that_can_not_be_meant_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Worker("host=nowhere", perform=lambda _conn, _job: None, **options)


def of_a_job(job: Job) -> None: ...


def of_both(conn: Conn, job: Job) -> None: ...


@pytest.mark.parametrize(
    "options",
    [
        {"perform": of_a_job},
        {"perform": {"good": of_both, "bad": of_a_job}},
        {"perform": lambda: None},
        {"perform": of_both, "transaction": False},
        {"perform_batch": of_a_job},
        {"perform": 5},
        {"perform": {"a": of_both, "b": 5}},
        {"perform": {}},
        {"perform_batch": "of_both"},
    ],
)
def test_a_handler_that_cannot_be_called_so_is_refused_before_it_uses_up_attempts(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"can't be called|with no handlers"):
        Worker("host=nowhere", **options)


def decorated(wrapped: Callable[..., None]) -> Callable[[Conn, Job], None]:
    @wraps(wrapped)
    def perform(_conn: Conn, job: Job) -> None:
        wrapped(**job.params)

    return perform


def test_a_handler_is_what_a_decorator_made_of_it(conn: Conn, start_worker: StartWorker) -> None:
    sent: list[str] = []

    @decorated
    def send(*, to: str) -> None:
        sent.append(to)

    start_worker(perform=send)
    Jobs(conn).enqueue("default", {"to": "joe"})
    until(lambda: sent == ["joe"])


def with_a_yield(*_: object) -> Iterator[None]:
    yield


async def with_an_async_yield(*_: object) -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize(
    "options",
    [
        {"perform": with_a_yield},
        {"perform": {"good": of_both, "bad": partial(with_an_async_yield)}},
        {"perform": with_a_yield, "transaction": False},
        {"perform_batch": with_an_async_yield},
    ],
)
def test_a_handler_of_which_a_call_runs_nothing_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="has a yield in it"):
        Worker("host=nowhere", **options)


@pytest.mark.usefixtures("one_server")
@pytest.mark.parametrize("transaction", [True, False])
@pytest.mark.parametrize("generator", [with_a_yield, with_an_async_yield])
def test_a_generator_that_a_handler_returns_has_done_nothing(
    receipts: Conn, start_worker: StartWorker, transaction: bool, generator: Any
) -> None:
    start_worker(perform=lambda *_: generator(), transaction=transaction)
    Jobs(receipts).enqueue("default", max_attempts=1)
    error = "select last_error from jobs.job where state = 'FAILED'"
    until(lambda: receipts.execute(error).fetchone())
    assert "HandlerError: the handler returned a generator" in str(receipts.execute(error).fetchone())


@pytest.mark.parametrize("perform", [print, min, partial(of_both), lambda *_: None, lambda conn, job, how=None: None])
def test_what_can_be_called_so_or_might_be_is_not(perform: Any) -> None:
    Worker("host=nowhere", perform=perform)
