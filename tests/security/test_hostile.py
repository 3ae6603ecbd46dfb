"""Thousands of hostile calls by every role: refused with a documented code, or stored as they were sent."""

import base64
import json
import os
from collections import Counter
from typing import Any

import psycopg
import pymysql
import pytest
from contract.harness import Db

from .hostile import ARGUMENTS, CANARY, QUEUE, Generator, Value
from .places import MAY_CALL, ROLES, SLEEPING, STRANGER, MysqlPlace, Place

CALLS = int(os.environ.get("ECTOJOB_HOSTILE_CALLS", "2500"))
"""Per server; there are four of them, and the command line has its own."""

OURS = {"JQ001", "JQ002", "JQ003", "JQ004", "22023"}
POSTGRES_CONVERSION = {
    "22P02",  # the text of a number, interval or JSON that is none
    "22003",  # a number that doesn't fit its type
    "22007",  # the text of a moment that is none
    "22008",  # a moment or interval that doesn't fit
    "22009",  # a time zone's offset
    "22P05",  # \u0000 in JSON
    "22021",  # bytes that are no text
    "22026",
    "54001",  # JSON that is too deep
    "54000",
    "2202E",
}
"""What PostgreSQL says of an argument before a function is entered."""

MYSQL_CONVERSION = {
    3157,
    1264,
    1265,
    1292,
    1366,
    1406,
    1411,
    3140,
    3141,
    4036,
    4037,
    4038,
    4039,
    4040,
    1300,
    1525,
    1301,
}
"""What MySQL and MariaDB say of it."""

TYPES = {
    "queue": "text", "new_queue": "text", "document": "jsonb", "documents": "jsonb[]", "moment": "timestamptz",
    "count": "integer", "priority": "integer", "text": "text", "duration": "interval", "id": "bigint",
    "attempt": "integer", "ids": "bigint[]", "attempts": "integer[]", "flag": "boolean",
    "payload": "bytea", "transaction": "xid8",
}  # fmt: skip


def postgres_array(values: list[Value]) -> str:
    quoted = (
        "null" if value is None else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values
    )
    return "{" + ",".join(quoted) + "}"


def mysql_array(values: list[Value]) -> str:
    return "[" + ",".join("null" if value is None else value for value in values) + "]"


def call(place: Place, conn: Any, function: str, arguments: list[Value]) -> list[tuple[Any, ...]]:
    """Call with text for everything."""
    if isinstance(place, MysqlPlace):
        return place.execute(conn, f"call jobs.`{function}`({', '.join(['%s'] * len(arguments))})", *arguments)
    casts = ", ".join(f"%s::text::{TYPES[kind]}" for kind in ARGUMENTS[function])
    return place.execute(conn, f"select * from jobs.{function}({casts})", *arguments)


def judged(place: Place, error: Exception) -> tuple[str, str]:
    """Return who refused, us or the server or the driver, and all that was said."""
    if isinstance(error, psycopg.Error):
        diag = error.diag
        said = " ".join(filter(None, [diag.message_primary, diag.message_detail, diag.message_hint]))
        if error.sqlstate is None:
            assert "NUL" in str(error)
            return "driver", said
        if error.sqlstate in OURS:
            return "ours", said
        assert error.sqlstate in POSTGRES_CONVERSION, (error.sqlstate, said[:300])
        return "conversion", ""
    if isinstance(error, pymysql.MySQLError):
        code, said = error.args
        if 31000 < code < 31100:
            return "ours", said
        assert code in MYSQL_CONVERSION, (code, said[:300])
        return "conversion", ""
    raise error


def arrange(db: Db) -> list[tuple[int, int]]:
    """Have a job in every state in an otherwise empty queue; return ids and attempts."""
    db.a_queue(QUEUE)
    states = ("SCHEDULED", "RESERVED", "IN_PROGRESS", "RETRY", "FAILED", "AVAILABLE")
    rows = [db.a_job(state, queue=QUEUE, params={"secret": CANARY}, notify=CANARY) for state in states]
    return [(row["id"], row["attempt"]) for row in rows]


@pytest.mark.timeout(300)
def test_hostile_calls_are_refused_with_a_code_or_stored_as_sent(place: Place, db: Db) -> None:
    on_mysql = isinstance(place, MysqlPlace)
    functions = [function for function in ARGUMENTS if not (on_mysql and function in SLEEPING)]
    keys = arrange(db)
    generator = Generator(20261124, mysql_array if on_mysql else postgres_array, keys)
    sessions = {role: place.connect(role) for role in (*ROLES, STRANGER)}
    outcomes: Counter[str] = Counter()
    called: Counter[str] = Counter()
    try:
        for number in range(CALLS):
            if number % 60 == 0:
                place.dialect.clear(db._observer)
                keys[:] = arrange(db)
            function = generator.random.choice(functions)
            arguments = [generator.draw(kind) for kind in ARGUMENTS[function]]
            allowed = [role for role in ROLES if function in MAY_CALL[role]]
            role = generator.random.choice(allowed if generator.random.random() < 0.9 else [*ROLES, STRANGER])
            before = db.snapshot()
            try:
                rows = call(place, sessions[role], function, arguments)
            except (psycopg.Error, pymysql.MySQLError) as error:
                if place.denied(error):
                    outcome = "denied"
                else:
                    outcome, said = judged(place, error)
                    assert CANARY not in said, (function, arguments)
                    assert len(said) < 500, said[:500]
                    if outcome == "ours":
                        called[function] += 1
                assert db.snapshot() == before, (function, arguments)
            else:
                outcome = "done"
                called[function] += 1
                assert function in MAY_CALL[role]
                check(db, function, arguments, rows, on_mysql)
            assert (outcome == "denied") <= (function not in MAY_CALL[role]), (role, function)
            outcomes[outcome] += 1
    finally:
        for session in sessions.values():
            session.close()
    assert all(outcomes[outcome] > CALLS / 50 for outcome in ("done", "ours", "conversion", "denied")), outcomes
    assert set(called) >= set(functions) - {"version"}


def number(text: str) -> int:
    """Read it as the servers do: PostgreSQL knows 0x10, too."""
    return int(text, 16) if text.startswith("0x") else round(float(text))


def check(db: Db, function: str, arguments: list[Value], rows: list[tuple[Any, ...]], on_mysql: bool) -> None:
    """Look at what was stored."""
    if function == "enqueue":
        job = db.job(rows[0][0])
        queue, document, _, max_attempts, priority, notify = arguments
        assert document is not None
        assert (job["queue"], job["notify"]) == (queue, notify)
        assert job["params"] == json.loads(document)
        assert priority is None or job["priority"] == number(priority)
        assert max_attempts is None or job["max_attempts"] == number(max_attempts)
    if function == "enqueue_payload":
        [(name, text)] = db.job(rows[0][0])["params"].items()
        sent = arguments[1]
        assert name == "payload"
        assert sent is not None
        assert base64.b64decode(text) == sent.encode() or (not on_mysql and "\\" in sent)  # hex, or an escape
    if function == "fail" and rows and arguments[3] is not None:
        assert db.job(int(rows[0][1]))["last_error"] == arguments[3][:10000]
    if function == "create_queue":
        assert arguments[0] is not None
        assert db.queue(arguments[0])["max_attempts"] >= 1
    if function == "enqueue_many":
        assert len(rows) == len([job for job in db.all_jobs() if job["id"] in {row[0] for row in rows}])
