"""The console script ``ectojob``. It shows what views say, and changes things through ``Jobs`` alone."""

import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence

from ectojob_py.cli.failures import explain
from ectojob_py.cli.output import spell_out


def main(args: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code.

    0: done. 1: the database refused, or can't be reached. 2: what was typed makes no sense. 3: a worker left jobs
    behind that outlived its grace period. 130: Ctrl-C. A pipe that the reader closed is 1, and no reason to talk.
    ``ECTOJOB_DEBUG=1`` in the environment adds the traceback of an error.
    """
    _take_standard_descriptors()
    if os.getpid() == 1:  # of a container, where the system ignores what nobody has asked for
        signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    # psycopg warns when Ctrl-C came in the middle of a statement; the connection is closed, so that is its end anyway.
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
    spell_out()
    try:
        code = _run(args)
        print(end="", flush=True)
    except BrokenPipeError:
        _close_stdout()
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the last resort: a person never gets a bare traceback
        if os.environ.get("ECTOJOB_DEBUG"):
            traceback.print_exc()
        if isinstance(error, OSError):
            _close_stdout()
        lines, code = explain(error)
        print(*lines, sep="\n", file=sys.stderr)
    return code


def _take_standard_descriptors() -> None:
    """Open those that are closed: else a connection has that number, and what a library prints goes to the server."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free: this one


def _run(args: Sequence[str] | None) -> int:
    from ectojob_py.cli.app import app  # noqa: PLC0415 - it takes a moment, in which Ctrl-C is no traceback either

    try:
        app(args, prog_name="ectojob")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    return 0


def _close_stdout() -> None:
    """Let what can't be written go nowhere, or the interpreter's own flush at exit would complain again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
