"""The statement by which ``Jobs`` calls a function, ``select ... from jobs.f(...)``: its text, arguments, results."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, LiteralString, cast

import psycopg
from psycopg import sql
from psycopg.abc import AdaptContext
from psycopg.adapt import PyFormat, Transformer
from psycopg.types.json import Jsonb
from psycopg.types.string import StrDumperUnknown

from ectojob_py.job import COLUMNS, Document, Job, Verbatim

JOB: LiteralString = ", ".join("params::text as params_json" if name == "params_json" else name for name in COLUMNS)


class _Untyped(str):
    """A text that takes its parameter's type, whatever the application has registered for ``str`` and ``int``."""


psycopg.adapters.register_dumper(_Untyped, StrDumperUnknown)


def job_row(_cursor: object) -> Callable[[Sequence[Any]], Job]:
    """Make jobs of rows that have ``COLUMNS``, in their order."""
    return _job


def _job(values: Sequence[Any]) -> Job:
    job = object.__new__(Job)  # its own constructor, as it is frozen, sets field by field, and takes twice as long
    job.__dict__.update(zip(COLUMNS, values, strict=True))
    return job


@cache
def select(columns: LiteralString, schema: str, function: str, arity: int) -> bytes:
    """Return the statement as psycopg sends it: to compose it for every call takes longer than to send it."""
    return (
        sql.SQL("select {} from {}({}) as answer")
        .format(
            sql.SQL(columns),
            sql.Identifier(schema.replace("%", "%%"), function),
            sql.SQL(", ").join([sql.Placeholder()] * arity),
        )
        .as_bytes()
    )


def adapt(args: tuple[object, ...], conn: AdaptContext) -> list[object]:
    """Send documents as ``jsonb``, written as the connection writes JSON; times by psycopg's usual adaptation."""
    return [_array(arg, conn) if isinstance(arg, list) else _mark(arg) for arg in args]


def _mark(arg: object) -> object:
    if isinstance(arg, Document):
        return Jsonb(arg.value, dumps=_text if isinstance(arg.value, Verbatim) else None)
    return _Untyped(arg) if type(arg) in (int, str) else arg


def _array(items: list[Any], conn: AdaptContext) -> object:
    """Write many integers or documents as an array: psycopg takes longer, and a type by the integers' size."""
    if all(type(item) is int for item in items):
        return _Untyped(f"{{{','.join(map(str, items))}}}")
    if all(isinstance(item, Document) for item in items):
        dumper = Transformer.from_context(conn).get_dumper(Jsonb(None), PyFormat.TEXT)
        dumped = [cast(bytes, dumper.dump(_mark(item))) for item in items]
        written = [text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') for text in dumped]
        return _Untyped((b'{"%s"}' % b'","'.join(written)).decode())
    return [_mark(item) for item in items]


def _text(value: Verbatim) -> str:
    return value.text
