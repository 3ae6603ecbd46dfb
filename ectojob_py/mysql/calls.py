"""Calling the procedures: ``call jobs.f(...)``."""

import json
import logging
import random
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pymysql
from psycopg.pq import DiagnosticField
from pymysql.constants import ER, SERVER_STATUS
from pymysql.cursors import Cursor

from ectojob_py.errors import JobNotFailed, LeaseLost, QueueNotEmpty, UnknownQueue
from ectojob_py.job import COLUMNS, Document, Job, Verbatim
from ectojob_py.mysql.connection import MIGRATORS_LOCK

logger = logging.getLogger("ectojob")

ERRORS: dict[int, type[psycopg.DatabaseError]] = {
    31001: LeaseLost,
    31002: UnknownQueue,
    31003: QueueNotEmpty,
    31004: JobNotFailed,
    31022: psycopg.errors.InvalidParameterValue,
    31025: psycopg.errors.InvalidTransactionState,
}
"""What the procedures raise, by ``mysql_errno``: the classes, and so the SQLSTATEs, are those of PostgreSQL."""

DEFAULTS: dict[str, tuple[object, ...]] = {
    "create_queue": (..., None, None, None, None),
    "drop_queue": (..., False),
    "enqueue": (..., "{}", None, None, None, None),
    "enqueue_many": (..., ..., None, None, None, None),
    "enqueue_payload": (..., ..., None, None, None, None),
    "reserve_batch": (..., ..., None),
    "claim_batch": (..., ..., None),
    "fail": (..., ..., ..., None, None),
    "extend": (..., ..., ..., None),
    "activate_scheduled": (None,),
    "reactivate_expired": (None,),
}
"""The arguments that may be left out, as on PostgreSQL: a procedure has no defaults, so they are sent."""

UNFINISHED = 31025
"""The transaction of an earlier call is open, which was made without this class and interrupted."""

CONFLICTS = (ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT, ER.CHECKREAD)
"""The last is MariaDB's changed row: the whole transaction is to be retried."""

RETRIED_FOR = 5.0


class MysqlCalls:
    """Calls on a PyMySQL connection, in whatever transaction it has, whatever cursor class it uses."""

    def __init__(self, conn: "pymysql.Connection[Any]", schema: str, waits: bool = True) -> None:
        """Take the connection, the database the procedures are in, and whether to retry after waiting for a lock."""
        self._conn = conn
        self._retried = [code for code in CONFLICTS if waits or code != ER.LOCK_WAIT_TIMEOUT]
        self._schema = schema
        self._quoted = schema.replace("`", "``").replace("%", "%%")

    def value(self, function: str, *args: object) -> Any:
        """Return the one value; of a procedure that returns nothing, nothing useful."""
        _, rows = self._call(function, args)
        return _aware(rows[0][0]) if rows else None

    def values(self, function: str, *args: object) -> list[Any]:
        """Return the first column's values in order."""
        _, rows = self._call(function, args)
        return [_aware(row[0]) for row in rows]

    def jobs(self, function: str, *args: object) -> list[Job]:
        """Return the jobs in order."""
        names, rows = self._call(function, args)
        return [_job(dict(zip(names, row, strict=True))) for row in rows]

    def _call(self, function: str, args: Sequence[object]) -> tuple[list[str], Sequence[tuple[Any, ...]]]:
        """Call, again while a deploy has it missing, and after a conflict if the call was all of its transaction.

        A deploy drops the procedures on MySQL, with the rights to them, and creates them again. That one is missing
        counts when no deploy was at work, neither before the call nor after it.
        """
        sent = [_adapt(arg) for arg in (*args, *DEFAULTS.get(function, ())[len(args) :])]
        statement = f"call `{self._quoted}`.`{function}`({', '.join(['%s'] * len(sent))})"
        alone = self._conn.get_autocommit() and not self._in_transaction()
        deadline: float | None = None  # a call may wait for a deploy before it finds something missing
        quiet = False
        while True:
            try:
                return self._execute(statement, sent)
            except pymysql.MySQLError as error:
                deadline = deadline or time.monotonic() + RETRIED_FOR
                code, text = (*error.args, None, None)[:2]
                if code in ERRORS and not (alone and code == UNFINISHED):
                    raise _refusal(code, str(text)) from error
                if alone:
                    # A killed call can't end the transaction it began for itself, and the next would take it for ours.
                    with suppress(pymysql.MySQLError):
                        self._execute("rollback and no chain no release", [])
                missing = code == ER.PROCACCESS_DENIED_ERROR or (
                    code == ER.SP_DOES_NOT_EXIST and "PROCEDURE" in str(text)
                )
                was_quiet, quiet = quiet, missing and not self._deploying()
                owed = code == UNFINISHED or (missing and not (was_quiet and quiet))
                if not (owed or (alone and code in self._retried)) or time.monotonic() > deadline:
                    raise
                if not quiet:  # else it is to make sure that it is missing for good
                    logger.info("%s is retried: %s", function, error)
                time.sleep(random.uniform(0, 0.02))

    def _execute(self, statement: str, sent: list[object]) -> tuple[list[str], Sequence[tuple[Any, ...]]]:
        with closing(self._conn.cursor(Cursor)) as cursor:
            cursor.execute(statement, sent)
            names = [column[0] for column in cursor.description or ()]
            rows = cursor.fetchall() if names else ()
            while cursor.nextset():
                pass
            return names, rows

    def _deploying(self) -> bool:
        """Tell whether a deploy holds the migrators' lock."""
        query = f"select is_used_lock({MIGRATORS_LOCK}) is not null"
        with closing(self._conn.cursor(Cursor)) as cursor:
            cursor.execute(query, [self._schema])
            return cursor.fetchone() == (1,)

    def _in_transaction(self) -> bool:
        return bool(self._conn.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)


def _refusal(code: int, text: str) -> psycopg.DatabaseError:
    """Return what psycopg would raise; the message ends with the hint here."""
    message, _, hint = text.partition(" HINT: ")
    said: dict[int, bytes | None] = {
        DiagnosticField.MESSAGE_PRIMARY: message.encode(),
        DiagnosticField.MESSAGE_HINT: hint.encode() or None,
    }
    return ERRORS[code](f"{message}\nHINT:  {hint}", info=said, encoding="utf-8")


def _adapt(arg: object) -> object:
    """Send documents and arrays as JSON text, moments in UTC, durations in seconds."""
    if isinstance(arg, Document):
        return arg.value.text if isinstance(arg.value, Verbatim) else json.dumps(arg.value)
    if isinstance(arg, list):
        return f"[{', '.join(str(_adapt(item)) if isinstance(item, Document) else json.dumps(item) for item in arg)}]"
    if isinstance(arg, datetime):
        return _in_utc(arg).replace(tzinfo=None)
    if isinstance(arg, timedelta):
        return Decimal(arg // timedelta(microseconds=1)) / 1_000_000
    return bytes(arg) if isinstance(arg, memoryview) else arg  # of one PyMySQL writes what repr says


def _in_utc(moment: datetime) -> datetime:
    """Convert a moment, as near as there are dates: the procedure says what is out of range."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return datetime.max if moment.year > 1 else datetime.min


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def _job(row: dict[str, Any]) -> Job:
    row["params_json"] = row["params"]
    return Job(**{name: _aware(row[name]) for name in COLUMNS})
