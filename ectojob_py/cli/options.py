"""Which database and schema are meant: options before or after the command, or the environment."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, cast

import typer

from ectojob_py.cli.failures import said_by_database
from ectojob_py.engine import room_of
from ectojob_py.errors import BadUsage, NotAllowed, SetupError
from ectojob_py.release import check_release, how_to_migrate
from ectojob_py.session import Session
from ectojob_py.wording import one_line

Dsn = Annotated[
    str | None,
    typer.Option(
        "--dsn",
        metavar="DSN",
        help="postgresql://user@host/db, 'host=... dbname=...', or mysql://user@host/. Default: DATABASE_URL.",
        rich_help_panel="Database",
    ),
]
Schema = Annotated[
    str | None,
    typer.Option("--schema", metavar="NAME", help="Where ectojob is. Default: jobs.", rich_help_panel="Database"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document; durations in seconds.")]

_FORMS = "Pass --dsn or set DATABASE_URL: postgresql://user@host:5432/db, or mysql://user@host:3306/."


@dataclass(frozen=True)
class Chosen:
    """What the options say; a command's own win over those before it, and these over the environment."""

    given_dsn: str | None = None
    schema: str = "jobs"
    as_json: bool = False

    def over(self, dsn: str | None, schema: str | None, as_json: bool) -> "Chosen":
        """Return the choice with a command's own options."""
        if schema == "":
            raise BadUsage("--schema names no schema", "Leave it out for jobs.")
        return replace(
            self,
            given_dsn=self.given_dsn if dsn is None else dsn,
            schema=self.schema if schema is None else schema,
            as_json=self.as_json or as_json,
        )

    @property
    def dsn(self) -> str:
        """The database. A dsn that is wrong is never repeated: its password might stand anywhere."""
        dsn = os.environ.get("DATABASE_URL") if self.given_dsn is None else self.given_dsn
        if not dsn or not dsn.strip():
            raise BadUsage("no database given", _FORMS)
        room_of(dsn, "session").check(dsn)
        return dsn

    @contextmanager
    def connected(self, *roles: str, deploying: bool = False) -> Iterator[Session]:
        """Connect, in autocommit; say so when the database can't be reached, or lacks this release of ectojob.

        ``roles``: whose members may do what follows, beside the owner; a refusal names them. ``deploying``: whatever
        release is there will do.
        """
        dsn = self.dsn
        room = room_of(dsn, "session")
        try:
            session = cast(Session, room.Session(dsn, self.schema))
        except room.Error as error:
            hint = "Check that the server runs, and what --dsn or DATABASE_URL says."
            raise SetupError(f"cannot connect: {one_line(str(error.args[-1]))}", hint) from error
        with closing(session):
            try:
                if not deploying:
                    self._check_release(session, room.is_forbidden)
                yield session
            except room.Error as error:
                if room.is_forbidden(error):
                    raise NotAllowed(said_by_database(error), self.schema, *roles) from error
                if not room.is_missing(error):
                    raise
                msg = f"ectojob is not installed in schema {self.schema}, or is older than this command"
                raise SetupError(msg, f"run: {how_to_migrate(self.schema)}, with the owner's dsn") from error

    def _check_release(self, session: Session, is_forbidden: Callable[[Exception], bool]) -> None:
        try:
            check_release(session.jobs.version(), self.schema)
        except Exception as error:
            if not is_forbidden(error):  # who may call one function may use that
                raise


def chosen(ctx: typer.Context, dsn: str | None, schema: str | None, as_json: bool) -> Chosen:
    """Return what the options before and after the command say together."""
    before: Chosen = ctx.find_root().obj
    return before.over(dsn, schema, as_json)
