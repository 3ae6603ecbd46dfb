"""MySQL and MariaDB servers for the tests: private ones in a folder with a socket, or one that is named."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ectojob_py.mysql.connection import connect

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
GIVEN = os.environ.get("ECTOJOB_TEST_MYSQL_DSN")
FOUND = {"mariadb": shutil.which("mariadbd", path=PATH), "mysql": GIVEN or os.environ.get("ECTOJOB_MYSQLD")}
MYSQL = {name: program for name, program in FOUND.items() if program}
"""MariaDB when it is on the machine, and MySQL: the server at ECTOJOB_TEST_MYSQL_DSN, or the mysqld ECTOJOB_MYSQLD."""

OPTIONS = [
    "--bind-address=127.0.0.1",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=64M",
    "--log-bin-trust-function-creators=1",
    "--innodb-lock-wait-timeout=10",
    "--server-id=200",  # from 128 on, uuid_short() does not fit a signed bigint
    "--default-time-zone=+08:00",  # whatever the session's zone is, moments are in UTC
]
MYSQL_OPTIONS = ["--mysqlx=OFF", "--secure-file-priv=", "--skip-log-bin"]


class PrivateServer:
    """A server of its own folder. As root it runs as root: nobody else reaches the folder, or its socket."""

    def __init__(self, name: str, *options: str) -> None:
        """Create the data of one of ``MYSQL``; ``options`` win over those for tests, by which a crash may lose data."""
        self.folder = Path(tempfile.mkdtemp(prefix="ectojob-test-"))
        self.dsn = f"mysql://root@/?unix_socket={self.folder / 'socket'}"
        user = ["--user=root"] if os.geteuid() == 0 else []
        data = f"--datadir={self.folder / 'data'}"
        subprocess.run([*_initialize(name), data, *user], check=True, capture_output=True, cwd=self.folder)
        self._command = [
            str(MYSQL[name]), "--no-defaults", data, f"--socket={self.folder / 'socket'}", f"--port={_free_port()}",
            f"--pid-file={self.folder / 'pid'}",
            f"--tmpdir={self.folder}",  # a server that starts removes the temporary tables of others from a shared one
            *OPTIONS, *(MYSQL_OPTIONS if name == "mysql" else []), *user, *options,
        ]  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start it, and wait until it can be connected to."""
        log = self.folder / "log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output, cwd=self.folder)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            if "ready for connections" in log.read_text(errors="replace"):
                return
            time.sleep(0.02)
        raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')}")

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self._process.pid

    def kill(self) -> None:
        """Crash it."""
        self._process.kill()
        self._process.wait()

    def remove(self) -> None:
        """Crash it, and leave nothing behind."""
        self.kill()
        shutil.rmtree(self.folder)


@contextmanager
def mysql_running(name: str) -> Iterator[str]:
    """Yield the dsn of one of ``MYSQL``, of a superuser: a private server without a password, or the one given."""
    if name == "mysql" and GIVEN:
        yield from _given(GIVEN)
        return
    server = PrivateServer(name)
    try:
        yield server.dsn
    finally:
        server.remove()


def _given(dsn: str) -> Iterator[str]:
    with closing(connect(dsn, autocommit=True)) as conn, conn.cursor() as cursor:
        if cursor.execute("show databases like 'jobs'"):
            raise RuntimeError("the server at ECTOJOB_TEST_MYSQL_DSN has a database jobs, which the tests would empty")
    yield dsn
    with closing(connect(dsn, autocommit=True)) as conn, conn.cursor() as cursor:
        cursor.execute("drop database jobs")


def _initialize(name: str) -> list[str]:
    if name == "mysql":
        return [str(MYSQL[name]), "--no-defaults", "--initialize-insecure"]
    return ["mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
