"""``ectojob jobs``, ``requeue`` and ``remove``: looking at jobs, and repairing."""

from enum import StrEnum
from typing import Annotated

import typer

from ectojob_py.cli.options import AsJson, Dsn, Schema, chosen
from ectojob_py.cli.output import Column, Listing, progress, report
from ectojob_py.cli.typed import int8
from ectojob_py.errors import BadUsage, JobNotFailed, SetupError
from ectojob_py.session import Session

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
    limit: Annotated[int, typer.Option(min=1, max=2**63 - 1, help="How many at most.", metavar="N")] = 50,
    params: Annotated[bool, typer.Option("--params", help="Show the params, too; for the owner.")] = False,
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
    with choice.connected(*(() if params else ("reader", "admin"))) as session:
        rows = session.rows(_query(queue, State.FAILED if failed else state, params), queue=queue, limit=limit)
        if queue is not None and not rows:  # a queue that was dropped may have jobs
            _known(session, queue)
        Listing("jobs", columns, rows).print(choice.as_json)
    if len(rows) == limit:
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
    with choice.connected("admin") as session:
        _known(session, queue)
        ids = _requeue_all(session, queue, choice.as_json) if all_failed else _requeue_these(session, queue, id or [])
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
    with choice.connected("admin") as session, session.transaction(queue):
        for each in ids:
            if session.jobs.remove(queue, each) is None:
                msg = f"job {each} of queue {queue} can't be removed: a worker holds it, or there is none"
                raise SetupError(msg, f"Nothing was removed. ectojob jobs --queue {queue} shows what there is.")
    report(choice.as_json, {"queue": queue, "removed": ids}, f"removed {len(ids)} of queue {queue}")


def _requeue_these(session: Session, queue: str, ids: list[int]) -> list[int]:
    with session.transaction(queue):
        return [session.jobs.requeue(queue, id).id for id in dict.fromkeys(ids)]


def _requeue_all(session: Session, queue: str, silent: bool) -> list[int]:
    """Requeue one by one, each for itself, so that a long list holds no locks; somebody else may do the same."""
    failed = session.rows("select id from {schema}.failed where queue = %(queue)s order by id", queue=queue)
    ids = []
    with progress(f"requeuing {queue}", len(failed), silent=silent) as bar:
        for row in bar.track(failed, task_id=bar.task_ids[0]):
            try:
                ids.append(session.jobs.requeue(queue, row["id"]).id)
            except JobNotFailed:
                continue
    return ids


def _query(queue: str | None, state: State | None, params: bool) -> str:
    """Return the query; the state is written out, so that its partial index fits. Only the table has params."""
    return " ".join(
        [
            "select queue, id, state, priority, schedule, expires, attempt, max_attempts,",
            "params, notify," if params else "",
            "last_error, inserted_at, updated_at",
            f"from {{schema}}.{'job' if params else 'job_state'} where true",
            "and queue = %(queue)s" if queue is not None else "",
            f"and state = '{state}'" if state is not None else "",
            "order by",
            "queue, updated_at desc, id" if state is State.FAILED else "queue, priority, schedule, id",
            "limit %(limit)s",
        ]
    )


def _known(session: Session, queue: str) -> None:
    """Refuse a queue that isn't there; an empty answer would read as if all were well."""
    session.jobs.next_due(queue)
