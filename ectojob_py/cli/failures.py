"""What a person reads when something went wrong, and the exit code."""

import sys

import psycopg

from ectojob_py.errors import BadUsage, SetupError
from ectojob_py.wording import one_line, printable

REFUSED = 1
USAGE = 2


def explain(error: Exception) -> tuple[list[str], int]:
    """Return the lines for stderr, and the exit code."""
    if isinstance(error, SetupError):
        return _lines(str(error), hint=error.hint), USAGE if isinstance(error, BadUsage) else REFUSED
    if isinstance(error, psycopg.Error):
        said = error.diag
        return _lines(said_by_database(error), said.message_detail, said.message_hint, _notes(error)), REFUSED
    if "pymysql" in sys.modules and isinstance(error, sys.modules["pymysql"].MySQLError):
        return _lines(said_by_database(error), where=_notes(error)), REFUSED
    if isinstance(error, UnicodeError):
        return _of_text(error), USAGE
    if isinstance(error, OSError):
        return _lines(str(error)), REFUSED
    hint = "This should not happen. ECTOJOB_DEBUG=1 in the environment shows where it did; please report it."
    return _lines(f"{type(error).__name__}: {error}", hint=hint), REFUSED


def said_by_database(error: Exception) -> str:
    """Return a driver's message, with the code."""
    if isinstance(error, psycopg.Error):
        message = error.diag.message_primary or one_line(str(error)) or type(error).__name__
        return message + (f" [{error.sqlstate}]" if error.sqlstate else "")
    *code, text = error.args or (type(error).__name__,)
    return f"{text} {code}" if code else str(text)


def _of_text(error: UnicodeError) -> list[str]:
    """Tell what the connection can't carry from an argument that is no UTF-8, which Python turns into surrogates."""
    if isinstance(error, UnicodeEncodeError) and not "\ud800" <= error.object[error.start] <= "\udfff":
        hint = "Let the connection use UTF-8: see client_encoding or charset in the dsn, and PGCLIENTENCODING."
        return _lines(f"{error.object[error.start]} can't be written in {error.encoding}", hint=hint)
    return _lines("the input is not valid UTF-8", hint="Convert it first: iconv -t utf-8")


def _notes(error: Exception) -> str:
    return ", ".join(getattr(error, "__notes__", []))


def _lines(message: str, detail: str | None = None, hint: str | None = None, where: str | None = None) -> list[str]:
    said = [("error", message), ("detail", detail), ("where", where), ("hint", hint)]
    return [f"{word}: {printable(one_line(text))}" for word, text in said if text]
