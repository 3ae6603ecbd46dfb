"""``ectojob enqueue``: one job from the command line, or one per line of the input."""

import json
import os
import stat
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, BinaryIO, NoReturn

import typer

from ectojob_py.cli.options import AsJson, Dsn, Schema, chosen
from ectojob_py.cli.output import progress, report
from ectojob_py.cli.typed import Moment, int4, moment
from ectojob_py.engine import engine_of
from ectojob_py.errors import BadUsage
from ectojob_py.job import Verbatim
from ectojob_py.session import Session

_BATCH = 1000


def enqueue(
    ctx: typer.Context,
    queue: Annotated[str, typer.Argument(metavar="QUEUE")],
    params: Annotated[
        str, typer.Argument(metavar="[PARAMS|-]", help="A JSON object; -: one a line from stdin.")
    ] = "{}",
    schedule: Annotated[
        Moment | None,
        typer.Option(parser=moment, metavar="WHEN", help="Not before 2030-01-31T09:00:00Z, or a wait such as +5m."),
    ] = None,
    max_attempts: Annotated[
        int | None,
        typer.Option(parser=int4, metavar="N", help="Default: the queue's setting.", show_default=False),
    ] = None,
    priority: Annotated[int, typer.Option(parser=int4, metavar="N", help="Lower runs first.")] = 0,
    notify: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Sent by NOTIFY when an attempt ends the job, or fails. PostgreSQL only."),
    ] = None,
    dsn: Dsn = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Put a job into a queue and print its id; or many jobs, all or none.

    Example: ectojob enqueue emails '{"to": "joe"}' --schedule +5m

    Example: ectojob enqueue emails - < emails.jsonl
    """
    choice = chosen(ctx, dsn, schema, as_json)
    one = None if params == "-" else Params(params, "PARAMS")
    if one is None and sys.stdin is None:
        raise BadUsage("stdin is closed, so there are no lines to read", "Write: ectojob enqueue QUEUE - < FILE")
    with choice.connected("producer") as session:
        common = (_at(schedule, session), max_attempts, priority, notify)
        if one is not None:
            ids = [session.jobs.enqueue(queue, one, *common)]
        else:
            ids = []
            with session.transaction(queue), progress(f"enqueuing into {queue}", _size(sys.stdin.buffer)) as bar:
                for batch, place, read in _batches(sys.stdin.buffer):
                    try:
                        ids += session.jobs.enqueue_many(queue, batch, *common)
                    except Exception as error:
                        if not engine_of(choice.dsn).is_lost(error):
                            error.add_note(place)
                        raise
                    bar.advance(bar.task_ids[0], read)
    report(choice.as_json, {"queue": queue, "ids": ids}, *map(str, ids))


class Params(Verbatim):
    """A JSON object as it was typed."""

    def __init__(self, text: str, where: str) -> None:
        """Check the text; ``where`` it was found is for the message."""
        try:
            value = json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise BadUsage(f"{where} is not JSON: {_reason(error)}", _EXAMPLE) from None
        if not isinstance(value, dict):
            raise BadUsage(f"{where} must be a JSON object, not {text.strip()[:60]}", _EXAMPLE)
        super().__init__(value)
        self.text = text


_EXAMPLE = """Write an object, in single quotes for the shell: '{"to": "joe"}'"""


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos + 1}"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _refuse(constant: str) -> NoReturn:
    msg = f"{constant} is not a JSON number"
    raise ValueError(msg)


def _batches(lines: BinaryIO) -> Iterator[tuple[list[Params], str, int]]:
    """Yield the objects of some lines, which lines, and how many bytes these had. Blank lines are passed over."""
    numbered = enumerate(lines, 1)
    while some := list(islice(numbered, _BATCH)):
        batch = [Params(_decoded(line, number), f"line {number}") for number, line in some if line.strip()]
        yield batch, f"lines {some[0][0]} to {some[-1][0]}", sum(len(line) for _, line in some)


def _decoded(line: bytes, number: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise BadUsage(f"line {number} is not valid UTF-8", "Convert the input first: iconv -t utf-8") from None


def _size(file: BinaryIO) -> float | None:
    """Return how many bytes there are to read, where that can be known."""
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _at(schedule: Moment | None, session: Session) -> datetime | None:
    """Return the moment that is meant; a wait begins now by the database's clock."""
    if schedule is None:
        return None
    if schedule.wait is None:
        return schedule.at
    try:
        return session.clock().astimezone(UTC) + schedule.wait  # in a zone with summer time, + is what its clocks show
    except OverflowError:
        raise BadUsage("--schedule is later than any date", "Write a wait such as +5m, +1h30m or +2d.") from None
