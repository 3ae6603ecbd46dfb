"""One exception class per SQLSTATE of class JQ; the table of codes is in ``sql/README.md``.

psycopg raises these by itself: a subclass declared with ``code=`` is what it looks up for that SQLSTATE. A bad argument
is the standard ``psycopg.errors.InvalidParameterValue`` (22023). ``error.diag.message_hint`` holds the remedy.
"""

import copyreg
from datetime import timedelta
from typing import Any

import psycopg

from ectojob_py.limits import LONGEST_RETRY


class JobsError(psycopg.DatabaseError):
    """What the functions of the ``jobs`` schema refuse, beside bad arguments."""


class LeaseLost(JobsError, code="JQ001"):
    """The attempt is over: its lease ended, or the job was completed, failed or released. Roll back."""


class UnknownQueue(JobsError, code="JQ002"):
    """There is no queue of that name."""


class QueueNotEmpty(JobsError, code="JQ003"):
    """``drop_queue`` without ``force``, and the queue still has jobs; or, forced or not, it has a view for EctoJob."""


class JobNotFailed(JobsError, code="JQ004"):
    """``requeue`` of a job that is not FAILED."""


class HandlerError(Exception):
    """A handler, or the lack of one, fails the attempt by what no handler may do.

    It committed, rolled back or closed the connection, which only the worker may; it swallowed an error of the database
    that had aborted its transaction; it returned something to await and isn't async; or a mapping has no handler for
    ``params["type"]``.
    """


class _Pickled(Exception):
    """What is pickled with all it knows: an exception is otherwise made anew from its text alone."""

    def __reduce__(self) -> tuple[Any, ...]:
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]


class Retry(_Pickled):
    """For a handler to raise: this attempt failed, and the next may begin after ``after`` seconds.

    Instead of the queue's ``retry_timeout`` times the attempt, up to 3,650 days, as ``check_retry_in`` has it; else
    ``ValueError``. It counts as any failed attempt: after the last one the job is FAILED.
    """

    def __init__(self, reason: str = "", *, after: float) -> None:
        """Say why, for ``last_error``, and how many seconds to wait at least; 0: none."""
        super().__init__(reason)
        if not isinstance(after, (int, float)) or not 0 <= after <= LONGEST_RETRY.total_seconds():
            msg = f"after must be a number of seconds, from 0 to {LONGEST_RETRY.days:,} days of them, not {after!r}"
            raise ValueError(msg)
        self.after = timedelta(seconds=after)


class Locked(Exception):
    """Some transaction has a job's row locked, often its own handler's: until that ends nobody else gets the job."""


class SetupError(_Pickled):
    """Something must be done before this can run; ``hint`` says what.

    Raised for a wrong dsn, missing migrations, or a handler that can't be imported. Not a bug, so the command line
    prints it without a traceback.
    """

    def __init__(self, message: str, hint: str) -> None:
        """Say what is wrong, and what to do about it."""
        super().__init__(message)
        self.hint = hint


class BadUsage(SetupError):
    """What was asked for makes no sense: nothing was asked of the database."""


class NotAllowed(SetupError):
    """Whoever is logged in is a member of no role that may do this."""

    def __init__(self, message: str, schema: str, *roles: str) -> None:
        """Say what was refused, and which roles of the schema may do it beside the owner: ``"reader"``, say."""
        names = " or ".join(f"{schema}_{role}" for role in roles)
        hint = f"This takes role {names}, or the owner. ectojob migrate --roles makes the roles."
        super().__init__(message, hint if roles else "This is for the owner, who installed ectojob.")
