"""How an error is put into words: for ``last_error``, and for a log or a terminal, with which no text may play."""

import traceback
from itertools import islice
from pathlib import Path

_HERE = Path(__file__).parent
_STANDARD_LIBRARY = Path(traceback.__file__).parent

_TEXT = 8_000
"""Characters of an exception's text that are kept: the database keeps 10,000, and where it was raised comes last."""

_LINE = 2_000
_TRACEBACK = 20_000
"""Characters that the log gets."""

_MANY = 20
"""Exceptions of a group that are told."""


def describe(error: BaseException) -> str:
    """Return an exception for ``last_error``: its type, its text, and the last line of the handler it came through.

    Those in a group follow it, as it says nothing itself.
    """
    errors = [error]
    for each in errors:  # and those that are appended meanwhile
        if isinstance(each, BaseExceptionGroup):
            errors.extend(each.exceptions)
    told = [error, *(each for each in errors[1:] if not isinstance(each, BaseExceptionGroup))]
    return "; ".join(map(_describe, islice(told, _MANY + 1)))


def _describe(error: BaseException) -> str:
    try:
        text = "".join(traceback.format_exception_only(error)).strip()[:_TEXT]
    except Exception:  # noqa: BLE001 - a SyntaxError may carry anything as its text
        text = type(error).__name__
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _HERE not in Path(frame.filename).parents]
    outside = [frame for frame in frames if not _is_pythons(Path(frame.filename))]
    if not outside:  # the worker raised it
        return text
    # Without a source it is compiled, as parts of psycopg are. If nothing is the handler's own, it is a package itself.
    own = [frame for frame in outside if frame.line and not _is_installed(Path(frame.filename))]
    last = own[-1] if own else outside[0]
    return f"{text} ({Path(last.filename).name}:{last.lineno} in {last.name})"


def _is_pythons(file: Path) -> bool:
    return _STANDARD_LIBRARY in file.parents and not _is_installed(file)


def _is_installed(file: Path) -> bool:
    return not {"site-packages", "dist-packages"}.isdisjoint(file.parts)


def traced(error: BaseException) -> str:
    """Return the traceback for the log: every line is indented and printable, so that none passes for another entry."""
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - see above
        text = "".join(traceback.format_tb(error.__traceback__))
    return "\n".join(f"    {printable(line)}" for line in _shortened(text, _TRACEBACK).splitlines())


def brief(text: str) -> str:
    """Return the text for the log: one printable line of 2,000 characters at most, with its beginning and its end."""
    return _shortened(printable(one_line(_shortened(text, _LINE))), _LINE)


def printable(text: str) -> str:
    """Return the text with every control character written out, so that no stored text can play with a terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def one_line(text: str) -> str:
    """Return the text of libpq or a driver on one line."""
    return " ".join(text.split())


def _shortened(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    omission = " [...] "
    part = (most - len(omission)) // 2
    return text[:part] + omission + text[-part:]
