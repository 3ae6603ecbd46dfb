"""Which database and schema are meant: options before or after the command, or the environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any

import psycopg
import typer
from psycopg.conninfo import conninfo_to_dict

from ectojob_py.cli.failures import BadUsage, one_line
from ectojob_py.client import Jobs
from ectojob_py.errors import SetupError
from ectojob_py.release import check_release

Dsn = Annotated[
    str | None,
    typer.Option(
        "--dsn",
        metavar="DSN",
        help="The database: 'host=... dbname=...' or postgresql://user@host/db. Default: DATABASE_URL.",
        rich_help_panel="Database",
    ),
]
Schema = Annotated[
    str | None,
    typer.Option("--schema", metavar="NAME", help="Where ectojob is. Default: jobs.", rich_help_panel="Database"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document; durations in seconds.")]

_FORMS = "Pass --dsn or set DATABASE_URL: postgresql://user@host:5432/db, or 'host=... user=... dbname=...'."
_CONNECT_TIMEOUT = 10


@dataclass(frozen=True)
class Chosen:
    """What the options say; a command's own win over those before it, and these over the environment."""

    given_dsn: str | None = None
    schema: str = "jobs"
    as_json: bool = False

    def over(self, dsn: str | None, schema: str | None, as_json: bool) -> "Chosen":
        """Return the choice with a command's own options."""
        return replace(
            self,
            given_dsn=self.given_dsn if dsn is None else dsn,
            schema=self.schema if schema is None else schema,
            as_json=self.as_json or as_json,
        )

    @property
    def dsn(self) -> str:
        """The database. A dsn that is wrong is never repeated: libpq's message would show the password in it."""
        dsn = os.environ.get("DATABASE_URL") if self.given_dsn is None else self.given_dsn
        if not dsn or not dsn.strip():
            raise BadUsage("no database given", _FORMS)
        try:
            host = conninfo_to_dict(dsn).get("host") or ""
        except (psycopg.Error, UnicodeError):
            raise BadUsage("the dsn is neither a postgresql:// URL nor a libpq connection string", _FORMS) from None
        if "@" in str(host)[1:]:
            raise BadUsage("the dsn has more than one @", "Write an @ in the user's name or password as %40.")
        return dsn

    @contextmanager
    def connected(self, deploying: bool = False) -> Iterator[psycopg.Connection[Any]]:
        """Connect, in autocommit; say so when the database can't be reached, or lacks this release of ectojob.

        ``deploying``: whatever release is there will do.
        """
        conn = self._connect()
        with conn:
            try:
                if not deploying:
                    with suppress(psycopg.errors.InsufficientPrivilege):  # who may call one function may use that
                        check_release(Jobs(conn, self.schema).version(), self.schema)
                yield conn
            except _MISSING as error:
                msg = f"ectojob is not installed in schema {self.schema}, or is older than this command"
                flag = "" if self.schema == "jobs" else f" --schema {self.schema}"
                raise SetupError(msg, f"run: ectojob migrate --dsn ...{flag}") from error

    def _connect(self) -> psycopg.Connection[Any]:
        options: dict[str, Any] = {"autocommit": True, "fallback_application_name": "ectojob"}
        if "connect_timeout" not in conninfo_to_dict(self.dsn) and "PGCONNECT_TIMEOUT" not in os.environ:
            options["connect_timeout"] = _CONNECT_TIMEOUT
        try:
            return psycopg.connect(self.dsn, **options)
        except psycopg.Error as error:
            hint = "Check that the server runs, and what --dsn or DATABASE_URL says."
            raise SetupError(f"cannot connect: {one_line(str(error))}", hint) from error


_MISSING = (
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InvalidSchemaName,
)


def chosen(ctx: typer.Context, dsn: str | None, schema: str | None, as_json: bool) -> Chosen:
    """Return what the options before and after the command say together."""
    before: Chosen = ctx.find_root().obj
    return before.over(dsn, schema, as_json)
