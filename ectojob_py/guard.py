"""What keeps a handler from ending the transaction it was given."""

from collections.abc import Iterator
from contextlib import contextmanager

from ectojob_py.errors import HandlerError

ENDED = "ended the transaction with a statement"
AUTOCOMMIT = "set autocommit"


class Guard:
    """A connection that knows when a handler has it, and then refuses what is the worker's to do."""

    handing_out = False
    demoted = False
    """Whether the server refused to write: it isn't the primary, or isn't any more."""
    conflict: Exception | None = None
    """What the server told the transaction that was handed out last, when it had to yield to another one."""
    _misuse: HandlerError | None = None

    @contextmanager
    def handed_out(self) -> Iterator[None]:
        """Guard the transaction for the time of the block; raise ``HandlerError`` at its end if it was broken."""
        self._misuse = self.conflict = None
        self.handing_out = True
        try:
            yield
            self.catch_up()
        finally:
            self.handing_out = False
        if self._misuse:
            raise self._misuse
        self.take_back()

    def gave_way(self, error: BaseException | None) -> bool:
        """Tell whether the transaction ended in ``error`` because it had to yield, so that it may be run again.

        Not so after a conflict that undid a part of it, and that the handler caught, and went on from.
        """
        seen: set[int] = set()  # a chain may be a circle: ``except ValueError as e: raise e from e``
        while error is not None and error is not self.conflict and id(error) not in seen:
            seen.add(id(error))
            error = error.__cause__ or error.__context__
        return error is not None and error is self.conflict

    def catch_up(self) -> None:
        """Refuse what the handler's last statement did, where the server has yet to tell."""

    def take_back(self) -> None:
        """Raise when the transaction, as the handler left it, can't be completed."""

    def refuse(self, deed: str) -> None:
        """Raise ``HandlerError``, if it is a handler who did it; also at the end, in case the handler caught it."""
        if self.handing_out:
            self._misuse = HandlerError(
                f"the handler {deed}; its writes commit together with the job's completion, so leave that to the worker"
            )
            raise self._misuse
