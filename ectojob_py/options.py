"""What a worker was told; what makes no sense raises ``ValueError``."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from ectojob_py.attempt import Errands, singly
from ectojob_py.attempt_async import AsyncErrands, async_singly
from ectojob_py.handler import AsyncPerform, AsyncPerformBatch, Perform, PerformBatch, check_call, is_async
from ectojob_py.limits import LONGEST_TIMEOUT


@dataclass(frozen=True)
class Options:
    """What a worker was told; ``Worker`` says what each option means. ``hands`` is how many handlers run at once."""

    dsn: str
    schema: str
    queues: tuple[str, ...]
    perform: PerformBatch | Errands | AsyncPerformBatch | AsyncErrands
    hands: int
    max_demand: int
    batch_size: int
    poll_interval: float
    execution_timeout: timedelta | None
    retry_timeout: timedelta | None
    until_empty: bool
    log: logging.Logger
    log_level: int


def handlers_of(
    perform: Perform | AsyncPerform | None,
    perform_batch: PerformBatch | AsyncPerformBatch | None,
    transaction: bool,
    log: logging.Logger,
) -> PerformBatch | Errands | AsyncPerformBatch | AsyncErrands:
    """Return the handlers as an ``Options`` has them."""
    if perform is not None:
        check_call(perform, *(("conn", "job") if transaction else ("job",)))
    elif perform_batch is not None:
        check_call(perform_batch, "conn", "jobs")
    if perform is not None and is_async(perform):
        return async_singly(perform) if transaction else AsyncErrands(perform, log)
    if perform is not None:
        return singly(perform) if transaction else Errands(perform, log)
    if perform_batch is None or not transaction:
        raise ValueError("pass perform, or perform_batch with its transaction")
    return perform_batch


def check_numbers(counts: Mapping[str, int | None], seconds: Mapping[str, float | None]) -> None:
    """Raise ``ValueError`` for one that isn't positive, and for a count that isn't whole; ``None``: it isn't given."""
    for name, value in {**counts, **seconds}.items():
        if value is not None and not isinstance(value, (int, float)):
            msg = f"{name} must be {'a' if name in counts else 'seconds, as a'} number, not {value!r}"
            raise ValueError(msg)
        if value is not None and not value > 0:  # nor is nan
            msg = f"{name} must be more than 0, not {value}"
            raise ValueError(msg)
        if name in counts and value is not None and not isinstance(value, int):
            msg = f"{name} must be a whole number, not {value}"
            raise ValueError(msg)


def duration_of(name: str, seconds: float | None) -> timedelta | None:
    """Return the duration; ``None``: the queue's."""
    if seconds is None:
        return None
    if seconds > LONGEST_TIMEOUT.total_seconds():
        msg = f"{name} must be at most {LONGEST_TIMEOUT.days} days, not {seconds} seconds"
        raise ValueError(msg)
    duration = timedelta(seconds=seconds)
    if not duration:  # it counts microseconds
        msg = f"{name} must be more than 0, not {seconds}"
        raise ValueError(msg)
    return duration


def check_grace(seconds: float) -> float:
    """Return it as it is, infinity included."""
    if not isinstance(seconds, (int, float)) or not seconds >= 0:
        msg = f"grace must be 0 or more, not {seconds!r}"
        raise ValueError(msg)
    return seconds


def level_of(level: str | int) -> int:
    """Return the number that logging has for it."""
    if isinstance(level, int):
        return level
    levels = logging.getLevelNamesMapping()
    if not isinstance(level, str) or level.upper() not in levels:
        msg = f"log_level must be a number or one of {', '.join(levels).lower()}, not {level!r}"
        raise ValueError(msg)
    return levels[level.upper()]


def silent() -> logging.Logger:
    """Return a logger that nobody's configuration reaches."""
    logger = logging.Logger("ectojob")
    logger.disabled = True
    return logger
