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
]
MYSQL_OPTIONS = ["--mysqlx=OFF", "--secure-file-priv=", "--skip-log-bin"]


@contextmanager
def mysql_running(name: str) -> Iterator[str]:
    """Yield the dsn of one of ``MYSQL``, of a superuser: a private server without a password, or the one given."""
    with _given(GIVEN) if name == "mysql" and GIVEN else _private(name) as dsn:
        yield dsn


@contextmanager
def _given(dsn: str) -> Iterator[str]:
    with closing(connect(dsn, autocommit=True)) as conn, conn.cursor() as cursor:
        if cursor.execute("show databases like 'jobs'"):
            raise RuntimeError("the server at ECTOJOB_TEST_MYSQL_DSN has a database jobs, which the tests would empty")
    yield dsn
    with closing(connect(dsn, autocommit=True)) as conn, conn.cursor() as cursor:
        cursor.execute("drop database jobs")


@contextmanager
def _private(name: str) -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="ectojob-test-"))
    data, listening, log = folder / "data", folder / "socket", folder / "log"
    user = ["--user=root"] if os.geteuid() == 0 else []
    subprocess.run([*_initialize(name, data), *user], check=True, capture_output=True, cwd=folder)
    command = [MYSQL[name], "--no-defaults", f"--datadir={data}", f"--socket={listening}"]
    with log.open("wb") as output:
        options = [
            *OPTIONS,
            *(MYSQL_OPTIONS if name == "mysql" else []),
            *user,
            f"--port={_free_port()}",
            f"--pid-file={folder / 'pid'}",
            f"--tmpdir={folder}",  # a server that starts removes the temporary tables of others from a shared one
        ]
        process = subprocess.Popen([*command, *options], stdout=output, stderr=output, cwd=folder)
    try:
        _wait(process, log)
        yield f"mysql://root@/?unix_socket={listening}"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _initialize(name: str, data: Path) -> list[str]:
    if name == "mysql":
        return [MYSQL[name], "--no-defaults", "--initialize-insecure", f"--datadir={data}"]
    return [
        "mariadb-install-db",
        "--no-defaults",
        f"--datadir={data}",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
    ]


def _wait(process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if "ready for connections" in log.read_text(errors="replace"):
            return
        time.sleep(0.02)
    raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
