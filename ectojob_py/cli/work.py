"""``ectojob work``: run a worker in this process."""

import logging
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from ectojob_py.cli.options import Dsn, Schema, chosen
from ectojob_py.cli.target import load
from ectojob_py.cli.typed import duration
from ectojob_py.worker import Worker

LEFT_BEHIND = 3
"""The exit code when jobs outlived the grace period and were released."""


class Level(StrEnum):
    """How grave a log line must be to be shown."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def work(
    ctx: typer.Context,
    target: Annotated[
        str, typer.Argument(metavar="MODULE:PERFORM", help="A function (conn, job), or a mapping by params['type'].")
    ],
    queue: Annotated[list[str], typer.Option("--queue", "-q", metavar="NAME", help="What to work on; repeat it.")],
    max_demand: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="How many jobs run at once.")] = 100,
    connections: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, metavar="N", help="How many of them may. Default: --max-demand, at most 20."),
    ] = None,
    poll_interval: Annotated[
        timedelta,
        typer.Option(parser=duration, metavar="DURATION", show_default="60", help="How often to look, woken or not."),
    ] = timedelta(seconds=60),
    execution_timeout: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar="DURATION", help="A job's lease. Default: the queue's setting."),
    ] = None,
    retry_timeout: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar="DURATION", help="Wait after a failure. Default: the queue's setting."),
    ] = None,
    grace: Annotated[
        timedelta,
        typer.Option(parser=duration, metavar="DURATION", show_default="30", help="What running jobs get on SIGTERM."),
    ] = timedelta(seconds=30),
    log_level: Annotated[
        Level,
        typer.Option(
            case_sensitive=False, metavar="LEVEL", help="What the log shows at least: debug, info, warning, error."
        ),
    ] = Level.INFO,
    log: Annotated[bool, typer.Option("--log/--no-log", help="Whether to log, on stderr.")] = True,
    dsn: Dsn = None,
    schema: Schema = None,
) -> None:
    """Run the jobs of one or more queues until SIGTERM or Ctrl-C.

    Running jobs get a grace period then; those that outlive it are released for other workers, and the exit code is 3.

    Example: ectojob work shop.receipts:perform --queue receipts --queue emails
    """
    choice = chosen(ctx, dsn, schema, as_json=False)
    dsn = choice.dsn
    perform = load(target)
    logging.basicConfig(format="%(asctime)s %(levelname)-7s %(message)s", level=logging.WARNING)
    logging.getLogger("ectojob").setLevel(log_level.upper())
    released = Worker(
        dsn,
        queue=queue,
        perform=perform,
        max_demand=max_demand,
        connections=connections,
        poll_interval=poll_interval.total_seconds(),
        execution_timeout=_seconds(execution_timeout),
        retry_timeout=_seconds(retry_timeout),
        grace=grace.total_seconds(),
        log=log,
        schema=choice.schema,
    ).run()
    if released:
        raise typer.Exit(LEFT_BEHIND)


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()
