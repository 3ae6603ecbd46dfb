"""What a handler may do with the connection it is given, and what happens to the job when it does more."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from ectojob_py import HandlerError, Job, Jobs

from .conftest import StartWorker
from .waiting import until

Conn = psycopg.Connection[Any]
Act = Callable[[Conn], object]
Run = Callable[..., str | None]

NOT_YOURS = "its writes commit together with the job's completion, so leave that to the worker"


@pytest.fixture
def run(conn: Conn, start_worker: StartWorker) -> Run:
    """Run jobs with the given acts, one after the other on one connection; return the last one's error."""
    conn.execute("create table effect (what text)")
    script: list[Act] = []
    start_worker(perform=lambda conn, job: script[job.params["act"]](conn), max_demand=1)

    def run(*acts: Act) -> str | None:
        script.extend(acts)
        places = range(len(script) - len(acts), len(script))
        ids = Jobs(conn).enqueue_many("default", [{"act": place} for place in places], max_attempts=1)
        running = "select count(*) from jobs.job where state <> 'FAILED'"
        until(lambda: conn.execute(running).fetchone() == (0,))
        row = conn.execute("select last_error from jobs.job where id = %s", [ids[-1]]).fetchone()
        return None if row is None else str(row[0])

    return run


@pytest.fixture
def effects(conn: Conn) -> Callable[[], list[str]]:
    """What the handlers left behind."""
    return lambda: [what for (what,) in conn.execute("select what from effect order by what")]


Effects = Callable[[], list[str]]


def writes(what: str) -> Act:
    return lambda conn: conn.execute("insert into effect values (%s)", [what])


def says(text: str) -> Act:
    return lambda conn: conn.execute(text.encode())


def does(*acts: Act) -> Act:
    def all_of_them(conn: Conn) -> None:
        for act in acts:
            act(conn)

    return all_of_them


def leaves(conn: Conn) -> None:
    with conn:
        pass


def sets_autocommit(conn: Conn) -> None:
    conn.autocommit = True


def pipelines_a_commit(conn: Conn) -> None:
    with conn.pipeline():
        conn.execute("commit")


def streams_a_commit(conn: Conn) -> None:
    with suppress(psycopg.ProgrammingError):
        list(conn.cursor().stream("commit"))


METHODS: dict[str, tuple[Act, str]] = {
    "commit()": (lambda conn: conn.commit(), "called commit()"),
    "rollback()": (lambda conn: conn.rollback(), "called rollback()"),
    "close()": (lambda conn: conn.close(), "called close()"),
    "with conn": (leaves, "called commit()"),
    "autocommit =": (sets_autocommit, "set autocommit"),
    "set_autocommit()": (lambda conn: conn.set_autocommit(True), "set autocommit"),
}
TEXTS = [
    "commit",
    "COMMIT WORK",
    "end",
    "commit and chain",
    "insert into effect values ('text'); commit",
    "rollback",
    "abort",
]


def by_a_factory(conn: Conn) -> None:
    conn.cursor_factory = psycopg.ClientCursor
    conn.execute("insert into effect values (%s); commit", ["factory"])


DETOURS: dict[str, Act] = {
    "executemany": lambda conn: conn.cursor().executemany("commit", [()]),
    "client cursor": lambda conn: psycopg.ClientCursor(conn).execute("commit"),
    "raw cursor": lambda conn: psycopg.RawCursor(conn).execute("rollback"),
    "bare cursor": lambda conn: psycopg.Cursor(conn).execute("insert into effect values ('bare'); commit"),
    "cursor factory": by_a_factory,
    "pipeline": pipelines_a_commit,
    "stream": streams_a_commit,
}


@pytest.mark.parametrize("before", ["first", "after a write"])
@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_ends_the_transaction_is_refused(run: Run, effects: Effects, method: str, before: str) -> None:
    act, deed = METHODS[method]
    error = run(act if before == "first" else does(writes("before"), act))
    assert error is not None
    assert f"HandlerError: the handler {deed}; {NOT_YOURS}" in error
    assert "test_handler_connection.py" in error
    assert effects() == []


