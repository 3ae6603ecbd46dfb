"""A child that a handler forks has its parent's transaction and socket, and must not touch either."""

import os
import sys
import traceback
from contextlib import suppress
from types import TracebackType
from typing import NoReturn


class EndingChildren:
    """Ends a child that was forked in the block where the block ends, with the exit code that a program would have."""

    __slots__ = ("_parent",)

    def __enter__(self) -> None:
        self._parent = os.getpid()

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, where: TracebackType | None
    ) -> None:
        if os.getpid() != self._parent:
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
