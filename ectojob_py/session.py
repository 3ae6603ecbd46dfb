"""A connection for the command line and the demo: the functions, and the few reads that no function answers."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from ectojob_py.client import Jobs

Row = dict[str, Any]


class Json(str):
    """A JSON document as the database holds it; decoding could fail, or round."""


class Session(Protocol):
    """One autocommit connection. A module that has one has these, too: ``ectojob_py.postgres.session``.

    ``Error``: what its statements raise. ``check(dsn)``: raises ``BadUsage`` for a dsn that makes no sense, never
    repeating it. ``is_missing(error)``: whether it says that ectojob, or what this release has, is not there.
    ``is_forbidden(error)``: whether it says that this user may not do so.
    """

    jobs: Jobs

    @property
    def where(self) -> str:
        """Which database this is, in words."""

    def rows(self, query: str, **values: object) -> list[Row]:
        """Read: ``{schema}`` in the query is the schema's name, and ``%(name)s`` a value.

        A duration comes in seconds, a moment aware, a JSON document as ``Json``.
        """

    def run(self, script: str, rows: Sequence[Sequence[object]] | None = None) -> None:
        """Run a script, or a statement for each of the rows."""

    def clock(self) -> datetime:
        """Return the database's time."""

    def transaction(self, queue: str) -> AbstractContextManager[None]:
        """Do the whole block or none of it; then wake the workers of ``queue``."""

    def close(self) -> None:
        """Close."""
