"""Handlers as users write them, and the report on one run."""

import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from functools import partial
from inspect import isawaitable, iscoroutinefunction, signature
from pathlib import Path
from typing import Any, Protocol, TypeGuard, TypeVar

from ectojob_py.errors import HandlerError, Retry
from ectojob_py.job import Job

_HERE = Path(__file__).parent

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
    while isinstance(handler, partial):
        handler = handler.func
    return iscoroutinefunction(handler) or iscoroutinefunction(getattr(type(handler), "__call__", None))  # noqa: B004


def check_call(perform: Perform | AsyncPerform, *arguments: str) -> None:
    """Raise ``ValueError`` for a handler that can't be called so: every job would use up its attempts to say that."""
    for handler in perform.values() if isinstance(perform, Mapping) else [perform]:
        try:
            expected = signature(handler)
        except (TypeError, ValueError):  # a builtin may have none
            continue
        try:
            expected.bind(*arguments)
        except TypeError as error:
            name = getattr(handler, "__qualname__", repr(handler))
            msg = f"{name}{expected} can't be called as ({', '.join(arguments)}): {error}"
            raise ValueError(msg) from None


def refuse_awaitable(result: object) -> None:
    """Raise ``HandlerError`` when a handler returned what nobody awaits: it has not done its work."""
    if result is not None and isawaitable(result):
        if hasattr(result, "close"):
            result.close()
        raise HandlerError("the handler returned something to await; write it with async def")


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


def describe(error: BaseException) -> str:
    """Return an exception for ``last_error``: its type, its text, and the last line of the handler it came through."""
    try:
        text = "".join(traceback.format_exception_only(error)).strip()
    except Exception:  # noqa: BLE001 - a SyntaxError may carry anything as its text
        text = type(error).__name__
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _HERE not in Path(frame.filename).parents]
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    return f"{text} ({Path(own[-1].filename).name}:{own[-1].lineno} in {own[-1].name})" if own else text
