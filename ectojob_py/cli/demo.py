"""``ectojob demo``: the small shop, on a server of its own."""

from typing import Annotated

import typer

from ectojob_py.cli.options import chosen


def demo(
    ctx: typer.Context,
    psql: Annotated[bool, typer.Option("--psql", help="Open psql on the demo's database, and look around.")] = False,
    dsn: Annotated[
        str | None,
        typer.Option("--dsn", metavar="DSN", help="Use this PostgreSQL, MySQL or MariaDB, and leave the shop there."),
    ] = None,
) -> None:
    """Run a small shop: orders become receipts, workers are killed, and an audit adds up.

    Starts a private PostgreSQL of its own, whatever DATABASE_URL says.

    Example: ectojob demo
    """
    from ectojob_py import demo as shop  # noqa: PLC0415 - only the demo needs what extra embedded brings

    choice = chosen(ctx, dsn, schema=None, as_json=False)
    raise typer.Exit(shop.main(dsn=None if choice.given_dsn is None else choice.dsn, psql=psql))
