"""What a worker asks of a database, and which one answers."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from importlib import import_module
from typing import Any, Protocol, cast

from ectojob_py.bell import Bell
from ectojob_py.client import Jobs
from ectojob_py.errors import SetupError
from ectojob_py.job import Job
from ectojob_py.pool import Connections
from ectojob_py.pool_async import AsyncConnections


class NotNow(SetupError):
    """A database that could not be asked, or did not take the call; it may well do so later, as after an outage."""


class Listener(AbstractContextManager["Listener"], Protocol):
    """The connection on which a worker listens, claims and sweeps; any of its errors means that it is lost."""

    jobs: Jobs

    @property
    def where(self) -> str:
        """Which schema of which database this is, in words."""

    def due_in(self, queue: str) -> float | None:
        """Return the seconds until the sweep has work next, by the database's clock; ``None``: none known."""

    def claim(self, queue: str, demand: int, execution_timeout: timedelta | None) -> list[Job]:
        """Take up to ``demand`` jobs; after fewer, ``wait`` returns the queue once it is worth a look again."""

    def extend(self, job: Job, by: timedelta) -> Job | None:
        """Keep a lease; ``None``: someone else has the job by now. Raises ``Locked`` rather than wait for its row."""

    def release(self, job: Job) -> Job | None:
        """Give a job back; ``None``: someone else has it by now. Raises ``Locked`` rather than wait for its row."""

    def fail(self, job: Job, error: str, retry_in: timedelta | None) -> Job | None:
        """Fail an attempt; ``None``: someone else has it by now. Raises ``Locked`` rather than wait for its row."""

    def wait(self, timeout: float, bell: Bell, empty: set[str]) -> tuple[set[str], set[str]]:
        """Sleep; return the queues that have a job to run, and those whose next due moment may have changed.

        ``empty``: the queues that had no more jobs when last looked at, and so are worth listening to.
        """


class Engine(Protocol):
    """What a worker needs of a database. A module: ``ectojob_py.postgres.engine``."""

    @property
    def Error(self) -> tuple[type[Exception], ...]:
        """What the driver raises."""

    @property
    def attention_span(self) -> float:
        """For how many seconds at most wake-ups are to be trusted, whatever the poll interval."""

    @property
    def Listener(self) -> Callable[[str, str, tuple[str, ...], Callable[[], bool]], Listener]:
        """Connect and listen: dsn, schema, queues, and what tells whether there is no time left to wait for answers."""

    @property
    def open_pool(self) -> Callable[[str], Connections[Any]]:
        """Make a pool of handlers' connections: dsn."""

    @property
    def open_async_pool(self) -> Callable[[str], AsyncConnections[Any]]:
        """Make a pool of async handlers' connections: dsn. Raises ``SetupError`` where there can't be any."""

    @property
    def is_lost(self) -> Callable[[Exception], bool]:
        """Tell whether an error says that the connection is gone, and not that the database refused a call."""

    @property
    def setup_error(self) -> Callable[[Exception, str], SetupError]:
        """Say what keeps a worker from starting, and the remedy: error, schema. ``NotNow`` unless it stays so."""


def kind_of(dsn: str) -> str:
    """Return which database a dsn names: ``mysql`` for a ``mysql://`` one (MariaDB too), else ``postgres``."""
    return "mysql" if dsn.startswith("mysql://") else "postgres"


def room_of(dsn: str, name: str) -> Any:
    """Return the module ``name`` for the database that a dsn names."""
    try:
        return import_module(f"ectojob_py.{kind_of(dsn)}.{name}")
    except ModuleNotFoundError as error:
        if error.name != "pymysql":
            raise
        raise SetupError("a mysql:// dsn needs PyMySQL", "Install it, too: pip install PyMySQL") from None


def engine_of(dsn: str) -> Engine:
    """Return the engine that a dsn names."""
    return cast(Engine, room_of(dsn, "engine"))
