"""Durations, moments and numbers as people type them."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

import typer

_UNITS = {"w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)([wdhms])")


def int4(text: str | int) -> int:
    """Read what PostgreSQL's integer holds; whether it makes sense is for the database to say."""
    return _whole(text, 4)


def int8(text: str | int) -> int:
    """Read what PostgreSQL's bigint holds."""
    return _whole(text, 8)


def duration(text: str | timedelta) -> timedelta:
    """Read ``90``, ``90s``, ``1h30m`` or ``2d``; a bare number is in seconds. An option's default comes as it is."""
    if isinstance(text, timedelta):
        return text
    parts = [(text, "s")] if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) not in (text, f"{text}s"):
        msg = f"{text!r} is not a duration; write seconds, or a number with s, m, h, d or w: 90, 1.5s, 5m, 1h30m, 2d"
        raise typer.BadParameter(msg)
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        msg = f"{text!r} is too long"
        raise typer.BadParameter(msg) from None


@dataclass(frozen=True)
class Moment:
    """A moment, or a wait that begins when the command runs."""

    at: datetime | None = None
    wait: timedelta | None = None


def moment(text: str) -> Moment:
    """Read an ISO 8601 moment with its time zone; or a wait, as ``+`` and a duration."""
    if text.startswith("+"):
        return Moment(wait=duration(text[1:]))
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        msg = f"{text!r} is no moment; write 2030-01-31T09:00:00Z, 2030-01-31T09:00:00+02:00, or a wait such as +5m"
        raise typer.BadParameter(msg) from None
    if at.tzinfo is None:
        msg = f"{text!r} has no time zone; end it with Z, or with an offset such as +02:00"
        raise typer.BadParameter(msg)
    return Moment(at)


def _whole(text: str | int, size: int) -> int:
    limit = 1 << (8 * size - 1)
    if not re.fullmatch(r"[+-]?[0-9]{1,20}", str(text)) or not -limit <= int(text) < limit:
        msg = f"{text!r} is not a whole number of at most {size} bytes"
        raise typer.BadParameter(msg)
    return int(text)
