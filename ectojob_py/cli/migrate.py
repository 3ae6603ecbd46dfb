"""``ectojob migrate``: deploying, and undoing it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from ectojob_py import migrate as deployment
from ectojob_py.cli.failures import said_by_database
from ectojob_py.cli.options import AsJson, Chosen, Dsn, Schema, chosen
from ectojob_py.cli.output import report
from ectojob_py.engine import room_of
from ectojob_py.errors import BadUsage, SetupError


def migrate(
    ctx: typer.Context,
    rollback: Annotated[bool, typer.Option("--rollback", help="Undo everything; all jobs are lost.")] = False,
    roles: Annotated[
        bool | None,
        typer.Option("--roles/--no-roles", help="Create roles: owner, producer, worker, reader, admin; drop them."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Roll back without asking.")] = False,
    dsn: Dsn = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Install ectojob, or bring it to this release.

    Applies the migrations that are pending, then reloads every function, trigger and view. Safe to run again, and from
    several machines at once.

    Example: ectojob migrate --dsn postgresql://owner@localhost/shop
    """
    choice = chosen(ctx, dsn, schema, as_json)
    if rollback:
        _roll_back(choice, yes)
    else:
        _apply(choice, roles)


def _apply(choice: Chosen, roles: bool | None) -> None:
    with choice.connected(deploying=True):
        pass  # says so when it can't be reached
    with _allowed(choice):
        applied = deployment.migrate(choice.dsn, choice.schema, roles)
    with choice.connected() as session:
        version = session.jobs.version()
    document = {"schema": choice.schema, "applied": applied, "reloaded": True, "version": version}
    said = [f"applied {id}" for id in applied] or ["no migration was pending"]
    if roles is not None:
        said.append(f"roles {choice.schema}_*: {'granted' if roles else 'taken back'}")
    said += ["reloaded functions, triggers and views", f"ectojob {version} is installed in schema {choice.schema}"]
    report(choice.as_json, document, *said)


def _roll_back(choice: Chosen, yes: bool) -> None:
    if not yes:
        _ask(choice)
    with _allowed(choice):
        undone = deployment.rollback(choice.dsn, choice.schema)
    said = [f"rolled back {id}" for id in undone] or ["there was nothing to roll back"]
    report(choice.as_json, {"schema": choice.schema, "rolled_back": undone}, *said)


@contextmanager
def _allowed(choice: Chosen) -> Iterator[None]:
    """Say who may deploy, when whoever is logged in may not."""
    room = room_of(choice.dsn, "session")
    try:
        yield
    except room.Error as error:
        if not room.is_forbidden(error):
            raise
        hint = room_of(choice.dsn, "migrate").who_may(choice.dsn, choice.schema)
        raise SetupError(said_by_database(error), hint) from error


def _ask(choice: Chosen) -> None:
    if choice.as_json or sys.stdin is None or not sys.stdin.isatty():
        raise BadUsage("--rollback asks before it deletes, and nobody can answer here", "Pass --yes to mean it.")
    with choice.connected(deploying=True) as session:
        [row] = session.rows("select count(*) as jobs from {schema}.job")
        question = f"Delete the tables of schema {choice.schema} in {session.where}, with {row['jobs']} jobs?"
        typer.confirm(question, abort=True, err=True)