@pytest.mark.parametrize("before", ["first", "after a write"])
@pytest.mark.parametrize("text", TEXTS)
def test_a_statement_that_ends_the_transaction_fails_its_job(
    run: Run, effects: Effects, text: str, before: str
) -> None:
    error = run(says(text) if before == "first" else does(writes("before"), says(text), writes("after")))
    assert error is not None
    assert f"HandlerError: the handler ended the transaction with a statement; {NOT_YOURS}" in error
    assert "after" not in effects()
    if text in ("rollback", "abort"):  # what a COMMIT sent as text has committed can't be undone
        assert effects() == []


@pytest.mark.parametrize("before", ["first", "after a write"])
@pytest.mark.parametrize("detour", DETOURS)
def test_no_other_way_to_send_it_completes_the_job(run: Run, detour: str, before: str) -> None:
    error = run(DETOURS[detour] if before == "first" else does(writes("before"), DETOURS[detour]))
    assert error is not None
    assert f"HandlerError: the handler ended the transaction with a statement; {NOT_YOURS}" in error


@pytest.mark.parametrize("misuse", [*METHODS, "commit", "rollback", "commit and chain"])
def test_swallowing_the_refusal_does_not_help(run: Run, effects: Effects, misuse: str) -> None:
    act, deed = METHODS.get(misuse, (says(misuse), "ended the transaction with a statement"))

    def swallows(conn: Conn) -> None:
        with suppress(HandlerError):
            act(conn)

    error = run(does(swallows, writes("after")))
    assert error is not None
    assert f"HandlerError: the handler {deed}; {NOT_YOURS}" in error
    assert effects() == []


def test_with_conn_around_an_error_fails_the_job_with_that_error(run: Run, effects: Effects) -> None:
    def perform(conn: Conn) -> None:
        with conn:
            writes("before")(conn)
            raise RuntimeError("no paper")

    error = run(perform)
    assert error is not None
    assert "RuntimeError: no paper" in error
    assert effects() == []


def test_with_conn_around_a_swallowed_error_undoes_nothing_so_the_job_fails(run: Run, effects: Effects) -> None:
    def perform(conn: Conn) -> None:
        with suppress(RuntimeError), conn:
            writes("before")(conn)
            raise RuntimeError

    assert f"HandlerError: the handler called rollback(); {NOT_YOURS}" in (run(perform) or "")
    assert effects() == []


def test_the_next_job_gets_the_connection_in_good_order(run: Run, effects: Effects) -> None:
    for act, _ in METHODS.values():
        assert run(act, writes("next")) is None
    assert run(says("commit"), writes("next")) is None
    assert len(effects()) == len(METHODS) + 1


def test_the_next_job_is_told_nothing_of_the_last_ones_taste(run: Run, effects: Effects) -> None:
    def settles_in(conn: Conn) -> None:
        conn.row_factory = dict_row
        conn.cursor_factory = psycopg.ClientCursor
        conn.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        conn.read_only = True
        conn.deferrable = True

    def looks(conn: Conn) -> None:
        assert conn.execute("show transaction_isolation").fetchone() == ("read committed",)
        assert conn.execute("show transaction_deferrable").fetchone() == ("off",)
        writes("written")(conn)

    assert run(settles_in, looks) is None
    assert effects() == ["written"]


def test_a_handler_chooses_its_isolation_level(run: Run, effects: Effects) -> None:
    def perform(conn: Conn) -> None:
        conn.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        conn.execute("insert into effect values (current_setting('transaction_isolation'))")

    assert run(perform) is None
    assert effects() == ["serializable"]


def test_a_transaction_block_as_the_first_thing_is_no_transaction_of_its_own(run: Run, effects: Effects) -> None:
    def perform(conn: Conn) -> None:
        with conn.transaction():
            writes("in the block")(conn)
        raise RuntimeError

    assert "RuntimeError" in (run(perform) or "")
    assert effects() == []


