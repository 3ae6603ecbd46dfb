"""Whether this client and the functions in the database belong together."""

import re
from pathlib import Path

from ectojob_py.errors import SetupError

# In a wheel the folders are inside the package, in a checkout beside it.
_HERE = Path(__file__).resolve().parent
ROOT = _HERE if (_HERE / "migrations").is_dir() else _HERE.parent
"""The folder that holds ``sql/`` and ``migrations/``."""


def release() -> str:
    """Return the release of this client: that of the functions it brings along."""
    [found] = re.findall(r"return '([^']+)'", (ROOT / "sql/postgres/support/version.sql").read_text())
    return str(found)


def how_to_migrate(schema: str) -> str:
    """Return the command that brings a schema to this release."""
    return "ectojob migrate" + ("" if schema == "jobs" else f" --schema {schema}")


def check_release(installed: str, schema: str) -> None:
    """Raise ``SetupError`` unless functions of release ``installed`` serve this client.

    The database goes first: functions of x.y serve clients of x.y and of x.(y-1), whatever their third number. A
    function that has changed keeps taking the calls of the release before it.
    """
    client = release()
    (ours, our_minor), (theirs, their_minor) = _parts(client), _parts(installed)
    if (theirs, their_minor) < (ours, our_minor):
        hint = f"Bring the schema to {client} first: {how_to_migrate(schema)}"
        raise SetupError(f"schema {schema} has ectojob {installed}, and this is {client}", hint)
    if theirs != ours or their_minor > our_minor + 1:
        hint = f"Install ectojob {'.'.join(installed.split('.')[:2])} here."
        raise SetupError(f"schema {schema} has ectojob {installed}, which no longer serves {client}", hint)


def check_replaced(installed: str, schema: str) -> None:
    """Raise ``SetupError`` when functions of release ``installed`` must not be replaced by those of this one."""
    if _parts(installed) > _parts(release()):
        hint = (
            f"Install ectojob {'.'.join(installed.split('.')[:2])} or later here. There is no way back with the jobs, "
            "and functions serve workers of the release before theirs."
        )
        raise SetupError(f"schema {schema} has ectojob {installed}, and this is {release()}", hint)


def _parts(version: str) -> tuple[int, int]:
    """Return the first two numbers; of what is no version, what is older than any."""
    match = re.match(r"(\d+)\.(\d+)(?![\d])", version)
    return (int(match[1]), int(match[2])) if match else (0, -1)
