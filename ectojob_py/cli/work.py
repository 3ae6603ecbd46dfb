"""``ectojob work``: run a worker in this process, or several in processes of their own."""

import logging
import multiprocessing
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer

from ectojob_py.cli.options import Dsn, Schema, chosen
from ectojob_py.cli.processes import LEFT_BEHIND, leave, supervise
from ectojob_py.cli.target import load
from ectojob_py.cli.typed import duration
from ectojob_py.errors import BadUsage
from ectojob_py.worker import Worker


class Level(StrEnum):
    """How grave a log line must be to be shown."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Order:
    """What a worker was told, in a form that another process can be told, too."""

    target: str
    options: dict[str, Any]
    batch: bool
    log_level: str
    log_format: str

    def worker(self) -> Worker:
        """Make the worker; raise ``BadUsage`` for a target that makes no sense."""
        perform = load(self.target, self.batch)
        try:
            return Worker(**self.options, **({"perform_batch": perform} if self.batch else {"perform": perform}))
        except ValueError as error:
            hint = "A handler takes (conn, job), with --no-transaction (job), with --batch (conn, jobs)."
            raise BadUsage(str(error), hint if "called" in str(error) else "See: ectojob work --help") from error

    def run(self) -> int:
        """Run the worker in this process; return the exit code, or end the process if jobs were left behind."""
        worker = self.worker()
        self.begin_log()
        if worker.run():
            leave(LEFT_BEHIND)
        return 0

    def begin_log(self) -> None:
        """Show the log on stderr. After the import: a module that configures logging disables the loggers there are."""
        logging.basicConfig(format=self.log_format, level=logging.WARNING)
        log = logging.getLogger("ectojob")
        log.disabled = False
        if log.level == logging.NOTSET:  # else that module has said what it wants
            log.setLevel(self.log_level)


def work(
    ctx: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:PERFORM", help="A function (conn, job), async or not; or a mapping by params['type']."
        ),
    ],
    queue: Annotated[list[str], typer.Option("--queue", "-q", metavar="NAME", help="What to work on; repeat it.")],
    max_demand: Annotated[
        int, typer.Option(min=1, max=10_000, metavar="N", help="Jobs held at once, running or next.")
    ] = 100,
    connections: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=10_000,
            metavar="N",
            help="Handlers that run at once. Default: --max-demand, at most 20; 2 with --batch; "
            "no such limit for async ones with --no-transaction.",
        ),
    ] = None,
    batch: Annotated[bool, typer.Option("--batch", help="MODULE:PERFORM takes (conn, jobs), many at once.")] = False,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, metavar="N", help="Jobs in a batch, at most. Default: half of --max-demand."),
    ] = None,
    no_transaction: Annotated[
        bool,
        typer.Option(
            "--no-transaction", help="MODULE:PERFORM takes (job), and writes nothing here; it runs at least once."
        ),
    ] = False,
    processes: Annotated[
        int, typer.Option(min=1, max=1_000, metavar="N", help="How many such workers, each a process of its own.")
    ] = 1,
    poll_interval: Annotated[
        timedelta,
        typer.Option(
            parser=duration,
            metavar="DURATION",
            show_default="60s",
            help="How often to look, woken or not: 90, 1.5s, 5m.",
        ),
    ] = timedelta(seconds=60),
    execution_timeout: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar="DURATION", help="A job's lease. Default: the queue's setting."),
    ] = None,
    retry_timeout: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar="DURATION", help="Wait after a failure. Default: the queue's setting."),
    ] = None,
    until_empty: Annotated[
        bool, typer.Option("--until-empty", help="End once no job can run; wait for none that can run later.")
    ] = False,
    grace: Annotated[
        timedelta,
        typer.Option(parser=duration, metavar="DURATION", show_default="30s", help="What running jobs get on SIGTERM."),
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
    """Run the jobs of one or more queues until SIGTERM or Ctrl-C, or, with --until-empty, until none can run.

    Running jobs get a grace period then; those that outlive it are released for other workers, and the exit code is 3.
    Of several processes, one that dies is started again.

    Each job is a transaction of its own, its completion included. With --batch many are one, or run one by one when
    that fails. With --no-transaction they are completed together soon after, and a crash repeats some.

    Example: ectojob work shop.receipts:perform --queue receipts --queue emails
    """
    choice = chosen(ctx, dsn, schema, as_json=False)
    if batch and no_transaction:
        raise BadUsage("--batch and --no-transaction exclude each other", "A batch is one transaction.")
    if batch_size is not None and not batch:
        raise BadUsage("--batch-size is for --batch", "Pass both, and a function (conn, jobs).")
    options = {
        "dsn": choice.dsn,
        "queue": queue,
        "transaction": not no_transaction,
        "max_demand": max_demand,
        "batch_size": batch_size,
        "connections": connections,
        "poll_interval": poll_interval.total_seconds(),
        "execution_timeout": _seconds(execution_timeout),
        "retry_timeout": _seconds(retry_timeout),
        "until_empty": until_empty,
        "grace": grace.total_seconds(),
        "log": log,
        "schema": choice.schema,
    }
    which = "%(processName)s " if processes > 1 else ""
    order = Order(target, options, batch, log_level.upper(), f"%(asctime)s %(levelname)-7s {which}%(message)s")
    code = order.run() if processes == 1 else _several(order, processes)
    if code:
        raise typer.Exit(code)


def _several(order: Order, processes: int) -> int:
    order.worker().check()
    multiprocessing.current_process().name = "watcher"
    order.begin_log()
    log = logging.getLogger("ectojob")
    log.disabled = not order.options["log"]
    return supervise(order.run, processes, log, may_end=order.options["until_empty"], grace=order.options["grace"])


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()