def test_transaction_blocks_commit_with_the_job(run: Run, effects: Effects) -> None:
    def perform(conn: Conn) -> None:
        with conn.transaction():
            writes("outer")(conn)
            with suppress(ZeroDivisionError), conn.transaction():
                writes("rolled back by an error")(conn)
                raise ZeroDivisionError
            with conn.transaction() as block:
                writes("rolled back on purpose")(conn)
                raise psycopg.Rollback(block)
        with conn.transaction(force_rollback=True):
            writes("tried out")(conn)
        with conn.transaction("named"):
            writes("second")(conn)

    assert run(perform) is None
    assert effects() == ["outer", "second"]


def test_nested_blocks_leave_nothing_when_the_handler_fails_after_them(run: Run, effects: Effects) -> None:
    def perform(conn: Conn) -> None:
        with conn.transaction(), conn.transaction():
            writes("inner")(conn)
        with conn.pipeline(), conn.transaction():
            writes("pipelined")(conn)
        raise RuntimeError("too late")

    assert "RuntimeError: too late" in (run(perform) or "")
    assert effects() == []


def test_a_block_in_a_pipeline_as_the_first_thing_is_no_transaction_of_its_own(run: Run, effects: Effects) -> None:
    def perform(conn: Conn) -> None:
        with conn.pipeline(), conn.transaction():
            writes("pipelined")(conn)
        raise RuntimeError

    assert "RuntimeError" in (run(perform) or "")
    assert effects() == []


def test_a_caught_error_without_a_savepoint_fails_with_the_remedy(run: Run, effects: Effects) -> None:
    def perform(conn: Conn) -> None:
        writes("before")(conn)
        with suppress(psycopg.Error):
            conn.execute("select 1 / 0")

    error = run(perform)
    assert error is not None
    assert error == (
        "ectojob_py.errors.HandlerError: the handler caught an error that aborted its transaction; "
        "wrap the statement in conn.transaction()"
    )
    assert effects() == []


@pytest.mark.parametrize("first", [True, False])
def test_a_caught_error_in_a_savepoint_is_no_failure(run: Run, effects: Effects, first: bool) -> None:
    def perform(conn: Conn) -> None:
        if not first:
            writes("before")(conn)
        with suppress(psycopg.errors.DivisionByZero), conn.transaction():
            conn.execute("select 1 / 0")
        writes("later")(conn)

    assert run(perform) is None
    assert effects() == (["later"] if first else ["before", "later"])


def test_a_savepoint_as_text_is_fine(run: Run, effects: Effects) -> None:
    script = ["savepoint a", "insert into effect values ('no')", "rollback to savepoint a", "release a"]
    assert run(does(*map(says, script), writes("yes"))) is None
    assert effects() == ["yes"]


def test_the_transaction_begins_at_the_first_statement(conn: Conn, start_worker: StartWorker) -> None:
    called, go_on, wrote, end = (threading.Event() for _ in range(4))

    def perform(conn: Conn, _job: Job) -> None:
        called.set()
        go_on.wait(20)
        conn.execute("select")
        wrote.set()
        end.wait(20)

    start_worker(perform=perform)
    Jobs(conn).enqueue("default")
    assert called.wait(20)
    until(lambda: open_transactions(conn) == 0)  # the worker itself has one now and then
    go_on.set()
    assert wrote.wait(20)
    until(lambda: open_transactions(conn) == 1)
    end.set()


def open_transactions(conn: Conn) -> int:
    query = "select count(xact_start) from pg_stat_activity where application_name like 'ectojob%'"
    [(number,)] = conn.execute(query).fetchall()
    return int(number)


def test_a_handler_that_writes_nothing_completes(run: Run) -> None:
    assert run(lambda _: None) is None
    assert run(says("select")) is None


