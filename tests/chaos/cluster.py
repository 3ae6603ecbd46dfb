"""A primary and its synchronous standby: they crash, take over, and are reached directly, by proxy and by pgbouncer."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg
from proxy import Proxy

from chaos.bouncer import PROGRAM, Bouncer
from ectojob_py.embedded import VERSIONS, EmbeddedServer, binaries
from ectojob_py.migrate import migrate

HERE = Path(__file__).parent
SETTINGS = {
    "max_wal_size": "2GB",
    "wal_keep_size": "1GB",
    "max_connections": "300",
    "log_checkpoints": "off",
    "autovacuum_naptime": "5s",
}


class Cluster:
    """Two servers in a temporary folder. ``primary`` is the one that takes writes, ``standby`` the other, if any."""

    def __init__(self, programs: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ectojob-chaos-"))
        self.folder.chmod(0o755)
        self.primary = EmbeddedServer(self.folder / "a", programs or binaries(VERSIONS[-1]), SETTINGS)
        self.primary.start()
        self._programs = self.primary.program("postgres").parent
        self.standby = EmbeddedServer(self.folder / "b", self._programs, SETTINGS)
        migrate(self.primary.dsn())
        with self.connect() as conn:
            conn.execute("select jobs.create_queue('chaos'), jobs.create_queue('errands')")
            conn.execute((HERE / "chaos.sql").read_bytes())
        self.proxy = Proxy(lambda: self.primary.folder / ".s.PGSQL.5432")
        self.bouncer = Bouncer(self.folder, "transaction")
        if PROGRAM:
            self.bouncer.point_to(self.primary)
            until(self.bouncer.ready)
        self.synchronous = False
        self.build_standby()

    @property
    def dsn(self) -> str:
        """Whichever of the two takes writes."""
        hosts = f"{self.folder / 'a'},{self.folder / 'b'}"
        return f"host={hosts} port=5432 user=postgres dbname=postgres target_session_attrs=read-write connect_timeout=5"

    @property
    def proxied(self) -> str:
        """Through our proxy."""
        return f"host=127.0.0.1 port={self.proxy.port} user=postgres dbname=postgres connect_timeout=5"

    def connect(self) -> psycopg.Connection[Any]:
        """Connect to the primary."""
        return psycopg.connect(self.primary.dsn(), autocommit=True, application_name="chaos")

    def crash(self) -> None:
        """Let the primary crash, and start it again."""
        self.primary.stop("immediate")
        self.primary.start()
        self._say_back()

    def promote(self) -> None:
        """Let the primary crash for good; the standby takes over. It has no standby of its own yet."""
        until(lambda: self.synchronous)
        self.primary.stop("immediate")
        self.synchronous = False
        self.primary, self.standby = self.standby, self.primary
        with self.connect() as conn:
            assert conn.execute("select pg_promote()").fetchone() == (True,)
        self._say_back()
        if PROGRAM:
            self.bouncer.point_to(self.primary)

    def build_standby(self) -> None:
        """Copy the primary, let the copy follow, and let every COMMIT wait for it from now on."""
        if (self.standby.data / "PG_VERSION").exists() and self.standby.running():
            self.standby.stop("immediate")
        shutil.rmtree(self.standby.data, ignore_errors=True)
        self.standby.folder.mkdir(mode=0o755, exist_ok=True)
        shutil.chown(self.standby.folder, EmbeddedServer.owner())
        copy = ("-D", str(self.standby.data), "-R", "-X", "stream", "-c", "fast", "-d", self.primary.dsn())
        self.standby._run("pg_basebackup", *copy)
        self.standby.start()
        with self.connect() as conn:
            conn.execute("alter system set synchronous_standby_names = '*'")
            conn.execute("select pg_reload_conf()")
            caught_up = "select 1 from pg_stat_replication where sync_state = 'sync' and flush_lsn >= %s"
            [(now,)] = conn.execute("select pg_current_wal_lsn()").fetchall()
            until(lambda: conn.execute(caught_up, [now]).fetchone())
        self.synchronous = True

    def close(self) -> None:
        """Stop everything and remove it."""
        self.proxy.__exit__()
        self.bouncer.stop()
        for server in (self.primary, self.standby):
            if server.running():
                server.stop("immediate")
        shutil.rmtree(self.folder)

    def _say_back(self) -> None:
        with self.connect() as conn:
            conn.execute("set synchronous_commit = local")
            conn.execute("insert into chaos.back default values")


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Return as soon as the condition is true."""
    deadline = monotonic() + seconds
    while not condition():
        if monotonic() > deadline:
            raise TimeoutError(condition)
        sleep(0.02)
