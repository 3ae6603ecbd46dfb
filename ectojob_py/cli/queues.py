"""``ectojob queues`` and ``ectojob queue ...``: what is to do, and the queues' settings."""

from datetime import timedelta
from typing import Annotated

import typer

from ectojob_py.cli.options import AsJson, Dsn, Schema, chosen
from ectojob_py.cli.output import Column, Listing, report, spoken
from ectojob_py.cli.typed import duration, int4
from ectojob_py.session import Session

group = typer.Typer(help="Create, pause, resume or drop a queue.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME")]

_QUERY = """
    select queue, paused_at, scheduled, available, reserved, in_progress, retry, failed, oldest_available,
        longest_running, next_due, max_attempts, reservation_timeout, execution_timeout, retry_timeout
    from {schema}.queue_depth
    where queue = coalesce(%(queue)s, queue)
    order by queue
"""
_NAME = Column("queue", lambda row: row["queue"])
_DEPTH = [
    Column("scheduled", lambda row: row["scheduled"], number=True),
    Column("available", lambda row: row["available"], number=True),
    Column("reserved", lambda row: row["reserved"], number=True),
    Column("in progress", lambda row: row["in_progress"], number=True),
    Column("retry", lambda row: row["retry"], number=True),
    Column("failed", lambda row: row["failed"], number=True),
    Column("oldest", lambda row: spoken(row["oldest_available"]), number=True),
    Column("longest", lambda row: spoken(row["longest_running"]), number=True),
    Column("", lambda row: "dropped" if row["max_attempts"] is None else "paused" if row["paused_at"] else ""),
]
_SETTINGS = [
    Column("max attempts", lambda row: row["max_attempts"], number=True),
    Column("reservation timeout", lambda row: spoken(row["reservation_timeout"]), number=True),
    Column("execution timeout", lambda row: spoken(row["execution_timeout"]), number=True),
    Column("retry timeout", lambda row: spoken(row["retry_timeout"]), number=True),
    Column("paused since", lambda row: row["paused_at"]),
]


def queues(
    ctx: typer.Context,
    settings: Annotated[bool, typer.Option("--settings", help="Show the settings instead of the jobs.")] = False,
    dsn: Dsn = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Show how many jobs each queue has, and in which state.

    Example: ectojob queues

    Example: ectojob queues --settings
    """
    choice = chosen(ctx, dsn, schema, as_json)
    with choice.connected("reader", "admin") as session:
        _listing(session, _SETTINGS if settings else _DEPTH).print(choice.as_json)


@group.command()
def create(
    ctx: typer.Context,
    name: Name,
    max_attempts: Annotated[
        int | None, typer.Option(parser=int4, metavar="N", help="How many times a job may be begun.")
    ] = None,
    reservation_timeout: Annotated[
        timedelta | None, typer.Option(parser=duration, metavar="DURATION", help="From reserving to beginning.")
    ] = None,
    execution_timeout: Annotated[
        timedelta | None, typer.Option(parser=duration, metavar="DURATION", help="The lease of a first attempt.")
    ] = None,
    retry_timeout: Annotated[
        timedelta | None, typer.Option(parser=duration, metavar="DURATION", help="The wait after a first failure.")
    ] = None,
    dsn: Dsn = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Create a queue; or change the settings that are passed, if it exists.

    Example: ectojob queue create emails --max-attempts 3 --retry-timeout 1m
    """
    choice = chosen(ctx, dsn, schema, as_json)
    with choice.connected("admin") as session:
        session.jobs.create_queue(name, max_attempts, reservation_timeout, execution_timeout, retry_timeout)
        _listing(session, _SETTINGS, name).print(choice.as_json)


@group.command()
def pause(ctx: typer.Context, name: Name, dsn: Dsn = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Hand out no more jobs of a queue; what runs goes on.

    Example: ectojob queue pause emails
    """
    choice = chosen(ctx, dsn, schema, as_json)
    with choice.connected("admin") as session:
        session.jobs.pause_queue(name)
    report(choice.as_json, {"queue": name, "paused": True}, f"paused {name}")


@group.command()
def resume(ctx: typer.Context, name: Name, dsn: Dsn = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Hand out jobs of a queue again.

    Example: ectojob queue resume emails
    """
    choice = chosen(ctx, dsn, schema, as_json)
    with choice.connected("admin") as session:
        session.jobs.resume_queue(name)
    report(choice.as_json, {"queue": name, "paused": False}, f"resumed {name}")


@group.command()
def drop(
    ctx: typer.Context,
    name: Name,
    force: Annotated[bool, typer.Option("--force", help="Delete its jobs, too.")] = False,
    dsn: Dsn = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Drop a queue that has no jobs; with --force, its jobs too.

    Example: ectojob queue drop emails
    """
    choice = chosen(ctx, dsn, schema, as_json)
    with choice.connected("admin") as session:
        session.jobs.drop_queue(name, force)
    report(choice.as_json, {"queue": name, "dropped": True}, f"dropped {name}")


def _listing(session: Session, columns: list[Column], queue: str | None = None) -> Listing:
    return Listing("queues", [_NAME, *columns], session.rows(_QUERY, queue=queue))
