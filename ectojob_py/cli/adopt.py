"""``ectojob adopt`` and ``unadopt``: from EctoJob's table to a queue, and back, while both run."""

import json
from datetime import timedelta
from time import sleep
from typing import Annotated, Any

import psycopg
import typer

from ectojob_py.cli.options import AsJson, Chosen, Dsn, Schema, chosen
from ectojob_py.cli.output import report
from ectojob_py.cli.typed import duration
from ectojob_py.engine import kind_of
from ectojob_py.errors import BadUsage, SetupError

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would happen; takes no lock.")]
LockTimeout = Annotated[
    timedelta,
    typer.Option(
        parser=duration,
        metavar="DURATION",
        show_default="2s",
        help="Wait this long for a lock, and hold others up as long.",
    ),
]
Tries = Annotated[int, typer.Option(min=1, metavar="N", help="How many times to try for the locks.")]


def adopt(
    ctx: typer.Context,
    relation: Annotated[str, typer.Argument(metavar="SCHEMA.TABLE", help="EctoJob's table, such as public.jobs.")],
    queue: Annotated[str, typer.Option("--queue", "-q", metavar="NAME", help="Becomes its queue; made if need be.")],
    dry_run: DryRun = False,
    lock_timeout: LockTimeout = timedelta(seconds=2),
    tries: Tries = 10,
    dsn: Dsn = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Take over a table of EctoJob's with its jobs, while EctoJob goes on working.

    The jobs become jobs of the queue, in one transaction; their ids stay.

    A view gets the table's name. EctoJob works on through it, not restarted.

    The table is kept as TABLE_adopted, for ectojob unadopt.

    First look: ectojob adopt public.jobs --queue emails --dry-run

    Then do it: ectojob adopt public.jobs --queue emails

    Both sides run: ectojob work shop.emails:perform --queue emails

    When EctoJob is gone: select jobs.drop_ectojob_view('emails')

    docs/from-ectojob.md has the whole way, and what differs.
    """
    choice = chosen(ctx, dsn, schema, as_json)
    arguments = (queue, relation, dry_run, lock_timeout)
    plan = _changed(choice, "adopt", arguments, 1 if dry_run else tries, lock_timeout)
    objections, mended = plan["objections"], plan["mended"]
    lines = [
        f"{'would adopt' if dry_run else 'adopted'} {plan['relation']} as queue {queue}",
        *_states(plan["states"]),
        *([f"{mended} of them adjusted to fit their state, see docs/from-ectojob.md"] if mended else []),
        *(["without priorities, which the table did not have: 0"] if not plan["priority"] else []),
        *(f"but {objection}" for objection in objections),
    ]
    report(choice.as_json, {**plan, "dry_run": dry_run}, *lines)
    if objections:
        msg = f"{plan['relation']} can't be adopted as it is"
        raise SetupError(msg, "Fix what is said above, and look again.")


def unadopt(
    ctx: typer.Context,
    queue: Annotated[str, typer.Argument(metavar="QUEUE", help="Whose table was adopted.")],
    dry_run: DryRun = False,
    lock_timeout: LockTimeout = timedelta(seconds=2),
    tries: Tries = 10,
    dsn: Dsn = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Give an adopted table back to EctoJob, with the jobs its queue has now, while EctoJob goes on working.

    Stop our workers of the queue first: what they run then rolls back.

    Example: ectojob unadopt emails --dry-run
    """
    choice = chosen(ctx, dsn, schema, as_json)
    plan = _changed(choice, "unadopt", (queue, dry_run, lock_timeout), 1 if dry_run else tries, lock_timeout)
    done = f"{'would give' if dry_run else 'gave'} {plan['relation']} back to EctoJob"
    report(choice.as_json, {**plan, "dry_run": dry_run}, done, *_states(plan["states"]))


def _changed(
    choice: Chosen, function: str, arguments: tuple[object, ...], tries: int, pause: timedelta
) -> dict[str, Any]:
    """Call, and call again after a pause in which others get on, when a lock is not to be had in time."""
    if kind_of(choice.dsn) != "postgres":
        raise BadUsage(f"{function} needs PostgreSQL", "docs/from-ectojob.md has the way from EctoJob on MySQL.")
    with choice.connected() as session:
        for again in range(tries - 1, -1, -1):
            try:
                document: Any = getattr(session.jobs, function)(*arguments)
            except psycopg.errors.LockNotAvailable:
                if not again:
                    raise
                sleep(pause.total_seconds())
            else:
                plan: dict[str, Any] = json.loads(document)  # the session decodes no JSON
                return plan
    raise AssertionError(tries)


def _states(states: dict[str, int] | None) -> list[str]:
    return [f"{count} {state}" for state, count in sorted((states or {}).items())] or ["no jobs"]
