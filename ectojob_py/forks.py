"""A child that a handler forks has its parent's transaction and socket, and must not touch either."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn


@contextmanager
def ending_children() -> Iterator[None]:
    """End a child that was forked in the block where the block ends, with the exit code that a program would have."""
    parent = os.getpid()
    raised: BaseException | None = None
    try:
        yield
    except BaseException as error:
        if os.getpid() == parent:
            raise
        raised = error
    if os.getpid() != parent:
        _end(raised)


def _end(raised: BaseException | None) -> NoReturn:
    code: object = int(raised is not None)
    if isinstance(raised, SystemExit):
        code = raised.code or 0
    with suppress(Exception):  # what can't be written can't be
        if not isinstance(code, int):
            print(code, file=sys.stderr)
        elif raised is not None and not isinstance(raised, SystemExit):
            traceback.print_exception(raised)
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code & 0xFF if isinstance(code, int) else 1)
