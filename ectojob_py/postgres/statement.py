"""The one statement there is, ``select ... from jobs.f(...)``: its text, what goes in, and the jobs that come out."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, LiteralString

from psycopg import sql
from psycopg.types.json import Jsonb

from ectojob_py.job import COLUMNS, Document, Job, Verbatim

JOB: LiteralString = ", ".join("params::text as params_json" if name == "params_json" else name for name in COLUMNS)


def job_row(_cursor: object) -> Callable[[Sequence[Any]], Job]:
    """Make jobs of rows that have ``COLUMNS``, in their order."""
    return _job


def _job(values: Sequence[Any]) -> Job:
    job = object.__new__(Job)  # its own constructor, as it is frozen, sets field by field, and takes twice as long
    job.__dict__.update(zip(COLUMNS, values, strict=True))
    return job


@cache
def select(columns: LiteralString, schema: str, function: str, arity: int) -> bytes:
    """Return the statement as psycopg sends it: to compose it anew for every call takes longer than to send it."""
    return (
        sql.SQL("select {} from {}({})")
        .format(
            sql.SQL(columns),
            sql.Identifier(schema.replace("%", "%%"), function),
            sql.SQL(", ").join([sql.Placeholder()] * arity),
        )
        .as_bytes()
    )


def adapt(args: tuple[object, ...]) -> list[object]:
    """Send documents as ``jsonb``; the rest is psycopg's usual adaptation."""
    return [_mark(arg) for arg in args]


def _mark(arg: object) -> object:
    if isinstance(arg, Document):
        return Jsonb(arg.value, dumps=_text if isinstance(arg.value, Verbatim) else None)
    if isinstance(arg, list):
        if all(type(item) is int for item in arg):  # psycopg takes ten times as long, and a type by their size
            return f"{{{','.join(map(str, arg))}}}"
        return [_mark(item) for item in arg]
    return arg


def _text(value: Verbatim) -> str:
    return value.text
