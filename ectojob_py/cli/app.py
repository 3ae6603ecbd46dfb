"""The commands, in the order ``ectojob --help`` shows them."""

from importlib.metadata import version
from typing import Annotated

import typer

from ectojob_py.cli import queues
from ectojob_py.cli.adopt import adopt, unadopt
from ectojob_py.cli.demo import demo
from ectojob_py.cli.enqueue import enqueue
from ectojob_py.cli.jobs import jobs, remove, requeue
from ectojob_py.cli.migrate import migrate
from ectojob_py.cli.options import AsJson, Chosen, Dsn, Schema
from ectojob_py.cli.work import work

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (migrate, work, enqueue, queues.queues, jobs, requeue, remove, adopt, unadopt, demo):
    app.command()(command)
app.add_typer(queues.group, name="queue")


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(version("ectojob"))
        raise typer.Exit


@app.callback()
def ectojob(
    ctx: typer.Context,
    dsn: Dsn = None,
    schema: Schema = None,
    as_json: AsJson = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the release.")
    ] = False,
) -> None:
    """A transactional job queue whose state machine lives in the database.

    The database comes from --dsn, before or after the command, or from DATABASE_URL.

    Install it: ectojob migrate

    Put a job into a queue: ectojob enqueue default '{"hello": "world"}'

    Run jobs: ectojob work shop.receipts:perform --queue receipts

    Look: ectojob queues, ectojob jobs --failed

    Fix: ectojob requeue emails --all-failed

    See it all at work: ectojob demo

    Exit codes: 0 done, 1 refused or unreachable, 2 wrong usage, 3 a worker left jobs behind, 130 Ctrl-C (work: 0).
    """
    ctx.obj = Chosen().over(dsn, schema, as_json)