def test_every_kind_of_cursor_works(run: Run, effects: Effects) -> None:
    def perform(conn: Conn) -> None:
        with conn.cursor(row_factory=dict_row) as cursor:
            cursor.executemany("insert into effect values (%(what)s)", [{"what": "many"}, {"what": "more"}])
        with conn.cursor("server", row_factory=dict_row) as rows:
            rows.execute("select n from generate_series(1, 300) n")
            assert sum(row["n"] for row in rows) == 45150
        with conn.cursor() as cursor, cursor.copy("copy effect from stdin") as copy:
            copy.write_row(["copied"])
        with conn.cursor() as cursor, cursor.copy("copy effect to stdout") as copy:
            assert sorted(what for (what,) in copy.rows()) == ["copied", "many", "more"]
        assert [n for (n,) in conn.cursor().stream("select generate_series(1, 3)")] == [1, 2, 3]
        assert psycopg.ClientCursor(conn).execute("select %s", ["client"]).fetchone() == ("client",)
        with conn.pipeline():
            writes("pipelined")(conn)
        script = conn.execute("select 'a'; select 'b'")
        assert (script.fetchone(), script.nextset(), script.fetchone()) == (("a",), True, ("b",))

    assert run(perform) is None
    assert effects() == ["copied", "many", "more", "pipelined"]


def test_a_stream_left_in_the_middle_fails_the_job_alone(run: Run, effects: Effects) -> None:
    kept: list[object] = []

    def perform(conn: Conn) -> None:
        writes("streamed")(conn)
        rows = conn.cursor().stream("select generate_series(1, 3)")
        kept.append(rows)  # what nobody keeps ends by itself
        next(rows)

    assert "left a statement of which" in str(run(perform))
    assert run(writes("next")) is None
    assert effects() == ["next"]


def test_every_kind_of_cursor_rolls_back(run: Run, effects: Effects) -> None:
    def perform(conn: Conn) -> None:
        conn.cursor().executemany("insert into effect values (%s)", [("many",), ("more",)])
        with conn.cursor() as cursor, cursor.copy("copy effect from stdin") as copy:
            copy.write_row(["copied"])
        with conn.pipeline():
            writes("pipelined")(conn)
        raise RuntimeError

    assert "RuntimeError" in (run(perform) or "")
    assert effects() == []


def test_a_handler_may_listen_while_it_has_written_nothing(run: Run) -> None:
    assert run(lambda conn: list(conn.notifies(timeout=0))) is None


def test_a_constraint_that_fails_at_commit_fails_the_job(run: Run, effects: Effects, conn: Conn) -> None:
    conn.execute("alter table effect add constraint once unique (what) deferrable initially deferred")
    error = run(does(writes("once"), writes("once")))
    assert 'UniqueViolation: duplicate key value violates unique constraint "once"' in (error or "")
    assert effects() == []


def test_a_handler_that_completes_its_job_itself_is_told_so(run: Run, effects: Effects) -> None:
    def perform(conn: Conn) -> None:
        writes("before")(conn)
        [(id, attempt)] = conn.execute("select id, attempt from jobs.job").fetchall()
        Jobs(conn).complete("default", id, attempt)

    assert "LeaseLost" in (run(perform) or "")
    assert effects() == []


def test_losing_another_jobs_lease_is_a_failure_like_any_other(run: Run, effects: Effects) -> None:
    def perform(conn: Conn) -> None:
        writes("before")(conn)
        Jobs(conn).complete("default", 4711, 1)

    assert "LeaseLost: attempt 1 of job 4711" in (run(perform) or "")
    assert effects() == []


def test_the_handlers_own_enqueue_commits_with_its_job(conn: Conn, start_worker: StartWorker) -> None:
    seen: list[int] = []

    def perform(conn: Conn, job: Job) -> None:
        if job.params["left"]:
            Jobs(conn).enqueue("default", {"left": job.params["left"] - 1})
        if job.attempt == 1:
            raise RuntimeError
        seen.append(job.params["left"])

    start_worker(perform=perform, retry_timeout=0.01, poll_interval=3600)
    Jobs(conn).enqueue("default", {"left": 2})
    until(lambda: conn.execute("select count(*) from jobs.job").fetchone() == (0,))
    assert seen == [2, 1, 0]


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_transaction_that_had_to_yield_is_tried_anew(run: Run, effects: Effects, state: str) -> None:
    tries = []

    def yields(conn: Conn) -> None:
        tries.append(1)
        conn.execute("insert into effect values ('once')")
        if len(tries) < 3:
            conn.execute(f"do $$ begin raise sqlstate '{state}'; end $$".encode())

    assert run(yields) is None
    assert (len(tries), effects()) == (3, ["once"])
