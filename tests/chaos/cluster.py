"""A primary and its synchronous standby: they crash, take over, and are reached directly, by proxy and by pgbouncer."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg
from proxy import Proxy

from ectojob_py.embedded import VERSIONS, EmbeddedServer, binaries
from ectojob_py.migrate import migrate

HERE = Path(__file__).parent
SETTINGS = {"max_wal_size": "2GB", "wal_keep_size": "1GB", "max_connections": "150", "log_checkpoints": "off"}
PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


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
        self._bouncer: subprocess.Popen[bytes] | None = None
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

    @property
    def pooled(self) -> str:
        """Through pgbouncer in transaction mode."""
        return f"host={self.folder} port=6432 user=postgres dbname=postgres connect_timeout=5"

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
        if self._bouncer:
            self._write_bouncer()
            self._bouncer.send_signal(signal.SIGHUP)

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

    def start_bouncer(self) -> None:
        """Start pgbouncer, which knows one database: the primary."""
        self._write_bouncer()
        ini = str(self.folder / "pgbouncer.ini")
        self._bouncer = subprocess.Popen([str(PGBOUNCER), "-q", ini], cwd="/", **self.primary._user)
        until((self.folder / ".s.PGSQL.6432").exists)

    def stop_bouncer(self) -> None:
        """Stop pgbouncer and the sessions it has."""
        if self._bouncer:
            self._bouncer.kill()
            self._bouncer.wait()

    def close(self) -> None:
        """Stop everything and remove it."""
        self.proxy.__exit__()
        self.stop_bouncer()
        for server in (self.primary, self.standby):
            if server.running():
                server.stop("immediate")
        shutil.rmtree(self.folder)

    def _write_bouncer(self) -> None:
        shutil.chown(self.folder, EmbeddedServer.owner())
        (self.folder / "pgbouncer.ini").write_text(
            f"""[databases]
* = host={self.primary.folder} port=5432 user=postgres
[pgbouncer]
listen_port = 6432
unix_socket_dir = {self.folder}
logfile = {self.folder}/pgbouncer.log
auth_type = any
pool_mode = transaction
server_login_retry = 0.1
query_wait_timeout = 10
"""
        )

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
