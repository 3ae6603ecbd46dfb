"""What last_error and the log say of an error."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from ectojob_py import Job, Jobs
from ectojob_py.wording import brief, describe, traced

from .conftest import StartWorker
from .waiting import until

Conn = psycopg.Connection[Any]
Deed = Callable[[], object]

FORGED = "no\x1b[2J\nWARNING ectojob: default[1] done in 1 ms"


def raised(deed: Deed) -> Exception:
    try:
        deed()
    except Exception as error:  # noqa: BLE001 - whatever it is
        return error
    pytest.fail("it did not raise")


def told(deed: Deed) -> str:
    return describe(raised(deed))


def decodes() -> None:
    json.loads("{")


def fails() -> None:
    raise ValueError("no")


def compiled(name: str, deed: Deed) -> Deed:
    """Return a function of a file that isn't there, which calls another."""
    names: dict[str, Any] = {"deed": deed}
    exec(compile("def call():\n    deed()", name, "exec"), names)
    call: Deed = names["call"]
    return call


def line_in(function: Callable[..., object], line: int = 1) -> str:
    return f"(test_wording.py:{function.__code__.co_firstlineno + line} in {function.__name__})"


def test_the_line_is_the_handlers_and_not_the_standard_librarys() -> None:
    assert told(decodes).endswith(line_in(decodes))


def test_the_line_is_not_one_that_is_not_there() -> None:
    def performs() -> None:
        compiled("driver/generators.pyx", lambda of: of)()  # type: ignore[misc, arg-type]

    assert told(performs).endswith(line_in(performs))


def test_a_task_group_says_what_is_in_it() -> None:
    async def perform() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(fails))

    said = told(lambda: asyncio.run(perform()))
    assert said.startswith("ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception) (test_wording.py:")
    assert said.endswith(f"; ValueError: no {line_in(fails)}")


def test_a_group_in_a_group_says_what_is_in_both() -> None:
    def perform() -> None:
        raise ExceptionGroup("two", [ExceptionGroup("one", [raised(fails)]), raised(decodes)])

    said = told(perform)
    assert said.startswith(f"ExceptionGroup: two (2 sub-exceptions) {line_in(perform)}; json.decoder.JSONDecodeError: ")
    assert said.endswith(f"{line_in(decodes)}; ValueError: no {line_in(fails)}")


def test_a_crowd_is_not_told_one_by_one() -> None:
    def perform() -> None:
        raise ExceptionGroup("many", [ValueError(n) for n in range(1000)])

    assert told(perform).count("ValueError") == 20


def test_a_long_text_leaves_room_for_the_line() -> None:
    def perform() -> None:
        raise ValueError("x" * 50_000_000)

    said = told(perform)
    assert len(said) < 10_000  # what the database keeps
    assert said.endswith(line_in(perform))
    assert len(brief(said)) <= 2000
    assert len(brief("\x1b\n" * 50_000_000)) <= 2000
    assert brief(said).endswith(line_in(perform))


def test_a_traceback_is_indented_and_printable_and_not_endless() -> None:
    lines = traced(ValueError(f"{FORGED}\n" * 1_000_000)).splitlines()
    assert all(line.startswith("    ") and line.isprintable() for line in lines)
    assert len("".join(lines)) < 100_000


@pytest.mark.usefixtures("one_server")
@pytest.mark.parametrize("transaction", [True, False])
def test_the_log_is_not_the_handlers_to_write(
    conn: Conn, start_worker: StartWorker, caplog: pytest.LogCaptureFixture, transaction: bool
) -> None:
    caplog.set_level(logging.INFO, "ectojob")

    def perform(*_: object) -> None:
        raise ValueError(FORGED)

    start_worker(perform=perform, transaction=transaction, retry_timeout=0.01)
    id = Jobs(conn).enqueue("default", max_attempts=2)
    until(lambda: "now FAILED" in caplog.text)
    first, traceback, last = [record.getMessage() for record in caplog.records if f"default[{id}]" in record.message]
    assert r"now RETRY: ValueError: no\x1b[2J WARNING ectojob: default[1] done in 1 ms (test_wording.py" in first
    assert traceback.startswith(f"default[{id}] raised:\n    Traceback (most recent call last):\n")
    assert "        raise ValueError(FORGED)\n" in traceback
    assert r"now FAILED: ValueError: no\x1b[2J WARNING" in last
    assert "\x1b" not in caplog.text
    assert "\nWARNING ectojob:" not in caplog.text


@pytest.mark.usefixtures("one_server")
def test_a_batch_that_fails_says_so_on_one_line(
    conn: Conn, start_worker: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    def perform(_conn: Conn, jobs: list[Job]) -> None:
        if len(jobs) > 1:
            raise ValueError(FORGED)

    Jobs(conn).enqueue_many("default", [{}, {}])
    start_worker(perform_batch=perform)
    until(lambda: conn.execute("select from jobs.job").fetchone() is None)
    [said] = [record.getMessage() for record in caplog.records if "a batch of 2 failed" in record.message]
    assert said.isprintable()
