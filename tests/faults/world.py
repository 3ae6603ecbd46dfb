"""The world in which orders are explored: jobs in every state, and each call that somebody may make of them."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from contract.harness import HOUR, Db, Dialect, Row

from .judge import Call
from .model import World

Key = tuple[Any, ...]
Keys = dict[str, Key]

FAR = timedelta(days=10)


def a_world(dialect: Dialect) -> Keys:
    """Empty a database, and fill it with jobs in every state; return their keys by what is said of them."""
    with closing(Db(dialect)) as db:
        db.a_queue(reservation_timeout=FAR, execution_timeout=FAR, retry_timeout=FAR)
        db.a_queue("other")
        rows: dict[str, Row] = {
            "failed": db.a_job("FAILED"),
            "last": db.a_job("IN_PROGRESS", max_attempts=1),
            "expired": db.a_job("IN_PROGRESS", attempt=2),
            "running": db.a_job("IN_PROGRESS"),
            "reserved": db.a_job("RESERVED"),
            "lapsed": db.a_job("RESERVED", max_attempts=1),
            "retry": db.a_job("RETRY"),
            "due": db.a_job("SCHEDULED"),
            "later": db.a_job("SCHEDULED", schedule=db.now() + FAR),
            "elsewhere": db.a_job("SCHEDULED", queue="other"),
            "second": db.a_job("AVAILABLE", notify="told"),
            "third": db.a_job("AVAILABLE"),
            "first": db.a_job("AVAILABLE", priority=-1),
        }
        for name in ("last", "expired", "lapsed"):
            db.let_lease_end(rows[name]["id"])
        for name in ("retry", "due", "elsewhere"):
            db.let_schedule_come(rows[name]["id"])
    return {name: (row["queue"], row["id"], row["attempt"]) for name, row in rows.items()}


def _of(function: str, name: str, *more: Any) -> Callable[[Keys], Call]:
    arity = 2 if function in ("requeue", "remove") else 3
    return lambda keys: Call(function, (*keys[name][:arity], *more))


def _to(function: str, *args: Any) -> Callable[[Keys], Call]:
    return lambda _: Call(function, args)


def _both(keys: Keys) -> Call:
    held = keys["expired"], keys["running"]
    return Call("complete_batch", ("default", [key[1] for key in held], [key[2] for key in held]))


CALLS: dict[str, Callable[[Keys], Call]] = {
    "enqueue": _to("enqueue", "default", {"n": 1}, None, None, -2, None),
    "enqueue later": _to("enqueue", "default", {}, datetime.now(UTC).replace(microsecond=1) + FAR, None, 0, None),
    "enqueue_many": _to("enqueue_many", "default", [{"n": 1}, {"n": 2}], None, 3, -2, "told"),
    "reserve_batch": _to("reserve_batch", "default", 2, None),
    "claim_batch": _to("claim_batch", "default", 2, None),
    "begin_attempt": _of("begin_attempt", "reserved"),
    "begin_attempt too late": _of("begin_attempt", "lapsed"),
    "complete": _of("complete", "running"),
    "complete expired": _of("complete", "expired"),
    "complete_batch": _both,
    "fail": _of("fail", "expired", "an error", None),
    "fail the last time": _of("fail", "last", None, HOUR),
    "extend": _of("extend", "expired", None),
    "release reserved": _of("release", "reserved"),
    "release begun": _of("release", "expired"),
    "activate_scheduled": _to("activate_scheduled", "default"),
    "activate_scheduled everywhere": _to("activate_scheduled", None),
    "reactivate_expired": _to("reactivate_expired", "default"),
    "reactivate_expired everywhere": _to("reactivate_expired", None),
    "requeue": _of("requeue", "failed"),
    "remove failed": _of("remove", "failed"),
    "remove due": _of("remove", "due"),
    "remove available": _of("remove", "first"),
    "drop_queue": _to("drop_queue", "default", True),
    "pause_queue": _to("pause_queue", "default"),
}
"""Every function that moves or takes jobs, or keeps others from it, by words that name it in the tests."""


def names(call: Call, world: World) -> set[str | int]:
    """Return the rows that a call names, and for which it may wait; takers, sweeps and producers wait for none."""
    match call.function:
        case "complete_batch":
            return set(call.args[1])
        case "drop_queue":
            return {"default", *(key for key, row in world.items() if row.get("queue") == "default")}
        case "pause_queue":
            return {"default"}
        case "begin_attempt" | "complete" | "fail" | "extend" | "release" | "requeue" | "remove":
            return {call.args[1]}
    return set()
