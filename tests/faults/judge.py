"""Calling a function, and judging what it did by what the model says: row by row, code by code."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import pymysql
from contract.harness import Dialect

from ectojob_py.calls import calls_on
from ectojob_py.job import Document

from .model import Model, Refused, Row, World

KIND = {
    "create_queue": "values",
    "enqueue_many": "values",
    **dict.fromkeys(
        ["reserve_batch", "claim_batch", "begin_attempt", "fail", "extend", "release", "requeue", "remove"], "jobs"
    ),
}
"""What a function returns: one value, unless said otherwise here."""

ANY_CODE = "any"
"""Expected of an argument of the wrong type: each database has its own codes for those."""

REFUSALS = (psycopg.Error, pymysql.MySQLError)


class Raw(str):
    """Text that is sent as it is, where a document is due."""

    __slots__ = ()


@dataclass(frozen=True)
class Call:
    """A function and all of its arguments, documents still being plain values."""

    function: str
    args: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(repr, self.args))})"


@dataclass(frozen=True)
class Answer:
    """What a call returned, or the code it raised, and two readings of the database's clock around it."""

    value: Any
    code: str | None
    since: datetime
    until: datetime


def ask(dialect: Dialect, conn: Any, call: Call, since: datetime | None = None) -> Answer:
    """Call on a connection. After a refusal the transaction is as the database leaves it."""
    since = since or dialect.now(conn)
    args = [_document(call.function, place, arg) for place, arg in enumerate(call.args)]
    try:
        value = getattr(calls_on(conn, "jobs"), KIND.get(call.function, "value"))(call.function, *args)
    except REFUSALS as error:
        return Answer(None, dialect.code(error) or ANY_CODE, since, since)
    return Answer(value, None, since, dialect.now(conn))


def _document(function: str, place: int, arg: Any) -> Any:
    if isinstance(arg, Raw):
        return str(arg)
    if place == 1 and function == "enqueue" and arg is not None:
        return Document(arg)
    if place == 1 and function == "enqueue_many" and isinstance(arg, list):
        return [Document(item) for item in arg]
    return arg


def as_stored(call: Call, conn: Any) -> Call:
    """What is called in effect: MySQL's enqueue_many makes doubles of long numbers, see ``sql/README.md``."""
    mysql = isinstance(conn, pymysql.Connection) and "mariadb" not in conn.get_server_info().lower()
    if not mysql or call.function != "enqueue_many" or not isinstance(call.args[1], list):
        return call
    params = json.loads(json.dumps(call.args[1]), parse_int=lambda digits: _number(int(digits)))
    return Call(call.function, (call.args[0], params, *call.args[2:]))


def _number(whole: int) -> int | float:
    return whole if -(2**63) <= whole < 2**64 else float(whole)


def read(dialect: Dialect, conn: Any) -> World:
    """Return all there is, as this connection sees it."""
    jobs: World = {row["id"]: row for row in dialect.rows(conn, "job")}
    return jobs | {row["name"]: row for row in dialect.rows(conn, "queue")}


def judge(
    call: Call,
    before: World,
    after: World,
    answer: Answer,
    locked: Collection[str | int] = (),
    perhaps: Collection[str | int] = (),
) -> set[str | int]:
    """Compare; return the keys of the rows that changed.

    ``locked``: rows that other transactions have changed. ``perhaps``: rows they named and may have locked, so that
    both passing over them and taking them are right.
    """
    diff = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    passed_over = {*locked, *(key for key in perhaps if key not in diff)}
    low, high = (Model(before, moment, passed_over) for moment in (answer.since, answer.until))
    value, latest = _expected(call, low), _expected(call, high)
    if isinstance(value, Refused):
        assert answer.code in value.codes, f"{call} gave {answer}, not {sorted(value.codes)}"
        assert not diff, f"{call} raised {answer.code} and yet changed {diff}"
        return diff
    assert answer.code is None, f"{call} raised {answer.code}, and the model did not"
    created = sorted(key for key in diff - before.keys() if isinstance(key, int))
    for model in (low, high):
        assert len(model.created) == len(created), f"{call} created {created}, not {model.created}"
        model.changes.update({id: {"id": id, **row} for id, row in zip(created, model.created, strict=True)})
    # Of two who waited to extend a lease, the second may have been called before the first was through, or may not.
    always, ever = low.changes.keys() & high.changes.keys(), low.changes.keys() | high.changes.keys()
    assert always <= diff <= ever, f"{call} changed {diff}, not {always}"
    for key in diff:
        _same(call, after.get(key), *(model.changes.get(key, before.get(key)) for model in (low, high)))
    _same_answer(call, answer.value, value, latest, created)
    return diff


def _expected(call: Call, model: Model) -> Any:
    try:
        return model.call(call.function, *call.args)
    except Refused as refusal:
        return refusal


def _same(call: Call, row: Row | None, low: Row | None, high: Row | None) -> None:
    if row is None or low is None or high is None:
        assert row == low == high, f"{call} left {row}, not {low}"
        return
    assert row.keys() == low.keys()
    wrong = {name: (row[name], low[name]) for name in row if not _between(low[name], row[name], high[name])}
    assert not wrong, f"{call} left, instead of: {wrong}"


def _between(low: Any, value: Any, high: Any) -> bool:
    if isinstance(value, datetime) and isinstance(low, datetime) and isinstance(high, datetime):
        return low <= value <= high
    return type(value) is type(low) and bool(value == low == high)


def _same_answer(call: Call, given: Any, low: Any, high: Any, created: list[int]) -> None:
    kind = KIND.get(call.function, "value")
    if kind == "jobs":
        assert len(given) == len(low), f"{call} returned {given}, not {low}"
        for job, lowest, highest in zip(given, low, high, strict=True):
            _same(call, {name: getattr(job, name) for name in lowest}, lowest, highest)
    elif call.function in ("enqueue", "enqueue_payload"):
        assert [given] == created
    elif call.function == "create_queue":
        assert given == [low]
    elif kind == "values":
        assert given == created
    elif low is not None:
        assert given == low, f"{call} returned {given!r}, not {low!r}"
    elif call.function == "next_due":
        assert given is None
