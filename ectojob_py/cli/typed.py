"""Durations and moments as people type and read them."""

import re
from datetime import datetime, timedelta

import typer

_UNITS = {"w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}
_PART = re.compile(r"(\d+(?:\.\d+)?)([wdhms])")


def duration(text: str | timedelta) -> timedelta:
    """Read ``90``, ``90s``, ``1h30m`` or ``2d``; a bare number is in seconds. An option's default comes as it is."""
    if isinstance(text, timedelta):
        return text
    parts = [(text, "s")] if re.fullmatch(r"\d+(\.\d+)?", text) else _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) not in (text, f"{text}s"):
        msg = f"{text!r} is not a duration; write seconds, or a number with s, m, h, d or w: 90, 1.5s, 5m, 1h30m, 2d"
        raise typer.BadParameter(msg)
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        msg = f"{text!r} is too long"
        raise typer.BadParameter(msg) from None


def moment(text: str) -> datetime | timedelta:
    """Read an ISO 8601 moment with its time zone; or a wait, as ``+`` and a duration."""
    if text.startswith("+"):
        return duration(text[1:])
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        msg = f"{text!r} is no moment; write 2030-01-31T09:00:00Z, 2030-01-31T09:00:00+02:00, or a wait such as +5m"
        raise typer.BadParameter(msg) from None
    if read.tzinfo is None:
        msg = f"{text!r} has no time zone; end it with Z, or with an offset such as +02:00"
        raise typer.BadParameter(msg)
    return read


def spoken(seconds: float | None) -> str:
    """Write a duration for a person: ``1h30m``, ``250ms``; nothing for none."""
    if seconds is None:
        return ""
    if abs(seconds) < 1:
        return f"{seconds * 1000:.0f}ms" if seconds else "0s"
    sign, rest, said = "-" if seconds < 0 else "", round(abs(seconds)), []
    for unit in "dhms":
        count, rest = divmod(rest, _UNITS[unit])
        said += [f"{count}{unit}"] if count else []
    return sign + "".join(said[:2])
