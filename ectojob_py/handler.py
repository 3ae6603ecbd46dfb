"""Handlers as users write them, and the report on one run."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from functools import partial
from inspect import (
    isasyncgen,
    isasyncgenfunction,
    isawaitable,
    iscoroutinefunction,
    isgenerator,
    isgeneratorfunction,
    signature,
)
from typing import Any, Protocol, TypeGuard, TypeVar

from ectojob_py.errors import HandlerError, Retry
from ectojob_py.job import Job
from ectojob_py.wording import describe, traced

Handler = Callable[..., object]
"""``perform(conn, job)``; without a transaction, ``perform(job)``."""
Perform = Handler | Mapping[str, Handler]
PerformBatch = Callable[[Any, list[Job]], object]
AsyncHandler = Callable[..., Awaitable[object]]
AsyncPerform = AsyncHandler | Mapping[str, AsyncHandler]
AsyncPerformBatch = Callable[[Any, list[Job]], Awaitable[object]]

_Handler = TypeVar("_Handler", Handler, AsyncHandler)


class Outcome(Enum):
    """How a run ended, as far as its hand can tell."""

    DONE = "done"
    RAN = "ran; it is for the worker to complete the job"
    FAILED = "failed"
    NOT_RUN = "not run"


@dataclass(slots=True)
class Report:
    """What a hand tells the worker about a job; ``error`` is for ``last_error``, ``seconds`` what it took.

    ``retry_in``: how long to wait at least before the next attempt, where the handler said so.
    """

    job: Job
    outcome: Outcome
    seconds: float
    error: str | None = None
    retry_in: timedelta | None = None


class Performance(Protocol):
    """What hands do with jobs."""

    def run(self, jobs: list[Job]) -> list[Report]:
        """Run the handler for these jobs, and report on each. Never raises."""


class AsyncPerformance(Protocol):
    """What hands do with jobs whose handler is async."""

    async def run(self, jobs: list[Job]) -> list[Report]:
        """Run the handler for these jobs, and report on each. Never raises, unless cancelled."""


def is_async(perform: Perform | AsyncPerform) -> TypeGuard[AsyncPerform]:
    """Tell whether a handler, or every one of a mapping, is to be awaited; raise ``ValueError`` when only some are."""
    handlers = list(perform.values()) if isinstance(perform, Mapping) else [perform]
    found = {_awaited(handler) for handler in handlers}
    if len(found) > 1:
        raise ValueError("some of the handlers are async and some are not: write all with async def, or none")
    return found == {True}


def _awaited(handler: Handler) -> bool:
    return _is(iscoroutinefunction, handler)


def _is(kind: Callable[[object], bool], handler: Handler) -> bool:
    while isinstance(handler, partial):
        handler = handler.func
    return kind(handler) or kind(getattr(type(handler), "__call__", None))  # noqa: B004


def check_callable(perform: object) -> None:
    """Raise ``ValueError`` for what is no handler, and no mapping of handlers."""
    handlers = list(perform.values()) if isinstance(perform, Mapping) else [perform]
    if not handlers or not all(map(callable, handlers)):
        kind = type(perform).__name__
        what = "something that can't be called" if handlers else "no handlers"
        msg = f"{kind} with {what}" if isinstance(perform, Mapping) else f"{kind} can't be called"
        raise ValueError(msg)


def check_call(perform: Perform | AsyncPerform, *arguments: str) -> None:
    """Raise ``ValueError`` for a handler that can't be called so: every job would use up its attempts to say that.

    Also for one with a ``yield`` in it: to call it runs nothing of it.
    """
    check_callable(perform)
    for handler in perform.values() if isinstance(perform, Mapping) else [perform]:
        name = getattr(handler, "__qualname__", repr(handler))
        if _is(isgeneratorfunction, handler) or _is(isasyncgenfunction, handler):
            msg = f"{name} has a yield in it, so to call it does nothing: write it without"
            raise ValueError(msg)
        try:
            expected = signature(handler, follow_wrapped=False)  # a decorator's may take what the wrapped one doesn't
        except (TypeError, ValueError):  # a builtin may have none
            continue
        try:
            expected.bind(*arguments)
        except TypeError as error:
            msg = f"{name}{expected} can't be called as ({', '.join(arguments)}): {error}"
            raise ValueError(msg) from None


def refuse_undone(result: object) -> None:
    """Raise ``HandlerError`` when a handler returned what nobody awaits, or iterates: it has not done its work."""
    if result is None:
        return
    if isawaitable(result):
        if hasattr(result, "close"):
            result.close()
        raise HandlerError("the handler returned something to await; write it with async def")
    if isgenerator(result) or isasyncgen(result):
        raise HandlerError("the handler returned a generator, of which nothing has run; iterate it, or write no yield")


def handler_for(perform: _Handler | Mapping[str, _Handler]) -> Callable[[Job], _Handler]:
    """Return what finds a job's handler: there is one, or one per ``params["type"]``."""
    if not isinstance(perform, Mapping):
        return lambda _job: perform

    def find(job: Job) -> _Handler:
        kind = job.params.get("type")
        handler = perform.get(kind) if isinstance(kind, str) else None
        if handler is None:
            msg = f"no handler for params type {kind!r}; there are handlers for {', '.join(sorted(perform))}"
            raise HandlerError(msg)
        return handler

    return find


def failed(job: Job, error: BaseException, seconds: float) -> Report:
    """Return the report on an attempt that the handler ended by raising."""
    return Report(job, Outcome.FAILED, seconds, describe(error), error.after if isinstance(error, Retry) else None)


def log_raised(log: logging.Logger, jobs: list[Job], error: BaseException) -> None:
    """Log the traceback, so that everybody has that of a job's last attempt, and who debugs that of each."""
    last = len(jobs) == 1 and jobs[0].attempt >= jobs[0].max_attempts and isinstance(error, Exception)
    level = logging.WARNING if last else logging.DEBUG
    if log.isEnabledFor(level):
        log.log(level, "%s raised:\n%s", ", ".join(map(str, jobs)), traced(error))
