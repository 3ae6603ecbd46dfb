"""``ectojob jobs``, ``requeue`` and ``remove``: looking at jobs, and mending."""

from enum import StrEnum
from typing import Annotated, Any

import psycopg
import typer
from psycopg import sql

from ectojob_py.cli.failures import BadUsage
from ectojob_py.cli.options import AsJson, Chosen, Dsn, Schema, chosen
from ectojob_py.cli.output import Column, Listing, progress, report
from ectojob_py.cli.typed import int8
from ectojob_py.client import Jobs
from ectojob_py.errors import JobNotFailed, SetupError

Queue = Annotated[str, typer.Argument(metavar="QUEUE")]
Id = typer.Argument(metavar="ID...", parser=int8, help="Of the jobs; all or none of them.")


class State(StrEnum):
    """Where a job can be."""

    SCHEDULED = "SCHEDULED"
    AVAILABLE = "AVAILABLE"
    RESERVED = "RESERVED"
    IN_PROGRESS = "IN_PROGRESS"
    RETRY = "RETRY"
    FAILED = "FAILED"


_COLUMNS = [
    Column("queue", lambda row: row["queue"]),
    Column("id", lambda row: row["id"], number=True),
    Column("state", lambda row: row["state"]),
    Column("attempt", lambda row: f"{row['attempt']}/{row['max_attempts']}", number=True),
    Column("priority", lambda row: row["priority"], number=True),
]
_WAITING = [Column("schedule", lambda row: row["schedule"]), Column("lease ends", lambda row: row["expires"])]
_FAILED = [
    Column("failed at", lambda row: row["updated_at"]),
    Column("last error", lambda row: row["last_error"], text=True),
]
_PARAMS = Column("params", lambda row: row["params"], text=True)


def jobs(
    ctx: typer.Context,
    queue: Annotated[str | None, typer.Option("--queue", "-q", metavar="NAME", help="Of this queue only.")] = None,
    state: Annotated[State | None, typer.Option(case_sensitive=False, help="In this state only.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="FAILED ones, latest first, with their last error.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    params: Annotated[bool, typer.Option("--params", help="Show the params, too.")] = False,
    dsn: Dsn = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Show jobs in running order.

    Example: ectojob jobs --queue emails --state AVAILABLE

    Example: ectojob jobs --failed
    """
    choice = chosen(ctx, dsn, schema, as_json)
    if failed and state not in (None, State.FAILED):
        raise BadUsage(f"--failed and --state {state} exclude each other", "Leave one out.")
    failed = failed or state is State.FAILED
    columns = [*_COLUMNS, *(_FAILED if failed else _WAITING), *([_PARAMS] if params else [])]
    query = sql.SQL(
        "select queue, id, state, priority, schedule, expires, attempt, max_attempts, {params} notify, last_error,"
        " inserted_at, updated_at from {job} where {which} order by {order} limit %(limit)s"
    ).format(
        params=sql.SQL("params," if params else ""),
        job=sql.Identifier(choice.schema, "job"),
        which=_which(queue, "FAILED" if failed else state),
        order=sql.SQL("queue, updated_at desc, id" if failed else "queue, priority, schedule, id"),
    )
    with choice.connected() as conn:
        _known(conn, choice, queue)
        listing = Listing("jobs", query, columns, {"queue": queue, "limit": limit})
        if listing.print(conn, choice.as_json) == limit:
            typer.echo(f"the first {limit}; there may be more, see --limit", err=True)


def requeue(
    ctx: typer.Context,
    queue: Queue,
    id: Annotated[list[int] | None, Id] = None,
    all_failed: Annotated[bool, typer.Option("--all-failed", help="Every FAILED job of the queue.")] = False,
    dsn: Dsn = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Give FAILED jobs another chance.

    Example: ectojob requeue emails 42 43

    Example: ectojob requeue emails --all-failed
    """
    choice = chosen(ctx, dsn, schema, as_json)
    if bool(id) == all_failed:
        raise BadUsage("either name the jobs' ids, or pass --all-failed", "ectojob jobs --failed lists them.")
    with choice.connected() as conn:
        _known(conn, choice, queue)
        ids = _requeue_all(conn, choice, queue) if all_failed else _requeue_these(conn, choice, queue, id or [])
    report(choice.as_json, {"queue": queue, "requeued": ids}, f"requeued {len(ids)} of queue {queue}")


def remove(
    ctx: typer.Context,
    queue: Queue,
    id: Annotated[list[int], Id],
    dsn: Dsn = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Cancel jobs that nobody holds, FAILED ones included.

    Example: ectojob remove emails 42 43
    """
    choice = chosen(ctx, dsn, schema, as_json)
    ids = list(dict.fromkeys(id))
    with choice.connected() as conn, conn.transaction():
        for each in ids:
            if Jobs(conn, choice.schema).remove(queue, each) is None:
                msg = f"job {each} of queue {queue} can't be removed: a worker holds it, or there is none"
                raise SetupError(msg, f"Nothing was removed. ectojob jobs --queue {queue} shows what there is.")
    report(choice.as_json, {"queue": queue, "removed": ids}, f"removed {len(ids)} of queue {queue}")


def _requeue_these(conn: psycopg.Connection[Any], choice: Chosen, queue: str, ids: list[int]) -> list[int]:
    with conn.transaction():
        return [Jobs(conn, choice.schema).requeue(queue, id).id for id in dict.fromkeys(ids)]


def _requeue_all(conn: psycopg.Connection[Any], choice: Chosen, queue: str) -> list[int]:
    """Requeue one by one, each for itself, so that a long list holds no locks; somebody else may do the same."""
    query = sql.SQL("select id from {} where queue = %s and state = 'FAILED' order by id")
    failed = conn.execute(query.format(sql.Identifier(choice.schema, "job")), [queue]).fetchall()
    ids = []
    with progress(f"requeuing {queue}", len(failed), silent=choice.as_json) as bar:
        for (id,) in bar.track(failed, task_id=bar.task_ids[0]):
            try:
                ids.append(Jobs(conn, choice.schema).requeue(queue, id).id)
            except JobNotFailed:
                continue
    return ids


def _which(queue: str | None, state: str | None) -> sql.Composable:
    """Return the condition; the state is written out, so that its partial index fits."""
    conditions: list[sql.Composable] = [sql.SQL("true")]
    if queue is not None:
        conditions.append(sql.SQL("queue = %(queue)s"))
    if state is not None:
        conditions.append(sql.SQL("state = {}").format(sql.Literal(str(state))))
    return sql.SQL(" and ").join(conditions)


def _known(conn: psycopg.Connection[Any], choice: Chosen, queue: str | None) -> None:
    """Refuse a queue that isn't there; an empty answer would read as if all were well."""
    if queue is not None:
        Jobs(conn, choice.schema).next_due(queue)
